//! How large pods are on clusters that have less than usual: what is taken, and said.

use serde_json::{Value, json};

use super::json::is_golden;
use super::server::{Answer, MockApi, Request, list};

/// A node, its pods, and a queue without GPUs: kind on a laptop, with Kueue and KubeRay.
fn laptop(request: &Request) -> Option<Answer> {
    let pod = |name: &str, owner: &str, cpu: &str, memory: &str| {
        let requests = json!({"requests": {"cpu": cpu, "memory": memory}});
        json!({
            "metadata": {"name": name, "ownerReferences": [{"kind": owner, "name": "o", "controller": true}]},
            "spec": {"nodeName": "kind-control-plane", "containers": [{"name": "c", "resources": requests}]},
        })
    };
    let items = match request.path.as_str() {
        "/api/v1/nodes" => vec![json!({
            "metadata": {"name": "kind-control-plane"},
            "status": {"allocatable": {"cpu": "4", "memory": "8126316Ki", "pods": "110"}},
        })],
        path if path.starts_with("/api/v1/pods") => vec![
            pod("kube-apiserver", "Node", "650m", "100Mi"),
            pod("kindnet", "DaemonSet", "100m", "50Mi"),
            pod("coredns", "ReplicaSet", "200m", "140Mi"),
            pod("kueue", "ReplicaSet", "500m", "512Mi"),
            pod("kuberay", "ReplicaSet", "100m", "512Mi"),
        ],
        path if path.ends_with("/clusterqueues") => vec![json!({
            "metadata": {"name": "kaiwo"},
            "spec": {"namespaceSelector": {}, "resourceGroups": [{
                "coveredResources": ["cpu", "memory"],
                "flavors": [{"name": "default", "resources": [
                    {"name": "cpu", "nominalQuota": "100"}, {"name": "memory", "nominalQuota": "1Ti"},
                ]}],
            }]},
        })],
        path if path.ends_with("/resourceflavors") => {
            vec![json!({"metadata": {"name": "default"}, "spec": {}})]
        }
        _ => return None,
    };
    Some(Answer::Json(200, list(&items)))
}

/// Returns the workload that was created.
fn created(api: &MockApi, kind: &str) -> Value {
    let requests = api.requests().into_iter();
    let mut created = requests.filter(|it| it.method == "POST" && !it.is_dry_run());
    created.find(|it| it.body["kind"] == kind).unwrap().body
}

const SMALLER: &str = "pods are smaller than usual, to fit nodes and quota: ";

#[test]
fn a_laptop_runs_a_job_as_usual_and_a_ray_cluster_beside_its_own_pods() {
    let api = MockApi::new(laptop);
    let _ = api
        .submit(&[])
        .exits(0)
        .says("1 CPU and 4Gi")
        .never_says(SMALLER);
    let ray = [
        "--ray",
        "-i",
        "rayproject/ray:2.46.0",
        "-o",
        "json",
        "--",
        "python",
        "-c",
        "1",
    ];
    let outcome = api.submit(&ray).exits(0);
    let outcome = outcome
        .says(&format!("{SMALLER}--head-cpus 750m --head-memory 2Gi"))
        .says("starts now");
    is_golden("submit_adapted", &outcome);
    let job = created(&api, "RayJob");
    let head = &job["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"];
    let requests = &head["containers"][0]["resources"]["requests"];
    assert_eq!(*requests, json!({"cpu": "750m", "memory": "2Gi"}));
    // The same again is the same, whatever nodes there are by then.
    let again = MockApi::new(move |request| match request.path.as_str() {
        path if path.ends_with("/rayjobs/alice-w") => {
            let mut found = job.clone();
            found["metadata"]["uid"] = json!("u");
            Some(Answer::Json(200, found))
        }
        _ => None,
    });
    let _ = again.submit(&ray).exits(0).says("rayjob/alice-w unchanged");
    // What the flags say is no other size than what was chosen, but it is stated.
    let pinned = [&["--head-cpus", "750m", "--head-memory", "2Gi"], &ray[..]].concat();
    let _ = api.submit(&pinned).exits(0).never_says(SMALLER);
    let _ = again.submit(&pinned).exits(5);
}

#[test]
fn what_is_stated_is_not_made_smaller_and_the_flag_that_fits_is_named() {
    let api = MockApi::new(laptop);
    let _ = api
        .submit(&["--cpus", "4", "-d=server"])
        .exits(0)
        .never_says(SMALLER)
        .says("waits for nodes")
        .says("a pod requests 4 cpu, and no node it can use has more than 2450m")
        .says("it will wait until nodes are added; now --cpus 2 would fit");
    let outcome = api
        .submit(&["--replicas", "3", "-d=server", "-o", "json"])
        .exits(0);
    let outcome = outcome.says(
        "its pods request 12Gi memory, and the only node they can use has 6.4Gi in total: it will \
         wait until nodes are added; now --cpus 750m --memory 2Gi would fit",
    );
    is_golden("submit_misfit", &outcome);
    let _ = api
        .submit(&["--cpus", "101", "-d=server"])
        .exits(3)
        .says("101 cpu can never be admitted")
        .says("try --cpus 100, ");
}

#[test]
fn a_gpu_has_its_share_of_its_node_where_pods_may_not_be_read() {
    let api = MockApi::new(|request| match request.path.as_str() {
        "/api/v1/nodes" => Some(Answer::Json(
            200,
            list(&[json!({
                "metadata": {"name": "a", "labels": {"beta.amd.com/gpu.family.AI": "8"}},
                "status": {"allocatable": {"amd.com/gpu": "8", "cpu": "24", "memory": "1Ti"}},
            })]),
        )),
        path if path.starts_with("/api/v1/pods") => Some(Answer::Refuse(403, "no")),
        _ => None,
    });
    let _ = api
        .submit(&["-g", "8"])
        .exits(0)
        .says(&format!("{SMALLER}--cpus-per-gpu 2\n"));
    let container = |job: &Value| job["spec"]["template"]["spec"]["containers"][0].clone();
    let limits = container(&created(&api, "Job"))["resources"]["limits"].clone();
    assert_eq!(
        limits,
        json!({"cpu": "16", "memory": "256Gi", "amd.com/gpu": 8})
    );
    let of_user = "cpusPerGpu: 4\n";
    api.sandbox.write(".config/kaiwo/config.yaml", of_user);
    let _ = api
        .submit(&["-g", "8", "--cpus", "20", "--name", "whole"])
        .exits(0)
        .never_says(SMALLER);
}
