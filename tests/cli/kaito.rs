//! Models of KAITO's catalogue, and what KAITO would admit and not do: refused
//! before anything is sent.

use crate::common::{Outcome, Sandbox};

mod refused;

const MACHINE: &str = "--instance-type=Standard_NC24ads_A100_v4";

fn serve(arguments: &[&str]) -> Outcome {
    Sandbox::new().kaiwo(&[&["serve", "-d"], arguments].concat())
}

#[test]
fn a_model_becomes_a_workspace() {
    let outcome = serve(&["-m", "PHI-4", MACHINE]).exits(0);
    let workspace = outcome.document("Workspace");
    assert_eq!(workspace["apiVersion"], "kaito.sh/v1beta1");
    assert_eq!(workspace["metadata"]["name"], "alice-phi-4");
    // Before v0.11 KAITO took aliases in lower case only.
    assert_eq!(workspace["inference"]["preset"]["name"], "phi-4");
    let selector = &workspace["resource"]["labelSelector"]["matchLabels"];
    assert_eq!(selector["apps"], "alice-phi-4");
    let _ = outcome.says("Workspace alice-phi-4: model phi-4 · on Standard_NC24ads_A100_v4");
    let any = serve(&["-m", "Org/Some.Model", MACHINE]).exits(0);
    let workspace = any.document("Workspace");
    assert_eq!(workspace["inference"]["preset"]["name"], "Org/Some.Model");
}

/// What a release took out, a cluster may still serve.
#[test]
fn what_a_release_has_given_up_is_a_warning() {
    for (arguments, said) in [
        (
            &["-m", "falcon-7b", MACHINE][..],
            "warning: KAITO v0.10 is the last release with the preset falcon-7b; later ones have -m mistral-7b instead",
        ),
        (
            &["-m", "phi-4", "--instance-type=Standard_NC6s_v3"],
            "warning: KAITO v0.9 and later do not run presets on Standard_NC6s_v3",
        ),
        (
            &["-m", "phi-9", MACHINE, "--force"],
            "Workspace alice-phi-9: model phi-9",
        ),
    ] {
        let _ = serve(arguments).exits(0).says(said);
    }
}

#[test]
fn more_machines_than_one_are_said() {
    let _ = serve(&["-m", "deepseek-v3-0324", MACHINE])
        .exits(0)
        .says("warning: deepseek-v3-0324 (641.3 GiB of weights) takes 11 nodes");
}

#[test]
fn a_template_is_looked_at_as_kaito_will() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "w/template",
        "apiVersion: kaito.sh/v1beta1\nkind: Workspace\nmetadata: {name: {{ Meta.Name }}}\n\
         resource: {labelSelector: {matchLabels: {apps: x}}}\n\
         inference:\n  template:\n    spec:\n      containers:\n      - name: a\n        image: b\n        \
         command: [accelerate, launch, --gpu_ids, all, api.py]\n",
    );
    let outcome = sandbox
        .kaiwo(&[
            "serve",
            "-d",
            "-p",
            "w",
            "--kaito",
            "--node-selector",
            "apps=x",
        ])
        .exits(3)
        .says("gpu_ids");
    assert_eq!(outcome.stdout, "");
}

#[test]
fn a_priority_is_one_in_a_queue() {
    let _ = serve(&["-i", "x", "--priority-class=high"])
        .exits(3)
        .says("add -q, or remove --priority-class");
    let queued = serve(&["-i", "x", "--priority-class=high", "-q", "research"]).exits(0);
    let labels = &queued.document("Deployment")["metadata"]["labels"];
    assert_eq!(labels["kueue.x-k8s.io/priority-class"], "high");
    let sandbox = Sandbox::new().set("KAIWO_PRIORITY_CLASS", "high");
    let unqueued = sandbox.kaiwo(&["serve", "-d", "-i", "x"]).exits(0);
    assert!(!unqueued.stdout.contains("kueue"), "{}", unqueued.stdout);
}

