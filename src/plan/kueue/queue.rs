//! Chooses the LocalQueue for a workload, and checks whether it can take it.

use std::collections::BTreeMap;

use crate::api::Readable;
use crate::api::condition::Condition;
use crate::api::keys;
use crate::api::queue::{ClusterQueue, LocalQueue, StopPolicy};
use crate::names::nearest;
use crate::plan::Refusal;
use crate::plan::facts::ClusterFacts;
use crate::suggestion::kubectl;

/// The LocalQueue of a submission.
#[derive(Debug, Clone, PartialEq)]
pub struct QueueChoice {
    /// Its name, the value of the queue label.
    pub local_queue: String,
    /// The ClusterQueue behind it, where it can be read.
    pub cluster_queue: Option<ClusterQueue>,
    /// Name of the ClusterQueue that a new LocalQueue points at; `None` if
    /// the LocalQueue exists.
    pub create_for: Option<String>,
    /// What the LocalQueue itself tells about resources.
    pub resources: Vec<String>,
    /// Why the queue admits nothing, where the user forces it.
    pub obstacle: Option<String>,
}

impl QueueChoice {
    /// Returns whether the queue sends its workloads to other clusters, as far
    /// as that can be read: one of its AdmissionChecks is MultiKueue's.
    pub fn sends_away(&self, facts: &ClusterFacts) -> bool {
        if facts.is_sent_away {
            return true;
        }
        let known = facts.admission_checks.as_ref().and_then(Readable::known);
        let (Some(queue), Some(known)) = (&self.cluster_queue, known) else {
            return false;
        };
        queue.spec.admission_checks().any(|name| {
            let check = known.iter().find(|check| check.metadata.name == name);
            check.is_some_and(|check| check.spec.controller_name == keys::MULTIKUEUE_CONTROLLER)
        })
    }
}

/// Chooses for `wanted`: the LocalQueue of that name; else a LocalQueue that
/// points at the ClusterQueue of that name; else that ClusterQueue, for which
/// a LocalQueue is made.
///
/// # Errors
/// [`Refusal`] if the queue is unknown, points nowhere, is stopped or not
/// active, or is closed to the namespace. All but the first pass with `force`,
/// since they can be mended while the workload waits.
pub fn choose(
    wanted: &str,
    facts: &ClusterFacts,
    namespace: &str,
    force: bool,
) -> Result<QueueChoice, Refusal> {
    let local_queues = facts.local_queues.known().map_or(&[][..], Vec::as_slice);
    let cluster_queues = facts.cluster_queues.known();
    let find = |name: &str| {
        cluster_queues?
            .iter()
            .find(|queue| queue.metadata.name == name)
            .cloned()
    };

    let existing = local_queues
        .iter()
        .find(|queue| queue.metadata.name == wanted)
        .or_else(|| {
            local_queues
                .iter()
                .find(|queue| queue.spec.cluster_queue == wanted)
        });
    let choice = match existing {
        Some(queue) => QueueChoice {
            local_queue: queue.metadata.name.clone(),
            cluster_queue: find(&queue.spec.cluster_queue),
            create_for: None,
            resources: reserved_resources(queue),
            obstacle: None,
        },
        None => {
            if cluster_queues.is_some() && find(wanted).is_none() {
                return Err(unknown(wanted, namespace, local_queues, cluster_queues));
            }
            QueueChoice {
                local_queue: wanted.to_owned(),
                cluster_queue: find(wanted),
                create_for: Some(wanted.to_owned()),
                resources: Vec::new(),
                obstacle: None,
            }
        }
    };

    match obstacle(existing, &choice, facts, namespace) {
        Some(refusal) if !force => Err(refusal),
        obstacle => Ok(QueueChoice {
            obstacle: obstacle.map(|refusal| refusal.message),
            ..choice
        }),
    }
}

/// Leaves of the LocalQueues in `facts` only the one that a workload is in, which
/// is then found, or has to be made: another that leads to the same ClusterQueue
/// is no help to it. Returns whether it is there; `None` where that may not be
/// seen.
pub fn leave_only(facts: &mut ClusterFacts, name: &str) -> Option<bool> {
    match &mut facts.local_queues {
        Readable::Known(queues) => {
            queues.retain(|queue| queue.metadata.name == name);
            Some(!queues.is_empty())
        }
        Readable::Forbidden => None,
    }
}

/// Returns what keeps the queue from admitting anything of this namespace.
fn obstacle(
    existing: Option<&LocalQueue>,
    choice: &QueueChoice,
    facts: &ClusterFacts,
    namespace: &str,
) -> Option<Refusal> {
    if let Some(queue) = existing {
        if queue.spec.stop_policy != StopPolicy::None {
            return Some(is_stopped("LocalQueue", &queue.metadata.name));
        }
        let known = facts.cluster_queues.known();
        if known.is_some() && choice.cluster_queue.is_none() {
            return Some(points_nowhere(queue, known));
        }
    }
    let queue = choice.cluster_queue.as_ref()?;
    if queue.spec.stop_policy != StopPolicy::None {
        return Some(is_stopped("ClusterQueue", &queue.metadata.name));
    }
    is_active(queue)
        .and_then(|()| selects_namespace(queue, facts, namespace))
        .err()
}

