//! `kaiwo submit`.

use crate::cli::SubmitArgs;
use crate::error::CommandError;
use crate::plan::facts::Facts;
use crate::plan::request::WorkloadRequest;
use crate::plan::{self, Plan};
use crate::render;
use crate::render::manifest::ManifestSet;
use crate::settings::{DryRun, OutputFormat};
use crate::ui::Ui;
use crate::ui::report::{self, ErrorReport, Outcome, SubmitReport};

use super::help::cannot_write;
use super::request;

/// Submits what `args` ask for.
pub fn run(args: &SubmitArgs, ui: Ui) -> Result<(), CommandError> {
    let mut output = args.output;
    let result = request::settings(args).and_then(|settings| {
        output = settings.output.as_ref().map(|output| output.value);
        let dry_run = settings
            .dry_run
            .as_ref()
            .map_or(DryRun::None, |dry_run| dry_run.value);
        let request = request::request(args, &settings, ui)?;
        match dry_run {
            DryRun::Client => rehearse(request, output, ui),
            DryRun::Server | DryRun::None => Ok(()),
        }
    });
    if let (Err(error), Some(OutputFormat::Json)) = (&result, output) {
        ui.data(&report::json(&ErrorReport::new(error)))
            .map_err(cannot_write)?;
    }
    result
}

/// Renders without any connection.
fn rehearse(
    request: WorkloadRequest,
    output: Option<OutputFormat>,
    ui: Ui,
) -> Result<(), CommandError> {
    let plan = plan::plan(request, &Facts::Assumed)?;
    let manifests = render::render(&plan, "dry-run")?;
    ui.status(format!(
        "→ dry run without a cluster, namespace {}, queue {}",
        plan.request.namespace, plan.local_queue
    ));
    ui.status(format!("  {}", report::forecast(&plan)));
    if !plan.assumptions.is_empty() {
        ui.status(format!("  assumed: {}", plan.assumptions.join(", ")));
    }
    print(
        output.or(Some(OutputFormat::Yaml)),
        Outcome::DryRun,
        DryRun::Client,
        None,
        &plan,
        &manifests,
        ui,
    )
}

/// Writes the data of a submission to stdout, in the form that was asked for.
fn print(
    output: Option<OutputFormat>,
    outcome: Outcome,
    dry_run: DryRun,
    context: Option<&str>,
    plan: &Plan,
    manifests: &ManifestSet,
    ui: Ui,
) -> Result<(), CommandError> {
    let text = match output {
        None => return Ok(()),
        Some(OutputFormat::Yaml) => manifests.to_yaml(),
        Some(OutputFormat::Json) => report::json(&SubmitReport::new(
            outcome, dry_run, context, plan, manifests,
        )),
        Some(OutputFormat::Name) => manifests
            .iter()
            .map(|manifest| manifest.qualified_name() + "\n")
            .collect(),
    };
    ui.data(&text).map_err(cannot_write)
}
