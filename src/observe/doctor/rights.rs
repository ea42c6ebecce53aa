//! Compares what each command needs with what the user may do in a namespace.
//! `cluster-admins/rbac/researchers.yaml` grants all of it, and no more in a namespace.

use std::collections::BTreeMap;

use super::DoctorEvidence;
use super::check::{Check, CommandRights, State, Subject};
use crate::api::access::{Right, Rules};
use crate::api::resource::{KUEUE_GROUP, RAY_GROUP};
use crate::kind::{Descriptor, Operator, WorkloadKind};
use crate::observe::why::Who;
use crate::suggestion::{Command, kubectl};

const KAITO_GROUP: &str = "kaito.sh";
/// Group of Kueue's visibility API.
const VISIBILITY_GROUP: &str = "visibility.kueue.x-k8s.io";

/// What a command does with the objects of a kind: group, resource, verbs.
type Use = (&'static str, &'static str, &'static str);

/// Decides of which kinds of workload.
type KindFilter = fn(&Descriptor) -> bool;

/// What a command needs.
#[derive(Debug, Clone, Copy)]
struct Row {
    command: &'static str,
    /// Whether kaiwo does without, or an admin may have decided against it.
    is_optional: bool,
    /// The file of `cluster-admins/rbac` that grants it, if it is another one: then
    /// nothing is wrong where it is missing.
    file: Option<&'static str>,
    uses: &'static [Use],
    /// The kinds of workload that it is about as well, and the verbs.
    kinds: Option<(KindFilter, &'static str)>,
}

impl Row {
    const fn of_kinds(mut self, are: KindFilter, verbs: &'static str) -> Self {
        self.kinds = Some((are, verbs));
        self
    }
}

const fn needs(command: &'static str, uses: &'static [Use]) -> Row {
    Row {
        command,
        is_optional: false,
        file: None,
        uses,
        kinds: None,
    }
}

const fn uses(command: &'static str, uses: &'static [Use]) -> Row {
    Row {
        command,
        is_optional: true,
        file: None,
        uses,
        kinds: None,
    }
}

const fn apart(command: &'static str, file: &'static str, uses: &'static [Use]) -> Row {
    Row {
        command,
        is_optional: true,
        file: Some(file),
        uses,
        kinds: None,
    }
}

const COMMANDS: [Row; 25] = [
    needs(
        "submit",
        &[
            ("batch", "jobs", "get create delete"),
            ("", "configmaps", "get list create patch delete"),
            ("", "services", "get list create patch delete"),
            ("", "pods", "list"),
            (KUEUE_GROUP, "localqueues", "get list"),
        ],
    ),
    needs(
        "submit --ray",
        &[(RAY_GROUP, "rayjobs", "get create delete")],
    ),
    needs(
        "submit --schedule",
        &[("batch", "cronjobs", "get create delete")],
    ),
    // Admins who create the LocalQueues may keep this right.
    uses(
        "submit -q CLUSTERQUEUE",
        &[(KUEUE_GROUP, "localqueues", "create delete")],
    ),
    needs(
        "serve",
        &[
            ("apps", "deployments", "get create update delete"),
            ("apps", "replicasets", "list"),
            ("", "configmaps", "get list create patch delete"),
            ("", "services", "get list create patch delete"),
            ("", "pods", "list"),
        ],
    ),
    needs(
        "serve --ray",
        &[
            (RAY_GROUP, "rayservices", "get create update delete"),
            (RAY_GROUP, "rayclusters", "get list"),
        ],
    ),
    needs(
        "serve --model",
        &[(KAITO_GROUP, "workspaces", "get create delete")],
    ),
    needs(
        "serve --model --replicas",
        &[
            (KAITO_GROUP, "inferencesets", "get create update delete"),
            ("apps", "statefulsets", "get"),
        ],
    ),
    needs(
        "serve --ingress",
        &[(
            "networking.k8s.io",
            "ingresses",
            "get list create patch delete",
        )],
    ),
    needs(
        "serve --autoscale",
        &[(
            "autoscaling",
            "horizontalpodautoscalers",
            "get list create patch delete",
        )],
    ),
    needs(
        "serve --min-available",
        &[(
            "policy",
            "poddisruptionbudgets",
            "get list create patch delete",
        )],
    ),
    uses(
        "submit, serve --keep-storage",
        &[("", "persistentvolumeclaims", "get list create delete")],
    ),
    uses("move, priority", &[(KUEUE_GROUP, "workloads", "get list")])
        .of_kinds(|kind| kind.workload_has_its_uid, "patch"),
    apart(
        "pause, resume",
        "cluster-admins/rbac/pausing.yaml",
        &[(KUEUE_GROUP, "workloads", "patch")],
    ),
    needs(
        "list, status, wait",
        &[
            ("", "pods", "get list watch"),
            (KUEUE_GROUP, "workloads", "get list watch"),
        ],
    )
    .of_kinds(|_| true, "get list watch"),
    uses(
        "list, status: places in the queue",
        &[(VISIBILITY_GROUP, "localqueues/pendingworkloads", "get")],
    ),
    uses("why", &[("", "events", "get list")]),
    needs("logs", &[("", "pods/log", "get")]),
    needs("exec", &[("", "pods/exec", "get create")]),
    needs(
        "run",
        &[
            ("", "pods/attach", "get create"),
            ("", "pods/exec", "get create"),
        ],
    ),
    needs("cp", &[("", "pods/exec", "get create")]),
    uses(
        "cp from a kept claim",
        &[
            ("", "pods", "get list create delete"),
            ("", "persistentvolumeclaims", "get"),
        ],
    ),
    uses("volumes", &[("", "persistentvolumeclaims", "list")]),
    needs("port-forward", &[("", "pods/portforward", "get create")]),
    needs("chat", &[("", "services/proxy", "get create")]),
];

/// What the user may do in the namespace, as far as the API server says.
#[derive(Debug, Clone, PartialEq)]
pub struct Granted {
    /// The rules that it lists.
    pub rules: Rules,
    /// What it says about single rights, which the rules leave open.
    pub verdicts: BTreeMap<Right, bool>,
}

impl Granted {
    fn allows(&self, right: Right) -> bool {
        self.rules.grant(right) || self.verdicts.get(&right) == Some(&true)
    }
}

impl Row {
    /// Returns what it needs of the groups that are served; nothing if its first is not,
    /// which is what it is about.
    fn rights<'a>(
        &self,
        is_served: impl Fn(&str) -> bool + 'a,
    ) -> impl Iterator<Item = Right> + 'a {
        let concerns = self
            .uses
            .first()
            .is_some_and(|(group, ..)| is_served(group));
        let of_kinds = self.kinds.into_iter().flat_map(|(are, verbs)| {
            let kinds = WorkloadKind::ALL.into_iter();
            let kinds = kinds.filter(move |kind| are(kind.descriptor()));
            kinds.map(move |kind| (kind.group(), kind.descriptor().plural, verbs))
        });
        let uses = self.uses.iter().copied().chain(of_kinds);
        uses.filter(move |(group, ..)| concerns && is_served(group))
            .flat_map(|(group, resource, verbs)| {
                verbs.split(' ').map(move |verb| Right {
                    group,
                    resource,
                    verb,
                })
            })
    }
}

