use serde_json::json;

use super::*;
use crate::plan::kaito::instance_type::DEFAULT_CONTEXT;

/// The release whose tables are known here.
const VIEW: View = View {
    context: DEFAULT_CONTEXT,
    releases: Releases::NEWEST,
    force: false,
};

#[test]
fn what_a_release_has_given_up_others_serve() {
    let seed = with(
        with(of_preset(), "/inference/preset/name", json!("falcon-7b")),
        "/resource/instanceType",
        json!("Standard_NC12s_v3"),
    );
    let view = |releases, force| View {
        releases,
        force,
        ..VIEW
    };
    let old = Releases::seen(Some("kaito.sh/v1alpha1"), [], |_| false);
    assert_eq!(check_workspace(&seed, view(old, false)), Ok(Vec::new()));
    for (releases, force) in [(Releases::ANY, false), (Releases::NEWEST, true)] {
        let warnings = check_workspace(&seed, view(releases, force)).unwrap();
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        assert!(warnings[0].contains("v0.10"), "{warnings:?}");
        assert!(
            warnings[1].contains("KAITO v0.9 and later do not run presets on"),
            "{warnings:?}"
        );
    }
    let refusal = check_workspace(&seed, VIEW).unwrap_err();
    assert!(
        refusal
            .hints
            .iter()
            .any(|hint| hint.plain().starts_with("--force"))
    );
    let unknown = with(of_preset(), "/inference/preset/name", json!("phi4"));
    assert!(check_workspace(&unknown, VIEW).is_err());
    let forced = check_workspace(&unknown, view(Releases::NEWEST, true)).unwrap();
    assert!(forced[0].contains("did you mean -m phi-4?"), "{forced:?}");
}

fn of_preset() -> Value {
    json!({
        "apiVersion": "kaito.sh/v1beta1",
        "kind": "Workspace",
        "metadata": {"name": "phi-4"},
        "resource": {
            "instanceType": "Standard_NC24ads_A100_v4",
            "labelSelector": {"matchLabels": {"apps": "phi-4"}},
        },
        "inference": {"preset": {"name": "phi-4"}},
    })
}

fn of_container(container: Value) -> Value {
    json!({
        "apiVersion": "kaito.sh/v1beta1",
        "kind": "Workspace",
        "metadata": {"name": "own"},
        "resource": {
            "instanceType": "Standard_D16s_v5",
            "labelSelector": {"matchLabels": {"apps": "own"}},
        },
        "inference": {"template": {"spec": {"containers": [container]}}},
    })
}

/// Returns the document with `value` where `pointer` points, or without it if it
/// is null.
fn with(mut document: Value, pointer: &str, value: Value) -> Value {
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    let parent = document
        .pointer_mut(parent)
        .unwrap()
        .as_object_mut()
        .unwrap();
    if value.is_null() {
        parent.remove(field);
    } else {
        parent.insert(field.to_owned(), value);
    }
    document
}

fn message(document: &Value) -> String {
    check_workspace(document, VIEW).unwrap_err().message
}

fn warning(document: &Value) -> String {
    let warnings = check_workspace(document, VIEW).unwrap();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    warnings[0].clone()
}

#[test]
fn workspaces_as_they_should_be_pass() {
    let server = json!({
        "name": "custom-llm-container",
        "command": ["accelerate"],
        "args": ["launch", "--num_processes", "1", "tfs/inference_api.py", "--torch_dtype", "float32"],
    });
    for document in [of_preset(), of_container(server)] {
        assert_eq!(
            check_workspace(&document, VIEW).unwrap(),
            Vec::<String>::new()
        );
    }
}

#[test]
fn a_refusal_names_the_workspace() {
    let document = with(of_preset(), "/inference", Value::Null);
    let refusal = check_workspace(&document, VIEW).unwrap_err();
    assert_eq!(refusal.object.as_deref(), Some("workspace/phi-4"));
    // A Secret is what its own refusal is about.
    let options = json!({"modelAccessSecret": "hf/token"});
    let document = with(of_preset(), "/inference/preset/presetOptions", options);
    let refusal = check_workspace(&document, VIEW).unwrap_err();
    assert_eq!(refusal.object.as_deref(), Some("secret/hf"));
}

