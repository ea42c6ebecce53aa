//! What belongs to an example beside its code.

use std::fs;
use std::path::Path;

use super::{VENDORS, examples};
use crate::common::checkout;

/// Reads a file of `workloads/`.
pub fn read(path: &str) -> String {
    let file = checkout("workloads").join(path);
    fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

#[test]
fn the_table_has_every_example_with_its_command() {
    let table = read("README.md");
    let rows: Vec<&str> = table
        .lines()
        .filter(|line| line.starts_with("| ["))
        .collect();
    let examples = examples();
    assert_eq!(rows.len(), examples.len());
    for example in &examples {
        let link = format!("| [{0}]({0}/) |", example.name);
        let row = rows
            .iter()
            .find(|row| row.starts_with(&link))
            .unwrap_or_else(|| panic!("workloads/README.md has no row for {}", example.name));
        // The image differs between vendors, and where there is a default it may be
        // left out.
        let (_, words) = &example.commands[0];
        let mut bare = words.clone();
        if let Some(image) = bare.iter().position(|word| word == "-i") {
            bare.drain(image..image + 2);
        }
        let is_there = |words: &[String]| row.contains(&format!("`kaiwo {}`", words.join(" ")));
        assert!(
            is_there(words) || is_there(&bare),
            "{words:?} is not in\n{row}"
        );
    }
}

#[test]
fn every_readme_says_what_it_needs_and_what_to_look_at() {
    for example in examples() {
        let readme = read(&format!("{}/README.md", example.name));
        for part in ["# ", "\nNeeds ", "\nAfterwards: "] {
            assert!(readme.contains(part), "{}: no {part:?}", example.name);
        }
        let own = format!("workloads/{}", example.name);
        for vendor in VENDORS {
            let arguments = example.arguments(vendor);
            let path = arguments.iter().position(|word| word == "-p");
            if let Some(path) = path {
                assert_eq!(arguments[path + 1], checkout(&own).to_str().unwrap());
            }
        }
        for word in readme.split(|c: char| c.is_whitespace() || c == '`') {
            if word.starts_with("workloads/") {
                assert!(word.starts_with(&own), "{word} in {own}/README.md");
                assert!(checkout(word).exists(), "{word} is not there");
            }
        }
    }
}

#[test]
fn what_is_for_readers_is_not_uploaded() {
    for example in examples() {
        let directory = example.directory();
        if !example.arguments("amd").contains(&"-p".to_owned()) {
            continue;
        }
        let ignored = read(&format!("{}/.kaiwoignore", example.name));
        for name in ["README.md", "claim.yaml", "custom.yaml"] {
            let is_there = directory.join(name).exists();
            let is_ignored = ignored.lines().any(|line| line == name);
            assert_eq!(is_there, is_ignored, "{}: {name}", example.name);
        }
    }
}

#[test]
fn claims_are_those_that_are_mounted() {
    for example in examples() {
        let claim = format!("{}/claim.yaml", example.name);
        if !example.directory().join("claim.yaml").exists() {
            continue;
        }
        let documents = kaiwo::yaml::parse_documents(Path::new(&claim), &read(&claim)).unwrap();
        for document in documents {
            assert_eq!(document["kind"], "PersistentVolumeClaim");
            let name = document["metadata"]["name"].as_str().unwrap();
            // A model has no pods of one's own to mount it.
            if example.arguments("nvidia").contains(&format!("pvc:{name}")) {
                continue;
            }
            let config = read(&format!("{}/kaiwoconfig", example.name));
            let mounted = config.contains(&format!("{name}:/"))
                || config.contains("customConfig: custom.yaml")
                    && read(&format!("{}/custom.yaml", example.name))
                        .contains(&format!("claim: {name}\n"));
            assert!(mounted, "{claim}: {name} is not mounted");
        }
    }
}

#[test]
fn secrets_are_references() {
    for example in examples() {
        let directory = example.directory();
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let Ok(text) = fs::read_to_string(&path) else {
                continue;
            };
            for start in ["hf_", "AKIA", "-----BEGIN"] {
                let found = text.match_indices(start).any(|(at, _)| {
                    let rest = &text[at + start.len()..];
                    rest.chars().take_while(char::is_ascii_alphanumeric).count() >= 16
                });
                assert!(!found, "{}: looks like a secret", path.display());
            }
        }
    }
}

#[test]
fn ray_finds_the_application_that_serveconfig_names() {
    let mut found = 0;
    for example in examples() {
        let file = example.directory().join("serveconfig");
        let Ok(text) = fs::read_to_string(&file) else {
            continue;
        };
        let documents = kaiwo::yaml::parse_documents(&file, &text).unwrap();
        for application in documents[0]["applications"].as_array().unwrap() {
            let path = application["import_path"].as_str().unwrap();
            let name = path.strip_prefix("app:").expect("the directory is app");
            let package = read(&format!("{}/__init__.py", example.name));
            assert!(package.contains(&format!("\ndef {name}(")), "{path}");
            found += 1;
        }
    }
    assert!(found > 0);
}
