//! Keeps what a cluster serves of KAITO: which kinds, in which versions, with
//! which fields. Releases differ in fields under one version, so the schema
//! decides and not the version.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::choices::Choices;
use super::release::Releases;
use super::token::check_access_secret;
use crate::api::Readable;
use crate::kind::WorkloadKind;
use crate::plan::Refusal;
use crate::suggestion::{Command, kubectl};

/// KAITO's kinds in one version of its API.
#[derive(Debug, Clone, PartialEq)]
pub struct KaitoApiVersion {
    /// Group and version.
    pub api_version: String,
    /// Kinds, with their schemas where those can be read.
    pub kinds: BTreeMap<String, Option<Value>>,
}

impl KaitoApiVersion {
    /// Reads the kinds of an OpenAPI document (v3) of one group and version.
    pub fn of_open_api(api_version: &str, document: &Value) -> Self {
        let schemas = document["components"]["schemas"].as_object();
        let kinds = schemas.into_iter().flatten().flat_map(|(_, schema)| {
            let names = schema["x-kubernetes-group-version-kind"].as_array();
            names.into_iter().flatten().filter_map(move |name| {
                let full = format!("{}/{}", name["group"].as_str()?, name["version"].as_str()?);
                let kind = name["kind"].as_str()?.to_owned();
                (full == api_version).then(|| (kind, Some(schema.clone())))
            })
        });
        Self {
            api_version: api_version.to_owned(),
            kinds: kinds.collect(),
        }
    }

    fn serves(&self, kind: WorkloadKind) -> bool {
        self.kinds.contains_key(kind.name())
    }

    /// Returns the schema of a field, which is null where that is not known;
    /// `None` if there is no such field.
    pub(super) fn field(&self, kind: WorkloadKind, path: &str) -> Option<&Value> {
        let Some(mut schema) = self.kinds.get(kind.name())?.as_ref() else {
            return Some(&Value::Null);
        };
        for name in path.split('.') {
            if schema["x-kubernetes-preserve-unknown-fields"] == true {
                return Some(&Value::Null);
            }
            schema = schema["properties"].get(name)?;
        }
        Some(schema)
    }
}

/// A Secret, as far as it can be seen: its keys, `None` if it does not exist.
pub type SeenSecret = Readable<Option<BTreeSet<String>>>;

/// What a cluster says about KAITO, and about what a Workspace refers to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct KaitoFacts {
    /// Versions of the API, best first; empty if nothing can be read.
    pub versions: Vec<KaitoApiVersion>,
    /// The Secrets that are referred to.
    pub secrets: BTreeMap<String, SeenSecret>,
    /// The claims that are referred to, and whether they exist.
    pub claims: BTreeMap<String, Readable<bool>>,
}

/// A field that a choice needs.
struct Need {
    path: &'static str,
    flag: &'static str,
    /// First release of KAITO that has it.
    since: &'static str,
}

fn needs(choices: &Choices) -> Vec<Need> {
    let tunes = choices.tuning.is_some();
    let all = [
        (
            !choices.adapters.is_empty(),
            "inference.adapters",
            "--adapter",
            "v0.3",
        ),
        (
            choices.config.is_some() && !tunes,
            "inference.config",
            "--inference-config",
            "v0.4.1",
        ),
        (
            choices.model_access_secret.is_some(),
            "inference.preset.presetOptions.modelAccessSecret",
            "--model-access-secret",
            "v0.4.6",
        ),
        (tunes, "tuning", "--tune", "v0.3"),
    ];
    all.into_iter()
        .filter(|(needed, ..)| *needed)
        .map(|(_, path, flag, since)| Need { path, flag, since })
        .collect()
}

impl KaitoFacts {
    /// Returns the releases of KAITO that may run; `best` is the best version of a
    /// Workspace's API that is served.
    pub fn releases(&self, best: Option<&str>) -> Releases {
        let versions = self.versions.iter();
        let versions = versions.map(|version| version.api_version.as_str());
        Releases::seen(best, versions, |path| {
            self.versions.iter().any(|version| {
                let field = version.field(WorkloadKind::Workspace, path);
                field.is_some_and(|schema| *schema != Value::Null)
            })
        })
    }

