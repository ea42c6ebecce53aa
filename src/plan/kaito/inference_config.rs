//! The file that configures how a preset is served: `inference_config.yaml`,
//! whose section `vllm` becomes the flags of vLLM.

use std::path::Path;

use serde_json::{Map, Value};

use super::annotation::Runtime;
use super::catalogue::Preset;
use super::vllm;
use crate::plan::Refusal;
use crate::vocabulary::{KAITO, VLLM, Verdict};
use crate::yaml;

/// Key of the file in the ConfigMap that KAITO reads (v0.4.1 and later).
pub const INFERENCE_KEY: &str = "inference_config.yaml";

/// What the file may hold besides `vllm` (`KaitoConfig` of KAITO's own server,
/// v0.12).
const KEYS: [&str; 3] = ["vllm", "max_probe_steps", "kv_cache_cpu_memory_utilization"];
/// Hint of what only a newer release could take.
pub const FORCE: &str = "--force submits it anyway, if your KAITO supports it";
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
/// will (v0.12). `preset` is what the catalogue knows of the model; with `force`
/// what keys and options are thought of is only told.
///
/// # Errors
/// [`Refusal`], about a line of the file, for what the webhook rejects, and for
/// what it admits and vLLM does not start with.
pub fn check_inference_config(
    file: &Path,
    text: &str,
    preset: Option<&Preset>,
    runtime: Runtime,
    force: bool,
) -> Result<InferenceConfig, Refusal> {
    let reading = Reading { file, text, force };
    let mut config = InferenceConfig::default();
    for (key, value) in &reading.mapping()? {
        match key.as_str() {
            "vllm" => reading.vllm(value, preset, &mut config)?,
            key if KEYS.contains(&key) => reading.number(key, value)?,
            key => reading.unknown_key(key, &mut config)?,
        }
    }
    if runtime == Runtime::Transformers {
        config.warnings.push(format!(
            "{}: it configures vLLM, and the runtime transformers ignores it",
            file.display()
        ));
    }
    Ok(config)
}

