//! Turns a plan into manifests: Tera templates for the workload, plain data
//! for what goes with it. Pure: a function of the plan.

mod array;
pub mod check;
pub mod concatenation;
pub mod context;
pub mod documents;
pub mod environment;
mod error;
pub mod go_template;
pub mod manifest;
mod mount_paths;
pub mod pod_references;
pub mod preload;
pub mod quoting;
mod raw_block;
pub mod support;
pub mod templates;
pub mod trial;

pub use error::RenderError;

use crate::api::keys;
use crate::plan::Plan;
use crate::workload::upload::JOIN;

use context::TemplateContext;
use documents::Documents;
use manifest::ManifestSet;

/// Renders everything that is submitted for `plan`, in the order in which it
/// is created. `submission` identifies this run; a dry run has none, so that
/// what it prints can be applied over what another run has made.
///
/// # Errors
/// [`RenderError`] if a template fails, or its result is no set of objects.
pub fn render(plan: &Plan, submission: Option<&str>) -> Result<ManifestSet, RenderError> {
    let request = &plan.request;
    let parts = match plan.packed {
        Some(_) => Vec::new(),
        None => request.upload.parts(),
    };
    let context = TemplateContext::new(plan, &parts, submission);
    let rendered = templates::render(request.kind, request.template.as_ref(), &context)?;
    let Documents {
        companions,
        workload,
    } = Documents::adopt(rendered, request.kind, &context)?;
    if let Some(template) = &request.template
        && context.meta.uploads_packed
        && !reads_files(workload.value())
    {
        return Err(RenderError::Unpacked {
            template: template.file.display().to_string(),
        });
    }
    if let Some(template) = &request.template
        && context.meta.uploads_in_pieces
        && !workload.value().to_string().contains(&format!("/{JOIN}"))
    {
        return Err(RenderError::Unjoined {
            template: template.file.display().to_string(),
            files: request.upload.in_pieces(),
        });
    }
    Ok(ManifestSet {
        namespace: plan.new_namespace.then(|| support::namespace(plan)),
        local_queue: plan
            .new_local_queue
            .as_ref()
            .map(|queue| support::local_queue(plan, queue, submission)),
        kept_claim: support::kept_claim(plan, submission),
        uploads: support::uploads(plan, &parts, submission),
        companions,
        records: Vec::new(),
        workload,
    })
}

/// Returns whether the pods have the files that travel with them, and a volume that shows
/// these.
fn reads_files(workload: &serde_json::Value) -> bool {
    let text = workload.to_string();
    let annotation = format!("\"{}\":", keys::FILES_ANNOTATION);
    let volume = format!("metadata.annotations['{}']", keys::FILES_ANNOTATION);
    text.contains(&annotation) && text.contains(&volume)
}
