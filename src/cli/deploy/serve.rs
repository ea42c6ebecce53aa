//! Flags of `kaiwo serve`.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::workload::list;
use crate::cli::WorkloadArgs;
use crate::observe::WorkloadRef;
use crate::plan::kaito::{Adapter, Runtime};
use crate::plan::request::autoscale::{MetricTarget, Scale};
use crate::plan::request::ingress::IngressHost;
use crate::plan::request::min_available::MinAvailable;
use crate::plan::request::preload::Preload;
use crate::settings::{Settings, SettingsError, Switch, whole};

/// Flags of `kaiwo serve`.
#[derive(Debug, Args)]
#[command(after_help = "\
A directory or an image becomes a Deployment, with --ray a RayService, with -m
or --kaito a KAITO Workspace; -m with --replicas an InferenceSet. It starts at once; -q queues it with Kueue.
Under a name that is served already, a Deployment or RayService is changed in
place; a Workspace takes --replace.

Everything in the directory appears in the containers at /workload/app; a
RayService finds it as the module `app` (import_path: app:deployment).

Examples:
  kaiwo serve -i ghcr.io/org/tgi:3 -g 1 --port 8080 --health-path /health
  kaiwo serve -p server/ -g 2 --port 8000     server/entrypoint, on 2 GPUs
  kaiwo serve -p vllm/ -g 16 --ray            vllm/serveconfig, on 2 nodes of 8
  kaiwo serve -m phi-4 --instance-type Standard_NC24ads_A100_v4
  kaiwo serve -m llama-3.1-8b-instruct --model-access-secret hf-token \\
      --instance-type Standard_NC24ads_A100_v4 --replicas 2
  kaiwo serve -p server/ --kaito --node-selector pool=llm
  kaiwo serve -p server/ -g 4 --port 8000 --autoscale 1-4 --target-cpu 70
  kaiwo serve -p server/ -g 2 --port 8000 --diff    what that would change
  kaiwo serve --rollback alice-server               the version before

What describes a service can also stand in server/kaiwoconfig or
~/.config/kaiwo/config.yaml or in a variable (KAIWO_PORT=8000).")]
pub struct ServeArgs {
    /// What every workload has.
    #[command(flatten)]
    pub workload: WorkloadArgs,

    /// Model of KAITO's catalogue, or org/name of Hugging Face
    #[arg(short, long, value_name = "MODEL", help_heading = "KAITO")]
    pub model: Option<String>,

