//! Pods as controllers make them of manifests, for tests without a cluster.

use serde_json::{Value, json};

use super::name_of;

/// Returns the pod with this index of a Job, as the Job controller makes it.
pub fn pod_of_job(job: &Value, index: u64) -> Value {
    let name = name_of(job);
    let mut pod = job["spec"]["template"].clone();
    pod["metadata"]["namespace"] = job["metadata"]["namespace"].clone();
    pod["metadata"]["name"] = json!(format!("{name}-x1y2z"));
    pod["metadata"]["labels"]["batch.kubernetes.io/job-name"] = json!(name);
    if job["spec"]["completionMode"] == "Indexed" {
        let completion_index = "batch.kubernetes.io/job-completion-index";
        pod["metadata"]["name"] = json!(format!("{name}-{index}-x1y2z"));
        pod["metadata"]["annotations"][completion_index] = json!(index.to_string());
        pod["metadata"]["labels"][completion_index] = json!(index.to_string());
        pod["spec"]["hostname"] = json!(format!("{name}-{index}"));
    }
    pod
}

/// Returns the Job that a CronJob starts, as the CronJob controller makes it.
pub fn job_of_cron_job(cron_job: &Value) -> Value {
    let mut job = cron_job["spec"]["jobTemplate"].clone();
    job["apiVersion"] = json!("batch/v1");
    job["kind"] = json!("Job");
    job["metadata"]["name"] = json!(format!("{}-29000000", name_of(cron_job)));
    job["metadata"]["namespace"] = cron_job["metadata"]["namespace"].clone();
    job
}

/// Returns a pod of a workload by one of its templates, as an operator or the
/// controller of a Deployment makes it.
pub fn pod_of(workload: &Value, template: &Value) -> Value {
    let mut pod = template.clone();
    pod["metadata"]["namespace"] = workload["metadata"]["namespace"].clone();
    pod["metadata"]["name"] = json!(format!("{}-x1y2z", name_of(workload)));
    pod
}
