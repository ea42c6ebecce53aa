//! The built-in templates, handed out, and what is said about their names.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::common::{Sandbox, checkout};

/// Every built-in template with the command that uses it.
const BUILT_IN: [(&str, &[&str]); 9] = [
    ("job", &["submit", "-g", "4"]),
    ("job", &["submit", "-g", "16"]),
    ("rayjob", &["submit", "-g", "16", "--ray"]),
    ("cronjob", &["submit", "-g", "16", "--schedule=@daily"]),
    ("deployment", &["serve", "-g", "4"]),
    (
        "deployment",
        &["serve", "-g", "16", "--port=80", "--health-path=/health"],
    ),
    ("rayservice", &["serve", "-g", "16", "--ray"]),
    (
        "workspace",
        &["serve", "-g", "16", "--kaito", "--node-selector=c=d"],
    ),
    (
        "workspace",
        &[
            "serve",
            "--kaito",
            "--instance-type=Standard_D16s_v5",
            "--health-path=/health",
        ],
    ),
];

/// Settings that templates write.
const SETTINGS: [&str; 10] = [
    "--storage=1Gi,fast",
    "--volume=a:/a",
    "--toleration=gpu=yes:NoSchedule",
    "--service-account=x",
    "--image-pull-secret=y",
    "--secret=HF_TOKEN=hf-token/token",
    "--annotation=a=b",
    "--label=a=b",
    "--node-selector=a=b",
    "--grace=5m",
];
const OF_JOBS: [&str; 2] = ["--priority-class=p", "--max-runtime=1h"];
const OF_QUEUED_SERVICES: [&str; 2] = ["--queue=q", "--priority-class=p"];

fn without_digest(text: &str) -> String {
    text.lines()
        .filter(|line| !line.contains("kaiwo-cli/digest"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// Returns every combination of a built-in template and settings, with the
/// arguments that come after `kaiwo submit` or `kaiwo serve`.
fn cases() -> Vec<(&'static str, Vec<&'static str>)> {
    let mut cases = Vec::new();
    for (kind, arguments) in BUILT_IN {
        let more = match (arguments[0], kind) {
            ("submit", _) => &OF_JOBS[..],
            // KAITO's are never queued.
            (_, "workspace") => &[],
            _ => &OF_QUEUED_SERVICES,
        };
        cases.push((kind, arguments.to_vec()));
        cases.push((kind, [arguments, &SETTINGS, more].concat()));
    }
    cases
}

fn workload() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("w/entrypoint", "echo hi\n");
    sandbox.write("w/serveconfig", "applications: []\n");
    sandbox.write(
        "w/env",
        "envVars:\n- {name: A, value: b}\n- mountSecret: {name: F, secret: s, key: k, path: /etc/own/k}\n",
    );
    sandbox
}

#[test]
fn an_ejected_template_makes_the_same() {
    for (kind, arguments) in cases() {
        let sandbox = workload();
        let command = [&arguments[..], &["-p", "w", "-d"]].concat();
        let built_in = sandbox.kaiwo(&command).exits(0);
        let ejected = sandbox.kaiwo(&["template", "eject", kind, "w"]).exits(0);
        assert_eq!(ejected.stdout, "");
        let _ = ejected
            .says("w/template written")
            .says(&format!("used by kaiwo {}", arguments[0]));
        let own = sandbox.kaiwo(&command).exits(0);
        assert_eq!(
            without_digest(&own.stdout),
            without_digest(&built_in.stdout),
            "{kind} {arguments:?}"
        );
    }
}

/// A model of KAITO's catalogue has no directory to hold a template.
#[test]
fn an_ejected_template_makes_the_same_preset() {
    let sandbox = Sandbox::new();
    let command = [
        "serve",
        "-m=phi-4",
        "--instance-type=Standard_NC24ads_A100_v4",
        "--label=a=b",
        "-d",
    ];
    let built_in = sandbox.kaiwo(&command).exits(0);
    let _ = sandbox.kaiwo(&["template", "eject", "workspace"]).exits(0);
    let own = sandbox
        .kaiwo(&[&command[..], &["--template=template"]].concat())
        .exits(0);
    assert_eq!(
        without_digest(&own.stdout),
        without_digest(&built_in.stdout)
    );
    assert_ne!(own.stdout, built_in.stdout);
}

#[test]
fn templates_are_shown_in_one_piece() {
    for (kind, _) in BUILT_IN {
        let shown = Sandbox::new().kaiwo(&["template", "show", kind]).exits(0);
        assert!(!shown.stdout.contains("include"), "{}", shown.stdout);
        assert_eq!(shown.stderr, "");
    }
    let _ = Sandbox::new()
        .kaiwo(&["template", "show", "pod"])
        .exits(2)
        .says("expected one of: job, rayjob, cronjob");
}

/// Adds the names in a value of the context: those of a mapping that is a
/// part of it, not those of labels and the like.
fn names(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| names(item, found)),
        Value::Object(fields) => {
            for (name, value) in fields {
                if name.starts_with(char::is_uppercase) {
                    found.insert(name.clone());
                    names(value, found);
                }
            }
        }
        _ => {}
    }
}

#[test]
fn every_name_of_the_context_is_in_the_guide() {
    let guide = std::fs::read_to_string(checkout("docs/templates.md")).unwrap();
    let mut seen = 0;
    for (kind, arguments) in cases() {
        let context = workload()
            .kaiwo(&[&["template", "context"], &arguments[..], &["-p", "w"]].concat())
            .exits(0);
        let context = context.documents().remove(0);
        for part in ["Meta", "Scheduling", "Workload", "WorkloadMeta"] {
            for (name, value) in context[part].as_object().unwrap() {
                let row = guide
                    .lines()
                    .filter(|line| line.starts_with(&format!("| `{part}.")))
                    .find(|line| {
                        line.contains(&format!("`{name}`"))
                            || line.contains(&format!("`{part}.{name}`"))
                    })
                    .unwrap_or_else(|| panic!("{kind}: no row for {part}.{name}"));
                let mut below = BTreeSet::new();
                names(value, &mut below);
                for name in below {
                    assert!(row.contains(&format!("`{name}`")), "no {name} in {row}");
                }
                seen += 1;
            }
        }
    }
    assert!(seen > 100);
}
