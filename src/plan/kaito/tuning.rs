//! Fine-tuning: a Workspace that runs to an end and leaves an adapter.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use serde_json::json;

use super::catalogue::{ModelName, PRESETS};
use super::document::presence::doubt;
use super::instance_type::{DEFAULT_CONTEXT, InstanceType, check_instance_type};
use super::place::{ImageOrClaim, TuningInput};
use crate::plan::Refusal;
use crate::schema::Schema;
use crate::yaml::{deserialize_from_text, serialize_as_text};

/// How a model is tuned (`tuning.method`, v0.3 and later).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TuningMethod {
    /// Low-rank adaptation.
    Lora,
    /// The same over weights of four bits.
    Qlora,
}

impl FromStr for TuningMethod {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.to_lowercase().as_str() {
            "lora" => Ok(Self::Lora),
            "qlora" => Ok(Self::Qlora),
            _ => Err("expected lora or qlora".to_owned()),
        }
    }
}

impl fmt::Display for TuningMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lora => "lora",
            Self::Qlora => "qlora",
        })
    }
}

deserialize_from_text!(TuningMethod);
serialize_as_text!(TuningMethod);

impl Schema for TuningMethod {
    fn schema() -> serde_json::Value {
        json!({"type": "string", "pattern": "^([lL][oO][rR][aA]|[qQ][lL][oO][rR][aA])$", "examples": ["lora", "qlora"]})
    }
}

/// What is tuned with what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tuning {
    /// How.
    pub method: TuningMethod,
    /// The data: URLs, or one image or claim.
    pub input: Vec<TuningInput>,
    /// Where the adapter goes.
    pub output: ImageOrClaim,
    /// Secret that lets the adapter's image be pushed.
    pub push_secret: Option<String>,
}

impl Tuning {
    /// Returns the URLs of the data.
    pub fn urls(&self) -> Vec<&str> {
        fn url(input: &TuningInput) -> Option<&str> {
            match input {
                TuningInput::Url(url) => Some(url),
                TuningInput::Place(_) => None,
            }
        }
        self.input.iter().filter_map(url).collect()
    }

    /// Returns the image or claim with the data.
    pub fn input_place(&self) -> Option<&ImageOrClaim> {
        self.input.iter().find_map(|input| match input {
            TuningInput::Place(place) => Some(place),
            TuningInput::Url(_) => None,
        })
    }

    /// Checks what KAITO's webhook rejects, and what it admits and never runs
    /// (v0.12).
    ///
    /// # Errors
    /// [`Refusal`] with what can be done instead.
    pub fn check(&self, model: &ModelName, instance_type: Option<&str>) -> Result<(), Refusal> {
        let places = self.input.len() - self.urls().len();
        if places > 1 || places == 1 && self.input.len() > 1 {
            return Err(Refusal::new(
                "KAITO tunes with URLs, with one image or with one claim, not with several of them",
            )
            .hint(
                "keep one of them; only URLs may be repeated: --tune-input URL --tune-input URL",
            ));
        }
        match (&self.output, &self.push_secret) {
            (ImageOrClaim::Image(image), None) => {
                return Err(Refusal::new(format!(
                    "KAITO needs a Secret to push the adapter to {image}"
                ))
                .hint("name one of type kubernetes.io/dockerconfigjson: --tune-push-secret NAME")
                .hint("or store the adapter in a claim: --tune-output pvc:CLAIM"));
            }
            (ImageOrClaim::Claim(claim), Some(secret)) => {
                return Err(Refusal::new(format!(
                    "Secret {secret:?} would not be used: the adapter is stored in claim {claim:?}"
                ))
                .hint("remove --tune-push-secret"));
            }
            _ => {}
        }
        check_model(model)?;
        self.check_machine(model, instance_type)
    }

    /// The Job is made for the GPUs of an instance type of KAITO's table; of
    /// another, or of none, it is never made (`CreatePresetTuning`, v0.12).
    fn check_machine(&self, model: &ModelName, instance_type: Option<&str>) -> Result<(), Refusal> {
        let Some(name) = instance_type else {
            return Err(Refusal::new(
                "KAITO determines the GPUs for tuning from the instance type, and creates no Job without one",
            )
            .hint("name it: --instance-type Standard_NC24ads_A100_v4"));
        };
        check_instance_type(name, Some(model), &BTreeMap::new(), DEFAULT_CONTEXT)?;
        let (Some(known), Some(preset)) = (InstanceType::named(name), model.preset) else {
            return Ok(());
        };
        // Weights of four bits are a quarter of those of sixteen.
        let weights = match self.method {
            TuningMethod::Lora => preset.weights,
            TuningMethod::Qlora => preset.weights / 4.0,
        };
        if weights < f64::from(known.memory) {
            return Ok(());
        }
        Err(Refusal::new(format!(
            "{} does not fit on {} ({}): its weights are {weights} GiB, and KAITO tunes on one node",
            preset.name(),
            known.name,
            known.gpus_text(),
        ))
        .hint("--tune qlora needs a quarter of the memory")
        .hint("or choose a larger machine: --instance-type Standard_NC24ads_A100_v4"))
    }
}

