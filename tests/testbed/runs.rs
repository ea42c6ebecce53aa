//! What pods do that the controllers made: the scenarios of the pod runner,
//! on a real control plane.

use serde_json::{Value, json};

use super::cluster::{Flavor, Testbed};
use crate::common::Sandbox;
use crate::pod_runner::manifest;
use crate::pod_runner::place::{Kind, Launch, Place};
use crate::pod_runner::scenarios;

/// A namespace of the testbed.
pub struct Cluster(pub Testbed);

impl Cluster {
    fn new(test: &str) -> Self {
        let testbed = Testbed::with_queue(test, Flavor::Amd, 32);
        testbed.namespace();
        // kubelet would wait for it: every pod mounts it.
        testbed.wait("kube-root-ca.crt", || {
            testbed.find("ConfigMap", "kube-root-ca.crt")
        });
        Self(testbed)
    }

    /// Returns the pods with a label, as they are now.
    fn pods(&self, label: &str, value: &str) -> Vec<Value> {
        let mut pods = self.0.list("Pod");
        pods.retain(|pod| pod["metadata"]["labels"][label] == value);
        pods
    }

    /// Waits for all pods of a Job.
    pub fn pods_of_job(&self, name: &str) -> Vec<Value> {
        let job = self.0.find("Job", name).unwrap();
        let expected = job["spec"]["completions"].as_u64().unwrap_or(1);
        let mut pods = self.0.wait(&format!("{expected} pods of {name}"), || {
            let pods = self.pods("batch.kubernetes.io/job-name", name);
            (pods.len() as u64 == expected).then_some(pods)
        });
        pods.sort_by_key(|pod| {
            pod["metadata"]["annotations"]["batch.kubernetes.io/job-completion-index"].to_string()
        });
        pods
    }

    /// Waits for the pods of a Deployment, or for head and worker of a
    /// RayService.
    fn pods_of_service(&self, name: &str) -> Vec<Value> {
        let expected = match self.0.find("RayService", name) {
            Some(_) => 2,
            None => 1,
        };
        let mut pods = self.0.wait(&format!("{expected} pods of {name}"), || {
            let pods = self.pods("app.kubernetes.io/instance", name);
            (pods.len() == expected).then_some(pods)
        });
        pods.sort_by_key(|pod| pod["metadata"]["labels"]["ray.io/node-type"].to_string());
        pods
    }

    /// Waits for head and submitter. KubeRay removes the head soon after the
    /// job's end, so it is kept as soon as it is seen.
    pub fn pods_of_ray_job(&self, name: &str) -> Launch {
        let mut head = None;
        let submitter = self.0.wait(&format!("head and submitter of {name}"), || {
            if head.is_none() {
                head = self
                    .pods("app.kubernetes.io/instance", name)
                    .into_iter()
                    .find(|pod| pod["metadata"]["labels"]["ray.io/node-type"] == "head");
            }
            let submitter = self.pods("batch.kubernetes.io/job-name", name).pop();
            submitter.filter(|_| head.is_some())
        });
        Launch {
            pods: head.into_iter().collect(),
            submitter: Some(submitter),
        }
    }
}

impl Place for Cluster {
    fn sandbox(&self) -> &Sandbox {
        &self.0.sandbox
    }

