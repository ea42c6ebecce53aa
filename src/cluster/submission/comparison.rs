//! Compares what is wanted with what is there, object by object. Each write is
//! rehearsed, so that the API server and its webhooks say what would become of it.

use futures_util::future::join_all;
use serde::Serialize;
use serde_json::Value;
use tokio::time::sleep;

use super::preflight::PreflightError;
use super::prune::Stale;
use super::{ATTEMPTS, POLL, Submission, occupied, secrets};
use crate::api::keys;
use crate::change::comparison::Change;
use crate::change::content::same_content;
use crate::change::drift::{self, Basis};
use crate::change::existing::Existing;
use crate::change::in_place::{self, merged_object};
use crate::change::metadata::{annotation_of, owners};
use crate::cluster::ClusterError;
use crate::cluster::client::request::Write;
use crate::cluster::objects::in_turns;
use crate::error::CommandError;
use crate::render::manifest::Manifest;

/// One thing that becomes different.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// `kind/name` of the object.
    pub object: String,
    /// The place in it; nothing if it is the whole object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// What happens there: `1 → 2`, `added`, `removed`, `changed`.
    pub change: String,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.path {
            Some(path) => write!(f, "{} {path}: {}", self.object, self.change),
            None => write!(f, "{}: {}", self.object, self.change),
        }
    }
}

/// An object beside what it is to be.
#[derive(Debug, Clone)]
pub struct ComparedObject<'a> {
    pub(in crate::cluster) manifest: &'a Manifest,
    /// As it was read; nothing if it is not there.
    pub(in crate::cluster) live: Option<Value>,
    /// What the API server would store.
    answer: Option<Value>,
    /// What becomes different.
    pub changes: Vec<Change>,
    /// Whether it has no owner yet, or is said to be of another version.
    pub(in crate::cluster) is_unmarked: bool,
}

impl ComparedObject<'_> {
    /// Returns its `kind/name`.
    pub fn display_name(&self) -> String {
        self.manifest.display_name()
    }

    /// Returns whether it is not what it is to be.
    pub(in crate::cluster) fn differs(&self) -> bool {
        self.live.is_none() || self.is_unmarked || !self.changes.is_empty()
    }

    fn differences(&self) -> Vec<Difference> {
        let object = self.manifest.display_name();
        let whole = |change: &str| Difference {
            object: object.clone(),
            path: None,
            change: change.to_owned(),
        };
        match self.live {
            None => vec![whole("added")],
            Some(_) => within(self.manifest, &self.changes).collect(),
        }
    }
}

/// All that a change is about.
#[derive(Debug)]
pub struct Comparison<'a> {
    /// Claims, uploads, and the records of versions, which only add.
    pub(in crate::cluster) additions: Vec<ComparedObject<'a>>,
    /// What goes with the workload.
    pub(in crate::cluster) companions: Vec<ComparedObject<'a>>,
    pub workload: ComparedObject<'a>,
    /// What this version does without.
    pub(in crate::cluster) stale: Vec<Stale>,
    /// Uploads and records that nothing needs any more.
    pub(in crate::cluster) superfluous: Vec<Stale>,
    /// Whether the workload's digest is another.
    pub(in crate::cluster) is_new_version: bool,
}

impl Comparison<'_> {
    /// Returns what becomes different for whoever uses the service.
    pub fn differences(&self) -> Vec<Difference> {
        let added = self.additions.iter().filter(|it| !is_record(it.manifest));
        let items = added.chain(&self.companions).chain([&self.workload]);
        let mut found: Vec<Difference> = items.flat_map(ComparedObject::differences).collect();
        found.extend(self.stale.iter().map(|stale| Difference {
            object: stale.display_name(),
            path: None,
            change: "removed".to_owned(),
        }));
        found
    }

    /// Returns whether anything is to be written at all.
    pub fn is_settled(&self) -> bool {
        let items = self.additions.iter().chain(&self.companions);
        !self.changes_workload()
            && self.stale.is_empty()
            && self.superfluous.is_empty()
            && !items.into_iter().any(ComparedObject::differs)
    }

    /// Returns whether the workload itself is written.
    pub fn changes_workload(&self) -> bool {
        self.is_new_version || !self.workload.changes.is_empty()
    }

    /// Returns what the API server would store, in the order of the set.
    pub fn answers(&self) -> Vec<Manifest> {
        let added = self.additions.iter().filter(|it| !is_record(it.manifest));
        let items = added.chain(&self.companions).chain([&self.workload]);
        let answers = items.map(|item| {
            let answer = item.answer.clone().and_then(|mut answer| {
                if let Some(metadata) = answer["metadata"].as_object_mut() {
                    metadata.remove("managedFields");
                }
                item.manifest.answered(answer)
            });
            answer.unwrap_or_else(|| item.manifest.clone())
        });
        answers.collect()
    }
}

