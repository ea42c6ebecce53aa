//! Explains why an array that runs does not get more slots: Kueue gives them all at once
//! or not at all.

use super::lacking;
use crate::api::kueue_workload::KueueWorkload;
use crate::api::vendor::is_gpu_resource;
use crate::observe::why::evidence::Evidence;
use crate::observe::why::finding::{Cause, Finding, Who};
use crate::observe::why::quota_contention::{Contest, QuotaRow};

/// Says what the slots beyond those of `running` wait for.
pub(in crate::observe::why) fn waiting(
    evidence: &Evidence,
    running: &KueueWorkload,
    own: &KueueWorkload,
    contest: &Contest,
) -> Finding {
    let slots = running.admitted_pods().unwrap_or(0);
    let wanted: i64 = own.spec.pod_sets.iter().map(|set| set.count).sum();
    let runs = format!("it runs with {slots} of {wanted} slots");
    // Each slot has one pod.
    let fitting = |row: &QuotaRow| {
        let each = row.requested.part(wanted);
        Some(row.free?.holds(each))
    };
    let rows = contest.quota.iter();
    let rows = rows.filter(|row| is_gpu_resource(&row.resource));
    let fits = rows.filter_map(fitting).max().filter(|fits| *fits > slots);
    let never = contest
        .quota
        .iter()
        .find(|row| row.most.is_some_and(|most| most < row.requested));
    let finding = match (never, lacking(contest).first()) {
        (Some(row), _) => Finding::new(
            Cause::ExceedsMaximum,
            format!(
                "{runs}, and can never have all of them: they need {} {}, but the queue provides at most {} ({})",
                row.requested,
                row.resource,
                row.most.unwrap_or_default(),
                row.flavor
            ),
        ),
        (None, Some(row)) => Finding::new(
            Cause::WaitingForQuota,
            format!(
                "{runs}; the others wait for quota: {} more {} in flavor {}",
                row.missing().unwrap_or_default(),
                row.resource,
                row.flavor
            ),
        )
        .nobody("they start together once that is free"),
        (None, None) => Finding::new(
            Cause::WaitingForQuota,
            format!("{runs}; the others wait for quota"),
        )
        .nobody("they start together once there is quota for all of them"),
    };
    let slots = fits.unwrap_or(slots).to_string();
    let resize = evidence.snapshot.workload.command("resize {} -n {}");
    let resize = resize.form("--slots {}", &[&slots]);
    finding.remedy(Who::You, "request as many as fit now", resize)
}
