//! The models that KAITO knows by name, so that a name can be judged, listed
//! and sized offline.
//!
//! Source: KAITO v0.12, `model_catalog.yaml` and the aliases of
//! `pkg/utils/plugin`. A model outside the catalogue is looked up on the
//! Hugging Face hub by KAITO itself.

use crate::names::nearest;
use crate::plan::Refusal;
use crate::secrecy::named;

/// First release that takes the id of any model of the hub, `org/name`.
const FIRST_WITH_IDS: &str = "v0.9";

/// A model of KAITO's catalogue.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Preset {
    /// Short name. Only the older models have one.
    pub alias: Option<&'static str>,
    /// Id on the Hugging Face hub, in the hub's own case.
    pub id: &'static str,
    /// Size of the weights, GiB.
    pub weights: f64,
    /// Longest context, tokens.
    pub context: u32,
    /// Bytes that a token of context takes in the KV cache of 16 bits, by the
    /// model's shape, on all GPUs together.
    pub kv_bytes: u32,
    /// Licence, as the hub names it.
    pub licence: &'static str,
    /// KAITO release that first knew it: by its alias if it has one, otherwise
    /// in its catalogue. By id alone, v0.9 and later take every one.
    pub since: &'static str,
}

impl Preset {
    /// Returns whether `word` is a part of one of its names, in any case.
    pub fn is_called(&self, word: &str) -> bool {
        let word = word.to_lowercase();
        [self.id, self.name()]
            .iter()
            .any(|name| name.to_lowercase().contains(&word))
    }

    /// Returns the name that KAITO's own documents use: the alias, else the id.
    pub fn name(&self) -> &'static str {
        self.alias.unwrap_or(self.id)
    }

    /// Returns whether the hub gives the weights only to those who have
    /// accepted a licence, so that the pod needs their token.
    ///
    /// KAITO flags the Llama presets (`downloadAuthRequired`), but its catalogue
    /// does not (v0.11 and later): its webhook admits them without a Secret and
    /// the pod fails. Gemma's own licence is asked for in the same way.
    pub fn needs_token(&self) -> bool {
        self.licence.starts_with("llama") || self.licence == "gemma"
    }

    /// Returns whether KAITO can fine-tune it (`TransformerTuningParameters`,
    /// v0.12): its webhook admits every preset, and of others makes no Job.
    pub fn can_be_tuned(&self) -> bool {
        const TUNED: [&str; 10] = [
            "phi-4",
            "phi-4-mini-instruct",
            "phi-3-mini-4k-instruct",
            "phi-3-mini-128k-instruct",
            "phi-3-medium-4k-instruct",
            "phi-3-medium-128k-instruct",
            "phi-3.5-mini-instruct",
            "mistral-7b",
            "qwen2.5-coder-7b-instruct",
            "qwen2.5-coder-32b-instruct",
        ];
        self.alias.is_some_and(|alias| TUNED.contains(&alias))
    }

    /// Returns whether the runtime `transformers` serves it
    /// (`TransformerInferenceParameters`, v0.12). Those without an alias, and
    /// the newest with one, are served by vLLM alone.
    pub fn runs_on_transformers(&self) -> bool {
        const VLLM_ALONE: [&str; 4] = [
            "phi-4-mini-instruct",
            "ministral-3-3b-instruct",
            "ministral-3-8b-instruct",
            "ministral-3-14b-instruct",
        ];
        self.alias.is_some_and(|alias| !VLLM_ALONE.contains(&alias))
    }
}

macro_rules! presets {
    ($( $alias:literal, $id:literal, $weights:literal, $context:literal, $kv:literal, $licence:literal, $since:literal; )*) => {
        /// The catalogue of KAITO v0.12: those with an alias first, each by name.
        pub const PRESETS: &[Preset] = &[$( Preset {
            alias: alias($alias),
            id: $id,
            weights: $weights,
            context: $context,
            kv_bytes: $kv,
            licence: $licence,
            since: concat!("v", $since),
        }, )*];
    };
}

