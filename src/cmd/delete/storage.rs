//! The claims of `--keep-storage`, which stay unless `--with-storage` is given.

use std::time::{Duration, Instant};

use super::{GONE, POLL, Run, cannot_delete};
use crate::cluster::submission::deletion::Doomed;
use crate::cluster::submission::kept_claim::{KeptClaim, kept_claims};
use crate::error::{CommandError, ErrorClass};
use crate::suggestion::{Suggestion, kaiwo, kubectl};
use crate::time::Seconds;
use crate::ui::deletion::{DeletionOutcome, Item};

impl Run<'_> {
    /// Lists the claims that are to go.
    pub(super) async fn list_storage(&mut self) -> Result<(), CommandError> {
        if self.args.with_storage {
            let selector = self.args.selector.as_deref().unwrap_or_default();
            let listed = kept_claims(&self.place.cluster, &self.place.namespace, selector);
            self.claims = listed.await?;
        }
        Ok(())
    }

    /// Has the claims go with their workloads, unless another one mounts them.
    pub(super) async fn take_storage(&self, doomed: &mut [Doomed]) -> Result<(), CommandError> {
        for claim in &self.claims {
            let own = |one: &&mut Doomed| one.workload.metadata.name == claim.instance;
            if let Some(one) = doomed.iter_mut().find(own) {
                one.take(claim.clone());
            }
        }
        let going: Vec<String> = doomed.iter().map(|it| it.workload.display_name()).collect();
        let with_workloads = doomed.iter().flat_map(|one| &one.storage);
        for claim in with_workloads.chain(self.storage.iter().map(|(_, claim)| claim)) {
            let (cluster, namespace) = (&self.place.cluster, &self.place.namespace);
            let users = claim.users(cluster, &self.place.served, namespace).await?;
            let mut staying = users
                .iter()
                .filter(|user| !going.contains(&user.display_name()));
            if let Some(user) = staying.next() {
                let name = user.display_name();
                let form = match user.is_kaiwos() {
                    true => "delete {} --with-storage -n {}",
                    false => "delete {} --with-storage -n {} --force",
                };
                let command = kaiwo(form, &[&name, namespace]);
                let hint = command.to("or delete that workload first, with the claim");
                return Err(in_use(claim, &name, hint));
            }
            let pods = claim.other_pods(cluster, namespace).await?;
            if let Some((pod, workload)) = pods.first() {
                let hint = match workload {
                    Some(workload) => kaiwo("delete {} -n {}", &[workload, namespace])
                        .to("or delete its workload first"),
                    None => kubectl("-n {} delete pod {}", &[namespace, pod])
                        .to("or delete that pod first"),
                };
                return Err(in_use(claim, &format!("pod/{pod}"), hint));
            }
        }
        Ok(())
    }

    /// Says which claims stay, and how they go.
    pub(super) fn tell_kept(&self, one: &Doomed) {
        let name = &one.workload.metadata.name;
        let own = format!("persistentvolumeclaim/{name}-scratch");
        if one.kept.contains(&own) {
            let command = kaiwo("delete {} --with-storage", &[name]);
            self.ui.status(format!(
                "  {own} is kept with its data; to delete it: {}",
                command.line(self.ui.connection())
            ));
        }
    }

    /// Returns how the claim of a workload that is gone is deleted, if there is one.
    pub(super) async fn storage_of(&self, name: &str) -> Option<Suggestion> {
        let listed = kept_claims(&self.place.cluster, &self.place.namespace, "").await;
        let claims = listed.unwrap_or_default();
        let claim = claims.iter().find(|claim| claim.instance == name)?;
        let command = kaiwo("delete {} --with-storage", &[name]);
        Some(command.to(format!("{} is kept; to delete it", claim.display_name())))
    }

    /// Deletes the claims of workloads that are gone, and waits until they are, too.
    pub(super) async fn delete_storage(&mut self) {
        let limit = self.args.timeout.map_or(GONE, Seconds::duration);
        let deadline = Instant::now() + limit;
        for (wanted, claim) in std::mem::take(&mut self.storage) {
            let name = claim.display_name();
            let mut item = Item {
                outcome: DeletionOutcome::DryRun,
                object: wanted,
                with: vec![name.clone()],
                kept: Vec::new(),
                error: None,
            };
            if !self.args.dry_run {
                item.outcome = match self.remove(&claim, deadline, limit).await {
                    Ok(outcome) => outcome,
                    Err(error) => {
                        item.error = Item::failed(name, &error, self.ui.connection()).error;
                        self.code = self.code.max(self.complain(error));
                        DeletionOutcome::Failed
                    }
                };
            }
            self.items.push(item);
        }
    }

    async fn remove(
        &self,
        claim: &KeptClaim,
        deadline: Instant,
        limit: Duration,
    ) -> Result<DeletionOutcome, CommandError> {
        let (cluster, namespace) = (&self.place.cluster, &self.place.namespace);
        let name = claim.display_name();
        let deleted = claim.delete(cluster, namespace).await;
        deleted.map_err(|error| cannot_delete(error, &name))?;
        while !self.args.no_wait && claim.is_there(cluster, namespace).await? {
            if Instant::now() >= deadline {
                let words = format!("{name} is still being deleted after {} s", limit.as_secs());
                return Err(CommandError::new(ErrorClass::TimedOut, words)
                    .hint("a pod still mounts it")
                    .about(name));
            }
            tokio::time::sleep(POLL).await;
        }
        let (outcome, words) = match self.args.no_wait {
            true => (DeletionOutcome::Deleting, "is being deleted"),
            false => (DeletionOutcome::Deleted, "deleted"),
        };
        self.ui.status(format!("{name} {words}"));
        Ok(outcome)
    }
}

/// Returns the error that a claim has another user.
fn in_use(claim: &KeptClaim, user: &str, hint: Suggestion) -> CommandError {
    let name = claim.display_name();
    let words = format!("{user} also mounts {name}, so nothing was deleted");
    CommandError::new(ErrorClass::Refused, words)
        .hint("remove --with-storage to keep it")
        .hint(hint)
        .about(name)
}
