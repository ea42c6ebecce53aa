//! `kaiwo submit` under the rights that users really have.

use serde_json::json;

use super::cluster::{Flavor, Testbed};
use super::objects::{example, uploads};
use crate::common::checkout;

/// Applies `cluster-admins/rbac/researchers.yaml`.
pub fn roles(testbed: &Testbed) {
    let file = checkout("cluster-admins/rbac/researchers.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    for role in kaiwo::yaml::parse_documents(&file, &text).unwrap() {
        testbed.apply(role);
    }
}

/// Binds ClusterRoles to the test's user, in the test's namespace only. The user
/// has the name of the test, so that no test lends rights to another.
#[track_caller]
pub fn bind(testbed: &Testbed, roles: &[&str]) {
    for role in roles {
        testbed.grant(&testbed.name, "ClusterRole", role);
    }
}

#[track_caller]
pub fn bind_everywhere(testbed: &Testbed, role: &str) {
    testbed.grant_everywhere(&testbed.name, role);
}

/// Who submits, in the order of the columns of `MATRIX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    /// Authenticated, and nothing more.
    Nobody,
    /// Kueue's `batch-user` role and Kubernetes' `edit`, in the namespace.
    Editor,
    /// Kubernetes' `admin`, in the namespace.
    Admin,
    /// `cluster-admins/rbac/researchers.yaml`.
    Researcher,
    /// Kubernetes' `cluster-admin`.
    ClusterAdmin,
}

/// What comes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cell {
    Works,
    /// Exit code 4, with what an admin applies so that the same command works.
    Asks,
}
use Cell::{Asks, Works};

/// What `submit` does for whom: a path, and a cell for each of `Who`. It is
/// printed in docs/queues.md.
const MATRIX: [(&str, [Cell; 5]); 13] = [
    ("the LocalQueue exists", [Asks, Works, Works, Works, Works]),
    (
        "the ClusterQueue is named, a LocalQueue points at it",
        [Asks, Works, Works, Works, Works],
    ),
    (
        "the LocalQueue must be created",
        [Asks, Asks, Asks, Works, Works],
    ),
    (
        "the namespace must be created",
        [Asks, Asks, Asks, Asks, Works],
    ),
    ("uploads", [Asks, Works, Works, Works, Works]),
    (
        "a Job of several pods, with its Service",
        [Asks, Works, Works, Works, Works],
    ),
    ("`--ray`", [Asks, Works, Asks, Works, Works]),
    ("`--schedule`", [Asks, Works, Works, Works, Works]),
    ("`--priority-class`", [Asks, Works, Works, Works, Works]),
    (
        "the same again: unchanged",
        [Asks, Works, Works, Works, Works],
    ),
    ("`--replace`", [Asks, Works, Works, Works, Works]),
    ("`--dry-run=server`", [Asks, Works, Works, Works, Works]),
    (
        "cleaning up after a failure",
        [Asks, Works, Works, Works, Works],
    ),
];

/// Returns the matrix as docs/queues.md has it.
fn table() -> String {
    let mut lines = vec![
        "| path | nothing | batch-user + edit | namespace admin | researchers.yaml | cluster admin |".to_owned(),
        "| --- | --- | --- | --- | --- | --- |".to_owned(),
    ];
    for (path, cells) in MATRIX {
        let cells = cells.map(|cell| match cell {
            Works => "works",
            Asks => "exit 4",
        });
        lines.push(format!("| {path} | {} |", cells.join(" | ")));
    }
    lines.join("\n") + "\n"
}

#[test]
fn the_table_of_rights_is_the_one_that_is_tested() {
    let text = std::fs::read_to_string(checkout("docs/queues.md")).unwrap();
    assert!(
        text.contains(&table()),
        "docs/queues.md lacks:\n{}",
        table()
    );
}

