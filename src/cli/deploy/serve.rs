//! Flags of `kaiwo serve`.

use clap::Args;

use super::workload::{SubmissionArgs, WorkloadArgs};
use crate::observe::WorkloadRef;
use crate::settings::SettingArgs;

/// Flags of `kaiwo serve`.
#[derive(Debug, Args)]
#[command(after_help = "\
A directory or an image becomes a Deployment, with --ray a RayService, with -m
or --kaito a KAITO Workspace; -m with --replicas an InferenceSet. It starts at
once; -q queues it with Kueue. If the name is already in use, a Deployment or
RayService is changed in place; a Workspace needs --replace.

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
  kaiwo serve --rollback alice-server               the previous version
  kaiwo serve --rollback alice-server --to 3fa9c1d20b

These flags can also be set in server/kaiwoconfig, in
~/.config/kaiwo/config.yaml or in a variable (KAIWO_PORT=8000).")]
pub struct ServeArgs {
    /// What is run.
    #[command(flatten)]
    pub workload: WorkloadArgs,

    /// The settings.
    #[command(flatten)]
    pub settings: SettingArgs<true>,

    /// Print what would change, one line per change, and change nothing; the exit
    /// code is 0 either way
    #[arg(long, conflicts_with_all = ["dry_run", "show_manifests"], help_heading = "Submitting")]
    pub diff: bool,

    /// Roll back a Deployment or RayService to the version before the latest, including
    /// its files; repeating it changes nothing
    #[arg(long, value_name = "NAME", conflicts_with_all = ["path", "image", "model", "dry_run", "show_manifests", "replace", "generate_name", "command"],
          help_heading = "Submitting")]
    pub rollback: Option<WorkloadRef>,

    /// With --rollback: the version to return to; "kaiwo status NAME" lists them
    #[arg(
        long,
        value_name = "VERSION",
        requires = "rollback", conflicts_with_all = ["path", "image", "model", "command"],
        help_heading = "Submitting"
    )]
    pub to: Option<String>,

    /// How it is submitted.
    #[command(flatten)]
    pub submission: SubmissionArgs,
}
