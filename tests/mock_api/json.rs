//! `-o json`: what the binary writes, a golden per report and per error class,
//! and `docs/json.md`, which documents exactly these fields.

use std::collections::{BTreeMap, BTreeSet};

use kaiwo::error::ErrorClass;
use serde_json::{Value, json};

use super::server::{Answer, MockApi, Request};
use super::store::Store;
use super::trouble::{is, remembering_uploads};
use crate::common::{Outcome, checkout};

/// Where the goldens are.
const GOLDENS: &str = "tests/json";

/// Compares what was reported with its golden.
pub fn is_golden(name: &str, outcome: &Outcome) {
    let report = settled(outcome);
    let directory = checkout(GOLDENS);
    insta::with_settings!({snapshot_path => directory, prepend_module_to_snapshot => false}, {
        insta::assert_snapshot!(name, report);
    });
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

/// Refuses to create the Job, after the rehearsal.
fn full(request: &Request) -> Option<Answer> {
    (is(request, "POST", "/jobs") && !request.is_dry_run())
        .then_some(Answer::Refuse(500, "etcd is full"))
}

/// Lets the binary fail in this way.
fn provoke(class: ErrorClass) -> Option<(MockApi, Outcome)> {
    let submit = |api: MockApi, arguments: &[&str]| {
        let outcome = api.submit(&[&["-o", "json", "-g"], arguments].concat());
        Some((api, outcome))
    };
    match class {
        ErrorClass::Unclassified => submit(
            MockApi::new(|_| Some(Answer::Json(200, json!("hello")))),
            &["8"],
        ),
        ErrorClass::Usage => submit(MockApi::new(|_| None), &["many"]),
        ErrorClass::Refused => submit(
            MockApi::new(|request| {
                is(request, "POST", "/jobs")
                    .then_some(Answer::Refuse(422, "Job.batch \"alice-w\" is invalid: no"))
            }),
            &["8"],
        ),
        ErrorClass::Denied => submit(
            MockApi::new(|_| Some(Answer::Refuse(401, "Unauthorized"))),
            &["8"],
        ),
        ErrorClass::Conflict => submit(MockApi::new(another), &["8"]),
        ErrorClass::Partial => submit(
            remembering_uploads(|request| match request.method.as_str() {
                "DELETE" => Some(Answer::Refuse(403, "cannot delete")),
                _ => full(request),
            }),
            &["8"],
        ),
        ErrorClass::Unreachable => submit(MockApi::new(|_| Some(Answer::Close)), &["8"]),
        ErrorClass::NotReady => Some(super::chat::not_ready()),
        ErrorClass::Failed => Some(super::wait::failure()),
        ErrorClass::LostTrack => Some(super::wait::lost()),
        ErrorClass::TimedOut => Some(super::wait::timed_out()),
        ErrorClass::Interrupted => interrupted(),
    }
}

#[cfg(unix)]
fn interrupted() -> Option<(MockApi, Outcome)> {
    let api = remembering_uploads(|request| {
        (is(request, "POST", "/jobs") && !request.is_dry_run()).then_some(Answer::Hang)
    });
    let outcome = super::trouble::interrupted(&api, &["-o", "json"]);
    Some((api, outcome))
}

#[cfg(not(unix))]
fn interrupted() -> Option<(MockApi, Outcome)> {
    None
}

/// Returns the report without what differs from run to run, and with its
/// manifests cut down to what tells them apart.
fn settled(outcome: &Outcome) -> String {
    let mut report: Value = serde_json::from_str(&outcome.stdout)
        .unwrap_or_else(|error| panic!("{error}: {outcome:?}"));
    for object in report
        .get_mut("manifests")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        *object = json!({
            "apiVersion": object["apiVersion"],
            "kind": object["kind"],
            "metadata": {"name": object["metadata"]["name"]},
        });
    }
    let text = serde_json::to_string_pretty(&report).unwrap();
    let text = regex::Regex::new(r"127\.0\.0\.1:\d+")
        .unwrap()
        .replace_all(&text, "127.0.0.1:PORT");
    let text = regex::Regex::new(r#"[^"( ]*/kubeconfig\b"#)
        .unwrap()
        .replace_all(&text, "KUBECONFIG");
    let text = regex::Regex::new(r"\b(alice-[a-z]+-)[0-9a-f]{8,}\b")
        .unwrap()
        .replace_all(&text, "${1}HASH");
    text.into_owned()
}

#[test]
fn every_class_of_errors_has_its_golden() {
    for &class in ErrorClass::ALL {
        let Some((_, outcome)) = provoke(class) else {
            continue;
        };
        let outcome = outcome.exits(class.exit_code().into());
        let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
        assert_eq!(report["class"], class.name());
        assert_eq!(report["code"], class.exit_code());
        // People are told, too.
        assert!(outcome.stderr.contains("error: "), "{}", outcome.stderr);
        is_golden(&format!("error_{}", class.name()), &outcome);
    }
}

#[test]
fn every_outcome_of_a_submission_has_its_golden() {
    for (outcome, arguments) in [
        ("created", &["-g", "16"][..]),
        ("replaced", &["-g", "16", "--replace"]),
        ("unchanged", &["-g", "16"]),
        ("dryRun_server", &["--dry-run=server", "--show-manifests"]),
        ("dryRun_client", &["-g", "16", "--dry-run=client"]),
    ] {
        let api = MockApi::new({
            let (mut deleted, mut stored) = (false, None);
            let again = outcome == "unchanged";
            let taken = outcome == "replaced";
            move |request| {
                deleted |= request.method == "DELETE";
                if is(request, "POST", "/jobs") && !request.is_dry_run() {
                    stored = Some(request.body.clone());
                }
                if taken && !deleted {
                    return another(request);
                }
                let mut job = stored.clone().filter(|_| again)?;
                job["metadata"]["uid"] = json!("uid-of-Job");
                is(request, "GET", "/jobs/alice-w").then_some(Answer::Json(200, job))
            }
        });
        if outcome == "unchanged" {
            let _ = api.submit(arguments).exits(0);
        }
        let run = api.submit(&[arguments, &["-o", "json"]].concat()).exits(0);
        let word = outcome.split('_').next().unwrap();
        let report: Value = serde_json::from_str(&run.stdout).unwrap();
        assert_eq!(report["outcome"], word);
        is_golden(&format!("submit_{outcome}"), &run);
    }
}

/// A service that no queue admits, changed in place.
#[test]
fn an_update_has_its_golden() {
    let store = Store::default();
    let api = MockApi::new(move |request| store.answer(request));
    let _ = api
        .serve(&["-g", "1", "--gpus-per-node", "8", "--port", "8000"])
        .exits(0);
    let run = api
        .serve(&[
            "-g",
            "2",
            "--gpus-per-node",
            "8",
            "--port",
            "8000",
            "-o",
            "json",
        ])
        .exits(0);
    let report: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(report["outcome"], "updated");
    assert_eq!(report.get("queue"), None);
    is_golden("submit_updated", &run);
}

#[test]
fn settings_have_their_golden() {
    let sandbox = crate::common::Sandbox::new().set("KAIWO_GPUS", "16");
    let outcome = sandbox.kaiwo(&["config", "show", "-o", "json"]).exits(0);
    is_golden("settings", &outcome);
    let asked = crate::common::Sandbox::new()
        .set("KAIWO_GPUS", "16")
        .set("KAIWO_OUTPUT", "json");
    let outcome = asked.kaiwo(&["config", "show"]).exits(0);
    let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(report["kind"], "Settings");
}

#[test]
fn the_context_of_templates_has_its_golden() {
    let sandbox = crate::common::Sandbox::new();
    sandbox.write("w/entrypoint", "echo\n");
    let context = ["template", "context", "submit", "-p", "w", "-g", "16"];
    let outcome = sandbox
        .kaiwo(&[&context[..], &["-o", "json"]].concat())
        .exits(0);
    is_golden("template_context", &outcome);
    sandbox.write("w/kaiwoconfig", "output: json\n");
    assert_eq!(sandbox.kaiwo(&context).exits(0).stdout, outcome.stdout);
}

/// Whatever goes wrong before the form of the output is known for certain.
#[test]
fn early_errors_are_json_too() {
    let workload = || {
        let sandbox = crate::common::Sandbox::new();
        sandbox.write("w/entrypoint", "echo\n");
        sandbox
    };
    let broken = workload();
    broken.write("w/kaiwoconfig", "gpus: [\n");
    let wrong = workload().set("KAIWO_OUTPUT", "xml");
    let asked = workload().set("KAIWO_OUTPUT", "json");
    let asked_and_broken = workload()
        .set("KAIWO_OUTPUT", "json")
        .set("KAIWO_GPUS", "many");
    let submit = &["submit", "-p", "w", "-d"][..];
    for (sandbox, arguments, flags, code, class, says) in [
        (
            &broken,
            submit,
            &["-o", "json"][..],
            3,
            "refused",
            "kaiwoconfig:",
        ),
        (
            &wrong,
            submit,
            &["-o", "json"],
            3,
            "refused",
            "KAIWO_OUTPUT: expected",
        ),
        (&asked_and_broken, submit, &[], 3, "refused", "KAIWO_GPUS"),
        (
            &asked,
            submit,
            &["--env", "NOT_SET"],
            3,
            "refused",
            "NOT_SET",
        ),
        (
            &asked,
            submit,
            &["--env-file", "none"],
            3,
            "refused",
            "none",
        ),
        (&asked, submit, &["--gpuz", "1"], 2, "usage", "--gpuz"),
        (&asked, &["submti"], &[], 2, "usage", "submti"),
        (&asked, &[], &[], 2, "usage", "no command"),
        (&asked, &["help", "nonsense"], &[], 2, "usage", "nonsense"),
        (
            &broken,
            &["config", "show"],
            &["-p", "w", "-o", "json"],
            3,
            "refused",
            "kaiwoconfig:",
        ),
        (
            &broken,
            &["config", "show"],
            &["-p", "none", "-o", "json"],
            3,
            "refused",
            "none",
        ),
    ] {
        let outcome = sandbox.kaiwo(&[arguments, flags].concat()).exits(code);
        let report: Value = serde_json::from_str(&outcome.stdout)
            .unwrap_or_else(|error| panic!("{arguments:?} {flags:?}: {error}: {outcome:?}"));
        assert_eq!(report["kind"], "Error", "{outcome:?}");
        assert_eq!(report["class"], class, "{outcome:?}");
        let message = report["message"].as_str().unwrap();
        assert!(message.contains(says), "{message}");
        assert!(!outcome.stderr.is_empty());
    }
    // What was typed wins here, too, and nobody asked for JSON.
    let outcome = asked.kaiwo(&["submit", "--gpuz", "-o", "yaml"]).exits(2);
    assert_eq!(outcome.stdout, "");
    // Help is no error.
    let outcome = asked.kaiwo(&["submit", "--help"]).exits(0);
    assert!(outcome.stdout.contains("Usage:"), "{}", outcome.stdout);
}

/// Fields that no golden has; their schema says that they exist.
const RARE: [(&str, &str); 10] = [
    ("Diagnosis", "cluster"),
    ("Endpoint", "pending"),
    ("QueueingReport", "warnings"),
    ("Usage", "total.namespace"),
    ("WorkloadList", "items[].cluster"),
    ("WorkloadStatus", "queue.cluster"),
    ("WorkloadStatus", "tasks.requestedSlots"),
    ("WorkloadStatus", "endpoints[].pending"),
    ("WorkloadStatus", "instanceType"),
    ("WorkloadStatus", "model"),
];

/// A field as `docs/json.md` has it: its types, and whether it is always
/// there.
type Fields = BTreeMap<String, (BTreeSet<String>, bool)>;

/// Reads the goldens, by kind.
fn goldens() -> BTreeMap<String, Vec<Value>> {
    let mut found: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for entry in std::fs::read_dir(checkout(GOLDENS)).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let body = text.splitn(3, "---\n").last().unwrap();
        let report: Value = serde_json::from_str(body).unwrap();
        let kind = report["kind"].as_str().unwrap().to_owned();
        found.entry(kind).or_default().push(report);
    }
    found
}

