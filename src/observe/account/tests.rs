use serde_json::{Value, json};

use super::*;
use crate::api::pod::Pod;
use crate::kind::WorkloadKind;

/// Noon of the day of all tests, and so many minutes later.
fn at(minute: i64) -> String {
    let noon: Timestamp = "2026-05-01T12:00:00Z".parse().unwrap();
    Timestamp::from_second(noon.as_second() + minute * 60)
        .unwrap()
        .to_string()
}

fn period(from: i64, to: i64) -> Period {
    Period {
        from: at(from).parse().unwrap(),
        to: at(to).parse().unwrap(),
    }
}

fn condition(kind: &str, minute: i64, reason: &str) -> Value {
    json!({
        "type": kind, "status": "True", "reason": reason,
        "message": format!("{reason}: why"), "lastTransitionTime": at(minute),
    })
}

fn pod_set(count: i64, gpus: i64, least: Option<i64>) -> Value {
    let mut set = json!({
        "name": "main", "count": count,
        "template": {
            "metadata": {"labels": {"kaiwo-cli/username": "alice"}},
            "spec": {"containers": [
                {"name": "a", "resources": {"requests": {"amd.com/gpu": gpus.to_string()}}},
            ]},
        },
    });
    if let Some(least) = least {
        set["minCount"] = least.into();
    }
    set
}

/// Kueue's Workload of the Job `name`, created at noon and given `gpus`.
fn queued(name: &str, set: Value, gpus: i64, status: Value) -> KueueWorkload {
    let mut workload = json!({
        "metadata": {
            "name": format!("job-{name}-1"), "namespace": "ml", "creationTimestamp": at(0),
            "labels": {"kueue.x-k8s.io/job-uid": name},
            "ownerReferences": [{"kind": "Job", "name": name, "uid": name, "controller": true}],
        },
        "spec": {"queueName": "team", "podSets": [set]},
        "status": status,
    });
    if gpus > 0 {
        workload["status"]["admission"] = json!({
            "clusterQueue": "cq",
            "podSetAssignments": [{"name": "main", "resourceUsage": {"amd.com/gpu": gpus.to_string()}}],
        });
    }
    serde_json::from_value(workload).unwrap()
}

fn job(name: &str, status: Value) -> Workload {
    let object = json!({
        "metadata": {
            "name": name, "namespace": "ml", "uid": name, "creationTimestamp": at(0),
            "labels": {"kueue.x-k8s.io/queue-name": "team", "kaiwo-cli/username": "bob"},
        },
        "spec": {"parallelism": 2, "completions": 2, "template": {"spec": {"containers": [
            {"name": "a", "resources": {"limits": {"amd.com/gpu": "4"}}},
        ]}}},
        "status": status,
    });
    Workload::read(WorkloadKind::Job, "batch/v1", &object).unwrap()
}

fn accounts(period: Period, queued: &[KueueWorkload], jobs: &[Workload]) -> Vec<Account> {
    let mut ledger = Ledger::new(period);
    queued.iter().for_each(|one| ledger.add_queued(one));
    jobs.iter().for_each(|one| ledger.add_job(one));
    ledger.accounts()
}

/// Paused twice: admitted for 30 minutes in all before, then from minute 90 to 150.
fn paused_twice() -> KueueWorkload {
    let status = json!({
        "conditions": [condition("Admitted", 90, "Admitted"), condition("Finished", 150, "Succeeded")],
        "accumulatedPastExecutionTimeSeconds": 1800,
        "schedulingStats": {"evictions": [{"reason": "Deactivated", "count": 2}]},
    });
    queued("paused", pod_set(1, 8, None), 8, status)
}

/// Wanted 8 pods of 2 GPUs and was admitted with 3, for an hour.
fn partial(past: i64) -> KueueWorkload {
    let status = json!({
        "conditions": [condition("Admitted", 10, "Admitted"), condition("Finished", 70, "Succeeded")],
        "accumulatedPastExecutionTimeSeconds": past,
    });
    queued("partial", pod_set(8, 2, Some(1)), 6, status)
}

/// Ran with 2 GPUs from minute 0 to 60, then with 6 to minute 120.
fn elastic() -> [KueueWorkload; 2] {
    let small = json!({
        "conditions": [condition("Admitted", 0, "Admitted"), condition("Finished", 60, "WorkloadSliceReplaced")],
    });
    let large = json!({
        "conditions": [condition("Admitted", 60, "Admitted"), condition("Finished", 120, "Succeeded")],
    });
    let mut next = queued("elastic", pod_set(3, 2, None), 6, large);
    next.metadata.creation_timestamp = Some(at(55).parse().unwrap());
    [queued("elastic", pod_set(1, 2, None), 2, small), next]
}

