//! Whatever Kueue queues and kaiwo does not know by itself, by its Workload
//! (conditions of Kueue v0.19) and the pods that were admitted with it.

use super::{
    KindRules, Metadata, Pod, PodLabels, QueueState, Standing, Status, Timestamp, WorkloadContext,
    first_to_fail, in_queue, leaving, trouble_of,
};
use crate::api::condition::{Condition, holds};
use crate::api::keys::{LOCAL_QUEUE_LABEL, POD_GROUP_LABEL};
use crate::api::kueue_workload::KueueWorkload;
use crate::observe::upstream::output;

/// Returns how a Workload ended, by the reasons of `Finished`.
pub fn outcome(finished: &Condition) -> Standing {
    match finished.reason.as_str() {
        // The second one up to v0.7.
        "Succeeded" | "JobFinished" => Standing::new(Status::Succeeded, ""),
        _ => Standing::new(Status::Failed, output::gist(finished.words())),
    }
}

impl KueueWorkload {
    fn turned(&self, kind: &str) -> Option<Timestamp> {
        holds(&self.status.conditions, kind)?.last_transition_time
    }
}

impl KindRules for KueueWorkload {
    fn standing(&self, known: &WorkloadContext) -> Standing {
        let conditions = &self.status.conditions;
        match self.state() {
            QueueState::Finished => holds(conditions, "Finished")
                .map_or_else(|| Standing::new(Status::Succeeded, ""), outcome),
            QueueState::Admitted => {
                let pods = known.pods.iter();
                let alive = pods.filter(|pod| pod.ended_well().is_none());
                let trouble = trouble_of(alive, known);
                let ready = known.pods.iter();
                let ready = ready
                    .filter(|pod| pod.is_ready() && !pod.has_ended())
                    .count();
                let wanted = self.admitted_pods().unwrap_or(1);
                // Pods that have succeeded are not ready any more.
                if holds(conditions, "PodsReady").is_some()
                    || usize::try_from(wanted).is_ok_and(|wanted| ready >= wanted)
                {
                    return Standing::new(Status::Running, trouble.unwrap_or_default());
                }
                if known.pods.is_empty() {
                    return Standing::new(Status::Admitted, "");
                }
                let reason = trouble
                    .or_else(|| leaving(known.pods))
                    .unwrap_or_else(|| format!("{ready} of {wanted} pods ready"));
                Standing::new(Status::Starting, reason)
            }
            _ => in_queue(self, known),
        }
    }

    fn is_untouched(&self) -> bool {
        false
    }

    fn pods_tell(&self, status: Status) -> bool {
        matches!(status, Status::Admitted | Status::Failed)
    }

    /// Its pods have the annotation of their Workload, by which none can be selected:
    /// these are the labels that those of a queue have, and those of a group before
    /// it is admitted.
    fn pod_labels(&self, _parts: &[Metadata]) -> Vec<PodLabels> {
        let name = &self.metadata.name;
        let of_group = PodLabels::one(POD_GROUP_LABEL, name);
        let queue = self.spec.queue_name.as_str();
        let of_queue = (!queue.is_empty()).then(|| PodLabels::one(LOCAL_QUEUE_LABEL, queue));
        of_queue.into_iter().chain([of_group]).collect()
    }

    fn owns(&self, pod: &Pod) -> bool {
        let metadata = &self.metadata;
        let mut owners = metadata.owner_references.iter();
        pod.metadata.annotations.workload == metadata.name
            || pod.metadata.label(POD_GROUP_LABEL) == Some(&metadata.name)
            || owners.any(|owner| owner.uid == pod.metadata.uid)
    }

    fn is_over(&self, status: Status) -> bool {
        status.is_final()
    }

    fn running_since(&self) -> Option<Timestamp> {
        self.turned("Admitted")
    }

    fn ended_at(&self) -> Option<Timestamp> {
        self.turned("Finished")
    }

