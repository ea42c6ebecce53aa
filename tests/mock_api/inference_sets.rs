//! InferenceSets against a stand-in for KAITO's controller, which goes from
//! state to state with each look at the set: what waits for them makes of it.

use serde_json::{Value, json};

use super::server::{Answer, MockApi, Request, groups, list};
use super::trouble::is;
use crate::common::Outcome;

/// What a look at the set sees.
#[derive(Clone, Copy, PartialEq)]
enum Look {
    /// The set, with so many of its 2 Workspaces ready.
    Ready(i64),
    /// No set.
    Gone,
    /// An API server that does not know the kind.
    Unserved,
}

const SETS: &str = "/apis/kaito.sh/v1beta1/namespaces/kaiwo/inferencesets";

/// Serves KAITO's kinds in `version`. Of the set, which is there from the start
/// or from when it is created, each look sees the next of `looks`, and the last
/// one for ever.
fn controller(looks: &'static [Look], mut is_there: bool, version: &'static str) -> MockApi {
    let mut next = 0;
    MockApi::new(move |request| {
        if request.query.contains("watch=true") {
            // Whoever watches is told to look again.
            return Some(Answer::Json(200, json!({})));
        }
        is_there |= is(request, "POST", "/inferencesets") && !request.is_dry_run();
        let sets = SETS.replace("v1beta1", version);
        let json = match request.path.as_str() {
            "/apis" => {
                let mut served = groups(&["v1beta2"], &["v1"]);
                let version =
                    json!({"groupVersion": format!("kaito.sh/{version}"), "version": version});
                let kaito = json!({"name": "kaito.sh", "versions": [version]});
                served["groups"].as_array_mut().unwrap().push(kaito);
                served
            }
            path if path == format!("/apis/kaito.sh/{version}") => json!({"resources": [
                {"name": "workspaces", "kind": "Workspace", "namespaced": true},
                {"name": "inferencesets", "kind": "InferenceSet", "namespaced": true}]}),
            path if path.starts_with("/apis/kaito.sh/") && !path.contains(version) => {
                return Some(no_such_page());
            }
            path if request.method == "GET" && path.starts_with(&sets) && is_there => {
                let look = looks[next.min(looks.len() - 1)];
                next += usize::from(path.ends_with("/set"));
                match look {
                    Look::Ready(ready) if path == sets => list(&[set(ready)]),
                    Look::Ready(ready) => set(ready),
                    Look::Gone => {
                        let words = "inferencesets.kaito.sh \"set\" not found";
                        return Some(Answer::Refuse(404, words));
                    }
                    Look::Unserved => return Some(no_such_page()),
                }
            }
            path if path.ends_with("/workspaces") => {
                list(&[workspace("set-a"), workspace("set-b")])
            }
            path if path.ends_with("/pods") => pods(request),
            path if ["/events", "/configmaps"]
                .iter()
                .any(|it| path.ends_with(it)) =>
            {
                list(&[])
            }
            _ => return None,
        };
        Some(Answer::Json(200, json))
    })
}

/// What an API server answers where it serves nothing.
fn no_such_page() -> Answer {
    let text = "404 page not found\n";
    let head = "HTTP/1.1 404 X\r\ncontent-type: text/plain\r\nconnection: close";
    Answer::Raw(format!("{head}\r\ncontent-length: {}\r\n\r\n{text}", text.len()).into_bytes())
}

fn set(ready: i64) -> Value {
    let labels = json!({"app.kubernetes.io/managed-by": "kaiwo"});
    json!({
        "metadata": {"name": "set", "namespace": "kaiwo", "uid": "u", "labels": labels},
        "spec": {"replicas": 2},
        "status": {"replicas": 2, "readyReplicas": ready},
    })
}

/// As KAITO makes it for a set.
fn workspace(name: &str) -> Value {
    json!({"metadata": {
        "name": name, "namespace": "kaiwo", "uid": name,
        "labels": {"inferenceset.kaito.sh/created-by": "set"},
        "ownerReferences": [{"kind": "InferenceSet", "name": "set", "uid": "u", "controller": true}],
    }})
}

