//! `docs/schemas` and `docs/configuration.md`: made from the types and the
//! table of settings, current, and of one mind with the parsers.

use std::fs;
use std::path::Path;

use clap::CommandFactory;
use kaiwo::settings::{SETTINGS_FILES, Settings};
use kaiwo::workload::env_file;
use proptest::prelude::*;
use serde_json::Value;

use crate::common::checkout;

/// Compares with a committed file; `KAIWO_BLESS=1 cargo test schema` writes
/// them anew.
fn is_current(file: &str, text: &str) {
    let file = checkout(file);
    if std::env::var_os("KAIWO_BLESS").is_some() {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, text).unwrap();
    }
    let committed = fs::read_to_string(&file).unwrap_or_default();
    assert!(committed == text, "{} is not current", file.display());
}

#[test]
fn committed_schemas_are_current() {
    let settings = SETTINGS_FILES.map(|file| (file.0, Settings::schema(file)));
    for (name, schema) in settings.into_iter().chain([("env", env_file::schema())]) {
        let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        is_current(&format!("docs/schemas/{name}.schema.json"), &text);
    }
}

/// Between these lines of `docs/configuration.md` stands the table.
const MARKS: [&str; 2] = ["<!-- table of settings -->\n", "<!-- end of table -->\n"];

#[test]
fn the_documented_table_has_every_setting() {
    let cli = kaiwo::cli::Cli::command();
    let commands = ["submit", "serve"].map(|name| cli.find_subcommand(name).unwrap());
    let mut table = "| key | flag | variable | meaning | default |\n\
                     | --- | --- | --- | --- | --- |\n"
        .to_owned();
    for setting in Settings::table() {
        let flag = commands
            .iter()
            .flat_map(|command| command.get_arguments())
            .find(|flag| flag.get_id() == setting.field);
        let (meaning, default) = match setting.description.split_once(" [default: ") {
            Some((meaning, default)) => (meaning, default.trim_end_matches(']')),
            None => (setting.description, ""),
        };
        let flag = flag.map_or_else(String::new, |flag| {
            let long = flag.get_long().unwrap();
            let short = flag.get_short().map(|short| format!("`-{short}` "));
            format!("{}`--{long}`", short.unwrap_or_default())
        });
        let keys: Vec<String> = std::iter::once(setting.key())
            .chain(setting.aliases.iter().map(|&alias| alias.to_owned()))
            .map(|key| format!("`{key}`"))
            .collect();
        let variable = setting.variable;
        table += &format!(
            "| {} | {flag} | `{variable}` | {meaning} | {default} |\n",
            keys.join(", ")
        );
    }
    let text = fs::read_to_string(checkout("docs/configuration.md")).unwrap();
    let (before, rest) = text.split_once(MARKS[0]).unwrap();
    let (_, after) = rest.split_once(MARKS[1]).unwrap();
    let current = [before, MARKS[0], &table, MARKS[1], after].concat();
    is_current("docs/configuration.md", &current);
}

/// Says what is wrong with `value`. Knows the keywords that kaiwo's schemas
/// use, and panics at any other rather than pass over it.
fn check(schema: &Value, value: &Value) -> Result<(), String> {
    let wrong = |keyword: &str| Err(format!("{value} against {keyword} of {schema}"));
    let number = |limit: &Value| value.as_f64().zip(limit.as_f64());
    let has = |key: &Value| value.get(key.as_str().unwrap()).is_some();
    let all = |keys: &Value| keys.as_array().unwrap().iter().all(has);
    for (keyword, rule) in schema.as_object().unwrap() {
        let holds = match keyword.as_str() {
            "$schema" | "title" | "description" | "examples" | "deprecated" => true,
            "type" => match rule {
                Value::Array(types) => types.iter().any(|one| is_type(one, value)),
                one => is_type(one, value),
            },
            "enum" => rule.as_array().unwrap().contains(value),
            "pattern" => value.as_str().is_none_or(|text| {
                regex::Regex::new(rule.as_str().unwrap())
                    .unwrap()
                    .is_match(text)
            }),
            "minimum" => number(rule).is_none_or(|(value, limit)| value >= limit),
            "exclusiveMinimum" => number(rule).is_none_or(|(value, limit)| value > limit),
            "required" => !value.is_object() || all(rule),
            "dependentRequired" => rule
                .as_object()
                .unwrap()
                .iter()
                .all(|(key, needed)| value.get(key).is_none() || all(needed)),
            "properties" => {
                for (key, rule) in rule.as_object().unwrap() {
                    value.get(key).map_or(Ok(()), |value| check(rule, value))?;
                }
                true
            }
            "additionalProperties" => {
                for (key, value) in value.as_object().into_iter().flatten() {
                    let known = schema.get("properties").and_then(|known| known.get(key));
                    match rule {
                        _ if known.is_some() => {}
                        Value::Bool(allowed) if *allowed => {}
                        Value::Bool(_) => return Err(format!("{key} is no property")),
                        rule => check(rule, value)?,
                    }
                }
                true
            }
            "items" => {
                for item in value.as_array().into_iter().flatten() {
                    check(rule, item)?;
                }
                true
            }
            "anyOf" => forms(rule, value) > 0,
            "oneOf" => forms(rule, value) == 1,
            other => panic!("the schemas have a new keyword: {other}"),
        };
        if !holds {
            return wrong(keyword);
        }
    }
    Ok(())
}

