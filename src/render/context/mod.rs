//! The context that templates see. The names are those of the original kaiwo's
//! Go context, so that a template ports by dropping dots and verbs; what is new
//! follows the same style. Each part is derived from the plan in its own file.

mod meta;
mod scheduling;
mod workload;
mod workload_meta;

use serde::Serialize;

use super::environment::env_vars;
use super::mount_paths::WORKLOAD_DIRECTORY;
use crate::kind::WorkloadKind;
use crate::plan::Plan;
use crate::workload::template_values::CustomConfig;
use crate::workload::upload::UploadPart;
use meta::Meta;
use scheduling::Scheduling;
use workload::TemplateWorkload;
use workload_meta::WorkloadMeta;

/// Where the files of a service appear: below a directory on Python's path, so
/// that they are the module `app`.
const SERVICE_DIRECTORY: &str = "/workload/app";

/// Returns where the files of a workload appear.
pub fn directory(kind: WorkloadKind) -> &'static str {
    match kind.is_batch() {
        true => WORKLOAD_DIRECTORY,
        false => SERVICE_DIRECTORY,
    }
}

/// The whole context of a template.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct TemplateContext<'a> {
    /// Names, labels, image, variables, volumes.
    pub meta: Meta,
    /// GPUs and what pods request.
    pub scheduling: Scheduling,
    /// What runs.
    pub workload: TemplateWorkload,
    /// The queue.
    pub workload_meta: WorkloadMeta,
    /// What the user gave with `--custom-config` and `--set`.
    pub custom: &'a CustomConfig,
}

impl<'a> TemplateContext<'a> {
    /// Derives the context from a plan and the parts of its upload. `submission`
    /// identifies this run.
    pub fn new(plan: &'a Plan, parts: &[UploadPart<'_>], submission: Option<&str>) -> Self {
        let variables = env_vars(plan);
        Self {
            scheduling: Scheduling::new(plan),
            workload: TemplateWorkload::new(plan, &variables),
            meta: Meta::new(plan, parts, submission, variables),
            workload_meta: WorkloadMeta::new(plan),
            custom: &plan.request.custom,
        }
    }
}
