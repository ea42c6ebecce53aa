//! Reads the records of a service's versions, and adds those that a change needs: of
//! the version it makes, and of the one it takes the place of. A ConfigMap holds the
//! objects of a version, for what makes the pods of a service (ReplicaSets, the
//! clusters of Ray) knows nothing of its Service, of what scales it, or of Ray Serve's
//! applications.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use serde_json::Value;

use crate::api::Readable;
use crate::api::keys;
use crate::api::resource::Resource;
use crate::change::companions::COMPANIONS;
use crate::change::existing::Existing;
use crate::change::metadata::{annotation_of, owners};
use crate::change::record::{self, Record};
use crate::change::values::RecordedValues;
use crate::change::version::{History, Return, record_name, uploads};
use crate::cluster::client::request::readable;
use crate::cluster::{Cluster, ClusterError};
use crate::error::{Classified, ErrorClass};
use crate::render::manifest::{Manifest, ManifestSet};
use crate::suggestion::{Suggestion, kaiwo};

use super::secrets::{self, of_ones_own};

/// A version that cannot be returned to.
#[derive(Debug, thiserror::Error)]
pub enum VersionError {
    /// There is no other.
    #[error("{object} has no previous version: it has not changed since it was created")]
    None {
        /// `kind/name` of the workload.
        object: String,
    },
    /// No version has that name.
    #[error("{object} has no version {wanted:?}; it has {}", versions.join(", "))]
    Unknown {
        /// `kind/name` of the workload.
        object: String,
        namespace: String,
        /// What was asked for.
        wanted: String,
        /// Those that are kept.
        versions: Vec<String>,
    },
    /// Part of it is gone.
    #[error("version {version} of {object} no longer exists: configmap/{missing} was deleted")]
    Gone {
        /// `kind/name` of the workload.
        object: String,
        version: String,
        /// Name of the ConfigMap.
        missing: String,
    },
    /// Values of it that count as secret are gone, or were never kept.
    #[error(
        "version {version} of {object} is incomplete: secret/{secret}, which holds {}, does not exist", names.join(" and ")
    )]
    ValuesGone {
        /// `kind/name` of the workload.
        object: String,
        version: String,
        /// Name of the Secret.
        secret: String,
        /// What the values are called.
        names: Vec<String>,
    },
    /// Values of it that count as secret may not be read.
    #[error(
        "version {version} of {object} needs {} from secret/{secret}, and you may not read Secrets", names.join(" and ")
    )]
    ValuesHidden {
        /// `kind/name` of the workload.
        object: String,
        namespace: String,
        version: String,
        /// Name of the Secret.
        secret: String,
        /// What the values are called.
        names: Vec<String>,
        /// The API server's words.
        source: ClusterError,
    },
    /// The cluster cannot be asked.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
}

impl Classified for VersionError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::None { .. }
            | Self::Unknown { .. }
            | Self::Gone { .. }
            | Self::ValuesGone { .. } => ErrorClass::Refused,
            Self::ValuesHidden { source, .. } | Self::Cluster(source) => source.class(),
        }
    }

    fn hints(&self) -> Vec<Suggestion> {
        match self {
            Self::None { .. } | Self::Gone { .. } => {
                vec![kaiwo("serve -p {DIR}", &[]).to("deploy the version you want")]
            }
            Self::ValuesGone { names, .. } => vec![
                kaiwo("serve -p {DIR}", &[]).to("deploy the version you want, with these values"),
                of_ones_own(names).into(),
            ],
            Self::ValuesHidden {
                namespace, source, ..
            } => secrets::way(namespace, source.denied_user()),
            Self::Unknown {
                object, namespace, ..
            } => vec![kaiwo("status {} -n {}", &[object, namespace]).to("list its versions")],
            Self::Cluster(source) => source.hints(),
        }
    }

    fn object(&self) -> Option<String> {
        match self {
            Self::None { object }
            | Self::Unknown { object, .. }
            | Self::Gone { object, .. }
            | Self::ValuesGone { object, .. }
            | Self::ValuesHidden { object, .. } => Some(object.clone()),
            Self::Cluster(source) => source.object(),
        }
    }
}

/// The versions of a service that is there.
#[derive(Debug)]
pub struct Versions<'a> {
    cluster: &'a Cluster,
    old: &'a Existing,
    present: Manifest,
    history: History,
    records: BTreeMap<String, Record>,
}