#[test]
fn one_of_two_is_asked_for() {
    let neither = with(of_preset(), "/inference", Value::Null);
    assert!(message(&neither).contains("neither inference nor tuning"));
    let both = with(of_preset(), "/tuning", json!({"preset": {"name": "phi-4"}}));
    assert!(message(&both).contains("both inference and tuning"));
    let both = with(of_preset(), "/inference/template", json!({"spec": {}}));
    assert!(message(&both).contains("inference has both preset and template"));
    let neither = with(of_preset(), "/inference/preset", Value::Null);
    assert!(message(&neither).contains("inference has neither preset nor template"));
    let mut null = of_preset();
    null["tuning"] = Value::Null;
    check_workspace(&null, VIEW).unwrap();
}

#[test]
fn what_has_a_rule_of_its_own_is_held_to_it() {
    for (pointer, value, expected) in [
        ("/metadata/name", json!("Phi"), "invalid Workspace name"),
        (
            "/metadata/annotations",
            json!({"kaito.sh/enablelb": "true"}),
            "only accepts \"True\"",
        ),
        ("/inference/preset/name", json!("falcon-7b"), "has removed"),
        (
            "/resource/instanceType",
            json!("Standard_NC6s_v3"),
            "get nodes",
        ),
        (
            "/resource/labelSelector/matchLabels",
            json!({"kaito.sh/workspace": "phi-4"}),
            "kaito.sh/workspace",
        ),
    ] {
        let message = message(&with(of_preset(), pointer, value));
        assert!(message.contains(expected), "{message}");
    }
}

/// A Workspace that tunes, in every way that is right.
fn of_tuning() -> Value {
    with(
        with(of_preset(), "/inference", Value::Null),
        "/tuning",
        json!({
            "preset": {"name": "phi-4"},
            "method": "QLoRA",
            "input": {"urls": ["https://host/data.parquet"]},
            "output": {"image": "registry/adapter:1", "imagePushSecret": "push"},
        }),
    )
}

#[test]
fn a_tuning_is_held_to_the_rules_of_the_webhook_and_of_the_controller() {
    let right = of_tuning();
    assert_eq!(check_workspace(&right, VIEW).unwrap(), Vec::<String>::new());
    for (pointer, value, said) in [
        ("/tuning/preset/name", json!("phi-2"), "cannot tune phi-2"),
        (
            "/tuning/preset/name",
            json!("llama-3.3-70b-instruct"),
            "no Job is ever created",
        ),
        ("/tuning/preset", Value::Null, "tunes presets"),
        ("/tuning/method", json!("dora"), "lora or qlora"),
        ("/tuning/method", Value::Null, "lora or qlora"),
        (
            "/tuning/input",
            json!({}),
            "one of urls, image, volumeSource",
        ),
        ("/tuning/input/image", json!("a:1"), "urls and image"),
        (
            "/tuning/input/urls",
            json!(["http://169.254.169.254/x"]),
            "local and private",
        ),
        ("/tuning/output", json!({}), "one of image, volumeSource"),
        (
            "/tuning/output/volumeSource",
            json!({"emptyDir": {}}),
            "image and volumeSource",
        ),
        (
            "/tuning/output/imagePushSecret",
            json!(""),
            "no imagePushSecret",
        ),
        ("/resource/count", json!(2), "one node"),
        (
            "/resource/instanceType",
            json!("Standard_NC6s_v3"),
            "run presets on",
        ),
    ] {
        let told = message(&with(right.clone(), pointer, value));
        assert!(told.contains(said), "{pointer}: {told}");
    }
}

#[test]
fn a_runtime_serves_the_models_that_it_can() {
    let on_transformers = |model: &str| {
        let annotated = with(
            of_preset(),
            "/metadata/annotations",
            json!({"kaito.sh/runtime": "transformers"}),
        );
        with(annotated, "/inference/preset/name", json!(model))
    };
    check_workspace(&on_transformers("phi-4"), VIEW).unwrap();
    for model in ["phi-4-mini-instruct", "Qwen/Qwen3.6-27B", "org/model"] {
        let told = message(&on_transformers(model));
        assert!(told.contains("only with vLLM"), "{told}");
    }
}

