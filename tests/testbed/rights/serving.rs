//! `kaiwo serve` under the rights that users really have.

use super::{apply_what_it_asks_for, bind, roles};
use crate::testbed::cluster::Testbed;

/// Goes through a service's life as somebody with these rights: made, changed,
/// an upload and the Service left behind removed.
#[track_caller]
fn serve_all(testbed: &Testbed, name: &str) {
    let serve = |arguments: &[&str], says: &str| {
        let gpu = ["-g", "1", "--gpu-resource", "amd.com/gpu", "--name", name];
        let words = [
            &["serve", "-n", &testbed.name, "--as", &testbed.name],
            &gpu[..],
        ]
        .concat();
        let words = [&words, arguments].concat();
        let mut outcome = testbed.sandbox.kaiwo(&words);
        if outcome.code == 4 {
            let denied = format!("User {:?} cannot create resource", testbed.name);
            let outcome = outcome.says(&denied);
            apply_what_it_asks_for(testbed, &outcome.stderr, says);
        } else {
            let _ = outcome.exits(0).says(says);
            return;
        }
        outcome = testbed.wait("the rights to count", || {
            let outcome = testbed.sandbox.kaiwo(&words);
            (outcome.code != 4).then_some(outcome)
        });
        let _ = outcome.exits(0).says(says);
    };
    testbed.sandbox.write("chat/entrypoint", "echo 1\n");
    serve(&["-p", "chat", "--port", "8000"], "created");
    testbed.sandbox.write("chat/entrypoint", "echo 2\n");
    serve(&["-p", "chat", "--port", "8000"], "updated");
    serve(&["-p", "chat"], "updated");
    assert_eq!(testbed.find("Service", name), None, "it goes with --port");
    serve(&["-p", "chat"], "unchanged");

    testbed
        .sandbox
        .write("llm/serveconfig", "applications: []\n");
    let ray = format!("{name}-ray");
    let ray_words = ["-p", "llm", "--ray", "--name", &ray];
    let as_user = ["serve", "-n", &testbed.name, "--as", &testbed.name];
    let gpu = ["-g", "1", "--gpu-resource", "amd.com/gpu"];
    let words = [&as_user[..], &gpu, &ray_words].concat();
    let first = testbed.sandbox.kaiwo(&words);
    if first.code == 4 {
        apply_what_it_asks_for(testbed, &first.stderr, "RayService");
        testbed.wait("the rights to count", || {
            (testbed.sandbox.kaiwo(&words).code == 0).then_some(())
        });
    } else {
        let _ = first.exits(0).says("created");
    }
    testbed.sandbox.write(
        "llm/serveconfig",
        "applications: [{name: a, import_path: a.b}]\n",
    );
    let _ = testbed.sandbox.kaiwo(&words).exits(0).says("updated");
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn researchers_serve_and_change_what_they_serve() {
    let testbed = Testbed::new("resserve");
    testbed.namespace();
    roles(&testbed);
    bind(&testbed, &["kaiwo-submit"]);
    serve_all(&testbed, "chat");
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn who_may_edit_serves_and_asks_for_rayservices() {
    let testbed = Testbed::new("editserve");
    testbed.namespace();
    bind(&testbed, &["kueue-batch-user-role", "edit"]);
    serve_all(&testbed, "chat");
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn nobody_is_told_what_to_ask_for_to_serve() {
    let testbed = Testbed::new("noserve");
    testbed.namespace();
    serve_all(&testbed, "chat");
}
