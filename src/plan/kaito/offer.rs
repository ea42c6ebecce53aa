//! Lists the models that can be served: the catalogue, together with what a
//! cluster says that its KAITO knows.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;

use super::Releases;
use super::catalogue::{PRESETS, Preset, find, is_like_none};
use super::instance_type::{
    DEFAULT_CONTEXT, INSTANCE_TYPES, InstanceType, check_instance_type, check_known,
};
use super::retired::{self, check_presence};
use crate::names::nearest;
use crate::plan::Refusal;
use crate::secrecy::named;
use crate::suggestion::kaiwo;
use crate::yaml;

/// ConfigMap in which a release of KAITO publishes its presets, in its own
/// namespace (v0.2 and later).
pub const CONFIG_MAP: &str = "kaito-supported-models";
const CONFIG_MAP_KEY: &str = "SupportedModels";
/// An image without a model, which stands among the presets.
const BASE_IMAGE: &str = "base";

/// A preset in the ConfigMap of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Supported {
    pub name: String,
    /// Whether its weights are given only to those who have a token.
    #[serde(default)]
    pub download_auth_required: bool,
}

/// Reads the data of the ConfigMap; `None` if it is not what KAITO writes.
/// The image without a model is left out.
pub fn supported(data: &BTreeMap<String, String>) -> Option<Vec<Supported>> {
    #[derive(Deserialize)]
    struct Models {
        models: Vec<Supported>,
    }
    let text = data.get(CONFIG_MAP_KEY)?;
    let mut models = yaml::parse::<Models>(Path::new(CONFIG_MAP), text)
        .ok()?
        .models;
    models.retain(|model| model.name != BASE_IMAGE);
    Some(models)
}

/// What a model needs of one instance type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Machines {
    pub instance_type: &'static InstanceType,
    pub nodes: u32,
}

impl Machines {
    /// Returns the GPUs of all nodes: KAITO gives a model whole nodes.
    pub fn gpus(&self) -> u32 {
        self.nodes * self.instance_type.gpus
    }
}

/// A model that can be served.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelOffer {
    /// What `-m` takes.
    pub name: String,
    /// What the catalogue knows of it; `None` for what only the cluster lists.
    pub preset: Option<&'static Preset>,
    /// Whether its weights are given only to those who have a token; `None` if
    /// nobody says.
    pub needs_token: Option<bool>,
    /// Whether the cluster's KAITO lists it; `None` if no cluster has answered.
    pub listed: Option<bool>,
    /// What it takes: of the type that was asked for, else of the smallest that
    /// would do. `None` if it does not fit, or its size is not known.
    pub machines: Option<Machines>,
}

/// Returns the models to choose from: those of the catalogue, then what only
/// `cluster` lists. `filter` is a part of a name, `instance_type` the one to
/// count on.
///
/// Presets that KAITO has given up are left out, although its ConfigMap still
/// lists some of them (v0.11 and later).
///
/// # Errors
/// [`Refusal`] if no model has such a name, with what was probably meant, and
/// for an instance type that is not known or runs no presets.
pub fn offers(
    filter: Option<&str>,
    instance_type: Option<&str>,
    cluster: Option<&[Supported]>,
) -> Result<Vec<ModelOffer>, Refusal> {
    let on = instance_type.map(machine).transpose()?;
    let mut offers: Vec<ModelOffer> = PRESETS
        .iter()
        .filter(|preset| filter.is_none_or(|word| preset.is_called(word)))
        .map(|preset| offer(preset, on, cluster))
        .collect();
    offers.extend(unknown(filter, cluster.unwrap_or_default()));
    match filter {
        Some(word) if offers.is_empty() => Err(none_called(word)),
        _ => Ok(offers),
    }
}

