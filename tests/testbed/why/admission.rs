//! What Kueue takes off, holds back, or does not see.

use serde_json::json;

use super::{BOTH, Scene, Who, job};
use crate::testbed::cluster::{Flavor, Testbed, condition};
use crate::testbed::lacks;

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn what_kueue_takes_off_or_gives_up_is_told() {
    let scene = Scene::new(
        "why-off",
        8,
        json!({"preemption": {"withinClusterQueue": "LowerPriority"}}),
    );
    let testbed = &scene.testbed;
    testbed.apply(json!({
        "apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "WorkloadPriorityClass",
        "metadata": {"name": "test-urgent"}, "value": 1000,
    }));
    scene.park("low", "8", &[]);
    scene.why(Who::Admin, "low", "nodeSelector");
    scene.park("high", "8", &["--priority-class", "test-urgent"]);
    scene.told(
        "low",
        "preempted",
        &[
            "It was preempted by job/high of alice",
            "prioritization in the ClusterQueue",
            "It is waiting for quota",
        ],
        &BOTH,
    );
    let (report, _) = scene.why(Who::BatchUser, "low", "preempted");
    assert_eq!(report["status"], "Preempted");
    assert_eq!(report["findings"][1]["cause"], "waitingForQuota");

    // Somebody takes it out of the queue for good.
    testbed.merge(
        "Workload",
        &workload(testbed, "low"),
        &json!({"spec": {"active": false}}),
    );
    scene.told(
        "low",
        "deactivated",
        &["kaiwo resume", "job/low", "--replace"],
        &BOTH,
    );
    testbed.delete("Job", "low");

    // Pods that are not ready in time: as Kueue does when the time is up. Another
    // one takes the place.
    scene.park("next", "8", &["--priority-class", "test-urgent"]);
    scene.why(Who::Admin, "next", "waitingForQuota");
    let name = workload(testbed, "high");
    let found = testbed.find("Workload", &name).unwrap();
    let mut conditions = found["status"]["conditions"].as_array().unwrap().clone();
    conditions.retain(|condition| condition["type"] != "Evicted");
    let now = k8s_openapi::jiff::Timestamp::now();
    let later = k8s_openapi::jiff::Timestamp::from_second(now.as_second() + 3_600).unwrap();
    conditions.push(json!({
        "type": "Evicted", "status": "True", "reason": "PodsReadyTimeout",
        "message": "Exceeded the PodsReady timeout ns/high", "lastTransitionTime": now.to_string(),
    }));
    testbed.merge_status(
        "Workload",
        &name,
        &json!({
            "conditions": conditions,
            "requeueState": {"count": 1, "requeueAt": later.to_string()},
        }),
    );
    scene.told(
        "high",
        "podsReadyTimeout",
        &[
            "not all of its pods became ready in time",
            "requeued 1 time so far",
            "its pods had been loading for ",
            "waitForPodsReady.timeout in Kueue's configuration",
        ],
        &BOTH,
    );
    // What Kueue is told, who may read it is told as well.
    let (_, screen) = scene.why(Who::Admin, "high", "podsReadyTimeout");
    assert!(screen.contains("Kueue allows 90 min"), "{screen}");
}

