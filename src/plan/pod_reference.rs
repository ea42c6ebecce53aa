//! Objects that pods name and cannot start without: Secrets, ConfigMaps, claims and
//! service accounts. Pods that name one which does not exist are admitted, hold
//! their quota and wait for it.

use std::collections::BTreeSet;

use super::Refusal;
use crate::api::Readable;
use crate::names::nearest;
use crate::suggestion::{create_secret, kubectl};

/// An object that pods name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    /// `Secret`, `ConfigMap`, `PersistentVolumeClaim` or `ServiceAccount`.
    pub kind: &'static str,
    pub name: String,
    /// A key of it; `None` where it is named as a whole.
    pub key: Option<String>,
    /// Whether pods start without it: the Secrets with which images are pulled.
    pub can_be_missing: bool,
}

/// What is seen of an object.
#[derive(Debug, Clone, PartialEq)]
pub struct SeenObject {
    /// Its keys, `None` inside if it has none to speak of, or they are unknown; the
    /// whole is `None` if there is no such object.
    pub object: Readable<Option<Keys>>,
    /// Names of the others of its kind, where it is missing and they may be listed.
    pub others: Vec<String>,
}

/// Keys of a Secret or a ConfigMap; `None` where they are unknown.
pub type Keys = Option<BTreeSet<String>>;

/// Checks that what pods name is there. Returns what should be known all the same.
///
/// # Errors
/// [`Refusal`] about what is missing, without `force`.
pub fn check(
    seen: &[(Reference, SeenObject)],
    namespace: &str,
    force: bool,
) -> Result<Vec<String>, Refusal> {
    let mut warnings = Vec::new();
    for (reference, seen) in seen {
        let Reference { kind, name, .. } = reference;
        let refusal = match &seen.object {
            Readable::Forbidden => {
                let of_key = reference.key.as_ref();
                let what = of_key.map_or("exists".to_owned(), |key| format!("has the key {key}"));
                warnings.push(format!(
                    "you may not read {kind} {name:?}, so kaiwo cannot check that it {what}"
                ));
                continue;
            }
            Readable::Known(None) => missing(reference, &seen.others, namespace),
            Readable::Known(Some(Some(keys))) => match &reference.key {
                Some(key) if !keys.contains(key) => without_key(reference, key, keys, namespace),
                _ => continue,
            },
            Readable::Known(Some(None)) => continue,
        };
        if reference.can_be_missing {
            warnings.push(format!("{refusal}: images will be pulled without it"));
        } else if force {
            warnings.push(format!("{refusal}: its pods will wait for it"));
        } else {
            return Err(refusal.hint("--force submits anyway, if it will be created later"));
        }
    }
    Ok(warnings)
}

/// Returns what should be known of what pods name in another cluster, which is not looked
/// at.
pub fn elsewhere(references: &BTreeSet<Reference>, namespace: &str) -> Option<String> {
    let names = references
        .iter()
        .map(|Reference { kind, name, .. }| format!("{kind} {name:?}"));
    let mut names: Vec<String> = names.collect();
    names.dedup();
    (!names.is_empty()).then(|| {
        format!(
            "the queue sends it to another cluster, whose namespace {namespace:?} must have {}: kaiwo cannot check that",
            names.join(", ")
        )
    })
}

fn missing(reference: &Reference, others: &[String], namespace: &str) -> Refusal {
    let Reference {
        kind, name, key, ..
    } = reference;
    let lower = kind.to_lowercase();
    let mut refusal = Refusal::new(format!(
        "{kind} {name:?} does not exist in namespace {namespace:?}"
    ))
    .about(format!("{lower}/{name}"));
    if let Some(near) = nearest(name, others.to_vec()) {
        refusal = refusal.hint(format!("did you mean {near}?"));
    }
    if !others.is_empty() {
        refusal = refusal.hint(format!("available: {}", others.join(", ")));
    }
    let key = key.as_deref().unwrap_or("KEY");
    match *kind {
        "Secret" if reference.can_be_missing => refusal.hint(kubectl("-n {} create secret docker-registry {} --docker-server {REGISTRY} --docker-username {USER} --docker-password {PASSWORD}", &[namespace, name]).to("create it")),
        "Secret" => refusal.hint(create_secret(namespace, name, key).to("create it")),
        "ConfigMap" => refusal.hint(kubectl("-n {} create configmap {} --from-literal={}={VALUE}", &[namespace, name, key]).to("create it")),
        "ServiceAccount" => refusal.hint(kubectl("-n {} create serviceaccount {}", &[namespace, name]).to("create it")),
        _ => refusal,
    }
}

