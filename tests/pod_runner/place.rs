//! Where a workload is submitted, and what it becomes there: pods of a real
//! control plane, or those that its controllers would make of a dry run.

use std::cell::RefCell;

use serde_json::{Value, json};

use super::{PodError, PodRun, PodRunner, manifest, name_of, ray};
use crate::common::Sandbox;

/// What a workload is submitted as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A Job of one pod.
    Job,
    /// A Job of two pods.
    Indexed,
    /// A RayJob.
    Ray,
    /// A CronJob whose Jobs have two pods.
    Scheduled,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Job, Self::Indexed, Self::Ray, Self::Scheduled];

    /// Returns the flags that ask for it.
    pub fn flags(self) -> &'static [&'static str] {
        match self {
            Self::Job => &["-g", "8"],
            Self::Indexed => &["-g", "16"],
            Self::Ray => &["-g", "8", "--ray"],
            Self::Scheduled => &["-g", "16", "--schedule", "0 3 29 2 *"],
        }
    }
}

/// The pods of a workload that was submitted.
#[derive(Debug)]
pub struct Launch {
    /// Pods that run the entrypoint, in the order of their indices; of a
    /// RayJob, the head.
    pub pods: Vec<Value>,
    /// The pod that submits the entrypoint to the head.
    pub submitter: Option<Value>,
}

/// Somewhere to submit to.
pub trait Place {
    /// Returns where the binary runs.
    fn sandbox(&self) -> &Sandbox;
    /// Makes a Secret.
    fn secret(&self, name: &str, content: &[(&str, &str)]);
    /// Submits, under this name, and waits for the pods.
    fn submit(&self, name: &str, arguments: &[&str]) -> Launch;
    /// Looks up a ConfigMap or Secret.
    fn object(&self, kind: &str, name: &str) -> Option<Value>;
}

impl dyn Place + '_ {
    /// Submits the directory `work` of the sandbox.
    pub fn submit_work(&self, name: &str, arguments: &[&str]) -> Launch {
        let path = self.sandbox().path("work");
        self.submit(name, &[&["-p", path.to_str().unwrap()], arguments].concat())
    }

    /// Runs one pod of a workload: its command, or what Ray makes the head
    /// run.
    #[track_caller]
    pub fn run(&self, launch: &Launch, index: usize) -> PodRun {
        self.run_with(launch, index, |node| node)
            .unwrap_or_else(|error| panic!("{error}"))
    }

    /// The same, with something else about the node.
    pub fn run_with(
        &self,
        launch: &Launch,
        index: usize,
        change: impl for<'a> Fn(PodRunner<'a>) -> PodRunner<'a>,
    ) -> Result<PodRun, PodError> {
        let objects = |kind: &str, name: &str| self.object(kind, name);
        let node = change(PodRunner::new(&objects));
        match &launch.submitter {
            Some(submitter) => ray::run(&node, &launch.pods[index], submitter, &objects),
            None => node.run(&launch.pods[index]),
        }
    }
}

/// A place without a cluster.
pub struct DryRun {
    sandbox: Sandbox,
    objects: RefCell<Vec<Value>>,
}

impl DryRun {
    /// Creates an empty one.
    pub fn new() -> Self {
        Self {
            sandbox: Sandbox::new(),
            objects: RefCell::default(),
        }
    }
}

impl Place for DryRun {
    fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    fn secret(&self, name: &str, content: &[(&str, &str)]) {
        let data: serde_json::Map<String, Value> = content
            .iter()
            .map(|(key, value)| {
                let bytes = k8s_openapi::ByteString(value.as_bytes().to_vec());
                ((*key).to_owned(), serde_json::to_value(bytes).unwrap())
            })
            .collect();
        let secret = json!({"kind": "Secret", "metadata": {"name": name}, "data": data});
        self.objects.borrow_mut().push(secret);
    }

    fn submit(&self, name: &str, arguments: &[&str]) -> Launch {
        let outcome = self
            .sandbox
            .kaiwo(&[&["submit", "--dry-run", "--name", name], arguments].concat())
            .exits(0);
        let documents = outcome.documents();
        let mut workload = documents.last().unwrap().clone();
        self.objects.borrow_mut().extend(documents);
        if workload["kind"] == "CronJob" {
            workload = manifest::job_of_cron_job(&workload);
        }
        if workload["kind"] == "RayJob" {
            return Launch {
                pods: vec![manifest::head_of_ray_job(&workload)],
                submitter: Some(ray::submitter_of(&workload)),
            };
        }
        let pods = workload["spec"]["completions"].as_u64().unwrap_or(1);
        Launch {
            pods: (0..pods)
                .map(|index| manifest::pod_of_job(&workload, index))
                .collect(),
            submitter: None,
        }
    }

    fn object(&self, kind: &str, name: &str) -> Option<Value> {
        let objects = self.objects.borrow();
        objects
            .iter()
            .find(|object| object["kind"] == kind && name_of(object) == name)
            .cloned()
    }
}
