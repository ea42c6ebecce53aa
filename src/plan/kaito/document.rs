//! A whole Workspace, as a template of the user's own may have made it.

pub(super) mod presence;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::adapter::MOST_ADAPTERS;
use super::annotation::{Runtime, uses_local_weights};
use super::catalogue::find_or_trust;
use super::inference_config::FORCE;
use super::instance_type::check_known;
use super::place::TuningInput;
use super::{
    ModelName, Releases, access_secret, check_annotations, check_instance_type, check_name,
    check_runtime, check_selector, check_set_name, tuning,
};
use crate::api::vendor::is_gpu_resource;
use crate::plan::Refusal;
use presence::check_model_is_there;

/// What documents are looked at with.
#[derive(Debug, Clone, Copy)]
pub struct View {
    /// What vLLM makes room for, tokens.
    pub context: u32,
    /// The releases of KAITO that may run.
    pub releases: Releases,
    /// Whether what its tables say is only told.
    pub force: bool,
}

/// Checks a rendered Workspace, v1beta1 or v1alpha1, for what KAITO rejects, and
/// for what it admits and then does not do. Returns what is worth a warning.
///
/// Fields that do not exist and values of the wrong type are not looked for:
/// comparing documents with their schemas finds those.
///
/// # Errors
/// [`Refusal`] for the first thing that cannot be meant.
pub fn check_workspace(document: &Value, view: View) -> Result<Vec<String>, Refusal> {
    let workspace = Workspace::new(document, view);
    let name = document["metadata"]["name"].as_str();
    let named = || name.map_or(Ok(()), check_name);
    let checked = named().and_then(|()| workspace.check());
    about("workspace", name, checked)
}

/// Checks a rendered InferenceSet, v1beta1 or v1alpha1: the Workspaces that KAITO
/// makes of it are held to the rules of every Workspace, its webhook (v0.12) as
/// well. Returns what is worth a warning.
///
/// # Errors
/// [`Refusal`] for the first thing that cannot be meant.
pub fn check_inference_set(document: &Value, view: View) -> Result<Vec<String>, Refusal> {
    let template = &document["spec"]["template"];
    let mut resource = template["resource"].clone();
    resource["labelSelector"] = document["spec"]["labelSelector"].clone();
    let workspace = json!({
        "metadata": {"annotations": template["metadata"]["annotations"]},
        "resource": resource,
        "inference": template["inference"],
    });
    let name = document["metadata"]["name"].as_str();
    let named = || name.map_or(Ok(()), check_set_name);
    // What it hands on, and what it reads itself.
    let own = || check_annotations(&texts(&document["metadata"]["annotations"])).map(drop);
    let checked = named()
        .and_then(|()| own())
        .and_then(|()| Workspace::new(&workspace, view).check());
    about("inferenceset", name, checked)
}

/// Names the object that a refusal is about.
fn about<T>(kind: &str, name: Option<&str>, checked: Result<T, Refusal>) -> Result<T, Refusal> {
    checked.map_err(|refusal| match (name, &refusal.object) {
        (Some(name), None) => refusal.about(format!("{kind}/{name}")),
        _ => refusal,
    })
}

struct Workspace<'a> {
    document: &'a Value,
    annotations: BTreeMap<String, String>,
    view: View,
    warnings: Vec<String>,
}

impl<'a> Workspace<'a> {
    fn new(document: &'a Value, view: View) -> Self {
        Self {
            document,
            annotations: texts(&document["metadata"]["annotations"]),
            view,
            warnings: Vec::new(),
        }
    }

    fn check(mut self) -> Result<Vec<String>, Refusal> {
        exactly_one(self.document, "", ["inference", "tuning"])?;
        self.warnings = check_annotations(&self.annotations)?;
        self.selector(&self.document["resource"]["labelSelector"])?;
        let model = match present(self.document, "inference") {
            Some(inference) => self.inference(inference)?,
            None => check_tuning(&self.document["tuning"], self.view.force)?,
        };
        if let Some(model) = &model {
            self.believed(check_model_is_there(&model.name, self.view.releases))?;
        }
        self.resource(model.as_ref())?;
        Ok(self.warnings)
    }

