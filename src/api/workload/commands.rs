//! Commands about a workload that kaiwo suggests.

use super::super::metadata::OwnerReference;
use super::Workload;
use crate::kind::WorkloadKind;
use crate::suggestion::{Command, kaiwo, kubectl};

impl Workload {
    /// Returns a command about it, with its name and its namespace in `form`.
    pub fn command(&self, form: &'static str) -> Command {
        kaiwo(form, &[&self.display_name(), &self.metadata.namespace])
    }

    /// Returns the command that takes it back to the version before this one, if
    /// that is kept.
    pub fn way_back(&self) -> Option<Command> {
        let annotations = &self.metadata.annotations;
        // After a rollback there is no way back without saying which.
        let mut versions = annotations.versions.split_whitespace().rev();
        let leads_back = match (versions.next(), versions.next()) {
            (None, _) => !annotations.previous.is_empty(),
            (Some(last), Some(_)) => {
                let digits = last.rsplit('-').next().unwrap_or_default();
                annotations.digest.starts_with(digits)
            }
            (Some(_), None) => false,
        };
        (leads_back && self.kind.keeps_versions())
            .then(|| self.command("serve --rollback {} -n {}"))
    }

    /// Returns whether kaiwo created it: labels may be lost.
    pub fn is_kaiwos(&self) -> bool {
        self.metadata.is_kaiwos() || !self.metadata.annotations.digest.is_empty()
    }

    /// Returns the command that deletes it: what kaiwo did not create only if that is
    /// forced, and what another object would make again with that object.
    pub fn deletion(&self) -> Command {
        let metadata = &self.metadata;
        let namespace = &metadata.namespace;
        if let Some(object) = &self.stands_for {
            let whole = object.part_of();
            let whole = whole.map_or_else(|| self.display_name(), whole_of);
            return kaiwo("delete {} -n {} --force", &[&whole, namespace]);
        }
        if self.is_kaiwos() {
            return self.command("delete {} -n {}");
        }
        let Some(owner) = metadata.owner_references.first() else {
            return self.command("delete {} -n {} --force");
        };
        match WorkloadKind::named(&owner.kind) {
            // What kaiwo's own schedules start has its labels.
            Some(WorkloadKind::CronJob) => {
                kaiwo("delete {} -n {} --force", &[&whole_of(owner), namespace])
            }
            Some(_) => kaiwo("delete {} -n {}", &[&whole_of(owner), namespace]),
            // kaiwo knows only what belongs to it.
            None => {
                let (group, _) = owner.api_version.split_once('/').unwrap_or_default();
                let kind = format!("{}.{group}", owner.kind.to_lowercase());
                let kind = kind.trim_end_matches('.');
                kubectl("-n {} delete {} {}", &[namespace, kind, &owner.name])
            }
        }
    }
}

/// Returns what people call an owner: `kind/name`.
pub fn whole_of(owner: &OwnerReference) -> String {
    format!("{}/{}", owner.kind.to_lowercase(), owner.name)
}