fn is_active(queue: &ClusterQueue) -> Result<(), Refusal> {
    let inactive =
        |condition: &&Condition| condition.kind == "Active" && condition.status == "False";
    let Some(condition) = queue.status.conditions.iter().find(inactive) else {
        return Ok(());
    };
    let name = &queue.metadata.name;
    Err(Refusal::new(format!(
        "ClusterQueue {name:?} is inactive: {}",
        condition.message
    ))
    .about(format!("clusterqueue/{name}"))
    .hint("ask its admin to fix that, or choose another queue with -q")
    .hint("--force queues the workload anyway"))
}

fn points_nowhere(queue: &LocalQueue, cluster_queues: Option<&Vec<ClusterQueue>>) -> Refusal {
    let (name, target) = (&queue.metadata.name, &queue.spec.cluster_queue);
    let known: Vec<String> = cluster_queues
        .into_iter()
        .flatten()
        .map(|queue| queue.metadata.name.clone())
        .collect();
    Refusal::new(format!(
        "LocalQueue {name:?} points at ClusterQueue {target:?}, which does not exist"
    ))
    .about(format!("localqueue/{name}"))
    .hint(format!(
        "choose another queue with -q; ClusterQueues: {}",
        known.join(", ")
    ))
}

fn selects_namespace(
    queue: &ClusterQueue,
    facts: &ClusterFacts,
    namespace: &str,
) -> Result<(), Refusal> {
    // A namespace that is yet to be made has this one label.
    let fresh = || BTreeMap::from([(keys::NAMESPACE_NAME_LABEL.to_owned(), namespace.to_owned())]);
    let labels = match &facts.namespace {
        Readable::Known(Some(found)) => found.metadata.labels.clone(),
        Readable::Known(None) => fresh(),
        Readable::Forbidden => return Ok(()),
    };
    // An absent selector selects no namespace (Kueue ClusterQueueSpec).
    let selected = queue
        .spec
        .namespace_selector
        .as_ref()
        .is_some_and(|selector| selector.matches(&labels));
    if selected {
        return Ok(());
    }
    let name = &queue.metadata.name;
    Err(Refusal::new(format!(
        "ClusterQueue {name:?} does not accept workloads of namespace {namespace:?}"
    ))
    .about(format!("clusterqueue/{name}"))
    .hint("submit to a namespace that its namespaceSelector selects, or ask its admin")
    .hint(
        kubectl(
            "get clusterqueue {} -o jsonpath={}",
            &[name, "{.spec.namespaceSelector}"],
        )
        .to("show the selector"),
    ))
}

/// Returns the resources that the LocalQueue counts.
pub fn reserved_resources(queue: &LocalQueue) -> Vec<String> {
    let mut names: Vec<String> = queue
        .status
        .flavors_reservation
        .iter()
        .flat_map(|flavor| {
            flavor
                .resources
                .iter()
                .map(|resource| resource.name.clone())
        })
        .collect();
    names.sort();
    names.dedup();
    names
}

/// Refuses a workload that the cluster moves on from each queue that it is planned for.
pub fn moved_again(from: &str, to: &str) -> Refusal {
    Refusal::new(format!(
        "this cluster moves workloads from queue {from} to {to}"
    ))
    .hint(
        kubectl(
            "get mutatingwebhookconfigurations,mutatingadmissionpolicies",
            &[],
        )
        .to("ask an admin to check the mutating webhooks and policies"),
    )
}

fn is_stopped(kind: &str, name: &str) -> Refusal {
    Refusal::new(format!("{kind} {name:?} is stopped and admits nothing"))
        .about(format!("{}/{name}", kind.to_lowercase()))
        .hint("--force queues the workload anyway; it starts once the queue is resumed")
}