const fn alias(name: &'static str) -> Option<&'static str> {
    if name.is_empty() { None } else { Some(name) }
}

presets! {
    // alias, id on the hub, weights in GiB, context, KV cache per token, licence, since
    "deepseek-r1-0528", "deepseek-ai/DeepSeek-R1-0528", 641.3, 163_840, 70_272, "mit", "0.6";
    "deepseek-r1-distill-llama-8b", "deepseek-ai/DeepSeek-R1-Distill-Llama-8B", 14.96, 131_072, 131_072, "mit", "0.4.3";
    "deepseek-r1-distill-qwen-14b", "deepseek-ai/DeepSeek-R1-Distill-Qwen-14B", 27.51, 131_072, 196_608, "mit", "0.4.3";
    "deepseek-v3-0324", "deepseek-ai/DeepSeek-V3-0324", 641.3, 163_840, 70_272, "mit", "0.6";
    "gemma-3-27b-instruct", "google/gemma-3-27b-it", 51.1, 131_072, 507_904, "gemma", "0.8";
    "gemma-3-4b-instruct", "google/gemma-3-4b-it", 8.01, 131_072, 139_264, "gemma", "0.8";
    "gpt-oss-120b", "openai/gpt-oss-120b", 121.54, 131_072, 73_728, "apache-2.0", "0.7";
    "gpt-oss-20b", "openai/gpt-oss-20b", 25.63, 131_072, 49_152, "apache-2.0", "0.7";
    "llama-3.1-8b-instruct", "meta-llama/Llama-3.1-8B-Instruct", 14.96, 131_072, 131_072, "llama3.1", "0.4.6";
    "llama-3.3-70b-instruct", "meta-llama/Llama-3.3-70B-Instruct", 131.42, 131_072, 327_680, "llama3.3", "0.5";
    "ministral-3-14b-instruct", "mistralai/Ministral-3-14B-Instruct-2512", 14.65, 262_144, 163_840, "apache-2.0", "0.8";
    "ministral-3-3b-instruct", "mistralai/Ministral-3-3B-Instruct-2512", 4.35, 262_144, 106_496, "apache-2.0", "0.8";
    "ministral-3-8b-instruct", "mistralai/Ministral-3-8B-Instruct-2512", 9.7, 262_144, 139_264, "apache-2.0", "0.8";
    "mistral-7b", "mistralai/Mistral-7B-v0.3", 13.5, 32_768, 131_072, "apache-2.0", "0.2";
    "mistral-7b-instruct", "mistralai/Mistral-7B-Instruct-v0.3", 13.5, 32_768, 131_072, "apache-2.0", "0.2";
    "mistral-large-3-675b-instruct", "mistralai/Mistral-Large-3-675B-Instruct-2512", 634.7, 294_912, 70_272, "apache-2.0", "0.8";
    "phi-3-medium-128k-instruct", "microsoft/Phi-3-medium-128k-instruct", 26.0, 131_072, 204_800, "mit", "0.3";
    "phi-3-medium-4k-instruct", "microsoft/Phi-3-medium-4k-instruct", 26.0, 4_096, 204_800, "mit", "0.3";
    "phi-3-mini-128k-instruct", "microsoft/Phi-3-mini-128k-instruct", 7.12, 131_072, 393_216, "mit", "0.3";
    "phi-3-mini-4k-instruct", "microsoft/Phi-3-mini-4k-instruct", 7.12, 4_096, 393_216, "mit", "0.3";
    "phi-3.5-mini-instruct", "microsoft/Phi-3.5-mini-instruct", 7.12, 131_072, 393_216, "mit", "0.4";
    "phi-4", "microsoft/phi-4", 27.31, 16_384, 204_800, "mit", "0.4.5";
    "phi-4-mini-instruct", "microsoft/Phi-4-mini-instruct", 7.15, 131_072, 131_072, "mit", "0.4.5";
    "qwen2.5-coder-32b-instruct", "Qwen/Qwen2.5-Coder-32B-Instruct", 61.03, 32_768, 262_144, "apache-2.0", "0.4.5";
    "qwen2.5-coder-7b-instruct", "Qwen/Qwen2.5-Coder-7B-Instruct", 14.19, 32_768, 57_344, "apache-2.0", "0.4.1";
    "", "deepseek-ai/DeepSeek-V3.2", 642.14, 163_840, 70_272, "mit", "0.12";
    "", "deepseek-ai/DeepSeek-V4-Flash-0731", 155.43, 1_048_576, 88_064, "mit", "0.12";
    "", "deepseek-ai/DeepSeek-V4-Pro", 805.34, 1_048_576, 124_928, "mit", "0.12";
    "", "google/gemma-4-12B-it", 22.28, 262_144, 393_216, "apache-2.0", "0.12";
    "", "google/gemma-4-26B-A4B-it", 48.07, 262_144, 245_760, "apache-2.0", "0.11";
    "", "google/gemma-4-31B-it", 58.25, 262_144, 983_040, "apache-2.0", "0.11";
    "", "google/gemma-4-E2B-it", 9.54, 131_072, 35_840, "apache-2.0", "0.11";
    "", "google/gemma-4-E4B-it", 14.89, 131_072, 86_016, "apache-2.0", "0.11";
    "", "ibm-granite/granite-4.1-8b", 16.38, 131_072, 163_840, "apache-2.0", "0.12";
    "", "MiniMaxAI/MiniMax-M2.7", 214.34, 204_800, 253_952, "other", "0.11";
    "", "mistralai/Mistral-Medium-3.5-128B", 124.43, 262_144, 360_448, "other", "0.11";
    "", "mistralai/Mistral-Small-4-119B-2603", 112.63, 1_048_576, 23_040, "apache-2.0", "0.11";
    "", "mistralai/Mistral-Small-4-119B-2603-NVFP4", 65.95, 1_048_576, 23_040, "apache-2.0", "0.11";
    "", "moonshotai/Kimi-K2.5", 554.32, 262_144, 70_272, "modified-mit", "0.11";
    "", "moonshotai/Kimi-K2.6", 554.32, 262_144, 70_272, "modified-mit", "0.11";
    "", "moonshotai/Kimi-K2.7-Code", 554.32, 262_144, 70_272, "modified-mit", "0.12";
    "", "nvidia/Nemotron-Cascade-2-30B-A3B", 58.82, 262_144, 53_248, "nvidia-open-model-license", "0.11";
    "", "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16", 58.82, 262_144, 53_248, "nvidia-nemotron-open-model-license", "0.11";
    "", "nvidia/NVIDIA-Nemotron-3-Nano-4B-BF16", 7.4, 262_144, 172_032, "nvidia-nemotron-open-model-license", "0.11";
    "", "nvidia/NVIDIA-Nemotron-3-Super-120B-A12B-BF16", 230.25, 262_144, 90_112, "nvidia-nemotron-open-model-license", "0.11";
    "", "nvidia/NVIDIA-Nemotron-3-Ultra-550B-A55B-NVFP4", 328.13, 262_144, 110_592, "openmdw-1.1", "0.12";
    "", "nvidia/NVIDIA-Nemotron-Nano-12B-v2-VL-BF16", 24.55, 131_072, 253_952, "nvidia-open-model-license", "0.11";
    "", "nvidia/NVIDIA-Nemotron-Nano-9B-v2", 16.56, 131_072, 229_376, "nvidia-open-model-license", "0.11";
    "", "Qwen/Qwen3-8B-AWQ", 5.68, 40_960, 147_456, "apache-2.0", "0.11";
    "", "Qwen/Qwen3.5-122B-A10B", 232.99, 262_144, 98_304, "apache-2.0", "0.11";
    "", "Qwen/Qwen3.5-122B-A10B-GPTQ-Int4", 73.47, 262_144, 98_304, "apache-2.0", "0.11";
    "", "Qwen/Qwen3.5-2B", 4.24, 262_144, 49_152, "apache-2.0", "0.11";
    "", "Qwen/Qwen3.5-397B-A17B-GPTQ-Int4", 219.56, 262_144, 122_880, "apache-2.0", "0.11";
    "", "Qwen/Qwen3.5-4B", 8.68, 262_144, 131_072, "apache-2.0", "0.11";
    "", "Qwen/Qwen3.5-9B", 17.98, 262_144, 131_072, "apache-2.0", "0.11";
    "", "Qwen/Qwen3.6-27B", 51.75, 262_144, 262_144, "apache-2.0", "0.11";
    "", "Qwen/Qwen3.6-35B-A3B", 66.97, 262_144, 81_920, "apache-2.0", "0.11";
    "", "Qwen/Qwen3.6-35B-A3B-FP8", 34.9, 262_144, 81_920, "apache-2.0", "0.11";
    "", "Qwen/Qwen3.8-27B", 51.75, 262_144, 262_144, "apache-2.0", "0.12";
    "", "zai-org/GLM-5.2-FP8", 703.75, 1_048_576, 89_856, "mit", "0.12";
}

/// A preset that KAITO no longer registers.
struct Retired {
    name: &'static str,
    /// Last release that registered it.
    last: &'static str,
    /// Id of the same weights on the hub.
    id: &'static str,
    /// Preset of today that does its work.
    instead: &'static str,
}

macro_rules! retired {
    ($( $name:literal, $last:literal, $id:literal, $instead:literal; )*) => {
        const RETIRED: &[Retired] = &[$( Retired {
            name: $name,
            last: $last,
            id: $id,
            instead: $instead,
        }, )*];
    };
}

// v0.12 still lists falcon and phi-2 in its ConfigMap `kaito-supported-models`,
// and its webhook rejects them all the same.
retired! {
    "falcon-7b", "v0.10", "tiiuae/falcon-7b", "mistral-7b";
    "falcon-7b-instruct", "v0.10", "tiiuae/falcon-7b-instruct", "mistral-7b-instruct";
    "falcon-40b", "v0.10", "tiiuae/falcon-40b", "gemma-3-27b-instruct";
    "falcon-40b-instruct", "v0.10", "tiiuae/falcon-40b-instruct", "gemma-3-27b-instruct";
    "phi-2", "v0.7", "microsoft/phi-2", "phi-4-mini-instruct";
    "llama-2-7b", "v0.4.5", "meta-llama/Llama-2-7b-hf", "llama-3.1-8b-instruct";
    "llama-2-7b-chat", "v0.4.5", "meta-llama/Llama-2-7b-chat-hf", "llama-3.1-8b-instruct";
    "llama-2-13b", "v0.4.5", "meta-llama/Llama-2-13b-hf", "phi-4";
    "llama-2-13b-chat", "v0.4.5", "meta-llama/Llama-2-13b-chat-hf", "phi-4";
    "llama-2-70b", "v0.4.5", "meta-llama/Llama-2-70b-hf", "llama-3.3-70b-instruct";
    "llama-2-70b-chat", "v0.4.5", "meta-llama/Llama-2-70b-chat-hf", "llama-3.3-70b-instruct";
}

/// A model's name, as a Workspace's `preset.name` may carry it.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelName {
    /// What to write: an alias in lower case, or an id.
    pub name: String,
    /// What the catalogue knows of it; `None` for other models of the hub.
    pub preset: Option<&'static Preset>,
}

