//! Makes a workload that is there what was asked for: a new version of it, the same
//! again, or an earlier one.

use std::collections::BTreeMap;

use crate::api::keys;
use crate::change::drift::Basis;
use crate::change::existing::Existing;
use crate::change::in_place::{in_place_block, replaces_pods};
use crate::change::metadata::annotation_of;
use crate::change::rbac::Needed;
use crate::change::record;
use crate::cluster::Cluster;
use crate::cluster::discovery;
use crate::cluster::read::facts;
use crate::cluster::submission::comparison::{Comparison, Difference};
use crate::cluster::submission::versions::Versions;
use crate::cluster::submission::{Submission, denied};
use crate::error::CommandError;
use crate::kind::WorkloadKind;
use crate::plan::action::Relation;
use crate::plan::facts::Facts;
use crate::plan::request::WorkloadRequest;
use crate::plan::rollout::{self, Rollout};
use crate::plan::{self, Plan};
use crate::render::manifest::{Manifest, ManifestSet};
use crate::render::support::recognise_uploads;
use crate::settings::DryRun;
use crate::ui::Ui;
use crate::ui::report::Outcome;

use super::inputs::random_word;
use super::{Mode, diff, target_line};
use crate::cmd::signals;

/// A change of a workload that is there.
pub struct InPlace<'a> {
    pub cluster: &'a Cluster,
    pub kind: WorkloadKind,
    pub old: &'a Existing,
    pub manifests: &'a ManifestSet,
    /// Where what is wanted is known from.
    pub basis: Basis,
}

impl<'a> InPlace<'a> {
    /// Returns the submission of it.
    pub fn submission(&self) -> Submission<'a> {
        let digest = self.manifests.workload.annotation(keys::DIGEST_ANNOTATION);
        let digest = digest.unwrap_or_default();
        Submission::new(self.cluster, self.kind, self.manifests, digest)
    }

    /// Returns the names of the records that are kept.
    fn versions(&self) -> Vec<String> {
        let named = self
            .manifests
            .workload
            .annotation(keys::VERSIONS_ANNOTATION);
        let own = || annotation_of(self.old.object(), keys::VERSIONS_ANNOTATION);
        // 0.1.0 knew of one.
        let older = || annotation_of(self.old.object(), keys::PREVIOUS_ANNOTATION);
        let names = named.or_else(own).or_else(older).unwrap_or_default();
        names.split_whitespace().map(str::to_owned).collect()
    }

    /// Compares it with what is there.
    pub async fn compare(
        &self,
        submission: &Submission<'a>,
    ) -> Result<Comparison<'a>, CommandError> {
        let compared = submission
            .compare(Some(self.old), self.basis, &self.versions())
            .await;
        compared.map_err(|error| self.explained(error))
    }

    /// Carries it out.
    pub async fn carry_out(
        &self,
        submission: &Submission<'a>,
        comparison: &Comparison<'a>,
        ui: Ui,
    ) -> Result<(), CommandError> {
        let versions = self.versions();
        let progress = ui.progress("changing it");
        let steps = async { Ok(submission.converge(comparison, self.old, &versions).await?) };
        let done = signals::carry_out(submission, steps, ui).await;
        drop(progress);
        for warning in submission.warnings() {
            ui.warn(warning);
        }
        done.map_err(|error| self.explained(error))
    }

    fn explained(&self, error: CommandError) -> CommandError {
        let needed = Needed {
            manifests: self.manifests,
            replace: false,
            namespace_unseen: false,
        };
        denied::explain(error, &needed)
    }
}

/// What becomes of a submission that is there already.
pub enum Repeated {
    /// It was told how it ended.
    Told,
    /// It was changed by other means, and cannot be changed back.
    Drifted(Vec<Difference>),
}

/// Has everything say that this run writes it.
pub fn sign(manifests: &mut ManifestSet, identity: &str) {
    let kind = manifests.workload.kind().to_owned();
    let annotations = BTreeMap::from([
        (keys::SUBMISSION_ANNOTATION.to_owned(), identity.to_owned()),
        (keys::KIND_ANNOTATION.to_owned(), kind),
    ]);
    let companions = manifests.companions.iter_mut();
    for manifest in companions.chain([&mut manifests.workload]) {
        manifest.annotate(&annotations);
    }
}

