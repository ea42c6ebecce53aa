//! Holds what kaiwo reads to what a researcher may: every read that any test here
//! provokes is looked up in `cluster-admins/rbac/researchers.yaml`, as RBAC would.
//! What it writes is tried on the testbed, path by path (`testbed::rights`).

use std::sync::LazyLock;

use serde::Deserialize;

use super::server::Request;
use crate::common::checkout;

/// What RBAC decides about a request (`RequestInfo` of k8s.io/apiserver v1.36).
#[derive(Debug, PartialEq)]
struct Attributes {
    verb: &'static str,
    group: String,
    /// With its subresource: `pods/log`.
    resource: String,
    /// Empty for what has none, and for all namespaces at once.
    namespace: String,
}

/// A role of the file.
#[derive(Deserialize)]
struct Role {
    metadata: Metadata,
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Rule {
    api_groups: Vec<String>,
    resources: Vec<String>,
    verbs: Vec<String>,
}

/// What is bound in a namespace, and what everywhere.
const ROLES: [&str; 2] = ["kaiwo-submit", "kaiwo-queues"];

/// What kaiwo asks for and does without where it may not: group, resources, verbs,
/// and where.
const LEFT_TO_OTHERS: &[(&str, &[&str], &[&str], Where)] = &[
    // Whether what a pod names exists; a model server's API key.
    (
        "",
        &["secrets", "serviceaccounts"],
        &["get", "list"],
        Where::Anywhere,
    ),
    // Which one is meant by a name with a typing mistake.
    ("", &["namespaces"], &["list"], Where::Anywhere),
    // `-A`; who holds GPUs and quota; Kueue's configuration, KAITO's models, and
    // where Prometheus is.
    (
        "",
        &[
            "pods",
            "events",
            "services",
            "configmaps",
            "persistentvolumeclaims",
        ],
        &["get", "list", "watch"],
        Where::Elsewhere,
    ),
    ("", &["services/proxy"], &["get"], Where::Elsewhere),
    (
        "apps",
        &["deployments"],
        &["list", "watch"],
        Where::Elsewhere,
    ),
    (
        "batch",
        &["jobs", "cronjobs"],
        &["list", "watch"],
        Where::Elsewhere,
    ),
    (
        "ray.io",
        &["rayjobs", "rayservices", "rayclusters"],
        &["list", "watch"],
        Where::Elsewhere,
    ),
    (
        "kaito.sh",
        &["workspaces", "inferencesets"],
        &["list", "watch"],
        Where::Elsewhere,
    ),
    (
        "kueue.x-k8s.io",
        &["localqueues", "workloads"],
        &["list", "watch"],
        Where::Elsewhere,
    ),
    (
        "visibility.kueue.x-k8s.io",
        &[
            "clusterqueues/pendingworkloads",
            "localqueues/pendingworkloads",
        ],
        &["get"],
        Where::Elsewhere,
    ),
    // What `doctor` shows to admins.
    (
        "admissionregistration.k8s.io",
        &[
            "mutatingwebhookconfigurations",
            "validatingwebhookconfigurations",
        ],
        &["list"],
        Where::Anywhere,
    ),
    (
        "discovery.k8s.io",
        &["endpointslices"],
        &["list"],
        Where::Elsewhere,
    ),
    // Prometheus by its address, which is no API server.
    ("", &["query"], &["get", "list"], Where::Anywhere),
];

/// Namespaces of operators.
const OF_OPERATORS: [&str; 2] = ["kueue-system", "monitoring"];

/// Where a right is left to others.
#[derive(Clone, Copy, PartialEq)]
enum Where {
    Anywhere,
    /// Of all namespaces, or of another one than the workload's.
    Elsewhere,
}

static RESEARCHERS: LazyLock<Vec<Role>> = LazyLock::new(|| {
    let file = checkout("cluster-admins/rbac/researchers.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let documents = kaiwo::yaml::parse_documents(&file, &text).unwrap();
    let roles: Vec<Role> = documents
        .into_iter()
        .map(|document| serde_json::from_value(document).unwrap())
        .collect();
    let names: Vec<&str> = roles
        .iter()
        .map(|role| role.metadata.name.as_str())
        .collect();
    assert_eq!(names, ROLES);
    roles
});

impl Attributes {
    /// Reads a request; nothing if it is about no resource.
    fn of_request(request: &Request) -> Option<Self> {
        let mut parts = request.path.trim_matches('/').split('/');
        let group = match parts.next()? {
            "api" => "",
            "apis" => parts.next()?,
            _ => return None,
        };
        let _version = parts.next()?;
        let mut parts: Vec<&str> = parts.collect();
        let mut namespace = "";
        if parts.len() > 2 && parts[0] == "namespaces" && parts[2] != "status" {
            namespace = parts[1];
            parts.drain(..2);
        }
        let (resource, name) = (*parts.first()?, parts.get(1));
        let subresource = parts.get(2).map_or(String::new(), |sub| format!("/{sub}"));
        let watches = request
            .query
            .split('&')
            .any(|it| it == "watch=true" || it == "watch=1");
        let verb = match (request.method.as_str(), name) {
            ("GET", _) if watches => "watch",
            ("GET", Some(_)) => "get",
            ("GET", None) => "list",
            ("POST", _) => "create",
            ("PUT", _) => "update",
            ("PATCH", _) => "patch",
            ("DELETE", Some(_)) => "delete",
            ("DELETE", None) => "deletecollection",
            (other, _) => panic!("what RBAC makes of {other}"),
        };
        Some(Self {
            verb,
            group: group.to_owned(),
            resource: format!("{resource}{subresource}"),
            namespace: namespace.to_owned(),
        })
    }

    fn is_granted(&self) -> bool {
        let counts = |role: &&Role| !self.is_elsewhere() || role.metadata.name == ROLES[1];
        let grants = |rule: &Rule| {
            rule.api_groups.contains(&self.group)
                && rule.resources.contains(&self.resource)
                && rule.verbs.iter().any(|verb| verb == self.verb)
        };
        let mut rules = RESEARCHERS
            .iter()
            .filter(counts)
            .flat_map(|role| &role.rules);
        rules.any(grants) || self.is_left_to_others()
    }

    fn is_elsewhere(&self) -> bool {
        self.namespace.is_empty() || OF_OPERATORS.contains(&self.namespace.as_str())
    }

    fn is_left_to_others(&self) -> bool {
        LEFT_TO_OTHERS
            .iter()
            .any(|(group, resources, verbs, place)| {
                *group == self.group
                    && resources.contains(&self.resource.as_str())
                    && verbs.contains(&self.verb)
                    && (*place == Where::Anywhere || self.is_elsewhere())
            })
    }
}

/// Returns what of these requests no researcher may.
pub fn missing(requests: &[Request]) -> Vec<String> {
    let asked = requests.iter().filter_map(Attributes::of_request);
    let mut missing: Vec<String> = asked
        .filter(|asked| matches!(asked.verb, "get" | "list" | "watch") && !asked.is_granted())
        .map(|asked| format!("{asked:?}"))
        .collect();
    missing.sort();
    missing.dedup();
    missing
}

/// Returns the rules in a namespace of who has the first role, as a
/// `SelfSubjectRulesReview` lists them.
pub fn researchers() -> serde_json::Value {
    let rules = RESEARCHERS[0].rules.iter().map(|rule| {
        serde_json::json!({
            "apiGroups": rule.api_groups, "resources": rule.resources, "verbs": rule.verbs,
        })
    });
    rules.collect()
}

/// The table of `doctor` and the role say the same.
#[test]
fn what_commands_need_is_what_the_role_grants() {
    let mut needed: Vec<(String, String, &str)> = kaiwo::observe::doctor::rights::needed(|_| true)
        .into_iter()
        .map(|right| {
            (
                right.group.to_owned(),
                right.resource.to_owned(),
                right.verb,
            )
        })
        .collect();
    let mut granted: Vec<(String, String, &str)> = Vec::new();
    let file = checkout("cluster-admins/rbac/pausing.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let mut documents = kaiwo::yaml::parse_documents(&file, &text).unwrap();
    let pausing: Role = serde_json::from_value(documents.pop().unwrap()).unwrap();
    for rule in RESEARCHERS[0].rules.iter().chain(&pausing.rules) {
        for (group, resource) in rule
            .api_groups
            .iter()
            .flat_map(|group| rule.resources.iter().map(move |it| (group, it)))
        {
            let verbs = rule.verbs.iter();
            granted.extend(verbs.map(|verb| (group.clone(), resource.clone(), verb.as_str())));
        }
    }
    needed.sort();
    granted.sort();
    granted.dedup();
    assert_eq!(needed, granted);
}

#[test]
fn a_request_is_looked_up_as_rbac_does() {
    let asked = |method: &str, target: &str| {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Request {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            body: serde_json::Value::Null,
            is_authorized: true,
            socket_key: String::new(),
        }
    };
    for (method, target, verb, resource, namespace) in [
        (
            "GET",
            "/api/v1/namespaces/ml/pods/x/log?container=c",
            "get",
            "pods/log",
            "ml",
        ),
        ("GET", "/api/v1/namespaces/ml", "get", "namespaces", ""),
        ("GET", "/api/v1/pods?limit=500", "list", "pods", ""),
        (
            "GET",
            "/apis/batch/v1/namespaces/ml/jobs?watch=true",
            "watch",
            "jobs",
            "ml",
        ),
        (
            "POST",
            "/apis/batch/v1/namespaces/ml/jobs?dryRun=All",
            "create",
            "jobs",
            "ml",
        ),
        (
            "DELETE",
            "/apis/ray.io/v1/namespaces/ml/rayjobs/x",
            "delete",
            "rayjobs",
            "ml",
        ),
    ] {
        let found = Attributes::of_request(&asked(method, target)).unwrap();
        let told = (
            found.verb,
            found.resource.as_str(),
            found.namespace.as_str(),
        );
        assert_eq!(told, (verb, resource, namespace), "{target}");
    }
    for target in [
        "/apis",
        "/version",
        "/openapi/v3/apis/kaito.sh/v1beta1",
        "/apis/kaito.sh/v1beta1",
    ] {
        assert_eq!(
            Attributes::of_request(&asked("GET", target)),
            None,
            "{target}"
        );
    }
    // What only admins read.
    let refused = |method, target| !missing(&[asked(method, target)]).is_empty();
    for (method, target) in [
        ("GET", "/api/v1/nodes/gpu-0"),
        ("GET", "/api/v1/namespaces/kueue-system/pods/x/log"),
        (
            "GET",
            "/apis/rbac.authorization.k8s.io/v1/namespaces/ml/roles",
        ),
    ] {
        assert!(refused(method, target), "{method} {target}");
    }
}
