//! What a connection that breaks does to commands that change something.

use serde_json::json;

use super::cluster::{Flavor, Testbed};
use super::fault_proxy::FaultProxy;
use super::objects::{example, uploads};
use crate::common::Outcome;

/// Whoever comes through the proxy.
const USER: &str = "alice";

/// Lets the proxy's user submit and serve.
fn permit(testbed: &Testbed) {
    for role in ["kueue-batch-user-role", "edit"] {
        testbed.grant(USER, "ClusterRole", role);
    }
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn each_answer_may_be_lost_once() {
    let testbed = Testbed::with_queue("lost", Flavor::Amd, 32);
    testbed.namespace();
    testbed.local_queue(&testbed.name, &testbed.name, json!({}));
    permit(&testbed);
    let path = example("hello");
    let through = |arguments: &[&str]| -> Outcome {
        let proxy = FaultProxy::losing_answers();
        let kubeconfig = proxy.kubeconfig(&testbed);
        let common = ["--kubeconfig", &kubeconfig, "-n", &testbed.name];
        let outcome = testbed.sandbox.kaiwo(&[arguments, &common].concat());
        assert!(proxy.cuts() > 2, "{} cuts", proxy.cuts());
        outcome
    };
    let submit = [
        "submit",
        "-p",
        &path,
        "-g",
        "1",
        "--name",
        "lost",
        "-q",
        &testbed.name,
    ];
    let _ = through(&submit)
        .exits(0)
        .says("job/lost created, with 1 upload");
    let job = testbed.find("Job", "lost").unwrap();
    let upload = testbed.find("ConfigMap", &uploads(&testbed)[0]).unwrap();
    assert_eq!(
        upload["metadata"]["ownerReferences"][0]["uid"],
        job["metadata"]["uid"]
    );
    let _ = through(&submit).exits(0).says("job/lost unchanged");
    let _ = through(&["wait", "lost"]).exits(0);
    let _ = through(&["status", "lost"]).exits(0);
    let _ = through(&["delete", "lost", "-y"])
        .exits(0)
        .says("job/lost deleted");
    assert_eq!(testbed.find("Job", "lost"), None);
    testbed.wait("the upload to go", || {
        uploads(&testbed).is_empty().then_some(())
    });

    let serve = |image: &str| {
        through(&[
            "serve", "-i", image, "-g", "0", "--name", "lost", "--port", "8000",
        ])
    };
    let _ = serve("registry/chat:1")
        .exits(0)
        .says("deployment/lost created");
    let _ = serve("registry/chat:2")
        .exits(0)
        .says("deployment/lost updated");
    let deployment = testbed.find("Deployment", "lost").unwrap();
    let image = deployment.pointer("/spec/template/spec/containers/0/image");
    assert_eq!(image, Some(&json!("registry/chat:2")));
    let _ = through(&["delete", "lost", "-y"]).exits(0);
}
