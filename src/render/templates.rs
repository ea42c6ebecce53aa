//! The built-in templates, and Tera set up so that no value can change the
//! structure of a document.

use std::io::{self, Write};

use tera::{Context, Tera};

use super::context::TemplateContext;
use crate::plan::name::WorkloadKind;
use crate::yaml;

/// Templates that are included in others come first, because Tera checks
/// that what is included exists.
const TEMPLATES: [(&str, &str); 13] = [
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
        "volume_mounts.yaml.tera",
        include_str!("../../templates/volume_mounts.yaml.tera"),
    ),
    (
        "volumes.yaml.tera",
        include_str!("../../templates/volumes.yaml.tera"),
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
        "service.yaml.tera",
        include_str!("../../templates/service.yaml.tera"),
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
];

/// Returns the name of the built-in template of a kind.
pub fn name_of(kind: WorkloadKind) -> &'static str {
    match kind {
        WorkloadKind::Job => "job.yaml.tera",
        WorkloadKind::RayJob => "rayjob.yaml.tera",
        WorkloadKind::CronJob => "cronjob.yaml.tera",
    }
}

/// Renders a built-in template.
///
/// # Errors
/// Tera's, with file, line and snippet.
pub fn render(template: &str, context: &TemplateContext) -> Result<String, tera::Error> {
    let mut tera = Tera::new();
    tera.autoescape_on([".yaml.tera", ".tera"]);
    tera.set_escape_fn(write_scalar);
    tera.add_raw_templates(TEMPLATES)?;
    tera.render(template, &Context::from_serialize(context)?)
}

/// Writes a text as one double-quoted YAML scalar, in which nothing can end
/// the scalar or be read as anything but text: a JSON string, with what YAML
/// counts as line breaks or not printable escaped as well.
fn write_scalar(text: &str, output: &mut dyn Write) -> io::Result<()> {
    let json = serde_json::to_string(text).map_err(io::Error::other)?;
    for c in json.chars() {
        if yaml::is_unprintable(c) {
            write!(output, "\\u{:04x}", u32::from(c))?;
        } else {
            write!(output, "{c}")?;
        }
    }
    Ok(())
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
