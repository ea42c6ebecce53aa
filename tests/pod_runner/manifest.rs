//! Pods as controllers make them of manifests, for tests without a cluster.

use serde_json::{Value, json};

use super::name_of;

/// Returns the pod with this index of a Job, as the Job controller makes it.
pub fn pod_of_job(job: &Value, index: u64) -> Value {
    let name = name_of(job);
    let mut pod = job["spec"]["template"].clone();
    pod["metadata"]["namespace"] = job["metadata"]["namespace"].clone();
    pod["metadata"]["name"] = json!(format!("{name}-x1y2z"));
    if job["spec"]["completionMode"] == "Indexed" {
        let completion_index = "batch.kubernetes.io/job-completion-index";
        pod["metadata"]["name"] = json!(format!("{name}-{index}-x1y2z"));
        pod["metadata"]["annotations"][completion_index] = json!(index.to_string());
        pod["metadata"]["labels"][completion_index] = json!(index.to_string());
        pod["spec"]["hostname"] = json!(format!("{name}-{index}"));
    }
    pod
}

/// Returns the head pod of a RayJob, as KubeRay makes it.
pub fn head_of_ray_job(ray_job: &Value) -> Value {
    let mut pod = ray_job["spec"]["rayClusterSpec"]["headGroupSpec"]["template"].clone();
    pod["metadata"]["namespace"] = ray_job["metadata"]["namespace"].clone();
    pod["metadata"]["name"] = json!(format!("{}-x1y2z-head", name_of(ray_job)));
    pod
}
