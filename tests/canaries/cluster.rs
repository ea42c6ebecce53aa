//! Canaries in what a cluster is given, and repeats.

use serde_json::json;

use super::leak;
use crate::common::Outcome;
use crate::mock_api::server::{Answer, MockApi, Request};
use crate::mock_api::trouble::is;

/// Everything that may be secret, where it belongs.
const RIGHT: [&str; 10] = [
    "--env",
    "HF_TOKEN=hf_Canary0123456789",
    "--env",
    "MODE=Canary-mode",
    "--env=OTHER=Canary=other",
    "--secret",
    "KEY=some-secret/key",
    "--env",
    "my.variable=Canary words",
    "--name=alice-w",
];
/// A command with something secret in it.
const COMMAND: [&str; 5] = ["--", "python", "train.py", "--hf-token", "Canary"];

fn submit(api: &MockApi, more: &[&str]) -> Outcome {
    api.sandbox.write(
        "w/env",
        "envVars:\n  - name: FILE_TOKEN\n    value: Canary in a file\n",
    );
    api.sandbox.write("w/data", "Canary to upload\n");
    let common = ["-i", "x", "-g", "8"];
    api.submit(&[&common, &RIGHT[..], more, &COMMAND].concat())
}

#[track_caller]
fn clean(outcome: &Outcome) {
    assert_eq!(leak(outcome), None);
}

/// Answers as if another workload had the name.
fn another(request: &Request) -> Option<Answer> {
    is(request, "GET", "/jobs/alice-w").then(|| {
        let annotations = json!({"kaiwo-cli/digest": "another"});
        Answer::Json(
            200,
            json!({"apiVersion": "batch/v1", "kind": "Job",
                   "metadata": {"name": "alice-w", "uid": "old", "annotations": annotations}}),
        )
    })
}

#[test]
fn what_is_submitted_is_named_and_not_repeated() {
    for form in [
        &[][..],
        &["-vvv"],
        &["-o", "json"],
        &["-o", "json", "-vvv"],
        &["-o", "name"],
    ] {
        let api = MockApi::new(|_| None);
        let outcome = submit(&api, form).exits(0);
        clean(&outcome);
        let rehearsal = submit(&api, &[form, &["--dry-run=server"]].concat());
        if !form.is_empty() && form != ["-vvv"] {
            clean(&rehearsal.exits(0));
        }
    }
    let api = MockApi::new(|_| None);
    // What was asked for: the manifests, as YAML or in JSON.
    for form in [&["-o", "yaml"][..], &["-o", "json", "--show-manifests"]] {
        let outcome = submit(&api, &[form, &["-d"]].concat()).exits(0);
        assert!(outcome.stdout.contains("hf_Canary0123456789"));
    }
    let refused = submit(&api, &["--show-manifests", "-d"]).exits(2);
    let _ = refused.says("--show-manifests requires -o json");
}

/// The suggested commands run as they are printed, once the shell has the
/// values.
#[test]
#[expect(
    clippy::literal_string_with_formatting_args,
    reason = "variables of a shell"
)]
fn suggested_commands_leave_values_to_the_shell() {
    let api = MockApi::new(another);
    for form in [&[][..], &["-vvv"], &["-o", "json"]] {
        let outcome = submit(&api, form).exits(5);
        clean(&outcome);
    }
    let outcome = submit(&api, &[]).exits(5);
    let replace = "kaiwo submit -p w -i x -g 8 --env HF_TOKEN --env MODE --env=OTHER \
                   --secret KEY=some-secret/key --env my.variable=\"${MY_VARIABLE:?}\" \
                   --name=alice-w --replace -- python train.py --hf-token \"${HF_TOKEN_2:?}\"";
    let asking = "read -r HF_TOKEN && read -r MODE && read -r OTHER && read -r MY_VARIABLE && \
                  read -r HF_TOKEN_2 && export HF_TOKEN MODE OTHER MY_VARIABLE HF_TOKEN_2";
    let _ = outcome.says(replace).says(asking);

    // Once they are typed, the line does what it says; here it rehearses.
    let rehearsal = replace.replace("--replace --", "--replace -d --");
    let binary = env!("CARGO_BIN_EXE_kaiwo");
    let line = format!("kaiwo() {{ {binary} \"$@\"; }}; {asking}; {rehearsal}");
    let mut shell = api.sandbox.shell(&line);
    shell.current_dir(api.sandbox.path(""));
    let output = with_input(shell, "first\nsecond\nthird\nfourth words\nfifth\n");
    let outcome = output.exits(0);
    let job = outcome.document("Job");
    let container = &job["spec"]["template"]["spec"]["containers"][0];
    let env = container["env"].as_array().unwrap();
    for (name, value) in [
        ("HF_TOKEN", "first"),
        ("MODE", "second"),
        ("OTHER", "third"),
        ("my.variable", "fourth words"),
    ] {
        assert!(
            env.contains(&json!({"name": name, "value": value})),
            "{name}"
        );
    }
    assert!(container.to_string().contains("fifth"));
}

fn with_input(mut command: std::process::Command, input: &str) -> Outcome {
    use std::io::Write as _;
    use std::process::Stdio;
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    Outcome::of(child.wait_with_output().unwrap())
}

/// Some webhooks print the whole object they refuse.
#[test]
fn refusals_that_repeat_the_object_do_not_repeat_its_values() {
    for form in [&[][..], &["-o", "json", "-vvv"]] {
        let api = MockApi::new(|request| {
            is(request, "POST", "/jobs").then(|| {
                let message = format!(
                    "Job is invalid: Invalid value: {}",
                    request.body["spec"]["template"]["spec"]["containers"][0]["env"]
                );
                let mut status = crate::mock_api::server::status(422, &message);
                status["details"] =
                    json!({"causes": [{"message": message, "reason": "x", "field": "spec"}]});
                Answer::Json(422, status)
            })
        });
        let outcome = submit(&api, form).exits(3);
        clean(&outcome);
        assert!(outcome.stderr.contains("HF_TOKEN"), "{}", outcome.stderr);
    }
}
