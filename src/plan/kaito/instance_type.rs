//! The instance types that KAITO orders nodes of, and how many nodes of one a
//! model takes.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::annotation::{Runtime, bypasses_checks};
use super::catalogue::{ModelName, Preset};
use super::release::{Presence, Releases};
use crate::plan::Refusal;
use crate::vocabulary::rows;

/// Context that KAITO counts on where `max-model-len` is not configured, tokens.
pub const DEFAULT_CONTEXT: u32 = 2048;

/// An instance type of Azure with GPUs, as KAITO counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InstanceType {
    /// Azure's name of it, whose case does not matter.
    pub name: &'static str,
    /// GPUs of a node.
    pub gpus: u32,
    /// Memory of all GPUs of a node, GiB.
    pub memory: u32,
    pub gpu: &'static str,
}

/// Azure's table in KAITO v0.12, least memory first.
pub static INSTANCE_TYPES: LazyLock<Vec<InstanceType>> = LazyLock::new(|| {
    let rows = rows(include_str!("../../../data/kaito-instance-types.tsv"));
    let types = rows.map(|[name, gpus, gpu, memory]| InstanceType {
        name,
        gpus: gpus.parse().unwrap_or_default(),
        memory: memory.parse().unwrap_or_default(),
        gpu,
    });
    types.collect()
});

/// Returns the types that were in the table, with their GPU and the release that took
/// them out.
fn dropped() -> impl Iterator<Item = [&'static str; 3]> {
    rows(include_str!(
        "../../../data/kaito-dropped-instance-types.tsv"
    ))
}

/// What KAITO's estimator reckons with (`nodesestimator`, v0.12): vLLM's share
/// of a GPU's memory, what weights grow by when they are loaded, what vLLM needs
/// on every GPU, GiB, and what it needs besides for each byte of weights.
const UTILIZATION: f64 = 0.84;
const EXPANSION: f64 = 1.02;
const OVERHEAD: f64 = 2.3;
const OVERHEAD_PER_WEIGHT: f64 = 0.05;
const GIB: f64 = (1_u64 << 30) as f64;

impl InstanceType {
    /// Returns the type of this name, in any case.
    pub fn named(name: &str) -> Option<&'static Self> {
        INSTANCE_TYPES
            .iter()
            .find(|known| known.name.eq_ignore_ascii_case(name))
    }

    /// Returns whether presets run on it: their images are made for CUDA, and
    /// their pods request `nvidia.com/gpu`.
    pub fn runs_presets(&self) -> bool {
        self.gpu.starts_with("NVIDIA")
    }

    /// Returns how many nodes KAITO takes to serve `preset` by vLLM with room
    /// for `context` tokens (v0.12); `None` if the memory of one GPU holds the
    /// overhead and nothing else, so that no number of them would do.
    pub fn nodes_for(&self, preset: &Preset, context: u32) -> Option<u32> {
        let gpus = f64::from(self.gpus);
        let per_gpu = f64::from(self.memory) / gpus;
        let cache = f64::from(context) * f64::from(preset.kv_bytes) / GIB / gpus;
        let left = (per_gpu * UTILIZATION - OVERHEAD - cache) / (1.0 + OVERHEAD_PER_WEIGHT);
        if left <= 0.0 {
            return None;
        }
        // KAITO rounds down and adds one, so a model that fits exactly takes
        // one GPU more.
        let needed = (preset.weights * EXPANSION / left).floor() + 1.0;
        Some((needed / gpus).ceil() as u32)
    }

    /// Returns the first type, least memory first, of which one node serves
    /// `preset`.
    pub fn smallest_for(preset: &Preset, context: u32) -> Option<&'static Self> {
        INSTANCE_TYPES
            .iter()
            .find(|known| known.runs_presets() && known.nodes_for(preset, context) == Some(1))
    }

    /// Returns what a node of it is called where its GPUs matter, and how much
    /// memory one has: `A100 80 GiB`.
    pub fn gpu_text(&self) -> String {
        let model = self.gpu.strip_prefix("NVIDIA ").unwrap_or(self.gpu);
        format!("{model} {} GiB", self.memory / self.gpus)
    }

    /// Returns what a node has, as `8 × NVIDIA H100, 640 GiB`.
    pub fn gpus_text(&self) -> String {
        format!("{} × {}, {} GiB", self.gpus, self.gpu, self.memory)
    }
}

