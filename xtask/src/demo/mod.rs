//! `cargo xtask demo`: from a clean clone to a RayJob on two 8-GPU nodes, told
//! in plain words.

mod current;
mod offline;
mod real;

use std::collections::HashSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::bench::Scratch;
use crate::cargo::{self, cargo};
use crate::checkout;
use crate::testbed::{Cluster, Options, Testbed};

/// Namespace of the demo, made by it and removed at its next start.
const NAMESPACE: &str = "demo";
/// Longest wait for a workload to end.
const LIMIT: Duration = Duration::from_secs(180);

/// Show a Job and a RayJob of 16 GPUs running, from a clean clone
#[derive(Debug, clap::Args)]
pub struct DemoArgs {
    /// On a node that really runs its pods: needs root, see `cargo xtask
    /// testbed check`
    #[arg(long, conflicts_with = "cluster")]
    real: bool,
    /// Where: a testbed that is built here, or the cluster of your kubeconfig, in the
    /// namespace kaiwo-demo
    #[arg(long, value_enum, default_value = "testbed")]
    cluster: Where,
    /// With --cluster current: the queue, and what each workload requests of it
    #[arg(long, value_name = "QUEUE")]
    queue: Option<String>,
    /// With --cluster current: GPUs of each workload
    #[arg(long, value_name = "N", default_value_t = 1)]
    gpus: u32,
}

/// Where the demo runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Where {
    /// On a control plane of its own.
    Testbed,
    /// On the cluster of the kubeconfig.
    Current,
}

impl DemoArgs {
    pub fn run(&self) -> Result<()> {
        match self.cluster {
            Where::Current => current::run(&current::Place {
                queue: self.queue.as_deref(),
                gpus: self.gpus,
            }),
            Where::Testbed if self.real => real::run(),
            Where::Testbed => run(),
        }
    }
}

/// Builds, starts a testbed, submits a Job and a RayJob, and tells what
/// happens.
fn run() -> Result<()> {
    let mut times = Times::start();
    let options = Options::default();
    let _claim = Testbed::claim(&options.name, "demo")?;
    let (scratch, binary) = build()?;
    times.note("kaiwo was built");
    heading(
        "Starting a control plane: API server, Kueue, KubeRay, and nodes that pretend to have GPUs",
    );
    let testbed = std::thread::scope(|scope| {
        let testbed = scope.spawn(|| Testbed::up(&options));
        let told = offline::tell(&binary, &scratch.0.join("no-settings"));
        times.note("kaiwo had shown what it does without a cluster");
        heading("Until the control plane is up");
        let testbed = testbed.join();
        told.and(testbed.unwrap_or_else(|_| bail!("the testbed panicked")))
    })?;
    times.note("the control plane was up");

    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let cluster = Cluster::connect(&testbed.kubeconfig()).await?;
        heading("As the admin: a queue of 32 AMD GPUs (cluster-admins/kueue/amd.yaml)");
        prepare(&cluster).await?;

        heading("As a researcher: a Job from workloads/hello");
        submit(&binary, &testbed, &["-p", "workloads/hello", "-g", "1"])?;
        times.note("the first Job was submitted");
        let mut told = HashSet::new();
        Story::new(&cluster, "batch/v1", "jobs", "demo-hello", &mut told)
            .tell()
            .await?;

        heading("16 GPUs on nodes of 8: a RayJob from workloads/ray-gpus");
        submit(
            &binary,
            &testbed,
            &["-p", "workloads/ray-gpus", "-g", "16", "--ray"],
        )?;
        times.note("the first RayJob was submitted");
        let story = Story::new(&cluster, "ray.io/v1", "rayjobs", "demo-ray-gpus", &mut told);
        match testbed
            .skips()
            .iter()
            .any(|skip| skip.word() == "pod-addresses")
        {
            true => say("  (this testbed cannot let RayJobs end; look at it with kubectl)"),
            false => story.tell().await?,
        }
        anyhow::Ok(())
    })?;

    times.tell();
    heading("The testbed is still up; to keep playing:");
    let checkout = Path::new(checkout()).canonicalize()?;
    let shown = binary
        .strip_prefix(checkout)
        .unwrap_or(&binary)
        .display()
        .to_string();
    for line in [
        "  eval \"$(cargo xtask testbed env)\"".to_owned(),
        format!("  {shown} submit -n {NAMESPACE} -p workloads/torchrun -g 16"),
        format!("  {shown} submit -n {NAMESPACE} -p workloads/hello -g 25 --gpus-per-node 4"),
        format!("  kubectl -n {NAMESPACE} get jobs,rayjobs,workloads,pods -o wide"),
        "  cargo xtask testbed down".to_owned(),
    ] {
        say(&line);
    }
    Ok(())
}

