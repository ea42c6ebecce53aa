//! Flags of `kaiwo template`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{ServeArgs, SubmitArgs};
use crate::kind::WorkloadKind;

/// What is done with templates.
#[derive(Debug, Subcommand)]
pub enum TemplateCommand {
    /// Print the built-in template of a kind
    #[command(after_help = "\
Examples:
  kaiwo template show job
  kaiwo template show rayjob > train/template")]
    Show(TemplateKindArgs),
    /// Write the built-in template of a kind into a directory, to change it
    Eject(EjectArgs),
    /// Print everything a template can use, with its values
    #[command(subcommand)]
    Context(ContextCommand),
}

/// The kind of a template.
#[derive(Debug, Args)]
pub struct TemplateKindArgs {
    /// Kinds of templates.
    #[arg(
        help = words(),
        value_parser = kind,
    )]
    pub kind: WorkloadKind,
}

/// Flags of `kaiwo template eject`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kaiwo template eject job train/     writes train/template
  kaiwo submit -p train/ -g 8 -d      shows the result

An existing file is not overwritten.")]
pub struct EjectArgs {
    /// The kind of the template.
    #[command(flatten)]
    pub kind: TemplateKindArgs,

    /// Workload directory
    #[arg(value_name = "DIR", default_value = ".")]
    pub directory: PathBuf,
}

/// The command whose template is asked about.
#[derive(Debug, Subcommand)]
pub enum ContextCommand {
    /// For kaiwo submit, with its flags
    Submit(Box<SubmitArgs>),
    /// For kaiwo serve, with its flags
    Serve(Box<ServeArgs>),
}

/// Returns the kinds that have a template.
fn kinds() -> impl Iterator<Item = WorkloadKind> {
    let kinds = WorkloadKind::ALL.into_iter();
    kinds.filter(|kind| kind.is_created())
}

fn words() -> String {
    kinds()
        .map(WorkloadKind::word)
        .collect::<Vec<_>>()
        .join(", ")
}

fn kind(word: &str) -> Result<WorkloadKind, String> {
    let mut kinds = kinds();
    kinds
        .find(|kind| kind.name().eq_ignore_ascii_case(word))
        .ok_or_else(|| format!("expected one of: {}", words()))
}
