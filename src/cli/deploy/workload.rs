//! Flags of everything that makes a workload: `kaiwo submit` and `kaiwo serve`.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use crate::cli::ConnectionArgs;
use crate::plan::request::claim::{ClaimMount, Storage};
use crate::plan::request::pod::{Seconds, SecretName};
use crate::plan::request::toleration::Toleration;
use crate::quantity::{ByteSize, Quantity};
use crate::settings::{
    DryRun, List, OutputFormat, Pairs, Settings, SettingsError, Switch, pair, whole,
};

/// Flags that every kind of workload has.
#[derive(Debug, Args)]
pub struct WorkloadArgs {
    /// Directory to run: entrypoint, env, kaiwoconfig, and files to upload
    #[arg(short, long, value_name = "DIR", value_hint = ValueHint::DirPath, help_heading = "Workload")]
    pub path: Option<PathBuf>,

    /// Container image [default with -p: an image with Ray for the GPUs]
    #[arg(short, long, help_heading = "Workload")]
    pub image: Option<String>,

    /// Run on a Ray cluster of its own: a RayJob, or a RayService
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true",
          value_name = "BOOL", hide_possible_values = true, help_heading = "Workload")]
    pub ray: Option<bool>,

    /// Version of Ray in the image
    #[arg(long, value_name = "VERSION", help_heading = "Workload")]
    pub ray_version: Option<String>,

    /// Name [default: USER-DIR or USER-IMAGE]
    #[arg(long, help_heading = "Workload")]
    pub name: Option<String>,

    /// Version: a suffix of the default name, and a label
    #[arg(long, help_heading = "Workload")]
    pub version: Option<String>,

    /// File with variables and secrets [default: DIR/env]
    #[arg(long, value_name = "FILE", help_heading = "Workload")]
    pub env_file: Option<PathBuf>,

    /// Variable: K=V, or K for the value it has here; may be repeated
    #[arg(long, value_name = "K[=V]", help_heading = "Workload")]
    pub env: Vec<String>,

    /// Variable from a Secret: K=SECRET/KEY; may be repeated
    #[arg(long, value_name = "K=S/KEY", value_parser = pair, help_heading = "Workload")]
    pub secret: Vec<(String, String)>,

    /// Template to render [default: DIR/template, or the built-in one]
    #[arg(short, long, value_name = "FILE", help_heading = "Workload")]
    pub template: Option<PathBuf>,

    /// YAML file that the template sees as Custom
    #[arg(short, long, value_name = "FILE", help_heading = "Workload")]
    pub custom_config: Option<PathBuf>,

    /// Value in Custom: a.b=V, V as JSON or as text; may be repeated
    #[arg(long, value_name = "K=V", value_parser = pair, help_heading = "Workload")]
    pub set: Vec<(String, String)>,

    /// Most bytes to upload from the directory [default: 8Mi]
    #[arg(long, value_name = "SIZE", help_heading = "Workload")]
    pub upload_limit: Option<ByteSize>,

    /// Command to run instead of the entrypoint
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<String>,

    /// GPUs in total; split over pods as the nodes need
    #[arg(
        short,
        long,
        value_name = "N",
        allow_negative_numbers = true,
        value_parser = whole,
        help_heading = "GPUs"
    )]
    pub gpus: Option<i64>,

    /// Number of pods, instead of kaiwo's split
    #[arg(
        long,
        value_name = "N",
        allow_negative_numbers = true,
        value_parser = whole,
        help_heading = "GPUs"
    )]
    pub replicas: Option<i64>,

    /// GPUs of each pod, instead of kaiwo's split
    #[arg(
        long,
        value_name = "N",
        allow_negative_numbers = true,
        value_parser = whole,
        help_heading = "GPUs"
    )]
    pub gpus_per_replica: Option<i64>,

    /// GPUs that a node has [default: asked of the cluster]
    #[arg(
        long,
        value_name = "N",
        allow_negative_numbers = true,
        value_parser = whole,
        help_heading = "GPUs"
    )]
    pub gpus_per_node: Option<i64>,

    /// Resource to request, like amd.com/gpu [default: what the queue has]
    #[arg(long, value_name = "NAME", help_heading = "GPUs")]
    pub gpu_resource: Option<String>,

    /// Label of flavors that holds a node's GPU count [default: the
    /// vendor's: beta.amd.com/gpu.family.AI or nvidia.com/gpu.count]
    #[arg(long, value_name = "KEY", help_heading = "GPUs")]
    pub gpu_node_label_key: Option<String>,

    /// CPUs that come with each GPU [default: 4]
    #[arg(long, value_name = "N", help_heading = "GPUs")]
    pub cpus_per_gpu: Option<Quantity>,

    /// Memory that comes with each GPU [default: 32Gi]
    #[arg(long, value_name = "SIZE", help_heading = "GPUs")]
    pub memory_per_gpu: Option<Quantity>,

    /// Claims to mount.
    #[arg(
        help = "Mount a claim: PVC:/path[:ro]; may be repeated",
        long,
        value_name = "MOUNT",
        help_heading = "Pods"
    )]
    pub volume: Vec<ClaimMount>,

    /// Claim for `/scratch`.
    #[arg(
        help = "Claim for /scratch: SIZE[,CLASS] [default: an emptyDir]",
        long,
        value_name = "SIZE",
        help_heading = "Pods"
    )]
    pub storage: Option<Storage>,

    /// Label the nodes must have; may be repeated
    #[arg(long, value_name = "K=V", value_parser = pair, help_heading = "Pods")]
    pub node_selector: Vec<(String, String)>,

    /// Taints to tolerate.
    #[arg(
        help = "Taint to tolerate: KEY[=VALUE][:EFFECT]; may be repeated",
        long,
        value_name = "TAINT",
        help_heading = "Pods"
    )]
    pub toleration: Vec<Toleration>,

    /// Service account of the pods
    #[arg(long, value_name = "NAME", help_heading = "Pods")]
    pub service_account: Option<String>,

    /// Secret for pulling the image; may be repeated
    #[arg(
        long,
        alias = "imagepullsecret",
        value_name = "NAME",
        help_heading = "Pods"
    )]
    pub image_pull_secret: Vec<SecretName>,

    /// Label of every object and pod; may be repeated
    #[arg(long, value_name = "K=V", value_parser = pair, help_heading = "Pods")]
    pub label: Vec<(String, String)>,

    /// Annotation of workload and pods; may be repeated
    #[arg(long, value_name = "K=V", value_parser = pair, help_heading = "Pods")]
    pub annotation: Vec<(String, String)>,

    /// Namespace [default: kaiwo]
    #[arg(short, long, help_heading = "Queue")]
    pub namespace: Option<String>,

    /// Make the namespace if there is none
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true",
          value_name = "BOOL", hide_possible_values = true, help_heading = "Queue")]
    pub create_namespace: Option<bool>,

    /// WorkloadPriorityClass of Kueue
    #[arg(long, value_name = "NAME", help_heading = "Queue")]
    pub priority_class: Option<String>,

    /// Queue even what the queue cannot admit as it stands; with --replace,
    /// delete even what kaiwo did not make
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true",
          value_name = "BOOL", hide_possible_values = true, help_heading = "Queue")]
    pub force: Option<bool>,

    /// Delete a workload of this name first, unless it is the same and has
    /// not ended
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true",
          value_name = "BOOL", hide_possible_values = true, help_heading = "Submitting")]
    pub replace: Option<bool>,

    /// Add a random suffix to the name
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true",
          value_name = "BOOL", hide_possible_values = true, help_heading = "Submitting")]
    pub generate_name: Option<bool>,

    /// Stay until a job has ended, or a service is ready; the exit code is
    /// then that of the container
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true",
          value_name = "BOOL", hide_possible_values = true, help_heading = "Waiting")]
    pub wait: Option<bool>,

    /// Stay likewise, and print what it prints
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true",
          value_name = "BOOL", hide_possible_values = true, help_heading = "Waiting")]
    pub follow: Option<bool>,

    /// Longest wait in all: 30s, 10m, 2h [default: none]
    #[arg(long, value_name = "TIME", help_heading = "Waiting")]
    pub timeout: Option<Seconds>,

    /// Longest wait in the queue, anew after a preemption [default: none]
    #[arg(long, value_name = "TIME", help_heading = "Waiting")]
    pub queue_timeout: Option<Seconds>,

    /// Print what would be created; `server` lets the API server check it,
    /// `client` (bare) opens no connection
    #[arg(short, long, num_args = 0..=1, require_equals = true, default_missing_value = "client",
          value_name = "HOW", hide_possible_values = true, help_heading = "Submitting")]
    pub dry_run: Option<DryRun>,

    /// Data on stdout: yaml, json or name [default: yaml in a dry run]
    #[arg(
        short,
        long,
        value_name = "FORMAT",
        hide_possible_values = true,
        help_heading = "Submitting"
    )]
    pub output: Option<OutputFormat>,

    /// With -o json: the manifests too, with the values of variables and the
    /// content of files
    #[arg(long, help_heading = "Submitting")]
    pub show_manifests: bool,

    /// Which cluster, and as whom.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}