/// Returns whether KAITO has given up the preset of this name.
pub fn is_retired(name: &str) -> bool {
    RETIRED
        .iter()
        .any(|retired| retired.name.eq_ignore_ascii_case(name))
}

/// Finds the model that `name` stands for: an alias, the id of a model of the
/// catalogue, or the id of any other model of the hub.
///
/// Case does not matter to KAITO since v0.11; before, an alias had to be in
/// lower case, so that is how it is written.
///
/// # Errors
/// [`Refusal`] for a name that is neither, with what was probably meant, and
/// for presets that KAITO has given up, with what does their work today.
pub fn find(name: &str) -> Result<ModelName, Refusal> {
    let known = PRESETS.iter().find(|preset| {
        preset.id.eq_ignore_ascii_case(name)
            || preset
                .alias
                .is_some_and(|alias| alias.eq_ignore_ascii_case(name))
    });
    if let Some(preset) = known {
        let name = if name.contains('/') {
            preset.id
        } else {
            preset.name()
        };
        return Ok(ModelName {
            name: name.to_owned(),
            preset: Some(preset),
        });
    }
    if let Some(retired) = RETIRED
        .iter()
        .find(|retired| retired.name.eq_ignore_ascii_case(name))
    {
        return Err(retired.refusal());
    }
    if is_hub_id(name) {
        return Ok(ModelName {
            name: name.to_owned(),
            preset: None,
        });
    }
    Err(unknown(name))
}

