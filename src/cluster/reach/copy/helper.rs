//! Starts and deletes the pod through which the claim of an ended workload is reached.

use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::api::keys;
use crate::api::pod::Pod;
use crate::api::resource::Resource;
use crate::cluster::client::pages::Selection;
use crate::cluster::client::request::Write;
use crate::cluster::{Cluster, ClusterError};
use crate::error::{Classified, ErrorClass};
use crate::observe::storage::helper::{Helper, is_held_back, is_queued};
use crate::render::manifest::Manifest;
use crate::suggestion::{Suggestion, kaiwo, kubectl};

/// Time within which it has to run: an image may have to be pulled.
const PATIENCE: Duration = Duration::from_secs(300);
/// Time between two looks.
const PAUSE: Duration = Duration::from_millis(250);

/// Why there is no such pod.
#[derive(Debug, thiserror::Error)]
pub enum HelperError {
    /// The cluster said no, or cannot be asked.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// Kueue holds it back, and no queue is known that would let it through.
    #[error(
        "in namespace {namespace}, Kueue holds back pods without a queue, and the workload has none"
    )]
    NoQueue { namespace: String },
    /// It does not run.
    #[error("pod {pod}, which reads the claim, is not running: {why}")]
    Stuck {
        pod: String,
        why: String,
        has_ended: bool,
        /// The namespace, if it waits in a queue there.
        queued_in: Option<String>,
    },
}

impl Classified for HelperError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Cluster(source) => source.class(),
            Self::NoQueue { .. } => ErrorClass::Refused,
            Self::Stuck {
                has_ended: true, ..
            } => ErrorClass::Refused,
            Self::Stuck { .. } => ErrorClass::TimedOut,
        }
    }

    fn hints(&self) -> Vec<Suggestion> {
        match self {
            Self::Cluster(source) => source.hints(),
            Self::NoQueue { namespace } => vec![
                kubectl("-n {} get localqueues", &[namespace])
                    .to("mount the claim in a queued job (kaiwo submit -q QUEUE --volume CLAIM:/data); list the queues"),
            ],
            Self::Stuck {
                queued_in: Some(namespace),
                ..
            } => vec![kaiwo("queues -n {}", &[namespace]).to("show what holds the quota")],
            Self::Stuck { .. } => {
                vec!["use an image that has a shell and can be pulled: --helper-image busybox".into()]
            }
        }
    }

    fn object(&self) -> Option<String> {
        match self {
            Self::Cluster(source) => source.object(),
            Self::NoQueue { .. } => None,
            Self::Stuck { pod, .. } => Some(format!("pod/{pod}")),
        }
    }
}

/// A pod that was created.
#[derive(Debug, Clone)]
pub struct Created {
    pub namespace: String,
    pub name: String,
    uid: String,
}

fn pods() -> Resource {
    Resource::known("v1", "Pod")
}

/// Creates the pod, with the label of `queue` if nothing else lets it run. Those of
/// earlier copies that have ended are deleted.
///
/// # Errors
/// [`HelperError`].
pub async fn create(
    cluster: &Cluster,
    mut helper: Helper<'_>,
    queue: Option<&str>,
) -> Result<Created, HelperError> {
    let plain = cluster.create(&manifest(&helper), Write::DryRun).await;
    let needs_queue = match &plain {
        // The namespace may have a queue for what names none.
        Ok(answer) => is_held_back(answer) && (queue.is_some() || !is_queued(answer)),
        // A policy may want the label.
        Err(error) => error.class() == ErrorClass::Refused,
    };
    if needs_queue && let Some(queue) = queue {
        helper.queue = Some(queue);
    } else if needs_queue && plain.is_ok() {
        return Err(HelperError::NoQueue {
            namespace: helper.namespace.to_owned(),
        });
    } else {
        plain?;
    }
    clear(cluster, &helper).await;
    let answer = cluster.create(&manifest(&helper), Write::Real).await?;
    let text = |pointer: &str| answer.pointer(pointer).and_then(Value::as_str);
    Ok(Created {
        namespace: helper.namespace.to_owned(),
        name: helper.name(),
        uid: text("/metadata/uid").unwrap_or_default().to_owned(),
    })
}

