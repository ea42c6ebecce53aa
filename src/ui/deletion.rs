//! Reports deletions.

use serde::Serialize;

use super::report::{API_VERSION, ErrorReport};
use crate::api::workload::Workload;
use crate::error::CommandError;
use crate::names::counted;
use crate::observe::kind;
use crate::observe::snapshot::WorkloadContext;
use crate::suggestion::Connection;

/// A workload that is to go, as it is told.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Item {
    /// What became of it.
    pub outcome: DeletionOutcome,
    /// `kind/name`, or what was asked for.
    pub object: String,
    /// `kind/name` of what goes with it.
    pub with: Vec<String>,
    /// `kind/name` of what was made for it and stays.
    pub kept: Vec<String>,
    /// Why it is not gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorReport>,
}

/// What became of a workload.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum DeletionOutcome {
    /// It and its pods are gone.
    Deleted,
    /// It is being deleted.
    Deleting,
    /// It was not there.
    NotFound,
    /// It would have been deleted: a dry run.
    DryRun,
    /// It could not be deleted.
    Failed,
}

/// What was deleted, for programs.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeleteReport<'a> {
    api_version: &'static str,
    kind: &'static str,
    context: &'a str,
    namespace: &'a str,
    workloads: &'a [Item],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

impl<'a> DeleteReport<'a> {
    /// Reports what was deleted, with what the API server has warned of.
    pub fn new(
        context: &'a str,
        namespace: &'a str,
        workloads: &'a [Item],
        warnings: Vec<String>,
    ) -> Self {
        Self {
            api_version: API_VERSION,
            kind: "DeleteReport",
            context,
            namespace,
            workloads,
            warnings,
        }
    }
}

impl Item {
    /// Reports what could not be deleted.
    pub fn failed(object: String, error: &CommandError, connection: &Connection) -> Self {
        Self {
            outcome: DeletionOutcome::Failed,
            object,
            with: Vec::new(),
            kept: Vec::new(),
            error: Some(ErrorReport::new(error, connection)),
        }
    }
}

/// Returns the lines that say what is about to go: the workload and how it
/// stands, then what goes with it and what stays.
pub fn lines(
    workload: &Workload,
    with: &[String],
    kept: &[String],
    has_scratch_claims: bool,
) -> Vec<String> {
    let standing = kind::standing(workload, &WorkloadContext::default());
    let mut about = vec![standing.status.name().to_owned()];
    let gpus = workload.gpus().filter(|gpus| *gpus > 0);
    about.extend(gpus.map(|gpus| counted(gpus, "GPU")));
    about.extend(workload.user().map(|user| format!("of {user}")));
    let mut lines = vec![format!(
        "  {}: {}",
        workload.display_name(),
        about.join(", ")
    )];
    let mut parts = parts(with);
    if has_scratch_claims {
        parts.push("its /scratch claims with their data".to_owned());
    }
    if !parts.is_empty() {
        lines.push(format!("    with {}", parts.join(", ")));
    }
    if !kept.is_empty() {
        lines.push(format!("    without {}", kept.join(", ")));
    }
    lines
}

/// Returns the lines about what runs have left under a name that no workload
/// has.
pub fn lines_of_leftovers(name: &str, left: &[String]) -> Vec<String> {
    vec![
        format!("  {name}: no workload, only leftovers of an interrupted run"),
        format!("    {}", parts(left).join(", ")),
    ]
}

/// Returns the lines about a claim that is kept for a name that no workload has.
pub fn lines_of_storage(name: &str, claim: &str) -> Vec<String> {
    vec![
        format!("  {name}: no workload, only its storage"),
        format!("    {claim} with its data"),
    ]
}

/// Names objects, uploads by their number.
fn parts(names: &[String]) -> Vec<String> {
    let uploads = names
        .iter()
        .filter(|name| name.starts_with("configmap/"))
        .count();
    let others = names.iter().filter(|name| !name.starts_with("configmap/"));
    let mut parts: Vec<String> = others.cloned().collect();
    parts.extend((uploads > 0).then(|| counted(uploads, "upload")));
    parts
}

#[cfg(test)]
crate::schema::testing::report_schemas!(DeleteReport<'static> => "DeleteReport");
