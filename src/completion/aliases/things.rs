//! What `get` and `describe` of other programs are asked for.

use clap::Command;

use super::{has, with_words};
use crate::completion::line::places;
use crate::kind::WorkloadKind;
use crate::suggestion::{self, kaiwo, kubectl};

/// Things that are not workloads: what lists them, what shows one, and what more there
/// is to say.
const THINGS: [(&str, Shown, Shown, &str); 5] = [
    (
        "svc service services endpoints endpoint ep ingress ingresses ing",
        Shown::Whole("list"),
        Shown::Verb("endpoint"),
        "use endpoint NAME for the address of a service",
    ),
    (
        "node nodes no gpu gpus",
        Shown::Verb("nodes"),
        Shown::Verb("nodes"),
        "",
    ),
    (
        "queue queues localqueue localqueues lq clusterqueue clusterqueues cq partition quota",
        Shown::Verb("queues"),
        Shown::Verb("queues"),
        "",
    ),
    (
        "pod pods po rs replicaset replicasets raycluster rayclusters event events ev",
        Shown::Verb("list"),
        Shown::Whole("list"),
        "status NAME shows the pods and the events of a workload",
    ),
    (
        "pvc persistentvolumeclaim persistentvolumeclaims pv cm configmap configmaps secret \
         secrets sa serviceaccount serviceaccounts hpa pdb ns namespace namespaces crd crds \
         sc storageclass storageclasses",
        Shown::Kubectl,
        Shown::Kubectl,
        "use kubectl for everything that is not a workload",
    ),
];

/// Words for workloads of all kinds.
const ALL: &str = "all workload workloads wl run runs";

/// How things are shown.
#[derive(Debug, Clone, Copy)]
enum Shown {
    /// By a command of kaiwo's with the other words that were typed.
    Verb(&'static str),
    /// By one without them.
    Whole(&'static str),
    /// By kubectl's `get`, as it was typed.
    Kubectl,
}

/// Returns what lists a kind of things, or shows one of them; `rest` follows the verb.
pub(super) fn shown(
    command: &Command,
    mut rest: Vec<String>,
) -> (suggestion::Command, &'static str) {
    let list = command.find_subcommand("list");
    let own = list.map_or(Vec::new(), |list| places(list, &rest).positionals);
    let Some((first, others)) = own.split_first() else {
        return (with_words(command, "list", &rest), "");
    };
    // `svc/web` is `svc web`.
    let (kind, name) = match rest[*first].split_once('/') {
        Some((kind, name)) => (kind.to_owned(), Some(name.to_owned())),
        None => (rest[*first].clone(), None),
    };
    let is_one = name.is_some() || !others.is_empty();
    if let Some((_, many, one, more)) = THINGS.iter().find(|(words, ..)| has(words, &kind)) {
        let how = if is_one { one } else { many };
        let typed = rest.clone();
        match name {
            Some(name) => rest[*first] = name,
            None => drop(rest.remove(*first)),
        }
        return match how {
            Shown::Verb(verb) => {
                let more = if is_one { "" } else { more };
                (with_words(command, verb, &rest), more)
            }
            Shown::Whole(form) => (kaiwo(form, &[]), more),
            Shown::Kubectl => (kubectl("get", &[]).args(typed).as_typed(), more),
        };
    }
    let meant = WorkloadKind::meant(&kind);
    let verb = match (is_one, meant) {
        (false, Some(kind)) => {
            rest.remove(*first);
            format!("list --kind {}", kind.word())
        }
        (false, None) if has(ALL, &kind) => {
            rest.remove(*first);
            "list".to_owned()
        }
        (false, None) if command.find_subcommand(&kind).is_some() => rest.remove(*first),
        (_, kind) => {
            if let ([second, ..], Some(kind)) = (others, kind) {
                rest[*second] = format!("{}/{}", kind.word(), rest[*second]);
                rest.remove(*first);
            }
            "status".to_owned()
        }
    };
    (with_words(command, &verb, &rest), "")
}
