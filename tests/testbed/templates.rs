//! Templates of the user's own on a real control plane: objects that go with
//! the workload, of kinds that kaiwo knows and of kinds that it has to ask for.

use serde_json::Value;

use super::cluster::{Flavor, Testbed};
use super::objects::{as_written, nothing_was_made, uploads};

/// A Job that reads a claim, and a Lease besides, whose kind only the cluster
/// knows.
const TEMPLATE: &str = r#"
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: {{ Meta.Name ~ "-cache" }}
spec:
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: {{ Custom.size }}}}
---
apiVersion: coordination.k8s.io/v1
kind: Lease
metadata:
  name: {{ Meta.Name ~ "-lock" }}
spec:
  holderIdentity: {{ Meta.User }}
---
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ Meta.Name }}
spec:
  template:
    spec:
      restartPolicy: Never
      containers:
      - name: main
        image: {{ Meta.Image }}
        command: [sh, -c, {{ "echo " ~ Custom.size }}]
        resources: {limits: {cpu: "1", memory: 1Gi}}
"#;

/// What the template makes besides the Job.
const COMPANIONS: [(&str, &str); 2] = [
    ("PersistentVolumeClaim", "alice-w-cache"),
    ("Lease", "alice-w-lock"),
];

fn testbed(test: &str) -> Testbed {
    let testbed = Testbed::with_queue(test, Flavor::Amd, 32);
    testbed.namespace();
    testbed.sandbox.write("w/entrypoint", "echo\n");
    testbed.sandbox.write("w/template", TEMPLATE);
    testbed
}

/// Arguments of a submission with the value that the template asks for.
const SUBMIT: [&str; 4] = ["-p", "w", "--set", "size=1Gi"];

fn find(testbed: &Testbed, kind: &str, name: &str) -> Value {
    testbed
        .find(kind, name)
        .unwrap_or_else(|| panic!("there is no {kind} {name}"))
}

/// Waits until the garbage collector has removed what the workload owned.
fn wait_for_nothing_left(testbed: &Testbed) {
    for (kind, name) in COMPANIONS {
        testbed.wait(&format!("{kind} {name} to go"), || {
            testbed.find(kind, name).is_none().then_some(())
        });
    }
    testbed.wait("the uploads to go", || {
        uploads(testbed).is_empty().then_some(())
    });
}