impl Retired {
    fn refusal(&self) -> Refusal {
        Refusal::new(format!(
            "KAITO has given up the preset {:?}: {} was the last release with it",
            self.name, self.last
        ))
        .hint(format!("-m {} does its work today", self.instead))
        .hint(format!(
            "-m {} has KAITO fetch the same weights from the hub ({FIRST_WITH_IDS} and later)",
            self.id
        ))
    }
}

fn unknown(name: &str) -> Refusal {
    if let Some(id) = id_within(name) {
        return Refusal::new(format!("{} is not the id of a model", named(name)))
            .hint(format!("did you mean -m {id}?"));
    }
    if name.contains('/') {
        return Refusal::new(format!(
            "{} is not the id of a model: two words of letters, digits, -, _ and . around one /",
            named(name)
        ))
        .hint("an id looks like Qwen/Qwen3.6-27B");
    }
    let refusal = Refusal::new(format!("KAITO has no preset {}", named(name)));
    let refusal = match meant(name) {
        Some(preset) => refusal.hint(format!("did you mean -m {preset}?")),
        None => refusal.hint(format!("presets: {}", aliases().join(", "))),
    };
    refusal.hint("-m ORG/NAME serves any model of the Hugging Face hub by its id")
}

fn aliases() -> Vec<&'static str> {
    PRESETS.iter().filter_map(|preset| preset.alias).collect()
}

