//! Flag > variable > `kaiwoconfig` > user's file, pair by pair, for every
//! setting: a file never changes what was typed.

use serde_json::Value;

use crate::common::Sandbox;
use services::OF_SERVICES;
use settings::{SETTINGS, template, variable};

mod services;
mod settings;

/// Where a value can be given, in order of precedence.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Source {
    Flag,
    Variable,
    Project,
    User,
}

const SOURCES: [Source; 4] = [
    Source::Flag,
    Source::Variable,
    Source::Project,
    Source::User,
];

/// A setting: its flag, variable and key; two values that differ; and how to
/// see in the output which one holds.
struct Setting {
    flag: &'static str,
    variable: &'static str,
    key: &'static str,
    values: [&'static str; 2],
    /// Name under which the value is given, for settings of pairs.
    pair: Option<&'static str>,
    /// What else has to be typed for the setting to show.
    extra: &'static [&'static str],
    shows: fn(&[Value], &str) -> bool,
}

/// Says `value` in `source` of a fresh sandbox.
fn say(
    sandbox: Sandbox,
    typed: &mut Vec<String>,
    setting: &Setting,
    source: Source,
    value: &str,
) -> Sandbox {
    let line = match setting.pair {
        Some(name) => format!("{}: {{{name}: {value}}}\n", setting.key),
        None => format!("{}: {value}\n", setting.key),
    };
    let value = match setting.pair {
        Some(name) => format!("{name}={value}"),
        None => value.to_owned(),
    };
    match source {
        Source::Flag => {
            typed.push(format!("{}={value}", setting.flag));
            sandbox
        }
        Source::Variable => sandbox.set(setting.variable, &value),
        Source::Project => {
            sandbox.write("w/kaiwoconfig", line);
            sandbox
        }
        Source::User => {
            sandbox.write(".config/kaiwo/config.yaml", line);
            sandbox
        }
    }
}

#[test]
fn the_higher_of_two_sources_wins() {
    try_all_pairs("submit", &SETTINGS);
}

#[test]
fn the_higher_of_two_sources_wins_of_a_service_too() {
    try_all_pairs("serve", &OF_SERVICES);
}

/// Gives each setting in every two sources to `command`.
fn try_all_pairs(command: &str, settings: &[Setting]) {
    for setting in settings {
        for (rank, high) in SOURCES.into_iter().enumerate() {
            for low in &SOURCES[rank + 1..] {
                for (wins, loses) in [
                    (setting.values[0], setting.values[1]),
                    (setting.values[1], setting.values[0]),
                ] {
                    let mut typed = vec![command.to_owned(), "-d".to_owned()];
                    let mut sandbox = Sandbox::new();
                    sandbox.write("w/entrypoint", "echo\n");
                    for name in ["env-a", "env-b"] {
                        sandbox.write(
                            name,
                            format!("envVars:\n  - name: FROM\n    value: {name}\n"),
                        );
                    }
                    for name in ["t-a", "t-b"] {
                        sandbox.write(name, template(name));
                    }
                    for name in ["c-a", "c-b"] {
                        sandbox.write(name, format!("given: {name}\n"));
                    }
                    sandbox = say(sandbox, &mut typed, setting, high, wins);
                    sandbox = say(sandbox, &mut typed, setting, *low, loses);
                    let arguments: Vec<&str> = typed
                        .iter()
                        .map(String::as_str)
                        .chain(setting.extra.iter().copied())
                        .chain(["-p", "w"])
                        .collect();
                    let outcome = sandbox.kaiwo(&arguments).exits(0);
                    assert!(
                        (setting.shows)(&outcome.documents(), wins),
                        "{} from {high:?} lost to {low:?}:\n{}",
                        setting.key,
                        outcome.stdout
                    );
                }
            }
        }
    }
}

#[test]
fn a_file_cannot_turn_a_dry_run_into_a_submission() {
    for file in ["w/kaiwoconfig", ".config/kaiwo/config.yaml"] {
        let sandbox = Sandbox::new();
        sandbox.write("w/entrypoint", "echo\n");
        sandbox.write(file, "dryRun: none\ngpus: 0\n");
        let outcome = sandbox
            .kaiwo(&["submit", "-p", "w", "-g", "16", "-d"])
            .exits(0);
        assert!(outcome.stderr.contains("16 GPUs"), "{}", outcome.stderr);
        // Without the flag the file is believed: a submission, which finds no cluster.
        let outcome = sandbox.kaiwo(&["submit", "-p", "w", "-g", "16"]).exits(3);
        let _ = outcome.says("no usable kubeconfig");
    }
}

#[test]
fn the_upload_limit_follows_the_same_order() {
    let sandbox = Sandbox::new().set("KAIWO_UPLOAD_LIMIT", "1k");
    sandbox.write("w/entrypoint", "echo\n");
    sandbox.write("w/data", vec![b'x'; 2_000]);
    sandbox.write("w/kaiwoconfig", "uploadLimit: 1Mi\n");
    let _ = sandbox
        .kaiwo(&["submit", "-p", "w", "-d"])
        .exits(3)
        .says("--upload-limit");
    let _ = sandbox
        .kaiwo(&["submit", "-p", "w", "-d", "--upload-limit", "3k"])
        .exits(0);
}

#[test]
fn the_output_format_follows_the_same_order() {
    let sandbox = Sandbox::new()
        .set("KAIWO_OUTPUT", "name")
        .set("KAIWO_DRY_RUN", "client");
    let outcome = sandbox.kaiwo(&["submit", "-i", "image"]).exits(0);
    assert!(
        outcome.stdout.starts_with("job.batch/"),
        "{}",
        outcome.stdout
    );
    let outcome = sandbox
        .kaiwo(&["submit", "-i", "image", "-o", "json"])
        .exits(0);
    assert!(outcome.stdout.starts_with('{'), "{}", outcome.stdout);
}

#[test]
fn paths_in_a_file_resolve_against_the_file_first() {
    let sandbox = Sandbox::new();
    sandbox.write("w/entrypoint", "echo\n");
    sandbox.write("w/kaiwoconfig", "envFile: variables\n");
    sandbox.write(
        "w/variables",
        "envVars:\n  - name: FROM\n    value: beside\n",
    );
    sandbox.write(
        "variables",
        "envVars:\n  - name: FROM\n    value: working directory\n",
    );
    let outcome = sandbox.kaiwo(&["submit", "-p", "w", "-d"]).exits(0);
    assert_eq!(variable(&outcome.documents(), "FROM"), "beside");
    // Variables of a workload are no upload, wherever they lie.
    assert!(!outcome.stdout.contains("0001-"), "{}", outcome.stdout);
}

/// A model has no directory, so no file beside one either.
#[test]
fn the_model_follows_the_same_order() {
    let model = |sandbox: &Sandbox, typed: &[&str]| {
        let common = ["serve", "-d", "--instance-type", "Standard_NC24ads_A100_v4"];
        let outcome = sandbox.kaiwo(&[&common, typed].concat()).exits(0);
        outcome.document("Workspace")["inference"]["preset"]["name"].clone()
    };
    let sandbox = Sandbox::new();
    sandbox.write(".config/kaiwo/config.yaml", "model: phi-4\n");
    assert_eq!(model(&sandbox, &[]), "phi-4");
    let sandbox = sandbox.set("KAIWO_MODEL", "phi-4-mini-instruct");
    assert_eq!(model(&sandbox, &[]), "phi-4-mini-instruct");
    assert_eq!(model(&sandbox, &["-m", "phi-4"]), "phi-4");
}
