//! Decides what a submission is waited for.

use super::{is_on, is_typed};
use crate::kind::{Goal, WorkloadKind};
use crate::names::with_article;
use crate::plan::Refusal;
use crate::settings::Merged;
use crate::suggestion::kaiwo;

/// Returns what a submission is waited for, if it is; `writes_report` if stdout gets a
/// report of it.
///
/// # Errors
/// [`Refusal`] if a flag was typed that would have no effect.
pub fn goal(
    settings: &Merged,
    kind: WorkloadKind,
    writes_report: bool,
) -> Result<Option<Goal>, Refusal> {
    let follow = is_on(&settings.follow);
    if !follow && is_typed(&settings.log) {
        return Err(without_effect("--log", "--follow").hint("add --follow"));
    }
    if !follow && !is_on(&settings.wait) {
        let flags = [
            ("--timeout", is_typed(&settings.timeout)),
            ("--queue-timeout", is_typed(&settings.queue_timeout)),
            ("--notify", is_typed(&settings.notify)),
        ];
        return match flags.into_iter().find(|(_, typed)| *typed) {
            Some((flag, _)) => Err(without_effect(flag, "--wait or --follow").hint("add --wait")),
            None => Ok(None),
        };
    }
    if kind == WorkloadKind::CronJob {
        return match is_typed(&settings.wait) || is_typed(&settings.follow) {
            true => Err(
                Refusal::new("cannot wait for a CronJob: it never finishes").hint(
                    kaiwo("wait job/{NAME}", &[])
                        .to("remove --wait and --follow; to wait for a Job that it started"),
                ),
            ),
            // A file says it for what ends.
            false => Ok(None),
        };
    }
    if follow && writes_report {
        return Err(
            Refusal::new("-o cannot be combined with --follow: both write to stdout")
                .hint("remove -o, or use --wait instead of --follow"),
        );
    }
    Ok(Some(kind.descriptor().goal))
}

/// Checks that a workload of this kind can get there.
///
/// # Errors
/// [`Refusal`] if it cannot.
pub fn check(goal: Goal, kind: WorkloadKind) -> Result<(), Refusal> {
    match goal.is_in_reach(kind) {
        true => Ok(()),
        false => Err(Refusal::new(format!(
            "{} is never {goal}: it runs until it is deleted",
            with_article(kind.name())
        ))
        .hint("wait for it with: --for ready")),
    }
}

fn without_effect(flag: &str, needed: &str) -> Refusal {
    Refusal::new(format!("{flag} has no effect without {needed}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Origin, Settings, Switch};
    use crate::time::Seconds;

    const JOB: WorkloadKind = WorkloadKind::Job;

    fn from(origin: Origin, settings: Settings) -> Merged {
        Merged::merge([(origin, settings)])
    }

    fn refused(settings: Settings, kind: WorkloadKind, writes_report: bool) -> String {
        let merged = from(Origin::Flag, settings);
        goal(&merged, kind, writes_report).unwrap_err().message
    }

    fn on() -> Option<Switch> {
        Some(Switch(true))
    }

    #[test]
    fn a_submission_is_waited_for_if_that_is_said() {
        let of = |settings: Settings, kind| goal(&from(Origin::Flag, settings), kind, false);
        let wait = || Settings {
            wait: on(),
            ..Settings::default()
        };
        assert_eq!(of(Settings::default(), JOB), Ok(None));
        assert_eq!(of(wait(), JOB), Ok(Some(Goal::Done)));
        assert_eq!(of(wait(), WorkloadKind::Deployment), Ok(Some(Goal::Ready)));
    }

    #[test]
    fn what_is_typed_has_an_effect() {
        let timeout: Seconds = "2h".parse().unwrap();
        let limited = || Settings {
            timeout: Some(timeout),
            ..Settings::default()
        };
        let words = "--timeout has no effect without --wait or --follow";
        assert_eq!(refused(limited(), JOB, false), words);
        let logged = Settings {
            log: Some("a.log".into()),
            wait: on(),
            ..Settings::default()
        };
        let words = "--log has no effect without --follow";
        assert_eq!(refused(logged, JOB, false), words);
        // In a file it is meant for the submissions that wait.
        let file = from(Origin::Variable("KAIWO_TIMEOUT"), limited());
        assert_eq!(goal(&file, JOB, false), Ok(None));
    }

    #[test]
    fn a_cron_job_is_not_waited_for_and_stdout_has_one_writer() {
        let follow = || Settings {
            follow: on(),
            ..Settings::default()
        };
        let words = "cannot wait for a CronJob: it never finishes";
        assert_eq!(refused(follow(), WorkloadKind::CronJob, false), words);
        let variable = from(Origin::Variable("KAIWO_FOLLOW"), follow());
        assert_eq!(goal(&variable, WorkloadKind::CronJob, false), Ok(None));
        let words = "-o cannot be combined with --follow: both write to stdout";
        assert_eq!(refused(follow(), JOB, true), words);
    }

    #[test]
    fn a_service_is_never_done() {
        let refusal = check(Goal::Done, WorkloadKind::Deployment).unwrap_err();
        assert!(refusal.message.starts_with("a Deployment is never done"));
        assert_eq!(check(Goal::Ready, WorkloadKind::Deployment), Ok(()));
        assert_eq!(check(Goal::Done, JOB), Ok(()));
    }
}
