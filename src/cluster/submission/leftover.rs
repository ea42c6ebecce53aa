//! Finds and deletes what runs of kaiwo left behind that ended before their
//! workload was made: objects with kaiwo's labels that nothing owns and no
//! command would find again.
//!
//! A run in progress has such objects, too, for a moment. They carry the identity
//! of the run ([`keys::SUBMISSION_ANNOTATION`]) and the kind of workload they are
//! for ([`keys::KIND_ANNOTATION`]). `kaiwo delete` takes all but those of a workload
//! that is there; a submission takes, once its workload has the name, those of its
//! own kind, whose run can only fail by now, and of other kinds what is older than
//! `SETTLED`. What somebody applied who let kaiwo print the manifests has no run,
//! and is left alone, as are claims of `--keep-storage` and LocalQueues.

use std::time::Duration;

use futures_util::future::join_all;
use k8s_openapi::jiff::Timestamp;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::{POLL, Submission, SubmissionError, failed, occupied};
use crate::api::Readable;
use crate::api::keys;
use crate::api::resource::Resource;
use crate::change::companions::COMPANIONS;
use crate::change::existing::resource;
use crate::change::metadata::{annotation_of, owners, uid_of};
use crate::cluster::client::request::readable;
use crate::cluster::{Cluster, ClusterError};
use crate::kind::{KAITO_VERSIONS, WorkloadKind};
use crate::render::manifest::Manifest;

/// Age from which no run can be about to give an object its owner: that takes a
/// moment, and as many more as requests are repeated.
const SETTLED: Duration = Duration::from_secs(30);
/// Tries to delete what others write to at the same time.
const TRIES: usize = 5;

/// Such an object.
#[derive(Debug, Clone, PartialEq)]
pub struct Leftover {
    /// Its kind, and where it is served.
    pub resource: Resource,
    object: Value,
}

impl Leftover {
    /// Takes an object, if it is one.
    pub(in crate::cluster) fn new(resource: &Resource, object: &Value) -> Option<Self> {
        let of_kaiwo = object["metadata"]["labels"][keys::APP_MANAGED_BY_LABEL] == keys::MANAGER;
        let is_left = of_kaiwo
            && owners(object).next().is_none()
            && object.pointer("/metadata/deletionTimestamp").is_none()
            && annotation_of(object, keys::SUBMISSION_ANNOTATION).is_some()
            && resource.kind != "PersistentVolumeClaim";
        is_left.then(|| Self {
            resource: resource.clone(),
            object: object.clone(),
        })
    }

    /// Returns its name.
    pub fn name(&self) -> &str {
        self.object["metadata"]["name"].as_str().unwrap_or_default()
    }

    /// Returns its identity.
    pub fn uid(&self) -> &str {
        uid_of(&self.object).unwrap_or_default()
    }

    /// Returns `configmap/x`, as kaiwo names objects to people.
    pub fn display_name(&self) -> String {
        format!("{}/{}", self.resource.kind.to_lowercase(), self.name())
    }

    /// Returns the name of the workload that it was for.
    pub fn instance(&self) -> &str {
        let instance = &self.object["metadata"]["labels"][keys::APP_INSTANCE_LABEL];
        instance.as_str().unwrap_or_default()
    }

    /// Returns the kind of workload that it was for, if it says so.
    pub fn kind(&self) -> Option<WorkloadKind> {
        WorkloadKind::named(annotation_of(&self.object, keys::KIND_ANNOTATION)?)
    }

    /// Returns the run that made it.
    pub fn run(&self) -> &str {
        annotation_of(&self.object, keys::SUBMISSION_ANNOTATION).unwrap_or_default()
    }

    fn is_settled(&self, now: Option<Timestamp>) -> bool {
        let made = self.object.pointer("/metadata/creationTimestamp");
        let made: Option<Timestamp> = made.and_then(|it| it.as_str()?.parse().ok());
        match (made, now) {
            (Some(made), Some(now)) => {
                now.as_second() - made.as_second() >= SETTLED.as_secs().cast_signed()
            }
            _ => false,
        }
    }