/// The pods of the Workspaces that a request selects, and of none else.
fn pods(request: &Request) -> Value {
    let all = ["set-a", "set-b", "other"].map(|name| {
        json!({
            "metadata": {"name": format!("{name}-0"), "namespace": "kaiwo", "uid": format!("pod-{name}"),
                         "labels": {"kaito.sh/workspace": name}},
            "spec": {"nodeName": format!("node-of-{name}"), "containers": [
                {"name": name, "resources": {"limits": {"nvidia.com/gpu": 1}}}]},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}],
                       "containerStatuses": [{"name": name, "ready": true, "state": {"running": {}}}]},
        })
    });
    let selects = |pod: &&Value| {
        let name = pod["metadata"]["labels"]["kaito.sh/workspace"].as_str();
        request.query.contains(name.unwrap_or("none"))
    };
    let selected: Vec<Value> = all.iter().filter(selects).cloned().collect();
    list(&selected)
}

fn wait(api: &MockApi, arguments: &[&str]) -> Outcome {
    api.sandbox
        .kaiwo(&[&["wait", "inferenceset/set"], arguments].concat())
}

const READY: &[Look] = &[
    Look::Ready(0),
    Look::Ready(0),
    Look::Ready(1),
    Look::Ready(2),
];

#[test]
fn one_that_is_served_is_waited_for_until_it_is_ready() {
    for version in ["v1beta1", "v1alpha1"] {
        let api = controller(READY, false, version);
        let machine = "--instance-type=Standard_NC24ads_A100_v4";
        let arguments = [
            "serve",
            "-m=phi-4",
            machine,
            "--replicas=2",
            "--name=set",
            "--wait",
        ];
        let outcome = api.sandbox.kaiwo(&arguments).exits(0);
        let outcome = outcome
            .says("inferenceset/set created")
            .says("inferenceset/set starting: 0 of 2 replicas ready\n")
            .says("inferenceset/set degraded: 1 of 2 replicas ready\n");
        assert!(
            outcome.stderr.ends_with("inferenceset/set ready\n"),
            "{}",
            outcome.stderr
        );
    }
}

#[test]
fn one_that_is_there_is_waited_for_until_it_is_ready() {
    for version in ["v1beta1", "v1alpha1"] {
        let _ = wait(&controller(READY, true, version), &[]).exits(0);
    }
}

#[test]
fn one_that_is_deleted_is_lost() {
    let api = controller(
        &[Look::Ready(0), Look::Ready(1), Look::Gone],
        true,
        "v1beta1",
    );
    let _ = wait(&api, &[])
        .exits(125)
        .says("lost track of inferenceset/set: it was deleted during the wait");
}

/// An API server that does not know the kind for a while has said nothing
/// about the set.
#[test]
fn a_kind_that_is_not_served_for_a_while_is_asked_for_again() {
    const LOOKS: &[Look] = &[
        Look::Ready(0),
        Look::Ready(0),
        Look::Unserved,
        Look::Unserved,
        Look::Unserved,
        Look::Unserved,
        Look::Ready(2),
    ];
    let _ = wait(&controller(LOOKS, true, "v1beta1"), &[])
        .exits(0)
        .says("→ the cluster does not serve InferenceSet; retrying for up to 10 min");
}

/// Its pods are those of its Workspaces.
#[test]
fn its_pods_are_those_of_its_workspaces() {
    let api = controller(&[Look::Ready(2)], true, "v1beta1");
    let outcome = api.sandbox.kaiwo(&["status", "set"]).exits(0);
    for shown in ["set-a-0", "set-b-0", "node-of-set-a, node-of-set-b"] {
        assert!(outcome.stdout.contains(shown), "{}", outcome.stdout);
    }
    assert!(!outcome.stdout.contains("other"), "{}", outcome.stdout);
    let wide = api.sandbox.kaiwo(&["list", "-o", "wide"]).exits(0);
    let nodes = wide.stdout.contains("node-of-set-a,node-of-set-b");
    assert!(nodes, "{}", wide.stdout);
}