    /// Keeps what is worth a warning; a refusal is one to who knows better.
    fn believed(&mut self, checked: Result<Option<String>, Refusal>) -> Result<(), Refusal> {
        match checked {
            Ok(note) => self.warnings.extend(note),
            Err(refusal) if self.view.force => self.warnings.push(refusal.message),
            Err(refusal) => return Err(refusal.hint(FORCE)),
        }
        Ok(())
    }

    fn tunes(&self) -> bool {
        present(self.document, "tuning").is_some()
    }

    /// The webhook rejects what is not one label and one value
    /// (`LabelSelectorAsMap`); KAITO then reads `matchLabels` and nothing else.
    fn selector(&mut self, selector: &Value) -> Result<(), Refusal> {
        let labels = texts(&selector["matchLabels"]);
        check_selector(&labels)?;
        let expressions = list(&selector["matchExpressions"]);
        for expression in expressions {
            let values = list(&expression["values"]);
            if expression["operator"] != "In" || values.len() != 1 {
                return Err(Refusal::new(format!(
                    "resource.labelSelector.matchExpressions: KAITO only accepts In with one value, not {} with {}",
                    expression["operator"].as_str().unwrap_or("none"),
                    values.len()
                ))
                .hint("write it as resource.labelSelector.matchLabels"));
            }
        }
        if !expressions.is_empty() {
            self.warnings.push(
                "resource.labelSelector.matchExpressions: KAITO only reads matchLabels, so these have no effect"
                    .to_owned(),
            );
        }
        // Nodes that KAITO orders are told apart by a label of its own.
        if labels.is_empty() && present(&self.document["resource"], "instanceType").is_none() {
            self.warnings.push(
                "resource.labelSelector has no matchLabels: KAITO would use every node of the cluster for this Workspace"
                    .to_owned(),
            );
        }
        Ok(())
    }

    fn resource(&mut self, model: Option<&ModelName>) -> Result<(), Refusal> {
        let resource = &self.document["resource"];
        if let Some(instance_type) = resource["instanceType"].as_str() {
            let View {
                context, releases, ..
            } = self.view;
            if let Some(model) = model {
                self.believed(check_known(instance_type, model, context, releases))?;
            }
            let note = check_instance_type(instance_type, model, &self.annotations, context);
            // Tuning takes one node, whatever serving would.
            let tunes = self.tunes();
            self.believed(note.map(|note| note.filter(|_| !tunes)))?;
        }
        if present(resource, "preferredNodes").is_some() {
            self.warnings.push(
                "resource.preferredNodes is deprecated, and KAITO v0.8 and later ignores it: select the nodes with labelSelector"
                    .to_owned(),
            );
        }
        let count = resource["count"].as_i64().unwrap_or(1);
        if count <= 1 {
            return Ok(());
        }
        if self.tunes() {
            return Err(Refusal::new(format!(
                "invalid resource.count {count}: KAITO tunes on one node"
            ))
            .hint("remove resource.count"));
        }
        let by_vllm = Runtime::chosen_by(&self.annotations) == Runtime::Vllm;
        self.warnings.push(if model.is_some() && by_vllm {
            format!(
                "resource.count: {count} has no effect: KAITO determines the number of nodes itself"
            )
        } else {
            "resource.count is deprecated: use an InferenceSet for replicas".to_owned()
        });
        Ok(())
    }

    fn inference(&mut self, inference: &Value) -> Result<Option<ModelName>, Refusal> {
        exactly_one(inference, "inference", ["preset", "template"])?;
        self.adapters(&inference["adapters"])?;
        if let Some(template) = present(inference, "template") {
            self.template(&template["spec"])?;
            return Ok(None);
        }
        let model = preset(&inference["preset"], self.view.force)?;
        if let Some(model) = &model {
            check_runtime(model, Runtime::chosen_by(&self.annotations))?;
        }
        let secret = inference["preset"]["presetOptions"]["modelAccessSecret"].as_str();
        if let Some(secret) = secret.filter(|secret| !secret.is_empty()) {
            access_secret(secret)?;
            // A key is not part of the field, not even the right one.
            if secret.contains('/') {
                return Err(Refusal::new(
                    "inference.preset.presetOptions.modelAccessSecret must be only the name of the Secret",
                )
                .hint("remove what follows the Secret's name"));
            }
        } else if let Some(preset) = model.as_ref().and_then(|model| model.preset)
            && preset.needs_token()
            && !uses_local_weights(&self.annotations)
        {
            self.warnings.push(format!(
                "{} can only be downloaded after accepting its licence: without inference.preset.presetOptions.modelAccessSecret the pod will fail",
                preset.name()
            ));
        }
        Ok(model)
    }

