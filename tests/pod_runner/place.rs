//! Where a workload is submitted, and what it becomes there: pods of a real
//! control plane, or those that its controllers would make of a dry run.

use std::cell::RefCell;

use serde_json::{Value, json};

use super::{PodError, PodRun, PodRunner, manifest, name_of, ray};
use crate::common::Sandbox;

/// What a workload becomes.
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
    /// A Deployment of one pod.
    Deployment,
    /// A Workspace of KAITO's, with a container of its own.
    Workspace,
}

impl Kind {
    /// What `kaiwo submit` makes.
    pub const BATCH: [Self; 4] = [Self::Job, Self::Indexed, Self::Ray, Self::Scheduled];
    /// What `kaiwo serve` makes of an entrypoint.
    pub const SERVED: [Self; 2] = [Self::Deployment, Self::Workspace];
    /// One pod with the entrypoint, by every way it gets there.
    pub const SINGLE: [Self; 4] = [Self::Job, Self::Ray, Self::Deployment, Self::Workspace];

    fn is_served(self) -> bool {
        matches!(self, Self::Deployment | Self::Workspace)
    }

    /// Returns where its files are.
    pub fn directory(self) -> &'static str {
        match self.is_served() {
            true => "/workload/app",
            false => "/workload",
        }
    }

    /// Returns the flags that ask for it.
    pub fn flags(self) -> &'static [&'static str] {
        match self {
            Self::Job => &["-g", "8"],
            Self::Indexed => &["-g", "16"],
            Self::Ray => &["-g", "8", "--ray"],
            Self::Scheduled => &["-g", "16", "--schedule", "0 3 29 2 *"],
            Self::Deployment => &["-g", "8", "--gpu-resource", "amd.com/gpu"],
            Self::Workspace => &["-g", "8", "--kaito", "--node-selector", "pool=llm"],
        }
    }
}

/// The pods of a workload that was submitted.
#[derive(Debug)]
pub struct Launch {
    /// Pods that run the entrypoint, in the order of their indices; of a
    /// RayJob, the head; of a RayService, head and worker.
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
    /// Runs a command of kaiwo, `submit` or `serve`, under this name, and
    /// waits for the pods.
    fn start(&self, command: &str, name: &str, arguments: &[&str]) -> Launch;
    /// Looks up a ConfigMap or Secret.
    fn object(&self, kind: &str, name: &str) -> Option<Value>;
}

impl dyn Place + '_ {
    /// Starts the directory `work` of the sandbox as a workload of `kind`.
    pub fn launch(&self, name: &str, kind: Kind) -> Launch {
        self.launch_with(name, kind, &[])
    }

    /// The same, with more arguments.
    pub fn launch_with(&self, name: &str, kind: Kind, more: &[&str]) -> Launch {
        let path = self.sandbox().path("work");
        let arguments = [&["-p", path.to_str().unwrap()], kind.flags(), more].concat();
        let command = if kind.is_served() { "serve" } else { "submit" };
        self.start(command, name, &arguments)
    }

    /// Runs another command in a pod of a workload.
    #[track_caller]
    pub fn exec(&self, launch: &Launch, index: usize, command: &[&str]) -> PodRun {
        let objects = |kind: &str, name: &str| self.object(kind, name);
        PodRunner::new(&objects)
            .exec(&launch.pods[index], command)
            .unwrap_or_else(|error| panic!("{error}"))
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

    fn start(&self, command: &str, name: &str, arguments: &[&str]) -> Launch {
        let outcome = self
            .sandbox
            .kaiwo(&[&[command, "--dry-run", "--name", name], arguments].concat())
            .exits(0);
        let documents = outcome.documents();
        let mut workload = documents.last().unwrap().clone();
        self.objects.borrow_mut().extend(documents);
        if workload["kind"] == "CronJob" {
            workload = manifest::job_of_cron_job(&workload);
        }
        let (pods, submitter) = match workload["kind"].as_str().unwrap() {
            "RayJob" => {
                let cluster = &workload["spec"]["rayClusterSpec"];
                let head = manifest::pod_of(&workload, &cluster["headGroupSpec"]["template"]);
                (vec![head], Some(ray::submitter_of(&workload)))
            }
            "RayService" => {
                let cluster = &workload["spec"]["rayClusterConfig"];
                let templates = [
                    &cluster["headGroupSpec"]["template"],
                    &cluster["workerGroupSpecs"][0]["template"],
                ];
                let pod = |template| manifest::pod_of(&workload, template);
                (templates.map(pod).to_vec(), None)
            }
            "Deployment" => {
                let template = &workload["spec"]["template"];
                (vec![manifest::pod_of(&workload, template)], None)
            }
            "Workspace" => {
                let template = &workload["inference"]["template"];
                (vec![manifest::pod_of(&workload, template)], None)
            }
            _ => {
                let pods = workload["spec"]["completions"].as_u64().unwrap_or(1);
                let pod = |index| manifest::pod_of_job(&workload, index);
                ((0..pods).map(pod).collect(), None)
            }
        };
        Launch { pods, submitter }
    }

    fn object(&self, kind: &str, name: &str) -> Option<Value> {
        let objects = self.objects.borrow();
        objects
            .iter()
            .find(|object| object["kind"] == kind && name_of(object) == name)
            .cloned()
    }
}
