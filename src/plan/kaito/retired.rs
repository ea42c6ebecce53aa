//! The presets that KAITO has given up, which its older releases serve.

use std::sync::LazyLock;

use super::release::{Presence, Releases};
use crate::plan::Refusal;
use crate::vocabulary::rows;

/// First release that takes the id of any model of the hub, `org/name`.
const FIRST_WITH_IDS: &str = "v0.9";

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

static RETIRED: LazyLock<Vec<Retired>> = LazyLock::new(|| {
    let rows = rows(include_str!("../../../data/kaito-retired.tsv"));
    let retired = rows.map(|[name, last, id, instead]| Retired {
        name,
        last,
        id,
        instead,
    });
    retired.collect()
});

/// Checks that a model is one that KAITO has not given up, in the releases that may
/// run. Returns what to know where some of them serve it.
///
/// # Errors
/// [`Refusal`] if none of them does, with what does its work today.
pub fn check_presence(name: &str, releases: Releases) -> Result<Option<String>, Refusal> {
    let Some(retired) = find(name) else {
        return Ok(None);
    };
    match releases.until(retired.last) {
        Presence::There => Ok(None),
        Presence::Perhaps => Ok(Some(format!(
            "KAITO {} is the last release with the preset {}; later ones have -m {} instead",
            retired.last, retired.name, retired.instead
        ))),
        Presence::Gone => Err(retired.refusal()),
    }
}

/// Returns the preset of this name that KAITO has given up, as it wrote it.
pub fn named(name: &str) -> Option<&'static str> {
    find(name).map(|retired| retired.name)
}

fn find(name: &str) -> Option<&'static Retired> {
    let mut all = RETIRED.iter();
    all.find(|retired| retired.name.eq_ignore_ascii_case(name))
}

impl Retired {
    fn refusal(&self) -> Refusal {
        Refusal::new(format!(
            "KAITO has removed the preset {:?}: {} was the last release with it",
            self.name, self.last
        ))
        .hint(format!("use -m {} instead", self.instead))
        .hint(format!(
            "use -m {} to download the same weights from the hub ({FIRST_WITH_IDS} and later)",
            self.id
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::kaito::{PRESETS, find};

    #[test]
    fn what_kaito_has_given_up_is_refused_with_what_works() {
        let gone = |name| check_presence(name, Releases::NEWEST).unwrap_err();
        let refusal = gone("Falcon-7B");
        assert_eq!(
            refusal.message,
            "KAITO has removed the preset \"falcon-7b\": v0.10 was the last release with it"
        );
        for retired in RETIRED.iter() {
            let hints = gone(retired.name).hints;
            assert!(
                hints[0]
                    .plain()
                    .starts_with(&format!("use -m {} ", retired.instead))
            );
            assert!(
                PRESETS
                    .iter()
                    .any(|preset| preset.alias == Some(retired.instead)),
                "{}",
                retired.instead
            );
            // The way out must not lead into another refusal.
            assert_eq!(find(retired.id).unwrap().preset, None);
            assert_eq!(find(retired.name).unwrap().name, retired.name);
        }
        let perhaps = check_presence("falcon-7b", Releases::ANY).unwrap().unwrap();
        assert!(perhaps.contains("v0.10 is the last release with the preset falcon-7b"));
    }
}
