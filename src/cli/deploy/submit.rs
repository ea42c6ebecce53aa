//! Flags of `kaiwo submit`.

use clap::Args;

use super::workload::{SubmissionArgs, WorkloadArgs};
use crate::settings::SettingArgs;

/// Flags of `kaiwo submit`.
#[derive(Debug, Args)]
#[command(after_help = "\
Everything in the directory appears in the containers at /workload, and its
entrypoint is executed there. The GPUs of -g are divided over as many pods as
the nodes need. The LocalQueue is created if the namespace has none.

Examples:
  kaiwo submit -p train/ -g 16 --ray       16 GPUs as a RayJob
  kaiwo submit -p train/ -g 16             two pods of 8, ready for torchrun
  kaiwo submit -i registry/image -g 8      the image's own entrypoint
  kaiwo submit -p train/ -- python eval.py instead of the entrypoint
  kaiwo submit -p prep/ --cpus 16 --memory 64Gi   without GPUs
  kaiwo submit -p train/ -g 1 --storage 50Gi --keep-storage --grace 5m
  kaiwo submit -p train/ -g 1 --sweep lr=1e-3,1e-4 --sweep seed=1..5
  kaiwo submit -p train/ -g 1 --array 0-99%10 -- python train.py {index}
  kaiwo submit -p embed/ -g 1 --schedule '0 3 * * *' --time-zone Europe/Berlin
  kaiwo submit -p train/ -g 8 -n team -q research --create-namespace
  kaiwo submit -m phi-4 --tune qlora --tune-input pvc:data \\
      --tune-output pvc:adapters --instance-type Standard_NC24ads_A100_v4
  kaiwo submit -p train/ -g 8 -d | kubectl apply --server-side -f -

Every flag can also be set in train/kaiwoconfig or ~/.config/kaiwo/config.yaml
(gpusPerNode: 8) or in a variable (KAIWO_GPUS_PER_NODE=8). Flags win, then
variables, then the directory's file, then the user's.")]
pub struct SubmitArgs {
    /// What is run.
    #[command(flatten)]
    pub workload: WorkloadArgs,

    /// The settings.
    #[command(flatten)]
    pub settings: SettingArgs<false>,

    /// How it is submitted.
    #[command(flatten)]
    pub submission: SubmissionArgs,
}