/// Returns the arguments of a path, after what an admin has prepared for it.
fn prepare(testbed: &Testbed, row: usize) -> (Vec<String>, i32, &'static str) {
    let name = format!("row-{row}");
    let (queue, bare) = (testbed.name.clone(), format!("{}-bare", testbed.name));
    let hello = example("hello");
    let image = ["-i", "registry/image", "-g", "1"];
    let (queue, namespace, words, code, says): (&str, String, Vec<&str>, i32, &str) = match row {
        0 => ("team", queue, image.to_vec(), 0, "created"),
        1 => (&queue, queue.clone(), image.to_vec(), 0, "queue team"),
        2 => (&bare, queue, image.to_vec(), 0, "job/row-2 created"),
        3 => (
            &bare,
            format!("{}-new", testbed.name),
            [&image[..], &["--create-namespace"]].concat(),
            0,
            "created",
        ),
        4 => ("team", queue, vec!["-p", &hello, "-g", "1"], 0, "1 upload"),
        5 => ("team", queue, vec!["-p", &hello, "-g", "16"], 0, "created"),
        6 => (
            "team",
            queue,
            vec!["-p", &hello, "-g", "1", "--ray"],
            0,
            "rayjob/",
        ),
        7 => (
            "team",
            queue,
            [&image[..], &["--schedule", "0 3 * * *"]].concat(),
            0,
            "cronjob/",
        ),
        8 => {
            testbed.apply(json!({
                "apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "WorkloadPriorityClass",
                "metadata": {"name": "test-urgent"}, "value": 1000,
            }));
            (
                "team",
                queue,
                [&image[..], &["--priority-class", "test-urgent"]].concat(),
                0,
                "created",
            )
        }
        9 => ("team", queue, image.to_vec(), 0, "unchanged"),
        10 => (
            "team",
            queue,
            [&image[..], &["--label", "a=b", "--replace"]].concat(),
            0,
            "replaced",
        ),
        11 => (
            "team",
            queue,
            [&image[..], &["--dry-run=server"]].concat(),
            0,
            "accepted by the API server",
        ),
        _ => {
            // The Service's name is taken, which only its creation tells.
            testbed.apply(json!({
                "apiVersion": "v1", "kind": "Service",
                "metadata": {"name": name, "namespace": queue},
                "spec": {"clusterIP": "None", "selector": {"somebody": "else"}},
            }));
            (
                "team",
                queue,
                vec!["-p", &hello, "-g", "16"],
                5,
                "nothing of this submission is left",
            )
        }
    };
    let common = ["submit", "--name", &name, "-n", &namespace, "-q", queue];
    let arguments = |words: &[&str]| -> Vec<String> {
        let resources = ["--gpu-resource", "amd.com/gpu", "--gpus-per-node", "8"];
        [&common[..], &resources, words]
            .concat()
            .into_iter()
            .map(str::to_owned)
            .collect()
    };
    if matches!(row, 9 | 10) {
        let first: Vec<&str> = image.to_vec();
        let first = arguments(&first);
        let first: Vec<&str> = first.iter().map(String::as_str).collect();
        let _ = testbed.sandbox.kaiwo(&first).exits(0);
    }
    (arguments(&words), code, says)
}

/// Goes down one column of the matrix.
fn try_all_paths(who: Who, test: &str) {
    let testbed = Testbed::with_queue(test, Flavor::Amd, 32);
    testbed.namespace();
    testbed.local_queue("team", &testbed.name, json!({}));
    let mut bare = testbed.find("ClusterQueue", &testbed.name).unwrap()["spec"].clone();
    bare.as_object_mut()
        .unwrap()
        .retain(|key, _| key == "resourceGroups" || key == "namespaceSelector");
    let bare_name = format!("{}-bare", testbed.name);
    testbed.apply(json!({
        "apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "ClusterQueue",
        "metadata": {"name": bare_name}, "spec": bare,
    }));
    match who {
        Who::Nobody => {}
        Who::Editor => bind(&testbed, &["kueue-batch-user-role", "edit"]),
        Who::Admin => bind(&testbed, &["admin"]),
        Who::Researcher => {
            roles(&testbed);
            bind(&testbed, &["kaiwo-submit"]);
            bind_everywhere(&testbed, "kaiwo-queues");
        }
        Who::ClusterAdmin => bind_everywhere(&testbed, "cluster-admin"),
    }
    for (row, (path, cells)) in MATRIX.iter().enumerate() {
        let cell = cells[who as usize];
        let (mut arguments, code, says) = prepare(&testbed, row);
        arguments.extend(["--as".to_owned(), testbed.name.clone()]);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let place = format!("{who:?}, {path}: kaiwo {}", arguments.join(" "));
        let run = || testbed.sandbox.kaiwo(&arguments);
        let mut outcome = run();
        if cell == Asks {
            assert_eq!(outcome.code, 4, "{place}\n{}", outcome.stderr);
            let denied = format!("User {:?} cannot create resource", testbed.name);
            assert!(
                outcome.stderr.contains(&denied),
                "{place}\n{}",
                outcome.stderr
            );
            apply_what_it_asks_for(&testbed, &outcome.stderr, &place);
            // The API server learns of new rights when it gets to it, of one
            // before the other.
            outcome = testbed.wait("the rights to count", || {
                let outcome = run();
                (outcome.code == code).then_some(outcome)
            });
        }
        assert_eq!(outcome.code, code, "{place}\n{}", outcome.stderr);
        assert!(
            outcome.stderr.contains(says),
            "{place}\nlacks {says:?}:\n{}",
            outcome.stderr
        );
        if row == 12 {
            let name = "row-12";
            testbed.wait("what was made to be gone", || {
                testbed.find("Job", name).is_none().then_some(())
            });
            assert!(
                testbed.find("Service", name).is_some(),
                "{place}: it was somebody else's"
            );
        }
        if who == Who::Nobody {
            // Each path is asked for by somebody who has nothing.
            take_back_all_rights(&testbed);
        }
    }
    testbed.delete("Namespace", &format!("{}-new", testbed.name));
    testbed.delete("ClusterQueue", &bare_name);
}

