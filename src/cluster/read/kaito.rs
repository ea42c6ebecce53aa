//! Reads what a cluster serves of KAITO, and what a Workspace refers to. What
//! may not be read is left unknown.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::api_versions;
use crate::api::Readable;
use crate::api::resource::Resource;
use crate::cluster::client::request::readable;
use crate::cluster::{Cluster, ClusterError};
use crate::kind::KAITO_VERSIONS;
use crate::plan::kaito::choices::Choices;
use crate::plan::kaito::served::{KaitoApiVersion, KaitoFacts, SeenSecret};

/// Reads what matters for `choices` in a namespace, all at once.
///
/// # Errors
/// [`ClusterError`] if the cluster cannot be asked.
pub async fn read(
    cluster: &Cluster,
    choices: &Choices,
    namespace: &str,
) -> Result<KaitoFacts, ClusterError> {
    let secrets: BTreeSet<&str> = choices
        .model_access_secret
        .as_deref()
        .into_iter()
        .chain(choices.push_secret())
        .collect();
    let claims: BTreeSet<&str> = choices.claims().into_iter().collect();
    let (versions, secrets, claims) = tokio::join!(
        join_all(KAITO_VERSIONS.map(|version| served(cluster, version))),
        join_all(secrets.into_iter().map(async |name| {
            let seen = secret(cluster, namespace, name).await?;
            Ok::<_, ClusterError>((name.to_owned(), seen))
        })),
        join_all(claims.into_iter().map(async |name| {
            let seen = exists(cluster, namespace, name).await?;
            Ok::<_, ClusterError>((name.to_owned(), seen))
        })),
    );
    Ok(KaitoFacts {
        versions: versions.into_iter().flatten().collect(),
        secrets: secrets.into_iter().collect::<Result<_, _>>()?,
        claims: claims.into_iter().collect::<Result<_, _>>()?,
    })
}

/// Reads the kinds of one version. Every authenticated user may read schemas in
/// the form of OpenAPI (Kubernetes v1.27 and later); CustomResourceDefinitions
/// are the admins'.
async fn served(cluster: &Cluster, api_version: &str) -> Option<KaitoApiVersion> {
    let document = cluster
        .get::<Value>(&format!("/openapi/v3/apis/{api_version}"))
        .await;
    let served = document.map(|document| KaitoApiVersion::of_open_api(api_version, &document));
    if let Some(served) = served.ok().filter(|served| !served.kinds.is_empty()) {
        return Some(served);
    }
    let kinds = api_versions::kinds(cluster, api_version).await.ok()?;
    (!kinds.is_empty()).then(|| KaitoApiVersion {
        api_version: api_version.to_owned(),
        kinds: kinds.into_iter().map(|kind| (kind, None)).collect(),
    })
}

/// Reads the keys of a Secret; the values are passed over.
async fn secret(
    cluster: &Cluster,
    namespace: &str,
    name: &str,
) -> Result<SeenSecret, ClusterError> {
    #[derive(Deserialize)]
    struct Keys {
        #[serde(default)]
        data: BTreeMap<String, IgnoredAny>,
    }
    let resource = Resource::known("v1", "Secret");
    let found = readable(cluster.find::<Keys>(&resource, namespace, name).await)?;
    Ok(match found {
        Readable::Known(found) => {
            Readable::Known(found.map(|found| found.data.into_keys().collect()))
        }
        Readable::Forbidden => Readable::Forbidden,
    })
}

async fn exists(
    cluster: &Cluster,
    namespace: &str,
    name: &str,
) -> Result<Readable<bool>, ClusterError> {
    let resource = Resource::known("v1", "PersistentVolumeClaim");
    let found = cluster.find::<IgnoredAny>(&resource, namespace, name).await;
    Ok(match readable(found)? {
        Readable::Known(found) => Readable::Known(found.is_some()),
        Readable::Forbidden => Readable::Forbidden,
    })
}
