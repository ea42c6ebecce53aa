//! Arrays on a real control plane: as many tasks as there is quota for run at once, each
//! fails by itself, and those that failed run again.

use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use super::cluster::{Flavor, Testbed, condition, has_condition};
use crate::common::Outcome;

/// Returns the numbers that Kubernetes gives the pods of an array which run, with their
/// names.
pub fn live(testbed: &Testbed, array: &str) -> Vec<(i64, String)> {
    let pods = testbed.list("Pod").into_iter();
    let is_live = |pod: &Value| {
        let job = &pod["metadata"]["labels"]["batch.kubernetes.io/job-name"];
        pod["status"]["phase"] == "Running" && job == array
    };
    let live = pods.filter(is_live);
    live.map(|pod| {
        let labels = &pod["metadata"]["labels"];
        let index = labels["batch.kubernetes.io/job-completion-index"].as_str();
        let name = pod["metadata"]["name"].as_str().unwrap();
        // Of one that is no array there is one.
        (
            index.map_or(0, |index| index.parse().unwrap()),
            name.to_owned(),
        )
    })
    .collect()
}

/// Ends the tasks of an array, those that `fails` says with code 3, and returns how many
/// ran at once at most.
pub fn run_to_the_end(testbed: &Testbed, name: &str, fails: impl Fn(i64) -> bool) -> usize {
    let mut most = 0;
    testbed.wait(&format!("{name} to end"), || {
        let job = testbed.find("Job", name)?;
        if has_condition(&job, "Complete") || has_condition(&job, "Failed") {
            return Some(());
        }
        let live = live(testbed, name);
        most = most.max(live.len());
        for (index, pod) in live {
            testbed.finish_pod(&pod, if fails(index) { 3 } else { 0 });
        }
        None
    });
    most
}

/// Checks what a command printed.
#[track_caller]
fn prints(outcome: &Outcome, text: &str) {
    assert!(outcome.stdout.contains(text), "{}", outcome.stdout);
}

