//! Flags of `kaiwo cp`.

use clap::Args;

use super::ConnectionArgs;
use crate::settings::Namespace;
use crate::transfer::CopyEnd;

/// Flags of `kaiwo cp`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kaiwo cp alice-train:/scratch/out results/      a directory, into results/
  kaiwo cp alice-train:/scratch/model.pt .        a file
  kaiwo cp data/ alice-train:/scratch/data        into the container
  kaiwo cp alice-train:/scratch/out/. .           what is in a directory
  kaiwo cp alice-sft:/tmp/log . --worker 1        from worker 1

Directories and names work as with cp -r: into a directory that exists, else
under the new name. A path that does not begin with / is relative to the
container's working directory. Modes, times and symbolic links are kept; links
that lead out of what is copied are skipped. Every file is compared by its
SHA-256. If the connection breaks, copying continues where it was.

Of a workload whose pods are gone, a claim that it keeps is read through a
small pod of its own image, which is deleted afterwards.")]
pub struct CpArgs {
    /// What is copied: NAME:/path, or a path on this machine
    #[arg(value_name = "FROM", value_hint = clap::ValueHint::AnyPath)]
    pub from: CopyEnd,

    /// Where to: a path on this machine, or NAME:/path
    #[arg(value_name = "TO", value_hint = clap::ValueHint::AnyPath)]
    pub to: CopyEnd,

    /// Overwrite files that exist
    #[arg(short, long, help_heading = "Files")]
    pub force: bool,

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

    /// Image of the pod that reads a kept claim [default: the workload's]
    #[arg(long, value_name = "IMAGE", help_heading = "Pod")]
    pub helper_image: Option<String>,

    /// Namespace [default: kaiwo]
    #[arg(short, long)]
    pub namespace: Option<Namespace>,

    /// Which cluster, and as whom.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}
