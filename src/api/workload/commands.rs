//! Commands about a workload that kaiwo suggests.

use super::Workload;
use crate::suggestion::{Command, kaiwo};

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

    /// Returns the command that deletes it: what is read by Kueue's Workload only if that
    /// is forced, and a group that its object would make again, with the object.
    pub fn deletion(&self) -> Command {
        let Some(object) = &self.stands_for else {
            return self.command("delete {} -n {}");
        };
        let whole = object.part_of();
        let whole = whole.map(|whole| format!("{}/{}", whole.kind.to_lowercase(), whole.name));
        let name = whole.unwrap_or_else(|| self.display_name());
        kaiwo(
            "delete {} -n {} --force",
            &[&name, &self.metadata.namespace],
        )
    }
}
