//! The examples in `workloads/`, found by looking: a directory there is an
//! example, and the command in its README is the one that is tested.

mod files;
mod python;

use std::fs;
use std::path::PathBuf;

use crate::common::checkout;

/// Vendors whose GPUs every example is rendered for.
pub const VENDORS: [&str; 2] = ["amd", "nvidia"];

/// A directory of `workloads/`.
#[derive(Debug)]
pub struct Example {
    /// Its name.
    pub name: String,
    commands: Vec<(Option<&'static str>, Vec<String>)>,
}

impl Example {
    /// Returns its directory.
    pub fn directory(&self) -> PathBuf {
        checkout("workloads").join(&self.name)
    }

    /// Returns the arguments of kaiwo that the README gives for a vendor,
    /// with the path in the checkout.
    pub fn arguments(&self, vendor: &str) -> Vec<String> {
        let (_, words) = self
            .commands
            .iter()
            .find(|(only, _)| only.is_none_or(|only| only == vendor))
            .unwrap_or_else(|| panic!("{}: README.md has no command for {vendor}", self.name));
        let absolute = |word: &String| match word.strip_prefix("workloads/") {
            Some(_) => checkout(word).to_str().unwrap().to_owned(),
            None => word.clone(),
        };
        words.iter().map(absolute).collect()
    }

    /// Returns the arguments of a dry run for the GPUs of every vendor it can
    /// have, with a name for each.
    pub fn dry_runs(&self) -> Vec<(String, Vec<String>)> {
        let dry_run = |vendor: &str, more: &[&str]| {
            let mut arguments = self.arguments(vendor);
            arguments.push("--dry-run".to_owned());
            arguments.extend(more.iter().map(|word| (*word).to_owned()));
            arguments
        };
        // KAITO makes machines with NVIDIA's GPUs only.
        if self.is_workspace() {
            return vec![(self.name.clone(), dry_run("nvidia", &[]))];
        }
        VENDORS
            .iter()
            .map(|vendor| {
                let resource = format!("--gpu-resource={vendor}.com/gpu");
                let arguments = dry_run(vendor, &[&resource]);
                (format!("{}-{vendor}", self.name), arguments)
            })
            .collect()
    }

    /// Returns whether it becomes a Workspace of KAITO.
    pub fn is_workspace(&self) -> bool {
        let (_, words) = &self.commands[0];
        words.iter().any(|word| word == "--kaito" || word == "-m")
    }
}

/// Returns all examples, by name.
pub fn examples() -> Vec<Example> {
    let mut examples: Vec<Example> = fs::read_dir(checkout("workloads"))
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().is_dir())
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            let commands = commands(&files::read(&format!("{name}/README.md")));
            assert!(!commands.is_empty(), "{name}/README.md has no command");
            Example { name, commands }
        })
        .collect();
    examples.sort_by(|one, other| one.name.cmp(&other.name));
    examples
}

/// Borrows arguments, as [`Sandbox::kaiwo`](crate::common::Sandbox::kaiwo)
/// takes them.
pub fn words(arguments: &[String]) -> Vec<&str> {
    arguments.iter().map(String::as_str).collect()
}

/// Reads the commands of a README: the lines of code that begin with `kaiwo
/// submit` or `kaiwo serve`. One is for all vendors, or each names its own in
/// a comment.
fn commands(readme: &str) -> Vec<(Option<&'static str>, Vec<String>)> {
    let commands: Vec<_> = readme
        .lines()
        .filter(|line| line.starts_with("kaiwo submit ") || line.starts_with("kaiwo serve "))
        .map(|line| {
            assert!(
                !line.contains(['\'', '"', '\\', '$']),
                "no shell needed: {line}"
            );
            let (command, vendor) = match line.split_once(" # ") {
                None => (line, None),
                Some((command, "AMD")) => (command, Some("amd")),
                Some((command, "NVIDIA")) => (command, Some("nvidia")),
                Some((_, comment)) => panic!("{comment} is no vendor"),
            };
            let words = command.split_whitespace().skip(1).map(str::to_owned);
            (vendor, words.collect())
        })
        .collect();
    match commands.len() {
        0 | 1 => assert!(commands.iter().all(|(vendor, _)| vendor.is_none())),
        _ => assert_eq!(
            commands
                .iter()
                .map(|(vendor, _)| *vendor)
                .collect::<Vec<_>>(),
            VENDORS.map(Some)
        ),
    }
    commands
}
