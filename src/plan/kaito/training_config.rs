//! The file that configures how a model is tuned: `training_config.yaml`.

use std::path::Path;

use serde_json::Value;

use super::tuning::Method;
use crate::names::nearest;
use crate::plan::Refusal;
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

/// Checks a file of this text, as KAITO's webhook does (v0.12).
///
/// # Errors
/// [`Refusal`], about the file, for what it would reject.
pub fn check_training_config(file: &Path, text: &str, method: Method) -> Result<(), Refusal> {
    let name = file.display();
    let wrong = |what: String| Refusal::new(format!("{name}: {what}")).about(name.to_string());
    let documents = yaml::parse_documents(file, text).map_err(|error| {
        Refusal::new(format!("{name}: {}", error.message)).about(yaml::place(file, error.line))
    })?;
    let config = documents
        .first()
        .and_then(|document| document["training_config"].as_object())
        .ok_or_else(|| {
            wrong("it holds no mapping training_config".to_owned())
                .hint("begin with:\n\ntraining_config:\n  LoraConfig:\n    r: 8\n")
        })?;
    for section in config.keys() {
        if SECTIONS.contains(&section.as_str()) {
            continue;
        }
        let refusal = wrong(format!("KAITO knows no section {section:?}"));
        return Err(match nearest(section, SECTIONS.map(str::to_owned)) {
            Some(near) => refusal.hint(format!("did you mean {near}?")),
            None => refusal.hint(format!("it knows {}", SECTIONS.join(", "))),
        });
    }
    let quantized = |bits: &str| {
        let section = config.get("QuantizationConfig").unwrap_or(&Value::Null);
        section[bits] == true
    };
    let (four, eight) = (quantized("load_in_4bit"), quantized("load_in_8bit"));
    match (method, four, eight) {
        (_, true, true) => Err(wrong(
            "load_in_4bit and load_in_8bit are both true, and KAITO takes one of them".to_owned(),
        )),
        (Method::Lora, true, _) | (Method::Lora, _, true) => Err(wrong(
            "it loads the weights in fewer bits, and KAITO rejects that with the method lora"
                .to_owned(),
        )
        .hint("--tune qlora is for such weights")),
        (Method::Qlora, false, false) => Err(wrong(
            "KAITO takes the method qlora only with load_in_4bit or load_in_8bit".to_owned(),
        )
        .hint("add to training_config:\n\n  QuantizationConfig:\n    load_in_4bit: true\n")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, method: Method) -> Result<(), Refusal> {
        check_training_config(Path::new("t.yaml"), text, method)
    }

    #[test]
    fn sections_and_bits_fit_the_method() {
        let plain =
            "training_config: {LoraConfig: {r: 8}, TrainingArguments: {num_train_epochs: 1}}";
        let four = "training_config: {QuantizationConfig: {load_in_4bit: true}}";
        check(plain, Method::Lora).unwrap();
        check(four, Method::Qlora).unwrap();
        for (text, method, said) in [
            (plain, Method::Qlora, "only with load_in_4bit"),
            (four, Method::Lora, "rejects that with the method lora"),
            (
                "training_config: {QuantizationConfig: {load_in_4bit: true, load_in_8bit: true}}",
                Method::Qlora,
                "both true",
            ),
            (
                "training_config: {LoraConfg: {}}",
                Method::Lora,
                "no section \"LoraConfg\"",
            ),
            ("LoraConfig: {}", Method::Lora, "no mapping training_config"),
            ("a: [", Method::Lora, "t.yaml"),
            ("", Method::Lora, "no mapping"),
        ] {
            let refusal = check(text, method).unwrap_err();
            assert!(refusal.message.contains(said), "{text}: {refusal}");
            assert!(refusal.object.unwrap().starts_with("t.yaml"));
        }
    }
}
