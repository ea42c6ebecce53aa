//! Removes what an earlier version of a service had and the present one does
//! without.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Submission, SubmissionError, failed};
use crate::api::keys;
use crate::api::resource::Resource;
use crate::change::companions::{AUTOSCALER, COMPANIONS};
use crate::change::existing::Existing;
use crate::change::metadata::{annotation_of, owners, uid_of};
use crate::render::manifest::Manifest;

/// An object that has become superfluous.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cluster) struct Stale {
    /// Its kind, and where it is served.
    pub resource: Resource,
    /// Its name.
    pub name: String,
    uid: String,
}

impl Submission<'_> {
    /// Removes what an earlier version had and this one has not: Services and
    /// the like, the version before that one, and uploads unless a pod, or what
    /// makes pods, still refers to them. Who may not look does without.
    pub(in crate::cluster) async fn remove_stale(
        &self,
        old: &Existing,
    ) -> Result<(), SubmissionError> {
        let mut stale = self.stale_companions(old).await?;
        stale.extend(self.stale_uploads(old).await?);
        self.remove_all(stale).await.map(|_| ())
    }

    /// Removes the autoscaler that this version has no more: it must not choose
    /// the number of pods once more, after this version has.
    pub(in crate::cluster) async fn remove_stale_autoscaler(
        &self,
        old: &Existing,
    ) -> Result<(), SubmissionError> {
        let spec = &self.manifests.workload.value()["spec"];
        if spec["replicas"].is_null() || self.manifests.workload.kind() != "Deployment" {
            return Ok(());
        }
        let stale = self
            .stale_of_kind(old, "autoscaling/v2", AUTOSCALER)
            .await?;
        for Stale { name, .. } in self.remove_all(stale).await? {
            let kind = AUTOSCALER.to_lowercase();
            let words = format!("{kind}/{name} is removed");
            self.done.borrow_mut().push(words);
        }
        Ok(())
    }

    /// Returns what was removed: all that may be.
    async fn remove_all(&self, stale: Vec<Stale>) -> Result<Vec<Stale>, SubmissionError> {
        let workload = &self.manifests.workload;
        let mut removed = Vec::new();
        for object in stale {
            let Stale {
                resource,
                name,
                uid,
            } = &object;
            let deleted = self
                .cluster
                .delete(resource, workload.namespace(), name, uid)
                .await;
            match deleted {
                Ok(()) => removed.push(object),
                Err(source) if source.is_forbidden() => {}
                Err(source) => return Err(failed("remove what is left of", workload, source)),
            }
        }
        Ok(removed)
    }

    /// Returns the Services and the like that this version has no more.
    pub(in crate::cluster) async fn stale_companions(
        &self,
        old: &Existing,
    ) -> Result<Vec<Stale>, SubmissionError> {
        let mut stale = Vec::new();
        for (api_version, kind) in COMPANIONS {
            stale.extend(self.stale_of_kind(old, api_version, kind).await?);
        }
        Ok(stale)
    }

    async fn stale_of_kind(
        &self,
        old: &Existing,
        api_version: &str,
        kind: &str,
    ) -> Result<Vec<Stale>, SubmissionError> {
        let resource = Resource::known(api_version, kind);
        let found = self.list_if_allowed(&resource, &self.instance()).await?;
        let own = found.unwrap_or_default();
        let own = own
            .iter()
            .filter(|object| self.is_stale(object, &resource, old));
        Ok(own.map(|object| stale_object(&resource, object)).collect())
    }

    /// Returns the uploads that nothing refers to any more, and the version that
    /// is no longer the previous one.
    async fn stale_uploads(&self, old: &Existing) -> Result<Vec<Stale>, SubmissionError> {
        let resource = Resource::known("v1", "ConfigMap");
        let component = keys::APP_COMPONENT_LABEL;
        let selector = format!("{},{component} in (upload,revision)", self.instance());
        let Some(found) = self.list_if_allowed(&resource, &selector).await? else {
            return Ok(Vec::new());
        };
        let mut referring: Option<Option<Vec<String>>> = None;
        let mut stale = Vec::new();
        for object in found {
            if !self.is_stale(&object, &resource, old) {
                continue;
            }
            if object["metadata"]["labels"][component] == "upload" {
                if referring.is_none() {
                    referring = Some(self.referring().await?);
                }
                let name = &object["metadata"]["name"];
                let name = format!("\"{}\"", name.as_str().unwrap_or_default());
                // Within another text, its quotes are escaped.
                let escaped = name.replace('"', "\\\"");
                let in_use = |text: &String| text.contains(&name) || text.contains(&escaped);
                // Without looking, everything may be in use.
                let texts = referring.iter().flatten().next();
                if texts.is_none_or(|texts| texts.iter().any(in_use)) {
                    continue;
                }
            }
            stale.push(stale_object(&resource, &object));
        }
        Ok(stale)
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

    /// Returns, as text, everything that may refer to an upload of the
    /// workload: itself, its pods, the ReplicaSets and the version that a
    /// rollback would return to, and the clusters of Ray. `None` to who may not
    /// look at all of these.
    async fn referring(&self) -> Result<Option<Vec<String>>, SubmissionError> {
        let workload = &self.manifests.workload;
        let ray = format!("{}={}", keys::RAY_ORIGIN_NAME_LABEL, workload.name());
        let own = self.manifests.previous.iter().chain([workload]);
        let mut texts: Vec<String> = own.map(|manifest| manifest.value().to_string()).collect();
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
        let workload: &Manifest = &self.manifests.workload;
        let listed = self
            .cluster
            .list::<Value>(resource, workload.namespace(), selector)
            .await;
        match listed {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.is_forbidden() || error.is_not_found() => Ok(None),
            Err(source) => Err(failed("see what belongs to", workload, source)),
        }
    }
}

fn stale_object(resource: &Resource, object: &Value) -> Stale {
    Stale {
        resource: resource.clone(),
        name: object["metadata"]["name"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
        uid: uid_of(object).unwrap_or_default().to_owned(),
    }
}
