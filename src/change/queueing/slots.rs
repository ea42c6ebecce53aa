//! Changes how many tasks of an array run at once.
//!
//! Kueue v0.19 stops a running Job whose `parallelism` changes, and queues it again at the
//! end, unless it holds its pods back one by one (`workloadslicing`).

use std::time::Duration;

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::api::keys::MIN_PARALLELISM_ANNOTATION;
use crate::api::kueue_workload::{KueueWorkload, QueueState};
use crate::api::workload::job::{JobSpec, JobStatus};
use crate::api::workload::{Details, Workload};
use crate::plan::Refusal;
use crate::plan::facts::ClusterFacts;
use crate::plan::kueue::capacity::QueueCapacity;
use crate::plan::kueue::counted::least_pod_sets;
use crate::plan::kueue::queue;
use crate::suggestion::kaiwo;

/// Another number of slots.
#[derive(Debug, Clone, PartialEq)]
pub struct NewSlots {
    /// How many there were.
    pub before: i64,
    /// How many there will be: no more than tasks.
    pub slots: i64,
    /// Running tasks that Kubernetes stops for that; their pods run them again later.
    pub stopped: i64,
    /// Whether Kueue makes another Workload for them instead of changing the one there is.
    pub grows: bool,
    /// What does it; nothing if it is so already.
    pub patch: Option<Value>,
}

/// Decides whether an array can have this many slots.
///
/// # Errors
/// [`Refusal`] if it is no array, has ended, or Kueue would stop it for that.
pub fn to(workload: &Workload, object: &Value, wanted: i64) -> Result<NewSlots, Refusal> {
    let (spec, status) = check(workload)?;
    let slots = wanted.min(spec.tasks());
    let before = spec.parallelism.unwrap_or(1);
    let metadata = &object["metadata"];
    let mut patch = json!({
        "metadata": {"uid": metadata["uid"]},
        "spec": {"parallelism": slots},
    });
    if spec.suspend {
        // What starts meanwhile is decided again.
        patch["metadata"]["resourceVersion"] = metadata["resourceVersion"].clone();
    }
    let least = &metadata["annotations"][MIN_PARALLELISM_ANNOTATION];
    let least: Option<i64> = least.as_str().and_then(|least| least.parse().ok());
    if let Some(least) = least {
        // It has to be less than the slots.
        let least = (least < slots).then(|| least.to_string());
        patch["metadata"]["annotations"] = json!({ MIN_PARALLELISM_ANNOTATION: least });
    }
    Ok(NewSlots {
        before,
        slots,
        stopped: (status.ready - slots).max(0),
        grows: spec.grows(),
        patch: (slots != before).then_some(patch),
    })
}

/// Checks that the queue could ever admit an array with this many slots: Kueue would have the
/// additional ones wait without a word.
///
/// # Errors
/// [`Refusal`] with the most that it could.
pub fn check_quota(
    workload: &Workload,
    object: &Value,
    slots: i64,
    facts: &ClusterFacts,
) -> Result<(), Refusal> {
    let namespace = &workload.metadata.namespace;
    let queue = workload.queue().unwrap_or_default();
    let chosen = queue::choose(queue, facts, namespace, true).ok();
    let Some(queue) = chosen.and_then(|choice| choice.cluster_queue) else {
        return Ok(());
    };
    let capacity = QueueCapacity::new(&queue, facts);
    let fits = |slots: i64| {
        let mut resized = object.clone();
        resized["spec"]["parallelism"] = slots.into();
        capacity.check(&least_pod_sets(&resized), None).is_ok()
    };
    if fits(slots) {
        return Ok(());
    }
    let (mut most, mut more) = (0, slots);
    while most + 1 < more {
        let middle = most.midpoint(more);
        match fits(middle) {
            true => most = middle,
            false => more = middle,
        }
    }
    let name = workload.display_name();
    let queue = &queue.metadata.name;
    let refusal = Refusal::new(format!(
        "{name} can never have {slots} slots: ClusterQueue {queue:?} has quota for at most {most}"
    ))
    .about(name.clone());
    Err(match most {
        0 => refusal,
        most => refusal.hint(
            kaiwo(
                "resize {} -n {} --slots {}",
                &[&name, namespace, &most.to_string()],
            )
            .to("request those"),
        ),
    })
}

/// Returns Kueue's Workload of an array once it has as many pods as the array has slots: of
/// one that grows while it runs, the one that waits for all of them.
pub fn follows(queued: &[KueueWorkload], slots: i64) -> Option<&KueueWorkload> {
    let open = queued
        .iter()
        .filter(|one| one.state() != QueueState::Finished);
    let of_size = open.filter(|one| one.spec.pod_sets.iter().any(|set| set.count == slots));
    of_size.max_by_key(|one| one.metadata.creation_timestamp)
}

/// Returns how long to wait before the slots of an array that runs are changed again.
///
/// Kueue v0.19 orders an array's Workloads by the second, and within one by chance
/// (`FindNotFinishedWorkloads`): it may take the older of two for the newest, and then the
/// pods of the newer keep their gate. Two seconds leave room for a clock that is wrong by one;
/// of a clock that is wrong by more it waits for nothing.
pub fn pause(queued: &[KueueWorkload], now: Timestamp) -> Duration {
    const APART: SignedDuration = SignedDuration::from_secs(2);
    let created = queued
        .iter()
        .filter_map(|one| one.metadata.creation_timestamp);
    let age = created
        .max()
        .map_or(APART, |newest| now.duration_since(newest));
    match age > -APART {
        true => (APART - age.max(SignedDuration::ZERO))
            .try_into()
            .unwrap_or_default(),
        false => Duration::ZERO,
    }
}