impl WorkloadArgs {
    /// Returns what was typed, as the source of settings that comes first.
    /// `local` knows the variables of this machine.
    ///
    /// # Errors
    /// [`SettingsError::LocalVariable`] if `--env K` names none of them.
    pub fn settings(
        &self,
        local: impl Fn(&str) -> Option<String>,
    ) -> Result<Settings, SettingsError> {
        let mut env = Pairs::default();
        for text in &self.env {
            let (name, value) = match pair(text) {
                Ok(pair) => pair,
                Err(_) => {
                    let value =
                        local(text).ok_or_else(|| SettingsError::LocalVariable(text.clone()))?;
                    (text.clone(), value)
                }
            };
            env.0.insert(name, value);
        }
        Ok(Settings {
            image: self.image.clone(),
            namespace: self.namespace.clone(),
            create_namespace: self.create_namespace.map(Switch),
            priority_class: self.priority_class.clone(),
            name: self.name.clone(),
            version: self.version.clone(),
            user: None,
            gpus: self.gpus,
            replicas: self.replicas,
            gpus_per_replica: self.gpus_per_replica,
            gpus_per_node: self.gpus_per_node,
            gpu_resource: self.gpu_resource.clone(),
            gpu_node_label_key: self.gpu_node_label_key.clone(),
            cpus_per_gpu: self.cpus_per_gpu,
            memory_per_gpu: self.memory_per_gpu,
            ray: self.ray.map(Switch),
            ray_version: self.ray_version.clone(),
            env_file: self.env_file.clone(),
            template: self.template.clone(),
            custom_config: self.custom_config.clone(),
            volume: list(&self.volume),
            storage: self.storage.clone(),
            toleration: list(&self.toleration),
            service_account: self.service_account.clone(),
            image_pull_secret: list(&self.image_pull_secret),
            upload_limit: self.upload_limit,
            force: self.force.map(Switch),
            replace: self.replace.map(Switch),
            generate_name: self.generate_name.map(Switch),
            wait: self.wait.map(Switch),
            follow: self.follow.map(Switch),
            timeout: self.timeout,
            queue_timeout: self.queue_timeout,
            dry_run: self.dry_run,
            output: self.output,
            env,
            secret: pairs(&self.secret),
            set: pairs(&self.set),
            node_selector: pairs(&self.node_selector),
            label: pairs(&self.label),
            annotation: pairs(&self.annotation),
            ..Settings::default()
        })
    }
}

pub(in crate::cli) fn list<T: Clone>(items: &[T]) -> Option<List<T>> {
    (!items.is_empty()).then(|| List(items.to_vec()))
}

fn pairs(items: &[(String, String)]) -> Pairs {
    Pairs(items.iter().cloned().collect())
}
