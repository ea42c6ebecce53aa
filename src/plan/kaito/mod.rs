//! Checks what KAITO (the Kubernetes AI Toolchain Operator) asks of a Workspace:
//! the models that it knows, the instance types that it counts on, and the
//! values that it takes without a word and then does nothing with.
//!
//! Its admission webhook answers some mistakes; those that it admits end as a
//! reconcile error nobody reads, or as nothing at all. Both kinds are found
//! here, with no cluster at hand. Rules are KAITO's own, read in its v0.12;
//! where another release differs, the rule says which.

pub mod adapter;
pub mod annotation;
pub mod catalogue;
pub mod choices;
pub mod document;
pub mod inference_config;
pub mod instance_type;
pub mod offer;
pub mod place;
pub mod release;
mod retired;
mod selector;
pub mod served;
pub mod token;
pub mod training_config;
pub mod tuning;
mod vllm;

pub use adapter::{Adapter, check_adapters};
pub use annotation::{Runtime, check_annotations};
pub use catalogue::{ModelName, PRESETS, Preset, find, find_or_trust};
pub use choices::Choices;
pub use document::{View, check_inference_set, check_workspace};
pub use inference_config::{INFERENCE_KEY, check_inference_config};
pub use instance_type::{DEFAULT_CONTEXT, INSTANCE_TYPES, InstanceType, check_instance_type};
pub use place::{ImageOrClaim, TuningInput};
pub use release::Releases;
pub use selector::{check_selector, default_selector};
pub use served::KaitoFacts;
pub use token::{access_secret, check_access_secret};
pub use training_config::{TRAINING_KEY, check_training_config};
pub use tuning::{Tuning, TuningMethod};

use super::Refusal;
use super::name::label;
use crate::names::is_dns_1035_label;
use crate::secrecy::named;

/// The most characters that a Workspace's name may have.
///
/// KAITO makes a StatefulSet of the same name (v0.8 and later), whose pods
/// carry the label `controller-revision-hash: <name>-<ten letters>`, and a
/// label's value ends at 63. KAITO itself lets 63 pass, and then no pod is made.
pub const LONGEST_NAME: usize = 52;

/// Checks the name of a Workspace.
///
/// Its webhook asks for a DNS-1123 label (v0.1 and later), but the Service of
/// the same name needs a letter first, and its pods need room for a suffix.
///
/// # Errors
/// [`Refusal`] if KAITO could not make what it makes of the name.
pub fn check_name(name: &str) -> Result<(), Refusal> {
    if is_dns_1035_label(name, LONGEST_NAME) {
        return Ok(());
    }
    Err(Refusal::new(format!(
        "invalid Workspace name {}: use up to {LONGEST_NAME} of a-z, 0-9 and -, beginning with a letter and not ending with -, because KAITO creates a Service and a StatefulSet with the same name",
        named(name)
    ))
    .hint(format!("use the name {}", label(name, LONGEST_NAME))))
}

/// The most characters that an InferenceSet's name may have: its Workspaces are
/// called like it, with six characters more (`NewWorkspaceForInferenceSet`,
/// v0.12).
pub const LONGEST_SET_NAME: usize = LONGEST_NAME - 6;

/// Checks the name of an InferenceSet.
///
/// # Errors
/// [`Refusal`] if KAITO could not make what it makes of the name.
pub fn check_set_name(name: &str) -> Result<(), Refusal> {
    if is_dns_1035_label(name, LONGEST_SET_NAME) {
        return Ok(());
    }
    Err(Refusal::new(format!(
        "invalid InferenceSet name {}: use up to {LONGEST_SET_NAME} of a-z, 0-9 and -, beginning with a letter and not ending with -, because its Workspaces get the same name with six more characters",
        named(name)
    ))
    .hint(format!("use the name {}", label(name, LONGEST_SET_NAME))))
}

/// Checks that a model can be served by a runtime.
///
/// # Errors
/// [`Refusal`] for models that KAITO's webhook rejects with it (v0.12).
pub fn check_runtime(model: &ModelName, runtime: Runtime) -> Result<(), Refusal> {
    let served = model
        .preset
        .is_some_and(|preset| preset.runs_on_transformers);
    if runtime == Runtime::Vllm || served {
        return Ok(());
    }
    Err(Refusal::new(format!(
        "KAITO serves {} only with vLLM, and rejects the runtime transformers (v0.12)",
        model.name
    ))
    .hint("remove the runtime: vllm is the default"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workspace_is_named_like_its_service_and_its_pods() {
        let longest = "a".repeat(LONGEST_NAME);
        for name in ["phi-4", "w", longest.as_str()] {
            check_name(name).unwrap();
        }
        let too_long = format!("{longest}a");
        for name in ["", "4phi", "Phi-4", "phi.4", "phi-", too_long.as_str()] {
            let refusal = check_name(name).unwrap_err();
            assert!(refusal.message.contains("up to 52"), "{name}: {refusal}");
            let hint = refusal.hints[0].plain();
            let try_this = hint.strip_prefix("use the name ").unwrap();
            check_name(try_this).unwrap();
        }
    }
}
