//! The variables of a container: those of the user as they were written, those
//! that kaiwo adds, and what several pods find one another by.

use serde::Serialize;

use super::mount_paths::{SCRATCH_DIRECTORY, SIGNAL_FILE, WORKLOAD_DIRECTORY};
use super::support::secret_name;
use crate::kind::WorkloadKind;
use crate::plan::Plan;
use crate::secrecy::{Confidential, exposed};
use crate::workload::environment::EnvSource;

/// Has Python print at once instead of in blocks, which would come late and be
/// lost when the process is killed.
const UNBUFFERED: &str = "PYTHONUNBUFFERED";
/// Variable with the directories that Python imports from.
const PYTHON_PATH: &str = "PYTHONPATH";
/// Seconds from SIGTERM to SIGKILL where nothing is said of them (core/v1 PodSpec).
const DEFAULT_GRACE: i64 = 30;

/// One variable: a value, or a reference.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct EnvVarContext {
    pub name: String,
    /// Its value, escaped for Kubernetes' `$(…)`.
    #[serde(serialize_with = "exposed")]
    pub value: Option<Confidential<String>>,
    /// Key of a Secret.
    pub from_secret: Option<FromSecret>,
    /// Field of the pod.
    pub from_field: Option<&'static str>,
}

/// Key of a Secret.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct FromSecret {
    /// Name of the Secret.
    pub secret: String,
    pub key: String,
}

/// Returns `text` as Kubernetes hands it on unchanged: in variables and
/// commands it replaces `$(NAME)`, and reads `$$` as `$` (core/v1 EnvVar).
pub fn literal(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        escaped.push(c);
        if c == '$' && matches!(chars.peek(), Some('$' | '(')) {
            escaped.push('$');
        }
    }
    escaped
}

/// Returns the variables of a container: the user's, then kaiwo's.
pub fn env_vars(plan: &Plan) -> Vec<EnvVarContext> {
    let environment = &plan.request.environment;
    // Ray Serve imports what was uploaded, as the module `app`.
    let imports_uploads = plan.request.kind == WorkloadKind::RayService;
    let mut variables: Vec<EnvVarContext> = environment
        .variables
        .iter()
        .map(|variable| match &variable.source {
            EnvSource::Value(value) => {
                let value = value.expose();
                let value = match imports_uploads && variable.name == PYTHON_PATH {
                    true => format!("{WORKLOAD_DIRECTORY}:{value}"),
                    false => value.clone(),
                };
                value_of(&variable.name, literal(&value))
            }
            EnvSource::Secret { secret, key } => EnvVarContext {
                name: variable.name.clone(),
                from_secret: Some(FromSecret {
                    secret: secret.clone(),
                    key: key.clone(),
                }),
                ..EnvVarContext::default()
            },
            EnvSource::Local(_) => EnvVarContext {
                name: variable.name.clone(),
                from_secret: Some(FromSecret {
                    secret: secret_name(plan),
                    key: variable.name.clone(),
                }),
                ..EnvVarContext::default()
            },
        })
        .collect();

    let layout = plan.layout;
    let mut injected = vec![
        value_of("NUM_GPUS", layout.total().to_string()),
        value_of("NUM_REPLICAS", layout.replicas.to_string()),
        value_of("NUM_GPUS_PER_REPLICA", layout.gpus_per_replica.to_string()),
        value_of("KAIWO_SCRATCH", SCRATCH_DIRECTORY.to_owned()),
    ];
    if !plan.request.keeps_model_cache() {
        let home = format!("{SCRATCH_DIRECTORY}/huggingface");
        injected.push(value_of("HF_HOME", home));
    }
    injected.push(value_of(UNBUFFERED, "1".to_owned()));
    injected.extend(told_to_end(plan));
    if plan.indexed() {
        injected.extend(rendezvous(plan));
    }
    if imports_uploads {
        injected.push(value_of(PYTHON_PATH, WORKLOAD_DIRECTORY.to_owned()));
    }
    // What the user sets stands, whatever its name.
    injected.retain(|variable| !environment.sets(&variable.name));
    variables.extend(injected);
    variables
}