fn manifest(helper: &Helper<'_>) -> Manifest {
    Manifest::new(helper.manifest()).unwrap_or_else(|field| unreachable!("the pod has a {field}"))
}

/// Deletes pods that a copy has left which was killed, as far as they can be found.
async fn clear(cluster: &Cluster, helper: &Helper<'_>) {
    let selection = Selection::labels(format!(
        "{}={},{}={}",
        keys::APP_MANAGED_BY_LABEL,
        keys::MANAGER,
        keys::APP_COMPONENT_LABEL,
        keys::COPY
    ));
    let pods = pods();
    let listed = cluster.list_selected::<Pod>(&pods, helper.namespace, &selection);
    for pod in listed.await.unwrap_or_default() {
        if pod.has_ended() {
            let metadata = &pod.metadata;
            let deleted = cluster.delete(&pods, helper.namespace, &metadata.name, &metadata.uid);
            _ = deleted.await;
        }
    }
}

/// Waits until it runs. `waiting` is told what for.
///
/// # Errors
/// [`HelperError`].
pub async fn wait(
    cluster: &Cluster,
    created: &Created,
    mut waiting: impl FnMut(&str),
) -> Result<(), HelperError> {
    let (deadline, pods) = (Instant::now() + PATIENCE, pods());
    loop {
        let found = cluster.find::<Pod>(&pods, &created.namespace, &created.name);
        let Some(pod) = found.await? else {
            return Err(stuck(created, "it was deleted".to_owned(), None));
        };
        let why = reason(&pod);
        let status = pod.status.container_statuses.first();
        if pod.runs() && status.is_some_and(|status| status.state.running.is_some()) {
            return Ok(());
        }
        let cannot_start = [
            "ErrImageNeverPull",
            "InvalidImageName",
            "RunContainerError",
            "StartError",
            "CreateContainerError",
        ];
        if pod.has_ended() || cannot_start.iter().any(|word| why.starts_with(word)) {
            return Err(stuck(created, why, None));
        }
        if Instant::now() >= deadline {
            return Err(stuck(created, why, Some(&pod)));
        }
        waiting(&why);
        sleep(PAUSE).await;
    }
}

fn stuck(created: &Created, why: String, waiting: Option<&Pod>) -> HelperError {
    let is_queued = waiting.is_some_and(|pod| waits_in(pod).is_some());
    HelperError::Stuck {
        pod: created.name.clone(),
        why,
        has_ended: waiting.is_none(),
        queued_in: is_queued.then(|| created.namespace.clone()),
    }
}

/// Returns the queue in which it waits.
fn waits_in(pod: &Pod) -> Option<&str> {
    let gates = &pod.spec.scheduling_gates;
    let queue = pod.metadata.label(keys::QUEUE_NAME_LABEL);
    queue.filter(|_| !gates.is_empty())
}

/// Returns what it waits for, or how it ended.
fn reason(pod: &Pod) -> String {
    if let Some(queue) = waits_in(pod) {
        return format!("it is waiting in queue {queue}");
    }
    let container = pod.status.container_statuses.first();
    let state = container.map(|container| &container.state);
    let words = state.and_then(|state| {
        let waiting = state.waiting.as_ref().map(|it| it.message.clone());
        waiting.or(state.terminated.as_ref().map(|it| it.message.clone()))
    });
    let unscheduled = pod.status.conditions.iter();
    let unscheduled = unscheduled
        .filter(|condition| condition.kind == "PodScheduled" && condition.status != "True")
        .map(|condition| condition.message.clone())
        .next();
    let words = words.or(unscheduled).filter(|words| !words.is_empty());
    match words {
        Some(words) => format!("{}: {words}", pod.state()),
        None => pod.state(),
    }
}

/// Deletes it.
///
/// # Errors
/// [`ClusterError`].
pub async fn delete(cluster: &Cluster, created: &Created) -> Result<(), ClusterError> {
    let Created {
        namespace,
        name,
        uid,
    } = created;
    cluster.delete(&pods(), namespace, name, uid).await
}
