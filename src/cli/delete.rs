//! Flags of `kaiwo delete`.

use clap::{ArgGroup, Args};

use super::ConnectionArgs;
use crate::observe::WorkloadRef;
use crate::settings::{Format, Namespace};
use crate::time::Seconds;

/// Flags of `kaiwo delete`.
#[derive(Debug, Args)]
#[command(
    group(ArgGroup::new("which").required(true).multiple(true)),
    after_help = "\
Asks first, unless -y is given. Deleting a workload also deletes its pods and
everything that kaiwo created for it: uploads, Services and the like, and the
claims of --storage with their data. What an interrupted run left behind can be
deleted by the name of its workload. LocalQueues, namespaces, claims of
--keep-storage and objects that kaiwo did not create are kept; --with-storage
deletes the claims of --keep-storage too, also if their workload no longer
exists. The history and the GPU-hours of a job (kaiwo history, kaiwo usage) go
with it. Returns when everything is deleted.

Examples:
  kaiwo delete alice-train                 asks, then deletes
  kaiwo delete job/a rayjob/b -y           several, without asking
  kaiwo delete -l team=vision --dry-run    what would be deleted
  kaiwo delete alice-train --with-storage  and NAME-scratch, with its data
  kaiwo delete --finished --older-than 7d  jobs that ended a week ago or longer
  kaiwo delete --all -n scratch            all of kaiwo's in a namespace"
)]
pub struct DeleteArgs {
    /// Names, or kind/name: job/x, rayjob/x, deployment/x, workspace/x
    #[arg(value_name = "NAME", group = "which", conflicts_with_all = ["selector", "all", "finished"])]
    pub workload: Vec<WorkloadRef>,

    /// kaiwo's workloads with these labels: K=V,K2=V2
    #[arg(
        short = 'l',
        long,
        value_name = "LABELS",
        group = "which",
        conflicts_with = "all"
    )]
    pub selector: Option<String>,

    /// All of kaiwo's workloads in the namespace
    #[arg(long, group = "which")]
    pub all: bool,

    /// Of kaiwo's jobs, those that have ended
    #[arg(long, group = "which")]
    pub finished: bool,

    /// With --finished: those that ended longer ago: 12h, 7d
    #[arg(long, value_name = "TIME", requires = "finished")]
    pub older_than: Option<Seconds>,

    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,

    /// Also delete workloads that kaiwo did not create
    #[arg(long, conflicts_with_all = ["selector", "all", "finished"])]
    pub force: bool,

    /// Also delete the claims of --keep-storage, with their data
    #[arg(long)]
    pub with_storage: bool,

    /// Succeed even if a workload does not exist
    #[arg(long)]
    pub ignore_not_found: bool,

    /// Return at once, without waiting for the deletion
    #[arg(long, conflicts_with = "timeout")]
    pub no_wait: bool,

    /// Longest wait until everything is deleted [default: 2m]
    #[arg(long, value_name = "TIME")]
    pub timeout: Option<Seconds>,

    /// Show what would be deleted, and delete nothing
    #[arg(short, long)]
    pub dry_run: bool,

    /// Output format
    #[arg(short, long, value_name = "FORMAT", value_parser = Format::parser(Format::OBJECTS))]
    pub output: Option<Format>,

    /// Namespace [default: kaiwo]
    #[arg(short, long)]
    pub namespace: Option<Namespace>,

    /// Which cluster, and as whom.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}
