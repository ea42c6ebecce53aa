//! Lets the API server and its webhooks go through a whole submission
//! without storing any of it, and reads their answers.

use serde::Deserialize as _;
use serde_json::Value;

use crate::api::keys;
use crate::api::workload::job::JobSpec;
use crate::change::rbac::for_admins;
use crate::cluster::client::request::Write;
use crate::cluster::objects::in_turns;
use crate::cluster::{Cluster, ClusterError};
use crate::error::{Classified, ErrorClass};
use crate::render::manifest::{Manifest, ManifestSet};
use crate::suggestion::{Suggestion, kubectl};

/// A submission that the cluster would not take.
#[derive(Debug, thiserror::Error)]
pub enum PreflightError {
    /// An object is refused.
    #[error("the cluster rejects {object}")]
    Refused {
        /// `kind/name` of the object.
        object: String,
        /// Its words.
        source: ClusterError,
    },
    /// The LocalQueue has to be made, and the user may not.
    #[error("LocalQueue {:?} does not exist in namespace {:?}, and you may not create it", manifest.name(), manifest.namespace())]
    QueueForbidden {
        /// The LocalQueue, for somebody who may.
        manifest: Box<Manifest>,
        /// The API server's words.
        source: ClusterError,
    },
    /// Kueue's webhook left the workload as it was, so nothing would queue
    /// it.
    #[error(
        "Kueue does not manage {kind}s in namespace {namespace:?}: it would start at once, bypassing the queue"
    )]
    NotManaged {
        /// Kind of the workload.
        kind: String,
        /// What Kueue's configuration calls it.
        framework: String,
        namespace: String,
    },
    /// Kueue would not let the slots of an array change while it runs.
    #[error(
        "--grow has no effect here: Kueue's feature ElasticJobsViaWorkloadSlices is switched off (or missing, before v0.13), so the slots of {object} could not be changed while it runs"
    )]
    CannotGrow {
        /// `kind/name` of the array.
        object: String,
    },
}

impl Classified for PreflightError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Refused { source, .. } | Self::QueueForbidden { source, .. } => source.class(),
            Self::NotManaged { .. } | Self::CannotGrow { .. } => ErrorClass::Refused,
        }
    }

    fn hints(&self) -> Vec<Suggestion> {
        match self {
            Self::Refused { source, .. } => source.hints(),
            Self::QueueForbidden { manifest, .. } => vec![
                kubectl("-n {} get localqueues", &[manifest.namespace()])
                    .to("choose an existing LocalQueue with -q"),
                for_admins(&crate::yaml::to_string(manifest.value())),
            ],
            Self::NotManaged { framework, .. } => {
                vec![format!(
                "ask an admin to add {framework} to integrations.frameworks in Kueue's configuration"
            )
            .into()]
            }
            Self::CannotGrow { .. } => vec![
                "remove --grow: it starts with as many slots as fit, and keeps those".into(),
                "or ask an admin to switch on ElasticJobsViaWorkloadSlices in featureGates of Kueue's configuration".into(),
            ],
        }
    }

    fn object(&self) -> Option<String> {
        match self {
            Self::Refused { object, .. } | Self::CannotGrow { object } => Some(object.clone()),
            Self::QueueForbidden { manifest, .. } => Some(manifest.display_name()),
            Self::NotManaged { .. } => None,
        }
    }
}

/// What the API server would store.
#[derive(Debug, Default)]
pub struct Rehearsal {
    /// Its answers, in the order of the set; in place of what exists already,
    /// what was to be created.
    pub answers: Vec<Manifest>,
    /// Its answer about what Kueue is to manage (the workload, or of a CronJob
    /// a Job as it will start them), unless one of that name exists.
    pub queued: Option<Value>,
    /// The queue that the cluster's admission puts the workload into in place of
    /// the one it names; nothing else is told then.
    pub elsewhere: Option<String>,
}

impl Rehearsal {
    /// Returns whether Kueue sends the workload to another cluster: its webhook
    /// then says so in the workload, whatever the user may read besides (Kueue
    /// `ApplyDefaultForManagedBy`, v0.18).
    pub fn is_sent_away(&self) -> bool {
        let manager = self
            .queued
            .as_ref()
            .and_then(|queued| queued.pointer("/spec/managedBy"));
        manager.is_some_and(|manager| manager == keys::MULTIKUEUE_CONTROLLER)
    }
}

