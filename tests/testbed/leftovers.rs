//! What runs leave that died before they were done: who takes it, on a real
//! control plane.

use serde_json::{Value, json};

use super::cluster::{Flavor, Testbed};
use super::objects::{is_upload, uploads};
use super::serve;

/// Makes of a workload's objects what a run leaves that is killed before the
/// workload is made.
fn kill(testbed: &Testbed, kind: &str, name: &str) {
    let kinds = [
        "ConfigMap",
        "Service",
        "HorizontalPodAutoscaler",
        "PodDisruptionBudget",
    ];
    for kind in kinds {
        for object in testbed.list(kind) {
            let own = &object["metadata"]["labels"]["app.kubernetes.io/instance"];
            if own == name {
                let nobody = json!({"metadata": {"ownerReferences": null}});
                testbed.merge(kind, object["metadata"]["name"].as_str().unwrap(), &nobody);
            }
        }
    }
    testbed.delete(kind, name);
    testbed.wait("the workload to go", || {
        testbed.find(kind, name).is_none().then_some(())
    });
}

/// Returns the objects of kaiwo's that no workload owns, as `kind/name`.
fn left(testbed: &Testbed) -> Vec<String> {
    let kinds = [
        "ConfigMap",
        "Service",
        "HorizontalPodAutoscaler",
        "PodDisruptionBudget",
    ];
    let of = |kind: &'static str| {
        let objects = testbed.list(kind).into_iter();
        let objects = objects.filter(|object| {
            object["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "kaiwo"
                && object["metadata"]["ownerReferences"].is_null()
        });
        objects.map(move |object| format!("{kind}/{}", object["metadata"]["name"]))
    };
    kinds.into_iter().flat_map(of).collect()
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn what_a_service_has_left_goes_by_its_name() {
    let testbed = serve::testbed("leftovers");
    let directory = testbed
        .sandbox
        .write("code/entrypoint", "#!/bin/sh\nexec serve\n");
    let path = directory.parent().unwrap().to_str().unwrap();
    let whole = |port: &str| {
        let arguments = [
            "-p",
            path,
            "-i",
            "testbed/forever",
            "-g",
            "0",
            "--name",
            "w",
            "--port",
            port,
            "--target-cpu",
            "70",
            "--autoscale",
            "1-2",
            "--min-available",
            "1",
        ];
        serve::serve(&testbed, &arguments)
    };
    let delete = |arguments: &[&str]| {
        let common = ["delete", "-n", &testbed.name];
        testbed.sandbox.kaiwo(&[&common, arguments].concat())
    };
    _ = whole("8080").exits(0);
    kill(&testbed, "Deployment", "w");
    assert_eq!(left(&testbed).len(), 5, "{:?}", left(&testbed));
    _ = delete(&["w", "--dry-run"])
        .exits(0)
        .says("w: no workload, only leftovers");
    assert_eq!(left(&testbed).len(), 5);
    _ = delete(&["w", "-y"]).exits(0).says("leftovers of w deleted");
    assert_eq!(left(&testbed), [] as [String; 0]);
    _ = delete(&["w", "-y"])
        .exits(3)
        .says("workload w does not exist");

    // The next one of the name, with other files and another port.
    _ = whole("8080").exits(0);
    kill(&testbed, "Deployment", "w");
    testbed
        .sandbox
        .write("code/entrypoint", "#!/bin/sh\nexec other\n");
    _ = whole("9090").exits(0).says("deployment/w created");
    assert_eq!(left(&testbed), [] as [String; 0]);
    let service = testbed.find("Service", "w").unwrap();
    assert_eq!(service["spec"]["ports"][0]["port"], 9090);
    let maps = testbed.list("ConfigMap");
    assert_eq!(maps.iter().filter(|map| is_upload(map)).count(), 1);
    _ = delete(&["w", "-y"]).exits(0);
    assert_eq!(left(&testbed), [] as [String; 0]);
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn what_a_job_has_lost_is_made_again() {
    let testbed = Testbed::with_queue("lost-queue", Flavor::Amd, 8);
    testbed.namespace();
    let directory = testbed
        .sandbox
        .write("code/entrypoint", "#!/bin/sh\nexec train\n");
    let path = directory.parent().unwrap().to_str().unwrap().to_owned();
    let submit = |more: &[&str]| {
        let common = [
            "-p",
            &path,
            "-i",
            "testbed/forever",
            "-g",
            "1",
            "--name",
            "w",
        ];
        testbed.submit(&[&common, more].concat())
    };
    for kind in [&[][..], &["--ray"], &["--schedule", "0 0 1 1 *"]] {
        _ = submit(kind)
            .exits(0)
            .says(&format!("localqueue/{}", testbed.name));
        testbed.delete("LocalQueue", &testbed.name);
        testbed.wait("the LocalQueue to go", || {
            testbed
                .find("LocalQueue", &testbed.name)
                .is_none()
                .then_some(())
        });
        _ = submit(kind)
            .exits(0)
            .says(&format!(
                "localqueue/{} was missing and is created",
                testbed.name
            ))
            .says("unchanged");
        let queue = testbed.find("LocalQueue", &testbed.name).unwrap();
        assert_eq!(queue["spec"]["clusterQueue"], testbed.name.as_str());
        let gone = ["delete", "w", "-y", "-n", &testbed.name];
        _ = testbed.sandbox.kaiwo(&gone).exits(0);
        testbed.delete("LocalQueue", &testbed.name);
        testbed.wait("all of it to go", || {
            let queue: Option<Value> = testbed.find("LocalQueue", &testbed.name);
            (queue.is_none() && uploads(&testbed).is_empty()).then_some(())
        });
    }
}