fn unknown(
    wanted: &str,
    namespace: &str,
    local_queues: &[LocalQueue],
    cluster_queues: Option<&Vec<ClusterQueue>>,
) -> Refusal {
    let mut names: Vec<String> = local_queues
        .iter()
        .map(|queue| queue.metadata.name.clone())
        .collect();
    names.extend(
        cluster_queues
            .into_iter()
            .flatten()
            .map(|queue| queue.metadata.name.clone()),
    );
    names.sort();
    names.dedup();
    let refusal = Refusal::new(format!(
        "queue {wanted:?} does not exist: neither as a LocalQueue in namespace {namespace:?} nor as a ClusterQueue"
    ))
    .about(format!("clusterqueue/{wanted}"));
    if names.is_empty() {
        return refusal.hint(
            "the cluster has no queues; ask an admin to create one: see cluster-admins/kueue",
        );
    }
    let refusal = match nearest(wanted, names.clone()) {
        Some(near) => refusal.hint(format!("did you mean -q {near}?")),
        None => refusal,
    };
    refusal.hint(format!("queues: {}", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::metadata::{Metadata, Namespace};
    use crate::api::selector::LabelSelector;

    fn named(name: &str) -> Metadata {
        Metadata {
            name: name.to_owned(),
            ..Metadata::default()
        }
    }

    fn local(name: &str, target: &str) -> LocalQueue {
        let mut queue = LocalQueue {
            metadata: named(name),
            ..LocalQueue::default()
        };
        queue.spec.cluster_queue = target.to_owned();
        queue
    }

    fn cluster(name: &str) -> ClusterQueue {
        let mut queue = ClusterQueue {
            metadata: named(name),
            ..ClusterQueue::default()
        };
        queue.spec.namespace_selector = Some(LabelSelector::default());
        queue
    }

    fn facts(
        local_queues: Vec<LocalQueue>,
        cluster_queues: Readable<Vec<ClusterQueue>>,
    ) -> ClusterFacts {
        ClusterFacts {
            context_namespace: String::new(),
            kueue: Some("kueue.x-k8s.io/v1beta2".into()),
            ray: true,
            kaito: None,
            kaito_facts: Default::default(),
            namespace: Readable::Known(Some(Namespace {
                metadata: named("ml"),
            })),
            local_queues: Readable::Known(local_queues),
            cluster_queues,
            flavors: Readable::Forbidden,
            priority_classes: None,
            nodes: None,
            cohorts: None,
            is_sent_away: false,
            admission_checks: None,
            topologies: None,
            occupation: None,
            claims: None,
            running: None,
        }
    }

    #[test]
    fn a_local_queue_of_that_name_comes_first() {
        let facts = facts(
            vec![local("other", "kaiwo"), local("kaiwo", "research")],
            Readable::Known(vec![cluster("kaiwo"), cluster("research")]),
        );
        let choice = choose("kaiwo", &facts, "ml", false).unwrap();
        assert_eq!(choice.local_queue, "kaiwo");
        assert_eq!(choice.cluster_queue.unwrap().metadata.name, "research");
        assert_eq!(choice.create_for, None);
    }

    #[test]
    fn then_one_that_points_at_it_then_a_new_one() {
        let with = facts(
            vec![local("team", "kaiwo")],
            Readable::Known(vec![cluster("kaiwo")]),
        );
        assert_eq!(
            choose("kaiwo", &with, "ml", false).unwrap().local_queue,
            "team"
        );
        let without = facts(vec![], Readable::Known(vec![cluster("kaiwo")]));
        assert_eq!(
            choose("kaiwo", &without, "ml", false)
                .unwrap()
                .create_for
                .as_deref(),
            Some("kaiwo")
        );
        // A user who may not read ClusterQueues: the API server decides.
        let blind = facts(vec![], Readable::Forbidden);
        assert_eq!(
            choose("kaiwo", &blind, "ml", false)
                .unwrap()
                .create_for
                .as_deref(),
            Some("kaiwo")
        );
    }

    #[test]
    fn an_unknown_queue_comes_with_the_known_ones() {
        let facts = facts(
            vec![local("team", "kaiwo")],
            Readable::Known(vec![cluster("kaiwo"), cluster("big")]),
        );
        let refusal = choose("kaiwoo", &facts, "ml", false).unwrap_err();
        assert_eq!(
            refusal.hints,
            ["did you mean -q kaiwo?", "queues: big, kaiwo, team"]
        );
    }

    #[test]
    fn a_queue_that_points_nowhere_or_is_not_active_is_refused() {
        let dangling = facts(
            vec![local("team", "gone")],
            Readable::Known(vec![cluster("kaiwo")]),
        );
        let refusal = choose("team", &dangling, "ml", false).unwrap_err();
        assert!(
            refusal.message.contains("\"gone\", which does not exist"),
            "{refusal}"
        );
        let mut queue = cluster("kaiwo");
        queue.status.conditions = vec![Condition {
            kind: "Active".into(),
            status: "False".into(),
            message: "Can't admit new workloads: references missing ResourceFlavor(s): x".into(),
            ..Condition::default()
        }];
        let inactive = facts(vec![], Readable::Known(vec![queue]));
        assert!(
            choose("kaiwo", &inactive, "ml", false)
                .unwrap_err()
                .message
                .contains("missing ResourceFlavor")
        );
        assert!(choose("kaiwo", &inactive, "ml", true).is_ok());
    }

    #[test]
    fn stopped_and_closed_queues_are_refused() {
        let mut queue = cluster("kaiwo");
        queue.spec.stop_policy = StopPolicy::Hold;
        let stopped = facts(vec![], Readable::Known(vec![queue.clone()]));
        assert!(
            choose("kaiwo", &stopped, "ml", false)
                .unwrap_err()
                .message
                .contains("stopped")
        );
        assert!(choose("kaiwo", &stopped, "ml", true).is_ok());

        queue.spec.namespace_selector = None;
        queue.spec.stop_policy = StopPolicy::None;
        let closed = facts(vec![], Readable::Known(vec![queue]));
        assert!(
            choose("kaiwo", &closed, "ml", false)
                .unwrap_err()
                .message
                .contains("does not accept")
        );
        assert!(choose("kaiwo", &closed, "ml", true).is_ok());
    }
}
