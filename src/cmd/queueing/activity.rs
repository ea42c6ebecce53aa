//! `kaiwo pause` and `kaiwo resume`.

use crate::change::queueing::{Wish, activity};
use crate::cli::{ChangeArgs, PauseArgs, ResumeArgs};
use crate::cluster::ClusterError;
use crate::error::{CommandError, ErrorClass};
use crate::settings::Format;
use crate::suggestion::kaiwo;
use crate::ui::Ui;
use crate::ui::queueing::ChangeOutcome;

use super::super::block_on;
use super::{Change, cannot_change, outcome};

/// Takes a workload out of its queue.
pub fn pause(args: &PauseArgs, ui: Ui, output: Option<Format>) -> Result<u8, CommandError> {
    run(&args.change, Wish::Pause, args.yes, ui, output)
}

/// Returns a workload to its queue.
pub fn resume(args: &ResumeArgs, ui: Ui, output: Option<Format>) -> Result<u8, CommandError> {
    run(&args.change, Wish::Resume, true, ui, output)
}

fn run(
    args: &ChangeArgs,
    wish: Wish,
    yes: bool,
    ui: Ui,
    output: Option<Format>,
) -> Result<u8, CommandError> {
    let active = wish == Wish::Resume;
    block_on(async {
        let change = Change::begin(args, wish, ui, output).await?;
        let subject = change.subject()?;
        let verdict = activity::set(&subject, active, change.kueue());
        let mut report = change.report(subject.queued);
        if let Some(outcome) = outcome(&verdict, args.dry_run) {
            report.outcome = outcome;
            return change.print(report);
        }
        let runs = subject.holds_quota();
        if !change.agreed(yes || !runs, "stop its pods and pause it?")? {
            return Ok(ErrorClass::Refused.exit_code());
        }
        let written = change.write(&verdict).await;
        let name = report.workload.clone();
        let parked = (!runs && !active).then_some((name.as_str(), report.namespace));
        written.map_err(|error| denied(error, parked))?;
        let follow = change.follow(|queued| queued.spec.active.unwrap_or(true) == active);
        let Some(after) = follow.await? else {
            return Err(change.not_followed());
        };
        report.outcome = ChangeOutcome::Changed;
        report.after = Some(after);
        if runs && !active {
            ui.status("  its pods are being stopped, and its quota is released");
        }
        change.print(report)?;
        if !active {
            let namespace = &change.target.place.namespace;
            let back = kaiwo("resume {} -n {}", &[&name, namespace]);
            ui.suggest(&back.to("to return it to its place"));
        }
        Ok(0)
    })
}

/// Returns the error of a write: few admins let users change Workloads. What waits can
/// be `parked` instead: its name and namespace.
fn denied(error: ClusterError, parked: Option<(&str, &str)>) -> CommandError {
    let lacks_right = error.is_missing_right();
    let error = cannot_change(
        error,
        "cluster-admins/rbac/pausing.yaml grants it, limited to pausing",
    );
    match parked.filter(|_| lacks_right) {
        Some((name, namespace)) => error.hint(
            kaiwo("move {} -n {} -q {QUEUE} --force", &[name, namespace])
                .to("or move it to a LocalQueue that is stopped, if the namespace has one"),
        ),
        None => error,
    }
}
