//! What the API server says about the user who asks: who it is, and what it may do.

use serde::Deserialize;

/// `status` of a `SelfSubjectReview` (`authentication.k8s.io/v1`).
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Identity {
    pub user_info: UserInfo,
}

/// `userInfo` of an [`Identity`].
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct UserInfo {
    /// Name of the user.
    pub username: String,
}

/// `status` of a `SelfSubjectRulesReview` (`authorization.k8s.io/v1`).
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Rules {
    /// Whether an authorizer could not list what it allows, as webhooks cannot.
    pub incomplete: bool,
    /// What is allowed.
    pub resource_rules: Vec<ResourceRule>,
}

/// A rule of [`Rules`].
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ResourceRule {
    /// API groups; `*` for all.
    pub api_groups: Vec<String>,
    /// Resources, with their subresource: `pods/log`; `*` for all.
    pub resources: Vec<String>,
    /// Verbs; `*` for all.
    pub verbs: Vec<String>,
    /// The only objects that it applies to; all if empty.
    pub resource_names: Vec<String>,
}

/// `status` of a `SelfSubjectAccessReview` (`authorization.k8s.io/v1`).
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct AccessVerdict {
    pub allowed: bool,
}

/// A verb on the objects of a kind in a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    /// API group; empty for the core group.
    pub group: &'static str,
    /// Resource, with its subresource: `pods/log`.
    pub resource: &'static str,
    pub verb: &'static str,
}

impl Rules {
    /// Returns whether a rule grants this for every object, as RBAC matches them
    /// (Kubernetes v1.36, `plugin/pkg/auth/authorizer/rbac`).
    pub fn grant(&self, right: Right) -> bool {
        let any = |listed: &[String], wanted: &str| {
            listed.iter().any(|entry| entry == "*" || entry == wanted)
        };
        // `*/log` is that subresource of all resources.
        let of_all = |listed: &[String]| {
            let subresource = right.resource.split_once('/');
            subresource.is_some_and(|(_, sub)| listed.contains(&format!("*/{sub}")))
        };
        self.resource_rules.iter().any(|rule| {
            rule.resource_names.is_empty()
                && any(&rule.verbs, right.verb)
                && any(&rule.api_groups, right.group)
                && (any(&rule.resources, right.resource) || of_all(&rule.resources))
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rules_grant_as_rbac_does() {
        let rules: Rules = serde_json::from_value(json!({"resourceRules": [
            {"verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods", "*/log"]},
            {"verbs": ["*"], "apiGroups": ["batch"], "resources": ["*"]},
            {"verbs": ["create"], "apiGroups": [""], "resources": ["secrets"], "resourceNames": ["a"]},
        ]}))
        .unwrap();
        let right = |verb, group, resource| Right {
            group,
            resource,
            verb,
        };
        for (granted, right) in [
            (true, right("list", "", "pods")),
            (true, right("get", "", "pods/log")),
            (true, right("delete", "batch", "jobs")),
            (false, right("delete", "", "pods")),
            (false, right("get", "", "pods/exec")),
            (false, right("get", "apps", "pods")),
            (false, right("create", "", "secrets")),
        ] {
            assert_eq!(rules.grant(right), granted, "{right:?}");
        }
    }
}