/// Checks the instance type `name` for `model`, which is `None` for a container
/// of one's own: that may run anywhere. Returns what is worth knowing: how
/// many nodes KAITO takes, if more than one.
///
/// `annotations` are the Workspace's; they choose the runtime. `context` is what
/// vLLM makes room for, tokens. Types that are not known here pass: KAITO's
/// webhook has the table of its cloud.
///
/// # Errors
/// [`Refusal`] for types that the webhook admits and on which the model is never
/// started, with a type on which it is.
pub fn check_instance_type(
    name: &str,
    model: Option<&ModelName>,
    annotations: &BTreeMap<String, String>,
    context: u32,
) -> Result<Option<String>, Refusal> {
    let with_prefix = format!("Standard_{name}");
    if let Some(known) = InstanceType::named(&with_prefix) {
        return Err(
            Refusal::new(format!("unknown instance type {name:?}")).hint(use_instead(known))
        );
    }
    let Some(model) = model else {
        return Ok(None);
    };
    let instead = |refusal: Refusal| refusal.hint(that_fits(model, context));
    if name.to_lowercase().starts_with("standard_d") {
        return Err(instead(Refusal::new(format!(
            "{name} has no GPU, and KAITO's presets need one: its webhook accepts the type, but the Workspace would never get nodes"
        )))
        .hint("to run your own container there: --kaito"));
    }
    let Some(known) = InstanceType::named(name) else {
        return Ok(None);
    };
    if !known.runs_presets() {
        return Err(instead(Refusal::new(format!(
            "{} has an {}, and KAITO's presets need NVIDIA GPUs",
            known.name, known.gpu
        ))));
    }
    let Some(preset) = model.preset else {
        return Ok(None);
    };
    match Runtime::chosen_by(annotations) {
        Runtime::Vllm => match known.nodes_for(preset, context) {
            Some(1) => Ok(None),
            Some(nodes) => Ok(Some(several_nodes(known, preset, nodes, context))),
            None if context > DEFAULT_CONTEXT => Err(instead(Refusal::new(format!(
                "{} does not have enough memory for {context} tokens of {} on {} ({}): max-model-len is too large",
                known.name,
                preset.name(),
                if known.gpus == 1 {
                    "its GPU"
                } else {
                    "its GPUs"
                },
                known.gpus_text(),
            )))
            .hint("or write a smaller max-model-len into the file of --inference-config")),
            None => Err(instead(too_small(known, preset))),
        },
        Runtime::Transformers
            if f64::from(known.memory) < preset.weights && !bypasses_checks(annotations) =>
        {
            Err(instead(too_small(known, preset)))
        }
        Runtime::Transformers => Ok(None),
    }
}

/// Checks that the releases of KAITO that may run know an instance type that is for
/// a preset. Returns what to know where some of them do.
///
/// # Errors
/// [`Refusal`] if none of them does, with a type that they know.
pub fn check_known(
    name: &str,
    model: &ModelName,
    context: u32,
    releases: Releases,
) -> Result<Option<String>, Refusal> {
    let Some([name, gpu, release]) = dropped().find(|[it, ..]| it.eq_ignore_ascii_case(name))
    else {
        return Ok(None);
    };
    let what = format!(
        "KAITO {release} and later do not run presets on {name} ({gpu}): its webhook accepts the type, but does not recognize its GPUs, and the Workspace would never get nodes"
    );
    match releases.before(release) {
        Presence::There => Ok(None),
        Presence::Perhaps => Ok(Some(what)),
        Presence::Gone => Err(Refusal::new(what).hint(that_fits(model, context))),
    }
}

/// Returns the hint at an instance type on which a model runs.
fn that_fits(model: &ModelName, context: u32) -> String {
    match model.preset {
        Some(preset) => match InstanceType::smallest_for(preset, context) {
            Some(fits) => use_instead(fits),
            None => "use --instance-type Standard_ND96isr_H200_v5, on several nodes".to_owned(),
        },
        None => "use --instance-type Standard_NC24ads_A100_v4, or a larger one".to_owned(),
    }
}

fn use_instead(known: &InstanceType) -> String {
    format!("use --instance-type {} ({})", known.name, known.gpus_text())
}

/// The transformers runtime does not span nodes, so that KAITO's webhook compares
/// the weights with one node; vLLM's own overhead has to fit on each GPU.
fn too_small(known: &InstanceType, preset: &Preset) -> Refusal {
    Refusal::new(format!(
        "{} does not fit on {} ({}): its weights are {} GiB",
        preset.name(),
        known.name,
        known.gpus_text(),
        preset.weights
    ))
}