/// Returns whether a variable of the workload goes into every container, those
/// too that do not run what the user wrote.
pub fn is_common(variable: &EnvVarContext) -> bool {
    variable.name == UNBUFFERED
}

/// Returns what a program that is told to end finds: the file that says so, and with
/// Ray the time that it has. Ray itself (v2.60, `job_supervisor.py`) kills the program
/// of a job that is stopped after 3 seconds, and keeps a pod for 30 seconds more.
fn told_to_end(plan: &Plan) -> Vec<EnvVarContext> {
    let request = &plan.request;
    let mut variables = Vec::new();
    if request.kind != WorkloadKind::RayService {
        variables.push(value_of("KAIWO_SIGNAL_FILE", SIGNAL_FILE.to_owned()));
    }
    if request.kind == WorkloadKind::RayJob {
        let grace = request.pods.grace.map_or(DEFAULT_GRACE, |grace| grace.0);
        variables.push(value_of("RAY_JOB_STOP_WAIT_TIME_S", grace.to_string()));
        // The hooks have waited for the program by then (v2.60, `node.py`).
        variables.push(value_of(
            "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S",
            "0".to_owned(),
        ));
    }
    variables
}

/// Returns what `torchrun` reads in place of its options (`PET_` and the
/// option's name), so that a plain `torchrun train.py` finds all pods. The
/// first pod's host name is `<job>-0` below the headless Service.
fn rendezvous(plan: &Plan) -> Vec<EnvVarContext> {
    const JOB_NAME: &str = "KAIWO_JOB_NAME";
    let name = &plan.request.name;
    let field = |name: &str, field| EnvVarContext {
        name: name.to_owned(),
        from_field: Some(field),
        ..EnvVarContext::default()
    };
    let mut variables = Vec::new();
    // The Jobs of a CronJob have names of their own, which Kubernetes puts
    // in where a value says so.
    let job = match plan.request.kind {
        WorkloadKind::CronJob => {
            variables.push(field(
                JOB_NAME,
                "metadata.labels['batch.kubernetes.io/job-name']",
            ));
            format!("$({JOB_NAME})")
        }
        _ => name.clone(),
    };
    let address = format!("{job}-0.{name}");
    variables.extend([
        value_of("PET_NNODES", plan.layout.replicas.to_string()),
        field(
            "PET_NODE_RANK",
            "metadata.annotations['batch.kubernetes.io/job-completion-index']",
        ),
        value_of(
            "PET_NPROC_PER_NODE",
            plan.layout.gpus_per_replica.max(1).to_string(),
        ),
        value_of("PET_MASTER_ADDR", address.clone()),
        value_of("PET_MASTER_PORT", "29500".to_owned()),
        value_of("MASTER_ADDR", address),
        value_of("MASTER_PORT", "29500".to_owned()),
    ]);
    variables
}

fn value_of(name: &str, value: String) -> EnvVarContext {
    EnvVarContext {
        name: name.to_owned(),
        value: Some(Confidential::new(value)),
        ..EnvVarContext::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What kubelet does to a value (k8s.io/kubernetes
    /// third_party/forked/golang/expansion), with no variable defined.
    fn expand(value: &str) -> String {
        let mut result = String::new();
        let mut rest = value;
        while let Some(index) = rest.find('$') {
            result += &rest[..index];
            rest = &rest[index + 1..];
            if let Some(after) = rest.strip_prefix('$') {
                result.push('$');
                rest = after;
            } else if let (true, Some(end)) = (rest.starts_with('('), rest.find(')')) {
                result += "EXPANDED";
                rest = &rest[end + 1..];
            } else {
                result.push('$');
            }
        }
        result + rest
    }

    proptest! {
        #[test]
        fn values_arrive_as_they_were_written(value in "[$()a]{0,12}") {
            prop_assert_eq!(expand(&literal(&value)), value);
        }
    }
}
