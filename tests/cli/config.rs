//! `kaiwo config show`: every setting with its origin.

use crate::common::Sandbox;

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new()
        .set("KAIWO_QUEUE", "research")
        .set("KAIWO_RAY", "1")
        .set("KAIWO_SET", "hub.access_token=s3cret,lr=0.1")
        .set("KAIWO_NAME", "");
    sandbox.write(
        "w/kaiwoconfig",
        "gpus: 16\nqueue: project\nvolume: [data:/data:ro]\nstorage: 10Gi,fast\nttl: 1h\n\
         env: {HF_TOKEN: s3cret, PLAIN: text}\nlabel: {team: ml}\n",
    );
    sandbox.write(
        ".config/kaiwo/config.yaml",
        "gpusPerNode: 8\ngpus: 1\nlabel: {team: other, tier: gold}\n",
    );
    sandbox
}

#[test]
fn every_value_comes_with_its_origin() {
    let sandbox = sandbox();
    let outcome = sandbox.kaiwo(&["config", "show", "-p", "w"]).exits(0);
    assert_eq!(outcome.stderr, "");
    assert!(!outcome.stdout.contains("s3cret"));
    let home = sandbox.path("").display().to_string();
    insta::assert_snapshot!(outcome.stdout.replace(&home, "~/"));

    let json = sandbox
        .kaiwo(&["config", "show", "-p", "w", "-o", "json"])
        .exits(0);
    let report: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    let queue = report["settings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["key"] == "queue")
        .unwrap();
    assert_eq!(
        *queue,
        serde_json::json!({"key": "queue", "value": "research", "from": "KAIWO_QUEUE"})
    );
}

#[test]
fn what_is_shown_can_stand_in_a_file() {
    let sandbox = sandbox();
    let json = sandbox
        .kaiwo(&["config", "show", "-p", "w", "-o", "json"])
        .exits(0);
    let report: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    let lines: Vec<String> = report["settings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|row| !row["key"].as_str().unwrap().contains('.'))
        .map(|row| format!("{}: {}\n", row["key"].as_str().unwrap(), row["value"]))
        .collect();
    let copy = Sandbox::new();
    copy.write("w/entrypoint", "echo\n");
    copy.write("w/kaiwoconfig", lines.concat().replace("ttl: ", "# ttl: "));
    let rayjob = copy
        .kaiwo(&["submit", "-p", "w", "-d"])
        .exits(0)
        .document("RayJob");
    assert_eq!(
        rayjob["metadata"]["labels"]["kueue.x-k8s.io/queue-name"],
        "research"
    );
    assert_eq!(
        rayjob["spec"]["rayClusterSpec"]["workerGroupSpecs"][0]["replicas"],
        2
    );
}

#[test]
fn mistakes_are_told_here_too() {
    let sandbox = Sandbox::new();
    sandbox.write(".config/kaiwo/config.yaml", "gpusPerNod: 8\n");
    let _ = sandbox
        .kaiwo(&["config", "show"])
        .exits(3)
        .says("config.yaml:1")
        .says("did you mean `gpusPerNode`?");
    let _ = sandbox.kaiwo(&["config"]).exits(2);
}

#[test]
fn a_report_is_the_same_in_every_form() {
    let show = |form: &str| {
        let outcome = sandbox().kaiwo(&["config", "show", "-o", form]).exits(0);
        let text = outcome.stdout;
        kaiwo::yaml::parse::<serde_json::Value>(std::path::Path::new("report"), &text).unwrap()
    };
    let without_home = |mut report: serde_json::Value| {
        for row in report["settings"].as_array_mut().unwrap() {
            row["from"].take();
        }
        report
    };
    assert_eq!(without_home(show("yaml")), without_home(show("json")));
    let set = sandbox().set("KAIWO_OUTPUT", "yaml");
    let outcome = set.kaiwo(&["config", "show"]).exits(0);
    assert!(
        outcome.stdout.starts_with("apiVersion: kaiwo/v1\n"),
        "{}",
        outcome.stdout
    );
}
