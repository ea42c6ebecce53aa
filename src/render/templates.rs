//! The built-in templates and the user's own, and Tera set up so that no value can change the
//! structure of a document.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use tera::{Context, ErrorKind, Kwargs, State, Tera, Value};

use super::context::TemplateContext;
use super::quoting::{self, Glued};
use super::{RenderError, concatenation, go_template};
use crate::kind::WorkloadKind;
use crate::quantity::ByteSize;
use crate::secrecy;
use crate::workload::template_values::CustomTemplate;
use crate::yaml;

/// Templates that are included in others come first, because Tera checks
/// that what is included exists.
const TEMPLATES: [(&str, &str); 33] = [
    (
        "queue_labels.yaml.tera",
        include_str!("../../templates/queue_labels.yaml.tera"),
    ),
    (
        "metadata.yaml.tera",
        include_str!("../../templates/metadata.yaml.tera"),
    ),
    (
        "environment.yaml.tera",
        include_str!("../../templates/environment.yaml.tera"),
    ),
    (
        "other_mounts.yaml.tera",
        include_str!("../../templates/other_mounts.yaml.tera"),
    ),
    (
        "volume_mounts.yaml.tera",
        include_str!("../../templates/volume_mounts.yaml.tera"),
    ),
    (
        "volumes.yaml.tera",
        include_str!("../../templates/volumes.yaml.tera"),
    ),
    (
        "working_dir_mounts.yaml.tera",
        include_str!("../../templates/working_dir_mounts.yaml.tera"),
    ),
    (
        "working_dir_volumes.yaml.tera",
        include_str!("../../templates/working_dir_volumes.yaml.tera"),
    ),
    (
        "attempt.sh.tera",
        include_str!("../../templates/attempt.sh.tera"),
    ),
    ("stop.sh.tera", include_str!("../../templates/stop.sh.tera")),
    ("hold.sh.tera", include_str!("../../templates/hold.sh.tera")),
    (
        "copy_uploads.sh.tera",
        include_str!("../../templates/copy_uploads.sh.tera"),
    ),
    (
        "pod_identity.yaml.tera",
        include_str!("../../templates/pod_identity.yaml.tera"),
    ),
    (
        "every_pod.yaml.tera",
        include_str!("../../templates/every_pod.yaml.tera"),
    ),
    (
        "pod.yaml.tera",
        include_str!("../../templates/pod.yaml.tera"),
    ),
    (
        "pod_metadata.yaml.tera",
        include_str!("../../templates/pod_metadata.yaml.tera"),
    ),
    (
        "components.tera",
        include_str!("../../templates/components.tera"),
    ),
    (
        "companion_metadata.yaml.tera",
        include_str!("../../templates/companion_metadata.yaml.tera"),
    ),
    (
        "service.yaml.tera",
        include_str!("../../templates/service.yaml.tera"),
    ),
    (
        "preload.yaml.tera",
        include_str!("../../templates/preload.yaml.tera"),
    ),
    (
        "workload_pod.yaml.tera",
        include_str!("../../templates/workload_pod.yaml.tera"),
    ),
    (
        "ray_command.yaml.tera",
        include_str!("../../templates/ray_command.yaml.tera"),
    ),
    (
        "ray_log.yaml.tera",
        include_str!("../../templates/ray_log.yaml.tera"),
    ),
    (
        "ray_cluster.yaml.tera",
        include_str!("../../templates/ray_cluster.yaml.tera"),
    ),
    (
        "job_spec.yaml.tera",
        include_str!("../../templates/job_spec.yaml.tera"),
    ),
    (
        "cronjob.yaml.tera",
        include_str!("../../templates/cronjob.yaml.tera"),
    ),
    (
        "job.yaml.tera",
        include_str!("../../templates/job.yaml.tera"),
    ),
    (
        "rayjob.yaml.tera",
        include_str!("../../templates/rayjob.yaml.tera"),
    ),
    (
        "deployment.yaml.tera",
        include_str!("../../templates/deployment.yaml.tera"),
    ),
    (
        "rayservice.yaml.tera",
        include_str!("../../templates/rayservice.yaml.tera"),
    ),
    (
        "kaito_preset.yaml.tera",
        include_str!("../../templates/kaito_preset.yaml.tera"),
    ),
    (
        "inferenceset.yaml.tera",
        include_str!("../../templates/inferenceset.yaml.tera"),
    ),
    (
        "workspace.yaml.tera",
        include_str!("../../templates/workspace.yaml.tera"),
    ),
];