fn without_key(
    reference: &Reference,
    key: &str,
    keys: &BTreeSet<String>,
    namespace: &str,
) -> Refusal {
    let Reference { kind, name, .. } = reference;
    let lower = kind.to_lowercase();
    let refusal = Refusal::new(format!(
        "{kind} {name:?} in namespace {namespace:?} has no key {key:?}"
    ))
    .about(format!("{lower}/{name}"));
    let refusal = match nearest(key, keys.iter().cloned().collect::<Vec<_>>()) {
        Some(near) => refusal.hint(format!("did you mean {name}/{near}?")),
        None => refusal,
    };
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    match keys[..] {
        [] => refusal.hint("it has no keys"),
        _ => refusal.hint(format!("it has: {}", keys.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference(kind: &'static str, name: &str, key: Option<&str>) -> Reference {
        Reference {
            kind,
            name: name.to_owned(),
            key: key.map(str::to_owned),
            can_be_missing: false,
        }
    }

    fn with(object: Readable<Option<Keys>>, others: &[&str]) -> SeenObject {
        SeenObject {
            object,
            others: others.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    fn keys(keys: &[&str]) -> Readable<Option<Keys>> {
        Readable::Known(Some(Some(
            keys.iter().map(|key| (*key).to_owned()).collect(),
        )))
    }

    #[test]
    fn what_is_missing_is_refused_and_force_goes_ahead() {
        let token = reference("Secret", "hf-tokn", Some("token"));
        let seen = [(
            token,
            with(Readable::Known(None), &["hf-token", "registry"]),
        )];
        let refusal = check(&seen, "ml", false).unwrap_err();
        assert_eq!(
            refusal.message,
            "Secret \"hf-tokn\" does not exist in namespace \"ml\""
        );
        assert_eq!(refusal.hints[0], "did you mean hf-token?");
        assert!(
            refusal.hints[2]
                .plain()
                .contains("create secret generic hf-tokn")
        );
        let warnings = check(&seen, "ml", true).unwrap();
        assert_eq!(
            warnings,
            ["Secret \"hf-tokn\" does not exist in namespace \"ml\": its pods will wait for it"]
        );
    }

    #[test]
    fn a_key_is_looked_up_where_keys_are_known() {
        let token = reference("Secret", "hf", Some("tokn"));
        let seen = |object| [(token.clone(), with(object, &[]))];
        let refusal = check(&seen(keys(&["token"])), "ml", false).unwrap_err();
        assert_eq!(
            refusal.message,
            "Secret \"hf\" in namespace \"ml\" has no key \"tokn\""
        );
        assert_eq!(refusal.hints[0], "did you mean hf/token?");
        assert_eq!(check(&seen(keys(&["tokn"])), "ml", false), Ok(vec![]));
        let unknown = Readable::Known(Some(None));
        assert_eq!(check(&seen(unknown), "ml", false), Ok(vec![]));
        assert_eq!(
            check(&seen(Readable::Forbidden), "ml", false).unwrap(),
            ["you may not read Secret \"hf\", so kaiwo cannot check that it has the key tokn"]
        );
    }

    #[test]
    fn images_are_pulled_without_a_secret_that_is_missing() {
        let mut pull = reference("Secret", "registry", None);
        pull.can_be_missing = true;
        let seen = [(pull, with(Readable::Known(None), &[]))];
        let warnings = check(&seen, "ml", false).unwrap();
        assert!(
            warnings[0].ends_with("images will be pulled without it"),
            "{warnings:?}"
        );
    }
}