fn forms(rules: &Value, value: &Value) -> usize {
    let rules = rules.as_array().unwrap().iter();
    rules.filter(|rule| check(rule, value).is_ok()).count()
}

fn is_type(name: &Value, value: &Value) -> bool {
    match name.as_str().unwrap() {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("no type of JSON: {other}"),
    }
}

/// Returns the document as an editor sees it; none for one that is empty or
/// holds what JSON cannot.
fn as_json(text: &str) -> Option<Value> {
    kaiwo::yaml::parse_documents(Path::new("t"), text)
        .ok()?
        .pop()
}

fn reads_settings(text: &str) -> bool {
    Settings::parse_file(Path::new("kaiwoconfig"), text).is_ok()
}

fn reads_env(text: &str) -> bool {
    env_file::parse(Path::new("env"), text).is_ok()
}

/// Values that are right for one setting or another.
const VALUES: [&str; 40] = [
    "8",
    "\"8\"",
    "-1",
    "+5",
    "0x10",
    "1_0",
    "010",
    "1e3",
    "0.5",
    ".5",
    "5.",
    "500m",
    "32Gi",
    "\"1e3\"",
    "-0",
    "90s",
    "1h30m",
    "0",
    "true",
    "True",
    "yes",
    "off",
    "\"true\"",
    "client",
    "json",
    "data:/data:ro",
    "data:/data/",
    "100Gi,fast",
    "gpu=a:NoSchedule",
    "dedicated",
    "word",
    "a b",
    "~",
    "",
    "[]",
    "[data:/data, b:/b]",
    "[gpu, 5, true]",
    "{a: 1, b: x, c: true}",
    "\"\"",
    "2024-01-01",
];

#[test]
fn every_setting_takes_in_its_schema_what_it_takes_in_its_file() {
    let schema = Settings::schema(SETTINGS_FILES[0]);
    for setting in Settings::table() {
        let empty = format!("{}:\n", setting.key());
        assert!(reads_settings(&empty), "{empty}");
        let mut taken = 0;
        let own = setting.aliases.iter().map(|&alias| alias.to_owned());
        for key in own.chain([setting.key()]) {
            for value in VALUES {
                let text = format!("{key}: {value}\n");
                let Some(document) = as_json(&text).filter(|_| reads_settings(&text)) else {
                    continue;
                };
                taken += 1;
                let checked = check(&schema, &document);
                assert_eq!(checked, Ok(()), "{text}");
            }
        }
        assert!(taken > 0, "{}: no value is right", setting.key());
        // Examples are for copying.
        let examples = setting.schema.pointer("/examples");
        let of_items = setting.schema.pointer("/anyOf/0/examples");
        for example in examples
            .or(of_items)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let text = format!("{}: {example}\n", setting.key());
            assert!(reads_settings(&text), "{text}");
        }
    }
}

fn scalar() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => prop::sample::select(VALUES.to_vec()).prop_map(str::to_owned),
        2 => "[-+]?[0-9]{0,3}(\\.[0-9]{0,2})?(m|k|Mi|Gi|e[0-9]|s|h|d)?(,[a-z]{1,3})?",
        2 => "[a-zA-Z0-9./:=_-]{1,8}",
        1 => "\"[-+]?[0-9a-z.:/,_]{0,6}\"",
    ]
}