/// Checks that KAITO can tune a model at all.
///
/// # Errors
/// [`Refusal`] for others: the webhook admits every preset, and the controller
/// has nothing to start (v0.12).
pub fn check_model(model: &ModelName) -> Result<(), Refusal> {
    let is_known = model.preset.is_some_and(|preset| preset.can_be_tuned);
    // Of one that a newer release may have, nobody knows; it is warned of.
    if is_known || doubt(&model.name).is_some() {
        return Ok(());
    }
    let tunable: Vec<&str> = PRESETS
        .iter()
        .filter(|preset| preset.can_be_tuned)
        .map(|preset| preset.name())
        .collect();
    Err(Refusal::new(format!(
        "KAITO cannot tune {}: its webhook accepts the Workspace, but no Job is ever created (v0.12)",
        model.name
    ))
    .hint(format!("it can tune {}", tunable.join(", "))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::kaito::find;
    use crate::suggestion::comparison::joined;

    const A100: Option<&str> = Some("Standard_NC24ads_A100_v4");

    fn tuning(input: &[&str], output: &str, push_secret: Option<&str>) -> Tuning {
        Tuning {
            method: TuningMethod::Lora,
            input: input.iter().map(|text| text.parse().unwrap()).collect(),
            output: output.parse().unwrap(),
            push_secret: push_secret.map(str::to_owned),
        }
    }

    fn refusal(tuning: &Tuning, model: &str, machine: Option<&str>) -> String {
        let refusal = tuning.check(&find(model).unwrap(), machine).unwrap_err();
        format!("{}\n{}", refusal.message, joined(&refusal.hints, "\n"))
    }

    #[test]
    fn what_kaito_tunes_passes() {
        let phi = find("phi-4").unwrap();
        for (input, output, secret) in [
            (&["https://a/b", "https://a/c"][..], "pvc:out", None),
            (&["registry/data:1"], "registry/out:1", Some("push")),
            (&["pvc:data"], "pvc:out", None),
        ] {
            tuning(input, output, secret).check(&phi, A100).unwrap();
        }
        assert_eq!("QLoRA".parse(), Ok(TuningMethod::Qlora));
        assert!(
            "dora"
                .parse::<TuningMethod>()
                .unwrap_err()
                .contains("lora or qlora")
        );
    }

    #[test]
    fn what_kaito_rejects_or_never_runs_is_refused() {
        let plain = tuning(&["pvc:data"], "pvc:out", None);
        for (tuning, model, machine, said) in [
            (
                tuning(&["pvc:a", "https://a/b"], "pvc:out", None),
                "phi-4",
                A100,
                "with several",
            ),
            (
                tuning(&["a:1", "b:1"], "pvc:out", None),
                "phi-4",
                A100,
                "with several",
            ),
            (
                tuning(&["pvc:a"], "registry/out:1", None),
                "phi-4",
                A100,
                "--tune-push-secret NAME",
            ),
            (
                tuning(&["pvc:a"], "pvc:out", Some("x")),
                "phi-4",
                A100,
                "Secret \"x\" would not be used",
            ),
            (
                plain.clone(),
                "llama-3.1-8b-instruct",
                A100,
                "KAITO cannot tune llama-3.1-8b-instruct",
            ),
            (
                plain.clone(),
                "org/model",
                A100,
                "it can tune mistral-7b, phi-3-medium-128k",
            ),
            (plain.clone(), "phi-4", None, "creates no Job"),
            (
                plain,
                "qwen2.5-coder-32b-instruct",
                Some("Standard_NV72ads_A10_v5"),
                "--tune qlora needs a quarter",
            ),
        ] {
            let told = refusal(&tuning, model, machine);
            assert!(told.contains(said), "{told}");
        }
        let quarter = Tuning {
            method: TuningMethod::Qlora,
            ..self::tuning(&["pvc:a"], "pvc:out", None)
        };
        let qwen = find("qwen2.5-coder-32b-instruct").unwrap();
        quarter
            .check(&qwen, Some("Standard_NV72ads_A10_v5"))
            .unwrap();
    }
}
