//! Tells where the candidates for a value come from.

use clap::{Arg, ValueHint};

use crate::api::keys;
use crate::kind::{Goal, WorkloadKind};
use crate::observe::status::Status;
use crate::plan::kaito::{INSTANCE_TYPES, PRESETS, Preset};

/// Where the candidates for a word come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Candidates {
    /// From here: these and no others.
    Words(Vec<Candidate>),
    /// From the cluster, or the kubeconfig.
    Live(Live),
    /// From the file system, which shells know better.
    Files,
    /// Likewise, but only directories.
    Directories,
    /// From nowhere: only the user knows.
    Nothing,
}

/// What a cluster, or a kubeconfig, has names of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Live {
    /// Contexts of the kubeconfig.
    Contexts,
    /// Namespaces.
    Namespaces,
    /// LocalQueues of the namespace, and ClusterQueues.
    Queues,
    /// WorkloadPriorityClasses of Kueue.
    PriorityClasses,
    /// Workloads of kaiwo, of every kind.
    Workloads,
    /// Secrets, by name.
    Secrets,
    /// Service accounts.
    ServiceAccounts,
}

/// A word that may stand at the cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The word.
    pub word: String,
    /// What it is, on one line; may be empty.
    pub description: String,
    /// Id of the flag, if it is one that may be given only once.
    pub flag: Option<String>,
}

/// Values that are looked up, by the id of their argument.
const LIVE: [(&str, Live); 8] = [
    ("context", Live::Contexts),
    ("namespace", Live::Namespaces),
    ("queue", Live::Queues),
    ("priority_class", Live::PriorityClasses),
    ("name", Live::Workloads),
    ("workload", Live::Workloads),
    ("image_pull_secret", Live::Secrets),
    ("service_account", Live::ServiceAccounts),
];

/// Makes the words that an argument takes.
type Words = fn() -> Vec<String>;

/// Values that clap does not know of, because they are parsed from text, by the
/// id of their argument.
const PARSED: [(&str, Words); 7] = [
    ("goal", || owned(&Goal::ALL.map(Goal::name))),
    ("output", || owned(&["yaml", "json", "name"])),
    ("kind", || WorkloadKind::ALL.map(WorkloadKind::word).into()),
    ("status", || {
        let all = Status::ALL.iter();
        all.map(|status| status.name().to_lowercase()).collect()
    }),
    ("dry_run", || owned(&["client", "server"])),
    ("tune", || owned(&["lora", "qlora"])),
    ("gpu_resource", || owned(&[keys::AMD_GPU, keys::NVIDIA_GPU])),
];

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Returns where the values of an argument come from.
pub(super) fn of_value(argument: &Arg) -> Candidates {
    let id = argument.get_id().as_str();
    let known = argument.get_possible_values();
    if !known.is_empty() {
        let known = known.iter().filter(|value| !value.is_hide_set());
        return Candidates::Words(
            known
                .map(|value| Candidate {
                    word: value.get_name().to_owned(),
                    description: value
                        .get_help()
                        .map(ToString::to_string)
                        .unwrap_or_default(),
                    flag: None,
                })
                .collect(),
        );
    }
    if matches!(id, "model_access_secret" | "tune_push_secret") {
        return Candidates::Live(Live::Secrets);
    }
    if let Some((_, live)) = LIVE.iter().find(|(of, _)| *of == id) {
        return Candidates::Live(*live);
    }
    if let Some((_, words)) = PARSED.iter().find(|(of, _)| *of == id) {
        return plain(&words());
    }
    match id {
        "model" | "filter" => return models(),
        "instance_type" => return instance_types(),
        "runtime" => return plain(&["vllm", "transformers"]),
        _ => {}
    }
    if is_switch(argument) {
        return plain(&["true", "false"]);
    }
    match argument.get_value_hint() {
        ValueHint::DirPath => Candidates::Directories,
        ValueHint::FilePath | ValueHint::AnyPath => Candidates::Files,
        _ if argument.is_last_set() => Candidates::Files,
        _ => Candidates::Nothing,
    }
}

/// Returns the models of KAITO's catalogue, by the names that `-m` takes.
fn models() -> Candidates {
    let candidate = |preset: &Preset| Candidate {
        word: preset.name().to_owned(),
        description: format!("{} GiB, {}", preset.weights, preset.licence),
        flag: None,
    };
    Candidates::Words(PRESETS.iter().map(candidate).collect())
}

/// Returns the instance types that presets run on.
fn instance_types() -> Candidates {
    let presets = INSTANCE_TYPES.iter().filter(|known| known.runs_presets());
    Candidates::Words(
        presets
            .map(|known| Candidate {
                word: known.name.to_owned(),
                description: known.gpus_text(),
                flag: None,
            })
            .collect(),
    )
}

fn is_switch(argument: &Arg) -> bool {
    argument
        .get_value_names()
        .is_some_and(|names| names.iter().any(|name| name == "BOOL"))
}

fn plain(words: &[impl AsRef<str>]) -> Candidates {
    let candidates = words.iter().map(|word| Candidate {
        word: word.as_ref().to_owned(),
        description: String::new(),
        flag: None,
    });
    Candidates::Words(candidates.collect())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;
    use crate::observe::reference::kind;
    use crate::plan::kaito::Method;
    use crate::settings::{DryRun, OutputFormat};

    /// A flag that is renamed must not lose its values in silence.
    #[test]
    fn every_id_is_that_of_a_flag() {
        let mut command = Cli::command();
        command.build();
        let submit = command.find_subcommand("submit").unwrap();
        let waits = command.find_subcommand("wait").unwrap();
        let lists = command.find_subcommand("list").unwrap();
        let ids = LIVE.iter().map(|(id, _)| *id);
        for id in ids.chain(PARSED.map(|(id, _)| id)) {
            assert!(
                [submit, waits, lists]
                    .iter()
                    .any(|of| of.get_arguments().any(|flag| flag.get_id() == id)),
                "{id}"
            );
        }
    }

    #[test]
    fn words_are_accepted() {
        for (id, words) in PARSED {
            for word in words() {
                match id {
                    "output" => drop(word.parse::<OutputFormat>().unwrap()),
                    "dry_run" => drop(word.parse::<DryRun>().unwrap()),
                    "goal" => drop(word.parse::<Goal>().unwrap()),
                    "kind" => drop(kind(&word).unwrap()),
                    "status" => drop(word.parse::<Status>().unwrap()),
                    "tune" => drop(word.parse::<Method>().unwrap()),
                    _ => assert_eq!(id, "gpu_resource"),
                }
            }
        }
    }
}
