//! Workspaces against clusters whose KAITO knows less than this kaiwo, and what
//! Workspaces refer to.

use serde_json::{Value, json};

use super::server::{Answer, MockApi, Request, groups};
use super::trouble::is;
use crate::common::Outcome;

const MACHINE: &str = "--instance-type=Standard_NC24ads_A100_v4";

/// Answers which groups are served, KAITO's in these versions among them.
fn served(request: &Request, versions: &[&str]) -> Option<Answer> {
    if !is(request, "GET", "/apis") {
        return None;
    }
    let mut all = groups(&[], &[]);
    let versions: Vec<Value> = versions.iter().map(|v| json!({"version": v})).collect();
    let list = all["groups"].as_array_mut().unwrap();
    list.push(json!({"name": "kaito.sh", "versions": versions}));
    Some(Answer::Json(200, all))
}

/// Answers with the schemas of kinds in one version, if that is asked for.
fn schemas(request: &Request, version: &str, kinds: &[(&str, Value)]) -> Option<Answer> {
    let path = format!("/openapi/v3/apis/kaito.sh/{version}");
    if request.path != path {
        return None;
    }
    let schemas: serde_json::Map<String, Value> = kinds
        .iter()
        .map(|(kind, properties)| {
            let name = json!([{"group": "kaito.sh", "version": version, "kind": kind}]);
            let schema = json!({"properties": properties, "x-kubernetes-group-version-kind": name});
            ((*kind).to_owned(), schema)
        })
        .collect();
    Some(Answer::Json(
        200,
        json!({"components": {"schemas": schemas}}),
    ))
}

/// The fields of a Workspace: those of a preset, and what every release has.
fn workspace(preset_options: Value, instance_type: Value) -> Value {
    let preset = json!({"properties": {
        "name": {}, "presetOptions": {"properties": preset_options}}});
    json!({
        "inference": {"properties": {"preset": preset, "config": {}, "adapters": {}}},
        "resource": {"properties": {"instanceType": instance_type}},
        "tuning": {},
    })
}

fn serve(api: &MockApi, arguments: &[&str]) -> Outcome {
    let common = ["serve", "-m=phi-4"];
    api.sandbox.kaiwo(&[&common, arguments].concat())
}

/// Returns the bodies of what was created, or only rehearsed.
fn created(api: &MockApi, kind: &str) -> Vec<Value> {
    let posted = api.requests().into_iter().filter(|it| it.method == "POST");
    posted
        .map(|request| request.body)
        .filter(|body| body["kind"] == kind)
        .collect()
}

#[test]
fn the_schema_decides_in_which_version_a_workspace_is_written() {
    let whole = || workspace(json!({}), json!({}));
    let without_adapters = || {
        let mut fields = whole();
        let inference = fields["inference"]["properties"].as_object_mut().unwrap();
        inference.remove("adapters");
        fields
    };
    for (beta, alpha, written) in [
        (Some(whole()), whole(), "kaito.sh/v1beta1"),
        // As KAITO never was: what is written is what can be said.
        (Some(without_adapters()), whole(), "kaito.sh/v1alpha1"),
        (None, whole(), "kaito.sh/v1alpha1"),
    ] {
        let api = MockApi::new(move |request| {
            let versions = match &beta {
                Some(_) => &["v1beta1", "v1alpha1"][..],
                None => &["v1alpha1"],
            };
            let of = |fields: &Value| [("Workspace", fields.clone())];
            let beta = beta.as_ref();
            served(request, versions)
                .or_else(|| schemas(request, "v1beta1", &of(beta?)))
                .or_else(|| schemas(request, "v1alpha1", &of(&alpha)))
        });
        let outcome = serve(&api, &[MACHINE, "--adapter=a=x:1"]).exits(0);
        assert!(!outcome.stderr.contains("warning"), "{}", outcome.stderr);
        let workspaces = created(&api, "Workspace");
        assert_eq!(workspaces.len(), 2, "one rehearsal, one for real");
        assert!(workspaces.iter().all(|it| it["apiVersion"] == written));
    }
}

#[test]
fn a_field_that_this_kaito_lacks_is_refused() {
    let api = MockApi::new(|request| {
        let kinds = [("Workspace", workspace(json!({}), json!({})))];
        served(request, &["v1beta1"]).or_else(|| schemas(request, "v1beta1", &kinds))
    });
    let _ = serve(&api, &[MACHINE, "--model-access-secret=hf"])
        .exits(3)
        .says("--model-access-secret needs inference.preset.presetOptions.modelAccessSecret")
        .says("upgrade to KAITO v0.4.6 or later");
    assert_eq!(api.writes(), [""; 0]);
    let _ = serve(&api, &[MACHINE, "--adapter=a=x:1"]).exits(0);
    let _ = serve(&api, &[MACHINE, "--replicas=2"])
        .exits(3)
        .says("this cluster's KAITO does not serve that kind")
        .says("without --replicas, a Workspace serves it once");
    let _ = api
        .sandbox
        .kaiwo(&[
            "submit",
            "-m=phi-4",
            "--tune=lora",
            "--tune-input=pvc:a",
            "--tune-output=pvc:b",
            MACHINE,
        ])
        .exits(3)
        .says("PersistentVolumeClaim \"a\"");
}