struct Reading<'a> {
    file: &'a Path,
    text: &'a str,
    force: bool,
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
                .wrong(None, "not a mapping")
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

    /// Refuses what is wrong unless the user knows better, who is told.
    fn refuse(&self, refusal: Refusal, config: &mut InferenceConfig) -> Result<(), Refusal> {
        if !self.force {
            return Err(refusal.hint(FORCE));
        }
        config.warnings.push(refusal.message);
        Ok(())
    }

    fn unknown_key(&self, key: &str, config: &mut InferenceConfig) -> Result<(), Refusal> {
        let what = format!("KAITO does not read {key:?}: it would have no effect");
        let refusal = self.wrong(Some(key), &what);
        if vllm::option(key).is_some() {
            let hint = format!("{key} is an option of vLLM: write it below vllm:");
            return self.refuse(refusal.hint(hint), config);
        }
        match KAITO.judge(key, &KEYS) {
            Verdict::Slip(near) => {
                self.refuse(refusal.hint(format!("did you mean {near}?")), config)
            }
            _ => {
                let what = KAITO.unknown(&format!("key {key:?} here"));
                let known = format!("{what} (it has {})", KEYS.join(", "));
                config.warnings.push(self.wrong(Some(key), &known).message);
                Ok(())
            }
        }
    }

    fn number(&self, key: &str, value: &Value) -> Result<(), Refusal> {
        match value {
            Value::Number(_) => Ok(()),
            _ => Err(self.wrong(Some(key), &format!("{key} is not a number"))),
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
                .wrong(Some("vllm"), "vllm is not a mapping of options")
                .hint("write one option per line, without --:\n\nvllm:\n  max-model-len: 8192\n"));
        };
        for (key, value) in options {
            if let Some(name) = key.strip_prefix("--") {
                return Err(self
                    .wrong(Some(key), &format!("KAITO itself adds -- to {key:?}"))
                    .hint(format!("write {name}:")));
            }
            self.option(key, value, config)?;
            let what = match value {
                Value::Object(_) | Value::Array(_) => {
                    "has several values, but KAITO's webhook accepts only one string"
                }
                Value::Null => "has no value, so vLLM would get None",
                _ => continue,
            };
            return Err(self
                .wrong(Some(key), &format!("{key} {what}"))
                .hint(format!("write JSON as a string: {key}: '{{\"a\": 1}}'")));
        }
        let Some(length) = options.get(MAX_MODEL_LEN) else {
            return Ok(());
        };
        config.context = Some(self.context(length, preset)?);
        Ok(())
    }

    /// Checks the name of an option, and that a switch is given no value: KAITO
    /// writes the value of every option behind it.
    fn option(
        &self,
        key: &str,
        value: &Value,
        config: &mut InferenceConfig,
    ) -> Result<(), Refusal> {
        if let Some(known) = vllm::option(key) {
            if !known.is_switch {
                return Ok(());
            }
            let what = match value {
                Value::Bool(true) => format!("--{key} True"),
                Value::Bool(false) => format!("--{key} False"),
                _ => "one".to_owned(),
            };
            let what = format!("{key} takes no value, and vLLM would not start with {what}");
            return self.refuse(
                self.wrong(Some(key), &what).hint(format!(
                    "remove {key}: KAITO passes a value with every option"
                )),
                config,
            );
        }
        let name = key.replace('_', "-");
        let said = match VLLM.judge(&name, &vllm::names()) {
            Verdict::Slip(near) => {
                let what = format!("vLLM has no option {key:?} and would not start");
                let refusal = self.wrong(Some(key), &what);
                return self.refuse(refusal.hint(format!("did you mean {near}?")), config);
            }
            Verdict::Dropped(said) => {
                format!("{said}; with an unknown option it may fail to start")
            }
            Verdict::Known | Verdict::Unknown => format!(
                "{}; with an unknown option it may fail to start",
                VLLM.unknown(&format!("option {key:?}"))
            ),
        };
        config.warnings.push(self.wrong(Some(key), &said).message);
        Ok(())
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
                    &format!("invalid {MAX_MODEL_LEN} {text:?}: expected a number of tokens"),
                )
            })?;
        match preset {
            Some(preset) if tokens > preset.context => Err(self
                .wrong(
                    Some(MAX_MODEL_LEN),
                    &format!(
                        "{MAX_MODEL_LEN} {tokens} is more than {} supports: {} tokens",
                        preset.name(),
                        preset.context
                    ),
                )
                .hint(format!("write {MAX_MODEL_LEN}: {}", preset.context))),
            _ => Ok(tokens),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::kaito::find;

    fn check(text: &str) -> Result<InferenceConfig, Refusal> {
        let preset = find("phi-4").unwrap().preset;
        check_inference_config(Path::new("c.yaml"), text, preset, Runtime::Vllm, false)
    }

    #[test]
    fn options_of_vllm_pass() {
        let config = check(
            "max_probe_steps: 6\nkv_cache_cpu_memory_utilization: 0.5\nvllm:\n  \
             max-model-len: 8192\n  gpu_memory_utilization: 0.9\n  \
             default-chat-template-kwargs: '{\"enable_thinking\": false}'\n  \
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
                "vllm:\n  max-modle-len: 1\n",
                "c.yaml:2: vLLM has no option \"max-modle-len\" and would not start",
                "did you mean max-model-len?",
            ),
            (
                "vllm:\n  enable-chunked-prefill: true\n",
                "c.yaml:2: enable-chunked-prefill takes no value, and vLLM would not start with --enable-chunked-prefill True",
                "remove enable-chunked-prefill: KAITO passes a value with every option",
            ),
            (
                "vllm:\n  no_enable_prefix_caching: 1\n",
                "c.yaml:2: no_enable_prefix_caching takes no value, and vLLM would not start with one",
                "remove no_enable_prefix_caching: KAITO passes a value with every option",
            ),
            (
                "vllm:\n  --max-model-len: 1\n",
                "c.yaml:2: KAITO itself adds -- to \"--max-model-len\"",
                "write max-model-len:",
            ),
            (
                "# a\nvllm:\n  max-model-len: 16385\n",
                "c.yaml:3: max-model-len 16385 is more than phi-4 supports: 16384 tokens",
                "write max-model-len: 16384",
            ),
            (
                "vllm:\n  speculative-config: {method: ngram}\n",
                "c.yaml:2: speculative-config has several values, but KAITO's webhook accepts only one string",
                "write JSON as a string: speculative-config: '{\"a\": 1}'",
            ),
            (
                "max-model-len: 1\n",
                "c.yaml:1: KAITO does not read \"max-model-len\": it would have no effect",
                "max-model-len is an option of vLLM: write it below vllm:",
            ),
            (
                "vlm:\n  dtype: auto\n",
                "c.yaml:1: KAITO does not read \"vlm\": it would have no effect",
                "did you mean vllm?",
            ),
        ] {
            let refusal = check(text).unwrap_err();
            assert_eq!(refusal.message, message);
            assert_eq!(refusal.hints[0], hint);
            let place = message.rsplit_once(": ").unwrap().0;
            assert!(place.starts_with(refusal.object.as_deref().unwrap()));
        }
        for (text, said) in [
            ("", "c.yaml: not a mapping"),
            ("- a", "c.yaml: not a mapping"),
            ("a: [", "c.yaml"),
            ("vllm: []", "c.yaml:1: vllm is not a mapping of options"),
            ("vllm:\n  dtype:\n", "c.yaml:2: dtype has no value"),
            (
                "max_probe_steps: many",
                "c.yaml:1: max_probe_steps is not a number",
            ),
            ("vllm: {max-model-len: -1}", "invalid max-model-len \"-1\""),
            ("vllm: {max-model-len: 8k}", "invalid max-model-len \"8k\""),
        ] {
            let message = check(text).unwrap_err().message;
            assert!(message.contains(said), "{text:?}: {message}");
        }
    }

    #[test]
    fn what_is_not_known_is_told() {
        for (text, said) in [
            (
                "vllm: {xyzzy-plugh: 1}",
                "c.yaml: vLLM 0.25 has no option \"xyzzy-plugh\"; a newer one may; with an unknown option it may fail to start",
            ),
            (
                "vllm:\n  max-model-length: 1\n",
                "c.yaml:2: vLLM 0.25 has no option",
            ),
            (
                "vllm:\n  swap-space: 4\n",
                "c.yaml:2: vLLM 0.18 dropped swap-space",
            ),
            (
                "vllm:\n  swap_space: 4\n",
                "c.yaml:2: vLLM 0.18 dropped swap-space",
            ),
            (
                "guardrails: {a: 1}\n",
                "c.yaml:1: KAITO v0.12 has no key \"guardrails\" here; a newer one may (it has vllm,",
            ),
        ] {
            let config = check(text).unwrap();
            assert_eq!(config.warnings.len(), 1);
            assert!(
                config.warnings[0].starts_with(said),
                "{:?}",
                config.warnings
            );
        }
        // Who knows better is told, and let go on.
        let forced = check_inference_config(
            Path::new("c.yaml"),
            "vlm: {}\nvllm:\n  max-modle-len: 1\n  enforce-eager: true\n",
            None,
            Runtime::Vllm,
            true,
        );
        assert_eq!(forced.unwrap().warnings.len(), 3);
        let unread = check_inference_config(
            Path::new("c.yaml"),
            "vllm: {dtype: auto}",
            None,
            Runtime::Transformers,
            false,
        );
        assert!(unread.unwrap().warnings[0].contains("transformers ignores it"));
    }
}
