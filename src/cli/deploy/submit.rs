//! Flags of `kaiwo submit`.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::workload::list;
use crate::cli::WorkloadArgs;
use crate::plan::kaito::{Method, Place, TuningInput};
use crate::plan::request::pod::{Seconds, SecretName};
use crate::settings::{Settings, SettingsError, whole};

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
  kaiwo submit -m phi-4 --tune qlora --tune-input pvc:data \\
      --tune-output pvc:adapters --instance-type Standard_NC24ads_A100_v4
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
        value_parser = whole,
        help_heading = "End"
    )]
    pub retries: Option<i64>,

    /// Delete the Job so long after its end: 90s, 30m, 2d
    #[arg(long, value_name = "TIME", help_heading = "End")]
    pub ttl: Option<Seconds>,

    /// End the workload so long after its start
    #[arg(long, value_name = "TIME", help_heading = "End")]
    pub max_runtime: Option<Seconds>,

    /// Model to tune: one of kaiwo models -o wide that is TUNABLE
    #[arg(short, long, value_name = "MODEL", help_heading = "Tuning by KAITO")]
    pub model: Option<String>,

    /// Tune a model, as a KAITO Workspace: lora or qlora
    #[arg(long, value_name = "METHOD", help_heading = "Tuning by KAITO")]
    pub tune: Option<Method>,

    /// Data to tune with.
    #[arg(
        help = "Data to tune with: URL, IMAGE or pvc:CLAIM; a URL may be repeated",
        long,
        value_name = "DATA",
        help_heading = "Tuning by KAITO"
    )]
    pub tune_input: Vec<TuningInput>,

    /// Where the adapter goes: IMAGE or pvc:CLAIM
    #[arg(long, value_name = "PLACE", help_heading = "Tuning by KAITO")]
    pub tune_output: Option<Place>,

    /// Secret with which an image is pushed
    #[arg(long, value_name = "SECRET", help_heading = "Tuning by KAITO")]
    pub tune_push_secret: Option<SecretName>,

    /// File with KAITO's training_config, to upload
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Tuning by KAITO")]
    pub tune_config: Option<PathBuf>,

    /// Virtual machine that KAITO makes to tune on
    #[arg(long, value_name = "TYPE", help_heading = "Tuning by KAITO")]
    pub instance_type: Option<String>,

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
            model: self.model.clone(),
            tune: self.tune,
            tune_input: list(&self.tune_input),
            tune_output: self.tune_output.clone(),
            tune_push_secret: self.tune_push_secret.clone(),
            tune_config: self.tune_config.clone(),
            instance_type: self.instance_type.clone(),
            ..self.workload.settings(local)?
        })
    }
}