    /// Deletes it, unless it is a leftover no more: then somebody has use for it. What a
    /// controller writes makes no difference, as to a HorizontalPodAutoscaler every 15
    /// seconds.
    ///
    /// # Errors
    /// Any [`ClusterError`]; a conflict if it changes all the time.
    pub async fn delete(&self, cluster: &Cluster) -> Result<(), ClusterError> {
        let mut seen = self.clone();
        let mut tries = TRIES;
        loop {
            let metadata = &seen.object["metadata"];
            let namespace = metadata["namespace"].as_str().unwrap_or_default();
            let as_read = (self.uid(), metadata["resourceVersion"].as_str());
            tries -= 1;
            match cluster
                .delete_as_read(&self.resource, namespace, self.name(), as_read)
                .await
            {
                Err(error) if error.is_conflict() && tries > 0 => {}
                deleted => return deleted,
            }
            let found = cluster.find::<Value>(&self.resource, namespace, self.name());
            let found = found.await?;
            let left = found.and_then(|object| Self::new(&self.resource, &object));
            match left.filter(|it| it.uid() == self.uid() && it.run() == self.run()) {
                Some(left) => seen = left,
                None => return Ok(()),
            }
        }
    }
}

/// Lists what may be left of runs for workloads of this name. What may not be
/// listed is left out.
///
/// # Errors
/// [`ClusterError`] if the cluster cannot be asked.
pub async fn leftovers_of(
    cluster: &Cluster,
    namespace: &str,
    instance: &str,
) -> Result<Vec<Leftover>, ClusterError> {
    let selector = format!("{}={instance}", keys::APP_INSTANCE_LABEL);
    let (left, secrets) = tokio::join!(
        selected(cluster, namespace, &selector),
        of_kind(cluster, namespace, &selector, ("v1", "Secret")),
    );
    Ok([left?, secrets?].concat())
}

/// Lists what may be left of runs, of what `selector` selects; all if it is
/// empty.
///
/// # Errors
/// As [`leftovers_of`].
pub async fn selected(
    cluster: &Cluster,
    namespace: &str,
    selector: &str,
) -> Result<Vec<Leftover>, ClusterError> {
    let kinds = COMPANIONS.into_iter().chain([("v1", "ConfigMap")]);
    let listed = join_all(kinds.map(|kind| of_kind(cluster, namespace, selector, kind)));
    let listed: Result<Vec<_>, ClusterError> = listed.await.into_iter().collect();
    Ok(listed?.concat())
}

/// Lists objects of a kind that may be left, by their metadata: no value of a Secret is
/// read, and no upload.
async fn of_kind(
    cluster: &Cluster,
    namespace: &str,
    selector: &str,
    (api_version, kind): (&str, &str),
) -> Result<Vec<Leftover>, ClusterError> {
    let mut labels = format!("{}={}", keys::APP_MANAGED_BY_LABEL, keys::MANAGER);
    if !selector.is_empty() {
        labels += &format!(",{selector}");
    }
    let resource = Resource::known(api_version, kind);
    let listed = cluster.list_metadata::<Value>(&resource, namespace, &labels);
    let listed = match listed.await {
        Err(error) if error.is_not_found() => return Ok(Vec::new()),
        listed => readable(listed)?.or_default(),
    };
    let left = listed.into_iter().filter_map(|mut object| {
        // Not every list says it of its items.
        object["metadata"]["namespace"] = Value::from(namespace);
        Leftover::new(&resource, &object)
    });
    Ok(left.collect())
}

