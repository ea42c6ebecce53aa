//! The models that KAITO knows by name, so that a name can be judged, listed
//! and sized offline.
//!
//! Source: KAITO v0.12, `model_catalog.yaml` and the aliases of
//! `pkg/utils/plugin`. A model outside the catalogue is looked up on the
//! Hugging Face hub by KAITO itself.

use std::sync::LazyLock;

use super::retired;
use crate::names::nearest;
use crate::plan::Refusal;
use crate::secrecy::named;
use crate::vocabulary::{KAITO, Verdict, rows};

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
    /// Whether the runtime `transformers` serves it. Those without an alias, and the
    /// newest with one, are served by vLLM alone.
    pub runs_on_transformers: bool,
    /// Whether KAITO can fine-tune it: its webhook admits every preset, and of others
    /// makes no Job.
    pub can_be_tuned: bool,
}

impl Preset {
    /// Reads a row of the table; a test holds every one to be whole.
    fn from_row(row: [&'static str; 9]) -> Self {
        let [
            alias,
            id,
            weights,
            context,
            kv_bytes,
            licence,
            since,
            transformers,
            tuned,
        ] = row;
        Self {
            alias: Some(alias).filter(|alias| *alias != "-"),
            id,
            weights: weights.parse().unwrap_or_default(),
            context: context.parse().unwrap_or_default(),
            kv_bytes: kv_bytes.parse().unwrap_or_default(),
            licence,
            since,
            runs_on_transformers: transformers == "yes",
            can_be_tuned: tuned == "yes",
        }
    }

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
}

/// The catalogue of KAITO v0.12: those with an alias first, each by name.
pub static PRESETS: LazyLock<Vec<Preset>> = LazyLock::new(|| {
    let rows = rows(include_str!("../../../data/kaito-presets.tsv"));
    rows.map(Preset::from_row).collect()
});

/// A model's name, as a Workspace's `preset.name` may carry it.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelName {
    /// What to write: an alias in lower case, or an id.
    pub name: String,
    /// What the catalogue knows of it; `None` for other models of the hub.
    pub preset: Option<&'static Preset>,
}

/// Finds the model that `name` stands for: an alias, the id of a model of the
/// catalogue, or the id of any other model of the hub.
///
/// Case does not matter to KAITO since v0.11; before, an alias had to be in
/// lower case, so that is how it is written.
///
/// # Errors
/// [`Refusal`] for a name that is neither, with what was probably meant.
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
    // Older releases serve it; see [`retired::check_presence`].
    if let Some(name) = retired::named(name) {
        return Ok(ModelName {
            name: name.to_owned(),
            preset: None,
        });
    }
    if is_hub_id(name) {
        return Ok(ModelName {
            name: name.to_owned(),
            preset: None,
        });
    }
    Err(unknown(name))
}

/// The same, for who may know better: with `force` any name is one, and so is one that
/// a newer release may have.
///
/// # Errors
/// Those of [`find`], for anything else.
pub fn find_or_trust(name: &str, force: bool) -> Result<ModelName, Refusal> {
    match find(name) {
        Err(_) if force || may_be_newer(name) => Ok(ModelName {
            name: name.to_owned(),
            preset: None,
        }),
        found => found,
    }
}

/// Returns whether a name may be that of a preset which a newer release has: it has
/// the form of one, and is no slip in one that is known.
fn may_be_newer(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-._".contains(&b);
    let is_word = name.bytes().all(plain) && name.starts_with(|c: char| c.is_ascii_lowercase());
    // Another number is another version.
    let digits = |name: &str| name.replace(|c: char| !c.is_ascii_digit(), "");
    is_word
        && match KAITO.judge(name, &aliases()) {
            Verdict::Slip(near) => digits(near) != digits(name),
            verdict => verdict == Verdict::Unknown,
        }
}

fn unknown(name: &str) -> Refusal {
    if let Some(id) = id_within(name) {
        return Refusal::new(format!("invalid model ID {}", named(name)))
            .hint(format!("did you mean -m {id}?"));
    }
    if name.contains('/') {
        return Refusal::new(format!(
            "invalid model ID {}: expected ORG/NAME of letters, digits, -, _ and .",
            named(name)
        ))
        .hint("use an ID such as Qwen/Qwen3.6-27B");
    }
    let refusal = Refusal::new(format!("KAITO has no preset {}", named(name)));
    let refusal = match meant(name) {
        Some(preset) => refusal.hint(format!("did you mean -m {preset}?")),
        None => refusal.hint(format!("presets: {}", aliases().join(", "))),
    };
    refusal.hint("use -m ORG/NAME for any model on the Hugging Face Hub")
}

/// Returns whether nothing that KAITO serves is like `name`.
pub(super) fn is_like_none(name: &str) -> bool {
    !name.contains('/') && id_within(name).is_none() && meant(name).is_none()
}

fn aliases() -> Vec<&'static str> {
    PRESETS.iter().filter_map(|preset| preset.alias).collect()
}

/// Returns the preset whose alias, or name on the hub without its organisation,
/// is most like `word`.
pub(in crate::plan::kaito) fn meant(word: &str) -> Option<&'static str> {
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
    use crate::suggestion::Suggestion;
    use std::collections::BTreeSet;

    fn hints(name: &str) -> Vec<String> {
        let hints = find(name).unwrap_err().hints;
        hints.iter().map(Suggestion::plain).collect()
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
        for preset in PRESETS.iter() {
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
}
