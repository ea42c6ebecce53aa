//! Tells where the candidates for a value come from.

use std::any::TypeId;

use clap::{Arg, ValueHint};

use crate::api::vendor::Vendor;
use crate::kind::{Goal, WorkloadKind};
use crate::observe::WorkloadRef;
use crate::observe::account::By;
use crate::observe::status::FinalStatus;
use crate::observe::status::Status;
use crate::observe::workload_ref::KindRef;
use crate::plan::kaito::{INSTANCE_TYPES, PRESETS, Preset, Runtime, TuningMethod};
use crate::plan::request::claim::ClaimMount;
use crate::plan::request::pod::{SecretName, VariableName};
use crate::settings::{
    DryRun, GpuResource, InstanceType, ModelRef, Namespace, PriorityClassName, QueueName,
    ServiceAccountName, Switch,
};
use crate::transfer::CopyEnd;
use crate::workload::example;

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
    /// From the variables of this machine whose values count as secret.
    Variables,
    /// From nowhere: only the user knows.
    Nothing,
}

/// What a cluster, or a kubeconfig, has names of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Live {
    /// Contexts of the kubeconfig.
    Contexts,
    Namespaces,
    /// LocalQueues of the namespace, and ClusterQueues.
    Queues,
    /// WorkloadPriorityClasses of Kueue.
    PriorityClasses,
    /// Workloads of kaiwo, of every kind.
    Workloads,
    /// Secrets, by name.
    Secrets,
    ServiceAccounts,
    /// Workloads of kaiwo that serve.
    Services,
    /// PersistentVolumeClaims.
    Claims,
    /// Workloads of kaiwo, each with a colon behind it, as files are copied.
    CopyEnds,
    /// Pods of the workload that is named.
    Pods,
    Nodes,
}

/// A word that may stand at the cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    pub word: String,
    /// What it is, on one line; may be empty.
    pub description: String,
    /// Id of the flag, if it is one that may be given only once.
    pub flag: Option<String>,
}

/// Returns where the values of an argument come from: of most, their type tells.
pub(super) fn of_value(argument: &Arg) -> Candidates {
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
    let parsed = argument.get_value_parser().type_id();
    let by_type = types().into_iter().find(|(known, _)| parsed == *known);
    if let Some((_, make)) = by_type {
        return make();
    }
    match argument.get_id().as_str() {
        "context" => return Candidates::Live(Live::Contexts),
        "name" => return Candidates::Live(Live::Workloads),
        "model_access_secret" => return Candidates::Live(Live::Secrets),
        "pod" => return Candidates::Live(Live::Pods),
        "node" => return Candidates::Live(Live::Nodes),
        "filter" => return models(),
        "claim" => return Candidates::Live(Live::Claims),
        "from" => return plain(example::names()),
        _ => {}
    }
    match argument.get_value_hint() {
        ValueHint::DirPath => Candidates::Directories,
        ValueHint::FilePath | ValueHint::AnyPath => Candidates::Files,
        _ if argument.is_last_set() => Candidates::Files,
        _ => Candidates::Nothing,
    }
}

/// Types of values, each with the candidates for it.
fn types() -> [(TypeId, fn() -> Candidates); 22] {
    [
        (TypeId::of::<Namespace>(), || {
            Candidates::Live(Live::Namespaces)
        }),
        (TypeId::of::<QueueName>(), || Candidates::Live(Live::Queues)),
        (TypeId::of::<PriorityClassName>(), || {
            Candidates::Live(Live::PriorityClasses)
        }),
        (TypeId::of::<WorkloadRef>(), || {
            Candidates::Live(Live::Workloads)
        }),
        (TypeId::of::<CopyEnd>(), || Candidates::Live(Live::CopyEnds)),
        (TypeId::of::<SecretName>(), || {
            Candidates::Live(Live::Secrets)
        }),
        (TypeId::of::<VariableName>(), || Candidates::Variables),
        (TypeId::of::<ServiceAccountName>(), || {
            Candidates::Live(Live::ServiceAccounts)
        }),
        (TypeId::of::<ClaimMount>(), || {
            Candidates::Live(Live::Claims)
        }),
        (TypeId::of::<ModelRef>(), models),
        (TypeId::of::<InstanceType>(), instance_types),
        (TypeId::of::<GpuResource>(), || {
            plain(Vendor::KNOWN.into_iter().filter_map(Vendor::whole_gpu))
        }),
        (TypeId::of::<DryRun>(), || plain(["client", "server"])),
        (TypeId::of::<Switch>(), || plain(["true", "false"])),
        (TypeId::of::<TuningMethod>(), || plain(["lora", "qlora"])),
        (TypeId::of::<Runtime>(), || plain(["vllm", "transformers"])),
        (TypeId::of::<Goal>(), || plain(Goal::ALL.map(Goal::name))),
        (TypeId::of::<Status>(), || {
            plain(
                Status::ALL
                    .iter()
                    .map(|status| status.name().to_lowercase()),
            )
        }),
        (TypeId::of::<FinalStatus>(), || {
            plain(["succeeded", "failed"])
        }),
        (TypeId::of::<By>(), || plain(By::ALL.map(By::word))),
        (TypeId::of::<WorkloadKind>(), kinds),
        (TypeId::of::<KindRef>(), kinds),
    ]
}

fn kinds() -> Candidates {
    plain(WorkloadKind::ALL.map(WorkloadKind::word))
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

fn plain<T: Into<String>>(words: impl IntoIterator<Item = T>) -> Candidates {
    let candidates = words.into_iter().map(|word| Candidate {
        word: word.into(),
        description: String::new(),
        flag: None,
    });
    Candidates::Words(candidates.collect())
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;
    use crate::cli::Cli;

    /// A flag whose type is changed must not lose its candidates in silence, and what is
    /// offered is taken.
    #[test]
    fn every_type_is_one_of_a_flag_and_takes_its_words() {
        let mut command = Cli::command();
        command.build();
        for (index, (id, make)) in types().into_iter().enumerate() {
            let mut found = 0;
            let commands = command.get_subcommands();
            for below in commands.flat_map(|it| std::iter::once(it).chain(it.get_subcommands())) {
                for flag in below.get_arguments() {
                    if flag.get_value_parser().type_id() != id {
                        continue;
                    }
                    found += 1;
                    let (Candidates::Words(words), Some(long)) = (make(), flag.get_long()) else {
                        continue;
                    };
                    for Candidate { word, .. } in words {
                        let flag = format!("--{long}={word}");
                        let parsed = Cli::try_parse_from(["kaiwo", below.get_name(), &flag]);
                        let kind = parsed.err().map(|error| error.kind());
                        assert_ne!(
                            kind,
                            Some(clap::error::ErrorKind::ValueValidation),
                            "{flag}"
                        );
                    }
                }
            }
            assert!(found > 0, "type {index}");
        }
    }
}
