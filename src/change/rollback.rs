//! Decides which workloads a rollback is possible for, and what it has led to.

use super::version::{History, Return};
use crate::kind::WorkloadKind;
use crate::plan::Refusal;
use crate::suggestion::{Suggestion, kaiwo};

/// Checks that versions of `object`, which is of this kind, are kept.
///
/// # Errors
/// [`Refusal`] if they are not.
pub fn check(kind: WorkloadKind, object: &str) -> Result<(), Refusal> {
    if kind.keeps_versions() {
        return Ok(());
    }
    let words = format!("{object} has no versions: only Deployments and RayServices keep them");
    Err(Refusal::new(words)
        .hint("run or serve it again with --replace")
        .about(object))
}

/// Refuses to roll back what was deleted meanwhile.
pub fn gone(object: &str) -> Refusal {
    Refusal::new(format!("{object} was deleted")).about(object)
}

impl History {
    /// Says which version `object` is at after a rollback, and how to get to another.
    /// `is_another` if it was at another one before.
    pub fn ending(
        &self,
        object: &str,
        namespace: &str,
        target: &Return,
        is_another: bool,
    ) -> (String, Option<Suggestion>) {
        let to = |name: &str| {
            kaiwo(
                "serve --rollback {} --to {} -n {}",
                &[object, self.version(name), namespace],
            )
        };
        match target {
            Return::Done(name, last) => (
                format!(
                    "{object} is at version {}: it was rolled back from {}",
                    self.version(name),
                    self.version(last)
                ),
                Some(to(last).to("to undo the rollback")),
            ),
            Return::To(name) if is_another => (
                format!("{object} rolled back to version {}", self.version(name)),
                Some(to(self.present()).to("to roll back again")),
            ),
            Return::To(name) => (
                format!("{object} is at version {}", self.version(name)),
                None,
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suggestion::Connection;

    #[test]
    fn jobs_have_no_versions() {
        assert_eq!(check(WorkloadKind::RayService, "rayservice/a"), Ok(()));
        let refusal = check(WorkloadKind::Job, "job/a").unwrap_err();
        assert!(refusal.message.starts_with("job/a has no versions"));
        assert_eq!(refusal.object.as_deref(), Some("job/a"));
    }

    #[test]
    fn the_end_of_a_rollback_names_the_way_back() {
        let history = History::new("w", "2", "w-1 w-2", "w-1");
        let ending = |target: &Return, is_another| {
            let (words, next) = history.ending("deployment/w", "ml", target, is_another);
            (
                words,
                next.map(|next| next.text(&Connection::NONE))
                    .unwrap_or_default(),
            )
        };
        let back = Return::To("w-1".to_owned());
        let (words, next) = ending(&back, true);
        assert_eq!(words, "deployment/w rolled back to version 1");
        assert!(next.contains("--to 2 -n ml"), "{next}");
        let same = ending(&back, false);
        assert_eq!(
            same,
            ("deployment/w is at version 1".to_owned(), String::new())
        );
        let done = Return::Done("w-1".to_owned(), "w-2".to_owned());
        let (words, next) = ending(&done, false);
        assert_eq!(
            words,
            "deployment/w is at version 1: it was rolled back from 2"
        );
        assert!(next.contains("--to 2 -n ml"), "{next}");
    }
}