/// Returns every right that some command needs on a cluster that serves these groups.
pub fn needed(is_served: impl Fn(&str) -> bool + Copy) -> Vec<Right> {
    let rights = COMMANDS.iter().flat_map(|row| row.rights(is_served));
    let mut rights: Vec<Right> = rights.collect();
    rights.sort_unstable();
    rights.dedup();
    rights
}

/// Returns the rights in the row of a command.
pub fn of_command(command: &str) -> Vec<Right> {
    let mut rows = COMMANDS.iter().filter(|row| row.command == command);
    let row = rows.next().into_iter();
    row.flat_map(|row| row.rights(|_| true)).collect()
}

/// Returns whether every cluster serves this group, or this one does.
pub fn is_served(group: &str, served: &[(String, Vec<String>)]) -> bool {
    let mut kinds = WorkloadKind::ALL.into_iter();
    let is_of_operator = [KUEUE_GROUP, VISIBILITY_GROUP].contains(&group)
        || kinds.any(|kind| {
            kind.group() == group && kind.descriptor().operator != Operator::Kubernetes
        });
    !is_of_operator || served.iter().any(|(known, _)| known == group)
}

/// Compares the commands with what is granted.
pub fn by_command(evidence: &DoctorEvidence) -> (Vec<CommandRights>, Check) {
    let Some(granted) = &evidence.granted else {
        let check = Check::new(
            Subject::Rights,
            State::Unknown,
            "the API server does not report your rights",
        );
        return (Vec::new(), check);
    };
    let served = |group: &str| is_served(group, &evidence.groups);
    let (mut commands, mut state, mut lines) = (Vec::new(), State::Ok, Vec::new());
    let (mut denied, mut others) = (0, Vec::new());
    for row in COMMANDS {
        let mut needs = row.rights(served).peekable();
        if needs.peek().is_none() {
            continue;
        }
        let missing: Vec<Right> = needs.filter(|right| !granted.allows(*right)).collect();
        denied += usize::from(!missing.is_empty());
        if let Some(file) = row.file.filter(|_| !missing.is_empty()) {
            others.push(format!("{}, which {file} would grant", row.command));
        } else if !missing.is_empty() {
            state = state.max(match row.is_optional {
                true => State::Warning,
                false => State::Problem,
            });
            lines.push(format!("{}: {}", row.command, shown(&missing).join(", ")));
        }
        commands.push(CommandRights {
            command: row.command,
            allowed: missing.is_empty(),
            missing: shown(&missing),
        });
    }
    let namespace = &evidence.namespace;
    let summary = match lines.len() {
        0 if !others.is_empty() => format!(
            "you may run every command in namespace {namespace} except {}",
            others.join("; ")
        ),
        0 => format!("you may run every command in namespace {namespace}"),
        _ if denied == commands.len() => {
            format!("you may run no command in namespace {namespace}")
        }
        _ => format!("you lack rights in namespace {namespace}"),
    };
    let check = Check::new(Subject::Rights, state, summary);
    let check = lines.into_iter().fold(check, Check::shows);
    let check = match state {
        State::Ok => check,
        _ => check
            .remedy(
                Who::Admin,
                "apply kaiwo's cluster-admins/rbac/researchers.yaml, and bind its role",
                bind(namespace, evidence.user.as_deref()),
            )
            .remedy(
                Who::You,
                "list your rights there",
                kubectl("auth can-i --list -n {}", &[namespace]),
            ),
    };
    (commands, check)
}

