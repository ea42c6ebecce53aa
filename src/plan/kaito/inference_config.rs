//! The file that configures how a preset is served: `inference_config.yaml`,
//! whose section `vllm` becomes the flags of vLLM.

use std::path::Path;

use serde_json::{Map, Value};

use super::annotation::Runtime;
use super::catalogue::Preset;
use super::vllm::OPTIONS;
use crate::names::nearest;
use crate::plan::Refusal;
use crate::yaml;

/// Key of the file in the ConfigMap that KAITO reads (v0.4.1 and later).
pub const INFERENCE_KEY: &str = "inference_config.yaml";

/// What the file may hold besides `vllm` (`KaitoConfig` of KAITO's own server,
/// v0.12).
const KEYS: [&str; 3] = ["vllm", "max_probe_steps", "kv_cache_cpu_memory_utilization"];
/// The option that decides how much memory a context takes.
const MAX_MODEL_LEN: &str = "max-model-len";

/// What a file says that matters before anything is sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InferenceConfig {
    /// `max-model-len`, tokens.
    pub context: Option<u32>,
    /// What is worth a warning.
    pub warnings: Vec<String>,
}

/// Reads a file of this text for a model, as KAITO's webhook and its server
/// will (v0.12). `preset` is what the catalogue knows of the model.
///
/// # Errors
/// [`Refusal`], about a line of the file, for what the webhook rejects, and for
/// what it admits and vLLM does not start with.
pub fn check_inference_config(
    file: &Path,
    text: &str,
    preset: Option<&Preset>,
    runtime: Runtime,
) -> Result<InferenceConfig, Refusal> {
    let reading = Reading { file, text };
    let mut config = InferenceConfig::default();
    for (key, value) in &reading.mapping()? {
        match key.as_str() {
            "vllm" => reading.vllm(value, preset, &mut config)?,
            key if KEYS.contains(&key) => reading.number(key, value)?,
            key => return Err(reading.unknown_key(key)),
        }
    }
    if runtime == Runtime::Transformers {
        config.warnings.push(format!(
            "{}: the runtime transformers reads nothing of it: it configures vLLM",
            file.display()
        ));
    }
    Ok(config)
}

struct Reading<'a> {
    file: &'a Path,
    text: &'a str,
}

impl Reading<'_> {
    fn mapping(&self) -> Result<Map<String, Value>, Refusal> {
        let documents = yaml::parse_documents(self.file, self.text).map_err(|error| {
            Refusal::new(format!("{}: {}", self.file.display(), error.message))
                .about(yaml::place(self.file, error.line))
        })?;
        match <[Value; 1]>::try_from(documents) {
            Ok([Value::Object(fields)]) if !fields.is_empty() => Ok(fields),
            _ => Err(self
                .wrong(None, "is no mapping")
                .hint("begin with:\n\nvllm:\n  max-model-len: 8192\n")),
        }
    }

    /// Says what is wrong, and in which line if a key is known.
    fn wrong(&self, key: Option<&str>, what: &str) -> Refusal {
        let line = key.and_then(|key| {
            let is_key = |line: &str| {
                let line = line.trim_start().trim_start_matches(['"', '\'']);
                line.strip_prefix(key)
                    .is_some_and(|rest| rest.trim_start_matches(['"', '\'']).starts_with(':'))
            };
            self.text.lines().position(is_key)
        });
        let line = line.map_or(0, |line| line as u64 + 1);
        let place = yaml::place(self.file, line);
        Refusal::new(format!("{place}: {what}")).about(place)
    }

    fn unknown_key(&self, key: &str) -> Refusal {
        let what = format!("KAITO reads no {key:?}, and it would do nothing");
        let refusal = self.wrong(Some(key), &what);
        if option(key).is_some() {
            return refusal.hint(format!("{key} is an option of vLLM: write it below vllm:"));
        }
        match nearest(key, KEYS.map(str::to_owned)) {
            Some(near) => refusal.hint(format!("did you mean {near}?")),
            None => refusal.hint(format!("it reads {}", KEYS.join(", "))),
        }
    }

    fn number(&self, key: &str, value: &Value) -> Result<(), Refusal> {
        match value {
            Value::Number(_) => Ok(()),
            _ => Err(self.wrong(Some(key), &format!("{key} is no number"))),
        }
    }

    fn vllm(
        &self,
        section: &Value,
        preset: Option<&Preset>,
        config: &mut InferenceConfig,
    ) -> Result<(), Refusal> {
        let Value::Object(options) = section else {
            return Err(self
                .wrong(Some("vllm"), "vllm is no mapping of options")
                .hint("write them one to a line, without --:\n\nvllm:\n  max-model-len: 8192\n"));
        };
        for (key, value) in options {
            if let Some(name) = key.strip_prefix("--") {
                return Err(self
                    .wrong(Some(key), &format!("KAITO puts -- before {key:?} itself"))
                    .hint(format!("write {name}:")));
            }
            if let Some(warning) = self.option(key)? {
                config.warnings.push(warning);
            }
            let what = match value {
                Value::Object(_) | Value::Array(_) => {
                    "holds several values, and KAITO's webhook takes one text"
                }
                Value::Null => "has no value, and vLLM would be given None",
                _ => continue,
            };
            return Err(self
                .wrong(Some(key), &format!("{key} {what}"))
                .hint(format!("write JSON as a text: {key}: '{{\"a\": 1}}'")));
        }
        let Some(length) = options.get(MAX_MODEL_LEN) else {
            return Ok(());
        };
        config.context = Some(self.context(length, preset)?);
        Ok(())
    }

    /// Checks the name of an option; returns a warning about one that is like
    /// none of those known here.
    fn option(&self, key: &str) -> Result<Option<String>, Refusal> {
        if option(key).is_some() {
            return Ok(None);
        }
        match nearest(key, OPTIONS.iter().map(|&option| option.to_owned())) {
            Some(near) => Err(self
                .wrong(
                    Some(key),
                    &format!("vLLM has no option {key:?}, and would not start"),
                )
                .hint(format!("did you mean {near}?"))),
            None => Ok(Some(format!(
                "{}: vLLM has no option {key:?} that is known here; with one that it does not know it \
                 does not start",
                self.file.display()
            ))),
        }
    }

    fn context(&self, length: &Value, preset: Option<&Preset>) -> Result<u32, Refusal> {
        let text = match length {
            Value::String(text) => text.trim().to_owned(),
            other => other.to_string(),
        };
        let tokens: u32 = text
            .parse()
            .ok()
            .filter(|tokens| *tokens > 0)
            .ok_or_else(|| {
                self.wrong(
                    Some(MAX_MODEL_LEN),
                    &format!("{MAX_MODEL_LEN} {text:?} is no number of tokens"),
                )
            })?;
        match preset {
            Some(preset) if tokens > preset.context => Err(self
                .wrong(
                    Some(MAX_MODEL_LEN),
                    &format!(
                        "{MAX_MODEL_LEN} {tokens} is more than {} can: {} tokens",
                        preset.name(),
                        preset.context
                    ),
                )
                .hint(format!("write {MAX_MODEL_LEN}: {}", preset.context))),
            _ => Ok(tokens),
        }
    }
}

