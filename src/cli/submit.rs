//! Flags of `kaiwo submit`.

use std::path::PathBuf;

use clap::Args;

use super::ConnectionArgs;
use crate::plan::quantity::ByteSize;
use crate::settings::{DryRun, OutputFormat, Settings};

/// Flags of `kaiwo submit`.
#[derive(Debug, Args)]
#[command(after_help = "\
Everything in the directory appears in the containers at /workload, and its
entrypoint is executed there. The GPUs of -g are divided over as many pods as
the nodes need. The LocalQueue is made if the namespace has none.

Examples:
  kaiwo submit -p train/ -g 16 --ray       16 GPUs as a RayJob
  kaiwo submit -p train/ -g 16             two pods of 8, ready for torchrun
  kaiwo submit -i registry/image -g 8      the image's own entrypoint
  kaiwo submit -p train/ -- python eval.py another command than entrypoint
  kaiwo submit -p train/ -g 8 -n team -q research --create-namespace
  kaiwo submit -p train/ -g 8 -d | kubectl apply --server-side -f -

Every flag can also stand in train/kaiwoconfig or ~/.config/kaiwo/config.yaml
(gpusPerNode: 8) or in a variable (KAIWO_GPUS_PER_NODE=8). What is typed wins,
then the variable, then the directory's file, then the user's.")]
pub struct SubmitArgs {
    /// Directory to run: entrypoint, env, kaiwoconfig, and files to upload
    #[arg(short, long, value_name = "DIR", help_heading = "Workload")]
    pub path: Option<PathBuf>,

    /// Container image [default with -p: an image with Ray for the GPUs]
    #[arg(short, long, help_heading = "Workload")]
    pub image: Option<String>,

    /// Run on a Ray cluster of its own, as a RayJob
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
        help_heading = "GPUs"
    )]
    pub gpus: Option<i64>,

    /// Number of pods, instead of kaiwo's split
    #[arg(
        long,
        value_name = "N",
        allow_negative_numbers = true,
        help_heading = "GPUs"
    )]
    pub replicas: Option<i64>,

    /// GPUs of each pod, instead of kaiwo's split
    #[arg(
        long,
        value_name = "N",
        allow_negative_numbers = true,
        help_heading = "GPUs"
    )]
    pub gpus_per_replica: Option<i64>,

    /// GPUs that a node has [default: asked of the cluster]
    #[arg(
        long,
        value_name = "N",
        allow_negative_numbers = true,
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

    /// Namespace [default: kaiwo]
    #[arg(short, long, help_heading = "Queue")]
    pub namespace: Option<String>,

    /// Make the namespace if there is none
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true",
          value_name = "BOOL", hide_possible_values = true, help_heading = "Queue")]
    pub create_namespace: Option<bool>,

    /// LocalQueue, or ClusterQueue to make one for [default: kaiwo]
    #[arg(short, long, help_heading = "Queue")]
    pub queue: Option<String>,

    /// Queue even what the queue cannot admit as it stands
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true",
          value_name = "BOOL", hide_possible_values = true, help_heading = "Queue")]
    pub force: Option<bool>,

    /// Delete a workload of this name first
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true",
          value_name = "BOOL", hide_possible_values = true, help_heading = "Submitting")]
    pub replace: Option<bool>,

    /// Add a random suffix to the name
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true",
          value_name = "BOOL", hide_possible_values = true, help_heading = "Submitting")]
    pub generate_name: Option<bool>,

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

    /// Which cluster, and as whom.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}

impl SubmitArgs {
    /// Returns what was typed, as the source of settings that comes first.
    pub fn settings(&self) -> Settings {
        Settings {
            image: self.image.clone(),
            namespace: self.namespace.clone(),
            create_namespace: self.create_namespace,
            queue: self.queue.clone(),
            name: self.name.clone(),
            version: self.version.clone(),
            user: None,
            gpus: self.gpus,
            replicas: self.replicas,
            gpus_per_replica: self.gpus_per_replica,
            gpus_per_node: self.gpus_per_node,
            gpu_resource: self.gpu_resource.clone(),
            gpu_node_label_key: self.gpu_node_label_key.clone(),
            ray: self.ray,
            ray_version: self.ray_version.clone(),
            env_file: self.env_file.clone(),
            upload_limit: self.upload_limit,
            force: self.force,
            replace: self.replace,
            generate_name: self.generate_name,
            dry_run: self.dry_run,
            output: self.output,
        }
    }
}