/// Writes rights as people read them, the verbs of a resource together.
fn shown(rights: &[Right]) -> Vec<String> {
    let mut of: Vec<(&str, Vec<&str>)> = Vec::new();
    for right in rights {
        match of
            .iter_mut()
            .find(|(resource, _)| *resource == right.resource)
        {
            Some((_, verbs)) => verbs.push(right.verb),
            None => of.push((right.resource, vec![right.verb])),
        }
    }
    let line = |(resource, verbs): (&str, Vec<&str>)| format!("{} {resource}", verbs.join("/"));
    of.into_iter().map(line).collect()
}

/// Returns the command that gives a user the role of kaiwo's users in a namespace.
fn bind(namespace: &str, user: Option<&str>) -> Command {
    let account = user
        .and_then(|user| user.strip_prefix("system:serviceaccount:"))
        .and_then(|account| account.split_once(':'));
    let name = |user: &str| {
        let word = user.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        format!("kaiwo-{}", word.to_ascii_lowercase())
    };
    const ROLE: &str = "-n {} create rolebinding {} --clusterrole=kaiwo-submit";
    match (user, account) {
        (_, Some((of, account))) => kubectl(ROLE, &[namespace, &name(account)])
            .form("--serviceaccount={}:{}", &[of, account]),
        (Some(user), None) => kubectl(ROLE, &[namespace, &name(user)]).form("--user={}", &[user]),
        (None, None) => kubectl(ROLE, &[namespace, "kaiwo-users"]).form("--user={USER}", &[]),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::observe::doctor::testing::evidence;

    fn granted(rules: serde_json::Value) -> Option<Granted> {
        Some(Granted {
            rules: serde_json::from_value(json!({"resourceRules": rules})).unwrap(),
            verdicts: BTreeMap::new(),
        })
    }

    #[test]
    fn what_a_command_lacks_is_told_with_the_role_that_has_it() {
        let mut evidence = evidence();
        evidence.granted =
            granted(json!([{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]));
        let (commands, check) = by_command(&evidence);
        assert_eq!(check.state, State::Ok);
        // KAITO is not installed.
        assert!(
            commands
                .iter()
                .all(|it| it.allowed && it.command != "serve --model")
        );

        evidence.granted = granted(json!([
            {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "resourceNames": ["x"]},
            {"verbs": ["get"], "apiGroups": ["batch"], "resources": ["jobs"]},
        ]));
        let (commands, check) = by_command(&evidence);
        assert_eq!(check.state, State::Problem);
        assert!(check.summary.contains("no command"), "{check:?}");
        let submit = commands.iter().find(|it| it.command == "submit").unwrap();
        assert_eq!(submit.missing[0], "create/delete jobs");
        let command = check.remedies[0].command.as_ref().unwrap();
        assert_eq!(
            *command,
            "kubectl -n ml create rolebinding kaiwo-alice --clusterrole=kaiwo-submit --user=alice"
        );
        let account = bind("ml", Some("system:serviceaccount:ci:runner"));
        assert_eq!(
            account,
            "kubectl -n ml create rolebinding kaiwo-runner --clusterrole=kaiwo-submit --serviceaccount=ci:runner"
        );
    }

    #[test]
    fn what_an_admin_may_keep_is_a_warning_and_a_verdict_counts() {
        let mut evidence = evidence();
        let all = needed(|group| is_served(group, &evidence.groups));
        let verdicts = all.iter().map(|right| {
            (
                *right,
                (right.resource, right.verb) != ("localqueues", "create"),
            )
        });
        evidence.granted = Some(Granted {
            rules: Rules::default(),
            verdicts: verdicts.collect(),
        });
        let (_, check) = by_command(&evidence);
        assert_eq!(check.state, State::Warning);
        assert_eq!(
            check.evidence,
            ["submit -q CLUSTERQUEUE: create localqueues"]
        );
        evidence.granted = None;
        assert_eq!(by_command(&evidence).1.state, State::Unknown);
    }
}
