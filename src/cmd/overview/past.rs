//! What `kaiwo history` and `kaiwo usage` have in common.

use k8s_openapi::jiff::Timestamp;

use crate::cli::PastArgs;
use crate::cluster::read::usage::accounts::Accounts;
use crate::cmd::target::{self, Reached};
use crate::error::{CommandError, ErrorClass};
use crate::observe::account::Period;
use crate::suggestion::kaiwo;
use crate::ui::Ui;

/// Connects to the cluster, for a namespace or all of them.
pub(super) async fn reach(args: &PastArgs, ui: Ui) -> Result<Reached, CommandError> {
    let namespace = match args.all_namespaces {
        true => String::new(),
        false => target::namespace(args.namespace.as_ref(), &args.connection)?,
    };
    Reached::reach(&args.connection, namespace, ui).await
}

/// Returns the period that is looked at.
pub(super) fn period(args: &PastArgs) -> Period {
    let to = Timestamp::now();
    let seconds = args.since.duration().as_secs();
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    let from = to.as_second().saturating_sub(seconds).max(0);
    Period {
        from: Timestamp::from_second(from).unwrap_or(Timestamp::UNIX_EPOCH),
        to,
    }
}

/// Returns where it was looked.
pub(super) fn place(place: &Reached) -> String {
    match place.namespace.as_str() {
        "" => "in any namespace".to_owned(),
        namespace => format!("in namespace {namespace}"),
    }
}

/// Keeps the accounts of one user, if one was typed.
pub(super) fn narrow(accounts: &mut Accounts, args: &PastArgs) {
    if let Some(user) = &args.user {
        accounts
            .all
            .retain(|account| account.user.as_deref() == Some(user.as_str()));
    }
}

/// Says what may not be listed.
pub(super) fn tell_hidden(accounts: &Accounts, ui: Ui) {
    for kind in &accounts.hidden {
        ui.status(match *kind {
            "Workloads" => {
                "you may not list Workloads: of each Job, only the last attempt is known".to_owned()
            }
            "pods" => "exit codes are unknown: you may not list pods".to_owned(),
            kind => format!("you may not list {kind}: those without a Workload are missing"),
        });
    }
}

/// Returns the error that nothing may be listed that tells of the past.
pub(super) fn denied(reached: &Reached, args: &PastArgs) -> CommandError {
    let words = format!(
        "not allowed: you may list neither Workloads nor Jobs {}",
        place(reached)
    );
    let error = CommandError::new(ErrorClass::Denied, words);
    match args.all_namespaces {
        true => error.hint(kaiwo("history -n {NAMESPACE}", &[]).to("look at one namespace")),
        false => error,
    }
}