fn is_record(manifest: &Manifest) -> bool {
    manifest.value()["metadata"]["labels"][keys::APP_COMPONENT_LABEL] == keys::REVISION
}

impl<'a> Submission<'a> {
    /// Compares everything with what is there; nothing is, where there is no workload
    /// yet. Each write that would follow is rehearsed.
    ///
    /// # Errors
    /// [`PreflightError`] for the first write that the API server would refuse,
    /// [`super::SubmissionError`] if it cannot be asked, or a name is taken.
    pub async fn compare(
        &self,
        old: Option<&Existing>,
        basis: Basis,
        versions: &[String],
    ) -> Result<Comparison<'a>, CommandError> {
        let set = self.manifests;
        let additions = set.shared().chain(&set.uploads).chain(&set.records);
        let additions = additions.map(|manifest| self.addition(manifest, old));
        let companions = set.companions.iter();
        let companions = companions.map(|manifest| self.companion(manifest, old, basis));
        let stale = async {
            match old.filter(|_| self.kind.updates_in_place()) {
                Some(old) => {
                    let stale = self.stale_companions(old, &[]).await?;
                    Ok((stale, self.superfluous(old, versions).await?))
                }
                None => Ok((Vec::new(), Vec::new())),
            }
        };
        let (additions, companions, workload, stale) = tokio::join!(
            in_turns(additions),
            join_all(companions),
            self.workload(old, basis),
            stale
        );
        let (stale, superfluous) = stale.map_err(|error: super::SubmissionError| error)?;
        let digest = set.workload.annotation(keys::DIGEST_ANNOTATION);
        Ok(Comparison {
            additions: additions.into_iter().collect::<Result<_, _>>()?,
            companions: companions.into_iter().collect::<Result<_, _>>()?,
            workload: workload?,
            stale,
            superfluous,
            is_new_version: old
                .is_none_or(|old| annotation_of(old.object(), keys::DIGEST_ANNOTATION) != digest),
        })
    }

    /// Compares what is named by its content, or shared.
    async fn addition(
        &self,
        manifest: &'a Manifest,
        old: Option<&Existing>,
    ) -> Result<ComparedObject<'a>, CommandError> {
        let found = self.find_addition(manifest).await?;
        let live = found.known().cloned().flatten();
        let is_owned = self.manifests.owned().any(|owned| owned == manifest);
        let mut item = ComparedObject {
            manifest,
            is_unmarked: is_owned
                && live
                    .as_ref()
                    .is_some_and(|live| owners(live).next().is_none()),
            answer: live.clone(),
            live,
            changes: Vec::new(),
        };
        let is_usable = |live: &Value| same_content(manifest, live);
        if !item.live.as_ref().is_some_and(is_usable) {
            item.live = None;
        }
        // Without a Secret for its record, a version is served as well.
        if item.live.is_none() && old.is_some() && !secrets::is_of_record(manifest) {
            item.answer = self.rehearse_creation(manifest).await?;
        }
        Ok(item)
    }

    async fn companion(
        &self,
        manifest: &'a Manifest,
        old: Option<&Existing>,
        basis: Basis,
    ) -> Result<ComparedObject<'a>, CommandError> {
        let mut item = ComparedObject {
            manifest,
            live: self.find(manifest).await?,
            answer: None,
            changes: Vec::new(),
            is_unmarked: false,
        };
        let Some(old) = old else {
            return Ok(item);
        };
        for attempt in 1.. {
            let Some(live) = &item.live else {
                item.answer = self.rehearse_creation(manifest).await?;
                return Ok(item);
            };
            if !self.is_own(live, old) {
                return Err(occupied(manifest).into());
            }
            let target = merged_object(manifest, live);
            let rehearsed = match in_place::patch(live, &target) {
                Some(patch) => self.cluster.patch(manifest, &patch, Write::DryRun).await,
                None => Ok(live.clone()),
            };
            match rehearsed {
                Err(error)
                    if attempt < ATTEMPTS && (error.is_conflict() || error.is_not_found()) =>
                {
                    sleep(POLL).await;
                    item.live = self.find(manifest).await?;
                }
                rehearsed => {
                    let digest = manifest.annotation(keys::DIGEST_ANNOTATION);
                    item.is_unmarked = owners(live).next().is_none()
                        || annotation_of(live, keys::DIGEST_ANNOTATION) != digest;
                    let live = live.clone();
                    self.judge(&mut item, &live, (rehearsed, target), basis)?;
                    return Ok(item);
                }
            }
        }
        unreachable!("the last attempt returns")
    }

    async fn workload(
        &self,
        old: Option<&Existing>,
        basis: Basis,
    ) -> Result<ComparedObject<'a>, CommandError> {
        let manifest = &self.manifests.workload;
        let mut item = ComparedObject {
            manifest,
            live: None,
            answer: None,
            changes: Vec::new(),
            is_unmarked: false,
        };
        let Some(old) = old else {
            return Ok(item);
        };
        let mut live = old.object().clone();
        for attempt in 1.. {
            let target = merged_object(manifest, &live);
            let rehearsed = match self.kind.updates_in_place() {
                true => self.cluster.replace(manifest, &target, Write::DryRun).await,
                // Most of it can never be changed, so that nothing is rehearsed.
                false => Ok(target.clone()),
            };
            match rehearsed {
                Err(error) if attempt < ATTEMPTS && error.is_conflict() => {
                    sleep(POLL).await;
                    live = self.still_there(old).await?.object().clone();
                }
                rehearsed => {
                    item.live = Some(live.clone());
                    self.judge(&mut item, &live, (rehearsed, target), basis)?;
                    return Ok(item);
                }
            }
        }
        unreachable!("the last attempt returns")
    }

    /// Notes what a rehearsal says of an object. Who lacks the right to write it may
    /// still be told that all is as it should be.
    fn judge(
        &self,
        item: &mut ComparedObject<'a>,
        live: &Value,
        (rehearsed, target): (Result<Value, ClusterError>, Value),
        basis: Basis,
    ) -> Result<(), CommandError> {
        let manifest = item.manifest;
        let answer = match rehearsed {
            Ok(answer) => answer,
            Err(error) if error.is_missing_right() && basis != Basis::Asked => target,
            Err(source) => {
                return Err(PreflightError::Refused {
                    object: manifest.display_name(),
                    source,
                }
                .into());
            }
        };
        let drift = drift::drift(manifest, &answer, live, basis);
        let all = drift::changes(manifest, &answer, live);
        item.changes = match basis {
            Basis::Asked => all,
            Basis::Recorded if !drift.is_empty() && !all.is_empty() => all,
            Basis::Recorded | Basis::Rendered => drift,
        };
        item.answer = Some(answer);
        Ok(())
    }

    async fn rehearse_creation(&self, manifest: &Manifest) -> Result<Option<Value>, CommandError> {
        match self.cluster.create(manifest, Write::DryRun).await {
            Ok(answer) => Ok(Some(answer)),
            // It has come meanwhile, or is not usable, which is seen later.
            Err(error) if error.is_already_exists() => Ok(None),
            Err(source) if source.is_missing_right() && manifest.kind() == "LocalQueue" => {
                let manifest = Box::new(manifest.clone());
                Err(PreflightError::QueueForbidden { manifest, source }.into())
            }
            Err(source) => Err(PreflightError::Refused {
                object: manifest.display_name(),
                source,
            }
            .into()),
        }
    }

    /// Returns whether an object belongs to the workload, or to nothing and was made
    /// for it.
    pub(in crate::cluster) fn is_own(&self, found: &Value, old: &Existing) -> bool {
        let label = |key: &str| found["metadata"]["labels"][key].as_str();
        owners(found).any(|uid| uid == old.uid())
            || (owners(found).next().is_none()
                && label(keys::APP_MANAGED_BY_LABEL) == Some(keys::MANAGER)
                && label(keys::APP_INSTANCE_LABEL) == Some(self.manifests.workload.name()))
    }
}

fn within<'m>(
    manifest: &'m Manifest,
    changes: &'m [Change],
) -> impl Iterator<Item = Difference> + use<'m> {
    changes.iter().map(|change| Difference {
        object: manifest.display_name(),
        path: Some(change.path.clone()),
        change: change.what.clone(),
    })
}