impl Mode<'_> {
    /// Changes a workload in place.
    pub(in crate::cmd) async fn update(
        &self,
        cluster: &Cluster,
        plan: &Plan,
        mut manifests: ManifestSet,
        old: &Existing,
    ) -> Result<(), CommandError> {
        let request = &plan.request;
        let kind = request.kind;
        if let Some(relation) = in_place_block(&manifests.workload, old.object()) {
            return Err(self.taken(relation, request, Some(old)));
        }
        if kind.keeps_versions() {
            let versions = Versions::read(cluster, old, old.manifest(kind)).await?;
            let run = manifests.workload.annotation(keys::SUBMISSION_ANNOTATION);
            let run = run.unwrap_or_default().to_owned();
            let warning = versions.add_records(&mut manifests, &run, false).await?;
            if let Some(warning) = warning {
                self.ui.warn(warning);
            }
        }
        manifests.give_owner(old.uid());
        let change = InPlace {
            cluster,
            kind,
            old,
            manifests: &manifests,
            basis: Basis::Asked,
        };
        let submission = change.submission();
        let comparison = change.compare(&submission).await?;
        if self.diff {
            return self.print_diff(cluster, &request.namespace, &comparison);
        }
        diff::tell(&comparison, self.ui);
        if replaces_pods(&comparison.workload.changes) {
            rollout::check_pause(plan.rollout, &request.name, request.allow_downtime)?;
        }
        let planned = Some((plan, &manifests));
        if self.dry_run == DryRun::Server {
            self.ui.status("  accepted by the API server (dry run)");
            let answers = comparison.answers();
            let answers: Vec<&Manifest> = answers.iter().collect();
            return self.print(Outcome::DryRun, Some(cluster), request, planned, &answers);
        }
        change.carry_out(&submission, &comparison, self.ui).await?;
        let objects: Vec<&Manifest> = manifests.iter().collect();
        self.print(Outcome::Updated, Some(cluster), request, planned, &objects)
    }

    /// Compares a workload of the same submission with what was asked for, and makes
    /// of it and of what goes with it what it is not.
    pub(in crate::cmd) async fn restore(
        &self,
        cluster: &Cluster,
        request: &WorkloadRequest,
        facts: &Facts,
        old: &Existing,
    ) -> Result<Repeated, CommandError> {
        let (kind, namespace) = (request.kind, &request.namespace);
        self.ui
            .status(target_line(cluster, request, request.queue.as_deref()));
        let Some((mut manifests, basis)) = self.wanted(cluster, request, facts, old).await? else {
            // It could not be submitted now, and nobody can tell what it was.
            return match self.diff {
                true => diff::print(cluster, namespace, &[], self.output, self.ui),
                false => self.print_kept(Outcome::Unchanged, cluster, request, old),
            }
            .map(|()| Repeated::Told);
        };
        manifests.give_owner(old.uid());
        let mut change = InPlace {
            cluster,
            kind,
            old,
            manifests: &manifests,
            basis,
        };
        let mut submission = change.submission();
        let mut comparison = change.compare(&submission).await?;
        if comparison.changes_workload() {
            if !kind.updates_in_place() {
                return Ok(Repeated::Drifted(comparison.differences()));
            }
            if let Some(relation) = in_place_block(&manifests.workload, old.object()) {
                return Err(self.taken(relation, request, Some(old)));
            }
        }
        if self.diff {
            self.print_diff(cluster, namespace, &comparison)?;
            return Ok(Repeated::Told);
        }
        if comparison.is_settled() {
            self.print_kept(Outcome::Unchanged, cluster, request, old)?;
            return Ok(Repeated::Told);
        }
        let ordered;
        if let (true, Some(running)) = (replaces_pods(&comparison.workload.changes), old.running())
        {
            let facts = facts::of_nodes(cluster, "").await?;
            let may_pause = request.allow_downtime;
            let value = manifests.workload.value();
            let rollout = Rollout::of_manifest(value, running, &facts, may_pause);
            rollout::check_pause(rollout, &request.name, may_pause)?;
            ordered = {
                let mut ordered = manifests.clone();
                ordered.workload.set_rollout(rollout);
                ordered
            };
            change.manifests = &ordered;
            submission = change.submission();
            comparison = change.compare(&submission).await?;
        }
        let differences = comparison.differences();
        self.tell_drift(request, &comparison);
        if self.dry_run == DryRun::Server {
            self.ui.status("  accepted by the API server (dry run)");
            let answers = comparison.answers();
            let answers: Vec<&Manifest> = answers.iter().collect();
            self.print(Outcome::DryRun, Some(cluster), request, None, &answers)?;
            return Ok(Repeated::Told);
        }
        change.carry_out(&submission, &comparison, self.ui).await?;
        let outcome = match kind.is_batch() || differences.is_empty() {
            true => Outcome::Unchanged,
            false => Outcome::Updated,
        };
        self.print_kept(outcome, cluster, request, old)?;
        Ok(Repeated::Told)
    }

    /// Returns what the submission wanted, if that can be told: what its record says,
    /// or else what it would be now.
    async fn wanted(
        &self,
        cluster: &Cluster,
        request: &WorkloadRequest,
        facts: &Facts,
        old: &Existing,
    ) -> Result<Option<(ManifestSet, Basis)>, CommandError> {
        let identity = random_word(12);
        let rendered = self
            .render_again(cluster, request, facts, old, &identity)
            .await?;
        let recorded = match request.kind.keeps_versions() {
            true => {
                let present = old.manifest(request.kind);
                let versions = Versions::read(cluster, old, present).await?;
                versions.present(rendered.as_ref(), &identity).await?
            }
            false => None,
        };
        let is_recorded = annotation_of(old.object(), keys::VERSIONS_ANNOTATION).is_some();
        Ok(match (recorded, rendered) {
            (Some(recorded), rendered) => {
                let mut set = match rendered {
                    Some(rendered) => ManifestSet {
                        companions: recorded.companions,
                        records: recorded.records,
                        workload: recorded.workload,
                        ..rendered
                    },
                    None => recorded,
                };
                set.workload.keep_rollout(old.object());
                discovery::resolve(cluster, &mut set).await?;
                sign(&mut set, &identity);
                Some((set, Basis::Recorded))
            }
            (None, Some(mut rendered)) => {
                rendered.workload.keep_rollout(old.object());
                // The run that served it died before it was recorded.
                if is_recorded && request.kind.keeps_versions() {
                    let companions = rendered.companions.iter();
                    let record = record::record(&rendered.workload, companions, &identity);
                    rendered.records.extend(record);
                }
                Some((rendered, Basis::Rendered))
            }
            (None, None) => None,
        })
    }

    /// Renders a submission that is there already, where it can be planned.
    async fn render_again(
        &self,
        cluster: &Cluster,
        request: &WorkloadRequest,
        facts: &Facts,
        old: &Existing,
        identity: &str,
    ) -> Result<Option<ManifestSet>, CommandError> {
        let queue = old.queue().unwrap_or_default();
        let mut facts = facts.clone();
        let is_there = match &mut facts {
            Facts::Live(facts) if !queue.is_empty() => plan::kueue::queue::leave_only(facts, queue),
            _ => None,
        };
        let mut plan = match plan::plan(request.clone(), &facts) {
            Ok(plan) => plan,
            Err(refusal) => {
                if is_there == Some(false) {
                    self.ui.warn(format!(
                        "its LocalQueue {queue} does not exist and cannot be created: {refusal}"
                    ));
                }
                return Ok(None);
            }
        };
        recognise_uploads(&mut plan, old.object());
        let (_, mut manifests) = self.render(plan, None, Some(identity))?;
        discovery::resolve(cluster, &mut manifests).await?;
        manifests.namespace = None;
        manifests.local_queue = manifests
            .local_queue
            .filter(|_| is_there == Some(false))
            .map(|made| made.renamed(queue));
        if let Some(queue) = manifests.local_queue.as_ref().filter(|_| !self.diff) {
            let name = queue.display_name();
            self.ui
                .status(format!("  {name} was missing and is created"));
        }
        Ok(Some(manifests))
    }

    /// Says what is not as it was served.
    fn tell_drift(&self, request: &WorkloadRequest, comparison: &Comparison<'_>) {
        let found = comparison.differences();
        let is_queue = |it: &Difference| it.object.starts_with("localqueue/");
        if found.iter().all(is_queue) {
            return;
        }
        let name = request.display_name();
        self.ui
            .status(format!("  {name} was changed by others; restoring:"));
        for difference in found {
            self.ui.status(format!("  {difference}"));
        }
    }

    fn print_diff(
        &self,
        cluster: &Cluster,
        namespace: &str,
        comparison: &Comparison<'_>,
    ) -> Result<(), CommandError> {
        let found = comparison.differences();
        diff::print(cluster, namespace, &found, self.output, self.ui)
    }

    /// Returns the error that a workload was changed by other means.
    pub(in crate::cmd) fn drifted(
        &self,
        changes: &[Difference],
        request: &WorkloadRequest,
        old: &Existing,
    ) -> CommandError {
        let mut error = self.taken(Relation::Changed, request, Some(old));
        error
            .notes
            .extend(changes.iter().map(Difference::to_string));
        error
    }

    fn print_kept(
        &self,
        outcome: Outcome,
        cluster: &Cluster,
        request: &WorkloadRequest,
        old: &Existing,
    ) -> Result<(), CommandError> {
        let object = Manifest::new(old.object().clone()).ok();
        let objects: Vec<&Manifest> = object.iter().collect();
        self.print(outcome, Some(cluster), request, None, &objects)
    }
}
