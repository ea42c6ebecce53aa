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

    /// Returns the same, for a dry run that renders for the vendor's GPUs.
    pub fn dry_run(&self, vendor: &str) -> Vec<String> {
        let mut arguments = self.arguments(vendor);
        arguments.extend([
            "--dry-run".to_owned(),
            format!("--gpu-resource={vendor}.com/gpu"),
        ]);
        arguments
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

/// Returns those that `kaiwo submit` takes.
pub fn submitted() -> Vec<Example> {
    let mut examples = examples();
    examples.retain(|example| example.arguments("amd")[0] == "submit");
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