/// When what happened, since the start.
struct Times {
    start: Instant,
    notes: Vec<(Duration, &'static str)>,
}

impl Times {
    fn start() -> Self {
        Self {
            start: Instant::now(),
            notes: Vec::new(),
        }
    }

    fn note(&mut self, what: &'static str) {
        self.notes.push((self.start.elapsed(), what));
    }

    fn tell(&self) {
        heading("Seconds since the start of the demo");
        for (when, what) in &self.notes {
            say(&format!("  {:>6.1} s  {what}", when.as_secs_f64()));
        }
    }
}

/// Builds kaiwo into a directory that goes with the demo.
fn build() -> Result<(Scratch, PathBuf)> {
    heading("Building kaiwo");
    let scratch = Scratch::new("demo")?;
    let binary = scratch.0.join("kaiwo");
    let mut cargo = cargo();
    cargo.arg("build");
    cargo::build(cargo, &binary)?;
    Ok((scratch, binary))
}

/// Makes the queue, and removes what an earlier demo left.
async fn prepare(cluster: &Cluster) -> Result<()> {
    let file = Path::new(checkout()).join("cluster-admins/kueue/amd.yaml");
    let text = std::fs::read_to_string(&file)
        .with_context(|| format!("cannot read {}", file.display()))?;
    let objects: Vec<Value> = serde_saphyr::from_multiple(&text)?;
    for object in &objects {
        say(&format!(
            "  {} {}",
            text_at(object, "/kind"),
            text_at(object, "/metadata/name")
        ));
    }
    cluster.apply(objects).await?;
    remove_namespace(cluster).await
}

/// Removes what an earlier demo left.
async fn remove_namespace(cluster: &Cluster) -> Result<()> {
    let path = format!("/api/v1/namespaces/{NAMESPACE}");
    let start = Instant::now();
    while cluster.get(&path).await.is_ok() {
        cluster.delete(&path).await?;
        if start.elapsed() > LIMIT {
            bail!(
                "namespace {NAMESPACE} of an earlier demo does not go; try: cargo xtask testbed down"
            );
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}

fn submit(binary: &Path, testbed: &Testbed, arguments: &[&str]) -> Result<()> {
    let common = ["-n", NAMESPACE, "--create-namespace"];
    say(&format!(
        "$ kaiwo submit {} {}",
        arguments.join(" "),
        common.join(" ")
    ));
    let status = pointed(binary, testbed)
        .arg("submit")
        .args(arguments)
        .args(common)
        .status()?;
    if !status.success() {
        bail!("kaiwo ended with {status}");
    }
    Ok(())
}

/// Returns a program, such as kaiwo, that is pointed at the testbed.
fn pointed(program: &Path, testbed: &Testbed) -> Command {
    let mut command = Command::new(program);
    command.current_dir(checkout());
    testbed.point(&mut command);
    command
        .env("KAIWO_USER", "demo")
        // Nothing is there: what the caller prefers on real clusters is not
        // part of the story.
        .env(
            "XDG_CONFIG_HOME",
            testbed.kubeconfig().with_file_name("no-settings"),
        );
    command
}

/// What happens to one workload in the cluster, told once each.
struct Story<'a> {
    cluster: &'a Cluster,
    api: &'static str,
    plural: &'static str,
    name: &'static str,
    start: Instant,
    told: &'a mut HashSet<String>,
}

impl<'a> Story<'a> {
    fn new(
        cluster: &'a Cluster,
        api: &'static str,
        plural: &'static str,
        name: &'static str,
        told: &'a mut HashSet<String>,
    ) -> Self {
        Self {
            cluster,
            api,
            plural,
            name,
            start: Instant::now(),
            told,
        }
    }

    /// Tells until the workload has ended, and fails unless it ended well.
    async fn tell(mut self) -> Result<()> {
        say("  what happened in the cluster:");
        loop {
            self.queues().await?;
            self.pods().await?;
            let path = format!(
                "/apis/{}/namespaces/{NAMESPACE}/{}/{}",
                self.api, self.plural, self.name
            );
            let workload = self.cluster.get(&path).await?;
            match outcome(&workload).as_deref() {
                Some(word @ ("Complete" | "SUCCEEDED")) => {
                    self.once(&format!("{} has ended: {word}", self.name));
                    return Ok(());
                }
                Some(word) => bail!("{} ended as {word}", self.name),
                None if self.start.elapsed() > LIMIT => bail!("{} did not end", self.name),
                None => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }

    async fn queues(&mut self) -> Result<()> {
        let kueue = format!("/apis/kueue.x-k8s.io/v1beta2/namespaces/{NAMESPACE}");
        for queue in items(&self.cluster.get(&format!("{kueue}/localqueues")).await?) {
            let (name, target) = (
                text_at(queue, "/metadata/name"),
                text_at(queue, "/spec/clusterQueue"),
            );
            self.once(&format!(
                "LocalQueue {name} was created: namespace {NAMESPACE} may use ClusterQueue {target}"
            ));
        }
        for workload in items(&self.cluster.get(&format!("{kueue}/workloads")).await?) {
            if text_at(workload, "/metadata/ownerReferences/0/name") != self.name {
                continue;
            }
            let name = text_at(workload, "/metadata/name");
            self.once(&format!(
                "Kueue suspended {} and made Workload {name} for it",
                self.name
            ));
            let conditions = workload["status"]["conditions"].as_array();
            let admitted = |c: &Value| c["type"] == "Admitted" && c["status"] == "True";
            if conditions.is_some_and(|conditions| conditions.iter().any(admitted)) {
                self.once(&format!(
                    "Workload {name} was admitted: its quota is reserved, its pods may start"
                ));
            }
        }
        Ok(())
    }

    async fn pods(&mut self) -> Result<()> {
        for pod in items(
            &self
                .cluster
                .get(&format!("/api/v1/namespaces/{NAMESPACE}/pods"))
                .await?,
        ) {
            let name = text_at(pod, "/metadata/name");
            let node = text_at(pod, "/spec/nodeName");
            if !name.starts_with(self.name) || node.is_empty() {
                continue;
            }
            let gpus = pod
                .pointer("/spec/containers/0/resources/limits/amd.com~1gpu")
                .and_then(Value::as_str);
            let with = gpus.map_or_else(String::new, |gpus| format!(" ({gpus} amd.com/gpu)"));
            // Whether it runs there already is another matter.
            self.once(&format!("pod {name} was placed on node {node}{with}"));
        }
        Ok(())
    }

    fn once(&mut self, what: &str) {
        if self.told.insert(what.to_owned()) {
            say(&format!(
                "  {:>5.1} s  {what}",
                self.start.elapsed().as_secs_f64()
            ));
        }
    }
}

/// Returns how a Job or RayJob has ended, if it has.
fn outcome(workload: &Value) -> Option<String> {
    if let Some(status @ ("SUCCEEDED" | "FAILED" | "STOPPED")) =
        workload["status"]["jobStatus"].as_str()
    {
        return Some(status.to_owned());
    }
    workload["status"]["conditions"]
        .as_array()?
        .iter()
        .find(|c| {
            c["status"] == "True" && matches!(c["type"].as_str(), Some("Complete" | "Failed"))
        })
        .map(|c| text_at(c, "/type"))
}

fn items(list: &Value) -> &[Value] {
    list["items"].as_array().map_or(&[], Vec::as_slice)
}

fn text_at(value: &Value, pointer: &str) -> String {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

fn heading(text: &str) {
    say(&format!("\n{text}"));
}

fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
