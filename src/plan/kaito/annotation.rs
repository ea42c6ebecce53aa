//! The annotations that KAITO reads from a Workspace. Most of them it compares
//! letter by letter, and takes any other value for "not set".

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::names::nearest;
use crate::plan::Refusal;
use crate::schema::Schema;
use crate::yaml::{deserialize_from_text, serialize_as_text};

/// Prefix of what KAITO reads.
const PREFIX: &str = "kaito.sh/";
/// Which server runs a preset.
const RUNTIME: &str = "runtime";
/// Makes KAITO pass over missing GPU memory.
const BYPASS: &str = "bypass-resource-checks";

/// What runs a preset's model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runtime {
    /// vLLM, the default.
    Vllm,
    /// Hugging Face Transformers. Never spans nodes.
    Transformers,
}

impl Runtime {
    /// Returns the runtime that the annotations of a Workspace choose. KAITO
    /// takes every word that it does not know for vLLM.
    pub fn chosen_by(annotations: &BTreeMap<String, String>) -> Self {
        match value(annotations, RUNTIME) {
            Some("transformers") => Self::Transformers,
            _ => Self::Vllm,
        }
    }
}

impl FromStr for Runtime {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.to_lowercase().as_str() {
            "vllm" => Ok(Self::Vllm),
            "transformers" => Ok(Self::Transformers),
            _ => Err("expected vllm or transformers".to_owned()),
        }
    }
}

impl fmt::Display for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Vllm => "vllm",
            Self::Transformers => "transformers",
        })
    }
}

deserialize_from_text!(Runtime);
serialize_as_text!(Runtime);

impl Schema for Runtime {
    fn schema() -> serde_json::Value {
        let any_case = "^([vV][lL][lL][mM]|[tT][rR][aA][nN][sS][fF][oO][rR][mM][eE][rR][sS])$";
        serde_json::json!({"type": "string", "pattern": any_case, "examples": ["vllm", "transformers"]})
    }
}

/// Annotation that chooses the runtime of a preset.
pub const RUNTIME_ANNOTATION: &str = "kaito.sh/runtime";

/// Returns the annotation that makes a Workspace's Service a load balancer.
/// KAITO heeds this spelling of its value alone (v0.1 and later).
pub fn public() -> (String, String) {
    (format!("{PREFIX}enablelb"), "True".to_owned())
}

/// Returns whether KAITO passes over missing GPU memory: the annotation's
/// presence says so, whatever its value.
pub(super) fn bypasses_checks(annotations: &BTreeMap<String, String>) -> bool {
    value(annotations, BYPASS).is_some()
}

/// Returns whether the weights lie on the node, so that nothing is downloaded.
pub(super) fn uses_local_weights(annotations: &BTreeMap<String, String>) -> bool {
    value(annotations, "use-local-weights") == Some("true")
}

fn value<'a>(annotations: &'a BTreeMap<String, String>, name: &str) -> Option<&'a str> {
    annotations
        .get(&format!("{PREFIX}{name}"))
        .map(String::as_str)
}

/// How KAITO reads a value.
enum Reads {
    /// Exactly these words have an effect; those of `default` say what happens
    /// anyway, and whatever else is written happens too.
    Words {
        effective: &'static [&'static str],
        default: &'static [&'static str],
    },
    /// These words, in any case; the webhook rejects others.
    AnyCase(&'static [&'static str]),
    /// Not at all: the annotation's presence counts.
    Presence,
    /// As a name of something else.
    Name,
    /// Not any more.
    Gone { instead: &'static str },
}

struct Rule {
    /// What follows `kaito.sh/`.
    name: &'static str,
    reads: Reads,
    /// Releases that read it so.
    since: &'static str,
}

const fn words(
    name: &'static str,
    effective: &'static [&'static str],
    default: &'static [&'static str],
    since: &'static str,
) -> Rule {
    Rule {
        name,
        reads: Reads::Words { effective, default },
        since,
    }
}

const fn name(name: &'static str, since: &'static str) -> Rule {
    Rule {
        name,
        reads: Reads::Name,
        since,
    }
}

/// Sources: `api/v1beta1/labels.go`, `pkg/modelmirror/consts`, and where they
/// are read, v0.12; `run-benchmark` was v0.10's alone.
const RULES: &[Rule] = &[
    words("enablelb", &["True"], &["False", "false"], "v0.1 and later"),
    words(RUNTIME, &["vllm", "transformers"], &[], "v0.4 and later"),
    Rule {
        name: BYPASS,
        reads: Reads::Presence,
        since: "v0.4.5 and later",
    },
    words(
        "disable-benchmark",
        &["true"],
        &["false"],
        "v0.11 and later",
    ),
    words(
        "performance-mode",
        &["balanced", "interactivity", "throughput"],
        &[],
        "v0.10 and later",
    ),
    words("use-local-weights", &["true", "false"], &[], "v0.12"),
    words(
        "model-streaming",
        &["disabled"],
        &["enabled"],
        "v0.11 and later",
    ),
    Rule {
        name: "node-image-family",
        reads: Reads::AnyCase(&["ubuntu", "azurelinux"]),
        since: "v0.9 and later",
    },
    Rule {
        name: "run-benchmark",
        reads: Reads::Gone {
            instead: "kaito.sh/disable-benchmark: \"true\"",
        },
        since: "v0.11 and later",
    },
    name("node-class-name", "v0.11 and later"),
    name("model-mirror-storage-class", "v0.11 and later"),
    name("streaming-service-account", "v0.11 and later"),
    name("upgrade-start-time", "v0.11 and later"),
];

