//! Workloads that Kueue sends to a second cluster: their files arrive with them, and this
//! cluster says where they are.

use serde_json::{Value, json};

use super::cluster::{Flavor, Testbed};
use super::runs::Cluster;
use crate::common::{Outcome, Sandbox};
use crate::pod_runner::place::{Kind, Launch, Place};
use crate::pod_runner::scenarios;

/// A queue of this cluster whose pods run in the second one.
struct Away {
    here: Testbed,
    there: Cluster,
}

impl Away {
    /// Returns `None`, with a word, where there is no second cluster.
    fn new(test: &str) -> Option<Self> {
        let here = Testbed::new(test);
        let there = here.on_worker()?;
        for testbed in [&here, &there] {
            testbed.namespace();
        }
        there.cluster_queue(&[(Flavor::Amd, 16)], json!({}));
        let checks = json!([{"name": "testbed-worker"}]);
        let checks = json!({"admissionChecksStrategy": {"admissionChecks": checks}});
        here.cluster_queue(&[(Flavor::Amd, 16)], checks);
        for testbed in [&here, &there] {
            testbed.local_queue(&testbed.name, &testbed.name, json!({}));
        }
        here.wait_for_condition("ClusterQueue", &here.name, "Active");
        there.wait("kube-root-ca.crt", || {
            there.find("ConfigMap", "kube-root-ca.crt")
        });
        Some(Self {
            here,
            there: Cluster(there),
        })
    }

    fn kaiwo(&self, command: &str, arguments: &[&str]) -> Outcome {
        let fixed = [command, "-n", &self.here.name];
        self.here.sandbox.kaiwo(&[&fixed[..], arguments].concat())
    }

    /// Submits a directory whose pods run until somebody ends them.
    fn submit(&self, name: &str, arguments: &[&str]) -> Outcome {
        self.here.sandbox.write("work/entrypoint", "sleep 1\n");
        let fixed = ["-p", "work", "--name", name, "-i", "testbed/forever"];
        self.here.submit(&[&fixed[..], arguments].concat())
    }
}

impl Place for Away {
    fn sandbox(&self) -> &Sandbox {
        &self.here.sandbox
    }

    fn secret(&self, name: &str, content: &[(&str, &str)]) {
        self.there.secret(name, content);
    }

    fn start(&self, _command: &str, name: &str, arguments: &[&str]) -> Launch {
        let arguments = [&["--name", name], arguments].concat();
        let _ = self.here.submit(&arguments).exits(0);
        if arguments.contains(&"--ray") {
            return self.there.pods_of_ray_job(name);
        }
        let job = format!("Job {name} in the second cluster");
        self.there.0.wait(&job, || self.there.0.find("Job", name));
        Launch {
            pods: self.there.pods_of_job(name),
            submitter: None,
        }
    }