    /// vLLM has no strengths, and the webhook says so (v0.12); names and number
    /// are checked by it for both runtimes.
    fn adapters(&self, adapters: &Value) -> Result<(), Refusal> {
        let adapters = list(adapters);
        if adapters.len() > MOST_ADAPTERS {
            return Err(Refusal::new(format!(
                "inference.adapters has {}: KAITO accepts up to {MOST_ADAPTERS}",
                adapters.len()
            )));
        }
        for (at, adapter) in adapters.iter().enumerate() {
            let name = &adapter["source"]["name"];
            if adapters[..at]
                .iter()
                .any(|other| other["source"]["name"] == *name)
            {
                return Err(Refusal::new(format!(
                    "inference.adapters has two with the name {name}"
                )));
            }
            let strength = present(adapter, "strength").is_some();
            if strength && Runtime::chosen_by(&self.annotations) == Runtime::Vllm {
                return Err(Refusal::new(format!(
                    "inference.adapters[{at}].strength: vLLM does not support a strength, and KAITO rejects it"
                ))
                .hint("remove strength")
                .hint("or write kaito.sh/runtime: \"transformers\""));
            }
        }
        Ok(())
    }

    fn template(&mut self, spec: &Value) -> Result<(), Refusal> {
        if present(spec, "affinity").is_some() {
            self.warnings.push(
                "inference.template.spec.affinity has no effect: KAITO replaces it with its own, from resource.labelSelector"
                    .to_owned(),
            );
        }
        for kind in ["containers", "initContainers"] {
            for (at, container) in list(&spec[kind]).iter().enumerate() {
                let Some(argument) = gpu_argument(container) else {
                    continue;
                };
                if !has_gpu(container) {
                    let name = container["name"].as_str().unwrap_or_default();
                    return Err(Refusal::new(format!(
                        "inference.template.spec.{kind}[{at}] ({name}) is started with {argument} but requests no GPU, so it will find none"
                    ))
                    .hint("give it resources.limits nvidia.com/gpu: 1")
                    .hint("or run it on CPUs: --torch_dtype float32, without --gpu_ids"));
                }
            }
        }
        Ok(())
    }
}

/// Checks the `tuning` of a Workspace, as KAITO's webhook does (v0.12), and that
/// the controller will make a Job of it. Returns the model.
fn check_tuning(document: &Value, force: bool) -> Result<Option<ModelName>, Refusal> {
    let text = |field: &str| document[field].as_str().unwrap_or_default();
    text("method")
        .parse::<tuning::TuningMethod>()
        .map_err(|why| Refusal::new(format!("tuning.method: {why}")))?;
    one_of(
        &document["input"],
        "tuning.input",
        &["urls", "image", "volumeSource"],
    )?;
    one_of(
        &document["output"],
        "tuning.output",
        &["image", "volumeSource"],
    )?;
    for url in list(&document["input"]["urls"])
        .iter()
        .filter_map(Value::as_str)
    {
        if let Err(why) = url.parse::<TuningInput>() {
            return Err(Refusal::new(format!("tuning.input.urls: {why}")));
        }
    }
    let output = &document["output"];
    if is_said(output, "image") && !is_said(output, "imagePushSecret") {
        return Err(Refusal::new(
            "tuning.output has an image but no imagePushSecret, which KAITO's webhook rejects",
        )
        .hint("name a Secret of type kubernetes.io/dockerconfigjson, or write to a volumeSource"));
    }
    let model = preset(&document["preset"], force)?;
    match &model {
        Some(model) => tuning::check_model(model)?,
        None => {
            return Err(Refusal::new(
                "tuning.preset has no name: KAITO only tunes presets",
            ));
        }
    }
    Ok(model)
}