/// Checks the annotations of a Workspace; returns what is worth a warning:
/// keys of KAITO's that are not known here, because a later release may read
/// them.
///
/// # Errors
/// [`Refusal`] for a value that KAITO rejects or silently takes for another,
/// and for a key that is almost one of KAITO's.
pub fn check_annotations(annotations: &BTreeMap<String, String>) -> Result<Vec<String>, Refusal> {
    let mut warnings = Vec::new();
    for (key, value) in annotations {
        let Some(name) = key.strip_prefix(PREFIX) else {
            continue;
        };
        match RULES.iter().find(|rule| rule.name == name) {
            Some(rule) => rule.check(value)?,
            None => warnings.push(unknown(name)?),
        }
    }
    Ok(warnings)
}

fn unknown(name: &str) -> Result<String, Refusal> {
    let known = RULES
        .iter()
        .filter(|rule| !matches!(rule.reads, Reads::Gone { .. }))
        .map(|rule| rule.name.to_owned());
    match nearest(name, known) {
        Some(near) => Err(Refusal::new(format!(
            "KAITO does not read the annotation {PREFIX}{name}: it would have no effect"
        ))
        .hint(format!("did you mean {PREFIX}{near}?"))),
        None => Ok(format!(
            "KAITO v0.12 does not read the annotation {PREFIX}{name}"
        )),
    }
}

impl Rule {
    fn check(&self, value: &str) -> Result<(), Refusal> {
        match self.reads {
            Reads::Words { effective, default } => {
                if effective.contains(&value) || default.contains(&value) {
                    return Ok(());
                }
                Err(self
                    .refusal(&format!("KAITO only accepts {}", either(effective)))
                    .hint(self.write(meant(value, effective, default))))
            }
            Reads::AnyCase(words) => {
                let word = value.trim().to_lowercase();
                if words.contains(&word.as_str()) {
                    return Ok(());
                }
                Err(self
                    .refusal(&format!("KAITO only accepts {}", either(words)))
                    .hint(self.write(nearest_of(&word, words).unwrap_or(words[0]))))
            }
            Reads::Presence if is_no(value) => Err(self
                .refusal("its presence turns it on, whatever its value")
                .hint(format!("remove {PREFIX}{}", self.name))),
            Reads::Presence | Reads::Name => Ok(()),
            Reads::Gone { instead } => Err(self
                .refusal("KAITO no longer reads it, and runs the benchmark by default")
                .hint(format!("{instead} turns it off"))),
        }
    }

    fn refusal(&self, why: &str) -> Refusal {
        Refusal::new(format!(
            "annotation {PREFIX}{}: {why} ({})",
            self.name, self.since
        ))
    }

    fn write(&self, word: &str) -> String {
        format!("write {PREFIX}{}: {word:?}", self.name)
    }
}

/// Returns `"a" or "b"`.
fn either(words: &[&str]) -> String {
    let quoted: Vec<_> = words.iter().map(|word| format!("{word:?}")).collect();
    quoted.join(" or ")
}

/// Returns the word that was meant by one that KAITO would not heed: a no by
/// any kind of no, and a likely one or a yes by anything else.
fn meant(
    value: &str,
    effective: &'static [&'static str],
    default: &'static [&'static str],
) -> &'static str {
    let words = || effective.iter().chain(default).copied();
    if is_no(value)
        && let Some(no) = words().find(|word| is_no(word))
    {
        return no;
    }
    nearest_of(&value.to_lowercase(), effective)
        .or_else(|| words().find(|word| !is_no(word)))
        .unwrap_or(effective[0])
}