/// Without schemas the kinds tell what there is.
#[test]
fn replicas_are_made_where_the_kind_is_served() {
    let api = MockApi::new(|request| {
        served(request, &["v1beta1", "v1alpha1"]).or_else(|| {
            let kinds = match request.path.as_str() {
                "/apis/kaito.sh/v1beta1" => json!([
                    {"name": "workspaces", "kind": "Workspace", "namespaced": true}]),
                "/apis/kaito.sh/v1alpha1" => json!([
                    {"name": "inferencesets/scale", "kind": "Scale", "namespaced": true},
                    {"name": "inferencesets", "kind": "InferenceSet", "namespaced": true}]),
                _ => return None,
            };
            Some(Answer::Json(200, json!({"resources": kinds})))
        })
    });
    let _ = serve(&api, &[MACHINE, "--replicas=2"])
        .exits(0)
        .says("inferenceset/alice-phi-4 created");
    let sets = created(&api, "InferenceSet");
    assert_eq!(sets[1]["apiVersion"], "kaito.sh/v1alpha1");
    let asked = "/apis/kaito.sh/v1alpha1/namespaces/kaiwo/inferencesets/alice-phi-4";
    assert!(api.requests().iter().any(|request| request.path == asked));
}

#[test]
fn an_instance_type_that_the_api_server_adds_is_told() {
    let api = MockApi::new(|request| {
        let default = json!({"default": "Standard_NC24ads_A100_v4"});
        let kinds = [("Workspace", workspace(json!({}), default))];
        served(request, &["v1alpha1"]).or_else(|| schemas(request, "v1alpha1", &kinds))
    });
    let _ = serve(&api, &["--node-selector=pool=llm"])
        .exits(0)
        .says("uses the instance type Standard_NC24ads_A100_v4 for every Workspace");
    let named = serve(&api, &[MACHINE, "--name=other"]).exits(0);
    assert!(
        !named.stderr.contains("for every Workspace that names none"),
        "{}",
        named.stderr
    );
}

#[test]
fn the_secret_with_the_token_is_looked_at_where_that_is_allowed() {
    let run = |answer: Answer| {
        let api = MockApi::new(move |request| {
            let secret = is(request, "GET", "/secrets/hf").then(|| answer.clone());
            served(request, &["v1beta1"]).or(secret)
        });
        let outcome = serve(&api, &[MACHINE, "--model-access-secret=hf"]);
        (outcome, api.writes().len())
    };
    let (outcome, writes) = run(Answer::Json(
        200,
        json!({"data": {"token": "aGZfc2VjcmV0"}}),
    ));
    let outcome = outcome
        .exits(3)
        .says("from the key HF_TOKEN; Secret \"hf\" has token");
    assert!(!outcome.stderr.contains("aGZf"), "{}", outcome.stderr);
    assert_eq!(writes, 0);
    let (outcome, _) = run(Answer::Refuse(404, "not found"));
    let _ = outcome
        .exits(3)
        .says("Secret \"hf\" does not exist in namespace \"kaiwo\"")
        .says("--from-literal=HF_TOKEN=TOKEN");
    let denied = "secrets \"hf\" is forbidden: User \"u\" cannot get resource \"secrets\"";
    let (outcome, writes) = run(Answer::Refuse(403, denied));
    let _ = outcome
        .exits(0)
        .says("warning: you may not read Secret \"hf\", so kaiwo cannot check that it has the key HF_TOKEN");
    assert_eq!(writes, 1);
}

/// KAITO's webhook looks for the ConfigMap, which a rehearsal does not store.
#[test]
fn a_rehearsal_does_without_the_file_that_it_does_not_store() {
    let start = |stored: bool| {
        let mut stored = stored;
        let api = MockApi::new(move |request| {
            stored |= is(request, "POST", "/configmaps") && !request.is_dry_run();
            let config = &request.body["inference"]["config"];
            let lost = is(request, "POST", "/workspaces") && config.is_string() && !stored;
            served(request, &["v1beta1"]).or(lost.then_some(Answer::Refuse(
                400,
                "ConfigMap specified in 'config' not found",
            )))
        });
        api.sandbox
            .write("vllm.yaml", "vllm: {max-model-len: 4096}\n");
        api
    };
    let arguments = [MACHINE, "--inference-config=vllm.yaml"];
    let api = start(false);
    let _ = serve(&api, &arguments)
        .exits(0)
        .says("workspace/alice-phi-4 created, with 1 upload");
    let workspaces = created(&api, "Workspace");
    assert!(workspaces[0]["inference"].get("config").is_none());
    let name = &created(&api, "ConfigMap")[0]["metadata"]["name"];
    assert_eq!(workspaces[1]["inference"]["config"], *name);
    // It goes when the Workspace goes.
    let owned = api.requests().into_iter().find(|it| it.method == "PATCH");
    let owner = &owned.unwrap().body["metadata"]["ownerReferences"][0];
    assert_eq!(owner["kind"], "Workspace");
    let checked = serve(
        &start(false),
        &[&arguments[..], &["--dry-run=server"]].concat(),
    )
    .exits(0);
    let workspace = checked.document("Workspace");
    assert_eq!(workspace["inference"]["config"], *name);
}

