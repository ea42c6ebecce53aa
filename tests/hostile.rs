//! No value changes the structure of a manifest: whatever a user writes into
//! the places where text is free, the documents are those of a harmless
//! placeholder, except for the scalars that carry the value.

mod coverage;
mod request;
mod spot;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use kaiwo::names::label_value;
use kaiwo::plan::facts::Facts;
use kaiwo::plan::request::WorkloadRequest;
use kaiwo::render::manifest::Manifest;
use kaiwo::workload::entrypoint::Entrypoint;
use proptest::prelude::*;
use serde_json::Value;

use crate::common::Sandbox;
use crate::pod_runner::expansion::expand;
use request::{request, yaml};
use spot::{NASTY, NASTY_NAMES, PLACEHOLDER, SPOTS, Spot, WORKLOADS, Workload, nasty};

/// The scalars of all documents, by their paths.
type Scalars = BTreeMap<String, Value>;

/// Renders a request, and reads it back from what would be printed.
fn documents(request: WorkloadRequest) -> Vec<Value> {
    let plan = kaiwo::plan::plan(request, &Facts::Assumed).unwrap();
    let manifests = kaiwo::render::render(&plan, Some("submission")).unwrap();
    let documents: Vec<Value> = manifests.iter().map(Manifest::value).cloned().collect();
    let printed = kaiwo::yaml::parse_documents(
        Path::new("stdout"),
        &kaiwo::render::manifest::to_yaml(manifests.iter()),
    )
    .unwrap();
    assert!(
        printed == documents,
        "what is printed reads as something else"
    );
    documents
}

/// Collects the scalars of a document by their paths. Keys of uploads are
/// made of file names; of them, only the number counts. A key that is the
/// value stands as the placeholder.
fn scalars(value: &Value, path: &str, hostile: Option<&str>, found: &mut Scalars) {
    match value {
        Value::Object(map) => {
            found.insert(format!("{path}{{}}"), Value::Null);
            for (key, value) in map {
                let (vendor, name) = match key.strip_prefix("amd.com/") {
                    Some(name) => ("amd.com/", name),
                    None => ("", key.as_str()),
                };
                let key = match hostile.filter(|text| *text == name) {
                    Some(_) => &format!("{vendor}{PLACEHOLDER}"),
                    None if path.ends_with("/data") || path.ends_with("/binaryData") => &key[..4],
                    None => key,
                };
                scalars(value, &format!("{path}/{key}"), hostile, found);
            }
        }
        Value::Array(values) => {
            found.insert(format!("{path}[{}]", values.len()), Value::Null);
            for (index, value) in values.iter().enumerate() {
                scalars(value, &format!("{path}/{index}"), hostile, found);
            }
        }
        scalar => {
            found.insert(path.to_owned(), scalar.clone());
        }
    }
}

/// Returns whether a scalar follows from the value: its digest, or its length.
fn is_derived(path: &str, spot: Spot) -> bool {
    let upload = matches!(
        spot,
        Spot::FileName
            | Spot::FileInDirectory
            | Spot::FileText
            | Spot::FileBytes
            | Spot::Word
            | Spot::ModelConfig
    );
    let config = spot == Spot::ModelConfig && path.ends_with("/config");
    // What is loaded is marked by its URL, and has a directory by its path.
    let loaded = match spot {
        Spot::PreloadUrl => path.contains("/initContainers/") && path.ends_with("/command/6"),
        Spot::PreloadPath => path.ends_with("/subPath"),
        _ => false,
    };
    path.ends_with("/kaiwo-cli/digest")
        || config
        || loaded
        || upload
            && (path.ends_with("/configMap/name")
                || path == "/ConfigMap/metadata/name"
                || path.ends_with("/kaiwo-cli/bytes"))
        || path.ends_with("/key") && path.contains("/items/") && path.contains("/projected/")
}

/// Returns whether a text with this character cannot be applied as one: the API
/// server reads what is applied as YAML, which forbids it or changes it.
fn refused_as_text(c: char) -> bool {
    matches!(c, '\u{7f}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}')
}

/// Returns what a container is given where this scalar stands.
fn received(path: &str, scalar: &str) -> String {
    let variables = BTreeMap::from([("NUM_GPUS".to_owned(), "EXPANDED".to_owned())]);
    let expanded = path.contains("/env/") && path.ends_with("/value") || path.contains("/command/");
    if expanded {
        expand(scalar, &variables)
    } else {
        scalar.to_owned()
    }
}

