//! How a submission ends: what is told of it, and what a dry run of the API server says.

use crate::change::existing::{self, Existing};
use crate::cluster::Cluster;
use crate::cluster::submission::SubmissionError;
use crate::error::CommandError;
use crate::kind::WorkloadKind;
use crate::plan::Plan;
use crate::plan::action::Relation;
use crate::plan::request::WorkloadRequest;
use crate::render;
use crate::render::manifest::{Manifest, ManifestSet};
use crate::settings::Format;
use crate::ui::document::{document, json_line};
use crate::ui::report::{self, Outcome};

use super::preflight::{Detour, Preflight};
use super::{Change, Mode, conflict_hints};
use crate::cmd::help::cannot_write;

impl Mode<'_> {
    /// Returns the error that the name is taken.
    pub(super) fn taken(
        &self,
        relation: Relation,
        request: &WorkloadRequest,
        existing: Option<&Existing>,
    ) -> CommandError {
        let object = request.display_name();
        let exists = SubmissionError::Exists { object, relation };
        let mut error = conflict_hints::ways_out(exists, request, existing);
        if (request.kind, relation) == (WorkloadKind::Workspace, Relation::Different) {
            error.notes.push(
                "KAITO accepts most changes of a Workspace but applies none (v0.12), so nothing was sent"
                    .to_owned(),
            );
        }
        error
    }

    /// Carries out `--dry-run=server`: prints what the API server would store.
    pub(super) async fn check(
        &self,
        cluster: &Cluster,
        change: &Change<'_>,
    ) -> Result<Option<Detour>, CommandError> {
        let Change {
            intent,
            plan,
            manifests,
        } = *change;
        let request = &plan.request;
        let answers;
        let objects: Vec<&Manifest> = if manifests.namespace.is_some() {
            self.ui.warn(format!(
                "namespace {} does not exist yet, so the API server could not check what would be created in it",
                request.namespace
            ));
            manifests.iter().collect()
        } else {
            answers = match self.preflight(cluster, intent, plan, manifests).await? {
                Preflight::Taken(answers) => answers,
                Preflight::Elsewhere(detour) => return Ok(Some(detour)),
            };
            self.ui.status("  accepted by the API server (dry run)");
            answers.iter().collect()
        };
        let planned = Some((plan, manifests));
        self.print(Outcome::DryRun, Some(cluster), request, planned, &objects)?;
        Ok(None)
    }

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
