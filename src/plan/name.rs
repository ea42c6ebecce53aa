//! Names of workloads and of what belongs to them.

use super::Refusal;
use crate::kind::WorkloadKind;
use crate::names::{is_dns_1035_label, with_article};
use crate::secrecy::{is_name, named};

/// Pods for which a generated name always leaves room, so that the name does
/// not change with the number of GPUs.
const ROOM_FOR_PODS: i64 = 10_000;

/// What a name is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameParts<'a> {
    /// The name the user chose, which is used as it is.
    pub chosen: Option<&'a str>,
    pub user: &'a str,
    /// The directory's base name, or the image.
    pub subject: &'a str,
    pub version: Option<&'a str>,
    /// Random letters and digits under `--generate-name`.
    pub suffix: Option<&'a str>,
}

impl NameParts<'_> {
    /// Returns the workload's name: `<user>-<subject>[-<version>][-<suffix>]`,
    /// a DNS-1035 label that fits `kind`.
    ///
    /// # Errors
    /// [`Refusal`] if the chosen name is not one, with one that is.
    pub fn compose(&self, kind: WorkloadKind) -> Result<String, Refusal> {
        let room = kind.longest_name(ROOM_FOR_PODS);
        let suffix = self
            .suffix
            .map(|suffix| format!("-{suffix}"))
            .unwrap_or_default();
        if let Some(chosen) = self.chosen {
            let longest = kind.longest_name(1) - suffix.len();
            let of_kind = format!(" for {}", with_article(kind.name()));
            check_chosen(chosen, longest, &of_kind)?;
            return Ok(format!("{chosen}{suffix}"));
        }
        let mut name = format!("{}-{}", self.user, subject_words(self.subject));
        if let Some(version) = self.version {
            name = format!("{name}-{version}");
        }
        Ok(label(&name, room - suffix.len()) + &suffix)
    }
}

/// Checks a chosen name; `of` says what it is for.
///
/// # Errors
/// [`Refusal`] if it is no DNS-1035 label of at most `longest`, with one that is.
pub fn check_chosen(chosen: &str, longest: usize, of: &str) -> Result<(), Refusal> {
    if is_dns_1035_label(chosen, longest) {
        return Ok(());
    }
    let hint = match is_name(chosen) {
        true => format!("try --name {}", label(chosen, longest)),
        false => "choose a name: --name NAME".to_owned(),
    };
    Err(Refusal::new(format!(
        "invalid name {}{of}: use up to {longest} of a-z, 0-9 and -, beginning with a letter and not ending with -",
        named(chosen),
    ))
    .hint(hint))
}

/// Returns a name that says it is another one of `name`.
pub fn beside(name: &str, kind: WorkloadKind) -> String {
    label(&format!("{name}-2"), kind.longest_name(ROOM_FOR_PODS))
}

/// Checks a chosen name against the number of pods, once that is known.
///
/// # Errors
/// [`Refusal`] where an Indexed Job's host names would be too long.
pub fn check_length(name: &str, kind: WorkloadKind, pods: i64) -> Result<(), Refusal> {
    let longest = kind.longest_name(pods);
    if name.len() <= longest {
        return Ok(());
    }
    Err(Refusal::new(format!(
        "{name:?} has {} characters; {} of {pods} pods may have at most {longest}, because host names end with the pod's index",
        name.len(),
        with_article(kind.name())
    ))
    // Room for the suffix of --generate-name as well.
    .hint(format!("try --name {}", label(name, longest - 6))))
}

/// An image is known by its repository and tag; registry and digest say
/// little and cost much of the name.
fn subject_words(subject: &str) -> &str {
    let without_digest = subject.split_once('@').map_or(subject, |(image, _)| image);
    without_digest
        .trim_end_matches('/')
        .rsplit('/')
        .next()
        .unwrap_or(without_digest)
}