/// Adds the fields of `value` below `place`. What Kubernetes, a setting or
/// `docs/templates.md` defines has its form from there.
fn fields(value: &Value, place: &str, found: &mut BTreeMap<String, BTreeSet<String>>) {
    for (name, value) in value.as_object().into_iter().flatten() {
        let place = format!("{place}{name}");
        let kind = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        found
            .entry(place.clone())
            .or_default()
            .insert(kind.to_owned());
        match place.as_str() {
            "manifests" | "settings[].value" | "context" | "workloads[].error" | "error"
            | "nodes[].labels" => {}
            // The names are the program's, or the user's.
            place if place.ends_with("progress.metrics") => {}
            "tasks.failedTasks[].parameters" => {}
            _ => fields(value, &format!("{place}."), found),
        }
        if place != "manifests" {
            for item in value.as_array().into_iter().flatten() {
                fields(item, &format!("{place}[]."), found);
            }
        }
    }
}

/// Reads the tables of `docs/json.md`, by the kind in the heading above.
fn documented() -> BTreeMap<String, Fields> {
    let text = std::fs::read_to_string(checkout("docs/json.md")).unwrap();
    let mut kinds: BTreeMap<String, Fields> = BTreeMap::new();
    let mut kind = String::new();
    for line in text.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            kind = heading.trim_matches('`').to_owned();
        }
        let cells: Vec<&str> = line.split(" | ").collect();
        if let [field, types, when, _] = cells[..]
            && let Some(field) = field.strip_prefix("| `")
        {
            let types = types.split(", ").map(str::to_owned).collect();
            let field = field.trim_end_matches('`').to_owned();
            let fields = kinds.entry(kind.clone()).or_default();
            assert_eq!(fields.insert(field, (types, when == "always")), None);
        }
    }
    kinds
}