/// Returns the built-in template of a kind in one piece, with what it includes
/// in place.
pub fn flattened(kind: WorkloadKind) -> String {
    inlined(kind.descriptor().template).join("\n") + "\n"
}

/// Returns the lines of a built-in template. A line of a template includes at
/// most one other, alone or through the filter that indents it.
fn inlined(name: &str) -> Vec<String> {
    let text = TEMPLATES
        .into_iter()
        .find(|(known, _)| *known == name)
        .map_or("", |(_, text)| text);
    let mut lines = Vec::new();
    for line in text.lines() {
        let Some((before, after)) = line.split_once("{% include \"") else {
            lines.push(line.to_owned());
            continue;
        };
        let (included, after) = after.split_once("\" %}").unwrap_or((after, ""));
        let indentation = " ".repeat(before.len() - before.trim_start().len());
        let mut body = inlined(included);
        // What a template says about itself belongs to its own file.
        let comment = body.iter().position(|line| line.ends_with("-#}"));
        if body.first().is_some_and(|line| line.starts_with("{#-")) {
            body.drain(..comment.map_or(0, |end| end + 1));
        }
        // The text around it, but for the filter that indents.
        if let Some(first) = body.first_mut().filter(|_| !before.contains("{% filter")) {
            first.insert_str(0, before.trim_start());
        }
        if let Some(last) = body.last_mut() {
            last.push_str(after.trim_end_matches("{% endfilter %}"));
        }
        lines.extend(body.iter().map(|line| match line.starts_with("{%-") {
            true => line.clone(),
            false => format!("{indentation}{}", further_in(line, indentation.len())),
        }));
    }
    lines
}

/// Moves what a line indents by itself further in.
fn further_in(line: &str, by: usize) -> String {
    const INDENT: &str = "indent(width=";
    let Some((before, after)) = line.split_once(INDENT) else {
        return line.to_owned();
    };
    let (width, rest) = after.split_once(')').unwrap_or((after, ""));
    let width: usize = width.parse().unwrap_or_default();
    format!("{before}{INDENT}{}){rest}", width + by)
}

/// What a template made.
#[derive(Debug)]
pub struct Rendered {
    /// Name of the template, for messages.
    pub template: String,
    /// The documents, as YAML.
    pub text: String,
}

/// Renders the template of a kind: the user's own, or the built-in one.
///
/// # Errors
/// [`RenderError`] for a template in the syntax of Go, what Tera refuses, and
/// values within a text.
pub fn render(
    kind: WorkloadKind,
    custom: Option<&CustomTemplate>,
    context: &TemplateContext<'_>,
) -> Result<Rendered, RenderError> {
    let context = Context::from_serialize(context).map_err(|error| RenderError::Tera {
        message: error.to_string(),
    })?;
    let Some(custom) = custom else {
        let template = kind.descriptor().template.to_owned();
        let text = engine(None)
            .and_then(|tera| tera.render(&template, &context))
            .map_err(|error| template_error(&error))?;
        return Ok(Rendered { template, text });
    };
    let file = custom.file.display().to_string();
    let actions = go_template::find(&custom.text);
    if !actions.is_empty() {
        return Err(RenderError::GoSyntax { file, actions });
    }
    let text = engine(Some((&file, &custom.text)))
        .and_then(|tera| tera.render(&file, &context))
        .map_err(|error| template_error(&error))?;
    if let Some(error) = missing_operand(&file, &custom.text, &context) {
        return Err(error);
    }
    let glued = glued(&file, &custom.text, &context);
    if !glued.is_empty() {
        return Err(RenderError::Glued { file, glued });
    }
    Ok(Rendered {
        template: file,
        text,
    })
}

