//! Secrets beside the records of versions: who may not have them serves all the same,
//! and is told what cannot be returned to.

use serde_json::Value;

use super::{Submission, SubmissionError};
use crate::api::Readable;
use crate::api::keys;
use crate::api::resource::Resource;
use crate::change::existing::Existing;
use crate::change::metadata::owners;
use crate::change::record::Record;
use crate::change::version::History;
use crate::cluster::ClusterError;
use crate::cluster::client::request::readable;
use crate::cluster::objects::resource_of;
use crate::render::manifest::Manifest;
use crate::suggestion::{Suggestion, kubectl};

use super::prune::{Stale, stale_object};

/// Rights on Secrets that records of versions take.
const VERBS: &str = "get,create,delete";

/// Returns what gives the right to read and make Secrets.
pub(in crate::cluster) fn way(namespace: &str, user: Option<&str>) -> Vec<Suggestion> {
    let role = kubectl(
        "-n {} create role kaiwo-versions --verb={} --resource=secrets",
        &[namespace, VERBS],
    );
    let binding = kubectl(
        "-n {} create rolebinding kaiwo-versions --role=kaiwo-versions",
        &[namespace],
    );
    let binding = match user {
        Some(user) => binding.form("--user={}", &[user]),
        None => binding.form("--user={USER}", &[]),
    };
    vec![
        role.to("ask an admin to create a role with this right"),
        binding.to("and to grant it"),
    ]
}

/// Returns how values are kept that no record has to.
pub(in crate::cluster) fn of_ones_own(names: &[String]) -> String {
    let name = names.iter().find(|name| is_variable(name));
    let name = name.map_or("NAME", String::as_str);
    format!("to avoid this, use your own Secret: --secret {name}=SECRET/KEY")
}

fn is_variable(name: &str) -> bool {
    let capital = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    !name.is_empty() && name.chars().all(capital)
}

/// Returns whether a manifest is a Secret beside the record of a version.
pub(in crate::cluster) fn is_of_record(manifest: &Manifest) -> bool {
    manifest.kind() == "Secret"
        && manifest.value()["metadata"]["labels"][keys::APP_COMPONENT_LABEL] == keys::REVISION
}

impl<'a> Submission<'a> {
    /// Makes something that only adds.
    pub(in crate::cluster) async fn make_addition(
        &self,
        manifest: &'a Manifest,
    ) -> Result<(), SubmissionError> {
        match self.create_companion(manifest).await {
            Err(SubmissionError::Failed { source, .. })
                if is_of_record(manifest) && source.is_forbidden() =>
            {
                self.tell_unkept(manifest, &source);
                Ok(())
            }
            made => made.map(|_| ()),
        }
    }

    /// Warns that a version is recorded without what counts as secret.
    pub(in crate::cluster) fn tell_unkept(&self, secret: &Manifest, source: &ClusterError) {
        let namespace = secret.namespace();
        let record = self.manifests.records.iter();
        let mut record = record.filter(|it| it.kind() == "ConfigMap" && it.name() == secret.name());
        let record = record.next().and_then(|it| Record::read(it.value()));
        let names = record.map(|it| it.kept_apart()).unwrap_or_default();
        let history = History::new(self.manifests.workload.name(), self.digest, "", "");
        let version = history.version(secret.name());
        let values = match &names[..] {
            [] => "values that look secret".to_owned(),
            names => format!("{}, which looks secret", names.join(" and ")),
        };
        let why = match source.is_missing_right() {
            true => format!("you may not create Secrets in namespace {namespace}"),
            false => source.to_string(),
        };
        let help = match source.is_missing_right() {
            true => format!(
                "; {}; or ask an admin for the right to {VERBS} Secrets",
                of_ones_own(&names)
            ),
            false => format!("; {}", of_ones_own(&names)),
        };
        self.warnings.borrow_mut().push(format!(
            "version {version} is kept without {values}, so you cannot roll back to it: {why}{help}"
        ));
    }

    /// Reads something that only adds; who may not read Secrets takes that of a record
    /// to be missing.
    pub(in crate::cluster) async fn find_addition(
        &self,
        manifest: &Manifest,
    ) -> Result<Readable<Option<Value>>, SubmissionError> {
        if !is_of_record(manifest) {
            return self.find(manifest).await.map(Readable::Known);
        }
        let (namespace, name) = (manifest.namespace(), manifest.name());
        let found = self.cluster.find(resource_of(manifest), namespace, name);
        readable(found.await).map_err(|source| super::failed("read", manifest, source))
    }

    /// Returns the Secrets beside records that are superfluous. Who may not read them
    /// leaves them to the workload, with which they go.
    pub(in crate::cluster) async fn secrets_of(
        &self,
        stale: &[Stale],
        old: &Existing,
    ) -> Result<Vec<Stale>, SubmissionError> {
        let resource = Resource::known("v1", "Secret");
        let namespace = self.manifests.workload.namespace();
        let mut found = Vec::new();
        for record in stale.iter().filter_map(|it| Record::read(&it.object)) {
            if record.kept_apart().is_empty() {
                continue;
            }
            let secret = self
                .cluster
                .find::<Value>(&resource, namespace, &record.name);
            let secret = readable(secret.await).map_err(|source| {
                super::failed("list what belongs to", &self.manifests.workload, source)
            })?;
            if let Readable::Known(Some(secret)) = secret
                && owners(&secret).any(|uid| uid == old.uid())
            {
                found.push(stale_object(&resource, secret));
            }
        }
        Ok(found)
    }
}