/// Returns the preset whose alias, or name on the hub without its organisation,
/// is most like `word`.
fn meant(word: &str) -> Option<&'static str> {
    let last_part = |id: &'static str| id.rsplit('/').next().unwrap_or(id).to_lowercase();
    let words = PRESETS.iter().flat_map(|preset| {
        let alias = preset.alias.map(|alias| (alias.to_owned(), alias));
        alias.into_iter().chain([(last_part(preset.id), preset.id)])
    });
    let words: Vec<_> = words.collect();
    let near = nearest(
        &word.to_lowercase(),
        words.iter().map(|(word, _)| word.clone()),
    )?;
    words
        .into_iter()
        .find(|(word, _)| *word == near)
        .map(|(_, name)| name)
}

/// Returns the id in an address of the hub.
fn id_within(text: &str) -> Option<String> {
    let path = [
        "https://huggingface.co/",
        "huggingface.co/",
        "hf.co/",
        "https://hf.co/",
        "hf://",
    ]
    .into_iter()
    .find_map(|prefix| text.strip_prefix(prefix))?;
    let mut parts = path.split('/');
    let id = format!("{}/{}", parts.next()?, parts.next()?);
    is_hub_id(&id).then_some(id)
}

/// Returns whether `text` can be the id of a model (`validate_repo_id` of
/// `huggingface_hub`). KAITO's webhook only asks for two parts.
fn is_hub_id(text: &str) -> bool {
    let is_word = |word: &str| {
        let edge = |c: char| c == '-' || c == '.';
        !word.is_empty()
            && word.len() <= 96
            && word
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
            && !word.starts_with(edge)
            && !word.ends_with(edge)
            && !word.contains("--")
            && !word.contains("..")
    };
    text.split_once('/')
        .is_some_and(|(organisation, name)| is_word(organisation) && is_word(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn hints(name: &str) -> Vec<String> {
        find(name).unwrap_err().hints
    }

    #[test]
    fn the_catalogue_is_whole_and_in_order() {
        let key = |preset: &Preset| (preset.alias.is_none(), preset.name().to_lowercase());
        assert!(PRESETS.iter().map(key).is_sorted());
        assert_eq!(PRESETS.len(), 60);
        assert_eq!(aliases().len(), 25);
        let ids: BTreeSet<_> = PRESETS
            .iter()
            .map(|preset| preset.id.to_lowercase())
            .collect();
        assert_eq!(ids.len(), PRESETS.len());
        for preset in PRESETS {
            assert!(is_hub_id(preset.id), "{}", preset.id);
            assert!(!preset.name().is_empty() && preset.since.starts_with("v0."));
            // From a quarter of a byte to two bytes per weight, up to 1.6 trillion of them.
            assert!((1.0..1000.0).contains(&preset.weights), "{}", preset.id);
            assert!((1024..=1 << 20).contains(&preset.context), "{}", preset.id);
            assert!(preset.kv_bytes.is_multiple_of(2) && preset.kv_bytes > 0);
        }
    }

    #[test]
    fn a_model_is_known_by_alias_and_by_id_in_any_case() {
        let phi = find("Phi-4").unwrap();
        assert_eq!(
            (phi.name.as_str(), phi.preset.unwrap().id),
            ("phi-4", "microsoft/phi-4")
        );
        let llama = find("meta-llama/llama-3.1-8b-instruct").unwrap();
        assert_eq!(llama.name, "meta-llama/Llama-3.1-8B-Instruct");
        assert!(llama.preset.unwrap().needs_token());
        assert!(
            find("gemma-3-4b-instruct")
                .unwrap()
                .preset
                .unwrap()
                .needs_token()
        );
        assert!(!phi.preset.unwrap().needs_token());
    }

    #[test]
    fn any_other_id_is_left_to_kaito() {
        for id in ["bigscience/bloomz-560m", "tiiuae/falcon-7b", "a/b_c.d-e"] {
            let model = find(id).unwrap();
            assert_eq!((model.name.as_str(), model.preset), (id, None));
        }
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for name in [
            "/x",
            "x/",
            "a/b/c",
            "org/na me",
            "org/-x",
            "org/x..y",
            "org/x\n",
            "",
        ] {
            assert!(find(name).is_err(), "{name:?}");
        }
        assert_eq!(
            hints("https://huggingface.co/Qwen/Qwen3.6-27B/tree/main"),
            ["did you mean -m Qwen/Qwen3.6-27B?"]
        );
        assert_eq!(
            hints("hf://Qwen/Qwen3.6-27B"),
            ["did you mean -m Qwen/Qwen3.6-27B?"]
        );
    }

    #[test]
    fn an_unknown_short_name_gets_the_nearest() {
        for (name, near) in [
            ("phi4", "phi-4"),
            ("llama-3.1-8b", "llama-3.1-8b-instruct"),
            ("gemma-3-4b-it", "google/gemma-3-4b-it"),
            ("Qwen3.6-27B", "Qwen/Qwen3.6-27B"),
        ] {
            assert_eq!(hints(name)[0], format!("did you mean -m {near}?"));
        }
        let far = hints("xyzzy");
        assert!(far[0].starts_with("presets: deepseek-r1-0528, "), "{far:?}");
        assert!(far[1].contains("-m ORG/NAME"));
    }

    #[test]
    fn what_kaito_has_given_up_is_refused_with_what_works() {
        let refusal = find("Falcon-7B").unwrap_err();
        assert_eq!(
            refusal.message,
            "KAITO has given up the preset \"falcon-7b\": v0.10 was the last release with it"
        );
        for retired in RETIRED {
            let hints = hints(retired.name);
            assert!(hints[0].starts_with(&format!("-m {} ", retired.instead)));
            assert!(aliases().contains(&retired.instead), "{}", retired.instead);
            // The way out must not lead into another refusal.
            assert_eq!(find(retired.id).unwrap().preset, None);
        }
    }
}
