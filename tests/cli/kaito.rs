//! Models of KAITO's catalogue, and what KAITO would admit and not do: refused
//! before anything is sent.

use crate::common::{Outcome, Sandbox};

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

#[test]
fn what_kaito_does_not_do_is_refused() {
    for (arguments, said) in [
        (&["-m", "phi4", MACHINE][..], "did you mean -m phi-4?"),
        (
            &["-m", "falcon-7b", MACHINE],
            "KAITO has given up the preset \"falcon-7b\"",
        ),
        (
            &["-m", "falcon-7b", MACHINE],
            "help: -m mistral-7b does its work today",
        ),
        (
            &["-m", "phi-4", "--instance-type=Standard_NC6s_v3"],
            "run no preset on Standard_NC6s_v3",
        ),
        (
            &["-m", "phi-4", "--node-selector=kaito.sh/workspace=x"],
            "rejects a selector of nothing else",
        ),
        (
            &[
                "-m",
                "phi-4",
                MACHINE,
                "--annotation=kaito.sh/enablelb=true",
            ],
            "write kaito.sh/enablelb: \"True\"",
        ),
        (&["-m", " ", MACHINE], "KAITO has no preset \" \""),
    ] {
        let outcome = serve(arguments).exits(3).says(said);
        assert_eq!(outcome.stdout, "");
        assert_eq!(outcome.stderr.matches("error:").count(), 1);
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
        .says("queue it with -q, or leave --priority-class away");
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