/// Its Workload was deleted by Kueue's retention: it ran for half an hour at last.
fn deleted() -> Workload {
    let end = json!({"type": "Complete", "status": "True", "lastTransitionTime": at(60)});
    job(
        "deleted",
        json!({"startTime": at(30), "completionTime": at(60), "conditions": [end]}),
    )
}

#[test]
fn gpu_hours_are_those_of_a_table_by_hand() {
    let mut all = vec![paused_twice(), partial(0)];
    all.extend(elastic());
    let accounts = accounts(period(-60, 600), &all, &[deleted()]);
    let rows: Vec<_> = accounts
        .iter()
        .map(|one| (one.name.as_str(), one.gpu_time.text()))
        .collect();
    // By hand:
    //   deleted  2 pods × 4 GPUs × 30 min              =  4 GPU-hours, at least
    //   partial  3 of 8 pods × 2 GPUs × 60 min          =  6
    //   elastic  1 × 2 × 60 min + 3 × 2 × 60 min        =  8, one run
    //   paused   8 GPUs × (30 min before + 60 min last) = 12
    let expected = [
        ("deleted", "≥ 4.0"),
        ("partial", "6.0"),
        ("elastic", "8.0"),
        ("paused", "12.0"),
    ];
    assert_eq!(rows, expected.map(|(name, text)| (name, text.to_owned())));
    let totals = totals(&accounts, By::User, false);
    let rows: Vec<_> = totals
        .iter()
        .map(|total| {
            (
                total.name.as_deref().unwrap(),
                total.gpu_time.text(),
                total.workloads,
            )
        })
        .collect();
    let expected = [("alice", "26.0", Some(3)), ("bob", "≥ 4.0", Some(1))];
    assert_eq!(
        rows,
        expected.map(|(name, text, count)| (name, text.to_owned(), count))
    );
    let sum = Total::of_all(&totals);
    assert_eq!(
        (sum.gpu_time.text(), sum.workloads),
        ("≥ 30.0".to_owned(), Some(4))
    );
    assert_eq!(sum.sources.len(), 2);
}

#[test]
fn waiting_and_running_are_those_of_all_attempts() {
    let paused = &accounts(period(-60, 600), &[paused_twice()], &[])[0];
    // Created at 0, last admitted at 90, of which 30 minutes ran; then 60 more.
    assert_eq!(paused.waited, Some(60 * 60));
    assert_eq!(paused.ran, Some(90 * 60));
    assert_eq!(
        (paused.attempts, paused.gpus, paused.exit_code),
        (3, 8, Some(0))
    );
    let elastic = &accounts(period(-60, 600), &elastic(), &[])[0];
    assert_eq!((elastic.waited, elastic.ran), (Some(0), Some(120 * 60)));
    assert_eq!((elastic.attempts, elastic.gpus), (1, 6));
    let status = elastic.outcome.as_ref().map(|outcome| outcome.status);
    assert_eq!(status, Some(Status::Succeeded));
}

#[test]
fn what_nothing_records_makes_a_bound() {
    let text = |period, queued: KueueWorkload| accounts(period, &[queued], &[])[0].gpu_time.text();
    // An earlier attempt had at least 1 pod of 2 GPUs, for half an hour.
    assert_eq!(text(period(-60, 600), partial(1800)), "≥ 7.0");
    // Of 30 minutes between 0 and 90, 10 are after minute 20 at least.
    assert_eq!(text(period(20, 600), paused_twice()), "≥ 9.3");
    assert_eq!(text(period(90, 120), paused_twice()), "≥ 4.0");
    // One pod ended early.
    let mut reclaimed = partial(0);
    reclaimed.status.reclaimable_pods =
        serde_json::from_value(json!([{"name": "main", "count": 1}])).unwrap();
    assert_eq!(text(period(-60, 600), reclaimed), "≤ 6.0");
    // Paused, and not admitted any more.
    let status = json!({"accumulatedPastExecutionTimeSeconds": 3600});
    let paused = queued("paused", pod_set(1, 8, None), 0, status);
    let account = &accounts(period(-60, 600), &[paused], &[])[0];
    assert_eq!(account.gpu_time.text(), "8.0");
    assert_eq!((account.outcome.as_ref(), account.ended_at), (None, None));
}

