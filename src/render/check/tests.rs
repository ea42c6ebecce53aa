use serde_json::json;

use super::*;

/// Returns what is found in a document, as it is printed.
fn findings(document: &Value) -> Vec<String> {
    check(document).iter().map(Mismatch::to_string).collect()
}

/// Returns a Job whose one container has these fields besides its name.
fn job(container: Value) -> Value {
    let mut job = json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "a"},
        "spec": {"template": {"spec": {"containers": [{"name": "main"}]}}},
    });
    for (name, value) in container.as_object().unwrap() {
        job["spec"]["template"]["spec"]["containers"][0][name] = value.clone();
    }
    job
}

fn ray_job(template: Value) -> Value {
    json!({
        "apiVersion": "ray.io/v1", "kind": "RayJob", "metadata": {"name": "a"},
        "spec": {"rayClusterSpec": {"headGroupSpec": {"template": template}}},
    })
}

#[test]
fn everything_that_is_wrong_is_found_at_once() {
    let mut job = job(json!({
        "imagee": "python",
        "ports": [{"containerPort": "http"}, {"containerPort": 1.5}],
        "env": [{"name": "A", "value": 8}, {"valeu": "x"}],
        "command": "run",
        "resources": {"limits": {"memory": "32 GB"}},
    }));
    job["spec"]["backoffLimit"] = json!("3");
    job["metadata"]["labels"] = json!({"example.com/a": true});
    job["sepc"] = json!({});
    let container = "spec.template.spec.containers[0]";
    assert_eq!(
        findings(&job),
        [
            "sepc: unknown field; did you mean spec?".to_owned(),
            "metadata.labels[example.com/a]: true is a boolean, expected a string".to_owned(),
            "spec.backoffLimit: \"3\" is a string, expected an integer".to_owned(),
            format!("{container}.imagee: unknown field; did you mean image?"),
            format!("{container}.command: this is a string, expected a list"),
            format!("{container}.env[0].value: this is a number, expected a string"),
            format!("{container}.env[1].valeu: unknown field; did you mean value?"),
            format!("{container}.env[1].name: required, but missing"),
            format!("{container}.ports[0].containerPort: this is a string, expected an integer"),
            format!("{container}.ports[1].containerPort: 1.5 is a number, expected an integer"),
            format!(
                "{container}.resources.limits.memory: \"32 GB\" is a string, expected a quantity such as 4, 500m or 32Gi"
            ),
        ]
    );
}

#[test]
fn what_the_api_server_takes_is_taken() {
    let probe = |port: Value| json!({"httpGet": {"port": port}, "periodSeconds": null});
    for container in [
        json!({"livenessProbe": probe(json!(80))}),
        json!({"livenessProbe": probe(json!("http"))}),
        json!({"resources": {"limits": {"cpu": 1, "memory": "1e9", "amd.com/gpu": "8"}}}),
        json!({"resources": {"limits": {"cpu": 0.5}}}),
        json!({"env": null, "resources": null, "image": null, "command": [null]}),
        // Fields of releases later than the oldest that kaiwo supports.
        json!({"restartPolicyRules": [], "env": [{"name": "A", "valueFrom": {
            "fileKeyRef": {"key": "a", "path": "b", "volumeName": "c"}}}]}),
    ] {
        assert_eq!(findings(&job(container.clone())), [""; 0], "{container}");
    }
    for document in [
        // A kind of the same name in another group, and a kind of nobody's.
        json!({"apiVersion": "batch.volcano.sh/v1alpha1", "kind": "Job",
            "metadata": {"name": "a", "creationTimestamp": null}, "spec": {"minAvailable": 3}}),
        json!({"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "a"},
            "whatever": 1}),
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"},
            "data": {"a": "YWJj\nYWJj\n"}, "stringData": {"b": ""}}),
        json!({"apiVersion": "apps/v1", "kind": "ControllerRevision", "metadata": {"name": "a"},
            "revision": 1, "data": {"any": ["thing"]}}),
        ray_job(json!({"metadata": {"labels": {"a": "b"}}, "spec": {
            "terminationGracePeriodSeconds": 30.0,
            "containers": [{"name": "a", "ports": [{"containerPort": 6379}]}]}})),
    ] {
        assert_eq!(findings(&document), [""; 0], "{document}");
    }
}

#[test]
fn pod_templates_of_custom_kinds_are_checked() {
    let template = json!({"spec": {"containers": [{"name": "a", "imagee": "b"}], "volumes": {}}});
    let found = [
        ".spec.containers[0].imagee: unknown field; did you mean image?",
        ".spec.volumes: this is an object, expected a list",
    ];
    let under = |path: &str| found.map(|line| format!("{path}{line}")).to_vec();
    assert_eq!(
        findings(&ray_job(template.clone())),
        under("spec.rayClusterSpec.headGroupSpec.template")
    );
    let workspace = json!({"apiVersion": "kaito.sh/v1beta1", "kind": "Workspace",
        "metadata": {"name": "a"}, "resource": {"labelSelector": {}},
        "inference": {"template": template}});
    assert_eq!(findings(&workspace), under("inference.template"));
}

