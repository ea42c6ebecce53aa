//! The rights that a submission needs, as manifests that an admin can apply
//! when the API server has denied one of them.

use serde_json::{Value, json};

use super::companions::COMPANIONS;
use super::metadata::annotation_of;
use crate::api::keys;
use crate::digest;
use crate::kind::WorkloadKind;
use crate::render::manifest::{Manifest, ManifestSet};
use crate::suggestion::Suggestion;

/// What a submission is about to do.
#[derive(Debug, Clone, Copy)]
pub struct Needed<'a> {
    /// What it creates.
    pub manifests: &'a ManifestSet,
    /// Whether it may take the place of a workload, whose pods it then awaits.
    pub replace: bool,
    /// Whether the namespace may have to be made and cannot be seen.
    pub namespace_unseen: bool,
}

impl Needed<'_> {
    /// Returns manifests that give `user` the rights, as YAML.
    pub fn grant(&self, user: &str) -> String {
        let namespace = self.manifests.workload.namespace();
        let rules = self.rules();
        // Of a name that another user or another kind of workload does not
        // have, so that applying theirs takes nothing away from this one.
        let identity = json!([user, rules]).to_string();
        let name = format!("kaiwo-submit-{}", digest::short(identity.as_bytes(), 8));
        let metadata = json!({"name": name, "namespace": namespace});
        let mut documents = Vec::new();
        if let Some(namespace) = &self.manifests.namespace {
            documents.push(namespace.value().clone());
        } else if self.namespace_unseen {
            documents.push(
                json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}),
            );
        }
        documents.push(json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            "metadata": metadata,
            "rules": rules,
        }));
        documents.push(json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
            "subjects": [subject(user)],
        }));
        let texts: Vec<String> = documents.iter().map(crate::yaml::to_string).collect();
        texts.join("---\n")
    }

    fn rules(&self) -> Vec<Value> {
        let workload = &self.manifests.workload;
        let verbs: &[&str] = match WorkloadKind::named(workload.kind()) {
            Some(kind) if kind.updates_in_place() => &["get", "create", "update", "delete"],
            _ => &["get", "create", "delete"],
        };
        let mut rules = vec![rule(workload, verbs)];
        if let Some(job) = self.manifests.scheduled_job() {
            // Rehearsed, as the CronJob will start it.
            rules.push(rule(&job, &["create"]));
        }
        if let Some(claim) = &self.manifests.kept_claim {
            rules.push(rule(claim, &["get", "create", "delete"]));
        }
        let mut owned: Vec<Value> = self
            .manifests
            .owned()
            .map(|owned| rule(owned, &["get", "create", "patch", "delete"]))
            .collect();
        owned.dedup();
        rules.extend(owned);
        rules.push(match &self.manifests.local_queue {
            Some(queue) => rule(queue, &["get", "list", "create", "delete"]),
            None => json!({
                "apiGroups": [crate::api::resource::KUEUE_GROUP],
                "resources": ["localqueues"],
                "verbs": ["get", "list"],
            }),
        });
        if annotation_of(workload.value(), keys::SESSION_ANNOTATION).is_some() {
            rules.push(json!({
                "apiGroups": [""],
                "resources": ["pods/attach", "pods/exec"],
                "verbs": ["get", "create"],
            }));
            rules.push(json!({"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}));
        }
        if self.replace {
            rules.push(json!({"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}));
        }
        rules.extend(self.clearing());
        rules
    }

    /// Returns the rights to find and remove what a service no longer needs once
    /// it is changed.
    fn clearing(&self) -> Vec<Value> {
        let workload = &self.manifests.workload;
        let (group, parts) = match WorkloadKind::named(workload.kind()) {
            Some(WorkloadKind::Deployment) => ("apps", "replicasets"),
            Some(WorkloadKind::RayService) => (crate::api::resource::RAY_GROUP, "rayclusters"),
            _ => return Vec::new(),
        };
        let companions = COMPANIONS.map(|(api_version, kind)| {
            let resource = crate::api::resource::Resource::known(api_version, kind);
            let group = api_version.split_once('/').map_or("", |(group, _)| group);
            (group, resource.plural)
        });
        let listed = companions
            .iter()
            .filter(|(group, _)| !group.is_empty())
            .map(|(group, plural)| {
                json!({"apiGroups": [group], "resources": [plural], "verbs": ["list", "delete"]})
            });
        let mut rights = vec![
            json!({"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list", "create", "patch", "delete"]}),
            json!({"apiGroups": [""], "resources": ["services"], "verbs": ["list", "delete"]}),
            json!({"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}),
            json!({"apiGroups": [group], "resources": [parts], "verbs": ["list"]}),
        ];
        rights.extend(listed);
        rights
    }
}

/// Suggests that somebody else applies manifests.
pub fn for_admins(manifests: &str) -> Suggestion {
    format!("or ask an admin to apply this:\n\n{manifests}").into()
}

fn rule(manifest: &Manifest, verbs: &[&str]) -> Value {
    let group = manifest.api_version().split_once('/');
    // Every manifest is resolved before anything is sent.
    let plural = manifest.resource().map(|resource| &resource.plural);
    json!({
        "apiGroups": [group.map_or("", |(group, _)| group)],
        "resources": [plural],
        "verbs": verbs,
    })
}

fn subject(user: &str) -> Value {
    let account = user
        .strip_prefix("system:serviceaccount:")
        .and_then(|account| account.split_once(':'));
    match account {
        Some((namespace, name)) => {
            json!({"kind": "ServiceAccount", "name": name, "namespace": namespace})
        }
        None => json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn service_accounts_are_subjects_of_their_own() {
        assert_eq!(
            subject("system:serviceaccount:ci:runner"),
            json!({"kind": "ServiceAccount", "name": "runner", "namespace": "ci"})
        );
        assert_eq!(subject("alice@example.org")["kind"], "User");
    }
}
