//! `cargo xtask schemas`: writes the fields of custom kinds that kaiwo checks, from the
//! operators' own definitions.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::Value;

use crate::{checkout, testbed};

/// The table, in the checkout.
const TABLE: &str = "data/custom-kinds.tsv";

/// What is written of the definitions, in this order.
const KINDS: [(&str, &str); 10] = [
    ("kaito.sh/v1alpha1", "InferenceSet"),
    ("kaito.sh/v1alpha1", "Workspace"),
    ("kaito.sh/v1beta1", "InferenceSet"),
    ("kaito.sh/v1beta1", "Workspace"),
    ("kueue.x-k8s.io/v1beta1", "LocalQueue"),
    ("kueue.x-k8s.io/v1beta2", "LocalQueue"),
    ("ray.io/v1", "RayCluster"),
    ("ray.io/v1", "RayCronJob"),
    ("ray.io/v1", "RayJob"),
    ("ray.io/v1", "RayService"),
];

/// Write the fields of custom kinds that kaiwo checks, from the operators' definitions
///
/// Kueue's and KubeRay's are those of the testbed's pinned modules; KAITO's are read from
/// a directory.
#[derive(Debug, Args)]
pub struct Schemas {
    /// Directory with KAITO's CustomResourceDefinitions
    #[arg(value_name = "DIR")]
    kaito: PathBuf,
    /// Write nothing, and fail if the table would change
    #[arg(long)]
    check: bool,
}

impl Schemas {
    pub fn run(&self) -> Result<()> {
        let mut definitions = testbed::definitions()?;
        definitions.extend(read(&self.kaito)?);
        let path = Path::new(checkout()).join(TABLE);
        let old = std::fs::read_to_string(&path)?;
        let head = old.lines().take_while(|line| line.starts_with('#'));
        let head: String = head.map(|line| format!("{line}\n")).collect();
        let mut table = head;
        for (api_version, kind) in KINDS {
            table += &rows(&definitions, api_version, kind)?;
        }
        if self.check && table != old {
            bail!("{TABLE} is not what the definitions say: cargo xtask schemas");
        }
        std::fs::write(&path, table).with_context(|| format!("cannot write {TABLE}"))
    }
}

/// Reads the definitions in a directory.
fn read(directory: &Path) -> Result<Vec<Value>> {
    let mut found = Vec::new();
    let entries = std::fs::read_dir(directory)
        .with_context(|| format!("cannot read {}", directory.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|kind| kind == "yaml") {
            let text = std::fs::read_to_string(&path)?;
            let documents: Vec<Value> = serde_saphyr::from_multiple(&text)?;
            found.extend(documents);
        }
    }
    Ok(found)
}

/// Returns the rows of a kind.
fn rows(definitions: &[Value], api_version: &str, kind: &str) -> Result<String> {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let mut specs = definitions.iter().map(|definition| &definition["spec"]);
    let spec = specs
        .find(|spec| spec["group"] == group && spec["names"]["kind"] == kind)
        .with_context(|| format!("there is no definition of {kind} in {group}"))?;
    let mut versions = spec["versions"].as_array().into_iter().flatten();
    let whole = versions
        .find(|one| one["name"] == version)
        .map(|one| &one["schema"]["openAPIV3Schema"])
        .with_context(|| format!("{kind} has no version {version}"))?;
    let mut text = String::new();
    match &whole["properties"]["spec"] {
        Value::Null => fields(whole, "", &format!("{api_version}/{kind}"), &mut text),
        own => fields(own, "spec.", &format!("{api_version}/{kind}"), &mut text),
    }
    Ok(text)
}

