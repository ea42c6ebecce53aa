//! Values of a `serveconfig` that Ray refuses, or that no pod can satisfy.

use std::path::Path;

use serde_json::Value;

use super::types::{AutoscalingConfig, Deployment, LoggingConfig, ServeConfig};
use super::wrong;
use crate::secrecy::named;
use crate::vocabulary::{RAY_SERVE, Verdict};
use crate::workload::WorkloadError;
use crate::yaml::Located;

/// Port of Ray Serve unless the file says other.
pub const SERVE_PORT: u16 = 8000;
/// What else listens in a head: its store, its dashboard, its clients.
const TAKEN: [i64; 3] = [6379, 8265, 10001];
/// Replicas at most where `num_replicas` is `auto`, and where nothing is said.
const MOST_OF_AUTO: i64 = 100;
const MOST: i64 = 1;

/// Checks one word of an enumeration. Returns the warning about one that is
/// only not known.
pub(super) fn choice(
    file: &Path,
    key: &str,
    chosen: Option<&Located<String>>,
    known: &[&'static str],
    warnings: &mut Vec<Located<String>>,
) -> Result<(), WorkloadError> {
    let Some(Located { value, line }) = chosen else {
        return Ok(());
    };
    match RAY_SERVE.judge(value, known) {
        Verdict::Known => Ok(()),
        Verdict::Slip(near) => Err(wrong(
            file,
            *line,
            format!("invalid {key} {value:?}"),
            format!("did you mean {near}?"),
        )),
        Verdict::Dropped(_) | Verdict::Unknown => {
            let what = format!("{key} {}", named(value));
            warnings.push(Located {
                value: format!("{} (it has {})", RAY_SERVE.unknown(&what), known.join(", ")),
                line: *line,
            });
            Ok(())
        }
    }
}

pub(super) fn logging(
    file: &Path,
    config: Option<&LoggingConfig>,
    warnings: &mut Vec<Located<String>>,
) -> Result<(), WorkloadError> {
    let encoding = config.and_then(|config| config.encoding.as_ref());
    choice(file, "encoding", encoding, &["TEXT", "JSON"], warnings)
}

/// Checks that what is served can be reached: Services and probes lead to a port
/// of the pods, not of the machine itself.
pub(super) fn http(file: &Path, config: &ServeConfig) -> Result<(), WorkloadError> {
    let options = config.http_options.as_ref();
    let host = options.and_then(|options| options.host.as_ref());
    if let Some(Located { value, line }) = host
        && (value == "localhost" || value == "::1" || value.starts_with("127."))
    {
        let message = format!("http_options.host {value:?} is not reachable from outside the pod");
        return Err(wrong(file, *line, message, "use host: 0.0.0.0"));
    }
    if let Some(Located { value, line }) = options.and_then(|options| options.port.as_ref()) {
        let message = match value {
            1..=65535 if !TAKEN.contains(value) => return disabled(file, config),
            1..=65535 => format!("http_options.port {value} is used by Ray itself in every head"),
            _ => format!("http_options.port {value} is not a valid port"),
        };
        return Err(wrong(file, *line, message, "use port: 8000"));
    }
    disabled(file, config)
}

fn disabled(file: &Path, config: &ServeConfig) -> Result<(), WorkloadError> {
    match &config.proxy_location {
        Some(Located { value, line }) if value == "Disabled" => Err(wrong(
            file,
            *line,
            "proxy_location Disabled starts no proxy, so KubeRay would never find it ready"
                .to_owned(),
            "use proxy_location: EveryNode",
        )),
        _ => Ok(()),
    }
}

/// Checks that bounds of scaling are the right way round (`AutoscalingConfig`).
pub(super) fn bounds(
    file: &Path,
    deployment: &Deployment,
    Located {
        value: config,
        line,
    }: &Located<AutoscalingConfig>,
) -> Result<(), WorkloadError> {
    let is_auto = deployment
        .num_replicas
        .as_ref()
        .is_some_and(|n| n == "auto");
    let least = config.min_replicas.unwrap_or(1);
    let usual = if is_auto { MOST_OF_AUTO } else { MOST };
    let most = config.max_replicas.unwrap_or(usual);
    let of = &deployment.name;
    let message = if most < 1 {
        format!("max_replicas of {of:?} is {most}")
    } else if least > most {
        match config.max_replicas {
            Some(_) => format!("min_replicas of {of:?} is {least}, max_replicas {most}"),
            None => {
                format!("min_replicas of {of:?} is {least}, but max_replicas is {most} by default")
            }
        }
    } else if let Some(first) = config.initial_replicas
        && !(least..=most).contains(&first)
    {
        format!("initial_replicas of {of:?} is {first}, not between {least} and {most}")
    } else {
        return Ok(());
    };
    let hint = format!("use max_replicas: {}", least.max(most).max(1));
    Err(wrong(file, *line, message, hint))
}

/// What a deployment asks of the pods.
#[derive(Debug, Clone, PartialEq)]
pub struct Demand {
    /// Its name.
    pub deployment: String,
    pub line: u64,
    /// What asks for GPUs: `num_gpus`.
    pub what: &'static str,
    /// GPUs that one pod has to have.
    pub gpus: f64,
    /// Whether pods may share them out, for more of the network.
    pub may_span: bool,
}

/// Returns what the deployments ask of one pod.
pub(super) fn demands(config: &ServeConfig) -> Vec<Demand> {
    let mut demands = Vec::new();
    for Located {
        value: application,
        line,
    } in &config.applications
    {
        let deployments = application.deployments.iter().flatten();
        for Located { value, line } in deployments {
            let mut add = |what, gpus: f64, may_span| {
                demands.push(Demand {
                    deployment: value.name.clone(),
                    line: *line,
                    what,
                    gpus,
                    may_span,
                });
            };
            let actor = value.ray_actor_options.as_ref();
            if let Some(gpus) = actor.and_then(|options| options.num_gpus) {
                add("num_gpus", gpus, false);
            }
            let bundles = value.placement_group_bundles.iter().flatten();
            let each = bundles.map(|bundle| bundle.get("GPU").copied().unwrap_or(0.0));
            let strategy = value.placement_group_strategy.as_ref();
            match strategy.map(|strategy| strategy.value.as_str()) {
                Some("STRICT_PACK") => add("placement_group_bundles", each.sum(), false),
                _ => add("placement_group_bundles", each.fold(0.0, f64::max), false),
            }
            if let Some(size) = value.user_config.as_ref().and_then(tensor_parallel) {
                add("tensor_parallel_size", size, true);
            }
        }
        let args = application.args.iter().flatten();
        for size in args.filter_map(|(key, value)| tensor_parallel_of(key, value)) {
            demands.push(Demand {
                deployment: application.name.clone().unwrap_or_default(),
                line: *line,
                what: "tensor_parallel_size",
                gpus: size,
                may_span: true,
            });
        }
    }
    demands.retain(|demand| demand.gpus > 0.0);
    demands
}

/// Returns the largest tensor-parallel size that is said anywhere in a value.
fn tensor_parallel(value: &Value) -> Option<f64> {
    let sizes: Vec<f64> = match value {
        Value::Object(fields) => fields
            .iter()
            .filter_map(|(key, value)| tensor_parallel_of(key, value))
            .collect(),
        Value::Array(items) => items.iter().filter_map(tensor_parallel).collect(),
        _ => return None,
    };
    sizes.into_iter().reduce(f64::max)
}

fn tensor_parallel_of(key: &str, value: &Value) -> Option<f64> {
    let name = key.replace('-', "_").to_lowercase();
    match name.as_str() {
        "tensor_parallel_size" | "tensor_parallelism" => {
            let text = value.as_str().and_then(|text| text.trim().parse().ok());
            value.as_f64().or(text)
        }
        _ => tensor_parallel(value),
    }
}