    /// Returns the version of the API to write a kind in: the best that has
    /// every field that is needed, else the best there is. `None` if the kind
    /// is not served, as far as can be seen.
    pub fn version(&self, kind: WorkloadKind, choices: &Choices) -> Option<&str> {
        let served = || self.versions.iter().filter(|version| version.serves(kind));
        let has_all = |version: &&KaitoApiVersion| {
            needs(choices)
                .iter()
                .all(|need| version.field(kind, &path(kind, need.path)).is_some())
        };
        let best = served().find(has_all).or_else(|| served().next())?;
        Some(&best.api_version)
    }

    /// Checks that the version has every field that is needed. Without, the API
    /// server would drop it: v1alpha1 of v0.12 has no `modelAccessSecret`.
    ///
    /// # Errors
    /// [`Refusal`] for the first field that is missing.
    pub fn check_fields(
        &self,
        kind: WorkloadKind,
        api_version: &str,
        choices: &Choices,
    ) -> Result<(), Refusal> {
        let version = self
            .versions
            .iter()
            .find(|version| version.api_version == api_version && version.serves(kind));
        let Some(version) = version else {
            return Ok(());
        };
        for Need {
            path: own,
            flag,
            since,
        } in needs(choices)
        {
            let path = path(kind, own);
            if version.field(kind, &path).is_none() {
                return Err(Refusal::new(format!(
                    "{flag} needs {path}, which this cluster's KAITO does not have ({api_version})"
                ))
                .hint(format!("ask an admin to upgrade to KAITO {since} or later"))
                .hint(format!("or remove {flag}")));
            }
        }
        Ok(())
    }

    /// Returns the instance type that the API server writes into every Workspace
    /// that names none: then KAITO does not take nodes of another type.
    pub fn default_instance_type(&self, kind: WorkloadKind, api_version: &str) -> Option<&str> {
        let version = self
            .versions
            .iter()
            .find(|version| version.api_version == api_version)?;
        version.field(kind, "resource.instanceType")?["default"].as_str()
    }

    /// Checks the Secrets and claims that are referred to; returns what could
    /// not be checked, because the user may not see it.
    ///
    /// # Errors
    /// [`Refusal`] for what does not exist, and for a Secret without the token.
    pub fn check_references(
        &self,
        choices: &Choices,
        namespace: &str,
    ) -> Result<Vec<String>, Refusal> {
        let mut unseen = Vec::new();
        for (flag, secret, key) in [
            (
                "--model-access-secret",
                choices.model_access_secret.as_deref(),
                Some(super::token::TOKEN_KEY),
            ),
            ("--tune-push-secret", choices.push_secret(), None),
        ] {
            let Some(secret) = secret else { continue };
            match (self.secrets.get(secret), key) {
                (Some(Readable::Known(None)), _) => {
                    return Err(Refusal::new(format!(
                        "{flag}: Secret {secret:?} does not exist in namespace {namespace:?}"
                    ))
                    .about(format!("secret/{secret}"))
                    .hint(create_secret(secret, namespace, key)));
                }
                (Some(Readable::Known(Some(keys))), Some(_)) => check_access_secret(secret, keys)?,
                (Some(Readable::Known(Some(keys))), None) => check_push_secret(secret, keys)?,
                (Some(Readable::Forbidden), Some(key)) => unseen.push(format!(
                    "you may not read Secret {secret:?}, so kaiwo cannot check that it has the key {key}"
                )),
                (Some(Readable::Forbidden), None) => unseen.push(format!(
                    "you may not read Secret {secret:?}, so kaiwo cannot check that it exists"
                )),
                (None, _) => {}
            }
        }
        for claim in choices.claims() {
            if self.claims.get(claim) == Some(&Readable::Known(false)) {
                return Err(Refusal::new(format!(
                    "PersistentVolumeClaim {claim:?} does not exist in namespace {namespace:?}"
                ))
                .about(format!("persistentvolumeclaim/{claim}"))
                .hint(kubectl("-n {} get pvc", &[namespace]).to("list those that exist")));
            }
        }
        Ok(unseen)
    }
}

