//! Flags of `kaiwo run`.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::workload::WorkloadArgs;
use crate::cli::ConnectionArgs;
use crate::observe::WorkloadRef;
use crate::observe::forward::Forward;
use crate::settings::RunSettingArgs;

/// Flags of `kaiwo run`.
#[derive(Debug, Args)]
#[command(after_help = "\
Queues a Job as submit does, attaches to its container when it runs, and exits
with the exit code of the command. The Job is deleted at the end, on Ctrl-C
without -t, and when kaiwo is ended by a signal. If kaiwo cannot do that, a
session with a terminal ends 10 minutes after the connection (--idle); a command
without a terminal continues to its end.

Examples:
  kaiwo run -g 1 -i image -it -- bash           a shell on a GPU
  kaiwo run -g 1 train.py -- --lr 3e-4          one script, uploaded alone
  kaiwo run -p train/ -g 2 -- python eval.py    with the files of a directory
  kaiwo run -i image -- sort < data > sorted    through a pipe
  kaiwo run -g 1 -i image --publish 8888 -- jupyter lab --port 8888
  kaiwo run --attach alice-image-x7k2p          return after a lost connection

A script with a PEP 723 header runs under uv run if the image has uv. More GPUs
than a node has, --ray and --replicas are for kaiwo submit.")]
pub struct RunArgs {
    /// Script to upload alone and run: train.py; words after -- are its arguments
    #[arg(value_name = "SCRIPT", value_hint = ValueHint::FilePath, conflicts_with = "path",
          help_heading = "Workload")]
    pub script: Option<PathBuf>,

    /// What is run.
    #[command(flatten)]
    pub workload: WorkloadArgs,

    /// Give the command a terminal, with your stdin; -it also works
    #[arg(short, long, help_heading = "Command")]
    pub tty: bool,

    /// Forward a port here while it runs: 8888, 9000:8888 or :8888; may be repeated
    #[arg(long, value_name = "[LOCAL:]REMOTE", help_heading = "Command")]
    pub publish: Vec<Forward>,

    /// Return to what an earlier kaiwo run started
    #[arg(long, value_name = "NAME", conflicts_with_all = ["script", "path", "image", "command", "tty", "gpus", "dry_run", "idle", "name"],
          help_heading = "Command")]
    pub attach: Option<WorkloadRef>,

    /// The settings.
    #[command(flatten)]
    pub settings: RunSettingArgs,

    /// Which cluster, and as whom.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}
