//! Tells how a submission ended.

use super::Mode;
use crate::change::existing;
use crate::cluster::Cluster;
use crate::cmd::help::cannot_write;
use crate::error::CommandError;
use crate::plan::Plan;
use crate::plan::request::WorkloadRequest;
use crate::render;
use crate::render::manifest::{Manifest, ManifestSet};
use crate::settings::Format;
use crate::ui::document::{document, json_line};
use crate::ui::report::{self, Outcome};

impl Mode<'_> {
    /// Tells how a submission ended: to people on stderr, as data on stdout
    /// in the form that was asked for.
    pub(super) fn print(
        &self,
        outcome: Outcome,
        cluster: Option<&Cluster>,
        request: &WorkloadRequest,
        planned: Option<(&Plan, &ManifestSet)>,
        objects: &[&Manifest],
    ) -> Result<(), CommandError> {
        let warnings = cluster.map(Cluster::warnings).unwrap_or_default();
        let submission = report::SubmissionReport {
            outcome,
            warnings: &warnings,
            dry_run: self.dry_run,
            context: cluster.map(Cluster::context),
            request,
            planned,
            objects,
            show_manifests: self.args.show_manifests,
        };
        if outcome != Outcome::DryRun {
            self.ui.status(submission.headline());
            let next = submission.next();
            next.iter().for_each(|next| self.ui.suggest(next));
        }
        if self.output == Some(Format::Yaml) || self.args.show_manifests {
            let secrets = objects.iter().filter(|object| object.is_secret());
            secrets.for_each(|secret| self.ui.suggest(&report::unprinted(secret)));
        }
        let text = match self.output {
            None => return Ok(()),
            // Events follow it, a line each.
            Some(Format::Json) if self.wait.is_some() => json_line(&submission.report()),
            Some(Format::Yaml) => {
                let shown = objects.iter().filter(|object| !object.is_secret());
                render::manifest::to_yaml(shown.copied())
            }
            // The workload comes last, and the rest is found by it.
            Some(Format::Name) => {
                let resource = existing::resource(request.kind, request.kind.api_version());
                let named = || resource.qualified_name(&request.name);
                objects
                    .last()
                    .map_or_else(named, |last| last.qualified_name())
                    + "\n"
            }
            format => document(&submission.report(), format).unwrap_or_default(),
        };
        self.ui.data(&text).map_err(cannot_write)
    }
}
