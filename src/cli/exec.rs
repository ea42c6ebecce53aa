//! Flags of `kaiwo exec`.

use clap::Args;

use super::NamedArgs;

/// Flags of `kaiwo exec`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kaiwo exec alice-train                  a shell where the workload runs
  kaiwo exec alice-train -- nvidia-smi    a command
  kaiwo exec alice-sft --worker 1 -it -- python
  kaiwo exec -i alice-train -- tar x -C /scratch < data.tar

Without --pod, --head or --worker, the command runs in the head of a Ray
cluster, the first pod of a Job, or else a pod that is ready. The exit code is
the command's own; 125 if the connection is lost, 126 or 127 if the command
cannot be run.")]
pub struct ExecArgs {
    /// Which workload, and where.
    #[command(flatten)]
    pub named: NamedArgs,

    /// Pass on stdin
    #[arg(short = 'i', long, help_heading = "Command")]
    pub stdin: bool,

    /// Give the command a terminal
    #[arg(short, long, help_heading = "Command")]
    pub tty: bool,

    /// One pod, by its name or its short one
    #[arg(long, value_name = "POD", help_heading = "Pod")]
    pub pod: Option<String>,

    /// The head of the Ray cluster
    #[arg(long, conflicts_with = "pod", help_heading = "Pod")]
    pub head: bool,

    /// Worker N, from 0; index N of a Job; task N of an array
    #[arg(long, value_name = "N", conflicts_with_all = ["pod", "head"], help_heading = "Pod")]
    pub worker: Option<usize>,

    /// A container [default: the first]
    #[arg(short, long, value_name = "NAME", help_heading = "Pod")]
    pub container: Option<String>,

    /// What to run [default: a shell, with -i, and -t on a terminal]
    #[arg(last = true, value_name = "COMMAND", help_heading = "Command")]
    pub command: Vec<String>,
}