    fn secret(&self, name: &str, content: &[(&str, &str)]) {
        let content: serde_json::Map<String, Value> = content
            .iter()
            .map(|(key, value)| ((*key).to_owned(), json!(value)))
            .collect();
        self.0.create(json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": name}, "stringData": content,
        }));
    }

    fn start(&self, command: &str, name: &str, arguments: &[&str]) -> Launch {
        if command == "serve" {
            let served = ["serve", "-n", &self.0.name, "--name", name];
            let sandbox = self.sandbox();
            let _ = sandbox.kaiwo(&[&served, arguments].concat()).exits(0);
            return Launch {
                pods: self.pods_of_service(name),
                submitter: None,
            };
        }
        let _ = self
            .0
            .submit(&[&["--name", name], arguments].concat())
            .exits(0);
        if arguments.contains(&"--schedule") {
            // What the controller does at the hour, done now.
            let cron_job = self.0.find("CronJob", name).unwrap();
            let job = self.0.create(manifest::job_of_cron_job(&cron_job));
            let name = job["metadata"]["name"].as_str().unwrap();
            return Launch {
                pods: self.pods_of_job(name),
                submitter: None,
            };
        }
        match arguments.contains(&"--ray") {
            true => self.pods_of_ray_job(name),
            false => Launch {
                pods: self.pods_of_job(name),
                submitter: None,
            },
        }
    }

    fn object(&self, kind: &str, name: &str) -> Option<Value> {
        self.0.find(kind, name)
    }
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_directory_arrives_and_runs() {
    for kind in [&Kind::BATCH[..], &[Kind::Deployment]].concat() {
        scenarios::a_directory_arrives_and_runs(&Cluster::new("bytes"), kind);
    }
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn pods_find_one_another() {
    for kind in [Kind::Indexed, Kind::Scheduled] {
        scenarios::pods_find_one_another(&Cluster::new("ranks"), kind);
    }
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn scripts_of_every_kind_run() {
    for kind in [Kind::Job, Kind::Ray] {
        scenarios::scripts_without_a_shebang_run(&Cluster::new("plain"), kind);
        scenarios::python_runs_by_its_shebang(&Cluster::new("python"), kind);
    }
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn commands_arrive_word_by_word() {
    for kind in [Kind::Job, Kind::Ray] {
        scenarios::commands_arrive_word_by_word(&Cluster::new("words"), kind);
    }
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn variables_arrive_exactly() {
    for kind in [Kind::Job, Kind::Ray] {
        scenarios::variables_arrive_exactly(&Cluster::new("variables"), kind);
    }
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn what_a_workload_may_write_to() {
    for kind in [Kind::Job, Kind::Ray] {
        scenarios::what_a_workload_may_write_to(&Cluster::new("writes"), kind);
    }
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn secrets_arrive_by_reference() {
    for kind in [Kind::Job, Kind::Ray] {
        scenarios::secrets_arrive_by_reference(&Cluster::new("secrets"), kind);
    }
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_ray_service_imports_the_upload() {
    scenarios::a_ray_service_imports_the_upload(&Cluster::new("imports"));
}

/// KubeRay's Services find the pods by labels, of which kaiwo sets some too.
#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn the_services_of_a_ray_service_find_its_pods() {
    let Cluster(testbed) = Cluster::new("headsvc");
    let serving = "applications: [{name: a, import_path: \"serving:x\"}]\n";
    testbed.sandbox.write("w/serveconfig", serving);
    let path = testbed.sandbox.path("w");
    let arguments = [
        "serve",
        "-n",
        &testbed.name,
        "--name=found",
        "--ray",
        "-p",
        path.to_str().unwrap(),
    ];
    let _ = testbed.sandbox.kaiwo(&arguments).exits(0);
    for service in ["found-head-svc", "found-serve-svc"] {
        testbed.wait(&format!("endpoints of {service}"), || {
            testbed.list("EndpointSlice").into_iter().find(|slice| {
                slice["metadata"]["labels"]["kubernetes.io/service-name"] == service
                    && slice["endpoints"]
                        .as_array()
                        .is_some_and(|all| !all.is_empty())
            })
        });
    }
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn megabytes_make_one_directory() {
    scenarios::megabytes_make_one_directory(&Cluster::new("large"), Kind::Job);
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn exit_codes_come_through() {
    for kind in [Kind::Job, Kind::Ray] {
        scenarios::exit_codes_come_through(&Cluster::new("fails"), kind);
    }
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn examples_run() {
    scenarios::examples_run(&Cluster::new("examples"));
}