fn workload(testbed: &Testbed) -> Value {
    testbed.list("Workload").remove(0)
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn three_hundred_tasks_run_seven_at_a_time_and_those_that_failed_run_again() {
    let testbed = Testbed::with_queue("array", Flavor::Amd, 7);
    let submit = |more: &[&str]| {
        let fixed = [
            "-i",
            "testbed/forever",
            "--name",
            "sweep",
            "-g",
            "1",
            "--create-namespace",
        ];
        let tasks = ["--sweep", "seed=1..300", "--slots", "20"];
        testbed.submit(&[&fixed[..], &tasks, more, &["--", "train", "{seed}"][..]].concat())
    };
    _ = submit(&[])
        .exits(0)
        .says("300 tasks of 1 amd.com/gpu, 20 at once")
        .says("starts now with 7 of 20 slots; Kueue adds none while it runs");
    testbed.wait("seven tasks to run", || {
        (live(&testbed, "sweep").len() == 7).then_some(())
    });
    let status = testbed
        .sandbox
        .kaiwo(&["status", "-n", &testbed.name, "sweep"])
        .exits(0);
    prints(
        &status,
        "admitted with 7 of 20 slots, and Kueue adds none while it runs",
    );
    let most = run_to_the_end(&testbed, "sweep", |index| index % 60 == 7);
    assert_eq!(most, 7);

    // Kueue never took it for one that is not ready.
    let admitted = workload(&testbed);
    assert!(condition(&admitted, "Evicted").is_none(), "{admitted}");
    let job = testbed.find("Job", "sweep").unwrap();
    assert_eq!(job["status"]["failedIndexes"], "7,67,127,187,247");
    let kaiwo = |words: &[&str]| {
        let place = ["-n", &testbed.name];
        testbed.sandbox.kaiwo(&[words, &place[..]].concat())
    };
    prints(&kaiwo(&["list"]).exits(0), "295/300, 5 failed");
    _ = kaiwo(&["wait", "sweep"])
        .exits(3)
        .says("295/300, 5 failed (7, 67, 127, 187, 247)");
    let told: Value =
        serde_json::from_str(&kaiwo(&["status", "sweep", "-o", "json"]).exits(0).stdout).unwrap();
    let failed = told["tasks"]["failedTasks"].as_array().unwrap();
    assert_eq!(failed.len(), 5);
    assert_eq!(failed[1]["task"], 67);
    assert_eq!(failed[1]["parameters"], json!({"seed": "68"}));
    assert_eq!(failed[1]["exitCode"], 3);
    let gone = failed[0]["pod"].as_str().unwrap();
    testbed.delete_now("Pod", gone);
    testbed.wait("a pod to be gone", || {
        testbed.find("Pod", gone).is_none().then_some(())
    });
    prints(&kaiwo(&["status", "sweep"]).exits(0), "gone");

    _ = submit(&["--only-failed"])
        .exits(0)
        .says("5 tasks of job/sweep did not succeed: 7-247:60")
        .says("job/sweep-2");
    let again = testbed.find("Job", "sweep-2").unwrap();
    assert_eq!(again["spec"]["completions"], 5);
    assert_eq!(
        again["metadata"]["annotations"]["kaiwo-cli/array"],
        r#"{"tasks":"7-247:60","sweep":["seed=1..300"]}"#
    );
    _ = submit(&["--only-failed"])
        .exits(3)
        .says("job/sweep-2 has not ended");
    run_to_the_end(&testbed, "sweep-2", |_| false);
    _ = submit(&["--only-failed"])
        .exits(0)
        .says("all tasks of job/sweep-2 succeeded: nothing to run again");
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn ten_thousand_tasks_are_submitted_listed_and_deleted() {
    let testbed = Testbed::with_queue("array-large", Flavor::Amd, 4);
    let outcome = testbed.submit(&[
        "-v",
        "-i",
        "testbed/forever",
        "--name",
        "large",
        "-g",
        "1",
        "--create-namespace",
        "--sweep",
        "seed=1..10000",
        "--",
        "train",
        "{seed}",
    ]);
    let outcome = outcome.exits(0).says("starts now with 4 of 10000 slots");
    let created = outcome.stderr.matches("POST /apis/batch/v1").count();
    let rehearsed = outcome.stderr.matches("dryRun=All").count();
    assert!(created >= 1, "{}", outcome.stderr);
    assert_eq!(
        testbed.list("Job").len(),
        1,
        "after {created} requests, {rehearsed} of them rehearsals"
    );
    testbed.wait("four tasks to run", || {
        (live(&testbed, "large").len() == 4).then_some(())
    });
    let kaiwo = |words: &[&str]| {
        let place = ["-n", &testbed.name];
        testbed.sandbox.kaiwo(&[words, &place[..]].concat())
    };
    for (_, pod) in live(&testbed, "large").into_iter().take(2) {
        testbed.finish_pod(&pod, 0);
    }
    testbed.wait("two tasks to be done", || {
        let listed = kaiwo(&["list"]).exits(0).stdout;
        listed.contains("2/10000").then_some(())
    });
    _ = kaiwo(&["delete", "large", "-y"]).exits(0);
    assert!(testbed.list("Job").is_empty() && testbed.list("Pod").is_empty());
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn failed_tasks_beside_few_others_count_as_not_ready() {
    let testbed = Testbed::with_queue("array-ready", Flavor::Amd, 8);
    let fixed = [
        "-i",
        "testbed/forever",
        "-g",
        "1",
        "--create-namespace",
        "--array",
    ];
    let submit = |name: &str, tasks: &str| {
        let named = ["--name", name];
        testbed.submit(&[&fixed, &[tasks][..], &named, &["--", "train"]].concat())
    };
    // What the warning says is so: one of four has failed, and three run.
    _ = submit("exposed", "0-3")
        .exits(0)
        .says("if a task fails before 4 have succeeded, Kueue evicts the healthy ones");
    testbed.wait("four tasks to run", || {
        (live(&testbed, "exposed").len() == 4).then_some(())
    });
    testbed.wait("the array to be ready", || {
        has_condition(&workload(&testbed), "PodsReady").then_some(())
    });
    let (_, first) = live(&testbed, "exposed").remove(0);
    testbed.finish_pod(&first, 1);
    testbed.wait("Kueue to take it for one that is not ready", || {
        let workload = workload(&testbed);
        let ready = condition(&workload, "PodsReady")?;
        (ready["status"] == "False").then_some(())
    });
    testbed.delete("Job", "exposed");
    testbed.wait("it to be gone", || {
        testbed.list("Pod").is_empty().then_some(())
    });

    let safe = submit("safe", "0-7%4").exits(0);
    assert!(
        !safe.stderr.contains("evicts the healthy ones"),
        "{}",
        safe.stderr
    );
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn slots_are_changed_while_it_waits_and_refused_while_it_runs() {
    let testbed = Testbed::with_queue("array-slots", Flavor::Amd, 4);
    let submit = |name: &str, gpus: &str| {
        testbed.submit(&[
            "-i",
            "testbed/forever",
            "--name",
            name,
            "-g",
            gpus,
            "--create-namespace",
            "--array",
            "0-9%3",
            "--",
            "train",
        ])
    };
    _ = submit("runs", "1").exits(0);
    testbed.wait("three tasks to run", || {
        (live(&testbed, "runs").len() == 3).then_some(())
    });
    let resize = |name: &str, slots: &str| {
        let words = ["resize", "-n", &testbed.name, name, "--slots", slots];
        testbed.sandbox.kaiwo(&words)
    };
    _ = resize("runs", "4")
        .exits(3)
        .says("was submitted without --grow: Kueue would stop it");
    assert_eq!(
        testbed.find("Job", "runs").unwrap()["spec"]["parallelism"],
        3
    );

    _ = submit("waits", "4").exits(0);
    _ = resize("waits", "5")
        .exits(0)
        .says("job/waits resized: 5 slots instead of 3");
    let waits = testbed.find("Job", "waits").unwrap();
    assert_eq!(waits["spec"]["parallelism"], 5);
    assert_eq!(waits["spec"]["suspend"], true);
    _ = resize("waits", "1").exits(0);
    let annotations = &testbed.find("Job", "waits").unwrap()["metadata"]["annotations"];
    assert!(
        annotations
            .get("kueue.x-k8s.io/job-min-parallelism")
            .is_none()
    );
}

/// Kueue's Workloads of the array, those that ended included, the oldest first.
fn slices(testbed: &Testbed) -> Vec<Value> {
    let mut all = testbed.list("Workload");
    all.retain(|it| it["metadata"]["ownerReferences"][0]["name"] == "grow");
    // Several can be of one second: each but the first says which it replaces.
    let replaced = |it: &Value| {
        let key = "kueue.x-k8s.io/workload-slice-replacement-for";
        let place = it["metadata"]["annotations"][key].as_str()?;
        Some(place.rsplit('/').next()?.to_owned())
    };
    let mut sorted: Vec<Value> = Vec::new();
    while !all.is_empty() {
        let last = sorted.last().map(|it| it["metadata"]["name"].clone());
        let follows = |it: &Value| match (replaced(it), &last) {
            (None, None) => true,
            (Some(name), Some(last)) => name == *last,
            _ => false,
        };
        let next = all.iter().position(follows);
        sorted.push(all.remove(next.unwrap_or_else(|| panic!("no chain: {all:?}"))));
    }
    sorted
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn an_array_that_grows_changes_its_slots_while_it_runs() {
    let testbed = Testbed::with_queue("array-grow", Flavor::Amd, 8);
    let kaiwo = |words: &[&str]| {
        let place = ["-n", &testbed.name];
        testbed.sandbox.kaiwo(&[words, &place[..]].concat())
    };
    let has = |slots: usize| {
        testbed.wait(&format!("{slots} tasks to run"), || {
            (live(&testbed, "grow").len() == slots).then_some(())
        });
    };
    let flags = ["--name", "grow", "-g", "1", "--array", "0-19%4", "--grow"];
    let image = ["-i", "testbed/forever", "--create-namespace"];
    let _ = testbed
        .submit(&[&image[..], &flags, &["--", "train"]].concat())
        .exits(0)
        .says("20 tasks of 1 amd.com/gpu, 4 at once");
    has(4);
    let job = testbed.find("Job", "grow").unwrap();
    let _ = kaiwo(&["resize", "grow", "--slots", "9"])
        .exits(3)
        .says("job/grow can never have 9 slots: ClusterQueue")
        .says("resize job/grow")
        .says("--slots 8");

    // Within the quota: the same Job, another Workload.
    let _ = kaiwo(&["resize", "grow", "--slots", "6"])
        .exits(0)
        .says("job/grow resized: 6 slots instead of 4");
    has(6);
    // Somebody else takes the rest, so that more slots wait.
    let other = ["--name", "other", "-g", "2"];
    let _ = testbed
        .submit(&[&image[..], &other, &["--", "train"]].concat())
        .exits(0);
    testbed.wait("the other to run", || {
        (live(&testbed, "other").len() == 1).then_some(())
    });
    let _ = kaiwo(&["resize", "grow", "--slots", "8"])
        .exits(0)
        .says("those that run continue; the others wait");
    prints(
        &kaiwo(&["status", "grow"]).exits(0),
        "6 active; 6 of 8 slots, and the others wait until the queue has quota for all of them",
    );
    let why = kaiwo(&["why", "grow"]).exits(0);
    prints(
        &why,
        "It runs with 6 of 8 slots; the others wait for quota: 2 more amd.com/gpu",
    );
    prints(&why, "job/other");
    assert!(!why.stdout.contains("job/grow  6 GPUs"), "{}", why.stdout);
    has(6);
    let _ = kaiwo(&["delete", "other", "-y"]).exits(0);
    has(8);
    // The Job counts them a moment later.
    testbed.wait("the Job to count them", || {
        (testbed.find("Job", "grow")?["status"]["ready"] == 8).then_some(())
    });

    // Fewer: some of those that run are stopped, after a question.
    let _ = kaiwo(&["resize", "grow", "--slots", "3"])
        .exits(2)
        .says("5 of its running tasks will be stopped")
        .says("confirmation required");
    let _ = kaiwo(&["resize", "grow", "--slots", "3", "-y"]).exits(0);
    has(3);
    // The ClusterQueue counts a moment later.
    let probe = ["--name", "probe", "-g", "5", "--dry-run=server"];
    let words = [&image[..], &probe, &["--", "train"]].concat();
    testbed.wait("what it gave back to be free", || {
        let told = testbed.submit(&words).exits(0);
        told.stderr.contains("5 of 8 free").then_some(())
    });

    let most = run_to_the_end(&testbed, "grow", |_| false);
    assert_eq!(most, 3);
    let ended = testbed.find("Job", "grow").unwrap();
    assert_eq!(ended["metadata"]["uid"], job["metadata"]["uid"]);
    testbed.wait("Kueue to finish it", || {
        let all = slices(&testbed);
        all.iter()
            .all(|it| has_condition(it, "Finished"))
            .then_some(())
    });
    testbed.wait("the Workload of the other to go as well", || {
        let all = testbed.list("Workload");
        let mut owners = all.iter().map(|it| &it["metadata"]["ownerReferences"][0]);
        owners.all(|owner| owner["name"] == "grow").then_some(())
    });
    accounts(&testbed);
}

/// Compares history and usage with the Workloads, computed by hand: each size of an array
/// counts for as long as it was admitted, of the last one at most, because it shrank.
fn accounts(testbed: &Testbed) {
    let second = |workload: &Value, kind: &str| {
        let time = &condition(workload, kind).unwrap()["lastTransitionTime"];
        let time: Timestamp = time.as_str().unwrap().parse().unwrap();
        time.as_second()
    };
    let slices = slices(testbed);
    assert_eq!(slices.len(), 3);
    let gpus = |slice: &Value| {
        let usage = &slice["status"]["admission"]["podSetAssignments"][0]["resourceUsage"];
        usage["amd.com/gpu"]
            .as_str()
            .unwrap()
            .parse::<i64>()
            .unwrap()
    };
    assert_eq!(slices.iter().map(gpus).collect::<Vec<_>>(), [4, 6, 8]);
    assert_eq!(slices[2]["spec"]["podSets"][0]["count"], 3);
    let mut gpu_seconds = 0;
    for (at, slice) in slices.iter().enumerate() {
        // For a moment two of them are admitted.
        let end = match slices.get(at + 1) {
            Some(next) => second(next, "Admitted"),
            None => second(slice, "Finished"),
        };
        gpu_seconds += gpus(slice) * (end - second(slice, "Admitted"));
    }
    let report = |command: &str| -> Value {
        let words = [command, "-n", &testbed.name, "-o", "json"];
        let outcome = testbed.sandbox.kaiwo(&words).exits(0);
        serde_json::from_str(&outcome.stdout).unwrap()
    };
    let history = report("history");
    let [grow] = &history["items"].as_array().unwrap()[..] else {
        panic!("one run: {history}");
    };
    let (first, last) = (&slices[0], &slices[2]);
    assert_eq!(
        grow["ranSeconds"],
        second(last, "Finished") - second(first, "Admitted")
    );
    assert_eq!(
        (&grow["name"], &grow["attempts"]),
        (&json!("grow"), &json!(1))
    );
    let usage = report("usage");
    let item = &usage["items"][0];
    assert_eq!(
        (&item["bound"], &item["workloads"]),
        (&json!("atMost"), &json!(1))
    );
    let hours = gpu_seconds as f64 / 3600.0;
    let told = item["gpuHours"].as_f64().unwrap();
    assert!(
        (told - hours).abs() < 0.001,
        "{told}, by hand {hours}: {usage}"
    );
}