/// Returns what should arrive for a value where the placeholder stood.
fn carried(path: &str, value: &str, spot: Spot, placeholder: &str) -> String {
    if path.contains("/labels/") && matches!(spot, Spot::Version | Spot::User | Spot::App) {
        return label_value(value);
    }
    match spot {
        // A program of Ray is a script that holds the words.
        Spot::Word if path.starts_with("/ConfigMap/data/") => {
            let words = ["sh", "-c", value].map(str::to_owned);
            String::from_utf8(Entrypoint::of_command(&words).content.into_exposed()).unwrap()
        }
        Spot::FileBytes => {
            let bytes = k8s_openapi::ByteString([value.as_bytes(), &[0xff]].concat());
            serde_json::to_value(bytes)
                .unwrap()
                .as_str()
                .unwrap()
                .to_owned()
        }
        // A file of a Secret is mounted by the last part of its path.
        Spot::MountPath if !path.ends_with("/mountPath") && !path.contains("/env/") => {
            value.rsplit('/').next().unwrap_or_default().to_owned()
        }
        Spot::ClaimPath | Spot::PreloadPath => placeholder
            .replace(PLACEHOLDER, value)
            .trim_end_matches('/')
            .to_owned(),
        _ => placeholder.replace(PLACEHOLDER, value),
    }
}

fn rendered(spot: Spot, workload: Workload, value: &str) -> Option<Scalars> {
    let documents = documents(request(spot, workload, value)?);
    let hostile_key = matches!(spot, Spot::Key | Spot::CustomKey).then_some(value);
    let mut found = BTreeMap::new();
    for document in &documents {
        let kind = document["kind"].as_str().unwrap();
        scalars(document, &format!("/{kind}"), hostile_key, &mut found);
    }
    Some(found)
}

/// Renders the placeholder, once for each spot.
fn harmless(spot: Spot, workload: Workload) -> Option<Arc<Scalars>> {
    type Known = BTreeMap<(Spot, Workload), Option<Arc<Scalars>>>;
    static KNOWN: Mutex<Known> = Mutex::new(BTreeMap::new());
    let render = || rendered(spot, workload, PLACEHOLDER).map(Arc::new);
    KNOWN
        .lock()
        .unwrap()
        .entry((spot, workload))
        .or_insert_with(render)
        .clone()
}

/// Compares the documents of a value with those of the placeholder, and
/// returns in how many scalars the value arrived, if it could be given.
fn check(spot: Spot, workload: Workload, value: &str, harmless: &Scalars) -> Result<usize, String> {
    // Such a file travels as bytes, which is another place; see FileBytes.
    if matches!(spot, Spot::FileText | Spot::Word | Spot::ModelConfig)
        && value.contains(refused_as_text)
    {
        return Ok(0);
    }
    let Some(hostile) = rendered(spot, workload, value) else {
        return Ok(0);
    };
    if !harmless.keys().eq(hostile.keys()) {
        let only = |a: &Scalars, b: &Scalars| {
            a.keys()
                .filter(|key| !b.contains_key(*key))
                .cloned()
                .collect::<Vec<_>>()
        };
        return Err(format!(
            "lost {:?}, gained {:?}",
            only(harmless, &hostile),
            only(&hostile, harmless)
        ));
    }
    let mut arrived = 0;
    for (path, before) in harmless {
        let after = &hostile[path];
        if is_derived(path, spot) {
            continue;
        }
        let (Some(before), Some(after)) = (before.as_str(), after.as_str()) else {
            if before != after {
                return Err(format!("{path} changed from {before} to {after}"));
            }
            continue;
        };
        let expected = carried(path, value, spot, before);
        let changes = before.contains(PLACEHOLDER)
            || (spot == Spot::FileBytes && path.contains("/binaryData/"));
        let expected = if changes { expected } else { before.to_owned() };
        let seen = received(path, after);
        if seen != expected {
            return Err(format!("{path} is {seen:?}, not {expected:?}"));
        }
        arrived += usize::from(changes);
    }
    match arrived {
        0 => Err("the value arrived nowhere".to_owned()),
        _ => Ok(arrived),
    }
}

#[test]
fn nasty_values_stay_in_their_scalars() {
    let names: Vec<String> = NASTY_NAMES.map(str::to_owned).into();
    let values = [nasty(), names].concat();
    // A rendering takes milliseconds, and there are more than a thousand.
    std::thread::scope(|scope| {
        for spots in SPOTS.chunks(SPOTS.len().div_ceil(4)) {
            let values = &values;
            scope.spawn(move || {
                for spot in spots {
                    nasty_values_stay_in(*spot, values);
                }
            });
        }
    });
}

/// Tries each value at a spot, in turn in each kind of workload.
fn nasty_values_stay_in(spot: Spot, values: &[String]) {
    let mut arrived = 0;
    // What only one kind of workload takes gets every value, too.
    let takers: Vec<Workload> = WORKLOADS
        .into_iter()
        .filter(|workload| harmless(spot, *workload).is_some())
        .collect();
    for (value, workload) in values.iter().zip(takers.into_iter().cycle()) {
        let Some(harmless) = harmless(spot, workload) else {
            continue;
        };
        arrived += check(spot, workload, value, &harmless).unwrap_or_else(|error| {
            let start: String = value.chars().take(60).collect();
            panic!("{spot:?} {workload:?} {start:?}: {error}")
        });
    }
    assert!(arrived >= 2, "{spot:?} takes hardly any value");
}