#[test]
fn a_rayservice_is_scaled_by_ray() {
    let sandbox = Sandbox::new();
    sandbox.write("w/serveconfig", "applications: []\n");
    let serve = |arguments: &[&str]| {
        sandbox.kaiwo(&[&["serve", "-p", "w", "-d", "--ray", "-g", "16"], arguments].concat())
    };
    let service = serve(&["--autoscale", "0-2"])
        .exits(0)
        .document("RayService");
    let cluster = &service["spec"]["rayClusterConfig"];
    assert_eq!(cluster["enableInTreeAutoscaling"], true);
    let workers = &cluster["workerGroupSpecs"][0];
    assert_eq!(
        [
            &workers["replicas"],
            &workers["minReplicas"],
            &workers["maxReplicas"]
        ],
        [0, 0, 2]
    );
    for (arguments, said) in [
        (
            &["--autoscale", "1-2", "-q", "x"][..],
            "keep one of --autoscale and -q",
        ),
        (
            &["--autoscale", "1-2", "--replicas", "2"],
            "keep one of --autoscale and --replicas",
        ),
    ] {
        let _ = serve(arguments).exits(3).says(said);
    }
    let instance = "--instance-type=Standard_NC24ads_A100_v4";
    let _ = sandbox
        .kaiwo(&["serve", "-m", "phi-4", instance, "-d", "--autoscale", "1-2"])
        .exits(3)
        .says("KAITO does not scale a Workspace");
    let _ = serve(&["--autoscale", "2-1"]).exits(2).says("try 1-2");
}

/// Everything that can be chosen of a model, in one Workspace.
#[test]
fn what_is_chosen_of_a_model_is_in_its_workspace() {
    let sandbox = Sandbox::new();
    sandbox.write("vllm.yaml", "vllm:\n  max-model-len: 8192\n");
    let outcome = sandbox
        .kaiwo(&[
            "serve",
            "-d",
            "-m=llama-3.1-8b-instruct",
            MACHINE,
            "--adapter=style=registry/style:1",
            "--adapter=law=pvc:adapters",
            "--image-pull-secret=registry",
            "--model-access-secret=hf-token/HF_TOKEN",
            "--inference-config=vllm.yaml",
            "--runtime=vllm",
            "--public",
        ])
        .exits(0);
    assert!(!outcome.stderr.contains("warning"), "{}", outcome.stderr);
    let config = outcome.document("ConfigMap");
    assert_eq!(
        config["data"]["inference_config.yaml"],
        "vllm:\n  max-model-len: 8192\n"
    );
    let workspace = outcome.document("Workspace");
    let annotations = &workspace["metadata"]["annotations"];
    assert_eq!(annotations["kaito.sh/runtime"], "vllm");
    // With any other spelling the Service stays within the cluster.
    assert_eq!(annotations["kaito.sh/enablelb"], "True");
    assert_eq!(
        workspace["inference"],
        serde_json::json!({
            "preset": {"name": "llama-3.1-8b-instruct",
                       "presetOptions": {"modelAccessSecret": "hf-token"}},
            "config": config["metadata"]["name"],
            "adapters": [
                {"source": {"name": "style", "image": "registry/style:1",
                            "imagePullSecrets": ["registry"]}},
                {"source": {"name": "law", "volumeSource": {
                    "persistentVolumeClaim": {"claimName": "adapters"}}}},
            ],
        })
    );
}

#[test]
fn replicas_of_a_model_are_an_inference_set() {
    let outcome = serve(&[
        "-m=phi-4",
        MACHINE,
        "--replicas=3",
        "--runtime=transformers",
        "--adapter=style=registry/style:1@0.5",
        "--annotation=kaito.sh/disable-benchmark=true",
        "--public",
    ])
    .exits(0)
    .says("InferenceSet alice-phi-4: model phi-4 · 3 replicas · on Standard_NC24ads_A100_v4");
    let set = outcome.document("InferenceSet");
    assert_eq!(set["apiVersion"], "kaito.sh/v1beta1");
    assert_eq!(set["spec"]["replicas"], 3);
    let selector = &set["spec"]["labelSelector"]["matchLabels"];
    assert_eq!(selector["apps"], "alice-phi-4");
    let template = &set["spec"]["template"];
    // KAITO reads them from the Workspaces that it makes of the template.
    for place in [&set, template] {
        let annotations = &place["metadata"]["annotations"];
        assert_eq!(annotations["kaito.sh/runtime"], "transformers");
        assert_eq!(annotations["kaito.sh/disable-benchmark"], "true");
        assert_eq!(annotations["kaito.sh/enablelb"], "True");
    }
    assert_eq!(template["inference"]["adapters"][0]["strength"], "0.5");
    assert_eq!(
        template["resource"]["instanceType"],
        "Standard_NC24ads_A100_v4"
    );
}