#[test]
fn a_change_that_kaito_would_ignore_is_not_sent() {
    let mut stored = None;
    let api = MockApi::new(move |request| {
        if request.is_write() && !request.body.is_null() && request.path.contains("kaito.sh") {
            let mut object = request.body.clone();
            object["metadata"]["uid"] = json!("u");
            object["metadata"]["resourceVersion"] = json!("1");
            stored = Some(object);
        }
        let asked = request.method == "GET" && request.path.ends_with("/alice-phi-4");
        let kinds = json!([
            {"name": "workspaces", "kind": "Workspace", "namespaced": true},
            {"name": "inferencesets", "kind": "InferenceSet", "namespaced": true}]);
        let here = |object: &Value| {
            let kind = object["kind"].as_str().unwrap().to_lowercase();
            request.path.contains(&format!("/{kind}s/"))
        };
        let listed = request.path == "/apis/kaito.sh/v1beta1";
        served(request, &["v1beta1"])
            .or(listed.then(|| Answer::Json(200, json!({"resources": kinds}))))
            .or(stored
                .clone()
                .filter(|object| asked && here(object))
                .map(|object| Answer::Json(200, object)))
    });
    let adapter = "--adapter=a=x:1";
    let _ = serve(&api, &[MACHINE]).exits(0);
    let _ = serve(&api, &[MACHINE, adapter])
        .exits(5)
        .says("workspace/alice-phi-4 already exists and differs")
        .says("KAITO accepts most changes of a Workspace but applies none");
    let _ = serve(&api, &[MACHINE, "--replicas=1"]).exits(0);
    let before = api.writes().len();
    let _ = serve(&api, &[MACHINE, "--replicas=1", adapter])
        .exits(5)
        .says("KAITO can only change the number of its replicas")
        .says("--replace  # deletes it and submits again");
    assert_eq!(api.writes().len(), before);
    let _ = serve(&api, &[MACHINE, "--replicas=4"])
        .exits(0)
        .says("spec.replicas: 1 → 4")
        .says("inferenceset/alice-phi-4 updated");
    let put = api.requests().into_iter().rfind(|it| it.method == "PUT");
    assert_eq!(put.unwrap().body["spec"]["replicas"], 4);
}

/// The quick start of KAITO v0.1, on a cluster of its days: what later releases gave
/// up is served there.
#[test]
fn a_cluster_of_the_first_releases_serves_falcon() {
    let api = MockApi::new(|request| {
        let default = json!({"default": "Standard_NC12s_v3"});
        let kinds = [("Workspace", workspace(json!({}), default))];
        served(request, &["v1alpha1"]).or_else(|| schemas(request, "v1alpha1", &kinds))
    });
    let outcome = api.sandbox.kaiwo(&[
        "serve",
        "-m=falcon-7b",
        "--instance-type=Standard_NC12s_v3",
        "--name=workspace-falcon-7b",
        "--node-selector=apps=falcon-7b",
    ]);
    let _ = outcome.exits(0).never_says("warning");
    let falcon = created(&api, "Workspace").pop().unwrap();
    for (field, value) in [
        ("/apiVersion", json!("kaito.sh/v1alpha1")),
        ("/kind", json!("Workspace")),
        ("/metadata/name", json!("workspace-falcon-7b")),
        (
            "/resource",
            json!({
                "instanceType": "Standard_NC12s_v3",
                "labelSelector": {"matchLabels": {"apps": "falcon-7b"}},
            }),
        ),
        ("/inference", json!({"preset": {"name": "falcon-7b"}})),
    ] {
        assert_eq!(falcon.pointer(field), Some(&value), "{falcon:#}");
    }
    // A cluster that was seen to run a later one says so before anything is made.
    let api = MockApi::new(|request| {
        let mut fields = workspace(json!({}), json!({}));
        fields["resource"]["properties"]["partition"] = json!({"type": "object"});
        let kinds = [("Workspace", fields)];
        served(request, &["v1beta1"]).or_else(|| schemas(request, "v1beta1", &kinds))
    });
    let falcon = ["serve", "-m=falcon-7b", MACHINE];
    let _ = api
        .sandbox
        .kaiwo(&falcon)
        .exits(3)
        .says("KAITO has removed the preset \"falcon-7b\"")
        .says("use -m mistral-7b instead")
        .says("--force");
    assert_eq!(api.writes().len(), 0);
    let _ = api
        .sandbox
        .kaiwo(&[&falcon[..], &["--force"]].concat())
        .exits(0)
        .says("warning: KAITO has removed the preset");
}
