//! Turns a plan into manifests: Tera templates for the workload, plain data
//! for what goes with it. Pure: a function of the plan.

pub mod check;
pub mod context;
pub mod environment;
pub mod manifest;
pub mod support;
pub mod templates;

use std::path::Path;

use crate::error::{Classified, ErrorClass};
use crate::plan::Plan;
use crate::yaml;

use check::Finding;
use context::TemplateContext;
use manifest::{Manifest, ManifestSet};

/// A template that does not make manifests.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// Tera refuses the template or a value in it.
    #[error("{0}")]
    Template(tera::Error),
    /// What was rendered is not YAML.
    #[error("the template {template} made no valid YAML: {message}")]
    Yaml {
        /// Name of the template.
        template: String,
        /// What is wrong, with the line of the rendered text.
        message: String,
    },
    /// What was rendered is no object of Kubernetes.
    #[error("the template {template} made a document without {missing}")]
    NotAnObject {
        /// Name of the template.
        template: String,
        /// The field that is missing.
        missing: &'static str,
    },
    /// What was rendered is no object that Kubernetes takes.
    #[error(
        "the template {template} made a {object} that Kubernetes does not take:{}",
        lines(findings)
    )]
    Findings {
        /// Name of the template.
        template: String,
        /// `kind/name` of the object.
        object: String,
        /// What is wrong with it, at least one thing.
        findings: Vec<Finding>,
    },
    /// The workload is more than etcd takes.
    #[error("the {kind} itself is {size}, more than the API server stores (1.0 MiB)")]
    TooLarge {
        /// Kind of the workload.
        kind: String,
        /// Its size as JSON.
        size: crate::quantity::ByteSize,
    },
}

impl Classified for RenderError {
    fn class(&self) -> ErrorClass {
        ErrorClass::Refused
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::TooLarge { .. } => {
                vec!["give it fewer or shorter variables, and fewer files".to_owned()]
            }
            Self::Findings {
                object, findings, ..
            } => {
                let (kind, _) = object.split_once('/').unwrap_or((object, ""));
                let above = findings.first().map(Finding::fields_above);
                let fields = above.into_iter().flatten();
                let path: Vec<&str> = std::iter::once(kind).chain(fields).collect();
                vec![format!(
                    "the fields there: kubectl explain {}",
                    path.join(".")
                )]
            }
            _ => Vec::new(),
        }
    }

    fn object(&self) -> Option<String> {
        match self {
            Self::Findings { object, .. } => Some(object.clone()),
            _ => None,
        }
    }
}

/// Returns each finding on a line of its own.
fn lines(findings: &[Finding]) -> String {
    findings
        .iter()
        .map(|finding| format!("\n  {finding}"))
        .collect()
}

/// Most bytes of a rendered workload: etcd takes 1.5 MiB in one request, and
/// the controllers add to what was sent.
const LARGEST_WORKLOAD: usize = 1 << 20;

/// Renders everything that is submitted for `plan`, in the order in which it
/// is created. `submission` identifies this run; a dry run has none, so that
/// what it prints can be applied over what another run has made.
///
/// # Errors
/// [`RenderError`] if a template fails, or its result is no set of objects.
pub fn render(plan: &Plan, submission: Option<&str>) -> Result<ManifestSet, RenderError> {
    let parts = plan.request.upload.parts();
    let context = TemplateContext::new(plan, &parts, submission);
    let template = templates::name_of(plan.request.kind);
    let text = templates::render(template, &context).map_err(RenderError::Template)?;
    let documents =
        yaml::parse_documents(Path::new(template), &text).map_err(|error| RenderError::Yaml {
            template: template.to_owned(),
            message: format!("line {}: {}", error.line, error.message),
        })?;
    let mut companions = Vec::new();
    let mut workload = None;
    for document in documents {
        let manifest = Manifest::new(document).map_err(|missing| RenderError::NotAnObject {
            template: template.to_owned(),
            missing,
        })?;
        let findings = check::check(manifest.value());
        if !findings.is_empty() {
            return Err(RenderError::Findings {
                template: template.to_owned(),
                object: manifest.display_name(),
                findings,
            });
        }
        if manifest.kind() == plan.request.kind.name() {
            workload = Some(manifest);
        } else {
            companions.push(manifest);
        }
    }
    let workload = workload.ok_or(RenderError::NotAnObject {
        template: template.to_owned(),
        missing: "the workload",
    })?;
    let size = workload.to_json().len();
    if size > LARGEST_WORKLOAD {
        let size = crate::quantity::ByteSize(size as u64);
        return Err(RenderError::TooLarge {
            kind: workload.kind().to_owned(),
            size,
        });
    }
    Ok(ManifestSet {
        namespace: plan.new_namespace.then(|| support::namespace(plan)),
        local_queue: plan
            .new_local_queue
            .as_ref()
            .map(|queue| support::local_queue(plan, queue, submission)),
        uploads: support::uploads(plan, &parts, submission),
        companions,
        workload,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_told_one_by_one_with_a_way_to_the_fields() {
        let document = serde_json::json!({
            "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "a"},
            "spec": {"backoffLimit": "3", "template": {"spec": {"containers": [
                {"name": "main", "imagee": "python"}]}}},
        });
        let error = RenderError::Findings {
            template: "template".to_owned(),
            object: "job/a".to_owned(),
            findings: check::check(&document),
        };
        assert_eq!(
            error.to_string(),
            "the template template made a job/a that Kubernetes does not take:\n\
             \x20 spec.backoffLimit: \"3\" is a string, an integer is expected\n\
             \x20 spec.template.spec.containers[0].imagee: unknown field; did you mean image?"
        );
        assert_eq!(error.class(), ErrorClass::Refused);
        assert_eq!(
            error.hints(),
            ["the fields there: kubectl explain job.spec"]
        );
    }
}
