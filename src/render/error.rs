//! Errors in a template, and in what it makes.

use std::path::Path;

use super::check::Mismatch;
use super::go_template::GoAction;
use super::quoting::Glued;
use crate::error::{Classified, ErrorClass};
use crate::names::with_article;
use crate::quantity::ByteSize;
use crate::secrecy::message;
use crate::suggestion::{Suggestion, kubectl};
use crate::workload::sizes;
use crate::yaml::place;

/// A template that does not make manifests.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// Tera refuses the template or a value in it.
    #[error("{}: {message}\n{snippet}", place(Path::new(file), *line))]
    Template {
        /// Name of the template.
        file: String,
        /// The line, from 1.
        line: u64,
        /// What is wrong.
        message: String,
        /// The line itself, with the place marked.
        snippet: String,
    },
    /// Tera refuses something that has no place in a template.
    #[error("{message}")]
    Tera {
        /// What is wrong.
        message: String,
    },
    /// The template takes more than a template needs.
    #[error("{file} {takes}, the limit for a template")]
    Unbounded {
        /// Name of the template.
        file: String,
        /// What it takes: `makes more than 8.0 MiB`.
        takes: String,
    },
    /// The template is written for the original kaiwo.
    #[error("{file} is a Go template, but kaiwo uses Tera:{}", go_actions(actions))]
    GoSyntax {
        /// Name of the template.
        file: String,
        actions: Vec<GoAction>,
    },
    /// The template puts a text into the middle of another.
    #[error(
        "{file} adds quotes or text to values that are already quoted; write instead:{}",
        glued_lines(glued)
    )]
    Glued {
        /// Name of the template.
        file: String,
        /// The places, and what to write instead.
        glued: Vec<Glued>,
    },
    /// What was rendered is not YAML.
    #[error("{template} produced invalid YAML: {message}\n{snippet}")]
    Yaml {
        /// Name of the template.
        template: String,
        /// What is wrong.
        message: String,
        /// The lines of the result around the mistake.
        snippet: String,
    },
    /// A document is not what a workload can consist of.
    #[error("{template} produced {what}")]
    Document {
        /// Name of the template.
        template: String,
        /// The document, and what is wrong with it.
        what: String,
        /// What to write instead.
        hint: Suggestion,
    },
    /// What was rendered is no object that Kubernetes takes.
    #[error(
        "{template} produced {} that Kubernetes rejects:{}",
        with_article(object),
        finding_lines(findings)
    )]
    Findings {
        /// Name of the template.
        template: String,
        /// `kind/name` of the object.
        object: String,
        /// What is wrong with it, at least one thing.
        findings: Vec<Mismatch>,
    },
    /// A template does not complete what is larger than a ConfigMap.
    #[error(
        "{template} does not join the pieces of {}: a ConfigMap holds at most 976 KiB of a file",
        sizes(files)
    )]
    Unjoined {
        /// Name of the template.
        template: String,
        /// The files, with their sizes.
        files: Vec<(String, ByteSize)>,
    },
    /// A template does not take the files that travel inside of the workload.
    #[error(
        "{template} does not unpack the files: the queue sends workloads to other clusters (MultiKueue), where only the pods' annotation kaiwo-cli/files has them"
    )]
    Unpacked {
        /// Name of the template.
        template: String,
    },
    /// The workload is more than etcd takes.
    #[error("the {kind} itself is {size}, more than the API server accepts (1.0 MiB)")]
    TooLarge {
        /// Kind of the workload.
        kind: String,
        /// Its size as JSON.
        size: ByteSize,
    },
}

impl Classified for RenderError {
    fn class(&self) -> ErrorClass {
        ErrorClass::Refused
    }

    fn hints(&self) -> Vec<Suggestion> {
        match self {
            Self::TooLarge { .. } => {
                vec!["use fewer or shorter variables, and fewer files".into()]
            }
            Self::Unbounded { .. } => {
                vec!["look for loops in loops, and for variables that grow in them".into()]
            }
            Self::Findings {
                object, findings, ..
            } => {
                let (kind, _) = object.split_once('/').unwrap_or((object, ""));
                let above = findings.first().map(Mismatch::fields_above);
                let fields = above.into_iter().flatten();
                let path: Vec<&str> = std::iter::once(kind).chain(fields).collect();
                vec![kubectl("explain {}", &[&path.join(".")]).to("list its fields")]
            }
            Self::Document { hint, .. } => vec![hint.clone()],
            Self::Unjoined { .. } => vec![
                "run copy_uploads.sh.tera before the program, as docs/templates.md shows".into(),
                "or put them into the image or a claim (--volume), or download them at startup"
                    .into(),
            ],
            Self::Unpacked { .. } => vec![
                "set the annotations of Meta.PodAnnotations, include volumes.yaml.tera and working_dir_volumes.yaml.tera, and run copy_uploads.sh.tera before the program, as docs/templates.md shows".into(),
                "or choose a queue of this cluster with -q".into(),
            ],
            Self::Template { .. } => vec![
                "print every name that a template can use: put `template context` before submit"
                    .into(),
            ],
            Self::GoSyntax { .. } => {
                vec!["see docs/templates.md for the Tera equivalent of each".into()]
            }
            _ => Vec::new(),
        }
    }

    fn object(&self) -> Option<String> {
        let line = |file: &str, line: usize| Some(place(Path::new(file), line as u64));
        match self {
            Self::Template { file, line, .. } => Some(place(Path::new(file), *line)),
            Self::GoSyntax { file, actions } => line(file, actions.first()?.line),
            Self::Glued { file, glued } => line(file, glued.first()?.line),
            Self::Yaml { template, .. }
            | Self::Document { template, .. }
            | Self::Unpacked { template }
            | Self::Unjoined { template, .. } => Some(template.clone()),
            Self::Findings { object, .. } => Some(object.clone()),
            Self::Unbounded { file, .. } => Some(file.clone()),
            Self::Tera { .. } | Self::TooLarge { .. } => None,
        }
    }
}

fn finding_lines(findings: &[Mismatch]) -> String {
    findings
        .iter()
        .map(|finding| format!("\n  {finding}"))
        .collect()
}

fn go_actions(actions: &[GoAction]) -> String {
    let actions = actions.iter().map(|found| {
        let GoAction { line, column, .. } = found;
        format!("\n  {line}:{column}: {}", message(&found.written))
    });
    actions.collect()
}

/// Sets lines out below one another: number, what is written, what to write.
fn glued_lines(glued: &[Glued]) -> String {
    const WIDEST: usize = 44;
    let widths = glued.iter().map(|found| found.written.chars().count());
    let width = widths.filter(|width| *width <= WIDEST).max().unwrap_or(0);
    let lines = glued.iter().map(|found| {
        let (written, instead) = (message(&found.written), message(&found.instead));
        let line = found.line;
        format!("\n  line {line}: {written:<width$}  →  {instead}")
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::check;

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
            "template produced a job/a that Kubernetes rejects:\n\x20 spec.backoffLimit: \"3\" is a string, expected an integer\n\x20 spec.template.spec.containers[0].imagee: unknown field; did you mean image?"
        );
        assert_eq!(error.class(), ErrorClass::Refused);
        assert_eq!(error.hints(), ["list its fields: kubectl explain job.spec"]);
    }
}