/// Applies the manifests that an error hands to an admin.
fn apply_what_it_asks_for(testbed: &Testbed, stderr: &str, place: &str) {
    let (_, manifests) = stderr
        .split_once("ask an admin to apply this:\n\n")
        .unwrap_or_else(|| panic!("{place}\nhands nothing to an admin:\n{stderr}"));
    let source = std::path::Path::new("stderr");
    for object in kaiwo::yaml::parse_documents(source, manifests).unwrap() {
        testbed.apply(object);
    }
}

fn take_back_all_rights(testbed: &Testbed) {
    for binding in testbed.list("RoleBinding") {
        testbed.delete("RoleBinding", binding["metadata"]["name"].as_str().unwrap());
    }
    // A rehearsal that is denied again shows that it has been noticed.
    let probe = [
        "submit",
        "-n",
        &testbed.name,
        "-q",
        "team",
        "-i",
        "probe",
        "--name",
        "probe",
        "--dry-run=server",
        "--as",
        &testbed.name,
    ];
    testbed.wait("the rights to be gone", || {
        (testbed.sandbox.kaiwo(&probe).code == 4).then_some(())
    });
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn nobody_is_told_what_to_ask_for_on_every_path() {
    try_all_paths(Who::Nobody, "nobody");
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_batch_user_who_may_edit_takes_every_path_but_those_of_admins() {
    try_all_paths(Who::Editor, "editor");
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn an_admin_of_the_namespace_makes_no_queues_and_no_rayjobs() {
    try_all_paths(Who::Admin, "nsadmin");
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_researcher_takes_every_path_within_the_namespace() {
    try_all_paths(Who::Researcher, "research");
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn an_admin_of_the_cluster_takes_every_path() {
    try_all_paths(Who::ClusterAdmin, "clusteradmin");
}

fn local_queue(testbed: &Testbed) {
    testbed.apply(json!({
        "apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "LocalQueue",
        "metadata": {"name": testbed.name, "namespace": testbed.name},
        "spec": {"clusterQueue": testbed.name},
    }));
    // Its status names the resources that a batch-user learns from it.
    testbed.wait("Kueue to have seen the LocalQueue", || {
        let queue = testbed.find("LocalQueue", &testbed.name)?;
        queue["status"]["flavorsReservation"]
            .as_array()
            .filter(|flavors| !flavors.is_empty())
            .map(drop)
    });
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_batch_user_who_may_edit_submits_to_a_queue_that_exists() {
    let testbed = Testbed::with_queue("batchuser", Flavor::Amd, 32);
    testbed.namespace();
    local_queue(&testbed);
    bind(&testbed, &["kueue-batch-user-role", "edit"]);
    let path = example("hello");
    let submit =
        |extra: &[&str]| testbed.submit(&[&["-p", &path, "--as", &testbed.name], extra].concat());

    let _ = submit(&["-g", "8"])
        .exits(3)
        .says("cannot determine how many GPUs a node has")
        .says("--gpus-per-node 8");
    testbed
        .sandbox
        .write(".config/kaiwo/config.yaml", "gpusPerNode: 8\n");
    // The queue is seen, its quota is not.
    let _ = submit(&["-g", "16"])
        .exits(0)
        .says("16 GPUs = 2 × 8 amd.com/gpu\n")
        .says("job/alice-hello created");
    testbed.wait_for_condition("Job", "alice-hello", "Complete");
    let _ = submit(&["-g", "16", "--replace"])
        .exits(0)
        .says("job/alice-hello replaced");

    // Another queue cannot be made.
    let refused = testbed
        .sandbox
        .kaiwo(&[
            "submit",
            "-p",
            &path,
            "-n",
            &testbed.name,
            "-q",
            "elsewhere",
            "-g",
            "8",
            "--name",
            "other",
            "--gpu-resource",
            "amd.com/gpu",
            "--as",
            &testbed.name,
        ])
        .exits(4);
    let _ = refused
        .says("you may not create it")
        .says("  clusterQueue: elsewhere")
        .says(&format!(
            "kubectl --as {0} -n {0} get localqueues",
            testbed.name
        ));
    assert_eq!(testbed.find("Job", "other"), None);
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn the_roles_for_researchers_are_enough() {
    let testbed = Testbed::with_queue("researcher", Flavor::Amd, 32);
    testbed.namespace();
    roles(&testbed);
    bind(&testbed, &["kaiwo-submit"]);
    bind_everywhere(&testbed, "kaiwo-queues");
    let path = example("ray-gpus");
    let submit =
        |extra: &[&str]| testbed.submit(&[&["-p", &path, "--as", &testbed.name], extra].concat());

    let _ = submit(&["-g", "16", "--ray"])
        .exits(0)
        .says("16 GPUs = 2 × 8 amd.com/gpu · 32 of 32 free · starts now")
        .says("localqueue/");
    let _ = submit(&["-g", "16", "--ray"]).exits(0).says("unchanged");
    let _ = submit(&["-g", "16", "--name", "indexed"])
        .exits(0)
        .says("job/indexed created");
    let _ = submit(&["-g", "8", "--name", "indexed", "--replace"])
        .exits(0)
        .says("job/indexed replaced");
    let _ = submit(&["-g", "8", "--name", "nightly", "--schedule", "0 3 * * *"]).exits(0);
    let _ = submit(&["-g", "64", "--name", "large"])
        .exits(3)
        .says("can never be admitted");
    testbed.delete("CronJob", "nightly");
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_right_that_is_missing_midway_leaves_nothing() {
    let testbed = Testbed::with_queue("nopatch", Flavor::Amd, 32);
    testbed.namespace();
    local_queue(&testbed);
    testbed.apply(json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
        "metadata": {"name": "no-patch", "namespace": testbed.name},
        "rules": [
            {"apiGroups": ["", "batch"], "resources": ["configmaps", "jobs"], "verbs": ["get", "create", "delete"]},
            {"apiGroups": ["kueue.x-k8s.io"], "resources": ["localqueues"], "verbs": ["get", "list"]},
        ],
    }));
    testbed.grant(&testbed.name, "Role", "no-patch");
    let path = example("hello");
    let _ = testbed
        .submit(&["-p", &path, "-g", "1", "--as", &testbed.name])
        .exits(4)
        .says("error: cannot give an owner to configmap/")
        .says("not allowed: ")
        .says("cannot patch resource \"configmaps\"")
        .says("note: nothing of this submission is left")
        .says("ask an admin to apply this:");
    testbed.wait("the Job to be gone", || {
        testbed.list("Job").is_empty().then_some(())
    });
    testbed.wait("the uploads to be gone", || {
        uploads(&testbed).is_empty().then_some(())
    });
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn what_may_not_be_deleted_is_listed_with_the_command_that_removes_it() {
    let testbed = Testbed::with_queue("nodelete", Flavor::Amd, 32);
    testbed.namespace();
    local_queue(&testbed);
    testbed.apply(json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
        "metadata": {"name": "no-delete", "namespace": testbed.name},
        "rules": [
            {"apiGroups": ["", "batch"], "resources": ["configmaps", "jobs"], "verbs": ["get", "create"]},
            {"apiGroups": ["kueue.x-k8s.io"], "resources": ["localqueues"], "verbs": ["get", "list"]},
        ],
    }));
    testbed.grant(&testbed.name, "Role", "no-delete");
    let path = example("hello");
    let _ = testbed
        .submit(&["-p", &path, "-g", "1", "--as", &testbed.name])
        .exits(6)
        .says("cannot patch resource \"configmaps\"")
        .says(": not allowed: ")
        .says(&format!("kubectl --as {0} -n {0} delete ", testbed.name));
}

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