/// Returns `text` as a DNS-1035 label of at most `longest`. What is too long
/// loses its middle to a hash of the whole, and what has letters that no label
/// can have gets that hash, so that different texts stay different.
pub(super) fn label(text: &str, longest: usize) -> String {
    let mut words = String::with_capacity(text.len());
    for c in text.to_lowercase().chars() {
        let c = if c.is_ascii_alphanumeric() { c } else { '-' };
        if c != '-' || !words.ends_with('-') {
            words.push(c);
        }
    }
    let mut words = words.trim_matches('-').to_owned();
    if !words.starts_with(|c: char| c.is_ascii_lowercase()) {
        words = format!("w-{words}").trim_end_matches('-').to_owned();
    }
    let hash = crate::digest::short(text.as_bytes(), 6);
    if text.chars().any(|c| !c.is_ascii() && c.is_alphanumeric()) {
        words = format!("{words}-{hash}");
    }
    if words.len() <= longest {
        return words;
    }
    let kept = longest - hash.len() - 2;
    let head = words[..kept.div_ceil(2)].trim_end_matches('-');
    let tail = words[words.len() - kept / 2..].trim_matches('-');
    format!("{head}-{hash}-{tail}")
        .trim_end_matches('-')
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parts<'a>(user: &'a str, subject: &'a str) -> NameParts<'a> {
        NameParts {
            chosen: None,
            user,
            subject,
            version: None,
            suffix: None,
        }
    }

    #[test]
    fn names_say_who_and_what() {
        assert_eq!(
            parts("alice", "sft").compose(WorkloadKind::RayJob).unwrap(),
            "alice-sft"
        );
        assert_eq!(
            parts("alice", "ghcr.io/org/Train_It:v1.2@sha256:abc")
                .compose(WorkloadKind::Job)
                .unwrap(),
            "alice-train-it-v1-2"
        );
        assert_eq!(
            parts("DOMAIN\\al@x", "sft/")
                .compose(WorkloadKind::Job)
                .unwrap(),
            "domain-al-x-sft"
        );
        assert_eq!(
            parts("0day", "x").compose(WorkloadKind::Job).unwrap(),
            "w-0day-x"
        );
        let versioned = NameParts {
            version: Some("V2"),
            suffix: Some("x1y2z"),
            ..parts("alice", "sft")
        };
        assert_eq!(
            versioned.compose(WorkloadKind::Job).unwrap(),
            "alice-sft-v2-x1y2z"
        );
    }

    #[test]
    fn letters_that_no_label_has_still_tell_names_apart() {
        let name = |subject| parts("alice", subject).compose(WorkloadKind::Job).unwrap();
        assert_ne!(name("日本"), name("中国"));
        assert!(name("日本").starts_with("alice-"));
    }

    #[test]
    fn a_chosen_name_is_kept_or_refused() {
        let chosen = |name| {
            NameParts {
                chosen: Some(name),
                ..parts("a", "b")
            }
            .compose(WorkloadKind::RayJob)
        };
        assert_eq!(chosen("run-7").unwrap(), "run-7");
        for (name, hint) in [
            ("Run_7", "try --name run-7"),
            ("7run", "try --name w-7run"),
            ("a.b", "try --name a-b"),
            ("x-", "try --name x"),
        ] {
            assert_eq!(chosen(name).unwrap_err().hints, [hint]);
        }
        assert!(chosen(&"a".repeat(48)).is_err());
    }

    #[test]
    fn an_indexed_job_leaves_room_for_its_index() {
        assert!(check_length(&"a".repeat(61), WorkloadKind::Job, 10).is_ok());
        assert!(check_length(&"a".repeat(61), WorkloadKind::Job, 11).is_err());
    }

    proptest! {
        #[test]
        fn every_name_is_a_label_that_fits(user in "\\PC{0,80}", subject in "\\PC{0,120}", version in proptest::option::of("\\PC{0,40}")) {
            for kind in [WorkloadKind::Job, WorkloadKind::RayJob] {
                let name = NameParts { version: version.as_deref(), ..parts(&user, &subject) }.compose(kind).unwrap();
                prop_assert!(is_dns_1035_label(&name, kind.longest_name(ROOM_FOR_PODS)), "{}", name);
            }
        }

        #[test]
        fn long_names_that_differ_stay_different(middle in "[a-z]{60,90}", other in "[a-z]{60,90}") {
            prop_assume!(middle != other);
            let name = |text: &str| label(&format!("alice-{text}-v1"), 47);
            prop_assert_ne!(name(&middle), name(&other));
        }

    }
}