fn offer(
    preset: &'static Preset,
    on: Option<&'static InstanceType>,
    cluster: Option<&[Supported]>,
) -> ModelOffer {
    let listed = cluster.map(|models| {
        models
            .iter()
            .find(|model| [preset.name(), preset.id].contains(&model.name.as_str()))
    });
    let flagged = listed.flatten().is_some_and(|it| it.download_auth_required);
    ModelOffer {
        name: preset.name().to_owned(),
        preset: Some(preset),
        needs_token: Some(preset.needs_token() || flagged),
        listed: listed.map(|listed| listed.is_some()),
        machines: match on {
            Some(instance_type) => instance_type
                .nodes_for(preset, DEFAULT_CONTEXT)
                .map(|nodes| Machines {
                    instance_type,
                    nodes,
                }),
            None => smallest(preset),
        },
    }
}

/// Returns the smallest type of which one node does, else several of the
/// largest.
fn smallest(preset: &Preset) -> Option<Machines> {
    let one = InstanceType::smallest_for(preset, DEFAULT_CONTEXT);
    let instance_type = one.or(INSTANCE_TYPES.last())?;
    Some(Machines {
        instance_type,
        nodes: instance_type.nodes_for(preset, DEFAULT_CONTEXT)?,
    })
}

/// Returns what the catalogue does not know: a later KAITO may.
fn unknown(filter: Option<&str>, cluster: &[Supported]) -> Vec<ModelOffer> {
    let word = filter.unwrap_or_default().to_lowercase();
    let is_known = |name: &str| {
        retired::named(name).is_some() || find(name).is_ok_and(|model| model.preset.is_some())
    };
    cluster
        .iter()
        .filter(|model| !is_known(&model.name) && model.name.to_lowercase().contains(&word))
        .map(|model| ModelOffer {
            name: model.name.clone(),
            preset: None,
            needs_token: model.download_auth_required.then_some(true),
            listed: Some(true),
            machines: None,
        })
        .collect()
}

/// Returns the error that no model is called `word`: the one that serving it
/// would give, where that says more.
fn none_called(word: &str) -> Refusal {
    if let Err(given_up) = check_presence(word, Releases::NEWEST) {
        return given_up;
    }
    match find(word) {
        Err(_) if is_like_none(word) => {
            Refusal::new(format!("model {} is not in the catalogue", named(word)))
                .hint(kaiwo("models", &[]).noted("list all models"))
                .hint("use -m ORG/NAME for any model on the Hugging Face Hub")
        }
        Err(refusal) => refusal,
        Ok(_) => Refusal::new(format!(
            "{word} is not in the catalogue: KAITO looks up its size on the Hugging Face Hub"
        ))
        .hint(kaiwo("serve -m {} --instance-type {TYPE}", &[word]).noted("serve it")),
    }
}

