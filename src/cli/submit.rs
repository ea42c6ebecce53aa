//! Flags of `kaiwo submit`.

use clap::Args;

use super::WorkloadArgs;
use crate::plan::pod::Seconds;
use crate::settings::{Settings, SettingsError};

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
  kaiwo submit -p embed/ -g 1 --schedule '0 3 * * *'
  kaiwo submit -p train/ -g 8 -n team -q research --create-namespace
  kaiwo submit -p train/ -g 8 -d | kubectl apply --server-side -f -

Every flag can also stand in train/kaiwoconfig or ~/.config/kaiwo/config.yaml
(gpusPerNode: 8) or in a variable (KAIWO_GPUS_PER_NODE=8). What is typed wins,
then the variable, then the directory's file, then the user's.")]
pub struct SubmitArgs {
    /// What every workload has.
    #[command(flatten)]
    pub workload: WorkloadArgs,

    /// Run again and again, as a CronJob: "0 3 * * *" is 3 o'clock
    #[arg(long, value_name = "CRON", help_heading = "Workload")]
    pub schedule: Option<String>,

    /// How often to try again after a failure [default: 0]
    #[arg(
        long,
        value_name = "N",
        allow_negative_numbers = true,
        help_heading = "End"
    )]
    pub retries: Option<i64>,

    /// Delete the Job so long after its end: 90s, 30m, 2d
    #[arg(long, value_name = "TIME", help_heading = "End")]
    pub ttl: Option<Seconds>,

    /// End the workload so long after its start
    #[arg(long, value_name = "TIME", help_heading = "End")]
    pub max_runtime: Option<Seconds>,

    /// LocalQueue, or ClusterQueue to make one for [default: kaiwo]
    #[arg(short, long, help_heading = "Queue")]
    pub queue: Option<String>,
}

impl SubmitArgs {
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
            schedule: self.schedule.clone(),
            retries: self.retries,
            ttl: self.ttl,
            max_runtime: self.max_runtime,
            queue: self.queue.clone(),
            ..self.workload.settings(local)?
        })
    }
}