/// Checks that nothing is there, of the template's own objects neither.
#[track_caller]
fn nothing_at_all_was_made(testbed: &Testbed) {
    nothing_was_made(testbed);
    for (kind, _) in COMPANIONS {
        assert_eq!(testbed.list(kind), [] as [Value; 0], "{kind}");
    }
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn what_a_template_brings_along_belongs_to_the_workload_and_goes_with_it() {
    let testbed = testbed("companions");
    let checked = testbed
        .submit(&[&SUBMIT[..], &["--dry-run=server", "-o", "name"]].concat())
        .exits(0);
    assert_eq!(checked.stdout, "job.batch/alice-w\n");
    nothing_at_all_was_made(&testbed);

    let _ = testbed
        .submit(&SUBMIT)
        .exits(0)
        .says("job/alice-w created, with localqueue")
        .says(", persistentvolumeclaim/alice-w-cache, lease/alice-w-lock, 1 upload");
    let job = find(&testbed, "Job", "alice-w");
    for (kind, name) in COMPANIONS {
        let companion = find(&testbed, kind, name);
        let owner = &companion["metadata"]["ownerReferences"][0];
        assert_eq!(owner["uid"], job["metadata"]["uid"], "{companion}");
        assert_eq!(owner["kind"], "Job");
        let labels = &companion["metadata"]["labels"];
        assert_eq!(labels["app.kubernetes.io/instance"], "alice-w");
        assert_eq!(labels["kaiwo-cli/username"], "alice");
    }
    let lease = find(&testbed, "Lease", "alice-w-lock");
    assert_eq!(lease["spec"]["holderIdentity"], "alice");
    testbed.wait_for_condition("Job", "alice-w", "Complete");

    testbed.delete("Job", "alice-w");
    wait_for_nothing_left(&testbed);
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn the_same_template_and_values_change_nothing_and_others_replace() {
    let testbed = testbed("again");
    // Stopped, so that the Job waits and is the same as long as it does.
    testbed.cluster_queue(
        &[(Flavor::Amd, 32)],
        serde_json::json!({"stopPolicy": "Hold"}),
    );
    let submit = |more: &[&str]| testbed.submit(&[&["-p", "w", "--force"], more].concat());
    let _ = submit(&["--set", "size=1Gi"]).exits(0);
    let all = || -> Vec<Value> {
        COMPANIONS
            .iter()
            .map(|(kind, name)| as_written(find(&testbed, kind, name)))
            .collect()
    };
    let before = all();
    let _ = submit(&["--set", "size=1Gi"])
        .exits(0)
        .says("job/alice-w unchanged");
    assert_eq!(all(), before);

    // What somebody has taken away comes back.
    testbed.delete("Lease", "alice-w-lock");
    let _ = submit(&["--set", "size=1Gi"])
        .exits(0)
        .says("job/alice-w unchanged");
    let lease = find(&testbed, "Lease", "alice-w-lock");
    let job = find(&testbed, "Job", "alice-w");
    assert_eq!(
        lease["metadata"]["ownerReferences"][0]["uid"],
        job["metadata"]["uid"]
    );

    let _ = submit(&["--set", "size=2Gi"])
        .exits(5)
        .says("job/alice-w already exists and differs")
        .says("--replace");
    let _ = submit(&["--set", "size=2Gi", "--replace"])
        .exits(0)
        .says("job/alice-w replaced");
    let replaced = find(&testbed, "Job", "alice-w");
    assert_ne!(replaced["metadata"]["uid"], job["metadata"]["uid"]);
    let claim = find(&testbed, "PersistentVolumeClaim", "alice-w-cache");
    assert_eq!(claim["spec"]["resources"]["requests"]["storage"], "2Gi");
    for (kind, name) in COMPANIONS {
        let companion = find(&testbed, kind, name);
        assert_eq!(
            companion["metadata"]["ownerReferences"][0]["uid"], replaced["metadata"]["uid"],
            "{companion}"
        );
    }
    testbed.delete("Job", "alice-w");
    wait_for_nothing_left(&testbed);
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn kinds_that_cannot_go_with_a_workload_are_refused() {
    let testbed = testbed("kinds");
    for (object, says) in [
        (
            "apiVersion: ray.io/v1\nkind: RayCluter",
            "does not serve RayCluter of ray.io/v1",
        ),
        (
            "apiVersion: example.com/v1\nkind: Widget",
            "does not serve Widget of example.com/v1",
        ),
        // Known to kaiwo, and not.
        (
            "apiVersion: v1\nkind: PersistentVolume",
            "persistentvolume/x, which is not namespaced",
        ),
        (
            "apiVersion: node.k8s.io/v1\nkind: RuntimeClass",
            "runtimeclass/x is not namespaced",
        ),
    ] {
        let document = format!("{TEMPLATE}---\n{object}\nmetadata: {{name: x}}\n");
        testbed.sandbox.write("w/template", document);
        for more in [&[][..], &["--dry-run=server"]] {
            let _ = testbed
                .submit(&[&SUBMIT[..], more].concat())
                .exits(3)
                .says(says);
            nothing_at_all_was_made(&testbed);
        }
    }
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn what_the_cluster_does_not_take_of_the_rest_makes_nothing() {
    let testbed = testbed("strict");
    // Nothing that a schema says.
    let template = TEMPLATE.replace(
        "holderIdentity",
        "leaseDurationSeconds: -1\n  holderIdentity",
    );
    testbed.sandbox.write("w/template", template);
    let _ = testbed
        .submit(&SUBMIT)
        .exits(3)
        .says("the cluster rejects lease/alice-w-lock")
        .says("must be greater than 0");
    nothing_at_all_was_made(&testbed);
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn an_object_of_somebody_else_is_left_alone_and_so_is_the_workload_there() {
    let testbed = testbed("occupied");
    let _ = testbed
        .submit(&["-p", "w", "--set", "size=1Gi", "--name", "first"])
        .exits(0);
    testbed.create(serde_json::json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": "alice-w-lock", "namespace": testbed.name},
        "spec": {"holderIdentity": "somebody"},
    }));
    let _ = testbed
        .submit(&SUBMIT)
        .exits(5)
        .says("lease/alice-w-lock already exists and is not what this workload needs");
    assert_eq!(testbed.find("Job", "alice-w"), None);
    // Claims are protected by a finalizer, which takes a moment to go.
    testbed.wait("the claim to go", || {
        let claim = testbed.find("PersistentVolumeClaim", "alice-w-cache");
        claim.is_none().then_some(())
    });

    // A workload that is there is not deleted for what cannot come about.
    let other = TEMPLATE.replace("\"-lock\"", "\"-mine\"");
    testbed.sandbox.write("w/template", other);
    let _ = testbed.submit(&SUBMIT).exits(0);
    let job = find(&testbed, "Job", "alice-w");
    testbed.sandbox.write("w/template", TEMPLATE);
    let _ = testbed
        .submit(&[&SUBMIT[..], &["--replace"]].concat())
        .exits(5)
        .says("lease/alice-w-lock already exists");
    let kept = find(&testbed, "Job", "alice-w");
    assert_eq!(kept["metadata"]["uid"], job["metadata"]["uid"]);
    assert_eq!(kept["metadata"].get("deletionTimestamp"), None);

    let lease = find(&testbed, "Lease", "alice-w-lock");
    assert_eq!(lease["spec"]["holderIdentity"], "somebody");
    assert!(testbed.find("Job", "first").is_some());
}