#[test]
fn fields_of_custom_kinds_are_checked() {
    let mut ray = ray_job(json!({"spec": {"containers": []}}));
    ray["spec"]["backoffLimit"] = json!("3");
    ray["spec"]["suspnd"] = json!(true);
    ray["spec"]["rayClusterSpec"]["rayVersion"] = json!(2.46);
    ray["spec"]["rayClusterSpec"]["workerGroupSpecs"] =
        json!([{"replicas": 5_000_000_000_u64, "minReplicas": null, "maxReplicas": 2.0}]);
    ray["spce"] = json!(null);
    assert_eq!(
        findings(&ray),
        [
            "spce: unknown field; did you mean spec?",
            "spec.backoffLimit: \"3\" is a string, expected an integer",
            "spec.rayClusterSpec.rayVersion: 2.46 is a number, expected a string",
            "spec.rayClusterSpec.workerGroupSpecs[0].replicas: 5000000000 is a number, expected an integer",
            "spec.rayClusterSpec.workerGroupSpecs[0].groupName: required, but missing",
            "spec.rayClusterSpec.workerGroupSpecs[0].template: required, but missing",
            "spec.suspnd: unknown field; did you mean suspend?",
        ]
    );
}

#[test]
fn of_what_excludes_each_other_one_is_needed() {
    let workspace = json!({"apiVersion": "kaito.sh/v1beta1", "kind": "Workspace",
        "metadata": {"name": "a"}, "resource": {"labelSelector": {}}});
    assert_eq!(
        findings(&workspace),
        ["one of inference or tuning is required"]
    );
    let mut both = workspace;
    both["inference"] = json!({"preset": {"name": "phi-4"}, "template": {}});
    assert_eq!(
        findings(&both),
        ["inference: preset and template are mutually exclusive"]
    );
}

#[test]
fn versions_differ() {
    let mut workspace = json!({"apiVersion": "kaito.sh/v1beta1", "kind": "Workspace",
        "metadata": {"name": "a"}, "resource": {"labelSelector": {}},
        "inference": {"preset": {"name": "phi-4", "presetOptions": {"modelAccessSecret": "s"}}}});
    assert_eq!(findings(&workspace), [""; 0]);
    workspace["apiVersion"] = json!("kaito.sh/v1alpha1");
    assert_eq!(
        findings(&workspace),
        ["inference.preset.presetOptions.modelAccessSecret: unknown field"]
    );
}

#[test]
fn values_of_secrets_are_not_told() {
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"},
        "data": {"token": "hunter2"}, "stringData": {"pin": 12345}});
    assert_eq!(
        findings(&secret),
        [
            "data.token: this is a string, expected base64",
            "stringData.pin: this is a number, expected a string",
        ]
    );
}

#[test]
fn documents_without_a_kind_or_a_form_are_no_reason_to_panic() {
    assert_eq!(findings(&json!([])), ["this is a list, expected an object"]);
    assert_eq!(
        findings(&json!({"kind": 3, "metadata": "a"})),
        [
            "apiVersion: required, but missing",
            "kind: 3 is a number, expected a string",
            "metadata: this is a string, expected an object",
        ]
    );
}

#[test]
fn findings_are_so_many_at_most() {
    let labels: Map<String, Value> = (0..100).map(|n| (n.to_string(), n.into())).collect();
    let mut job = job(json!({}));
    job["metadata"]["labels"] = labels.into();
    assert_eq!(check(&job).len(), MOST_FINDINGS);
}

/// Whatever is in a document, every type of k8s-openapi is content with what
/// it is given instead.
#[test]
fn every_kind_takes_any_value_anywhere() {
    let values = [
        json!(null),
        json!(1),
        json!("a"),
        json!([]),
        json!({}),
        json!(true),
    ];
    for (api_version, kind, _) in BUILT_IN {
        for value in &values {
            for field in ["metadata", "spec", "data", "status", "rules", "roleRef"] {
                let mut document = json!({"apiVersion": api_version, "kind": kind});
                document[field] = value.clone();
                let _ = check(&document);
            }
        }
    }
}

#[test]
fn a_schema_has_no_fractions_of_a_quantity() {
    let of = |kind: &str, cluster: &str, cpu: Value| {
        let container = json!({"name": "ray-head", "resources": {"limits": {"cpu": cpu}}});
        let head = json!({"rayStartParams": {}, "template": {"spec": {"containers": [container]}}});
        let document = json!({
            "apiVersion": "ray.io/v1", "kind": kind, "metadata": {"name": "a"},
            "spec": {cluster: {"headGroupSpec": head}},
        });
        let found = findings(&document);
        found.iter().any(|found| found.contains("limits.cpu: 1.5"))
            || found.iter().any(|found| found.contains("limits[cpu]: 1.5"))
    };
    assert!(of("RayService", "rayClusterConfig", json!(1.5)));
    assert!(!of("RayService", "rayClusterConfig", json!("1.5")));
    assert!(!of("RayService", "rayClusterConfig", json!(2)));
    // Kueue's webhook reads it first, as Go reads a Job's.
    assert!(!of("RayJob", "rayClusterSpec", json!(1.5)));
}