    fn exit_code(&self, pods: &[Pod]) -> Option<i64> {
        Some(first_to_fail(pods.iter())?.1)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::api::pod::Pod;
    use crate::api::workload::Workload;
    use crate::kind::WorkloadKind;
    use crate::observe::kind::{rules, standing};
    use crate::observe::snapshot::WorkloadContext;
    use crate::observe::status::Status;

    fn workload(metadata: &Value, status: &Value) -> Workload {
        let mut metadata = metadata.clone();
        metadata["namespace"] = "ml".into();
        let container = json!({"name": "a", "resources": {"requests": {"amd.com/gpu": "2"}}});
        let object = json!({
            "metadata": metadata,
            "spec": {"queueName": "team", "podSets": [
                {"name": "driver", "count": 1, "template": {"spec": {"containers": [{"name": "a"}]}}},
                {"name": "worker", "count": 4, "template": {"spec": {"containers": [container]}}},
            ]},
            "status": status,
        });
        let kind = WorkloadKind::Queued;
        Workload::read(kind, kind.api_version(), &object).unwrap()
    }

    fn owner(kind: &str, version: &str, name: &str) -> Value {
        json!({"kind": kind, "apiVersion": version, "name": name, "uid": name})
    }

    #[test]
    fn it_is_called_as_the_object_that_it_stands_for() {
        let pods = json!([owner("Pod", "v1", "a"), owner("Pod", "v1", "b")]);
        let group = json!({"kueue.x-k8s.io/is-group-workload": "true"});
        let component = json!({
            "kueue.x-k8s.io/is-group-workload": "true",
            "kueue.x-k8s.io/component-workload-index": "1",
        });
        let set = json!([owner("JobSet", "jobset.x-k8s.io/v1alpha2", "set1")]);
        let lws = json!([
            owner("Pod", "v1", "lw1-1"),
            owner("LeaderWorkerSet", "leaderworkerset.x-k8s.io/v1", "lw1"),
        ]);
        for (owners, annotations, name, qualified) in [
            (set, json!({}), "jobset/set1", "jobset.jobset.x-k8s.io/set1"),
            (
                lws,
                component,
                "leaderworkerset/lw1-1",
                "leaderworkerset.leaderworkerset.x-k8s.io/lw1-1",
            ),
            (pods, group, "podgroup/w", "podgroup/w"),
        ] {
            let metadata =
                json!({"name": "w", "ownerReferences": owners, "annotations": annotations});
            let workload = workload(&metadata, &json!({}));
            assert_eq!(workload.display_name(), name);
            assert_eq!(workload.qualified_name(), qualified);
            assert_eq!((workload.queue(), workload.gpus()), (Some("team"), Some(8)));
        }
    }

    #[test]
    fn its_conditions_and_pods_tell_how_it_stands() {
        let holds = |kind: &str, reason: &str| json!({"type": kind, "status": "True", "reason": reason, "message": format!("words of {reason}")});
        let admission = json!({"podSetAssignments": [{"count": 2}]});
        let pod = |name: &str, ready: &str| -> Pod {
            serde_json::from_value(json!({
                "metadata": {"name": name, "annotations": {"kueue.x-k8s.io/workload": "w"}},
                "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": ready}]},
            }))
            .unwrap()
        };
        let waits = json!({"type": "QuotaReserved", "status": "False", "message": "no quota"});
        let admitted = || holds("Admitted", "Admitted");
        for (conditions, pods, expected) in [
            (json!([waits]), vec![], (Status::Pending, "no quota")),
            (json!([admitted()]), vec![], (Status::Admitted, "")),
            (
                json!([admitted()]),
                vec![pod("a", "True"), pod("b", "False")],
                (Status::Starting, "1 of 2 pods ready"),
            ),
            (
                json!([admitted()]),
                vec![pod("a", "True"), pod("b", "True")],
                (Status::Running, ""),
            ),
            (
                json!([admitted(), holds("PodsReady", "PodsReady")]),
                vec![],
                (Status::Running, ""),
            ),
            (
                json!([holds("Finished", "Failed")]),
                vec![],
                (Status::Failed, "words of Failed"),
            ),
            (
                json!([holds("Finished", "Succeeded")]),
                vec![],
                (Status::Succeeded, ""),
            ),
        ] {
            let status = json!({"conditions": conditions, "admission": admission});
            let workload = workload(&json!({"name": "w"}), &status);
            let known = WorkloadContext {
                pods: &pods,
                ..WorkloadContext::default()
            };
            let standing = standing(&workload, &known);
            assert_eq!((standing.status, standing.reason.as_str()), expected);
            assert!(pods.iter().all(|pod| rules(&workload).owns(pod)));
        }
    }
}
