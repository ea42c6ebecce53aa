//! Flags of `kaiwo init`.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use crate::settings::ImageRef;

/// Flags of `kaiwo init`.
#[derive(Debug, Args)]
#[command(after_help = "\
Writes an entrypoint that installs requirements.txt, pyproject.toml or uv.lock,
and env, kaiwoconfig, .kaiwoignore and README.md beside it. On a terminal, kaiwo
asks for what no flag says. A file that exists is never overwritten: then
nothing is written.

Examples:
  kaiwo init train/                          a program to start from
  kaiwo init train/ -g 8 -- python train.py  for your own program
  kaiwo init hello/ --from hello             an example
  kaiwo init --list                          the examples")]
pub struct InitArgs {
    /// Workload directory, created if it is missing
    #[arg(value_name = "DIR", default_value = ".", value_hint = ValueHint::DirPath)]
    pub directory: PathBuf,

    /// Copy an example instead
    #[arg(long, value_name = "EXAMPLE", conflicts_with_all = ["gpus", "image", "claim", "command"])]
    pub from: Option<String>,

    /// List the examples
    #[arg(long, exclusive = true)]
    pub list: bool,

    /// GPUs in total [default: 1]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(i64).range(0..))]
    pub gpus: Option<i64>,

    /// Container image [default: the one of submit]
    #[arg(short, long)]
    pub image: Option<ImageRef>,

    /// PersistentVolumeClaim that keeps installed packages [default: /scratch]
    #[arg(long, value_name = "CLAIM")]
    pub claim: Option<String>,

    /// Command that the entrypoint runs [default: a program that is written]
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}