/// Returns the name of Kueue's Workload of a Job.
#[track_caller]
fn workload(testbed: &Testbed, job: &str) -> String {
    testbed.wait(&format!("the Workload of {job}"), || {
        let all = testbed.list("Workload");
        let own = all
            .iter()
            .find(|workload| workload["metadata"]["ownerReferences"][0]["name"] == *job)?;
        Some(own["metadata"]["name"].as_str()?.to_owned())
    })
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn admission_checks_are_told() {
    let scene = Scene::bare("why-check");
    let testbed = &scene.testbed;
    let check = testbed.name.clone();
    testbed.apply(json!({
        "apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "AdmissionCheck",
        "metadata": {"name": check}, "spec": {"controllerName": "kaiwo.dev/test"},
    }));
    testbed.merge_status("AdmissionCheck", &check, &json!({"conditions": [
        {"type": "Active", "status": "True", "reason": "Active", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"},
    ]}));
    testbed.cluster_queue(
        &[(Flavor::Amd, 16)],
        json!({"admissionChecksStrategy": {"admissionChecks": [{"name": check}]}}),
    );
    scene.local_queue();
    testbed.wait_for_condition("ClusterQueue", &check, "Active");
    scene.park("j", "8", &[]);
    scene.told(
        "j",
        "admissionCheckPending",
        &["It has quota and is waiting for admission check", &check],
        &BOTH,
    );
    testbed.merge_status("Workload", &workload(testbed, "j"), &json!({"admissionChecks": [
        {"name": check, "state": "Rejected", "message": "no budget", "lastTransitionTime": "2026-01-01T00:00:00Z"},
    ]}));
    scene.told(
        "j",
        "admissionCheckRejected",
        &["no budget", "kaiwo resume job/"],
        &BOTH,
    );
    testbed.delete("AdmissionCheck", &check);
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn what_kueue_does_not_see_says_why() {
    let scene = Scene::new("why-unseen", 8, json!({}));
    let testbed = &scene.testbed;
    let queue = testbed.name.clone();
    testbed.apply(job(
        "classy",
        &queue,
        json!({"kueue.x-k8s.io/queue-name": queue, "kueue.x-k8s.io/priority-class": "no-such-class"}),
    ));
    scene.told(
        "classy",
        "unknownPriorityClass",
        &[
            "\"no-such-class\", which does not exist",
            "--priority-class",
        ],
        &[Who::Admin],
    );
    // A user who may not read the classes is told what to look at.
    scene.told(
        "classy",
        "noWorkload",
        &[
            "\"no-such-class\": if that does not exist, it is the cause",
            "WorkloadPriorityClasses",
        ],
        &[Who::BatchUser],
    );

    testbed.apply(job("alone", &queue, json!({})));
    scene.told(
        "alone",
        "suspended",
        &["It was suspended", "\"suspend\":false"],
        &BOTH,
    );

    // A namespace that Kueue is told to leave alone.
    let name = format!("{queue}-unmanaged");
    testbed.apply(job(
        &name,
        "kube-system",
        json!({"kueue.x-k8s.io/queue-name": "any"}),
    ));
    let outcome = testbed.wait("the namespace to be named", || {
        let outcome = testbed
            .sandbox
            .kaiwo(&["why", &name, "-n", "kube-system", "-o", "json"])
            .exits(0);
        outcome
            .stdout
            .contains("namespaceNotManaged")
            .then_some(outcome)
    });
    assert!(
        outcome.stdout.contains("managedJobsNamespaceSelector"),
        "{outcome:?}"
    );
    testbed.delete_in("kube-system", "Job", &name);
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn gates_say_who_lifts_them() {
    if lacks("admission-gates") {
        return;
    }
    let scene = Scene::new("why-gated", 8, json!({}));
    let testbed = &scene.testbed;
    let queue = testbed.name.clone();
    let mut gated = job("gated", &queue, json!({"kueue.x-k8s.io/queue-name": queue}));
    gated["metadata"]["annotations"] =
        json!({"kueue.x-k8s.io/admission-gated-by": "ex.com/budget,ex.com/data"});
    gated["spec"]["template"]["spec"]["nodeSelector"] = json!({"kaiwo.dev/testbed": "parked"});
    testbed.apply(gated);
    scene.told(
        "gated",
        "admissionGated",
        &[
            "admission gates ex.com/budget and ex.com/data are removed",
            "if you may patch the job",
            "annotate job gated kueue.x-k8s.io/admission-gated-by-",
        ],
        &BOTH,
    );
    let lifted = json!({"metadata": {"annotations": {"kueue.x-k8s.io/admission-gated-by": null}}});
    testbed.merge("Job", "gated", &lifted);
    scene.why(Who::Admin, "gated", "nodeSelector");
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn what_the_queue_does_not_cover_is_told_whatever_kueue_says() {
    let scene = Scene::new("why-uncovered", 8, json!({}));
    let testbed = &scene.testbed;
    let queue = testbed.name.clone();
    let mut unheard = job(
        "unheard",
        &queue,
        json!({"kueue.x-k8s.io/queue-name": queue}),
    );
    let asked = json!({"example.com/x": "1", "cpu": "1"});
    unheard["spec"]["template"]["spec"]["containers"][0]["resources"] =
        json!({"requests": asked, "limits": asked});
    testbed.apply(unheard);
    scene.told(
        "unheard",
        "exceedsMaximum",
        &["has no quota for example.com/x"],
        &BOTH,
    );
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn kueue_gives_the_reasons_that_this_testbed_asks_for() {
    let scene = Scene::new("why-reason", 8, json!({}));
    scene.park("holder", "8", &[]);
    scene.why(Who::Admin, "holder", "nodeSelector");
    scene.park("waits", "8", &[]);
    scene.why(Who::Admin, "waits", "waitingForQuota");
    let explains = std::env::var("KAIWO_TESTBED_EXPLAINS").is_ok_and(|told| told == "true");
    let expected = match explains {
        true => "WaitingForQuota",
        false => "Pending",
    };
    let own = scene
        .testbed
        .find("Workload", &workload(&scene.testbed, "waits"));
    let reserved = condition(own.as_ref().unwrap(), "QuotaReserved")
        .unwrap()
        .clone();
    assert_eq!(reserved["reason"], expected, "{reserved:#}");
}
