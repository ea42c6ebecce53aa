//! Flags of `kaiwo logs`.

use std::path::PathBuf;

use clap::Args;

use super::NamedArgs;
use crate::time::Seconds;

/// Flags of `kaiwo logs`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kaiwo logs -f alice-train            until it ends, across broken connections
  kaiwo logs alice-train --tail 100    the last 100 lines of each pod
  kaiwo logs alice-train --pod 3-x7k2f  one pod, by the prefix of its lines
  kaiwo logs alice-sft --workers       a RayJob's head and workers
  kaiwo logs alice-sweep --index 7     task 7 of an array
  kaiwo logs alice-sweep --failed      the tasks of an array that failed

For a Job, the pods of the current attempt are shown; for a RayJob, the driver;
for a CronJob, the active Job or else the last one; otherwise all pods. Lines of
several pods are sorted by time and prefixed with the name of the pod. -f waits
for pods that do not exist yet and follows those that replace others. The exit
code says whether the logs could be read, not how the workload ended; use kaiwo
wait for that.")]
pub struct LogsArgs {
    /// Which workload, and where.
    #[command(flatten)]
    pub named: NamedArgs,

    /// Follow until the workload has ended
    #[arg(short, long, help_heading = "Lines")]
    pub follow: bool,

    /// Also write the lines to this file; they are appended to a file that exists
    #[arg(long, value_name = "FILE", requires = "follow", value_hint = clap::ValueHint::FilePath, help_heading = "Lines")]
    pub log: Option<PathBuf>,

    /// Only the last N lines of each pod
    #[arg(long, value_name = "N", help_heading = "Lines")]
    pub tail: Option<u32>,

    /// Only lines newer than this: 90s, 30m, 1h30m
    #[arg(long, value_name = "TIME", help_heading = "Lines")]
    pub since: Option<Seconds>,

    /// Logs of the previous container, before its restart
    #[arg(long, conflicts_with = "follow", help_heading = "Lines")]
    pub previous: bool,

    /// Begin each line with its time
    #[arg(long, help_heading = "Lines")]
    pub timestamps: bool,

    /// All pods, including those of earlier attempts and Jobs
    #[arg(long, conflicts_with = "pod", help_heading = "Pods")]
    pub all_pods: bool,

    /// For a RayJob, head and workers instead of the driver
    #[arg(long, conflicts_with_all = ["pod", "all_pods"], help_heading = "Pods")]
    pub workers: bool,

    /// One pod, by its name or its short one
    #[arg(long, value_name = "POD", help_heading = "Pods")]
    pub pod: Option<String>,

    /// The task of an array that has this number
    #[arg(long, value_name = "N", conflicts_with_all = ["pod", "all_pods", "workers"], help_heading = "Pods")]
    pub index: Option<i64>,

    /// The tasks of an array that failed, one after another
    #[arg(long, conflicts_with_all = ["pod", "all_pods", "workers", "index", "follow"], help_heading = "Pods")]
    pub failed: bool,

    /// A container, or an init container [default: the first]
    #[arg(short, long, value_name = "NAME", help_heading = "Pods")]
    pub container: Option<String>,
}

impl LogsArgs {
    /// Returns the flag that chooses tasks of an array, if one is typed.
    pub fn task_flag(&self) -> Option<&'static str> {
        match (self.index, self.failed) {
            (Some(_), _) => Some("--index"),
            (None, true) => Some("--failed"),
            (None, false) => None,
        }
    }
}
