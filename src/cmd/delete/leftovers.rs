//! What interrupted runs have left, which no workload has.

use futures_util::future::join_all;

use super::{Run, cannot_delete};
use crate::cluster::submission::leftover::{self, Leftover};
use crate::cmd::help::cannot_write;
use crate::cmd::target::Reached;
use crate::error::CommandError;
use crate::settings::Format;
use crate::ui::deletion::{DeletionOutcome, Item};

impl Run<'_> {
    /// Returns whether what a run has left is meant: if a kind was typed, not what
    /// was for a workload of another.
    pub(super) fn takes(&self, leftover: &Leftover) -> bool {
        let mut wanted = self.args.workload.iter();
        let other = wanted.find(|wanted| wanted.name == leftover.instance());
        let kind = other.and_then(|wanted| wanted.kind);
        let (Some(wanted), Some(own)) = (kind, leftover.kind()) else {
            return true;
        };
        wanted == own
    }

    /// Returns what is meant, and belongs to no workload.
    pub(super) async fn unused(
        &self,
        mut left: Vec<Leftover>,
    ) -> Result<Vec<Leftover>, CommandError> {
        let Reached {
            cluster, namespace, ..
        } = &self.place;
        left.retain(|leftover| self.takes(leftover));
        match left.is_empty() {
            true => Ok(left),
            false => Ok(leftover::without_living(cluster, namespace, left).await?),
        }
    }

    /// Deletes what runs have left under names that no workload has.
    pub(super) async fn delete_leftovers(&mut self) -> Result<(), CommandError> {
        let cluster = &self.place.cluster;
        let mut gone = String::new();
        for (name, left) in std::mem::take(&mut self.left) {
            let deletions = left.iter().map(async |one| match self.args.dry_run {
                true => (one, Ok(())),
                false => (one, one.delete(cluster).await),
            });
            let mut item = Item {
                outcome: match self.args.dry_run {
                    true => DeletionOutcome::DryRun,
                    false => DeletionOutcome::Deleted,
                },
                object: name.clone(),
                with: names_of(&left),
                kept: Vec::new(),
                error: None,
            };
            for (one, deleted) in join_all(deletions).await {
                match deleted {
                    Ok(()) => gone += &(one.resource.qualified_name(one.name()) + "\n"),
                    Err(error) => {
                        let name = one.display_name();
                        let error = cannot_delete(error, &name);
                        item.outcome = DeletionOutcome::Failed;
                        item.error = Item::failed(name, &error, self.ui.connection()).error;
                        self.code = self.code.max(self.complain(error));
                    }
                }
            }
            if item.outcome == DeletionOutcome::Deleted {
                self.ui.status(format!("leftovers of {name} deleted"));
            }
            self.items.push(item);
        }
        match self.output {
            Some(Format::Name) => self.ui.data(&gone).map_err(cannot_write),
            _ => Ok(()),
        }
    }
}

/// Names what is left.
pub(super) fn names_of(left: &[Leftover]) -> Vec<String> {
    left.iter().map(Leftover::display_name).collect()
}
