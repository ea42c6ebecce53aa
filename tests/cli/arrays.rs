//! Arrays without a cluster: what they become, and what is refused.

use serde_json::Value;

use crate::common::{Outcome, Sandbox};

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("w/entrypoint", "python train.py\n");
    sandbox.write("w/rows.csv", "lr,seed\n1e-3,1\n1e-4,2\n1e-5,3\n");
    sandbox
}

fn dry(arguments: &[&str]) -> Outcome {
    let fixed = ["submit", "-d", "--name", "a", "-i", "image"];
    sandbox().kaiwo(&[&fixed, arguments].concat())
}

/// Returns the Job that would be created.
fn job(arguments: &[&str]) -> Value {
    let outcome = dry(&[&["-o", "json", "--show-manifests"], arguments].concat()).exits(0);
    let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
    let manifests = report["manifests"].as_array().unwrap();
    let jobs = manifests.iter().filter(|object| object["kind"] == "Job");
    let mut jobs: Vec<&Value> = jobs.collect();
    assert_eq!(jobs.len(), 1, "one Job, whatever the number of tasks");
    jobs.remove(0).clone()
}

#[test]
fn ten_thousand_tasks_are_one_job_of_the_same_size() {
    let of = |arguments: &[&str]| job(&[arguments, &["--", "train", "--seed={seed}"]].concat());
    let few = of(&["--sweep", "seed=1..10"]);
    let many = of(&["--sweep", "seed=1..10000", "--slots", "100"]);
    let spec = &many["spec"];
    assert_eq!(spec["completions"], 10_000);
    assert_eq!(spec["parallelism"], 100);
    assert_eq!(spec["completionMode"], "Indexed");
    assert_eq!(spec["backoffLimitPerIndex"], 0);
    assert!(spec.get("backoffLimit").is_none() && spec.get("maxFailedIndexes").is_none());
    let annotations = &many["metadata"]["annotations"];
    assert_eq!(annotations["kueue.x-k8s.io/job-min-parallelism"], "1");
    assert_eq!(
        annotations["kaiwo-cli/array"],
        r#"{"tasks":"0-9999","sweep":["seed=1..10000"]}"#
    );
    let pod = &spec["template"]["spec"];
    assert!(pod.get("subdomain").is_none());
    let text = pod.to_string();
    assert!(!text.contains("PET_") && !text.contains("MASTER_ADDR"), "{text}");
    let (few, many) = (few.to_string().len(), many.to_string().len());
    assert!(many < few + 100, "{many} bytes, and {few} for ten tasks");
}

#[test]
fn flags_say_how_it_runs() {
    let whole = job(&["-p", "w", "--array", "3,7,9%2", "--at-least", "all", "--retries", "2"]);
    let annotations = &whole["metadata"]["annotations"];
    assert!(annotations.get("kueue.x-k8s.io/job-min-parallelism").is_none());
    assert_eq!(whole["spec"]["backoffLimitPerIndex"], 2);
    assert_eq!(whole["spec"]["parallelism"], 2);
    let grows = job(&["-p", "w", "--array", "0-99", "--slots", "4", "--grow", "--max-failed", "5"]);
    assert_eq!(grows["metadata"]["annotations"]["kueue.x-k8s.io/elastic-job"], "true");
    assert_eq!(grows["spec"]["maxFailedIndexes"], 5);
    let spared = job(&["-p", "w", "--array", "0-99", "--max-failed", "5"]);
    assert_eq!(spared["spec"]["parallelism"], 95);
}

#[test]
fn a_table_travels_as_a_config_map() {
    let outcome = dry(&["-p", "w", "--sweep-file", "w/rows.csv", "-g", "1"])
        .exits(0)
        .says("3 tasks of 1 amd.com/gpu");
    assert!(outcome.stdout.contains("rows: |"), "{}", outcome.stdout);
    assert!(outcome.stdout.contains("1e-4 2"), "{}", outcome.stdout);
    assert!(outcome.stdout.contains("mountPath: /kaiwo/array"), "{}", outcome.stdout);
}