/// An InferenceSet of the same model.
fn of_set() -> Value {
    json!({
        "apiVersion": "kaito.sh/v1beta1",
        "kind": "InferenceSet",
        "metadata": {"name": "phi-4"},
        "spec": {
            "replicas": 2,
            "labelSelector": {"matchLabels": {"apps": "phi-4"}},
            "template": {
                "resource": {"instanceType": "Standard_NC24ads_A100_v4"},
                "inference": {"preset": {"name": "phi-4"}},
            },
        },
    })
}

#[test]
fn the_workspaces_of_an_inference_set_are_held_to_the_rules_of_workspaces() {
    let right = of_set();
    assert_eq!(
        check_inference_set(&right, VIEW).unwrap(),
        Vec::<String>::new()
    );
    let long = json!("a".repeat(47));
    for (pointer, value, said) in [
        ("/metadata/name", long, "invalid InferenceSet name"),
        (
            "/metadata/annotations",
            json!({"kaito.sh/runtime": "VLLM"}),
            "kaito.sh/runtime",
        ),
        (
            "/spec/template/metadata",
            json!({"annotations": {"kaito.sh/enablelb": "true"}}),
            "kaito.sh/enablelb",
        ),
        (
            "/spec/labelSelector/matchLabels",
            json!({"kaito.sh/workspace": "x"}),
            "rejects a selector",
        ),
        (
            "/spec/template/resource/instanceType",
            json!("Standard_NC6s_v3"),
            "run presets on",
        ),
        (
            "/spec/template/inference/preset/name",
            json!("falcon-7b"),
            "has removed",
        ),
        (
            "/spec/template/inference/template",
            json!({}),
            "both preset and template",
        ),
    ] {
        let refusal = check_inference_set(&with(right.clone(), pointer, value), VIEW).unwrap_err();
        assert!(refusal.message.contains(said), "{pointer}: {refusal}");
        assert!(refusal.object.unwrap().starts_with("inferenceset/"));
    }
}

#[test]
fn a_selector_is_one_label_and_one_value() {
    let expression = |operator: &str, values: &[&str]| {
        let expression = json!([{"key": "gpu", "operator": operator, "values": values}]);
        with(
            of_preset(),
            "/resource/labelSelector/matchExpressions",
            expression,
        )
    };
    assert!(message(&expression("In", &["a", "b"])).contains("In with 2"));
    assert!(message(&expression("NotIn", &["a"])).contains("NotIn with 1"));
    assert!(message(&expression("Exists", &[])).contains("Exists with 0"));
    assert!(warning(&expression("In", &["a"])).contains("matchLabels"));
}

#[test]
fn without_labels_every_node_is_the_workspaces() {
    let empty = with(of_preset(), "/resource/labelSelector", json!({}));
    assert_eq!(check_workspace(&empty, VIEW).unwrap(), Vec::<String>::new());
    let own_nodes = with(empty, "/resource/instanceType", Value::Null);
    assert!(warning(&own_nodes).contains("every node"));
}

#[test]
fn what_kaito_does_not_read_is_told() {
    let count = with(of_preset(), "/resource/count", json!(2));
    assert!(warning(&count).contains("count: 2 has no effect"));
    check_workspace(&with(of_preset(), "/resource/count", json!(1)), VIEW).unwrap();
    let own = with(
        of_container(json!({"name": "c"})),
        "/resource/count",
        json!(2),
    );
    assert!(warning(&own).contains("deprecated"));
    let nodes = with(of_preset(), "/resource/preferredNodes", json!(["n1"]));
    assert!(warning(&nodes).contains("KAITO v0.8 and later ignores it"));
    let affinity = json!({"nodeAffinity": {}});
    let affinity = with(
        of_container(json!({"name": "c"})),
        "/inference/template/spec/affinity",
        affinity,
    );
    assert!(warning(&affinity).contains("replaces it with its own"));
}

#[test]
fn an_instance_type_beside_labels_of_ones_own_nodes_is_left_to_kaito() {
    // v0.12 rejects it without node provisioning; later releases filter by it.
    let labels = json!({"node.kubernetes.io/instance-type": "Standard_NC24ads_A100_v4"});
    let document = with(of_preset(), "/resource/labelSelector/matchLabels", labels);
    assert_eq!(
        check_workspace(&document, VIEW).unwrap(),
        Vec::<String>::new()
    );
}