/// Sets up Tera with the built-in templates, and one besides, which may
/// include them.
fn engine(custom: Option<(&str, &str)>) -> tera::TeraResult<Tera> {
    let mut tera = Tera::new();
    // Whatever a template is called, its values are quoted.
    tera.autoescape_on([""]);
    tera.set_escape_fn(write_scalar);
    tera.register_filter("to_json", to_json);
    tera.add_raw_templates(TEMPLATES.into_iter().chain(custom))?;
    Ok(tera)
}

/// Returns whether a template makes no more than `most` of a context. What Tera
/// refuses makes nothing.
pub(super) fn is_bounded(
    file: &str,
    text: &str,
    context: &serde_json::Value,
    most: ByteSize,
) -> bool {
    let Ok(context) = Context::from_serialize(context) else {
        return true;
    };
    let mut made = Bounded(most.0);
    if let Ok(tera) = engine(Some((file, text))) {
        // Why not, is told where it is rendered to be used.
        let _ = tera.render_to(file, &context, &mut made);
    }
    made.0 > 0
}

/// Counts down what may still be written, and takes nothing when that is nothing.
struct Bounded(u64);

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.saturating_sub(bytes.len() as u64);
        match self.0 {
            0 => Err(io::ErrorKind::FileTooLarge.into()),
            _ => Ok(bytes.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes any value as JSON, which is YAML too: for lists and mappings.
fn to_json(value: &Value, _: Kwargs, _: &State<'_>) -> tera::TeraResult<Value> {
    if value.is_undefined() {
        return Err(tera::Error::message("the value is not defined"));
    }
    let json = serde_json::to_string(value).map_err(tera::Error::message)?;
    let written: String = json.chars().map(escaped).collect();
    Ok(Value::safe_string(&written))
}

/// Returns the places at which a template puts a text into another.
fn glued(file: &str, template: &str, context: &Context) -> Vec<Glued> {
    let candidates = quoting::candidates(template);
    if candidates.is_empty() {
        return candidates;
    }
    let marked = quoting::instrument(template, &candidates, MARK);
    let is_text = |value: &Value| value.is_string() && !value.is_safe();
    let texts = rendered_with_marks(file, &marked, context, "candidate", is_text);
    quoting::confirmed(candidates, &texts)
}

/// Returns the first of what the template joins to a text and is not there.
fn missing_operand(file: &str, template: &str, context: &Context) -> Option<RenderError> {
    let operands = concatenation::operands(template);
    if operands.is_empty() {
        return None;
    }
    let marked = concatenation::instrument(template, &operands, MARK);
    let is_missing = |value: &Value| value.is_undefined() || value.is_none();
    let missing = rendered_with_marks(file, &marked, context, "operand", is_missing);
    let operand = operands.get(*missing.first()?)?;
    let name = &template[operand.place.clone()];
    let text = template.lines().nth(operand.line - 1).unwrap_or_default();
    Some(RenderError::Template {
        file: file.to_owned(),
        line: operand.line as u64,
        message: format!("`{name}` is not defined, but is joined to a text"),
        snippet: format!("{} | {}", operand.line, secrecy::line(text)),
    })
}

/// Name of the filter that looks at marked values.
const MARK: &str = "kaiwo_mark";

/// Renders a marked template, and returns the indices of the marks whose
/// values are of interest.
fn rendered_with_marks(
    file: &str,
    marked: &str,
    context: &Context,
    argument: &'static str,
    interesting: impl Fn(&Value) -> bool + Send + Sync + 'static,
) -> BTreeSet<usize> {
    let found = Arc::new(Mutex::new(BTreeSet::new()));
    let seen = Arc::clone(&found);
    let mark = move |value: &Value, arguments: Kwargs, _: &State<'_>| {
        if interesting(value) {
            let index = arguments.must_get::<u64>(argument)?;
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.insert(usize::try_from(index).unwrap_or(usize::MAX));
        }
        Ok::<_, tera::Error>(value.clone())
    };
    // It has rendered before; should the marks be in its way, it stands as it
    // is, and the checks of what it made have to do.
    if let Ok(mut tera) = engine(None) {
        tera.register_filter(MARK, mark);
        let rendered = tera
            .add_raw_template(file, marked)
            .and_then(|()| tera.render(file, context));
        if let Err(error) = rendered {
            tracing::debug!("the marked template does not render: {error}");
        }
    }
    let found = found.lock().unwrap_or_else(PoisonError::into_inner);
    found.clone()
}

fn template_error(error: &tera::Error) -> RenderError {
    match error.kind() {
        ErrorKind::SyntaxError(report) | ErrorKind::RenderingError(report) => {
            let text = error.to_string();
            // Tera's text is its message, the place, and the line in question.
            let snippet = text
                .lines()
                .skip_while(|line| !line.trim_start().starts_with("-->"))
                .skip(1)
                .map(secrecy::line)
                .collect::<Vec<_>>()
                .join("\n");
            RenderError::Template {
                file: report.filename().to_owned(),
                line: report.span().start_line as u64,
                message: secrecy::message(report.message()),
                snippet,
            }
        }
        _ => several_mistakes(&error.to_string()),
    }
}

/// Takes apart what Tera says of a template that names what is not there:
/// filters, other templates. It is a report each, in its own form; the first
/// gives the place of the error, and the others follow in ours.
fn several_mistakes(text: &str) -> RenderError {
    let mut reports = text.split("\nerror: ").filter_map(|report| {
        let (message, rest) = report.split_once('\n')?;
        let (place, snippet) = rest.split_once('\n')?;
        // FILE:LINE:COLUMN
        let mut place = place.trim().strip_prefix("--> ")?.rsplitn(3, ':').skip(1);
        let line: u64 = place.next()?.parse().ok()?;
        let message = secrecy::message(message.strip_prefix("error: ").unwrap_or(message));
        let snippet: Vec<String> = snippet.trim_end().lines().map(secrecy::line).collect();
        Some((place.next()?, line, message, snippet.join("\n")))
    });
    let Some((file, line, message, snippet)) = reports.next() else {
        return RenderError::Tera {
            message: text.to_owned(),
        };
    };
    let others = reports.map(|(file, line, message, snippet)| {
        let place = yaml::place(Path::new(file), line);
        format!("\n{place}: {message}\n{snippet}")
    });
    RenderError::Template {
        file: file.to_owned(),
        line,
        message,
        snippet: std::iter::once(snippet).chain(others).collect(),
    }
}

/// Writes a text as one double-quoted YAML scalar, in which nothing can end
/// the scalar or be read as anything but text: a JSON string, with what YAML
/// counts as line breaks or not printable escaped as well.
fn write_scalar(text: &str, output: &mut dyn Write) -> io::Result<()> {
    let json = serde_json::to_string(text).map_err(io::Error::other)?;
    for c in json.chars() {
        output.write_all(escaped(c).as_bytes())?;
    }
    Ok(())
}

/// Returns a character of JSON as every YAML parser takes it.
fn escaped(c: char) -> String {
    match yaml::is_unprintable(c) {
        true => format!("\\u{:04x}", u32::from(c)),
        false => c.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn scalar(text: &str) -> String {
        let mut written = Vec::new();
        write_scalar(text, &mut written).unwrap();
        String::from_utf8(written).unwrap()
    }

    proptest! {
        #[test]
        fn every_text_is_one_scalar(text in any::<String>()) {
            let document = format!("before: 1\nvalue: {}\nafter: [{}]\n", scalar(&text), scalar(&text));
            let parsed = crate::yaml::parse_documents(std::path::Path::new("t"), &document).unwrap();
            prop_assert_eq!(&parsed, &[serde_json::json!({"before": 1, "value": text, "after": [text]})]);
        }
    }

    #[test]
    fn what_breaks_out_elsewhere_stays_inside() {
        for text in [
            "\"",
            "\n- x",
            ": ",
            "{{ x }}",
            "${X}",
            "!!int",
            "&a",
            "yes",
            "1e3",
            "0o7",
            "\u{85}\u{2028}",
            "\0",
        ] {
            let parsed = crate::yaml::parse_documents(
                std::path::Path::new("t"),
                &format!("v: {}\n", scalar(text)),
            )
            .unwrap();
            assert_eq!(parsed[0]["v"], *text);
        }
    }
}
