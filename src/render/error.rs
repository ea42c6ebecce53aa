//! Errors in a template, and in what it makes.

use std::path::Path;

use super::check::Finding;
use super::go_template::GoLine;
use super::quoting::Glued;
use crate::error::{Classified, ErrorClass};
use crate::names::with_article;
use crate::quantity::ByteSize;
use crate::secrecy::message;
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
    /// The template is written for the original kaiwo.
    #[error(
        "{file} is a Go template, and kaiwo reads Tera; write instead:{}",
        go_lines(lines)
    )]
    GoSyntax {
        /// Name of the template.
        file: String,
        /// Its lines, and what to write instead.
        lines: Vec<GoLine>,
    },
    /// The template puts a text into the middle of another.
    #[error(
        "{file} puts quotes or text around values, which are quoted already; write instead:{}",
        glued_lines(glued)
    )]
    Glued {
        /// Name of the template.
        file: String,
        /// The places, and what to write instead.
        glued: Vec<Glued>,
    },
    /// What was rendered is not YAML.
    #[error("{template} made no valid YAML: {message}\n{snippet}")]
    Yaml {
        /// Name of the template.
        template: String,
        /// What is wrong.
        message: String,
        /// The lines of the result around the mistake.
        snippet: String,
    },
    /// A document is not what a workload can consist of.
    #[error("{template} made {what}")]
    Document {
        /// Name of the template.
        template: String,
        /// The document, and what is wrong with it.
        what: String,
        /// What to write instead.
        hint: String,
    },
    /// What was rendered is no object that Kubernetes takes.
    #[error(
        "{template} made {} that Kubernetes does not take:{}",
        with_article(object),
        finding_lines(findings)
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
        size: ByteSize,
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
            Self::Document { hint, .. } => vec![hint.clone()],
            Self::Template { .. } => vec![
                "put `template context` before submit, and kaiwo prints every name a template may use"
                    .to_owned(),
            ],
            Self::GoSyntax { .. } => vec![
                "docs/templates.md lists the names and functions of the original, and theirs here".to_owned(),
            ],
            _ => Vec::new(),
        }
    }

    fn object(&self) -> Option<String> {
        let line = |file: &str, line: usize| Some(place(Path::new(file), line as u64));
        match self {
            Self::Template { file, line, .. } => Some(place(Path::new(file), *line)),
            Self::GoSyntax { file, lines } => line(file, lines.first()?.line),
            Self::Glued { file, glued } => line(file, glued.first()?.line),
            Self::Yaml { template, .. } | Self::Document { template, .. } => Some(template.clone()),
            Self::Findings { object, .. } => Some(object.clone()),
            Self::Tera { .. } | Self::TooLarge { .. } => None,
        }
    }
}

fn finding_lines(findings: &[Finding]) -> String {
    findings
        .iter()
        .map(|finding| format!("\n  {finding}"))
        .collect()
}

fn go_lines(lines: &[GoLine]) -> String {
    let unknown = "(nothing does the same; see docs/templates.md)";
    let rows = lines.iter().map(|found| {
        let instead = found.instead.as_deref().unwrap_or(unknown);
        (found.line, found.written.as_str(), instead)
    });
    in_columns(rows)
}

fn glued_lines(glued: &[Glued]) -> String {
    let rows = glued
        .iter()
        .map(|found| (found.line, found.written.as_str(), found.instead.as_str()));
    in_columns(rows)
}

/// Sets lines out below one another: number, what is written, what to write.
fn in_columns<'a>(rows: impl Iterator<Item = (usize, &'a str, &'a str)> + Clone) -> String {
    const WIDEST: usize = 44;
    let width = rows
        .clone()
        .map(|(_, written, _)| written.chars().count())
        .filter(|width| *width <= WIDEST)
        .max()
        .unwrap_or(0);
    rows.map(|(line, written, instead)| {
        let (written, instead) = (message(written), message(instead));
        format!("\n  line {line}: {written:<width$}  →  {instead}")
    })
    .collect()
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
            "template made a job/a that Kubernetes does not take:\n\
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
