//! Checks names, keys, labels and paths as Kubernetes does, and finds the known
//! name that was probably meant by an unknown one.
//!
//! Source of the rules: `k8s.io/apimachinery/pkg/util/validation`, v0.36.

mod image;

pub use image::{ImageError, check_image};

/// Returns the one of `known` that was probably meant by `word`.
pub fn nearest(word: &str, known: impl IntoIterator<Item = String>) -> Option<String> {
    known
        .into_iter()
        .map(|candidate| (likeness(word, &candidate), candidate))
        .filter(|(similarity, _)| *similarity > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// Returns how alike two words are, from 0 to 1. One slip of the fingers makes short
/// words much alike, two letters that changed places among them.
pub fn likeness(word: &str, other: &str) -> f64 {
    let slips = strsim::osa_distance(word, other);
    let alike = strsim::jaro_winkler(word, other);
    match (slips, word.chars().count()) {
        (1, 3..) => alike.max(0.9),
        _ => alike,
    }
}

/// Returns whether a word is another one but for a letter or two, or their case.
pub fn is_slip(word: &str, other: &str) -> bool {
    let letters = word.chars().count().max(other.chars().count());
    let most = if letters > 4 { 2 } else { 1 };
    strsim::osa_distance(&word.to_lowercase(), &other.to_lowercase()) <= most
}

/// Returns whether `name` is a DNS-1123 label, as namespaces need.
pub fn is_dns_1123_label(name: &str) -> bool {
    name.len() <= 63 && is_dns_part(name)
}

/// Returns whether `name` is a DNS-1123 subdomain, as most objects need.
pub fn is_dns_1123_subdomain(name: &str) -> bool {
    name.len() <= 253 && name.split('.').all(is_dns_part)
}

fn is_dns_part(part: &str) -> bool {
    let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    part.bytes().all(|b| alphanumeric(b) || b == b'-')
        && part.bytes().next().is_some_and(alphanumeric)
        && part.bytes().last().is_some_and(alphanumeric)
}

/// Returns whether `name` is a DNS-1035 label of at most `longest`: a
/// DNS-1123 label that begins with a letter.
pub fn is_dns_1035_label(name: &str, longest: usize) -> bool {
    name.len() <= longest
        && is_dns_1123_label(name)
        && name.starts_with(|c: char| c.is_ascii_lowercase())
}

/// Returns `text` as a label value: up to 63 of letters, digits, `-_.`,
/// beginning and ending with a letter or digit. Empty if nothing is left.
pub fn label_value(text: &str) -> String {
    let kept: String = text
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || "-_.".contains(c) {
                c
            } else {
                '-'
            }
        })
        .collect();
    let edge = |c: char| !c.is_ascii_alphanumeric();
    let trimmed = kept.trim_matches(edge);
    trimmed[..trimmed.len().min(63)]
        .trim_end_matches(edge)
        .to_owned()
}

/// Returns whether `text` is a label value of Kubernetes.
pub fn is_label_value(text: &str) -> bool {
    text.is_empty() || (text.len() <= 63 && label_value(text) == text)
}

/// Returns whether `key` can be a key of a ConfigMap or Secret.
pub fn is_config_key(key: &str) -> bool {
    !key.is_empty()
        && key.len() <= 253
        && !key.starts_with("..")
        && key != "."
        && key
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

/// Returns whether `key` is a qualified name, the form of label and
/// annotation keys: `[prefix/]name`.
pub fn is_qualified_name(key: &str) -> bool {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    prefix.is_none_or(is_dns_1123_subdomain) && !name.is_empty() && is_label_value(name)
}

/// Returns whether `name` can name a variable on every supported Kubernetes
/// (`validation.IsEnvVarName`; later releases allow more).
pub fn is_variable_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && !matches!(name, "." | "..")
}

/// Returns a kind, or an object by its kind, with its article: `a Job`, `an
/// InferenceSet`.
pub fn with_article(kind: &str) -> String {
    match kind.starts_with(['A', 'E', 'I', 'O', 'a', 'e', 'i', 'o']) {
        true => format!("an {kind}"),
        false => format!("a {kind}"),
    }
}

/// Returns a count with its noun: `1 GPU`, `2 GPUs`.
pub fn counted(count: impl std::fmt::Display, noun: &str) -> String {
    let count = count.to_string();
    let plural = if count == "1" { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

/// Paths that kaiwo mounts itself.
const OWN_PATHS: [&str; 3] = ["/workload", "/scratch", "/dev/shm"];

/// Checks a path at which users mount something of their own.
///
/// # Errors
/// Why it cannot be.
pub fn check_mount_path(path: &str) -> Result<(), String> {
    let trimmed = path.trim_end_matches('/');
    if !path.starts_with('/') || trimmed.is_empty() {
        return Err("the path must be absolute and must not be the root".to_owned());
    }
    let plain = trimmed
        .split('/')
        .skip(1)
        .all(|part| !matches!(part, "" | "." | ".."));
    if !plain || path.contains([':', '\n', '\0']) {
        return Err("the path must not contain //, ., .. or :".to_owned());
    }
    let own = OWN_PATHS.into_iter().find(|own| {
        trimmed == *own
            || trimmed
                .strip_prefix(own)
                .is_some_and(|rest| rest.starts_with('/') && *own == "/workload")
    });
    match own {
        Some(own) => Err(format!("kaiwo itself mounts {own}")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_has_no_plural() {
        let counts = [0, 1, 2].map(|count| counted(count, "GPU"));
        assert_eq!(counts, ["0 GPUs", "1 GPU", "2 GPUs"]);
    }

    proptest! {
        #[test]
        fn label_values_are_valid(text in "\\PC{0,100}") {
            prop_assert!(is_label_value(&label_value(&text)));
        }
    }

    #[test]
    fn names_by_the_rules_of_kubernetes() {
        assert!(is_dns_1123_subdomain("a.b-c.0") && is_dns_1123_label("0a"));
        for name in ["", ".", "a..b", "-a", "a-", "A", "a_b"] {
            assert!(!is_dns_1123_subdomain(name), "{name}");
        }
        assert!(
            !is_dns_1123_label("a.b")
                && !is_dns_1035_label("0a", 63)
                && !is_dns_1035_label("abc", 2)
        );
    }

    #[test]
    fn a_likely_word_is_found_and_an_unlikely_one_is_not() {
        let known = || ["kaiwo", "research"].map(str::to_owned);
        assert_eq!(nearest("kaiwoo", known()).as_deref(), Some("kaiwo"));
        assert_eq!(nearest("zzz", known()), None);
    }

    #[test]
    fn kinds_have_their_articles() {
        for (kind, words) in [
            ("Job", "a Job"),
            ("InferenceSet", "an InferenceSet"),
            ("ingress/x", "an ingress/x"),
            ("UserThing", "a UserThing"),
        ] {
            assert_eq!(with_article(kind), words);
        }
    }
}
