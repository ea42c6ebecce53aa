//! Every path of `kaiwo submit`, for every kind of user.

use serde_json::json;

use super::{apply_what_it_asks_for, bind, bind_everywhere, roles};
use crate::common::checkout;
use crate::testbed::cluster::{Flavor, Testbed};
use crate::testbed::objects::example;

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
            // What is to be replaced is read first.
            let denied = ["create", "get"]
                .map(|verb| format!("User {:?} cannot {verb} resource", testbed.name));
            assert!(
                denied.iter().any(|denied| outcome.stderr.contains(denied)),
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
