//! Finds and removes what an earlier version of a service had and the present one
//! does without.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Done, Submission, SubmissionError, failed};
use crate::api::keys;
use crate::api::resource::Resource;
use crate::change::companions::{AUTOSCALER, COMPANIONS};
use crate::change::existing::Existing;
use crate::change::metadata::{annotation_of, owners, uid_of};
use crate::cluster::ClusterError;

/// An object that has become superfluous.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::cluster) struct Stale {
    /// Its kind, and where it is served.
    pub resource: Resource,
    /// As it was read.
    pub object: Value,
}

/// What became of one that was to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cluster) enum Removal {
    /// It is gone.
    Removed,
    /// Somebody has written to it since it was read.
    WrittenTo,
    /// The user may not.
    Forbidden,
}

impl Stale {
    fn name(&self) -> &str {
        self.object["metadata"]["name"].as_str().unwrap_or_default()
    }

    /// Returns `kind/name`.
    pub(in crate::cluster) fn display_name(&self) -> String {
        format!("{}/{}", self.resource.kind.to_lowercase(), self.name())
    }

    /// Returns whether it would choose the number of pods once more.
    pub(in crate::cluster) fn is_autoscaler(&self) -> bool {
        self.resource.kind == AUTOSCALER
    }
}

impl Submission<'_> {
    /// Removes objects, each if nobody has written to it since it was read. Returns
    /// those that somebody has.
    pub(in crate::cluster) async fn remove_all(
        &self,
        stale: Vec<Stale>,
        is_told: bool,
    ) -> Result<Vec<Stale>, SubmissionError> {
        let mut written_to = Vec::new();
        for one in stale {
            if self.remove_stale(&one, is_told).await? == Removal::WrittenTo {
                written_to.push(one);
            }
        }
        Ok(written_to)
    }

    /// Removes an object, if nobody has written to it since it was read. One that may
    /// not be removed is warned of.
    pub(in crate::cluster) async fn remove_stale(
        &self,
        stale: &Stale,
        is_told: bool,
    ) -> Result<Removal, SubmissionError> {
        let workload = &self.manifests.workload;
        let as_read = (
            uid_of(&stale.object).unwrap_or_default(),
            stale.object["metadata"]["resourceVersion"].as_str(),
        );
        let (namespace, name) = (workload.namespace(), stale.display_name());
        let deleted = self
            .cluster
            .delete_as_read(&stale.resource, namespace, stale.name(), as_read)
            .await;
        match deleted {
            Ok(()) => {
                if is_told {
                    self.tell(Done::Removed(name));
                }
                Ok(Removal::Removed)
            }
            Err(source) if source.is_conflict() => Ok(Removal::WrittenTo),
            Err(source) if source.is_forbidden() => {
                self.warn_of_kept(stale, &source.to_string());
                Ok(Removal::Forbidden)
            }
            Err(source) => {
                if source.is_open() && is_told {
                    self.tell(Done::MayBeRemoved(name));
                }
                Err(failed("remove leftovers of", workload, source))
            }
        }
    }

    /// Warns of an object that stays.
    pub(in crate::cluster) fn warn_of_kept(&self, stale: &Stale, why: &str) {
        let (namespace, name) = (self.manifests.workload.namespace(), stale.display_name());
        let words = format!(
            "cannot remove {name}, which this version does not need: {why}; remove it with: kubectl -n {namespace} delete {name}"
        );
        let mut warnings = self.warnings.borrow_mut();
        if !warnings.contains(&words) {
            warnings.push(words);
        }
    }

    /// Returns the Services and the like that this version has no more: of a kind that
    /// may not be listed, those that were `seen` before.
    pub(in crate::cluster) async fn stale_companions(
        &self,
        old: &Existing,
        seen: &[Stale],
    ) -> Result<Vec<Stale>, SubmissionError> {
        let mut stale = Vec::new();
        for (api_version, kind) in COMPANIONS {
            match self.stale_of_kind(old, api_version, kind).await? {
                Some(found) => stale.extend(found),
                None => {
                    for one in seen.iter().filter(|it| it.resource.kind == kind) {
                        stale.extend(self.read_again(one, old).await?);
                    }
                }
            }
        }
        Ok(stale)
    }

    /// Reads an object as it is now, if it is still to go; as it was, to who may not read
    /// it.
    async fn read_again(
        &self,
        stale: &Stale,
        old: &Existing,
    ) -> Result<Option<Stale>, SubmissionError> {
        let workload = &self.manifests.workload;
        let namespace = workload.namespace();
        let found = self
            .cluster
            .find::<Value>(&stale.resource, namespace, stale.name());
        match found.await {
            Ok(found) => Ok(found
                .filter(|object| self.is_stale(object, &stale.resource, old))
                .map(|object| stale_object(&stale.resource, object))),
            Err(error) if error.is_forbidden() => Ok(Some(stale.clone())),
            Err(source) => Err(failed("read what belongs to", workload, source)),
        }
    }

    async fn stale_of_kind(
        &self,
        old: &Existing,
        api_version: &str,
        kind: &str,
    ) -> Result<Option<Vec<Stale>>, SubmissionError> {
        let resource = Resource::known(api_version, kind);
        let found = self.list_if_allowed(&resource, &self.instance()).await?;
        Ok(found.map(|found| {
            let own = found.into_iter();
            let own = own.filter(|object| self.is_stale(object, &resource, old));
            own.map(|object| stale_object(&resource, object)).collect()
        }))
    }

    /// Returns the uploads that nothing refers to any more, and the records of versions
    /// other than these.
    pub(in crate::cluster) async fn superfluous(
        &self,
        old: &Existing,
        versions: &[String],
    ) -> Result<Vec<Stale>, SubmissionError> {
        let resource = Resource::known("v1", "ConfigMap");
        let component = keys::APP_COMPONENT_LABEL;
        let of = |what: &str| format!("{},{component}={what}", self.instance());
        let Some(records) = self.list_if_allowed(&resource, &of(keys::REVISION)).await? else {
            return Ok(Vec::new());
        };
        let (namespace, uploads) = (self.manifests.workload.namespace(), of("upload"));
        let uploads = self.cluster.list_metadata(&resource, namespace, &uploads);
        let uploads = self.allowed(uploads).await?.unwrap_or_default();
        let found = [records, uploads].concat();
        let is_kept = |object: &&Value| {
            let name = object["metadata"]["name"].as_str();
            versions
                .iter()
                .any(|version| Some(version.as_str()) == name)
        };
        let mut referring: Vec<String> =
            found.iter().filter(is_kept).map(Value::to_string).collect();
        referring.push(self.manifests.workload.value().to_string());
        referring.push(old.object().to_string());
        let mut looked = false;
        let mut stale = Vec::new();
        for object in found {
            if is_kept(&&object) || !self.is_stale(&object, &resource, old) {
                continue;
            }
            if object["metadata"]["labels"][component] == "upload" {
                if refers(&referring, &object) {
                    continue;
                }
                if !std::mem::replace(&mut looked, true) {
                    match self.referring().await? {
                        Some(texts) => referring.extend(texts),
                        // Without looking, everything may be in use.
                        None => break,
                    }
                }
                if refers(&referring, &object) {
                    continue;
                }
            }
            stale.push(stale_object(&resource, object));
        }
        let mut all = self.secrets_of(&stale, old).await?;
        all.extend(stale);
        Ok(all)
    }

    fn instance(&self) -> String {
        let name = self.manifests.workload.name();
        format!("{}={name}", keys::APP_INSTANCE_LABEL)
    }

    /// Returns whether an object belonged to an earlier version only, or to a run
    /// that has died.
    fn is_stale(&self, object: &Value, resource: &Resource, old: &Existing) -> bool {
        let current: BTreeSet<(&str, &str)> = self
            .manifests
            .owned()
            .map(|manifest| (manifest.kind(), manifest.name()))
            .collect();
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        !current.contains(&(resource.kind.as_str(), name))
            && (owners(object).any(|uid| uid == old.uid()) || self.is_abandoned(resource, object))
            && annotation_of(object, keys::DIGEST_ANNOTATION).is_some()
    }

    /// Returns, as text, everything beside the workload and its versions that may refer
    /// to an upload: pods, ReplicaSets, and the clusters of Ray. `None` to who may not
    /// look at all of these.
    async fn referring(&self) -> Result<Option<Vec<String>>, SubmissionError> {
        let workload = &self.manifests.workload;
        let ray = format!("{}={}", keys::RAY_ORIGIN_NAME_LABEL, workload.name());
        let mut texts = Vec::new();
        for (resource, selector) in [
            (Resource::known("v1", "Pod"), self.instance()),
            (Resource::known("apps/v1", "ReplicaSet"), self.instance()),
            (Resource::known("ray.io/v1", "RayCluster"), ray),
        ] {
            let ray = resource.kind == "RayCluster";
            if ray && workload.kind() != "RayService" {
                continue;
            }
            match self.list_if_allowed(&resource, &selector).await? {
                Some(found) => texts.extend(found.iter().map(Value::to_string)),
                None => return Ok(None),
            }
        }
        Ok(Some(texts))
    }

    pub(in crate::cluster) async fn list_if_allowed(
        &self,
        resource: &Resource,
        selector: &str,
    ) -> Result<Option<Vec<Value>>, SubmissionError> {
        let namespace = self.manifests.workload.namespace();
        self.allowed(self.cluster.list(resource, namespace, selector))
            .await
    }

    /// Returns what is listed; `None` to who may not list it.
    async fn allowed(
        &self,
        listed: impl Future<Output = Result<Vec<Value>, ClusterError>>,
    ) -> Result<Option<Vec<Value>>, SubmissionError> {
        match listed.await {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.is_forbidden() || error.is_not_found() => Ok(None),
            Err(source) => {
                let workload = &self.manifests.workload;
                Err(failed("list what belongs to", workload, source))
            }
        }
    }
}

/// Returns whether one of the texts names an object. Within another text, quotes are
/// escaped.
fn refers(texts: &[String], object: &Value) -> bool {
    let name = object["metadata"]["name"].to_string();
    let escaped = name.replace('"', "\\\"");
    let in_use = |text: &String| text.contains(&name) || text.contains(&escaped);
    texts.iter().any(in_use)
}

pub(in crate::cluster) fn stale_object(resource: &Resource, mut object: Value) -> Stale {
    // Lists do not say it of their items.
    object["apiVersion"] = Value::from(resource.api_version.as_str());
    object["kind"] = Value::from(resource.kind.as_str());
    Stale {
        resource: resource.clone(),
        object,
    }
}