    fn object(&self, kind: &str, name: &str) -> Option<Value> {
        self.there.object(kind, name)
    }
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn a_directory_arrives_and_runs() {
    for kind in [Kind::Job, Kind::Ray] {
        let Some(away) = Away::new("away-bytes") else {
            return;
        };
        scenarios::a_directory_arrives_and_runs(&away, kind);
        // Nothing but the workload went there, and nothing stays here.
        let uploads = |testbed: &Testbed| {
            let mut found = testbed.list("ConfigMap");
            found.retain(|it| it["metadata"]["name"] != "kube-root-ca.crt");
            found
        };
        assert_eq!(uploads(&away.here), Vec::<Value>::new());
        assert_eq!(uploads(&away.there.0), Vec::<Value>::new());
    }
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn commands_arrive_word_by_word() {
    for kind in [Kind::Job, Kind::Ray] {
        let Some(away) = Away::new("away-words") else {
            return;
        };
        scenarios::commands_arrive_word_by_word(&away, kind);
    }
}

/// The largest files that travel reach head, workers and submitter.
#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn files_at_the_limit_reach_every_pod_of_a_rayjob() {
    let Some(away) = Away::new("away-limit") else {
        return;
    };
    let (here, there) = (&away.here, &away.there.0);
    let noise: Vec<u8> = (0..183_000_u32)
        .map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    let mixed = noise.iter().enumerate();
    let mixed: Vec<u8> = mixed
        .map(|(at, byte)| byte ^ noise[(at * 7_919 + 13) % noise.len()])
        .collect();
    here.sandbox.write("work/blob", &mixed);
    let _ = away.submit("wide", &["--ray", "-g", "16"]).exits(0);
    let files = |pod: &Value| {
        let files = &pod["metadata"]["annotations"]["kaiwo-cli/files"];
        files.as_str().unwrap_or_default().to_owned()
    };
    let own = here.find("RayJob", "wide").unwrap();
    let sent = files(&own["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]);
    assert!(sent.len() > 200_000, "{}", sent.len());
    let parts = there.wait("head and workers", || {
        let mut pods = there.list("Pod");
        pods.retain(|pod| pod["metadata"]["labels"]["ray.io/node-type"].is_string());
        (pods.len() == 3).then_some(pods)
    });
    for pod in &parts {
        assert_eq!(files(pod), sent);
    }
    let _ = away.kaiwo("delete", &["rayjob/wide", "-y"]).exits(0);
    there.wait("the second cluster to be empty", || {
        there.list("Pod").is_empty().then_some(())
    });
}

#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn the_cluster_is_named_and_logs_are_read_there() {
    let Some(away) = Away::new("away-told") else {
        return;
    };
    let (here, there) = (&away.here, &away.there.0);
    let submit = || away.submit("x", &["-g", "8"]).exits(0);
    let _ = submit().says("created");
    here.wait("its cluster to be known", || {
        let workload = here.list("Workload").pop()?;
        (workload["status"]["clusterName"] == "testbed-worker").then_some(())
    });
    there.wait("its pod", || {
        let pod = there.list("Pod").pop()?;
        (pod["status"]["phase"] == "Running").then_some(())
    });
    // The same again is unchanged, though what travels is made anew.
    let _ = submit().says("unchanged");
    here.wait("it to be running here", || {
        let listed = away.kaiwo("list", &["-o", "wide"]).exits(0);
        let row = listed.stdout.lines().find(|line| line.contains("Job"))?;
        (row.contains("Running") && row.ends_with("testbed-worker")).then_some(())
    });
    let status = away.kaiwo("status", &["x"]).exits(0);
    assert!(
        status
            .stdout
            .contains("Cluster     testbed-worker (MultiKueue)"),
        "{}",
        status.stdout
    );
    let why = away.kaiwo("why", &["x"]).exits(0);
    assert!(
        why.stdout.contains(", in cluster testbed-worker"),
        "{}",
        why.stdout
    );
    for follow in [&["x"][..], &["x", "-f"]] {
        let _ = away
            .kaiwo("logs", follow)
            .exits(3)
            .says("job/x runs in cluster \"testbed-worker\" (MultiKueue)")
            .says("until it ends")
            .says(&format!(
                "kaiwo logs job/x -n {} --context CONTEXT",
                here.name
            ));
    }
    let _ = away
        .kaiwo("exec", &["x", "--", "true"])
        .exits(3)
        .says("in cluster \"testbed-worker\"");
    there.finish_pod(
        there.list("Pod")[0]["metadata"]["name"].as_str().unwrap(),
        0,
    );
    here.wait_for_condition("Job", "x", "Complete");
    let _ = away
        .kaiwo("logs", &["x"])
        .exits(3)
        .says("were deleted there when it ended");
}

/// Who may not read AdmissionChecks learns from Kueue's own answer where a queue leads.
#[test]
#[ignore = "needs the testbed: cargo xtask test"]
fn files_travel_for_those_who_see_no_checks() {
    let Some(away) = Away::new("away-blind") else {
        return;
    };
    let here = &away.here;
    super::rights::bind(here, &["kueue-batch-user-role", "edit"]);
    let known = ["-g", "8", "--gpus-per-node", "8", "--gpu-resource"];
    let as_user = [&known[..], &["amd.com/gpu", "--as", &here.name]].concat();
    let submit = || away.submit("blind", &as_user).exits(0);
    let _ = submit().says("created");
    let job = here.find("Job", "blind").unwrap();
    let files = &job["spec"]["template"]["metadata"]["annotations"]["kaiwo-cli/files"];
    assert!(files.is_string(), "{job}");
    let _ = submit().says("unchanged");
}
