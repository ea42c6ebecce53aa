//! Canaries in every variable and every file.

use kaiwo::settings::Settings;

use super::{CANARY, SECRETS, is_form, is_name, leak};
use crate::common::Sandbox;

/// Fields of files whose whole value is a mapping of names to values.
const PAIRS: [&str; 6] = [
    "annotation",
    "env",
    "label",
    "node_selector",
    "secret",
    "set",
];

/// Runs what reads settings, with a home made by `prepare`, and returns where
/// canaries were found.
fn leaks(what: &str, is_shown: bool, prepare: impl Fn(Sandbox) -> Sandbox) -> Vec<String> {
    let sandbox = prepare(Sandbox::new());
    sandbox.write("w/entrypoint", "echo\n");
    let lines: [&[&str]; 3] = [
        &["submit", "-p", "w", "-i", "x"],
        &["serve", "-p", "w", "-i", "x", "-o", "json", "-vvv"],
        &["config", "show", "-p", "w", "-o", "json"],
    ];
    // What is well-formed, `config show` shows.
    let shown = |typed: &[&str]| typed[0] == "config" && is_shown;
    let lines = lines.into_iter().filter(|typed| !shown(typed));
    let found = lines.filter_map(|typed| {
        let line = leak(&sandbox.kaiwo(typed))?;
        Some(format!("{what}: {typed:?}\n    {line}"))
    });
    found.collect()
}

/// Returns the values to try in a setting.
fn values(field: &str) -> Vec<&'static str> {
    let plain = (!is_name(field)).then_some(CANARY);
    // Five stand for all: the others are tried in every flag.
    let chosen = [0, 1, 3, 5, 6].map(|at| SECRETS[at]);
    chosen.into_iter().chain(plain).collect()
}

#[track_caller]
fn none(found: &[String]) {
    assert!(found.is_empty(), "{}:\n{}", found.len(), found.join("\n"));
}

#[test]
fn in_every_variable() {
    let mut found = Vec::new();
    for setting in Settings::table() {
        for value in values(setting.field) {
            found.extend(leaks(
                setting.variable,
                is_form(setting.field, value),
                |sandbox| sandbox.set(setting.variable, value),
            ));
        }
        if PAIRS.contains(&setting.field) {
            for value in [
                "NAME=hf_Canary0123456789",
                "{NAME: hf_Canary0123456789}",
                "{NAME: [Canary]}",
            ] {
                found.extend(leaks(setting.variable, false, |sandbox| {
                    sandbox.set(setting.variable, value)
                }));
            }
        }
    }
    none(&found);
}

#[test]
fn in_every_setting_of_a_file() {
    let mut found = Vec::new();
    for setting in Settings::table() {
        let key = setting.key();
        for value in values(setting.field) {
            let quoted = serde_json::to_string(value).unwrap();
            let mut texts = vec![format!("{key}: {quoted}\n"), format!("{key}: [{quoted}]\n")];
            if PAIRS.contains(&setting.field) {
                let is_public = ["annotation", "label", "node_selector"].contains(&setting.field);
                if !is_public || value != CANARY {
                    texts.push(format!("{key}: {{NAME: {quoted}}}\n"));
                }
            }
            for text in texts {
                let what = format!("kaiwoconfig {text}");
                found.extend(leaks(&what, is_form(setting.field, value), |sandbox| {
                    sandbox.write("w/kaiwoconfig", &text);
                    sandbox
                }));
            }
        }
    }
    none(&found);
}

/// Files that are not what they should be.
#[test]
fn in_files_of_other_forms() {
    let mut found = Vec::new();
    let shapes = [
        "hf_CanaryCanary0123456789\n",
        "hf_CanaryCanary0123456789: x\n",
        "HF_TOKEN=Canary\n",
        "export HF_TOKEN=Canary\n",
        "HF_TOKEN: Canary\n",
        "- Canary\n",
        "a: !Canary b\n",
        "a: *Canary\n",
        "a: &Canary [\n",
        "a: \"Canary\n",
        "\"Canary: x\": 1\n\"Canary: x\": 2\n",
        "{\"token\": \"Canary\"",
        "a: Canary: b\n",
        "\tCanary\n",
        "a: %Canary\n",
        "%Canary\n---\na\n",
    ];
    let places = [
        "w/kaiwoconfig",
        "w/env",
        "w/serveconfig",
        "w/.kaiwoignore",
        ".config/kaiwo/config.yaml",
    ];
    for text in shapes {
        for place in places {
            found.extend(leaks(&format!("{place}: {text:?}"), false, |sandbox| {
                sandbox.write(place, text);
                sandbox
            }));
        }
        for (flag, command) in [
            ("--inference-config", "serve"),
            ("--tune-config", "submit"),
            ("--custom-config", "submit"),
            ("--env-file", "submit"),
            ("--kubeconfig", "submit"),
        ] {
            let sandbox = Sandbox::new();
            sandbox.write("file", text);
            sandbox.write("template", "a: {{ Custom.b }}\n");
            let model: &[&str] = match flag {
                "--inference-config" => &["-m", "phi-4"],
                "--tune-config" => &[
                    "-m",
                    "phi-4",
                    "--tune",
                    "lora",
                    "--tune-input",
                    "pvc:a",
                    "--tune-output",
                    "pvc:b",
                ],
                "--custom-config" => &["-i", "x", "-t", "template", "-d"],
                _ => &["-i", "x"],
            };
            for form in [&[][..], &["-o", "json", "-vvv"]] {
                let typed = [&[command, flag, "file"], model, form].concat();
                if let Some(line) = leak(&sandbox.kaiwo(&typed)) {
                    found.push(format!("{text:?}: {typed:?}\n    {line}"));
                }
            }
        }
    }
    none(&found);
}