/// Leaves out what belongs to a workload that is there, whose own run died or
/// will give it its owner: the same submission again does that. What may belong
/// to a workload that the user may not see is left out, too.
///
/// # Errors
/// [`ClusterError`] if the cluster cannot be asked.
pub async fn without_living(
    cluster: &Cluster,
    namespace: &str,
    mut left: Vec<Leftover>,
) -> Result<Vec<Leftover>, ClusterError> {
    let may_be = |leftover: &Leftover, kind| leftover.kind().is_none_or(|own| own == kind);
    let mut asked: Vec<(WorkloadKind, String)> = Vec::new();
    for leftover in &left {
        for kind in WorkloadKind::ALL {
            let one = (kind, leftover.instance().to_owned());
            if may_be(leftover, kind) && !asked.contains(&one) {
                asked.push(one);
            }
        }
    }
    let runs = asked.iter();
    let runs = runs.map(|(kind, name)| run_of(cluster, namespace, *kind, name));
    let runs: Result<Vec<_>, ClusterError> = join_all(runs).await.into_iter().collect();
    let workloads: Vec<_> = asked.iter().zip(runs?).collect();
    left.retain(|leftover| {
        workloads.iter().all(|((kind, name), run)| {
            let is_of = may_be(leftover, *kind) && name == leftover.instance();
            let is_another = |run: &Option<String>| run.as_deref() != Some(leftover.run());
            !is_of || run.known().is_some_and(is_another)
        })
    });
    Ok(left)
}

/// Returns the run that made the workload of this name, if there is one.
async fn run_of(
    cluster: &Cluster,
    namespace: &str,
    kind: WorkloadKind,
    name: &str,
) -> Result<Readable<Option<String>>, ClusterError> {
    let versions: &[&str] = match kind.is_kaito() {
        true => &KAITO_VERSIONS,
        false => &[kind.api_version()],
    };
    for version in versions {
        let resource = resource(kind, version);
        let found = match cluster.find::<Value>(&resource, namespace, name).await {
            Err(ClusterError::NotServed { .. }) => continue,
            found => readable(found)?,
        };
        let run =
            |found: &Value| annotation_of(found, keys::SUBMISSION_ANNOTATION).map(str::to_owned);
        return Ok(match found {
            Readable::Known(found) => Readable::Known(found.as_ref().and_then(run)),
            Readable::Forbidden => Readable::Forbidden,
        });
    }
    Ok(Readable::Known(None))
}