/// Returns the option of vLLM that `key` names. vLLM takes `_` for `-`, and
/// `no-` before what can be turned off.
fn option(key: &str) -> Option<&'static str> {
    let name = key.replace('_', "-");
    let plain = name.strip_prefix("no-").unwrap_or(&name);
    OPTIONS
        .iter()
        .copied()
        .find(|option| *option == name || *option == plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::kaito::find;

    fn check(text: &str) -> Result<InferenceConfig, Refusal> {
        let preset = find("phi-4").unwrap().preset;
        check_inference_config(Path::new("c.yaml"), text, preset, Runtime::Vllm)
    }

    #[test]
    fn options_of_vllm_pass() {
        let config = check(
            "max_probe_steps: 6\nkv_cache_cpu_memory_utilization: 0.5\nvllm:\n  \
             max-model-len: 8192\n  gpu_memory_utilization: 0.9\n  no-enable-prefix-caching: true\n  \
             speculative-config: '{\"method\": \"ngram\"}'\n",
        );
        assert_eq!(
            config.unwrap(),
            InferenceConfig {
                context: Some(8192),
                warnings: Vec::new()
            }
        );
        assert_eq!(
            check("vllm: {max-model-len: ' 16384 '}").unwrap().context,
            Some(16384)
        );
    }

    #[test]
    fn what_would_not_start_is_refused_with_its_line() {
        for (text, message, hint) in [
            (
                "vllm:\n  max-model-length: 1\n",
                "c.yaml:2: vLLM has no option \"max-model-length\", and would not start",
                "did you mean max-model-len?",
            ),
            (
                "vllm:\n  --max-model-len: 1\n",
                "c.yaml:2: KAITO puts -- before \"--max-model-len\" itself",
                "write max-model-len:",
            ),
            (
                "# a\nvllm:\n  max-model-len: 16385\n",
                "c.yaml:3: max-model-len 16385 is more than phi-4 can: 16384 tokens",
                "write max-model-len: 16384",
            ),
            (
                "vllm:\n  speculative-config: {method: ngram}\n",
                "c.yaml:2: speculative-config holds several values, and KAITO's webhook takes one text",
                "write JSON as a text: speculative-config: '{\"a\": 1}'",
            ),
            (
                "max-model-len: 1\n",
                "c.yaml:1: KAITO reads no \"max-model-len\", and it would do nothing",
                "max-model-len is an option of vLLM: write it below vllm:",
            ),
            (
                "vlm:\n  dtype: auto\n",
                "c.yaml:1: KAITO reads no \"vlm\", and it would do nothing",
                "did you mean vllm?",
            ),
        ] {
            let refusal = check(text).unwrap_err();
            assert_eq!(refusal.message, message);
            assert_eq!(refusal.hints, [hint]);
            let place = message.rsplit_once(": ").unwrap().0;
            assert!(place.starts_with(refusal.object.as_deref().unwrap()));
        }
        for (text, said) in [
            ("", "c.yaml: is no mapping"),
            ("- a", "c.yaml: is no mapping"),
            ("a: [", "c.yaml"),
            ("vllm: []", "c.yaml:1: vllm is no mapping of options"),
            ("vllm:\n  dtype:\n", "c.yaml:2: dtype has no value"),
            (
                "max_probe_steps: many",
                "c.yaml:1: max_probe_steps is no number",
            ),
            ("vllm: {max-model-len: -1}", "\"-1\" is no number of tokens"),
            ("vllm: {max-model-len: 8k}", "\"8k\" is no number of tokens"),
        ] {
            let message = check(text).unwrap_err().message;
            assert!(message.contains(said), "{text:?}: {message}");
        }
    }

    #[test]
    fn what_is_not_known_is_told() {
        let config = check("vllm: {xyzzy-plugh: 1}").unwrap();
        assert!(config.warnings[0].contains("no option \"xyzzy-plugh\" that is known here"));
        let unread = check_inference_config(
            Path::new("c.yaml"),
            "vllm: {dtype: auto}",
            None,
            Runtime::Transformers,
        );
        assert!(unread.unwrap().warnings[0].contains("transformers reads nothing of it"));
    }
}