#[test]
fn in_every_place_of_the_env_file() {
    let token = "hf_CanaryCanary0123456789";
    let mut found = Vec::new();
    for text in [
        format!("envVars:\n  - name: A\n    value: {token}\n  - name: A\n    value: x\n"),
        format!("envVars:\n  - name: A\n    valeu: {token}\n"),
        format!("envVars:\n  - name: {token}\n"),
        format!("envVars:\n  - name: \"{token} \"\n    value: x\n"),
        format!("envVars:\n  - name: A\n    value: [{token}]\n"),
        format!("envVars:\n  - name: A\n    value: {{b: {token}}}\n"),
        format!("envVars:\n  - A={token}\n"),
        format!("envVars:\n  - {token}\n"),
        format!("envVars:\n  A: {token}\n"),
        format!("envVars: {token}\n"),
        format!("envVars:\n  - name: A\n    value: \"{token}\\0\"\n"),
        format!("envVars:\n  - fromSecret: {token}\n"),
        format!("envVars:\n  - fromSecret: {{name: A, secret: {token}, key: a}}\n"),
        format!("envVars:\n  - fromSecret: {{name: A, secret: a, key: \"{token}!\"}}\n"),
        format!("envVars:\n  - fromSecret: {{name: A, secret: a, key: a, value: {token}}}\n"),
        format!("envVars:\n  - fromSecret: {{name: \"{token}!\", secret: a, key: a}}\n"),
        format!("envVars:\n  - mountSecret: {{name: A, secret: a, key: a, path: {token}}}\n"),
        format!("envVars:\n  - mountSecret: {{name: A, secret: {token}, key: a, path: /a}}\n"),
        format!("envVars:\n  - name: A\n    value: {token}\n   bad: x\n"),
        format!("envVars:\n  - name: HF_TOKEN\n    value: {token}\n"),
    ] {
        found.extend(leaks(&text, false, |sandbox| {
            sandbox.write("w/env", &text);
            sandbox
        }));
    }
    none(&found);
}

/// Values that a template is given, and its own text.
#[test]
fn in_templates_and_their_values() {
    let document = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: {{ Meta.Name }}}\n";
    let mut found = Vec::new();
    for template in [
        "a: {{ Custom.b }} {{ Custom.b }}\n",
        "{{ Custom.b }}: [\n",
        "a: x{{ Custom.b }}\n",
        "value: Canary {{ Custom.c }}\n",
        "value: \"hf_Canary0123{{ Custom.b }}\"\n",
        "a: {{ Custom.b | nofilter }} hf_Canary0123\n",
        "a: {{ Custom.b + 1 }}\n",
        "a: {{ .Custom.b }} hf_Canary0123\n",
        "a: {{ Custom.c ~ Custom.b }} hf_Canary0123\n",
        "spec: {backoffLimit: {{ Custom.b }}}\n",
        "spec: {template: {spec: {containers: [{name: a, env: [{name: A, value: [{{ Custom.b }}]}]}]}}}\n",
        "spec: {template: {spec: {containers: {{ Custom.b }}}}}\n",
    ] {
        let sandbox = Sandbox::new();
        sandbox.write("template", format!("{document}{template}"));
        sandbox.write("custom", "b: hf_CanaryCanary0123456789\n");
        for given in [
            &["--custom-config", "custom"][..],
            &["--set", "b=Canary"],
            &["--set", "b=[\"Canary\"]"],
            &["--set", "b=Canary", "--set", "b.c=Canary"],
        ] {
            for form in [&[][..], &["-o", "json", "-vvv"]] {
                let typed = [&["submit", "-i", "x", "-d", "-t", "template"], given, form].concat();
                let outcome = sandbox.kaiwo(&typed);
                // What was rendered is a manifest, which was asked for.
                if outcome.code != 0
                    && let Some(line) = leak(&outcome)
                {
                    found.push(format!("{template:?}: {given:?} {form:?}\n    {line}"));
                }
            }
        }
    }
    none(&found);
}