proptest! {
    #[test]
    fn settings_that_are_read_are_valid(
        rows in prop::collection::btree_map(prop::sample::select(Settings::keys()), scalar(), 1..3)
    ) {
        let text: String = rows.iter().map(|(key, value)| format!("{key}: {value}\n")).collect();
        if let Some(document) = as_json(&text).filter(|_| reads_settings(&text)) {
            prop_assert_eq!(check(&Settings::schema(SETTINGS_FILES[1]), &document), Ok(()), "{}", text);
        }
    }

    /// Of `env` the schema says it all but what names may be: the forms are
    /// refused by both or by neither.
    #[test]
    fn variables_that_are_read_are_valid_and_others_are_not(
        keys in prop::sample::subsequence(vec!["name", "value", "fromSecret", "mountSecret", "vlaue"], 0..4),
        inner in prop::sample::subsequence(vec!["name: A", "secret: s", "key: k", "path: /p", "extra: x"], 2..5),
        scalar in prop::sample::select(vec!["A", "~", "[a]", "{a: b}"]),
    ) {
        let item: Vec<String> = keys.iter().map(|key| match *key {
            "fromSecret" | "mountSecret" if scalar == "A" => format!("{key}: {{{}}}", inner.join(", ")),
            key => format!("{key}: {scalar}"),
        }).collect();
        let text = format!("envVars:\n  - {{{}}}\n", item.join(", "));
        let valid = check(&env_file::schema(), &as_json(&text).unwrap());
        prop_assert_eq!(reads_env(&text), valid.is_ok(), "{}{:?}", text, valid);
    }
}

#[test]
fn what_is_wrong_is_refused_by_parser_and_schema() {
    let settings = Settings::schema(SETTINGS_FILES[0]);
    for text in [
        "queeu: x",
        "gpus: many",
        "gpus: 1.5",
        "gpus: [1]",
        "ray: maybe",
        "ray: 1",
        "dryRun: perhaps",
        "output: xml",
        "cpusPerGpu: lots",
        "memoryPerGpu: 32GB",
        "cpus: some",
        "shm: 1x",
        "headMemory: []",
        "uploadLimit: -1",
        "ttl: soon",
        "ttl: -5",
        "maxRuntime: 1w",
        "volume: data",
        "volume: [data:/a:rx]",
        "storage: fast",
        "storage: 0",
        "toleration: a b",
        "toleration: [a=b:Never]",
        "imagePullSecret: Login!",
        "env: [a, b]",
        "env: {a: [b]}",
        "label: x",
        "image: [a]",
        "image: {a: b}",
        "[]",
    ] {
        assert!(!reads_settings(text), "{text}");
        assert!(check(&settings, &as_json(text).unwrap()).is_err(), "{text}");
    }
    for text in [
        "envVar: []",
        "envVars: {}",
        "envVars: [A=b]",
        "[]",
        "envVars: [{}]",
    ] {
        assert!(!reads_env(text), "{text}");
        assert!(
            check(&env_file::schema(), &as_json(text).unwrap()).is_err(),
            "{text}"
        );
    }
    for text in [
        "envVars:\n",
        "envVars: []",
        "envVars: [{name: A, value: 1}]",
    ] {
        assert!(reads_env(text), "{text}");
        assert_eq!(
            check(&env_file::schema(), &as_json(text).unwrap()),
            Ok(()),
            "{text}"
        );
    }
}

/// The committed workloads are what people copy from.
#[test]
fn the_files_of_the_examples_are_valid() {
    let mut found = 0;
    for workload in fs::read_dir(checkout("workloads")).unwrap() {
        let workload = workload.unwrap().path();
        for (name, schema) in [
            ("kaiwoconfig", Settings::schema(SETTINGS_FILES[0])),
            ("env", env_file::schema()),
        ] {
            let Ok(text) = fs::read_to_string(workload.join(name)) else {
                continue;
            };
            found += 1;
            let document = as_json(&text).unwrap_or_else(|| serde_json::json!({}));
            assert_eq!(check(&schema, &document), Ok(()), "{}", workload.display());
        }
    }
    assert!(found > 0, "no example has a file of settings or variables");
}