impl<'a> Versions<'a> {
    /// Reads them.
    ///
    /// # Errors
    /// [`ClusterError`] if the cluster cannot be asked.
    pub async fn read(
        cluster: &'a Cluster,
        old: &'a Existing,
        present: Manifest,
    ) -> Result<Self, ClusterError> {
        let history = History::read(old, present.name());
        let resource = Resource::known("v1", "ConfigMap");
        let selector = format!(
            "{}={},{}={}",
            keys::APP_INSTANCE_LABEL,
            present.name(),
            keys::APP_COMPONENT_LABEL,
            keys::REVISION
        );
        let listed = cluster
            .list::<Value>(&resource, present.namespace(), &selector)
            .await;
        let found = match listed {
            Err(error) if error.is_not_found() || error.is_forbidden() => {
                let names = history.names().iter();
                let found = names.map(|name| cluster.find(&resource, present.namespace(), name));
                let found: Result<Vec<Option<Value>>, _> =
                    join_all(found).await.into_iter().collect();
                found?.into_iter().flatten().collect()
            }
            listed => listed?,
        };
        let of_it = |object: &&Value| {
            let kind = annotation_of(object, keys::KIND_ANNOTATION);
            let is_owned = owners(object).any(|uid| uid == old.uid());
            is_owned
                || owners(object).next().is_none() && kind.is_none_or(|kind| kind == present.kind())
        };
        let records = found.iter().filter(of_it).filter_map(Record::read);
        Ok(Self {
            records: records.map(|it| (it.name.clone(), it)).collect(),
            cluster,
            old,
            present,
            history,
        })
    }

    /// Returns their order.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Returns what the present version wanted, if that is recorded; `rendered` is the
    /// same request rendered again, which has the values that the record lacks. Where
    /// the Secret with those is missing, it is among what is to be made.
    ///
    /// # Errors
    /// [`ClusterError`] if the cluster cannot be asked.
    pub async fn present(
        &self,
        rendered: Option<&ManifestSet>,
        submission: &str,
    ) -> Result<Option<ManifestSet>, ClusterError> {
        let Some(record) = self.records.get(self.history.present()) else {
            return Ok(None);
        };
        if record.kept_apart().is_empty() {
            return Ok(record.manifests(&self.present));
        }
        let kept = readable(self.secret(record).await)?;
        let again = || rendered.and_then(|set| record.values_of(set));
        let (values, secret) = match kept {
            Readable::Known(Some(values)) => (Some(values), None),
            Readable::Forbidden => (again(), None),
            Readable::Known(None) => {
                let values = again();
                let made = values.as_ref();
                let made = made.and_then(|it| record.secret(it, &self.present, submission));
                (values, made)
            }
        };
        let whole = values.and_then(|values| record.with(&values));
        let set = whole.and_then(|whole| whole.manifests(&self.present));
        Ok(set.map(|set| ManifestSet {
            records: secret.into_iter().collect(),
            ..set
        }))
    }

    /// Reads the values of a version that are kept apart.
    async fn secret(&self, record: &Record) -> Result<Option<RecordedValues>, ClusterError> {
        let resource = Resource::known("v1", "Secret");
        let namespace = self.present.namespace();
        let found = self
            .cluster
            .find::<Value>(&resource, namespace, &record.name);
        Ok(found.await?.as_ref().and_then(RecordedValues::read))
    }

    /// Returns the whole record of a version.
    async fn whole(&self, record: &Record) -> Result<Record, VersionError> {
        let names = record.kept_apart();
        if names.is_empty() {
            return Ok(record.clone());
        }
        let object = self.present.display_name();
        let version = self.history.version(&record.name).to_owned();
        let secret = record.name.clone();
        let values = match self.secret(record).await {
            Err(source) if source.is_forbidden() => {
                return Err(VersionError::ValuesHidden {
                    object,
                    namespace: self.present.namespace().to_owned(),
                    version,
                    secret,
                    names,
                    source,
                });
            }
            values => values?,
        };
        let whole = values.and_then(|values| record.with(&values));
        whole.ok_or(VersionError::ValuesGone {
            object,
            version,
            secret,
            names,
        })
    }

