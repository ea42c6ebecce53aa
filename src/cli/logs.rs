//! Flags of `kaiwo logs`.

use clap::Args;

use super::NamedArgs;
use crate::plan::request::pod::Seconds;

/// Flags of `kaiwo logs`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kaiwo logs -f alice-train            until it ends, whatever breaks in between
  kaiwo logs alice-train --tail 100    the last 100 lines of each pod
  kaiwo logs alice-train --pod 3-x7k2f one pod, by the name before its lines
  kaiwo logs alice-sft --workers       a RayJob's head and workers

Of a Job, the pods of the present attempt are shown; of a RayJob, the driver; of
a CronJob, the active Job, else the last one; of everything else, all pods.
Lines of several pods come in the order of their times, each after the name of
its pod. -f waits for pods that do not exist yet and follows those that replace
others. The exit code says whether logs could be read, not how the workload
ended: kaiwo wait does.")]
pub struct LogsArgs {
    /// Which workload, and where.
    #[command(flatten)]
    pub named: NamedArgs,

    /// Go on until the workload has ended
    #[arg(short, long, help_heading = "What is shown")]
    pub follow: bool,

    /// Only the last N lines of each pod
    #[arg(long, value_name = "N", help_heading = "What is shown")]
    pub tail: Option<u32>,

    /// Only what is not older: 90s, 30m, 1h30m
    #[arg(long, value_name = "TIME", help_heading = "What is shown")]
    pub since: Option<Seconds>,

    /// What was written before the container was started again
    #[arg(long, conflicts_with = "follow", help_heading = "What is shown")]
    pub previous: bool,

    /// Begin each line with its time
    #[arg(long, help_heading = "What is shown")]
    pub timestamps: bool,

    /// All pods, also those of earlier attempts and Jobs
    #[arg(long, conflicts_with = "pod", help_heading = "Which pods")]
    pub all_pods: bool,

    /// Of a RayJob, head and workers instead of the driver
    #[arg(long, conflicts_with_all = ["pod", "all_pods"], help_heading = "Which pods")]
    pub workers: bool,

    /// One pod, by its name or its short one
    #[arg(long, value_name = "POD", help_heading = "Which pods")]
    pub pod: Option<String>,

    /// A container, also one that runs first [default: the first]
    #[arg(short, long, value_name = "NAME", help_heading = "Which pods")]
    pub container: Option<String>,
}
