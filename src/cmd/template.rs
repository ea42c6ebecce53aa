//! `kaiwo template`.

use std::io::ErrorKind;

use serde::Serialize;

use crate::cli::{ContextCommand, EjectArgs, TemplateCommand};
use crate::error::{CommandError, ErrorClass};
use crate::names::with_article;
use crate::plan;
use crate::plan::facts::Facts;
use crate::plan::request::WorkloadRequest;
use crate::render::context::TemplateContext;
use crate::render::templates;
use crate::settings::Format;
use crate::shell;
use crate::suggestion::kaiwo;
use crate::ui::Ui;
use crate::ui::document::document;
use crate::ui::report::API_VERSION;
use crate::workload::directory;

use super::deploy::{serve, submit};
use super::help::cannot_write;

/// What a template may use, for programs.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ContextReport<'a> {
    api_version: &'static str,
    kind: &'static str,
    #[cfg_attr(test, schemars(with = "serde_json::Map<String, serde_json::Value>"))]
    context: &'a TemplateContext<'a>,
}

/// Does what is asked with a template. `output` becomes what the settings say
/// about the form of data, as soon as they are known.
pub fn run(
    command: &TemplateCommand,
    ui: Ui,
    output: &mut Option<Format>,
) -> Result<(), CommandError> {
    match command {
        TemplateCommand::Show(args) => ui
            .data(&templates::flattened(args.kind))
            .map_err(cannot_write),
        TemplateCommand::Eject(args) => eject(args, ui),
        TemplateCommand::Context(ContextCommand::Submit(args)) => {
            let settings = submit::settings(args)?;
            *output = settings.output.as_ref().map(|output| output.value);
            context(submit::request(args, &settings, ui)?, ui, *output)
        }
        TemplateCommand::Context(ContextCommand::Serve(args)) => {
            let settings = serve::settings(args)?;
            *output = settings.output.as_ref().map(|output| output.value);
            context(serve::request(args, &settings, ui)?, ui, *output)
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
                format!("{} already exists and was not overwritten", file.display()),
            )
            .hint(match file.is_file() {
                true => kaiwo("template show {}", &[&kind.word()])
                    .raw(format!(
                        "| diff {} -",
                        shell::quoted(&file.display().to_string())
                    ))
                    .to("compare them"),
                false => kaiwo("template show {}", &[&kind.word()])
                    .raw("> FILE")
                    .to("it is not a file; choose another path"),
            });
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
                error = error.hint(format!(
                    "mkdir -p {}",
                    shell::quoted(&args.directory.display().to_string())
                ));
            }
            return Err(error);
        }
    }
    ui.status(format!(
        "{} written: the built-in template of {}, used by {}",
        file.display(),
        with_article(kind.name()),
        kind.command(),
    ));
    Ok(())
}

/// Prints the context that a template would be rendered with, without asking
/// a cluster: as JSON if that is asked for, else as YAML.
fn context(request: WorkloadRequest, ui: Ui, output: Option<Format>) -> Result<(), CommandError> {
    let plan = plan::plan(request, &Facts::Assumed)?;
    let parts = plan.request.upload.parts();
    let context = TemplateContext::new(&plan, &parts, None);
    if !plan.assumptions.is_empty() {
        ui.status(format!("  assumed: {}", plan.assumptions.join(", ")));
    }
    let text = match output {
        // As a template sees it.
        None | Some(Format::Yaml) => document(&context, Some(Format::Yaml)),
        _ => document(
            &ContextReport {
                api_version: API_VERSION,
                kind: "TemplateContext",
                context: &context,
            },
            output,
        ),
    };
    ui.data(&text.unwrap_or_default()).map_err(cannot_write)
}

#[cfg(test)]
crate::schema::testing::report_schemas!(ContextReport<'static> => "TemplateContext");
