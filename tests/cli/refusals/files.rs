//! Mistakes in files, refused with the line.

use super::*;

/// Asserts that a workload with this text in one of its files is refused at `place`.
fn is_refused(file: &str, text: &str, place: &str, says: &str) {
    let sandbox = workload();
    sandbox.write(file, text);
    let outcome = sandbox
        .kaiwo(&["submit", "-p", "w", "-d"])
        .exits(3)
        .says(place)
        .says(says);
    assert_eq!(outcome.stdout, "");
}

#[test]
fn mistakes_in_env() {
    for (text, place, says) in [
        (
            "envVars:\n  - name: A\n    value: 1\n  - name: A\n    value: 2\n",
            "w/env:4",
            "A is set twice",
        ),
        (
            "envVars:\n  - name: A\n    valeu: 1\n",
            "w/env:3",
            "did you mean `value`?",
        ),
        (
            "envVars:\n  - name: \"A B\"\n    value: 1\n",
            "w/env:2",
            "invalid variable name",
        ),
        ("envVars:\n  - name: A\n  value: 1\n", "w/env:3", ""),
        ("envVars: {\n", "w/env:", ""),
        ("just text\n", "w/env:1", ""),
    ] {
        is_refused("w/env", text, place, says);
    }
}

#[test]
fn mistakes_in_kaiwoconfig() {
    for (text, place, says) in [
        (
            "gpus: 8\nqueu: x\n",
            "w/kaiwoconfig:2",
            "did you mean `queue`?",
        ),
        ("gpus: 8\ngpus: 9\n", "w/kaiwoconfig:2", "duplicate key"),
        ("gpus: many\n", "w/kaiwoconfig:1", ""),
        ("gpus: [\n", "w/kaiwoconfig:", ""),
        ("dryRun: perhaps\n", "w/kaiwoconfig:1", ""),
        ("path: other\n", "w/kaiwoconfig:1", "directory with -p"),
    ] {
        is_refused("w/kaiwoconfig", text, place, says);
    }
    let sandbox = Sandbox::new().set("KAIWO_GPUS", "many");
    let _ = sandbox
        .kaiwo(&["submit", "-i", "image", "-d"])
        .exits(3)
        .says("KAIWO_GPUS: expected a whole number")
        .says("unset KAIWO_GPUS");
}

/// A word with a rule is held to it wherever it is given, and whichever command reads
/// it.
#[test]
fn a_wrong_word_is_refused_where_it_stands() {
    for (key, variable, flag, word, says) in [
        (
            "namespace",
            "KAIWO_NAMESPACE",
            "--namespace",
            "A b",
            "invalid namespace \"A b\": use ",
        ),
        (
            "queue",
            "KAIWO_QUEUE",
            "--queue",
            "Team",
            "invalid queue \"Team\": use ",
        ),
        (
            "priorityClass",
            "KAIWO_PRIORITY_CLASS",
            "--priority-class",
            "High",
            "invalid priority class \"High\": ",
        ),
        (
            "image",
            "KAIWO_IMAGE",
            "--image",
            "A/B",
            "image \"A/B\" cannot be pulled: ",
        ),
        (
            "gpuResource",
            "KAIWO_GPU_RESOURCE",
            "--gpu-resource",
            "gpu",
            "invalid GPU resource \"gpu\": ",
        ),
        (
            "rayVersion",
            "KAIWO_RAY_VERSION",
            "--ray-version",
            "2 46",
            "invalid Ray version \"2 46\": ",
        ),
        (
            "serviceAccount",
            "KAIWO_SERVICE_ACCOUNT",
            "--service-account",
            "A",
            "invalid service account \"A\": ",
        ),
        (
            "name",
            "KAIWO_NAME",
            "--name",
            "Run_7",
            "invalid name \"Run_7\": ",
        ),
        (
            "healthPath",
            "KAIWO_HEALTH_PATH",
            "--health-path",
            "health",
            "invalid health path \"health\": must begin with /; use /health",
        ),
        (
            "schedule",
            "KAIWO_SCHEDULE",
            "--schedule",
            "0 24 * * *",
            "invalid schedule: \"24\" is not a valid hour: expected 0 to 23",
        ),
        (
            "timeZone",
            "KAIWO_TIME_ZONE",
            "--time-zone",
            "Europe Berlin",
            "unknown time zone \"Europe Berlin\"",
        ),
        (
            "modelAccessSecret",
            "KAIWO_MODEL_ACCESS_SECRET",
            "--model-access-secret",
            "hf_Canary",
            "invalid Secret name",
        ),
    ] {
        let serves = ["--health-path", "--model-access-secret"].contains(&flag);
        let command = if serves { "serve" } else { "submit" };
        let typed = workload().kaiwo(&[command, "-p", "w", "-d", flag, word]);
        let _ = typed.exits(3).says(&format!("{flag}: {says}"));
        let set = workload().set(variable, word);
        let outcome = set.kaiwo(&["submit", "-p", "w", "-d"]).exits(3);
        let _ = outcome.says(&format!("{variable}: {says}"));
        let sandbox = workload();
        sandbox.write("w/kaiwoconfig", format!("gpus: 1\n{key}: {word}\n"));
        let outcome = sandbox.kaiwo(&["submit", "-p", "w", "-d"]).exits(3);
        let _ = outcome.says(says).says("w/kaiwoconfig:2");
    }
    let _ = Sandbox::new()
        .kaiwo(&["list", "-n", "A b"])
        .exits(3)
        .says("--namespace: invalid namespace \"A b\"");
}
