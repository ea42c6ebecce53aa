//! The words of Kubernetes, Kueue, container runtimes, registries and Ray.

use kaiwo::observe::upstream::api_server::{self, Rejection};
use kaiwo::observe::upstream::kubelet::{self, End, Missing, SetUp, Waiting};
use kaiwo::observe::upstream::kueue::{eviction, is_of_twin, preemptor, quota_blockers};
use kaiwo::observe::upstream::output::{self, Mistake};
use kaiwo::observe::upstream::ray::{self, DriverFailure};
use kaiwo::observe::upstream::registry::{self, PullFailure};
use kaiwo::observe::upstream::scheduler::{self, SchedulerMessage, Useless};
use proptest::prelude::*;

use crate::common::mutation::texts;

/// Reasons of conditions, events and containers beside which the words are read.
const REASONS: [&str; 10] = [
    "",
    "Pending",
    "Inadmissible",
    "WaitingForQuota",
    "AdmissionGated",
    "Preempted",
    "DeactivatedDueToAdmissionCheck",
    "ErrImagePull",
    "CrashLoopBackOff",
    "FailedCreate",
];
/// Most that is said around a message.
const AROUND: usize = 200;

/// Returns whether what is told of a message is hardly longer than the message.
fn is_bounded(told: &str, message: &str) -> bool {
    told.len() <= message.len() + AROUND
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn scheduler_and_kueue(text in texts(include_str!("corpus/upstream"))) {
        let read = SchedulerMessage::read(&text);
        let _ = (read.nodes_with("taint"), read.insufficient());
        let _ = (Useless::read(&text), scheduler::missing_claim(&text));
        let _ = scheduler::has_unbound_claims(&text);
        prop_assert!(text.starts_with(scheduler::without_preemption(&text)));
        for reason in REASONS {
            // Whatever Kueue says, something keeps the workload waiting.
            prop_assert!(!quota_blockers(reason, &text).is_empty());
            let _ = eviction(reason, &text);
        }
        let _ = (preemptor(&text), is_of_twin(&text));
    }

    #[test]
    fn nodes_and_registries(text in texts(include_str!("corpus/upstream"))) {
        for reason in REASONS.into_iter().chain([text.as_str()]) {
            let _ = (Waiting::read(reason), End::read(reason), SetUp::read(reason));
            let _ = (kubelet::was_taken_off(reason), kubelet::disruption(reason));
            let failure = PullFailure::read(reason, &text, "ghcr.io/org/image:1");
            let words = failure.words("ghcr.io/org/image:1", &text);
            prop_assert!(is_bounded(&words, &text), "{}", words);
        }
        let _ = (kubelet::probe_status(&text), kubelet::lacks_shell(&text), Missing::read(&text));
        prop_assert!(is_bounded(&kubelet::innermost(&text), &text));
        prop_assert!(is_bounded(&kubelet::start_failure(&text), &text));
        let _ = (registry::quoted(&text), registry::says_why(&text));
        let host = registry::host_of(&text);
        prop_assert!(host == "docker.io" || text.starts_with(host));
    }

    #[test]
    fn programs_and_api_servers(text in texts(include_str!("corpus/upstream")), most in 1..9_usize) {
        if let Some(failure) = DriverFailure::read(&text) {
            prop_assert!(is_bounded(&failure.words(), &text));
        }
        let _ = (ray::is_unwell(&text), Mistake::read(&text));
        prop_assert!(output::telling(&text, most).len() <= most);
        for told in [output::without_ids(&text), output::gist(&text), api_server::reason(&text)] {
            prop_assert!(is_bounded(&told, &text), "{}", told);
        }
        prop_assert!(!output::on_one_line(&text).trim_end().contains('\n'));
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let _ = output::exception(&lines);
        let _ = (Rejection::read(&text), api_server::webhook(&text), api_server::is_refusal(&text));
    }
}