/// Rehearses the creation of everything but the namespace, all at once.
///
/// # Errors
/// [`PreflightError`] for the first object, in the order of the set, that is
/// refused.
pub async fn rehearse(
    cluster: &Cluster,
    manifests: &ManifestSet,
) -> Result<Rehearsal, PreflightError> {
    // What is sent in place of the workload.
    let without_config = manifests.rehearsed_workload();
    let scheduled = manifests.scheduled_job();
    let queued = scheduled.as_ref().unwrap_or(&manifests.workload);
    let objects: Vec<&Manifest> = manifests
        .iter()
        .filter(|manifest| manifest.kind() != "Namespace")
        .chain(&scheduled)
        .collect();
    let answers = in_turns(objects.iter().map(|&manifest| match &without_config {
        Some((rehearsed, _)) if *manifest == manifests.workload => {
            cluster.create(rehearsed, Write::DryRun)
        }
        _ => cluster.create(manifest, Write::DryRun),
    }))
    .await;
    let told = objects.iter().zip(&answers);
    let mut of_queued = told.filter(|(manifest, _)| ***manifest == *queued);
    if let Some((_, Ok(answer))) = of_queued.next()
        && let Some(queue) = elsewhere(queued.value(), answer)
    {
        return Ok(Rehearsal {
            elsewhere: Some(queue.to_owned()),
            ..Rehearsal::default()
        });
    }
    let denied = |answer: &&Result<Value, ClusterError>| {
        answer.as_ref().is_err_and(|error| error.is_missing_right())
    };
    // A queue that is made by an admin helps only who may do all the rest.
    let denied_once = answers.iter().filter(denied).count() == 1;
    let mut rehearsal = Rehearsal::default();
    for (manifest, answer) in objects.into_iter().zip(answers) {
        match answer {
            Ok(mut answer) => {
                if manifest == queued {
                    rehearsal.queued = Some(answer.clone());
                }
                if let Some(metadata) = answer["metadata"].as_object_mut() {
                    metadata.remove("managedFields");
                }
                if let Some((_, place)) = &without_config
                    && *manifest == manifests.workload
                {
                    restore(&mut answer, manifest.value(), place);
                }
                if Some(manifest) != scheduled.as_ref() {
                    rehearsal.answers.extend(manifest.answered(answer));
                }
            }
            // What is there already is compared when its turn comes.
            Err(error) if error.is_already_exists() => rehearsal.answers.push(manifest.clone()),
            Err(source)
                if denied_once && source.is_missing_right() && manifest.kind() == "LocalQueue" =>
            {
                return Err(PreflightError::QueueForbidden {
                    manifest: Box::new(manifest.clone()),
                    source,
                });
            }
            Err(source) => {
                return Err(PreflightError::Refused {
                    object: manifest.display_name(),
                    source,
                });
            }
        }
    }
    Ok(rehearsal)
}

/// Puts what stands at `place` in `original` into an answer that lacks it.
fn restore(answer: &mut Value, original: &Value, place: &str) {
    let parent = place.rsplit_once('/');
    if let Some((parent, field)) = parent
        && let Some(value) = original.pointer(place)
        && let Some(object) = answer.pointer_mut(parent).and_then(Value::as_object_mut)
    {
        object.insert(field.to_owned(), value.clone());
    }
}

/// Returns the queue in the API server's answer where that is not the one which
/// `sent` names: webhooks and policies change labels, too.
fn elsewhere<'a>(sent: &Value, answer: &'a Value) -> Option<&'a str> {
    let wanted = sent["metadata"]["labels"][keys::QUEUE_NAME_LABEL].as_str()?;
    let there = managed_by_queue(answer).filter(|queue| !queue.is_empty())?;
    (there != wanted).then_some(there)
}

