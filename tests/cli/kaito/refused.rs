//! What KAITO does not do.

use super::*;

#[test]
fn what_kaito_does_not_do_is_refused() {
    for (arguments, said) in [
        (&["-m", "phi4", MACHINE][..], "did you mean -m phi-4?"),
        (
            &["-m", "phi-4", "--node-selector=kaito.sh/workspace=x"],
            "rejects a selector without others",
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
        (&["-m", " ", MACHINE], "invalid model \" \""),
    ] {
        let outcome = serve(arguments).exits(3).says(said);
        assert_eq!(outcome.stdout, "");
        assert_eq!(outcome.stderr.matches("error:").count(), 1);
    }
}

#[test]
fn choices_that_kaito_does_not_take_are_refused() {
    let sandbox = Sandbox::new();
    sandbox.write("long.yaml", "vllm:\n  max-model-len: 20000\n");
    sandbox.write("typo.yaml", "vllm:\n  max-modle-len: 2000\n");
    sandbox.write("lora.yaml", "training_config: {LoraConfig: {r: 8}}\n");
    let serve = ["serve", "-d", "-m=phi-4", MACHINE];
    let claims = ["--tune-input=pvc:a", "--tune-output=pvc:b"];
    let tune = [
        &["submit", "-d", "-m=phi-4", MACHINE, "--tune=lora"][..],
        &claims,
    ]
    .concat();
    let qlora = [
        &["submit", "-d", "-m=phi-4", MACHINE, "--tune=qlora"][..],
        &claims,
    ]
    .concat();
    for (command, arguments, said) in [
        (
            &serve[..],
            &["--adapter=a=x@0.5"][..],
            "vLLM does not support a strength",
        ),
        (
            &serve,
            &["--adapter=a=x", "--adapter=a=y"],
            "two adapters have the name",
        ),
        (
            &serve,
            &["--model-access-secret=hf/token"],
            "from the key HF_TOKEN",
        ),
        (
            &serve,
            &["--model-access-secret=hf_ABCdef"],
            "name of the Secret, not the token",
        ),
        (
            &serve,
            &["--inference-config=long.yaml"],
            "long.yaml:2: max-model-len 20000 is more than phi-4 supports: 16384 tokens",
        ),
        (
            &serve,
            &["--inference-config=typo.yaml"],
            "did you mean max-model-len?",
        ),
        (
            &serve,
            &["--inference-config=none.yaml"],
            "cannot read none.yaml",
        ),
        (
            &serve,
            &[
                "--runtime=vllm",
                "--annotation=kaito.sh/runtime=transformers",
            ],
            "the runtime is vllm, but annotation kaito.sh/runtime",
        ),
        (
            &["serve", "-d", "-m=Qwen/Qwen3.6-27B", MACHINE],
            &["--runtime=transformers"],
            "only with vLLM",
        ),
        (
            &["serve", "-d", "-i=x"],
            &["--adapter=a=x"],
            "--adapter requires a model that KAITO serves",
        ),
        (
            &[
                "serve",
                "-d",
                "-m=phi-3-mini-128k-instruct",
                "--instance-type=Standard_NV36ads_A10_v5",
            ],
            &["--replicas=2", "--name=a.b"],
            "invalid name",
        ),
        (&tune, &["--tune-push-secret=x"], "would not be used"),
        (&tune, &["--tune-input=pvc:c"], "with several"),
        (&tune, &["-p", "."], "without a directory"),
        (
            &tune,
            &["-q", "x"],
            "Kueue does not queue KAITO's Workspaces",
        ),
        (&tune, &["-g", "8"], "without a number of GPUs"),
        (&tune, &["--ray"], "without Ray"),
        (&tune, &["--schedule=@daily"], "without a schedule"),
        (
            &qlora,
            &["--tune-config=lora.yaml"],
            "add to training_config",
        ),
        (
            &["submit", "-d", "-m=gpt-oss-20b", MACHINE, "--tune=lora"],
            &claims,
            "KAITO cannot tune gpt-oss-20b",
        ),
        (
            &[
                "submit",
                "-d",
                "-m=phi-4",
                "--tune=lora",
                "--node-selector=a=b",
            ],
            &claims,
            "creates no Job without one",
        ),
        (
            &["submit", "-d", "-m=phi-4"],
            &[],
            "to serve a model, use kaiwo serve -m",
        ),
        (
            &["submit", "-d", "-i=x"],
            &["--tune-output=pvc:a"],
            "requires --tune",
        ),
        (
            &["submit", "-d", "--tune=lora"],
            &claims,
            "requires a model",
        ),
        (
            &["submit", "-d", "-m=phi-4", "--tune=lora"],
            &[],
            "--tune-input is missing",
        ),
    ] {
        let outcome = sandbox
            .kaiwo(&[command, arguments].concat())
            .exits(3)
            .says(said);
        assert_eq!(outcome.stdout, "");
        assert_eq!(outcome.stderr.matches("error:").count(), 1);
    }
    for (command, argument, said) in [
        ("serve", "--runtime=tgi", "vllm or transformers"),
        ("serve", "--adapter=x", "it has no ="),
        ("submit", "--tune=dora", "lora or qlora"),
        (
            "submit",
            "--tune-input=http://localhost/x",
            "local and private",
        ),
        (
            "submit",
            "--tune-output=https://x/y",
            "expected an image or pvc:CLAIM",
        ),
    ] {
        let _ = sandbox
            .kaiwo(&[command, "-d", argument])
            .exits(2)
            .says(said);
    }
}