/// Returns where a Workspace's field is in a kind.
fn path(kind: WorkloadKind, of_workspace: &str) -> String {
    match kind {
        WorkloadKind::InferenceSet => format!("spec.template.{of_workspace}"),
        _ => of_workspace.to_owned(),
    }
}

/// KAITO mounts this key, and a registry's credentials are under no other.
const PUSH_KEY: &str = ".dockerconfigjson";

fn check_push_secret(secret: &str, keys: &BTreeSet<String>) -> Result<(), Refusal> {
    if keys.contains(PUSH_KEY) {
        return Ok(());
    }
    Err(Refusal::new(format!(
        "Secret {secret:?} has no key {PUSH_KEY}, so it cannot be used to push"
    ))
    .about(format!("secret/{secret}"))
    .hint(kubectl("create secret docker-registry {NAME} --docker-server={REGISTRY} --docker-username={USER} --docker-password={PASSWORD}", &[]).to("create one of type kubernetes.io/dockerconfigjson")))
}

fn create_secret(secret: &str, namespace: &str, key: Option<&str>) -> Command {
    match key {
        Some(key) => kubectl(
            "create secret generic {} -n {} --from-literal={}={TOKEN}",
            &[secret, namespace, key],
        ),
        None => kubectl(
            "create secret docker-registry {} -n {} --docker-server={REGISTRY} --docker-username={USER} --docker-password={PASSWORD}",
            &[secret, namespace],
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const ALPHA: &str = "kaito.sh/v1alpha1";
    const BETA: &str = "kaito.sh/v1beta1";

    fn document(kind: &str, version: &str, properties: Value) -> Value {
        json!({"components": {"schemas": {
            "one": {"properties": properties, "x-kubernetes-group-version-kind": [
                {"group": "kaito.sh", "kind": kind, "version": version}]},
            "list": {"x-kubernetes-group-version-kind": [
                {"group": "meta.k8s.io", "kind": "DeleteOptions", "version": "v1"}]},
        }}})
    }

    /// Two versions of Workspaces, the older of which knows no token.
    fn facts() -> KaitoFacts {
        let fields = |options: Value, instance_type: Value| {
            json!({
                "inference": {"properties": {
                    "adapters": {"type": "array"},
                    "preset": {"properties": {"presetOptions": {"properties": options}}},
                    "template": {"x-kubernetes-preserve-unknown-fields": true},
                }},
                "resource": {"properties": {"instanceType": instance_type}},
            })
        };
        let beta = fields(json!({"modelAccessSecret": {"type": "string"}}), json!({}));
        let alpha = fields(json!({}), json!({"default": "Standard_NC24ads_A100_v4"}));
        KaitoFacts {
            versions: vec![
                KaitoApiVersion::of_open_api(BETA, &document("Workspace", "v1beta1", beta)),
                KaitoApiVersion::of_open_api(ALPHA, &document("Workspace", "v1alpha1", alpha)),
            ],
            ..KaitoFacts::default()
        }
    }

    fn with_token() -> Choices {
        Choices {
            model_access_secret: Some("hf".into()),
            ..Choices::default()
        }
    }

    #[test]
    fn the_best_version_with_every_field_is_written() {
        let (kind, mut facts) = (WorkloadKind::Workspace, facts());
        assert_eq!(facts.version(kind, &with_token()), Some(BETA));
        assert_eq!(
            facts.version(WorkloadKind::InferenceSet, &with_token()),
            None
        );
        facts.check_fields(kind, BETA, &with_token()).unwrap();
        assert_eq!(facts.default_instance_type(kind, BETA), None);
        // v1beta1 of v0.4.5 has no such field, and neither has v1alpha1.
        facts.versions.remove(0);
        assert_eq!(facts.version(kind, &with_token()), Some(ALPHA));
        let refusal = facts.check_fields(kind, ALPHA, &with_token()).unwrap_err();
        assert_eq!(
            refusal.message,
            "--model-access-secret needs inference.preset.presetOptions.modelAccessSecret, which \
             this cluster's KAITO does not have (kaito.sh/v1alpha1)"
        );
        assert!(
            refusal.hints[0]
                .plain()
                .ends_with("to KAITO v0.4.6 or later")
        );
        facts
            .check_fields(kind, ALPHA, &Choices::default())
            .unwrap();
        assert_eq!(
            facts.default_instance_type(kind, ALPHA),
            Some("Standard_NC24ads_A100_v4")
        );
    }

    #[test]
    fn schemas_that_cannot_be_read_are_taken_to_be_whole() {
        let facts = KaitoFacts {
            versions: vec![KaitoApiVersion {
                api_version: BETA.into(),
                kinds: BTreeMap::from([("InferenceSet".into(), None)]),
            }],
            ..KaitoFacts::default()
        };
        let kind = WorkloadKind::InferenceSet;
        assert_eq!(facts.version(kind, &with_token()), Some(BETA));
        facts.check_fields(kind, BETA, &with_token()).unwrap();
        assert_eq!(facts.default_instance_type(kind, BETA), None);
    }

    #[test]
    fn what_is_referred_to_has_to_be_there() {
        let keys = |keys: &[&str]| {
            Readable::Known(Some(keys.iter().map(|key| (*key).to_owned()).collect()))
        };
        let seen = |secret: SeenSecret| {
            let facts = KaitoFacts {
                secrets: BTreeMap::from([("hf".to_owned(), secret)]),
                ..KaitoFacts::default()
            };
            facts.check_references(&with_token(), "ml")
        };
        assert_eq!(seen(keys(&["HF_TOKEN"])).unwrap(), [""; 0]);
        assert!(
            seen(keys(&["token"]))
                .unwrap_err()
                .message
                .ends_with("has token")
        );
        let missing = seen(Readable::Known(None)).unwrap_err();
        assert_eq!(
            (missing.message.as_str(), missing.hints[0].plain().as_str()),
            (
                "--model-access-secret: Secret \"hf\" does not exist in namespace \"ml\"",
                "kubectl create secret generic hf -n ml --from-literal=HF_TOKEN=TOKEN"
            )
        );
        assert_eq!(
            seen(Readable::Forbidden).unwrap(),
            ["you may not read Secret \"hf\", so kaiwo cannot check that it has the key HF_TOKEN"]
        );
        let adapters = Choices {
            adapters: vec!["a=pvc:gone".parse().unwrap()],
            ..Choices::default()
        };
        let claims = |claim| KaitoFacts {
            claims: BTreeMap::from([("gone".to_owned(), claim)]),
            ..KaitoFacts::default()
        };
        let refusal = claims(Readable::Known(false)).check_references(&adapters, "ml");
        assert_eq!(
            refusal.unwrap_err().message,
            "PersistentVolumeClaim \"gone\" does not exist in namespace \"ml\""
        );
        for seen in [Readable::Known(true), Readable::Forbidden] {
            claims(seen).check_references(&adapters, "ml").unwrap();
        }
    }

    #[test]
    fn a_field_of_the_schema_tells_the_release() {
        let facts = |schema: Option<Value>| KaitoFacts {
            versions: vec![KaitoApiVersion {
                api_version: BETA.to_owned(),
                kinds: [("Workspace".to_owned(), schema)].into(),
            }],
            ..KaitoFacts::default()
        };
        let partition =
            json!({"properties": {"resource": {"properties": {"partition": {"type": "object"}}}}});
        assert_eq!(
            facts(Some(partition)).releases(Some(BETA)),
            Releases::NEWEST
        );
        assert_ne!(facts(None).releases(Some(BETA)), Releases::NEWEST);
    }
}