/// Adds the rows of an object whose fields begin with `place`.
fn fields(object: &Value, place: &str, kind: &str, text: &mut String) {
    let properties = object["properties"].as_object().into_iter().flatten();
    for (name, property) in properties {
        let is_of_all = matches!(name.as_str(), "apiVersion" | "kind" | "metadata");
        if place.is_empty() && is_of_all {
            continue;
        }
        let required = object["required"].as_array();
        let is_required = required.is_some_and(|names| names.iter().any(|one| one == name));
        // What has a default need not be written.
        let presence = match is_required && property.get("default").is_none() {
            true => "required",
            false => "optional",
        };
        let path = format!("{place}{name}");
        let shape = match place.is_empty() && name == "status" {
            true => "anything".to_owned(),
            false => shape(name, property),
        };
        // Writing to a text cannot fail.
        let _ = writeln!(text, "{kind}\t{path}\t{shape}\t{presence}");
        match shape.as_str() {
            "object" => fields(property, &format!("{path}."), kind, text),
            "list object" => fields(&property["items"], &format!("{path}[]."), kind, text),
            _ => {}
        }
    }
}

/// Returns what a field holds.
fn shape(name: &str, property: &Value) -> String {
    if let Some(known) = built_in(name, property) {
        return known.to_owned();
    }
    if property["x-kubernetes-int-or-string"] == true {
        return "quantity".to_owned();
    }
    let items = &property["additionalProperties"];
    match (property["type"].as_str(), property["format"].as_str()) {
        (Some("string"), _) => "text".to_owned(),
        (Some("integer"), Some("int64")) => "long".to_owned(),
        (Some("integer"), _) => "integer".to_owned(),
        (Some("array"), _) => format!("list {}", shape("", &property["items"])),
        (Some("object"), _) if items.is_object() => format!("map {}", shape("", items)),
        (Some("object"), _) if property["properties"].is_object() => "object".to_owned(),
        (Some(kind @ ("number" | "boolean")), _) => kind.to_owned(),
        _ => "anything".to_owned(),
    }
}

/// Returns the type of Kubernetes that a field holds. KAITO leaves its own open, and its
/// webhook decodes them strictly.
fn built_in(name: &str, property: &Value) -> Option<&'static str> {
    let is_open = property["x-kubernetes-preserve-unknown-fields"] == true;
    let fields = &property["properties"];
    let has_pods = is_open || fields["spec"]["properties"]["containers"].is_object();
    match name {
        "template" | "submitterPodTemplate" if has_pods => Some("PodTemplateSpec"),
        "headService" | "serveService" => Some("Service"),
        "env" => Some("list EnvVar"),
        "envFrom" => Some("list EnvFromSource"),
        "volumeMounts" => Some("list VolumeMount"),
        "valueFrom" => Some("EnvVarSource"),
        "resources" if fields["limits"].is_object() => Some("ResourceRequirements"),
        "securityContext" => Some("SecurityContext"),
        "labelSelector" => Some("LabelSelector"),
        "volumeSource" if is_open => Some("Volume"),
        "metadata" if is_open => Some("ObjectMeta"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the rows of the table about kinds of a group.
    fn written(group: &str) -> String {
        let table = std::fs::read_to_string(Path::new(checkout()).join(TABLE)).unwrap();
        let rows = table.lines().filter(|row| row.starts_with(group));
        rows.map(|row| format!("{row}\n")).collect()
    }

    #[test]
    fn the_table_is_what_kaito_s_definitions_say() {
        let Some(directory) = std::env::var_os("KAIWO_UPSTREAM_CRDS") else {
            return;
        };
        let definitions = read(Path::new(&directory)).unwrap();
        let made: String = KINDS
            .iter()
            .filter(|(api_version, _)| api_version.starts_with("kaito.sh/"))
            .map(|(api_version, kind)| rows(&definitions, api_version, kind).unwrap())
            .collect();
        assert_eq!(made, written("kaito.sh/"));
    }

    #[test]
    #[ignore = "needs the testbed's modules: cargo xtask test"]
    fn the_table_is_what_the_pinned_modules_say() {
        let definitions = testbed::definitions().unwrap();
        let made: String = KINDS
            .iter()
            .filter(|(api_version, _)| !api_version.starts_with("kaito.sh/"))
            .map(|(api_version, kind)| rows(&definitions, api_version, kind).unwrap())
            .collect();
        assert_eq!(made, written("kueue.x-k8s.io/") + &written("ray.io/"));
    }
}