#[test]
fn an_array_that_shrank_counts_at_most_what_it_was_admitted_with() {
    let [_, mut large] = elastic();
    large.metadata.annotations.elastic = "true".to_owned();
    let sets = &mut large.status.admission.as_mut().unwrap().pod_set_assignments;
    sets[0].count = 3;
    assert_eq!(large.gpus(), 6);
    // When one of its three pods was stopped nothing records.
    large.spec.pod_sets[0].count = 2;
    assert_eq!((large.gpus(), large.admitted_gpus()), (4, 6));
    let account = &accounts(period(-60, 600), &[large.clone()], &[])[0];
    assert_eq!(account.gpu_time.text(), "≤ 6.0");
    // Of what is not elastic the admission tells alone.
    large.metadata.annotations.elastic.clear();
    assert_eq!(large.gpus(), 6);
}

#[test]
fn what_was_evicted_while_it_grew_is_one_run() {
    let [mut small, large] = elastic();
    small.status.conditions[1] =
        serde_json::from_value(condition("Finished", 60, "OutOfSync")).unwrap();
    let accounts = accounts(period(-60, 600), &[small, large], &[]);
    assert_eq!(accounts.len(), 1);
    assert_eq!(accounts[0].gpu_time.text(), "8.0");
}

#[test]
fn two_slices_that_overlap_for_a_moment_count_once() {
    let [mut small, large] = elastic();
    // Kueue ends the small one two minutes after it has admitted the large one.
    small.status.conditions[1] =
        serde_json::from_value(condition("Finished", 62, "WorkloadSliceReplaced")).unwrap();
    let account = &accounts(period(-60, 600), &[small, large], &[])[0];
    assert_eq!(account.gpu_time.text(), "8.0");
    assert_eq!(account.ran, Some(120 * 60));
}

#[test]
fn slices_of_one_second_are_one_run_in_whatever_order_they_are_listed() {
    let [small, mut large] = elastic();
    large.metadata.creation_timestamp = small.metadata.creation_timestamp;
    for slices in [[small.clone(), large.clone()], [large, small]] {
        let accounts = accounts(period(-60, 600), &slices, &[]);
        assert_eq!(accounts.len(), 1);
        assert_eq!(accounts[0].gpu_time.text(), "8.0");
    }
}

#[test]
fn a_failure_has_the_exit_code_of_the_first_container() {
    let status = json!({"conditions": [
        condition("Admitted", 10, "Admitted"), condition("Finished", 20, "Failed"),
    ]});
    let workload = queued("bad", pod_set(1, 1, None), 1, status);
    let pod = |uid: &str, minute: i64, code: i64| -> Pod {
        serde_json::from_value(json!({
            "metadata": {"name": uid, "namespace": "ml", "labels": {"batch.kubernetes.io/controller-uid": "bad"}},
            "spec": {"containers": [{"name": "a"}]},
            "status": {"phase": "Failed", "containerStatuses": [{"name": "a", "state": {
                "terminated": {"exitCode": code, "finishedAt": at(minute)},
            }}]},
        }))
        .unwrap()
    };
    let mut ledger = Ledger::new(period(-60, 600));
    ledger.add_queued(&workload);
    assert!(ledger.needs_pods(at(0).parse().unwrap()));
    ledger.add_failed_pod(&pod("late", 15, 137));
    ledger.add_failed_pod(&pod("early", 12, 3));
    let account = ledger.accounts().remove(0);
    assert_eq!(account.exit_code, Some(3));
    let outcome = account.outcome.unwrap();
    assert_eq!(outcome.status, Status::Failed);
    // Its Job says more, and ran out of its time.
    let end = json!({"type": "Failed", "status": "True", "reason": "DeadlineExceeded", "lastTransitionTime": at(20)});
    let job = job("bad", json!({"startTime": at(10), "conditions": [end]}));
    let account = accounts(period(-60, 600), &[workload], &[job]).remove(0);
    assert_eq!(account.exit_code, None);
    assert_eq!(account.source, Source::Workloads);
}

#[test]
fn jobs_of_what_is_queued_as_a_whole_are_part_of_it() {
    let mut part = deleted();
    part.metadata.labels.clear();
    part.metadata.owner_references =
        serde_json::from_value(json!([{"kind": "JobSet", "name": "set"}])).unwrap();
    assert!(accounts(period(-60, 600), &[], &[part.clone()]).is_empty());
    // Those of a CronJob are jobs of their own; in no queue, they ran once.
    part.metadata.owner_references[0].kind = "CronJob".to_owned();
    let account = accounts(period(-60, 600), &[], &[part]).remove(0);
    assert_eq!(account.gpu_time.text(), "4.0");
    assert_eq!(account.bound(), Bound::Exact);
}
