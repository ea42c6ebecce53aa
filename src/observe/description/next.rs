//! What one would type next.

use crate::api::workload::Workload;
use crate::kind::WorkloadKind;
use crate::observe::status::Status;
use crate::suggestion::Command;

/// Returns what one would type next, of a workload that may run in another cluster.
pub(super) fn next(workload: &Workload, status: Status, is_away: bool) -> Vec<Command> {
    let about = |form| workload.command(form);
    let mut next = Vec::new();
    if workload.is_array() {
        return next_of_array(workload, status, is_away);
    }
    let explained = !matches!(status, Status::Running | Status::Ready | Status::Succeeded);
    if explained {
        next.push(about("why {} -n {}"));
    }
    match status {
        // Its pods are in another cluster.
        _ if is_away => {}
        Status::Starting | Status::Running => next.push(about("logs {} -n {} -f")),
        Status::Ready | Status::Degraded | Status::Succeeded | Status::Failed => {
            next.push(about("logs {} -n {}"));
        }
        _ => {}
    }
    match (status, workload.kind) {
        _ if is_away => {}
        (Status::Running, kind) if kind.is_ray() => {
            next.push(about("port-forward {} -n {} --dashboard"));
        }
        (Status::Running, WorkloadKind::Job) => next.push(about("exec {} -n {}")),
        (Status::Ready, kind) if !kind.is_batch() => next.push(about("endpoint {} -n {}")),
        _ => {}
    }
    if status.is_waiting() || (is_away && !status.is_final()) {
        next.push(about("wait {} -n {}"));
    }
    next.push(workload.deletion());
    next
}

/// Likewise of an array, each of whose tasks has a log.
fn next_of_array(workload: &Workload, status: Status, is_away: bool) -> Vec<Command> {
    let about = |form| workload.command(form);
    let mut next = Vec::new();
    if workload.has_failed_tasks() && !is_away {
        next.push(about("logs {} -n {} --failed"));
    }
    if !matches!(status, Status::Succeeded | Status::Failed) {
        next.push(about("wait {} -n {}"));
    }
    next.push(workload.deletion());
    next
}