#[test]
fn a_model_is_tuned_by_a_workspace() {
    let tune = |arguments: &[&str]| {
        let common = ["submit", "-d", "-m", "phi-4", MACHINE, "--tune=QLoRA"];
        Sandbox::new()
            .set("KAIWO_QUEUE", "research")
            .kaiwo(&[&common, arguments].concat())
    };
    let outcome = tune(&[
        "--tune-input=https://host/a.parquet",
        "--tune-input=https://host/b.parquet",
        "--tune-output=registry/out:1",
        "--tune-push-secret=push",
    ])
    .exits(0)
    .says("Workspace alice-phi-4-qlora: tunes phi-4 with qlora");
    assert_eq!(outcome.documents().len(), 1, "it is not queued");
    assert_eq!(
        outcome.document("Workspace")["tuning"],
        serde_json::json!({
            "preset": {"name": "phi-4"}, "method": "qlora",
            "input": {"urls": ["https://host/a.parquet", "https://host/b.parquet"]},
            "output": {"image": "registry/out:1", "imagePushSecret": "push"},
        })
    );
    let claims = tune(&["--tune-input=pvc:data", "--tune-output=pvc:out"]).exits(0);
    let tuning = &claims.document("Workspace")["tuning"];
    let claim = "/volumeSource/persistentVolumeClaim/claimName";
    assert_eq!(tuning["input"].pointer(claim).unwrap(), "data");
    assert_eq!(tuning["output"].pointer(claim).unwrap(), "out");
    let image = tune(&[
        "--tune-input=registry/data:1",
        "--image-pull-secret=pull",
        "--tune-output=pvc:out",
    ])
    .exits(0);
    let input = &image.document("Workspace")["tuning"]["input"];
    assert_eq!(
        *input,
        serde_json::json!({"image": "registry/data:1", "imagePullSecrets": ["pull"]})
    );
}

/// What a user's file says of models leaves other workloads alone.
#[test]
fn a_users_settings_of_models_are_those_of_models() {
    let sandbox = Sandbox::new();
    sandbox.write("vllm.yaml", "vllm: {max-model-len: 4096}\n");
    sandbox.write(
        ".config/kaiwo/config.yaml",
        "runtime: transformers\nadapter: [a=registry/a:1]\nmodelAccessSecret: hf\n\
         tuneOutput: pvc:out\nimage: x\ngpus: 8\n",
    );
    let _ = sandbox.kaiwo(&["serve", "-d", "-g=0", "-i=y"]).exits(0);
    let _ = sandbox.kaiwo(&["submit", "-d", "-i=y"]).exits(0);
    let tuned = sandbox
        .kaiwo(&[
            "submit",
            "-d",
            "-m=phi-4",
            MACHINE,
            "--tune=lora",
            "--tune-input=pvc:in",
        ])
        .exits(0);
    let _ = tuned.document("Workspace");
    sandbox.write(
        ".config/kaiwo/config.yaml",
        "runtime: transformers\nadapter: a=registry/a:1\nmodelAccessSecret: hf\n",
    );
    let served = sandbox
        .set("KAIWO_RUNTIME", "vllm")
        .kaiwo(&["serve", "-d", "-m=phi-4", MACHINE, "--adapter=b=x:1"])
        .exits(0);
    let workspace = served.document("Workspace");
    let annotations = &workspace["metadata"]["annotations"];
    assert_eq!(annotations["kaito.sh/runtime"], "vllm");
    let adapters = workspace["inference"]["adapters"].as_array().unwrap();
    assert_eq!(adapters.len(), 1);
    assert_eq!(adapters[0]["source"]["name"], "b");
}

#[test]
fn a_context_counts_when_machines_are_counted() {
    let sandbox = Sandbox::new();
    let serve = |tokens: &str| {
        sandbox.write("c.yaml", format!("vllm: {{max-model-len: {tokens}}}\n"));
        sandbox.kaiwo(&[
            "serve",
            "-d",
            "-m=phi-3-mini-128k-instruct",
            "--instance-type=Standard_NV36ads_A10_v5",
            "--inference-config=c.yaml",
        ])
    };
    let _ = serve("48000").exits(0).says("takes 28 nodes");
    let _ = serve("131072")
        .exits(3)
        .says("does not have enough memory for 131072 tokens")
        .says("use --instance-type Standard_NC24ads_A100_v4");
}
