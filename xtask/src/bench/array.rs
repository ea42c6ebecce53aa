//! What a task of an array costs to submit, beside a Job for each task.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::cluster::{Cluster, NAMESPACE, Object};
use super::kubectl::Kubectl;
use super::program::Program;
use super::report::{Figure, Row, Target};
use super::submit::millis;
use super::{NO_KUBECTL, say};

/// Tasks of the array.
const TASKS: u32 = 10_000;
/// Jobs that kubectl creates, one after another.
const JOBS: u32 = 200;
/// Submissions of the array, of which the fastest counts.
const RUNS: usize = 3;

/// Times a submission of many tasks, and as many `kubectl create` as there is time for.
pub fn rows(
    kaiwo: &Program,
    kubectl: Option<&Kubectl>,
    cluster: &Cluster,
    scratch: &Path,
) -> Result<Vec<Row>> {
    say(&format!("submitting {TASKS} tasks"));
    let kubeconfig = cluster.kubeconfig.display().to_string();
    let sweep = format!("seed=1..{TASKS}");
    let arguments = |more: &[&str]| {
        let tasks = ["submit", "-i", "image", "-g", "1", "--name", "bench-array"];
        let command = ["--sweep", &sweep, "--", "train", "{seed}"];
        let words = [&tasks[..], more, &command].concat();
        words.into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let dry = kaiwo.run(arguments(&["--dry-run", "--quiet"]))?.stdout;
    let documents: Vec<Value> = serde_saphyr::from_multiple(&dry)?;
    let mut jobs = documents
        .into_iter()
        .filter(|document| document["kind"] == "Job");
    let job = jobs.next().context("the dry run shows no Job")?;
    let place = [Object::from_document(&job)?];
    let mut fastest = None;
    for _ in 0..RUNS {
        let run = kaiwo.run(arguments(&["--kubeconfig", &kubeconfig]));
        cluster.remove(&place)?;
        let elapsed = run?.elapsed;
        fastest = Some(fastest.map_or(elapsed, |fastest| elapsed.min(fastest)));
    }
    let each = fastest.map(|fastest| millis(fastest) / f64::from(TASKS));
    let peer = match kubectl {
        Some(kubectl) => Some(created(kubectl, cluster, &job, scratch)?),
        None => None,
    };
    Ok(vec![Row {
        what: "time to submit a task, of 10,000 in an array".to_owned(),
        kaiwo: each.map(Figure::Millis),
        peer: "200 × `kubectl create`, a Job each".to_owned(),
        figure: peer.map(Figure::Millis),
        target: Target::Share(0.001),
        missing: Some(match kubectl {
            Some(_) => "",
            None => NO_KUBECTL,
        }),
    }])
}

/// Returns the milliseconds that each `kubectl create` of such a Job takes.
fn created(kubectl: &Kubectl, cluster: &Cluster, job: &Value, scratch: &Path) -> Result<f64> {
    say(&format!("creating {JOBS} Jobs with kubectl"));
    let kubeconfig = cluster.kubeconfig.display().to_string();
    let file = scratch.join("task.yaml");
    let mut places = Vec::new();
    let mut took = 0.0;
    for index in 0..JOBS {
        let mut one = job.clone();
        one["metadata"]["name"] = json!(format!("bench-task-{index}"));
        one["metadata"]["namespace"] = json!(NAMESPACE);
        one["metadata"]["annotations"] = json!({});
        for (field, value) in [("completions", 1), ("parallelism", 1)] {
            one["spec"][field] = json!(value);
        }
        // It stays where it is.
        one["spec"]["suspend"] = json!(true);
        if let Some(labels) = one["metadata"]["labels"].as_object_mut() {
            labels.remove("kueue.x-k8s.io/queue-name");
        }
        places.push(Object::from_document(&one)?);
        std::fs::write(&file, one.to_string())?;
        let shown = file.display().to_string();
        let arguments = ["create", "--filename", &shown, "--kubeconfig", &kubeconfig];
        let run = kubectl.program.run(arguments);
        let run = match run {
            Ok(run) => run,
            Err(error) => {
                cluster.remove(&places)?;
                return Err(error);
            }
        };
        took += millis(run.elapsed);
    }
    cluster.remove(&places)?;
    Ok(took / f64::from(JOBS))
}