/// Texts of all characters, of those that mean something, and of both.
fn hostile() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[-$(){}%#\"'\\\\:&*!|>@`?,\\[\\] \n\r\ta0]{1,24}",
        proptest::collection::vec(prop::sample::select(&NASTY[..]), 1..5)
            .prop_map(|parts| parts.concat()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn no_value_changes_the_structure(
        spot in prop::sample::select(&SPOTS[..]),
        workload in prop::sample::select(&WORKLOADS[..]),
        value in hostile(),
    ) {
        if let Some(harmless) = harmless(spot, workload)
            && let Err(error) = check(spot, workload, &value, &harmless)
        {
            prop_assert!(false, "{:?} {:?}: {}", spot, workload, error);
        }
    }
}

/// Everything at once, through files, arguments, and what is printed.
#[test]
fn the_binary_prints_what_it_was_given() {
    let (user, version) = ("al\"ice: {{ x }}\n- y", "1: \"2\"\n");
    let sandbox = Sandbox::new().set("KAIWO_USER", user);
    let values: Vec<String> = nasty()
        .into_iter()
        .filter(|value| !value.contains('\0'))
        .collect();
    let directory = "w \"x\": {{ y }}\n# $(NUM_GPUS)";
    let variables: String = values
        .iter()
        .enumerate()
        .map(|(index, value)| format!("- name: V{index}\n  value: {}\n", yaml(value)))
        .collect();
    sandbox.write(
        &format!("{directory}/env"),
        format!("envVars:\n{variables}"),
    );
    let names: Vec<&String> = values
        .iter()
        .filter(|name| !name.is_empty() && name.len() < 250 && !name.starts_with(".."))
        .collect();
    for name in &names {
        sandbox.write(&format!("{directory}/files/{name}"), name.as_bytes());
    }
    let image = "registry/image:1";
    let words: Vec<&str> = values
        .iter()
        .map(String::as_str)
        .filter(|word| word.len() < 100_000)
        .collect();
    for flags in [&["-g", "8"][..], &["-g", "16"], &["-g", "8", "--ray"]] {
        let ray = flags.contains(&"--ray");
        let arguments = [
            &[
                "submit",
                "-p",
                directory,
                "-d",
                "-i",
                image,
                "--version",
                version,
            ],
            flags,
            &["--", "echo"],
            &words,
        ]
        .concat();
        let outcome = sandbox.kaiwo(&arguments).exits(0);
        let documents = outcome.documents();
        let workload = documents.last().unwrap();
        let template = match ray {
            true => &workload["spec"]["rayClusterSpec"]["headGroupSpec"]["template"],
            false => &workload["spec"]["template"],
        };
        let container = &template["spec"]["containers"][0];
        assert_eq!(container["image"], image);
        let received = |scalar: &Value| expand(scalar.as_str().unwrap(), &BTreeMap::new());
        for (index, value) in values.iter().enumerate() {
            assert_eq!(&received(&container["env"][index]["value"]), value);
        }
        if !ray {
            let command: Vec<String> = container["command"]
                .as_array()
                .unwrap()
                .iter()
                .map(received)
                .collect();
            assert_eq!(command[3], "echo");
            assert_eq!(command[4..], words);
        }
        let labels = &template["metadata"]["labels"];
        assert_eq!(labels["kaiwo-cli/username"], label_value(user));
        assert_eq!(labels["app.kubernetes.io/version"], label_value(version));
        assert_eq!(labels["app.kubernetes.io/name"], label_value(directory));
        let uploads: Vec<&Value> = documents
            .iter()
            .filter(|document| document["kind"] == "ConfigMap")
            .collect();
        let volumes = template["spec"]["volumes"].as_array().unwrap();
        let sources = &volumes
            .iter()
            .find(|volume| volume["name"] == "workload")
            .unwrap()["projected"]["sources"];
        let mut found: BTreeMap<&str, String> = BTreeMap::new();
        for (source, upload) in sources.as_array().unwrap().iter().zip(uploads) {
            for item in source["configMap"]["items"].as_array().unwrap() {
                let key = item["key"].as_str().unwrap();
                let content = match upload["data"][key].as_str() {
                    Some(text) => text.to_owned(),
                    None => {
                        let bytes = &upload["binaryData"][key];
                        let bytes: k8s_openapi::ByteString =
                            serde_json::from_value(bytes.clone()).unwrap();
                        String::from_utf8(bytes.0).unwrap()
                    }
                };
                found.insert(item["path"].as_str().unwrap(), content);
            }
        }
        for name in &names {
            assert_eq!(found[format!("files/{name}").as_str()], name.as_str());
        }
        assert_eq!(found.len(), names.len() + usize::from(ray));
    }
}