fn one_of(object: &Value, path: &str, fields: &[&str]) -> Result<(), Refusal> {
    let said: Vec<&str> = fields
        .iter()
        .copied()
        .filter(|field| is_said(object, field))
        .collect();
    match said[..] {
        [_] => Ok(()),
        [] => Err(Refusal::new(format!(
            "{path} must have one of {}",
            fields.join(", ")
        ))),
        _ => Err(Refusal::new(format!(
            "{path} has {}: KAITO accepts only one of them",
            said.join(" and ")
        ))),
    }
}

/// Returns whether a field says something: Go takes what is empty for absent.
fn is_said(object: &Value, field: &str) -> bool {
    match present(object, field) {
        Some(Value::Array(items)) => !items.is_empty(),
        Some(Value::String(text)) => !text.is_empty(),
        said => said.is_some(),
    }
}

/// Returns the argument by which `container` asks PyTorch for GPUs: one of
/// `accelerate launch` or of KAITO's own server, also within a shell's script.
fn gpu_argument(container: &Value) -> Option<String> {
    let words: Vec<&str> = ["command", "args"]
        .into_iter()
        .flat_map(|field| list(&container[field]))
        .filter_map(Value::as_str)
        .flat_map(|text| text.split(|c: char| c.is_whitespace() || c == '='))
        .map(|word| word.trim_matches(['"', '\'', '\\']))
        .filter(|word| !word.is_empty())
        .collect();
    words.windows(2).find_map(|pair| {
        let asks = match pair[0] {
            "--gpu_ids" | "--gpu-ids" => true,
            "--torch_dtype" | "--dtype" => pair[1] == "float16",
            _ => false,
        };
        asks.then(|| format!("{} {}", pair[0], pair[1]))
    })
}

/// Returns whether a container is given a GPU: by request, by a claim of
/// dynamic resource allocation, or past both by NVIDIA's runtime.
fn has_gpu(container: &Value) -> bool {
    let resources = &container["resources"];
    let requested = ["limits", "requests"].into_iter().any(|side| {
        let side = resources[side].as_object();
        side.is_some_and(|side| {
            side.iter()
                .any(|(resource, amount)| is_gpu_resource(resource) && !is_zero(amount))
        })
    });
    let claimed = !list(&resources["claims"]).is_empty();
    let past_both = list(&container["env"])
        .iter()
        .any(|variable| variable["name"] == "NVIDIA_VISIBLE_DEVICES");
    requested || claimed || past_both
}

fn is_zero(amount: &Value) -> bool {
    amount == 0 || amount == "0"
}

fn preset(preset: &Value, force: bool) -> Result<Option<ModelName>, Refusal> {
    let name = preset["name"].as_str();
    name.map(|name| find_or_trust(name, force)).transpose()
}

fn exactly_one(object: &Value, path: &str, fields: [&str; 2]) -> Result<(), Refusal> {
    let [one, other] = fields;
    let here = if path.is_empty() { "a Workspace" } else { path };
    match fields.map(|field| present(object, field).is_some()) {
        [true, false] | [false, true] => Ok(()),
        [true, true] => Err(Refusal::new(format!(
            "{here} has both {one} and {other}: KAITO accepts only one of them"
        ))
        .hint(format!("remove {one} or {other}"))),
        [false, false] => Err(Refusal::new(format!(
            "{here} has neither {one} nor {other}: KAITO requires one of them"
        ))),
    }
}

/// Returns the field unless it is missing or null.
fn present<'a>(object: &'a Value, field: &str) -> Option<&'a Value> {
    object.get(field).filter(|value| !value.is_null())
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Returns the text values of a mapping.
fn texts(value: &Value) -> BTreeMap<String, String> {
    let pairs = value.as_object().into_iter().flatten();
    pairs
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}

#[cfg(test)]
mod tests;