    /// Run the directory or image as a KAITO Workspace
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true",
          value_name = "BOOL", hide_possible_values = true, help_heading = "KAITO")]
    pub kaito: Option<bool>,

    /// Virtual machines that KAITO makes; without, --node-selector chooses
    /// nodes that exist
    #[arg(long, value_name = "TYPE", help_heading = "KAITO")]
    pub instance_type: Option<String>,

    /// Adapters.
    #[arg(
        help = "Adapter to serve with the model: NAME=IMAGE[@STRENGTH] or\nNAME=pvc:CLAIM[@STRENGTH]; may be repeated",
        long,
        value_name = "ADAPTER",
        help_heading = "KAITO"
    )]
    pub adapter: Vec<Adapter>,

    /// Secret whose key HF_TOKEN lets the model be downloaded
    #[arg(long, value_name = "SECRET", help_heading = "KAITO")]
    pub model_access_secret: Option<String>,

    /// File with options of vLLM, to upload
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "KAITO")]
    pub inference_config: Option<PathBuf>,

    /// What runs the model: vllm or transformers [default: vllm]
    #[arg(long, value_name = "RUNTIME", help_heading = "KAITO")]
    pub runtime: Option<Runtime>,

    /// Port the container listens on; makes a Service of the workload's name
    #[arg(long, value_name = "PORT", value_parser = whole, help_heading = "Network")]
    pub port: Option<i64>,

    /// Path that answers once the model is loaded, for the probes: /health
    #[arg(long, value_name = "PATH", help_heading = "Network")]
    pub health_path: Option<String>,

    /// Make it public: the Service becomes a LoadBalancer
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true",
          value_name = "BOOL", hide_possible_values = true, help_heading = "Network")]
    pub public: Option<bool>,

    /// Host and class of an Ingress.
    #[arg(
        help = "Host under which an Ingress leads to it: HOST[,CLASS]",
        long,
        value_name = "HOST",
        help_heading = "Network"
    )]
    pub ingress: Option<IngressHost>,

    /// Have between so many pods: 1-4; -g counts those of the most. Ray scales
    /// the workers of a RayService, a HorizontalPodAutoscaler a Deployment
    #[arg(long, value_name = "MIN-MAX", help_heading = "Scaling")]
    pub autoscale: Option<Scale>,

    /// Scale so that the pods use this percentage of their CPUs
    #[arg(
        long,
        value_name = "PERCENT",
        value_parser = whole,
        allow_negative_numbers = true,
        help_heading = "Scaling"
    )]
    pub target_cpu: Option<i64>,

    /// Metrics to scale by.
    #[arg(
        help = "Scale so that this metric of the pods has this average: NAME=VALUE; may be repeated",
        long,
        value_name = "METRIC",
        help_heading = "Scaling"
    )]
    pub target_metric: Vec<MetricTarget>,

    /// Pods that draining a node has to leave: a number, or a part such as 50%
    #[arg(long, value_name = "N|P%", help_heading = "Scaling")]
    pub min_available: Option<MinAvailable>,

    /// What to load first.
    #[arg(
        help = "Load it before the service starts: hf://ORG/MODEL:/path, s3://, gs:// or https://; may be repeated",
        long,
        value_name = "URL:/path",
        help_heading = "Pods"
    )]
    pub preload: Vec<Preload>,

    /// Image that loads it [default: KServe's storage initializer]
    #[arg(long, value_name = "IMAGE", help_heading = "Pods")]
    pub preload_image: Option<String>,

    /// Keep the claim of --storage when pods and service go; the next ones
    /// find it again
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true",
          value_name = "BOOL", hide_possible_values = true, help_heading = "Pods")]
    pub keep_storage: Option<bool>,

    /// Let an update stop the only pod before the next one starts, where no
    /// node has GPUs for both
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true",
          value_name = "BOOL", hide_possible_values = true, help_heading = "Submitting")]
    pub allow_downtime: Option<bool>,

    /// Print what would change, one line each, and change nothing; exits with
    /// 0 whether anything would
    #[arg(long, conflicts_with_all = ["dry_run", "show_manifests"], help_heading = "Submitting")]
    pub diff: bool,

    /// Return a Deployment or RayService to its previous version, files and
    /// all; a second time, back again
    #[arg(long, value_name = "NAME", conflicts_with_all = ["path", "image", "model", "dry_run", "show_manifests", "replace", "generate_name", "command"],
          help_heading = "Submitting")]
    pub rollback: Option<WorkloadRef>,

    /// Queue it: LocalQueue, or ClusterQueue to make one for
    #[arg(short, long, help_heading = "Queue")]
    pub queue: Option<String>,
}

impl ServeArgs {
    /// Returns what was typed, as the source of settings that comes first.
    /// `local` knows the variables of this machine.
    ///
    /// # Errors
    /// [`SettingsError::LocalVariable`] if `--env K` names none of them.
    pub fn settings(
        &self,
        local: impl Fn(&str) -> Option<String>,
    ) -> Result<Settings, SettingsError> {
        Ok(Settings {
            model: self.model.clone(),
            kaito: self.kaito.map(Switch),
            instance_type: self.instance_type.clone(),
            adapter: list(&self.adapter),
            model_access_secret: self.model_access_secret.clone(),
            inference_config: self.inference_config.clone(),
            runtime: self.runtime,
            port: self.port,
            health_path: self.health_path.clone(),
            public: self.public.map(Switch),
            ingress: self.ingress.clone(),
            autoscale: self.autoscale,
            target_cpu: self.target_cpu,
            target_metric: list(&self.target_metric),
            min_available: self.min_available,
            preload: list(&self.preload),
            preload_image: self.preload_image.clone(),
            keep_storage: self.keep_storage.map(Switch),
            allow_downtime: self.allow_downtime.map(Switch),
            queue: self.queue.clone(),
            ..self.workload.settings(local)?
        })
    }
}
