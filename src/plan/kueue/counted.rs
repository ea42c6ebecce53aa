//! Reads in a manifest what Kueue will count of it: a template of the user's own
//! may ask for other pods than were planned.
//!
//! As Kueue v0.19 does (`jobs/job`, `jobs/raycluster/common.go`, `jobs/rayjob`):
//! what KubeRay adds to the pods by itself counts as well.

use serde_json::Value;

use super::placement::PodSet;
use crate::api::keys::MIN_PARALLELISM_ANNOTATION;
use crate::api::vendor::is_gpu_resource;
use crate::plan::resources::{RAY_AUTOSCALER, RAY_SUBMITTER};
use crate::plan::sizes::PodResources;

/// Returns the pod sets of a workload, those with GPUs first.
pub fn pod_sets(manifest: &Value) -> Vec<PodSet> {
    let spec = &manifest["spec"];
    let mut sets = match manifest["kind"].as_str().unwrap_or_default() {
        "Job" => vec![of_job(spec)],
        "CronJob" => vec![of_job(&spec["jobTemplate"]["spec"])],
        "Deployment" => vec![of_template(&spec["template"], count(&spec["replicas"]))],
        "RayService" => of_ray_cluster(&spec["rayClusterConfig"]),
        "RayJob" => of_ray_job(spec),
        // Of a model's pods KAITO decides.
        "Workspace" => match &manifest["inference"]["template"] {
            Value::Null => Vec::new(),
            template => vec![of_template(template, count(&manifest["resource"]["count"]))],
        },
        _ => Vec::new(),
    };
    let has_gpus = |set: &PodSet| set.requests.keys().any(|name| is_gpu_resource(name));
    sets.sort_by_key(|set| !has_gpus(set));
    sets
}

/// Returns the pod sets with which Kueue would at least start a workload: of an array, fewer
/// pods can be enough.
pub fn least_pod_sets(manifest: &Value) -> Vec<PodSet> {
    let annotations = &manifest["metadata"]["annotations"];
    let least = annotations[MIN_PARALLELISM_ANNOTATION].as_str();
    let least: Option<i64> = least.and_then(|least| least.parse().ok());
    let mut sets = pod_sets(manifest);
    for set in &mut sets {
        set.count = least.map_or(set.count, |least| set.count.min(least));
    }
    sets
}

/// Returns a number of pods; one if nothing is said.
fn count(value: &Value) -> i64 {
    value.as_i64().unwrap_or(1)
}

fn of_template(template: &Value, count: i64) -> PodSet {
    PodSet {
        count,
        ..PodSet::of_template(&template["spec"])
    }
}

fn of_job(spec: &Value) -> PodSet {
    let parallel = count(&spec["parallelism"]);
    let needed = spec["completions"].as_i64().unwrap_or(parallel);
    of_template(&spec["template"], parallel.min(needed))
}

fn of_ray_cluster(cluster: &Value) -> Vec<PodSet> {
    let groups = cluster["workerGroupSpecs"].as_array().into_iter().flatten();
    let mut sets: Vec<PodSet> = groups
        .map(|group| {
            let hosts = count(&group["numOfHosts"]).max(1);
            of_template(&group["template"], count(&group["replicas"]) * hosts)
        })
        .collect();
    let mut head = of_template(&cluster["headGroupSpec"]["template"], 1);
    if cluster["enableInTreeAutoscaling"] == true {
        match &cluster["autoscalerOptions"]["resources"] {
            Value::Null => add(&mut head, RAY_AUTOSCALER),
            resources => {
                let container = serde_json::json!({"containers": [{"resources": resources}]});
                head.add(&PodSet::of_template(&container));
            }
        }
    }
    sets.push(head);
    sets
}

fn of_ray_job(spec: &Value) -> Vec<PodSet> {
    let mut sets = of_ray_cluster(&spec["rayClusterSpec"]);
    match spec["submissionMode"].as_str() {
        None | Some("" | "K8sJobMode") => sets.push(match &spec["submitterPodTemplate"] {
            Value::Null => {
                let mut submitter = of_template(&Value::Null, 1);
                add(&mut submitter, RAY_SUBMITTER);
                submitter
            }
            template => of_template(template, 1),
        }),
        // The head's pod has the submitter in it.
        Some("SidecarMode") => {
            if let Some(head) = sets.last_mut() {
                add(head, RAY_SUBMITTER);
            }
        }
        _ => {}
    }
    sets
}

fn add(set: &mut PodSet, PodResources { cpu, memory }: PodResources) {
    let mut more = PodSet::of_template(&Value::Null);
    more.requests = [("cpu".to_owned(), cpu), ("memory".to_owned(), memory)].into();
    set.add(&more);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn template(cpu: &str, gpus: i64) -> Value {
        let mut requests = json!({"cpu": cpu, "memory": "1Gi"});
        if gpus > 0 {
            requests["amd.com/gpu"] = gpus.into();
        }
        json!({"spec": {"containers": [{"resources": {"requests": requests}}]}})
    }

    fn told(manifest: &Value) -> Vec<String> {
        let sets = pod_sets(manifest);
        let told = sets.iter().map(|set| {
            let requests = set.requests.iter();
            let requests: Vec<String> = requests
                .map(|(name, amount)| format!("{name}={amount}"))
                .collect();
            format!("{} × {}", set.count, requests.join(" "))
        });
        told.collect()
    }

    #[test]
    fn what_kuberay_adds_counts() {
        let cluster = json!({
            "enableInTreeAutoscaling": true,
            "headGroupSpec": {"template": template("2", 0)},
            "workerGroupSpecs": [
                {"replicas": 1, "template": template("4", 0)},
                {"replicas": 2, "numOfHosts": 2, "template": template("8", 8)},
            ],
        });
        let mut job = json!({"kind": "RayJob", "spec": {"rayClusterSpec": cluster}});
        assert_eq!(
            told(&job),
            [
                "4 × amd.com/gpu=8 cpu=8 memory=1Gi",
                "1 × cpu=4 memory=1Gi",
                "1 × cpu=2500m memory=1536Mi",
                "1 × cpu=500m memory=200Mi",
            ]
        );
        job["spec"]["submissionMode"] = "SidecarMode".into();
        job["spec"]["rayClusterSpec"]["autoscalerOptions"] =
            json!({"resources": {"requests": {"cpu": "1"}, "limits": {"memory": "1Gi"}}});
        assert_eq!(told(&job)[2], "1 × cpu=3500m memory=2248Mi");
        assert_eq!(told(&job).len(), 3);
        job["spec"]["submissionMode"] = "HTTPMode".into();
        assert_eq!(told(&job)[2], "1 × cpu=3 memory=2Gi");
        let service = json!({"kind": "RayService", "spec": {"rayClusterConfig": cluster}});
        assert_eq!(told(&service).len(), 3);
    }

    #[test]
    fn a_job_counts_the_pods_that_run_at_once() {
        let spec = json!({"parallelism": 4, "completions": 2, "template": template("1", 0)});
        let job = json!({"kind": "Job", "spec": spec});
        assert_eq!(told(&job), ["2 × cpu=1 memory=1Gi"]);
        let scheduled = json!({"kind": "CronJob", "spec": {"jobTemplate": {"spec": spec}}});
        assert_eq!(told(&scheduled), told(&job));
    }
}