    /// Returns where a rollback leads, and the objects of that version; `wanted`
    /// names one of the versions.
    ///
    /// # Errors
    /// [`VersionError`] if no such version exists, or part of it is gone.
    pub async fn target(
        &self,
        wanted: Option<&str>,
    ) -> Result<(Return, ManifestSet), VersionError> {
        let object = self.present.display_name();
        let names = self.history.names();
        let target = match wanted {
            Some(wanted) => {
                let found = self.history.named(wanted);
                let found = found.ok_or_else(|| VersionError::Unknown {
                    object: object.clone(),
                    namespace: self.present.namespace().to_owned(),
                    wanted: wanted.to_owned(),
                    versions: names
                        .iter()
                        .map(|name| self.history.version(name).to_owned())
                        .collect(),
                })?;
                Return::To(found.to_owned())
            }
            None => self.history.back().ok_or(VersionError::None {
                object: object.clone(),
            })?,
        };
        let (Return::To(name) | Return::Done(name, _)) = &target;
        let gone = |missing: &str| VersionError::Gone {
            object: object.clone(),
            version: self.history.version(name).to_owned(),
            missing: missing.to_owned(),
        };
        let record = self.records.get(name).ok_or_else(|| gone(name))?;
        let record = self.whole(record).await?;
        let set = record.manifests(&self.present).ok_or_else(|| gone(name))?;
        let resource = Resource::known("v1", "ConfigMap");
        for upload in uploads(set.workload.value(), self.present.name()) {
            let namespace = self.present.namespace();
            let found: Option<Value> = (self.cluster)
                .find_metadata(&resource, namespace, &upload)
                .await?;
            if found.is_none() {
                return Err(gone(&upload));
            }
        }
        Ok((target, set))
    }

    /// Adds to a change the records that it needs, and the order of the versions once
    /// it is made. Returns a warning about a version that cannot be returned to.
    ///
    /// # Errors
    /// [`ClusterError`] if the cluster cannot be asked.
    pub async fn add_records(
        &self,
        manifests: &mut ManifestSet,
        submission: &str,
        is_rollback: bool,
    ) -> Result<Option<String>, ClusterError> {
        let workload = &manifests.workload;
        let digest = workload
            .annotation(keys::DIGEST_ANNOTATION)
            .unwrap_or_default();
        let name = record_name(workload.name(), digest);
        let mut history = self.history.clone();
        // Of 0.1.0, whose records have other names.
        for record in self
            .records
            .values()
            .filter(|record| record.digest == digest)
        {
            history.rename(&record.name, &name);
        }
        let mut warning = None;
        let mut records = Vec::new();
        if !self.records.contains_key(history.present()) && history.present() != name {
            records.extend(self.record_as_found(submission).await?);
        }
        if !self.records.contains_key(&name) {
            let made = record::record(workload, manifests.companions.iter(), submission);
            if made.is_empty() {
                warning = Some(format!(
                    "version {} is too large to be kept, so you cannot roll back to it",
                    history.version(&name)
                ));
            }
            records.extend(made);
        }
        let annotations = history.annotations(&name, is_rollback);
        manifests.records = records;
        manifests.workload.annotate(&annotations.into());
        Ok(warning)
    }

    /// Returns the record of the present version, of what is there: 0.1.0 made none,
    /// and nothing of it is changed yet.
    async fn record_as_found(&self, submission: &str) -> Result<Vec<Manifest>, ClusterError> {
        let mut companions = Vec::new();
        for (api_version, kind) in COMPANIONS {
            let resource = Resource::known(api_version, kind);
            let selector = format!("{}={}", keys::APP_INSTANCE_LABEL, self.present.name());
            let listed = self
                .cluster
                .list::<Value>(&resource, self.present.namespace(), &selector)
                .await;
            let listed = match listed {
                Err(error) if error.is_not_found() => continue,
                listed => readable(listed)?,
            };
            let Readable::Known(found) = listed else {
                continue;
            };
            let own = found.into_iter().filter(|object| {
                owners(object).any(|uid| uid == self.old.uid())
                    && annotation_of(object, keys::DIGEST_ANNOTATION).is_some()
            });
            companions.extend(own.filter_map(|mut object| {
                object["apiVersion"] = Value::from(api_version);
                object["kind"] = Value::from(kind);
                Manifest::new(object).ok()
            }));
        }
        let workload = record::as_found(&self.present, &companions);
        Ok(record::record(&workload, companions.iter(), submission))
    }
}