/// Returns the LocalQueue that Kueue has taken a workload over for, as the
/// API server's answer shows it; `None` if it has not.
///
/// Its webhook suspends what runs to an end, and the cluster of a RayService;
/// the pods of a Deployment get a label, and are held back one by one (Kueue
/// v0.18).
pub fn managed_by_queue(answer: &Value) -> Option<&str> {
    let suspended = |pointer| answer.pointer(pointer) == Some(&Value::Bool(true));
    let pods = answer.pointer("/spec/template/metadata/labels");
    let taken = suspended("/spec/suspend")
        || suspended("/spec/rayClusterConfig/suspend")
        || pods.is_some_and(|labels| labels.get(keys::MANAGED_LABEL).is_some());
    let queue = &answer["metadata"]["labels"][keys::QUEUE_NAME_LABEL];
    taken.then(|| queue.as_str().unwrap_or_default())
}

/// Returns the name of a kind in `integrations.frameworks` of Kueue's
/// configuration (v0.18): those of `apps` stand without their group.
fn framework(api_version: &str, kind: &str) -> String {
    let kind = kind.to_lowercase();
    match api_version.split_once('/') {
        Some((group, _)) if group != "apps" => format!("{group}/{kind}"),
        _ => kind,
    }
}

/// Checks in the workload's answer that Kueue has taken it over.
///
/// # Errors
/// [`PreflightError::NotManaged`].
pub fn check_managed(namespace: &str, answer: &Value) -> Result<(), PreflightError> {
    let text = |field: &str| answer[field].as_str().unwrap_or_default();
    match managed_by_queue(answer) {
        Some(_) => Ok(()),
        None => Err(PreflightError::NotManaged {
            kind: text("kind").to_owned(),
            framework: framework(text("apiVersion"), text("kind")),
            namespace: namespace.to_owned(),
        }),
    }
}

/// Checks in the answer about an array that is to grow that Kueue will let it: its webhook
/// then holds the pods back one by one, for which it adds a scheduling gate to them (Kueue
/// `applyWorkloadSliceSchedulingGate`, from v0.13 on).
///
/// # Errors
/// [`PreflightError::CannotGrow`].
pub fn check_growth(object: &str, answer: &Value) -> Result<(), PreflightError> {
    let is_asked = answer["metadata"]["annotations"][keys::ELASTIC_ANNOTATION] == "true";
    let grows = || JobSpec::deserialize(&answer["spec"]).is_ok_and(|spec| spec.grows());
    match is_asked && !grows() {
        true => Err(PreflightError::CannotGrow {
            object: object.to_owned(),
        }),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_array_grows_only_if_kueue_holds_its_pods_back() {
        let job = |gates: Value| {
            json!({
                "metadata": {"annotations": {keys::ELASTIC_ANNOTATION: "true"}},
                "spec": {"template": {"spec": {"schedulingGates": gates}}},
            })
        };
        let gated = job(json!([{"name": "x"}, {"name": keys::ELASTIC_GATE}]));
        assert!(check_growth("job/a", &gated).is_ok());
        assert!(check_growth("job/a", &json!({"metadata": {}})).is_ok());
        let error = check_growth("job/a", &job(Value::Null)).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Refused);
        assert!(error.to_string().contains("ElasticJobsViaWorkloadSlices"));
    }

    #[test]
    fn a_queue_that_the_cluster_puts_in_place_is_noticed() {
        let job = |queue: Option<&str>, suspend: bool| {
            let labels = queue.map_or(json!({}), |queue| json!({keys::QUEUE_NAME_LABEL: queue}));
            json!({"metadata": {"labels": labels}, "spec": {"suspend": suspend}})
        };
        let sent = job(Some("kaiwo"), false);
        assert_eq!(elsewhere(&sent, &job(Some("kaiwo"), true)), None);
        assert_eq!(elsewhere(&sent, &job(Some("team"), true)), Some("team"));
        // Kueue has not taken it over: that is told otherwise.
        assert_eq!(elsewhere(&sent, &job(Some("team"), false)), None);
        assert_eq!(elsewhere(&sent, &job(None, true)), None);
        // What names no queue may get one.
        assert_eq!(
            elsewhere(&job(None, false), &job(Some("default"), true)),
            None
        );
    }
}
