//! Flags of everything that makes a workload, `kaiwo submit` and `kaiwo serve`, beside
//! the settings.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use crate::cli::ConnectionArgs;
use crate::settings::{Settings, SettingsError, pair};

/// What is run.
#[derive(Debug, Args)]
pub struct WorkloadArgs {
    /// Directory to run: entrypoint, env, kaiwoconfig, and files to upload; -p
    /// itself may be left out
    #[arg(short, long, value_name = "DIR", value_hint = ValueHint::DirPath, help_heading = "Workload")]
    pub path: Option<PathBuf>,

    /// Variable: K=V, or K for its local value; may be repeated
    #[arg(short, long, value_name = "K[=V]", help_heading = "Workload")]
    pub env: Vec<String>,

    /// Command to run instead of the entrypoint
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}

/// How it is submitted.
#[derive(Debug, Args)]
pub struct SubmissionArgs {
    /// With -o json: the manifests too, with the values of variables and the
    /// content of files
    #[arg(long, help_heading = "Submitting")]
    pub show_manifests: bool,

    /// Which cluster, and as whom.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}

impl WorkloadArgs {
    /// Adds the variables to the other settings that were typed. `local` knows those of
    /// this machine.
    ///
    /// # Errors
    /// [`SettingsError::LocalVariable`] if `--env K` names none of them.
    pub fn with_env(
        &self,
        typed: &Settings,
        local: impl Fn(&str) -> Option<String>,
    ) -> Result<Settings, SettingsError> {
        let mut typed = typed.clone();
        for text in &self.env {
            let (name, value) = match pair(text) {
                Ok(pair) => pair,
                Err(_) => {
                    let value =
                        local(text).ok_or_else(|| SettingsError::LocalVariable(text.clone()))?;
                    (text.clone(), value.into())
                }
            };
            typed.env.0.insert(name, value);
        }
        Ok(typed)
    }
}
