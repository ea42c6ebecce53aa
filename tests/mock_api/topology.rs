//! `--topology` against a scripted API server: what is read, which pods are annotated,
//! and what is refused.

use serde_json::{Value, json};

use super::server::{Answer, MockApi, Request, list};

const REQUIRED: &str = "kueue.x-k8s.io/podset-required-topology";
const RACK: &str = "example.com/topology-rack";

/// A queue whose flavor has the levels block and rack, if it has a topology.
fn api(has_topology: bool, may_list: bool) -> MockApi {
    MockApi::new(move |request: &Request| {
        let spec = match has_topology {
            true => {
                json!({"nodeLabels": {"beta.amd.com/gpu.family.AI": "8"}, "topologyName": "dc"})
            }
            false => json!({"nodeLabels": {"beta.amd.com/gpu.family.AI": "8"}}),
        };
        let levels = json!([{"nodeLabel": "example.com/topology-block"}, {"nodeLabel": RACK}]);
        let found = match request.path.rsplit('/').next()? {
            "resourceflavors" => json!({"metadata": {"name": "mi300x"}, "spec": spec}),
            "topologies" if !may_list => return Some(Answer::Refuse(403, "no")),
            "topologies" => json!({"metadata": {"name": "dc"}, "spec": {"levels": levels}}),
            _ => return None,
        };
        (request.method == "GET").then(|| Answer::Json(200, list(&[found])))
    })
}

/// Returns what was created of a kind, without rehearsals.
fn created(api: &MockApi, kind: &str) -> Value {
    let mut requests = api.requests().into_iter();
    let found = requests.find(|request| request.is_write() && request.body["kind"] == kind);
    found.unwrap_or_else(|| panic!("no {kind}")).body
}

#[test]
fn the_pods_of_a_job_ask_for_the_level_that_is_meant() {
    let api = api(true, true);
    let _ = api
        .submit(&["-g", "16", "--topology", "rack:required"])
        .exits(0);
    let job = created(&api, "Job");
    let pods = &job["spec"]["template"]["metadata"]["annotations"];
    assert_eq!(pods[REQUIRED], RACK);
    assert_eq!(job["metadata"]["annotations"][REQUIRED], Value::Null);
}

#[test]
fn heads_and_submitters_do_not_ask_for_it() {
    for flags in [
        ["--topology", "rack:required"],
        [
            "--annotation",
            "kueue.x-k8s.io/podset-required-topology=example.com/topology-rack",
        ],
    ] {
        let api = api(true, true);
        let more = ["--annotation", "team=vision"];
        let _ = api
            .submit(&[&["-g", "16", "--ray"][..], &flags, &more].concat())
            .exits(0);
        let job = created(&api, "RayJob");
        let cluster = &job["spec"]["rayClusterSpec"];
        let annotations = |template: &Value| template["metadata"]["annotations"].clone();
        let workers = annotations(&cluster["workerGroupSpecs"][0]["template"]);
        assert_eq!(workers[REQUIRED], RACK, "{flags:?}");
        for other in [
            &cluster["headGroupSpec"]["template"],
            &job["spec"]["submitterPodTemplate"],
        ] {
            assert_eq!(annotations(other)[REQUIRED], Value::Null, "{flags:?}");
            assert_eq!(annotations(other)["team"], "vision");
        }
    }
}

#[test]
fn topologies_are_read_only_if_one_is_asked_for() {
    let api = api(true, true);
    let _ = api.submit(&["-g", "8"]).exits(0);
    let reads = api.requests();
    assert!(
        !reads
            .iter()
            .any(|request| request.path.ends_with("/topologies"))
    );
}

#[test]
fn what_would_wait_without_end_is_refused() {
    for (has_topology, may_list, flags, expected) in [
        (
            false,
            true,
            &["--topology", "rack"][..],
            "no flavor of ClusterQueue \"kaiwo\" has a topology",
        ),
        (
            true,
            true,
            &["--topology", "rakc"],
            "did you mean --topology rack?",
        ),
        (
            true,
            false,
            &["--topology", "rack"],
            "you may not list Topologies (role kaiwo-queues)",
        ),
        (
            true,
            true,
            &["--topology", "rack:must"],
            "after the colon, use \"required\" or \"preferred\"",
        ),
    ] {
        let api = api(has_topology, may_list);
        let code = if expected.contains("colon") { 2 } else { 3 };
        let _ = api
            .submit(&[&["-g", "16"], flags].concat())
            .exits(code)
            .says(expected);
        assert_eq!(api.writes(), [""; 0], "{flags:?}");
    }
}

#[test]
fn the_settings_tell_the_level_where_topologies_may_not_be_listed() {
    let api = api(true, false);
    api.sandbox.write(
        "w/kaiwoconfig",
        "topologyLevels: [example.com/topology-rack]\ntopology: rack\n",
    );
    let _ = api.submit(&["-g", "16"]).exits(0);
    let job = created(&api, "Job");
    let pods = &job["spec"]["template"]["metadata"]["annotations"];
    assert_eq!(pods["kueue.x-k8s.io/podset-preferred-topology"], RACK);
}