fn several_nodes(known: &InstanceType, preset: &Preset, nodes: u32, context: u32) -> String {
    let one = InstanceType::smallest_for(preset, context)
        .map(|fits| format!("; one {} is enough ({})", fits.name, fits.gpus_text()))
        .unwrap_or_default();
    format!(
        "{} ({} GiB of weights) takes {nodes} nodes of {}, which KAITO orders{one}",
        preset.name(),
        preset.weights,
        known.name
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::kaito::{PRESETS, find};

    fn check(name: &str, model: &str) -> Result<Option<String>, Refusal> {
        check_instance_type(
            name,
            Some(&find(model).unwrap()),
            &BTreeMap::new(),
            DEFAULT_CONTEXT,
        )
    }

    fn nodes(name: &str, model: &str) -> Option<u32> {
        let preset = find(model).unwrap().preset.unwrap();
        InstanceType::named(name)
            .unwrap()
            .nodes_for(preset, DEFAULT_CONTEXT)
    }

    #[test]
    fn nodes_are_counted_as_kaito_does() {
        for (name, model, expected) in [
            // 27.31 × 1.02 = 27.9; (80 × 0.84 − 2.3 − 0.39) / 1.05 = 61.4 on each GPU.
            ("Standard_NC24ads_A100_v4", "phi-4", 1),
            // (24 × 0.84 − 2.3 − 0.39) / 1.05 = 16.6: two GPUs.
            ("Standard_NV36ads_A10_v5", "phi-4", 2),
            ("Standard_NV72ads_A10_v5", "phi-4", 1),
            // 134.0 over (80 × 0.84 − 2.3 − 0.63) / 1.05 = 61.2: three GPUs.
            ("Standard_NC24ads_A100_v4", "llama-3.3-70b-instruct", 3),
            ("Standard_NC48ads_A100_v4", "llama-3.3-70b-instruct", 2),
            ("Standard_NC96ads_A100_v4", "llama-3.3-70b-instruct", 1),
            // (94 × 0.84 − 2.3 − 0.31) / 1.05 = 72.7: two GPUs.
            ("Standard_NC80adis_H100_v5", "llama-3.3-70b-instruct", 1),
            // 654.1 over (141 × 0.84 − 2.3 − 0.02) / 1.05 = 110.6: six of eight.
            ("Standard_ND96isr_H200_v5", "deepseek-r1-0528", 1),
            ("standard_nd96isr_h100_v5", "deepseek-r1-0528", 2),
        ] {
            assert_eq!(nodes(name, model), Some(expected), "{model} on {name}");
        }
    }

    #[test]
    fn a_long_context_takes_memory_from_the_weights() {
        let phi = find("phi-3-mini-128k-instruct").unwrap().preset.unwrap();
        let a10 = InstanceType::named("Standard_NV36ads_A10_v5").unwrap();
        assert_eq!(a10.nodes_for(phi, 2048), Some(1));
        // 48,000 tokens × 384 KiB = 17.6 GiB, of the 17.9 that are left.
        assert_eq!(a10.nodes_for(phi, 48_000), Some(28));
        assert_eq!(a10.nodes_for(phi, phi.context), None);
    }

    #[test]
    fn a_context_that_no_node_has_room_for_is_refused() {
        let phi = find("phi-3-mini-128k-instruct").unwrap();
        let on_a10 = |context| {
            let none = BTreeMap::new();
            check_instance_type("Standard_NV36ads_A10_v5", Some(&phi), &none, context)
        };
        assert_eq!(on_a10(2048).unwrap(), None);
        assert!(on_a10(48_000).unwrap().unwrap().contains("28 nodes"));
        let refusal = on_a10(131_072).unwrap_err();
        assert_eq!(
            refusal.message,
            "Standard_NV36ads_A10_v5 does not have enough memory for 131072 tokens of phi-3-mini-128k-instruct on its GPU (1 × NVIDIA A10, 24 GiB): max-model-len is too large"
        );
        assert_eq!(
            refusal.hints[0],
            "use --instance-type Standard_NC24ads_A100_v4 (1 × NVIDIA A100, 80 GiB)"
        );
    }

    #[test]
    fn a_model_on_several_nodes_is_told_and_not_refused() {
        assert_eq!(check("Standard_NC24ads_A100_v4", "phi-4").unwrap(), None);
        assert_eq!(
            check("Standard_NC24ads_A100_v4", "llama-3.3-70b-instruct")
                .unwrap()
                .unwrap(),
            "llama-3.3-70b-instruct (131.42 GiB of weights) takes 3 nodes of Standard_NC24ads_A100_v4, which KAITO orders; one Standard_NC80adis_H100_v5 is enough (2 × NVIDIA H100, 188 GiB)"
        );
    }

    #[test]
    fn types_that_kaito_admits_and_cannot_count_are_refused() {
        let check = |name: &str, model: &str| {
            let known = find(model).unwrap();
            check_known(name, &known, DEFAULT_CONTEXT, Releases::NEWEST)?;
            check(name, model)
        };
        for (name, model, hint) in [
            (
                "Standard_NC6s_v3",
                "phi-4",
                "Standard_NV72ads_A10_v5 (2 × NVIDIA A10, 48 GiB)",
            ),
            (
                "standard_nc12s_V3",
                "phi-4-mini-instruct",
                "Standard_NV36ads_A10_v5 (1 × NVIDIA A10, 24 GiB)",
            ),
            (
                "Standard_NC4as_T4_v3",
                "org/model",
                "Standard_NC24ads_A100_v4, or a larger one",
            ),
            (
                "Standard_D16s_v5",
                "deepseek-r1-0528",
                "Standard_ND96isr_H200_v5 (8 × NVIDIA H200, 1128 GiB)",
            ),
            (
                "Standard_NG32ads_V620_v1",
                "mistral-7b",
                "Standard_NV36ads_A10_v5 (1 × NVIDIA A10, 24 GiB)",
            ),
        ] {
            let refusal = check(name, model).unwrap_err();
            assert_eq!(
                refusal.hints[0],
                format!("use --instance-type {hint}"),
                "{refusal}"
            );
        }
        assert!(
            check("Standard_NC6s_v3", "phi-4")
                .unwrap_err()
                .message
                .contains("v0.9 and later")
        );
        assert!(
            check("Standard_NC4as_T4_v3", "phi-4")
                .unwrap_err()
                .message
                .contains("v0.12")
        );
    }

    #[test]
    fn a_container_of_ones_own_and_unknown_types_pass() {
        let any = |name| check_instance_type(name, None, &BTreeMap::new(), DEFAULT_CONTEXT);
        for name in [
            "Standard_D16s_v5",
            "Standard_NC6s_v3",
            "Standard_NG32ads_V620_v1",
        ] {
            assert_eq!(any(name).unwrap(), None);
        }
        for name in ["p5.48xlarge", "Standard_ND128isr_NDR_GB200_v6", "whatever"] {
            assert_eq!(check(name, "phi-4").unwrap(), None);
        }
    }

    #[test]
    fn a_type_without_its_prefix_is_completed() {
        let refusal =
            check_instance_type("NC24ads_A100_v4", None, &BTreeMap::new(), DEFAULT_CONTEXT)
                .unwrap_err();
        assert_eq!(
            refusal.hints,
            ["use --instance-type Standard_NC24ads_A100_v4 (1 × NVIDIA A100, 80 GiB)"]
        );
    }

    #[test]
    fn transformers_does_not_span_nodes() {
        let on = |extra: &[(&str, &str)]| {
            let mut annotations =
                BTreeMap::from([("kaito.sh/runtime".to_owned(), "transformers".to_owned())]);
            annotations.extend(
                extra
                    .iter()
                    .map(|(k, v)| ((*k).to_owned(), (*v).to_owned())),
            );
            let model = find("llama-3.3-70b-instruct").unwrap();
            check_instance_type(
                "Standard_NC24ads_A100_v4",
                Some(&model),
                &annotations,
                DEFAULT_CONTEXT,
            )
        };
        let refusal = on(&[]).unwrap_err();
        assert_eq!(
            refusal.message,
            "llama-3.3-70b-instruct does not fit on Standard_NC24ads_A100_v4 \
             (1 × NVIDIA A100, 80 GiB): its weights are 131.42 GiB"
        );
        on(&[("kaito.sh/bypass-resource-checks", "true")]).unwrap();
    }

    #[test]
    fn every_model_has_a_type_or_takes_several_nodes_of_the_largest() {
        let largest = INSTANCE_TYPES.last().unwrap();
        for preset in PRESETS.iter() {
            let fits = InstanceType::smallest_for(preset, DEFAULT_CONTEXT);
            let nodes = largest.nodes_for(preset, DEFAULT_CONTEXT);
            assert!(
                fits.is_some() || nodes.is_some_and(|nodes| nodes <= 2),
                "{}",
                preset.id
            );
        }
        assert!(INSTANCE_TYPES.iter().map(|known| known.memory).is_sorted());
        let mut dropped = dropped();
        assert!(!dropped.any(|[name, ..]| InstanceType::named(name).is_some()));
    }
}
