//! Reads which models a cluster's KAITO supports. Nobody waits for it: an answer
//! that does not come in time is none.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use tokio::time::timeout;

use crate::api::Page;
use crate::api::metadata::Metadata;
use crate::api::resource::Resource;
use crate::cluster::{Cluster, ClusterError, Target};
use crate::error::{Classified, ErrorClass};
use crate::plan::kaito::offer::{CONFIG_MAP, Supported, supported};

/// Namespaces that KAITO is usually installed in: its chart's own, and that of
/// the add-on of Azure's clusters.
const NAMESPACES: [&str; 2] = ["kaito-workspace", "kube-system"];

/// What a cluster lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedModels {
    /// Context of the kubeconfig.
    pub context: String,
    /// Namespace of the ConfigMap.
    pub namespace: String,
    /// The presets in it.
    pub models: Vec<Supported>,
}

#[derive(Deserialize)]
struct ConfigMap {
    metadata: Metadata,
    #[serde(default)]
    data: BTreeMap<String, String>,
}

/// Reads what the cluster lists, within this time.
///
/// # Errors
/// Why there is no answer, as the end of "the cluster was not asked: …".
pub async fn listed(target: &Target, within: Duration) -> Result<ListedModels, String> {
    match timeout(within, ask(target)).await {
        Ok(answer) => answer,
        Err(_) => Err(format!("no answer within {} s", within.as_secs())),
    }
}

async fn ask(target: &Target) -> Result<ListedModels, String> {
    let cluster = Cluster::connect(target).await.map_err(short)?;
    let everywhere = format!("/api/v1/configmaps?fieldSelector=metadata.name%3D{CONFIG_MAP}");
    let resource = Resource::known("v1", "ConfigMap");
    let [chart, add_on] = NAMESPACES;
    // Only admins may look everywhere; a guess costs them nothing.
    let (all, first, second) = tokio::join!(
        cluster.get::<Page<ConfigMap>>(&everywhere),
        cluster.find::<ConfigMap>(&resource, chart, CONFIG_MAP),
        cluster.find::<ConfigMap>(&resource, add_on, CONFIG_MAP),
    );
    let all = match all {
        Err(error) if !error.is_forbidden() => return Err(short(error)),
        all => all.ok(),
    };
    let guessed = [&first, &second].into_iter().flatten().flatten();
    let found = all.iter().flat_map(|all| &all.items).chain(guessed).next();
    let Some(found) = found else {
        return Err(match [&first, &second].into_iter().all(Result::is_err) {
            true => format!("you may not read its ConfigMap {CONFIG_MAP}"),
            false => format!("it has no ConfigMap {CONFIG_MAP}"),
        });
    };
    match supported(&found.data) {
        Some(models) => Ok(ListedModels {
            context: cluster.context().to_owned(),
            namespace: found.metadata.namespace.clone(),
            models,
        }),
        None => Err(format!("its ConfigMap {CONFIG_MAP} is not valid")),
    }
}

/// Returns an error in a few words.
fn short(error: ClusterError) -> String {
    match (&error, error.class()) {
        (ClusterError::Kubeconfig(_), _) => "no usable kubeconfig".to_owned(),
        (_, ErrorClass::Unreachable) => "it cannot be reached".to_owned(),
        (_, ErrorClass::Denied) => "it rejects your credentials".to_owned(),
        _ => error.to_string(),
    }
}
