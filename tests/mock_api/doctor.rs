//! `kaiwo doctor` against a scripted API server: each finding where it is true, and
//! none elsewhere.

use serde_json::{Value, json};

use super::json::is_golden;
use super::server::{Answer, MockApi, Request, groups, healthy, list};
use crate::common::{Outcome, Sandbox};

/// Gives the server all the time it may need.
const PATIENT: &str = "--request-timeout=600";
/// The report for programs.
const JSON: [&str; 4] = ["doctor", "-o", "json", PATIENT];
/// Labels of the flavor's nodes.
const EIGHT: &str = "beta.amd.com/gpu.family.AI";

fn node(name: &str, gpus: &str, cpu: &str) -> Value {
    json!({
        "metadata": {"name": name, "labels": {EIGHT: gpus}},
        "status": {"allocatable": {"cpu": cpu, "memory": "1Ti", "pods": "110", "amd.com/gpu": gpus}},
    })
}

fn controller(name: &str, label: &str, image: &str, ready: i64) -> Value {
    json!({
        "metadata": {
            "name": name, "namespace": "operators", "labels": {"app.kubernetes.io/name": label},
        },
        "spec": {"template": {"spec": {"containers": [{"image": image}]}}},
        "status": {"readyReplicas": ready},
    })
}

fn controllers() -> Vec<Value> {
    [
        ("kueue", "registry.k8s.io/kueue/kueue:v0.19.2"),
        ("kuberay-operator", "quay.io/kuberay/operator:v1.6.2"),
        ("workspace", "mcr.microsoft.com/aks/kaito/workspace:0.12.0"),
    ]
    .map(|(label, image)| controller(label, label, image, 1))
    .to_vec()
}

/// Answers a review: `alice`, who has these rules.
fn review(request: &Request, rules: &Value) -> Option<Answer> {
    let status = match request.path.rsplit('/').next()? {
        "selfsubjectreviews" => json!({"userInfo": {"username": "alice"}}),
        "selfsubjectrulesreviews" => json!({"resourceRules": rules, "incomplete": false}),
        _ => return None,
    };
    Some(Answer::Json(201, json!({"status": status})))
}