/// Checks that its slots can be changed.
fn check(workload: &Workload) -> Result<(&JobSpec, &JobStatus), Refusal> {
    let name = workload.display_name();
    let namespace = &workload.metadata.namespace;
    let wrong = |why: String| Refusal::new(why).about(name.clone());
    let (spec, status) = match &workload.details {
        Details::Job(spec, status) if spec.is_array() => (spec, status),
        _ => {
            return Err(wrong(format!("{name} is not an array, and has no slots"))
                .hint("submit an array with --array, --sweep or --sweep-file"));
        }
    };
    let mut conditions = status.conditions.iter();
    let has_ended = conditions.any(|condition| {
        matches!(condition.kind.as_str(), "Complete" | "Failed") && condition.status == "True"
    });
    if has_ended {
        return Err(wrong(format!("{name} has ended"))
            .hint(kaiwo("status {} -n {}", &[&name, namespace]).to("show its tasks")));
    }
    if spec.suspend || spec.grows() || workload.queue().is_none() {
        return Ok((spec, status));
    }
    let why = match workload.metadata.annotations.elastic.as_str() {
        "true" => {
            "Kueue did not accept its --grow (ElasticJobsViaWorkloadSlices was switched off when it was submitted)"
        }
        _ => "was submitted without --grow",
    };
    let verb = if why.starts_with("was") { "and" } else { "but" };
    Err(wrong(format!(
        "{name} runs, {verb} {why}: Kueue would stop it, and requeue it at the end"
    ))
    .hint("submit the next one with --grow --slots N"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::WorkloadKind;

    fn array(spec: &Value, annotations: &Value) -> (Workload, Value) {
        let mut object = json!({
            "metadata": {
                "name": "a", "namespace": "ml", "uid": "u", "resourceVersion": "7",
                "labels": {"kueue.x-k8s.io/queue-name": "team"}, "annotations": annotations,
            },
            "spec": {"completionMode": "Indexed", "completions": 10, "parallelism": 4, "backoffLimitPerIndex": 0},
            "status": {"active": 4, "ready": 3},
        });
        for (key, value) in spec.as_object().unwrap() {
            object["spec"][key] = value.clone();
        }
        let workload = Workload::read(WorkloadKind::Job, "batch/v1", &object).unwrap();
        (workload, object)
    }

    fn resized(spec: &Value, annotations: &Value, slots: i64) -> Result<NewSlots, String> {
        let (workload, object) = array(spec, annotations);
        to(&workload, &object, slots).map_err(|refusal| refusal.message)
    }

    #[test]
    fn only_what_kueue_lets_grow_is_changed_while_it_runs() {
        let elastic = json!({"kueue.x-k8s.io/elastic-job": "true"});
        let gated = json!({"template": {"spec": {
            "containers": [], "schedulingGates": [{"name": "kueue.x-k8s.io/elastic-job"}],
        }}});
        let refused = resized(&json!({}), &json!({}), 2).unwrap_err();
        assert!(
            refused.contains("job/a runs, and was submitted without --grow"),
            "{refused}"
        );
        let refused = resized(&json!({}), &elastic, 2).unwrap_err();
        assert!(
            refused.contains("job/a runs, but Kueue did not accept its --grow"),
            "{refused}"
        );
        let fewer = resized(&gated, &elastic, 2).unwrap();
        assert_eq!((fewer.before, fewer.slots, fewer.stopped), (4, 2, 1));
        // The status of what runs changes with each task.
        assert_eq!(fewer.patch.unwrap()["metadata"], json!({"uid": "u"}));
        let all = resized(&gated, &elastic, 99).unwrap();
        assert_eq!((all.slots, all.stopped), (10, 0));
        assert_eq!(resized(&gated, &elastic, 4).unwrap().patch, None);
    }

    #[test]
    fn what_waits_keeps_the_least_with_which_it_starts_as_long_as_that_is_fewer() {
        let least = |slots| {
            let annotations = json!({MIN_PARALLELISM_ANNOTATION: "2"});
            let patch = resized(&json!({"suspend": true}), &annotations, slots)
                .unwrap()
                .patch;
            let metadata = patch.unwrap()["metadata"].clone();
            assert_eq!(metadata["resourceVersion"], "7");
            metadata["annotations"][MIN_PARALLELISM_ANNOTATION].clone()
        };
        assert_eq!((least(3), least(2)), (json!("2"), Value::Null));
    }

    #[test]
    fn two_workloads_of_an_array_are_never_of_one_second() {
        let now: Timestamp = "2026-12-01T10:00:05.25Z".parse().unwrap();
        let pause_after = |created: &[&str]| {
            let queued = created.iter().map(|created| {
                let metadata = json!({"name": "w", "creationTimestamp": created});
                let object = json!({"metadata": metadata, "spec": {"podSets": []}});
                serde_json::from_value::<KueueWorkload>(object).unwrap()
            });
            pause(&queued.collect::<Vec<_>>(), now).as_millis()
        };
        assert_eq!(pause_after(&[]), 0);
        assert_eq!(pause_after(&["2026-12-01T10:00:01Z"]), 0);
        let newest_last = ["2026-12-01T10:00:01Z", "2026-12-01T10:00:05Z"];
        assert_eq!(pause_after(&newest_last), 1_750);
        // The API server's clock is ahead, by a little or by too much.
        assert_eq!(pause_after(&["2026-12-01T10:00:06Z"]), 2_000);
        assert_eq!(pause_after(&["2026-12-01T11:00:00Z"]), 0);
    }
}