#[test]
fn every_field_is_documented_and_every_documented_field_is_real() {
    let goldens = goldens();
    let documented = documented();
    assert_eq!(
        documented.keys().collect::<Vec<_>>(),
        goldens.keys().collect::<Vec<_>>()
    );
    for (kind, reports) in &goldens {
        let mut real: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut always: Option<BTreeSet<String>> = None;
        for report in reports {
            let mut own = BTreeMap::new();
            fields(report, "", &mut own);
            let names: BTreeSet<String> = own.keys().cloned().collect();
            always = Some(always.map_or(names.clone(), |always| &always & &names));
            for (name, types) in own {
                real.entry(name).or_default().extend(types);
            }
        }
        let always = always.unwrap();
        let real: Fields = real
            .into_iter()
            .map(|(name, types)| {
                let is_always = always.contains(&name);
                (name, (types, is_always))
            })
            .collect();
        let documented = &documented[kind];
        for (name, field) in &real {
            assert_eq!(documented.get(name), Some(field), "{kind}: {name}");
        }
        for name in documented.keys() {
            let is_rare = RARE.contains(&(kind.as_str(), name.as_str()));
            assert!(
                real.contains_key(name) != is_rare,
                "{kind}: {name} is in no golden, or is no longer rare"
            );
        }
    }
}

#[test]
fn every_class_is_documented_with_its_code_and_golden() {
    let text = std::fs::read_to_string(checkout("docs/json.md")).unwrap();
    let goldens = &goldens()["Error"];
    for class in ErrorClass::ALL {
        let (code, name, meaning) = (class.exit_code(), class.name(), class.meaning());
        let row = format!("| {code} | `{name}` | {meaning} |");
        assert!(text.contains(&row), "docs/json.md lacks {row}");
        assert!(
            goldens.iter().any(|golden| golden["class"] == class.name()),
            "no golden of {}",
            class.name()
        );
    }
}