/// A cluster on which all is well, to an admin: four nodes of eight, as much quota.
pub fn well(request: &Request) -> Answer {
    let all = json!([{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]);
    if let Some(answer) = review(request, &all) {
        return answer;
    }
    let of_kueue = "/configmaps/kueue-manager-config";
    match request.path.as_str() {
        "/version" => Answer::Json(200, json!({"gitVersion": "v1.36.3"})),
        "/api/v1/nodes" => {
            let nodes: Vec<Value> = (0..4)
                .map(|at| node(&format!("gpu-{at}"), "8", "64"))
                .collect();
            Answer::Json(200, list(&nodes))
        }
        "/apis/apps/v1/deployments" => Answer::Json(200, list(&controllers())),
        path if path.starts_with("/apis/admissionregistration.k8s.io/") => {
            Answer::Json(200, list(&[]))
        }
        "/apis" => {
            let mut groups = groups(&["v1beta2", "v1beta1"], &["v1"]);
            let versions = json!([{"groupVersion": "kaito.sh/v1beta1", "version": "v1beta1"}]);
            let kaito = json!({"name": "kaito.sh", "versions": versions});
            groups["groups"].as_array_mut().unwrap().push(kaito);
            Answer::Json(200, groups)
        }
        "/apis/kaito.sh/v1beta1" => {
            let workspaces = json!({"name": "workspaces", "kind": "Workspace", "namespaced": true});
            Answer::Json(200, json!({"resources": [workspaces]}))
        }
        path if path.ends_with("/workspaces") => Answer::Json(200, list(&[])),
        path if path.ends_with("/rayjobs") || path.ends_with("/rayservices") => {
            Answer::Json(200, list(&[]))
        }
        path if path.ends_with(of_kueue) => {
            let text = "integrations: {frameworks: [batch/job, ray.io/rayjob]}\nwaitForPodsReady: {timeout: 2h}\n";
            Answer::Json(
                200,
                json!({"data": {"controller_manager_config.yaml": text}}),
            )
        }
        "/api/v1/services" => {
            let prometheus = json!({
                "metadata": {"name": "prometheus", "namespace": "monitoring"},
                "spec": {"ports": [{"name": "http-web", "port": 9090}]},
            });
            Answer::Json(200, list(&[prometheus]))
        }
        path if path.ends_with("/prometheus:9090/proxy/api/v1/query") => {
            let data = json!({"resultType": "vector", "result": []});
            Answer::Json(200, json!({"status": "success", "data": data}))
        }
        _ => healthy(request),
    }
}

/// The same where `script` answers first.
fn cluster(script: impl Fn(&Request) -> Option<Answer> + Send + 'static) -> MockApi {
    MockApi::new(move |request| Some(script(request).unwrap_or_else(|| well(request))))
}

/// Returns the checks about a subject, as JSON.
fn about(outcome: &Outcome, subject: &str) -> Vec<Value> {
    let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
    let checks = report["checks"].as_array().unwrap().iter();
    checks
        .filter(|it| it["subject"] == subject)
        .cloned()
        .collect()
}

/// Runs it, and returns the only check about a subject.
fn only(api: &MockApi, code: i32, subject: &str) -> Value {
    let outcome = api.sandbox.kaiwo(&JSON).exits(code);
    let mut found = about(&outcome, subject);
    assert_eq!(found.len(), 1, "{subject}: {outcome:?}");
    found.remove(0)
}

#[test]
fn a_good_cluster_has_no_problem() {
    let api = cluster(|_| None);
    let outcome = api.sandbox.kaiwo(&JSON).exits(0);
    is_golden("doctor_well", &outcome);
    let told = api.sandbox.kaiwo(&["doctor", PATIENT]).exits(0);
    insta::assert_snapshot!("doctor", shown(&api, &told));
    assert_eq!(
        api.writes()
            .iter()
            .filter(|it| !it.contains("selfsubject"))
            .count(),
        0
    );
}

/// Returns what people see, without what differs from run to run.
fn shown(api: &MockApi, outcome: &Outcome) -> String {
    let kubeconfig = api.sandbox.path("kubeconfig").display().to_string();
    let text = outcome.stdout.replace(&kubeconfig, "KUBECONFIG");
    let server = regex::Regex::new(r"127\.0\.0\.1:\d+").unwrap();
    server.replace_all(&text, "SERVER").into_owned()
}

#[test]
fn without_kueue_nothing_can_be_submitted() {
    let api = cluster(|request| {
        (request.path == "/apis").then(|| Answer::Json(200, groups(&[], &["v1"])))
    });
    let kueue = only(&api, 8, "kueue");
    assert_eq!(kueue["state"], "problem");
    assert_eq!(
        kueue["summary"],
        "it is not installed: kaiwo submit does not work"
    );
    assert_eq!(kueue["remedies"][0]["who"], "admin");
    let outcome = api.sandbox.kaiwo(&JSON).exits(8);
    assert!(about(&outcome, "flavors").is_empty());
    let optional = ["kubeRay", "kaito"].map(|subject| about(&outcome, subject)[0]["state"].clone());
    assert_eq!(optional, ["ok", "absent"]);
}

#[test]
fn what_an_admin_runs_has_not_the_users_kubeconfig() {
    let api = cluster(|request| {
        let is_namespace = request.path.ends_with("/namespaces/kaiwo");
        is_namespace.then_some(Answer::Refuse(404, "namespaces \"kaiwo\" not found"))
    });
    let file = api.sandbox.path("kubeconfig").display().to_string();
    let typed = ["--kubeconfig", &file, "--context", "mock", "--as", "bob"];
    let outcome = api.sandbox.kaiwo(&[&JSON[..], &typed].concat()).exits(8);
    let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
    let checks = report["checks"].as_array().unwrap().iter();
    let remedies = checks
        .filter_map(|check| check["remedies"].as_array())
        .flatten();
    let commands: Vec<&str> = remedies
        .filter(|remedy| remedy["who"] == "admin")
        .filter_map(|remedy| remedy["command"].as_str())
        .collect();
    let create = "kubectl --context mock create namespace kaiwo";
    assert!(commands.contains(&create), "{commands:?}");
    for command in commands {
        assert!(
            !command.contains(&file) && !command.contains("--as"),
            "{command}"
        );
    }
}

#[test]
fn a_flavor_that_fits_no_node_is_found() {
    let api = cluster(|request| {
        let other =
            json!({"metadata": {"name": "mi300x"}, "spec": {"nodeLabels": {"gpu": "mi300x"}}});
        let is_flavors = request.path.ends_with("/resourceflavors");
        is_flavors.then(|| Answer::Json(200, list(&[other])))
    });
    let flavor = only(&api, 8, "flavors");
    assert_eq!(flavor["state"], "problem");
    assert_eq!(
        flavor["summary"],
        "no node has the labels of ResourceFlavor mi300x: gpu=mi300x"
    );
    assert_eq!(flavor["remedies"][0]["command"], "kubectl get nodes -L gpu");
}

#[test]
fn quota_that_no_node_fills_and_pods_that_fit_none_are_found() {
    let few = cluster(|request| {
        let nodes = list(&[node("gpu-0", "8", "64"), node("gpu-1", "8", "64")]);
        (request.path == "/api/v1/nodes").then_some(Answer::Json(200, nodes))
    });
    let flavor = only(&few, 0, "flavors");
    assert_eq!(flavor["state"], "warning");
    assert_eq!(
        flavor["summary"],
        "ResourceFlavor mi300x has quota for 32 amd.com/gpu, but its 2 nodes have only 16"
    );
    let none = cluster(|request| {
        let mut node = node("cpu-0", "8", "64");
        node["status"]["allocatable"]
            .as_object_mut()
            .unwrap()
            .remove("amd.com/gpu");
        (request.path == "/api/v1/nodes").then(|| Answer::Json(200, list(&[node])))
    });
    assert_eq!(only(&none, 8, "flavors")["state"], "problem");
    // A pool may grow.
    let pool = cluster(|request| {
        let mut node = node("cpu-0", "0", "64");
        node["metadata"]["labels"] = json!({"karpenter.sh/nodepool": "cpu"});
        (request.path == "/api/v1/nodes").then(|| Answer::Json(200, list(&[node])))
    });
    assert_eq!(only(&pool, 0, "flavors")["state"], "warning");
}

#[test]
fn a_submission_with_defaults_that_would_be_refused_is_told_with_its_remedies() {
    let mut api = cluster(|request| {
        let queue = json!({"metadata": {"name": "team"}, "spec": {"clusterQueue": "kaiwo"}});
        match request.path.rsplit('/').next()? {
            "localqueues" => Some(Answer::Json(200, list(&[queue]))),
            "clusterqueues" => {
                let mut queue = super::server::cluster_queue();
                queue["metadata"]["name"] = json!("research");
                Some(Answer::Json(200, list(&[queue])))
            }
            _ => None,
        }
    });
    api.sandbox = api.sandbox.set("KAIWO_QUEUE", "teem");
    let submission = only(&api, 8, "submission");
    let summary = submission["summary"].as_str().unwrap();
    assert!(
        summary.contains("queue \"teem\" does not exist"),
        "{summary}"
    );
    assert_eq!(submission["remedies"][0]["text"], "did you mean -q team?");
    assert_eq!(submission["remedies"][0]["who"], "you");

    let absent = cluster(|request| {
        request
            .path
            .ends_with("/namespaces/kaiwo")
            .then_some(Answer::Refuse(404, "namespaces \"kaiwo\" not found"))
    });
    let namespace = only(&absent, 8, "namespace");
    assert_eq!(namespace["summary"], "namespace kaiwo does not exist");
    assert_eq!(
        namespace["remedies"][0]["command"],
        "kubectl create namespace kaiwo"
    );
}

/// Refuses everything that is not public.
fn stranger(request: &Request) -> Option<Answer> {
    let is_discovery = request.path.starts_with("/apis") && request.path.split('/').count() < 5;
    let public =
        is_discovery || request.path == "/version" || request.path.contains("/selfsubject");
    let denied = "is forbidden: User \"alice\" cannot list resource";
    (!public).then_some(Answer::Refuse(403, denied))
}

#[test]
fn without_rights_all_is_unknown_but_the_rights() {
    let nothing = json!([{"verbs": ["create"], "apiGroups": ["authorization.k8s.io"], "resources": ["selfsubjectrulesreviews"]}]);
    let api = cluster(move |request| review(request, &nothing).or_else(|| stranger(request)));
    let outcome = api.sandbox.kaiwo(&JSON).exits(8);
    is_golden("doctor_stranger", &outcome);
    let told = api.sandbox.kaiwo(&["doctor", PATIENT]).exits(8);
    insta::assert_snapshot!("doctor_stranger", shown(&api, &told));
    let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
    let checks = report["checks"].as_array().unwrap();
    let wrong = checks.iter().filter(|it| it["state"] == "problem");
    let wrong: Vec<&Value> = wrong.map(|it| &it["subject"]).collect();
    assert_eq!(wrong, ["rights"]);
    assert_eq!(
        about(&outcome, "rights")[0]["remedies"][0]["command"],
        "kubectl -n kaiwo create rolebinding kaiwo-alice --clusterrole=kaiwo-submit --user=alice"
    );
}

/// Who has the role of researchers and no more, sees no problem.
#[test]
fn a_researcher_has_all_that_is_needed() {
    let rules = super::rights::researchers();
    let api = cluster(move |request| {
        review(request, &rules).or_else(|| {
            let own = request.path.contains("/namespaces/kaiwo/");
            (!own).then(|| stranger(request)).flatten()
        })
    });
    let outcome = api.sandbox.kaiwo(&JSON).exits(0);
    assert_eq!(about(&outcome, "rights")[0]["state"], "ok");
    let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert!(
        report["notVisible"]
            .as_array()
            .unwrap()
            .contains(&json!("nodes"))
    );
}

/// What an authorizer cannot list is asked for one by one.
#[test]
fn incomplete_rules_are_completed() {
    let api = cluster(|request| {
        let status = match request.path.rsplit('/').next()? {
            "selfsubjectrulesreviews" => json!({"resourceRules": [], "incomplete": true}),
            "selfsubjectaccessreviews" => {
                let asked = &request.body["spec"]["resourceAttributes"];
                assert_eq!(asked["namespace"], "kaiwo");
                json!({"allowed": asked["subresource"] != "exec"})
            }
            _ => return None,
        };
        Some(Answer::Json(201, json!({"status": status})))
    });
    let rights = only(&api, 8, "rights");
    assert_eq!(
        rights["evidence"],
        json!([
            "exec: get/create pods/exec",
            "run: get/create pods/exec",
            "cp: get/create pods/exec",
        ])
    );
}

#[test]
fn a_token_that_has_expired_is_told_with_how_to_log_in() {
    let api = MockApi::new(|_| Some(Answer::Refuse(401, "Unauthorized")));
    let credentials = only(&api, 8, "credentials");
    assert_eq!(credentials["state"], "problem");
    let summary = credentials["summary"].as_str().unwrap();
    assert!(summary.contains("not authenticated"), "{summary}");
    let command = credentials["remedies"][0]["command"].as_str().unwrap();
    assert_eq!(command, "kubectl auth whoami");
}

#[test]
fn without_a_server_or_a_kubeconfig_that_is_what_is_told() {
    let api = MockApi::new(|_| Some(Answer::Close));
    assert_eq!(only(&api, 8, "cluster")["state"], "problem");
    let sandbox = Sandbox::new().set("KUBECONFIG", "/nonexistent/config");
    let outcome = sandbox.kaiwo(&JSON).exits(8);
    is_golden("doctor_lost", &outcome);
    let [kubeconfig] = &about(&outcome, "kubeconfig")[..] else {
        panic!("{outcome:?}");
    };
    assert_eq!(kubeconfig["state"], "problem");
    assert!(
        kubeconfig["remedies"][0]["text"]
            .as_str()
            .unwrap()
            .contains("--kubeconfig")
    );
}

/// A Workspace that nothing has looked at.
fn ignored(request: &Request) -> Option<Answer> {
    let workspace = json!({"metadata": {
        "name": "phi", "namespace": "kaiwo", "creationTimestamp": "2026-01-01T00:00:00Z",
    }});
    let is_listed = request.path.ends_with("/workspaces");
    is_listed.then(|| Answer::Json(200, list(&[workspace])))
}

#[test]
fn a_controller_that_does_not_answer_is_found() {
    let api = cluster(|request| {
        let others = || Answer::Json(200, list(&controllers()[..2]));
        let are_listed = request.path == "/apis/apps/v1/deployments";
        ignored(request).or_else(|| are_listed.then(others))
    });
    let kaito = only(&api, 8, "kaito");
    assert_eq!(kaito["summary"], "no KAITO controller is responding");
    assert_eq!(
        kaito["remedies"][0]["command"],
        "kubectl get deployments -A -l app.kubernetes.io/name=workspace"
    );
    let down = cluster(|request| {
        let kueue = controller("kueue", "kueue", "registry.k8s.io/kueue/kueue:v0.19.2", 0);
        let is_listed = request.path == "/apis/apps/v1/deployments";
        is_listed.then(|| Answer::Json(200, list(&[kueue])))
    });
    let kueue = only(&down, 8, "kueue");
    assert_eq!(
        kueue["remedies"][0]["command"],
        "kubectl -n operators describe deployment kueue"
    );
}

#[test]
fn a_webhook_without_endpoints_is_found() {
    let api = cluster(|request| {
        let configuration = json!({"metadata": {"name": "kueue"}, "webhooks": [{
            "name": "mjob.kb.io",
            "clientConfig": {"service": {"namespace": "kueue-system", "name": "kueue-webhook-service"}},
            "rules": [{"apiGroups": ["batch"], "resources": ["jobs"], "operations": ["CREATE"]}],
        }]});
        match request.path.rsplit('/').next()? {
            "mutatingwebhookconfigurations" => Some(Answer::Json(200, list(&[configuration]))),
            "endpointslices" => Some(Answer::Json(200, list(&[]))),
            _ => None,
        }
    });
    let webhooks = only(&api, 8, "webhooks");
    assert_eq!(
        webhooks["remedies"][0]["command"],
        "kubectl -n kueue-system get pods,endpointslices"
    );
}

#[test]
fn a_window_that_is_shorter_than_the_probes_is_a_warning() {
    let api = cluster(|request| {
        let text = "waitForPodsReady: {timeout: 5m}\n";
        let data = json!({"data": {"controller_manager_config.yaml": text}});
        let is_it = request.path.ends_with("/kueue-manager-config");
        is_it.then_some(Answer::Json(200, data))
    });
    let readiness = only(&api, 0, "readiness");
    assert_eq!(readiness["state"], "warning");
    assert_eq!(
        readiness["remedies"][0]["command"],
        "kubectl -n kueue-system edit configmaps kueue-manager-config"
    );
}
