//! The file that configures how a model is tuned: `training_config.yaml`.

use std::path::Path;

use serde_json::Value;

use super::inference_config::FORCE;
use super::tuning::TuningMethod;
use crate::plan::Refusal;
use crate::vocabulary::{KAITO, Verdict};
use crate::yaml;

/// Key of the file in the ConfigMap that KAITO reads (v0.3 and later).
pub const TRAINING_KEY: &str = "training_config.yaml";

/// Sections of the file (`TrainingConfig`, v0.12).
const SECTIONS: [&str; 6] = [
    "ModelConfig",
    "QuantizationConfig",
    "LoraConfig",
    "TrainingArguments",
    "DatasetConfig",
    "DataCollator",
];

/// Checks a file of this text, as KAITO's webhook does (v0.12). Returns warnings
/// about sections that another release may know.
///
/// # Errors
/// [`Refusal`], about the file, for what it would reject.
pub fn check_training_config(
    file: &Path,
    text: &str,
    method: TuningMethod,
    force: bool,
) -> Result<Vec<String>, Refusal> {
    let name = file.display();
    let wrong = |what: String| Refusal::new(format!("{name}: {what}")).about(name.to_string());
    let documents = yaml::parse_documents(file, text).map_err(|error| {
        Refusal::new(format!("{name}: {}", error.message)).about(yaml::place(file, error.line))
    })?;
    let config = documents
        .first()
        .and_then(|document| document["training_config"].as_object())
        .ok_or_else(|| {
            wrong("it has no mapping training_config".to_owned())
                .hint("begin with:\n\ntraining_config:\n  LoraConfig:\n    r: 8\n")
        })?;
    let mut warnings = Vec::new();
    for section in config.keys() {
        if SECTIONS.contains(&section.as_str()) {
            continue;
        }
        let refusal = wrong(format!("unknown section {section:?}"));
        match KAITO.judge(section, &SECTIONS) {
            Verdict::Slip(near) if !force => {
                return Err(refusal.hint(format!("did you mean {near}?")).hint(FORCE));
            }
            Verdict::Slip(_) => warnings.push(refusal.message),
            _ => {
                let unknown = KAITO.unknown(&format!("section {section:?}"));
                let known = SECTIONS.join(", ");
                warnings.push(wrong(format!("{unknown} (it has {known})")).message);
            }
        }
    }
    let quantized = |bits: &str| {
        let section = config.get("QuantizationConfig").unwrap_or(&Value::Null);
        section[bits] == true
    };
    let (four, eight) = (quantized("load_in_4bit"), quantized("load_in_8bit"));
    match (method, four, eight) {
        (_, true, true) => Err(wrong(
            "load_in_4bit and load_in_8bit are both true: KAITO accepts only one of them"
                .to_owned(),
        )),
        (TuningMethod::Lora, true, _) | (TuningMethod::Lora, _, true) => Err(wrong(
            "it loads quantized weights, which KAITO rejects with the method lora".to_owned(),
        )
        .hint("use --tune qlora for quantized weights")),
        (TuningMethod::Qlora, false, false) => Err(wrong(
            "KAITO requires load_in_4bit or load_in_8bit with the method qlora".to_owned(),
        )
        .hint("add to training_config:\n\n  QuantizationConfig:\n    load_in_4bit: true\n")),
        _ => Ok(warnings),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, method: TuningMethod) -> Result<Vec<String>, Refusal> {
        check_training_config(Path::new("t.yaml"), text, method, false)
    }

    #[test]
    fn sections_and_bits_fit_the_method() {
        let plain =
            "training_config: {LoraConfig: {r: 8}, TrainingArguments: {num_train_epochs: 1}}";
        let four = "training_config: {QuantizationConfig: {load_in_4bit: true}}";
        check(plain, TuningMethod::Lora).unwrap();
        check(four, TuningMethod::Qlora).unwrap();
        let newer = check("training_config: {RewardConfig: {}}", TuningMethod::Lora).unwrap();
        assert!(newer[0].starts_with("t.yaml: KAITO v0.12 has no section \"RewardConfig\""));
        for (text, method, said) in [
            (plain, TuningMethod::Qlora, "requires load_in_4bit"),
            (four, TuningMethod::Lora, "rejects with the method lora"),
            (
                "training_config: {QuantizationConfig: {load_in_4bit: true, load_in_8bit: true}}",
                TuningMethod::Qlora,
                "both true",
            ),
            (
                "training_config: {LoraConfg: {}}",
                TuningMethod::Lora,
                "unknown section \"LoraConfg\"",
            ),
            (
                "LoraConfig: {}",
                TuningMethod::Lora,
                "no mapping training_config",
            ),
            ("a: [", TuningMethod::Lora, "t.yaml"),
            ("", TuningMethod::Lora, "no mapping"),
        ] {
            let refusal = check(text, method).unwrap_err();
            assert!(refusal.message.contains(said), "{text}: {refusal}");
            assert!(refusal.object.unwrap().starts_with("t.yaml"));
        }
    }
}
