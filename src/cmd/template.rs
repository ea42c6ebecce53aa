//! `kaiwo template`.

use std::io::ErrorKind;

use crate::cli::{ContextCommand, EjectArgs, TemplateCommand};
use crate::error::{CommandError, ErrorClass};
use crate::plan::facts::Facts;
use crate::plan::request::WorkloadRequest;
use crate::render::context::TemplateContext;
use crate::render::templates;
use crate::ui::Ui;
use crate::workload::directory;
use crate::{plan, yaml};

use super::help::cannot_write;
use super::{request, serve, submit};

/// Does what is asked with a template.
pub fn run(command: &TemplateCommand, ui: Ui) -> Result<(), CommandError> {
    match command {
        TemplateCommand::Show(args) => ui
            .data(&templates::flattened(args.kind))
            .map_err(cannot_write),
        TemplateCommand::Eject(args) => eject(args, ui),
        TemplateCommand::Context(ContextCommand::Submit(args)) => {
            let typed = args.settings(|name| std::env::var(name).ok())?;
            let settings = request::settings(typed, args.workload.path.as_deref())?;
            context(submit::request(args, &settings, ui)?, ui)
        }
        TemplateCommand::Context(ContextCommand::Serve(args)) => {
            let typed = args.settings(|name| std::env::var(name).ok())?;
            let settings = request::settings(typed, args.workload.path.as_deref())?;
            context(serve::request(args, &settings, ui)?, ui)
        }
    }
}

fn eject(args: &EjectArgs, ui: Ui) -> Result<(), CommandError> {
    let kind = args.kind.kind;
    let file = args.directory.join(directory::TEMPLATE);
    match directory::write_new(&file, &templates::flattened(kind)) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let mut error = CommandError::new(
                ErrorClass::Refused,
                format!("{} exists already, and is left alone", file.display()),
            )
            .hint(format!(
                "compare with: kaiwo template show {} | diff {} -",
                kind.name().to_lowercase(),
                file.display()
            ));
            error.object = Some(file.display().to_string());
            return Err(error);
        }
        Err(error) => {
            let missing = error.kind() == ErrorKind::NotFound;
            let mut error = CommandError {
                class: ErrorClass::Refused,
                error: anyhow::Error::new(error)
                    .context(format!("cannot write {}", file.display())),
                notes: Vec::new(),
                hints: Vec::new(),
                object: Some(file.display().to_string()),
            };
            if missing {
                error = error.hint(format!("mkdir -p {}", args.directory.display()));
            }
            return Err(error);
        }
    }
    ui.status(format!(
        "{} written: the built-in template of a {}, which {} now uses",
        file.display(),
        kind.name(),
        kind.command(),
    ));
    Ok(())
}

/// Prints the context that a template would be rendered with, without asking
/// a cluster.
fn context(request: WorkloadRequest, ui: Ui) -> Result<(), CommandError> {
    let plan = plan::plan(request, &Facts::Assumed)?;
    let parts = plan.request.upload.parts();
    let context = TemplateContext::new(&plan, &parts, None);
    if !plan.assumptions.is_empty() {
        ui.status(format!("  assumed: {}", plan.assumptions.join(", ")));
    }
    // Plain data serialises; see `yaml::to_string` on what becomes of a bug.
    let value = serde_json::to_value(&context).unwrap_or_default();
    ui.data(&yaml::to_string(&value)).map_err(cannot_write)
}