/// Finds an instance type whose GPUs can be counted.
fn machine(name: &str) -> Result<&'static InstanceType, Refusal> {
    // What no preset runs on is told as it is to those who serve.
    if let Some(model) = PRESETS.first().map(|preset| find(preset.id)).transpose()? {
        check_known(name, &model, DEFAULT_CONTEXT, Releases::NEWEST)?;
        check_instance_type(name, Some(&model), &BTreeMap::new(), DEFAULT_CONTEXT)?;
    }
    if let Some(known) = InstanceType::named(name) {
        return Ok(known);
    }
    let names: BTreeSet<String> = INSTANCE_TYPES
        .iter()
        .filter(|known| known.runs_presets())
        .map(|known| known.name.to_owned())
        .collect();
    let refusal = Refusal::new(format!(
        "unknown instance type {}: kaiwo knows those of Azure",
        named(name)
    ));
    Err(match nearest(name, names.clone()) {
        Some(near) => refusal.hint(format!("did you mean --instance-type {near}?")),
        None => refusal.hint(format!(
            "they are: {}",
            names.into_iter().collect::<Vec<_>>().join(", ")
        )),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(offers: &[ModelOffer]) -> Vec<&str> {
        offers.iter().map(|offer| offer.name.as_str()).collect()
    }

    fn listed() -> Vec<Supported> {
        let text = "models:\n- {name: base, type: text-generation, tag: 0.5.0}\n\
                    - {name: phi-4, downloadAuthRequired: true, runtimeVersion: {vllm: 0.25.1}}\n\
                    - {name: falcon-7b}\n- {name: phi-9}\n";
        supported(&BTreeMap::from([("SupportedModels".into(), text.into())])).unwrap()
    }

    #[test]
    fn a_filter_is_a_part_of_a_name_in_any_case() {
        let found = offers(Some("PHI-4"), None, None).unwrap();
        assert_eq!(names(&found), ["phi-4", "phi-4-mini-instruct"]);
        let by_id = offers(Some("mistralai/mistral-7b"), None, None).unwrap();
        assert_eq!(names(&by_id), ["mistral-7b", "mistral-7b-instruct"]);
        assert_eq!(offers(None, None, None).unwrap().len(), PRESETS.len());
    }

    #[test]
    fn what_the_cluster_lists_is_merged() {
        let cluster = listed();
        let found = offers(Some("phi"), None, Some(&cluster)).unwrap();
        let phi = found.iter().find(|offer| offer.name == "phi-4").unwrap();
        assert_eq!((phi.listed, phi.needs_token), (Some(true), Some(true)));
        let mini = found
            .iter()
            .find(|offer| offer.name == "phi-4-mini-instruct");
        assert_eq!(mini.unwrap().listed, Some(false));
        let newer = found.last().unwrap();
        assert_eq!((newer.name.as_str(), newer.preset), ("phi-9", None));
        let all = offers(None, None, Some(&cluster)).unwrap();
        assert!(
            !names(&all)
                .iter()
                .any(|name| ["falcon-7b", "base"].contains(name))
        );
        let alone = offers(Some("phi-4"), None, None).unwrap();
        assert_eq!((alone[0].listed, alone[0].needs_token), (None, Some(false)));
    }

    #[test]
    fn what_is_no_list_of_models_says_nothing() {
        for text in ["", "models: 1", "[", "- a"] {
            let data = BTreeMap::from([("SupportedModels".to_owned(), text.to_owned())]);
            assert_eq!(supported(&data), None, "{text:?}");
        }
        assert_eq!(supported(&BTreeMap::new()), None);
    }

    #[test]
    fn machines_are_counted_on_the_type_or_on_the_smallest() {
        let machines = |model: &str, on: Option<&str>| {
            let found = offers(Some(model), on, None).unwrap();
            let machines = found[0].machines?;
            Some((machines.instance_type.name, machines.nodes, machines.gpus()))
        };
        assert_eq!(
            machines("phi-4", None),
            Some(("Standard_NV72ads_A10_v5", 1, 2))
        );
        assert_eq!(
            machines("phi-4", Some("standard_nv36ads_a10_v5")),
            Some(("Standard_NV36ads_A10_v5", 2, 2))
        );
        assert_eq!(
            machines("DeepSeek-V4-Pro", None).map(|(name, ..)| name),
            Some("Standard_ND96isr_H200_v5")
        );
    }

    #[test]
    fn names_of_nothing_are_refused_with_what_was_meant() {
        for (word, hint) in [
            ("phi5", "did you mean -m phi-4?"),
            ("falcon-7b", "use -m mistral-7b instead"),
            ("xyzzy", "kaiwo models  # list all models"),
            (
                "org/xyzzy",
                "kaiwo serve -m org/xyzzy --instance-type TYPE  # serve it",
            ),
        ] {
            assert_eq!(offers(Some(word), None, None).unwrap_err().hints[0], hint);
        }
        for (name, hint) in [
            (
                "Standard_NC24ads_A100_v5",
                "did you mean --instance-type Standard_NC24ads_A100_v4?",
            ),
            (
                "NC24ads_A100_v4",
                "use --instance-type Standard_NC24ads_A100_v4 (1 × NVIDIA A100, 80 GiB)",
            ),
            ("p5.48xlarge", "they are: Standard_NC24ads_A100_v4, "),
        ] {
            let refusal = offers(None, Some(name), None).unwrap_err();
            assert!(refusal.hints[0].plain().starts_with(hint), "{refusal:?}");
        }
        assert!(offers(None, Some("Standard_NC6s_v3"), None).is_err());
    }
}