#[test]
fn what_cannot_be_an_array_is_refused_with_the_reason() {
    for (arguments, message) in [
        (
            &["-p", "w", "--array", "0-9", "--ray"][..],
            "a RayJob is a cluster of several pods",
        ),
        (
            &["-p", "w", "--array", "0-9", "-g", "16"],
            "a task of an array is one pod, but this would be 2 pods with 8 GPUs each",
        ),
        (
            &["-p", "w", "--array", "0-9", "--replicas", "2"],
            "a task of an array is one pod",
        ),
        (
            &["--array", "0-9"],
            "the image's own program is started without one",
        ),
        (
            &["--array", "0-9", "--", "--lr", "3"],
            "the image's own program is started without one",
        ),
        (
            &["-p", "w", "--array", "0-9", "--read-only-workdir"],
            "is for images without sh",
        ),
        (
            &["-p", "w", "--array", "0-9", "--schedule", "0 3 * * *"],
            "--schedule starts single tasks",
        ),
        (
            &["-p", "w", "--array", "0-100000"],
            "Kubernetes accepts more than 100000 tasks only with at most 10000 failed ones",
        ),
        (
            &["-p", "w", "--sweep", "a=1,2", "--sweep-file", "w/rows.csv"],
            "exclude each other",
        ),
        (
            &["-p", "w", "--sweep-file", "w/missing.csv"],
            "w/missing.csv does not exist",
        ),
        (
            &["-p", "w", "--sweep-file", "w/entrypoint"],
            "w/entrypoint:1: invalid parameter name",
        ),
        (
            &["-p", "w", "--array", "0-9%3", "--slots", "4"],
            "--array says 3 tasks at once",
        ),
        (
            &["-p", "w", "--slots", "4"],
            "--slots has no effect without an array",
        ),
        (
            &["-p", "w", "--array", "0-9", "--only-failed"],
            "but a client dry run contacts none",
        ),
    ] {
        let outcome = dry(arguments).exits(3).says(message).says("help: ");
        assert_eq!(outcome.stdout, "", "{arguments:?}");
    }
    _ = dry(&["-p", "w", "--array", "9-0"]).exits(2).says("ends before it begins");
    _ = dry(&["-p", "w", "--sweep", "lr"]).exits(2).says("expected NAME=VALUE");
    _ = dry(&["-p", "w", "--array", "1e3"])
        .exits(2)
        .says("expected numbers, such as 0-99 or 3,7,9")
        .says("help: see: kaiwo submit --help");
    let sandbox = sandbox();
    sandbox.write("semicolons.csv", "lr;seed\n1;2\n");
    sandbox.write("lines.csv", "lr,name\n1,\"a\nb\"\n");
    for (file, why) in [
        ("semicolons.csv", "separate columns with commas"),
        ("lines.csv", "lines.csv:2: a quote is not closed"),
        ("lines.csv", "help: keep each row on one line"),
    ] {
        let words = ["submit", "-d", "-i", "x", "--sweep-file", file, "--", "a"];
        _ = sandbox.kaiwo(&words).exits(3).says(why);
    }
}

#[test]
fn a_parameter_that_is_probably_another_is_warned_of() {
    _ = dry(&["--sweep", "seed=1..3", "--", "train", "--s={sed}", "{}"])
        .exits(0)
        .says("{sed} in the command is not a parameter and stays as it is; did you mean {seed}?");
    _ = dry(&["--array", "0-3", "--", "train", "--lr={lr}"])
        .exits(0)
        .says("{lr} in the command is not a parameter and stays as it is");
    _ = dry(&["--sweep", "layers=[1,2],[3]", "--", "train"])
        .exits(0)
        .says("--sweep layers has 3 values, some of which are parts of a list");
}