#[test]
fn a_model_behind_a_licence_needs_a_secret() {
    let llama = with(
        of_preset(),
        "/inference/preset/name",
        json!("llama-3.1-8b-instruct"),
    );
    assert!(warning(&llama).contains("modelAccessSecret"));
    let options = |secret: &str| {
        with(
            llama.clone(),
            "/inference/preset/presetOptions",
            json!({"modelAccessSecret": secret}),
        )
    };
    assert_eq!(
        check_workspace(&options("hf-token"), VIEW).unwrap(),
        Vec::<String>::new()
    );
    assert!(message(&options("hf-token/token")).contains("from the key HF_TOKEN"));
    assert!(message(&options("hf-token/HF_TOKEN")).contains("must be only the name of the Secret"));
    assert!(warning(&options("")).contains("modelAccessSecret"));
    let local = json!({"kaito.sh/use-local-weights": "true"});
    let local = with(llama.clone(), "/metadata/annotations", local);
    assert_eq!(check_workspace(&local, VIEW).unwrap(), Vec::<String>::new());
}

#[test]
fn adapters_are_few_distinct_and_whole() {
    let adapters = |adapters: Value| with(of_preset(), "/inference/adapters", adapters);
    let named = |name: &str| json!({"source": {"name": name, "image": "i"}});
    check_workspace(&adapters(json!([named("a"), named("b")])), VIEW).unwrap();
    assert!(
        message(&adapters(json!([named("a"), named("a")]))).contains("two with the name \"a\"")
    );
    let eleven: Vec<_> = (0..11).map(|at| named(&at.to_string())).collect();
    assert!(message(&adapters(json!(eleven))).contains("has 11"));
    let strong = json!([{"source": {"name": "a"}, "strength": "0.5"}]);
    assert!(message(&adapters(strong.clone())).contains("adapters[0].strength"));
    let transformers = with(
        adapters(strong),
        "/metadata/annotations",
        json!({"kaito.sh/runtime": "transformers"}),
    );
    check_workspace(&transformers, VIEW).unwrap();
}

#[test]
fn a_container_started_for_gpus_needs_one() {
    let asks = [
        json!({"args": ["launch", "--gpu_ids", "all", "tfs/inference_api.py"]}),
        json!({"args": ["launch", "--gpu_ids=all"]}),
        json!({"args": ["--torch_dtype", "float16"]}),
        json!({"command": ["/bin/sh", "-c", "accelerate launch \\\n  --gpu_ids 'all' x.py"]}),
    ];
    for container in asks {
        let container = with(container, "/name", json!("llm"));
        let refusal = check_workspace(&of_container(container.clone()), VIEW).unwrap_err();
        assert!(refusal.message.contains("containers[0] (llm)"), "{refusal}");
        for (pointer, given) in [
            ("/resources", json!({"limits": {"nvidia.com/gpu": 1}})),
            (
                "/resources",
                json!({"limits": {"nvidia.com/mig-1g.10gb": "1"}}),
            ),
            ("/resources", json!({"claims": [{"name": "gpu"}]})),
            (
                "/env",
                json!([{"name": "NVIDIA_VISIBLE_DEVICES", "value": "all"}]),
            ),
        ] {
            check_workspace(&of_container(with(container.clone(), pointer, given)), VIEW).unwrap();
        }
        let none = json!({"limits": {"nvidia.com/gpu": "0", "cpu": 4}});
        assert!(check_workspace(&of_container(with(container, "/resources", none)), VIEW).is_err());
    }
}

#[test]
fn a_container_that_asks_for_no_gpu_needs_none() {
    for args in [
        json!(["--torch_dtype", "bfloat16"]),
        json!(["--torch_dtype", "float32", "float16"]),
        json!(["--gpu_ids"]),
    ] {
        check_workspace(&of_container(json!({"name": "c", "args": args})), VIEW).unwrap();
    }
}

#[test]
fn documents_of_any_shape_are_survived() {
    for document in [
        json!(null),
        json!([]),
        json!({"metadata": 1, "inference": "x", "resource": []}),
        json!({"inference": {"template": {"spec": {"containers": {"a": 1}}}}}),
    ] {
        let _ = check_workspace(&document, VIEW);
    }
}
