//! The Secret with the Hugging Face token of a preset.

use std::collections::BTreeSet;

use crate::names::is_dns_1123_subdomain;
use crate::plan::Refusal;
use crate::suggestion::kubectl;

/// The one key under which KAITO reads a token (`GetHFTokenFromSecret` and
/// `SetHFToken`, v0.12). Webhook and pod both use it, and a Secret without it
/// is admitted. A container of one's own may use any key.
pub const TOKEN_KEY: &str = "HF_TOKEN";

/// Returns the Secret that `SECRET` or `SECRET/KEY` names.
///
/// # Errors
/// [`Refusal`] for another key than [`TOKEN_KEY`], and for what cannot name a
/// Secret.
pub fn access_secret(reference: &str) -> Result<&str, Refusal> {
    let (secret, key) = match reference.split_once('/') {
        Some((secret, key)) => (secret, Some(key)),
        None => (reference, None),
    };
    if !is_dns_1123_subdomain(secret) {
        // It may be the token itself, so it is not repeated.
        return Err(Refusal::new("invalid Secret name")
            .hint("pass the name of the Secret, not the token: --model-access-secret hf-token")
            .hint(
                kubectl("-n {NAMESPACE} create secret generic hf-token", &[])
                    .raw(format!("--from-literal={TOKEN_KEY}=\"$VALUE\""))
                    .before("read -r VALUE && ")
                    .noted("create a Secret from a token that you type"),
            ));
    }
    match key {
        None | Some(TOKEN_KEY) => Ok(secret),
        Some(key) => Err(other_key(secret, key)),
    }
}

/// Checks the keys of the Secret that a preset is given, where they are known.
///
/// # Errors
/// [`Refusal`] if [`TOKEN_KEY`] is not among them.
pub fn check_access_secret(secret: &str, keys: &BTreeSet<String>) -> Result<(), Refusal> {
    if keys.contains(TOKEN_KEY) {
        return Ok(());
    }
    let keys: Vec<_> = keys.iter().map(String::as_str).collect();
    Err(other_key(secret, &keys.join(", ")))
}

fn other_key(secret: &str, keys: &str) -> Refusal {
    let keys = if keys.is_empty() { "nothing" } else { keys };
    Refusal::new(format!(
        "KAITO only reads a preset's token from the key {TOKEN_KEY}; Secret {secret:?} has {keys}"
    ))
    .about(format!("secret/{secret}"))
    .hint(
        kubectl(
            "create secret generic {}-kaito -n {NAMESPACE} --from-literal={}={TOKEN}",
            &[secret, TOKEN_KEY],
        )
        .to(format!(
            "use --model-access-secret {secret}-kaito, created with"
        )),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preset_reads_one_key() {
        assert_eq!(access_secret("hf-token").unwrap(), "hf-token");
        assert_eq!(access_secret("hf-token/HF_TOKEN").unwrap(), "hf-token");
        let refusal = access_secret("hf-token/token").unwrap_err();
        assert_eq!(
            refusal.message,
            "KAITO only reads a preset's token from the key HF_TOKEN; Secret \"hf-token\" has token"
        );
        assert_eq!(refusal.object.as_deref(), Some("secret/hf-token"));
    }

    #[test]
    fn a_token_in_place_of_its_secret_is_not_repeated() {
        let refusal = access_secret("hf_abcDEF").unwrap_err();
        assert!(!format!("{refusal:?}").contains("abcDEF"));
        for name in ["", "/HF_TOKEN", "a b"] {
            assert!(access_secret(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn the_keys_of_a_secret_are_compared() {
        let keys = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect();
        check_access_secret("s", &keys(&["HF_TOKEN", "token"])).unwrap();
        let refusal = check_access_secret("s", &keys(&["hf_token", "token"])).unwrap_err();
        assert!(refusal.message.ends_with("has hf_token, token"));
        let refusal = check_access_secret("s", &keys(&[])).unwrap_err();
        assert!(refusal.message.ends_with("has nothing"));
    }
}
