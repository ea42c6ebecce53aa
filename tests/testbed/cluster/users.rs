//! Users of a test, and what they may do.

use serde_json::{Value, json};

use super::Testbed;
use super::objects::send;

impl Testbed {
    /// Gives a user of the test's own rights in its namespace, and returns the
    /// name; it begins with that of the test, so that no test lends rights to
    /// another.
    pub fn user(&self, name: &str, rules: &[Value]) -> String {
        let user = format!("{}-{name}", self.name);
        self.apply(json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
            "metadata": {"name": name}, "rules": rules,
        }));
        self.grant(&user, "Role", name);
        user
    }

    /// Binds a Role or ClusterRole to a user in the test's namespace, and waits
    /// until it counts.
    #[track_caller]
    pub fn grant(&self, user: &str, kind: &str, role: &str) {
        self.bind("RoleBinding", &format!("{user}-{role}"), user, kind, role);
        self.wait_for_rights(user, kind, role, &self.name);
    }

    /// Binds a ClusterRole to a user in all namespaces, and waits until it
    /// counts. It goes with the test.
    #[track_caller]
    pub fn grant_everywhere(&self, user: &str, role: &str) {
        self.bind("ClusterRoleBinding", &self.name, user, "ClusterRole", role);
        self.wait_for_rights(user, "ClusterRole", role, "");
    }

    fn bind(&self, binding: &str, name: &str, user: &str, kind: &str, role: &str) {
        let group = "rbac.authorization.k8s.io";
        self.apply(json!({
            "apiVersion": format!("{group}/v1"), "kind": binding, "metadata": {"name": name},
            "roleRef": {"apiGroup": group, "kind": kind, "name": role},
            "subjects": [{"apiGroup": group, "kind": "User", "name": user}],
        }));
    }

    /// Waits until a user may do something of each rule of a role: the API
    /// server learns of roles and bindings when it gets to it, and of one
    /// before the other. No namespace means all of them.
    #[track_caller]
    fn wait_for_rights(&self, user: &str, kind: &str, role: &str, namespace: &str) {
        let rules = self.wait(&format!("{kind} {role} to have rules"), || {
            let rules = self.find(kind, role)?["rules"].as_array()?.clone();
            (!rules.is_empty()).then_some(rules)
        });
        for rule in rules {
            // Some are about paths.
            let (Some(resource), Some(verb)) =
                (rule["resources"][0].as_str(), rule["verbs"][0].as_str())
            else {
                continue;
            };
            let group = rule["apiGroups"][0].as_str().unwrap_or_default();
            let name = rule["resourceNames"][0].as_str().unwrap_or_default();
            let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
            let attributes = json!({
                "namespace": namespace, "verb": verb, "group": group, "resource": resource,
                "subresource": subresource, "name": name,
            });
            self.wait(&format!("{user} to be allowed {attributes}"), || {
                self.may(user, &attributes).then_some(())
            });
        }
    }

    /// Asks the API server whether a user has a right.
    fn may(&self, user: &str, attributes: &Value) -> bool {
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
            "spec": {"user": user, "resourceAttributes": attributes},
        });
        let request = http::Request::post("/apis/authorization.k8s.io/v1/subjectaccessreviews")
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(serde_json::to_vec(&review).unwrap())
            .unwrap();
        let answer = self.runtime.block_on(send(&self.client, request));
        answer.unwrap()["status"]["allowed"] == true
    }
}