fn nearest_of(word: &str, words: &[&'static str]) -> Option<&'static str> {
    let near = nearest(word, words.iter().map(|word| word.to_lowercase()))?;
    words
        .iter()
        .copied()
        .find(|word| word.eq_ignore_ascii_case(&near))
}

fn is_no(value: &str) -> bool {
    matches!(
        value.trim().to_lowercase().as_str(),
        "false" | "no" | "off" | "0" | "disabled"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(key: &str, value: &str) -> Result<Vec<String>, Refusal> {
        check_annotations(&BTreeMap::from([(key.to_owned(), value.to_owned())]))
    }

    #[test]
    fn values_that_kaito_heeds_pass() {
        for (key, value) in [
            ("kaito.sh/enablelb", "True"),
            ("kaito.sh/enablelb", "false"),
            ("kaito.sh/runtime", "vllm"),
            ("kaito.sh/runtime", "transformers"),
            ("kaito.sh/bypass-resource-checks", "true"),
            ("kaito.sh/bypass-resource-checks", ""),
            ("kaito.sh/disable-benchmark", "true"),
            ("kaito.sh/performance-mode", "throughput"),
            ("kaito.sh/use-local-weights", "false"),
            ("kaito.sh/node-image-family", "AzureLinux"),
            ("kaito.sh/node-class-name", "gpu"),
            ("kaito.sh/model-streaming", "disabled"),
            ("workspace.kaito.io/revision", "1"),
            ("example.com/enablelb", "true"),
        ] {
            assert_eq!(check(key, value).unwrap(), Vec::<String>::new(), "{key}");
        }
    }

    #[test]
    fn values_that_kaito_takes_for_others_are_refused() {
        for (key, value, reason, hint) in [
            (
                "enablelb",
                "true",
                "only accepts \"True\" (v0.1",
                "write kaito.sh/enablelb: \"True\"",
            ),
            (
                "enablelb",
                "yes",
                "only accepts \"True\"",
                "write kaito.sh/enablelb: \"True\"",
            ),
            (
                "enablelb",
                "no",
                "only accepts \"True\"",
                "write kaito.sh/enablelb: \"False\"",
            ),
            (
                "runtime",
                "VLLM",
                "\"vllm\" or \"transformers\"",
                "write kaito.sh/runtime: \"vllm\"",
            ),
            (
                "runtime",
                "transformer",
                "(v0.4",
                "write kaito.sh/runtime: \"transformers\"",
            ),
            (
                "bypass-resource-checks",
                "false",
                "turns it on",
                "remove kaito.sh/bypass-resource-checks",
            ),
            (
                "bypass-resource-checks",
                "0",
                "turns it on",
                "remove kaito.sh/bypass-resource-checks",
            ),
            (
                "disable-benchmark",
                "True",
                "only accepts \"true\" (v0.11",
                "write kaito.sh/disable-benchmark: \"true\"",
            ),
            (
                "run-benchmark",
                "false",
                "no longer",
                "kaito.sh/disable-benchmark: \"true\" turns it off",
            ),
            (
                "performance-mode",
                "fast",
                "\"balanced\" or",
                "write kaito.sh/performance-mode: \"balanced\"",
            ),
            (
                "use-local-weights",
                "1",
                "(v0.12)",
                "write kaito.sh/use-local-weights: \"true\"",
            ),
            (
                "node-image-family",
                "windows",
                "\"ubuntu\" or",
                "write kaito.sh/node-image-family: \"ubuntu\"",
            ),
            (
                "model-streaming",
                "off",
                "only accepts \"disabled\"",
                "write kaito.sh/model-streaming: \"disabled\"",
            ),
            (
                "model-streaming",
                "true",
                "only accepts \"disabled\"",
                "write kaito.sh/model-streaming: \"enabled\"",
            ),
            (
                "use-local-weights",
                "0",
                "only accepts \"true\" or \"false\"",
                "write kaito.sh/use-local-weights: \"false\"",
            ),
            (
                "disable-benchmark",
                "no",
                "only accepts \"true\"",
                "write kaito.sh/disable-benchmark: \"false\"",
            ),
            (
                "model-streaming",
                "disable",
                "only accepts \"disabled\"",
                "write kaito.sh/model-streaming: \"disabled\"",
            ),
        ] {
            let refusal = check(&format!("kaito.sh/{key}"), value).unwrap_err();
            assert!(
                refusal
                    .message
                    .starts_with(&format!("annotation kaito.sh/{key}: ")),
                "{refusal}"
            );
            assert!(refusal.message.contains(reason), "{refusal}");
            assert_eq!(refusal.hints, [hint]);
        }
    }

    #[test]
    fn keys_that_are_almost_known_are_refused_and_new_ones_told() {
        for (key, near) in [
            ("enable-lb", "enablelb"),
            ("enableLB", "enablelb"),
            ("bypass-resource-check", "bypass-resource-checks"),
            ("Runtime", "runtime"),
        ] {
            let refusal = check(&format!("kaito.sh/{key}"), "true").unwrap_err();
            assert_eq!(refusal.hints, [format!("did you mean kaito.sh/{near}?")]);
        }
        let warnings = check("kaito.sh/zzz", "true").unwrap();
        assert_eq!(
            warnings,
            ["KAITO v0.12 does not read the annotation kaito.sh/zzz"]
        );
    }

    #[test]
    fn the_runtime_is_vllm_unless_transformers_is_written_out() {
        let runtime = |value: &str| {
            Runtime::chosen_by(&BTreeMap::from([(
                "kaito.sh/runtime".to_owned(),
                value.to_owned(),
            )]))
        };
        assert_eq!(runtime("transformers"), Runtime::Transformers);
        assert_eq!(runtime("Transformers"), Runtime::Vllm);
        assert_eq!(Runtime::chosen_by(&BTreeMap::new()), Runtime::Vllm);
    }
}