impl Submission<'_> {
    /// Lists what earlier runs may have left of this name; nothing where that
    /// cannot be had, for the submission does without.
    pub async fn leftovers(&self) -> Vec<Leftover> {
        let workload = &self.manifests.workload;
        // Nothing is in a namespace that is made.
        if self.manifests.namespace.is_some() {
            return Vec::new();
        }
        let instance = format!("{}={}", keys::APP_INSTANCE_LABEL, workload.name());
        // Who keeps no value in a Secret is not asked about Secrets.
        let listed = match self.manifests.uploads.iter().any(Manifest::is_secret) {
            true => leftovers_of(self.cluster, workload.namespace(), workload.name()).await,
            false => selected(self.cluster, workload.namespace(), &instance).await,
        };
        listed.unwrap_or_else(|error| {
            tracing::info!("cannot look for leftovers of earlier runs: {error}");
            Vec::new()
        })
    }

    /// Removes what earlier runs have left, now that this one has made its
    /// workload. What may not be removed, or cannot be judged, stays: the
    /// submission is done.
    pub async fn remove_leftovers(&self, mut left: Vec<Leftover>) {
        left.retain(|leftover| {
            let own = |manifest: &Manifest| {
                manifest.kind() == leftover.resource.kind && manifest.name() == leftover.name()
            };
            !self.manifests.iter().any(own)
        });
        let (mut left, others): (Vec<_>, Vec<_>) = left
            .into_iter()
            .partition(|leftover| leftover.kind() == Some(self.kind));
        let settled = others
            .into_iter()
            .filter(|it| it.is_settled(self.now.get()));
        let settled: Vec<Leftover> = settled.collect();
        if !settled.is_empty() {
            let namespace = self.manifests.workload.namespace();
            match without_living(self.cluster, namespace, settled).await {
                Ok(others) => left.extend(others),
                Err(error) => tracing::info!("leftovers of earlier runs were not removed: {error}"),
            }
        }
        for deleted in join_all(left.iter().map(|it| it.delete(self.cluster))).await {
            if let Err(error) = deleted {
                tracing::info!("a leftover of an earlier run was not removed: {error}");
            }
        }
    }

    /// Returns whether an object belongs to no workload, and to no run in
    /// progress any more.
    pub(in crate::cluster) fn is_abandoned(&self, resource: &Resource, object: &Value) -> bool {
        Leftover::new(resource, object).is_some_and(|leftover| {
            leftover.kind() == Some(self.kind) && leftover.is_settled(self.now.get())
        })
    }

    /// Makes room for an object whose name another has: of an earlier run that has
    /// left it. One that may still be in progress is given the time to end.
    ///
    /// # Errors
    /// [`SubmissionError::Occupied`] if it is anything else, or has got an owner.
    pub(in crate::cluster) async fn make_room(
        &self,
        manifest: &Manifest,
        found: &Value,
    ) -> Result<(), SubmissionError> {
        let resource = crate::cluster::objects::resource_of(manifest);
        let of_name = |found: &Value| {
            Leftover::new(resource, found)
                .filter(|leftover| leftover.instance() == self.manifests.workload.name())
        };
        let mut left = of_name(found).ok_or_else(|| occupied(manifest))?;
        let deadline = Instant::now() + SETTLED;
        while !left.is_settled(self.now.get()) && Instant::now() < deadline {
            sleep(POLL).await;
            let Some(found) = self.find(manifest).await? else {
                return Ok(());
            };
            left = of_name(&found).ok_or_else(|| occupied(manifest))?;
        }
        let namespace = manifest.namespace();
        let unused = without_living(self.cluster, namespace, vec![left.clone()])
            .await
            .map_err(|source| failed("list what belongs to", manifest, source))?;
        if unused.is_empty() {
            return Err(occupied(manifest));
        }
        left.delete(self.cluster)
            .await
            .map_err(|source| failed("delete", manifest, source))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(extra: Value) -> Value {
        let mut metadata = json!({
            "name": "x", "uid": "u", "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": {keys::APP_MANAGED_BY_LABEL: keys::MANAGER, keys::APP_INSTANCE_LABEL: "w"},
            "annotations": {keys::SUBMISSION_ANNOTATION: "run", keys::KIND_ANNOTATION: "Job"},
        });
        let extra = extra.as_object().unwrap().clone();
        metadata.as_object_mut().unwrap().extend(extra);
        json!({"metadata": metadata})
    }

    #[test]
    fn what_a_run_has_left_has_no_owner_and_is_no_claim() {
        let map = Resource::known("v1", "ConfigMap");
        let left = Leftover::new(&map, &object(json!({}))).unwrap();
        assert_eq!((left.instance(), left.run()), ("w", "run"));
        assert_eq!(left.kind(), Some(WorkloadKind::Job));
        for otherwise in [
            json!({"ownerReferences": [{"uid": "j"}]}),
            json!({"deletionTimestamp": "2026-01-01T00:00:00Z"}),
            json!({"labels": {keys::APP_INSTANCE_LABEL: "w"}}),
            // Somebody has applied what kaiwo has printed.
            json!({"annotations": {keys::DIGEST_ANNOTATION: "d"}}),
        ] {
            assert_eq!(Leftover::new(&map, &object(otherwise)), None);
        }
        let claim = Resource::known("v1", "PersistentVolumeClaim");
        assert_eq!(Leftover::new(&claim, &object(json!({}))), None);
    }

    #[test]
    fn only_the_api_servers_clock_tells_that_it_is_old() {
        let map = Resource::known("v1", "ConfigMap");
        let left = Leftover::new(&map, &object(json!({}))).unwrap();
        for (now, settled) in [
            (None, false),
            (Some("2026-01-01T00:00:29Z"), false),
            (Some("2026-01-01T00:00:30Z"), true),
        ] {
            let now = now.map(|now| now.parse().unwrap());
            assert_eq!(left.is_settled(now), settled, "{now:?}");
        }
    }
}
