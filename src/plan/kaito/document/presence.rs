//! Whether the releases of KAITO that a cluster may run have a model.

use crate::plan::Refusal;
use crate::plan::kaito::catalogue::{find, meant};
use crate::plan::kaito::release::Releases;
use crate::plan::kaito::retired::check_presence;
use crate::secrecy::named;
use crate::vocabulary::KAITO;

/// Checks that a model is not one that KAITO has given up, in the releases that may run.
/// Returns what to know if only some of them serve it, or a newer one may.
///
/// # Errors
/// [`Refusal`] if none of them does, with what does its work today.
pub fn check_model_is_there(name: &str, releases: Releases) -> Result<Option<String>, Refusal> {
    let told = check_presence(name, releases)?;
    Ok(told.or_else(|| doubt(name)))
}

/// Returns what to say of a name that KAITO's catalogue does not have, and that a
/// newer release may.
pub(in crate::plan::kaito) fn doubt(name: &str) -> Option<String> {
    find(name).err().filter(|_| !name.contains('/'))?;
    let said = KAITO.unknown(&format!("preset {}", named(name)));
    Some(match meant(name) {
        Some(preset) => format!("{said}; did you mean -m {preset}?"),
        None => said,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::kaito::find_or_trust;

    #[test]
    fn a_name_that_a_newer_release_may_have_is_doubted() {
        for (name, said) in [
            (
                "phi-9",
                Some("KAITO v0.12 has no preset \"phi-9\"; a newer one may"),
            ),
            (
                "llama-3.1-8b",
                Some("did you mean -m llama-3.1-8b-instruct?"),
            ),
            ("org/any", None),
            ("phi-4", None),
            ("falcon-7b", None),
        ] {
            assert!(find_or_trust(name, false).is_ok(), "{name}");
            let doubt = doubt(name);
            match said {
                Some(said) => assert!(doubt.unwrap().contains(said), "{name}"),
                None => assert_eq!(doubt, None, "{name}"),
            }
        }
        for slip in [
            "phi4",
            "phi-4-mini-instrcut",
            "mistral-7",
            " ",
            "",
            "a b",
            "GPT",
            "https://hf.co/a/b",
        ] {
            assert!(find_or_trust(slip, false).is_err(), "{slip}");
        }
    }
}
