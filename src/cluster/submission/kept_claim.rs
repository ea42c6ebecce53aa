//! Claims of `--keep-storage`: nothing owns them, and they stay when their workload is
//! deleted. They are found by the labels that they have from it, also when it is gone.

use futures_util::future::join_all;
use serde_json::Value;

use crate::api::keys;
use crate::api::resource::Resource;
use crate::api::workload::Workload;
use crate::change::metadata::{owners, uid_of};
use crate::cluster::client::request::readable;
use crate::cluster::read::api_versions::Served;
use crate::cluster::read::lookup;
use crate::cluster::{Cluster, ClusterError};
use crate::kind::WorkloadKind;

/// Such a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptClaim {
    pub name: String,
    /// Name of the workloads that it was made for.
    pub instance: String,
    uid: String,
}

impl KeptClaim {
    fn new(object: &Value) -> Option<Self> {
        let metadata = &object["metadata"];
        let text = |place: &str| metadata[place].as_str().unwrap_or_default().to_owned();
        let instance = metadata["labels"][keys::APP_INSTANCE_LABEL].as_str()?;
        let is_kept =
            owners(object).next().is_none() && text("name") == format!("{instance}-scratch");
        is_kept.then(|| Self {
            name: text("name"),
            instance: instance.to_owned(),
            uid: uid_of(object).unwrap_or_default().to_owned(),
        })
    }

    /// Returns `persistentvolumeclaim/x`.
    pub fn display_name(&self) -> String {
        format!("persistentvolumeclaim/{}", self.name)
    }

    fn resource() -> Resource {
        Resource::known("v1", "PersistentVolumeClaim")
    }

    /// Deletes it, with its data.
    ///
    /// # Errors
    /// [`ClusterError`]; a conflict if another claim has the name now.
    pub async fn delete(&self, cluster: &Cluster, namespace: &str) -> Result<(), ClusterError> {
        let resource = Self::resource();
        cluster
            .delete(&resource, namespace, &self.name, &self.uid)
            .await
    }

    /// Returns whether it is still there: while a pod uses it, it waits.
    ///
    /// # Errors
    /// [`ClusterError`] if the cluster cannot be asked.
    pub async fn is_there(&self, cluster: &Cluster, namespace: &str) -> Result<bool, ClusterError> {
        let resource = Self::resource();
        let found = cluster.find::<Value>(&resource, namespace, &self.name);
        Ok(found
            .await?
            .is_some_and(|now| uid_of(&now) == Some(&*self.uid)))
    }

    /// Returns the pods that mount it, and would keep it from being deleted, of other
    /// workloads than those of its name: also those that have ended, until they are deleted.
    /// Beside each the workload that it belongs to, if that has a name.
    ///
    /// # Errors
    /// [`ClusterError`] if the cluster cannot be asked.
    pub async fn other_pods(
        &self,
        cluster: &Cluster,
        namespace: &str,
    ) -> Result<Vec<(String, Option<String>)>, ClusterError> {
        let resource = Resource::known("v1", "Pod");
        let listed = cluster.list::<Value>(&resource, namespace, "").await;
        let pods = readable(listed)?.known().cloned().unwrap_or_default();
        let others = pods.iter().filter_map(|pod| {
            let metadata = &pod["metadata"];
            let instance = metadata["labels"][keys::APP_INSTANCE_LABEL].as_str();
            let is_other = instance != Some(&self.instance)
                && metadata["deletionTimestamp"].is_null()
                && mounts(pod, &self.name);
            let name = metadata["name"].as_str().filter(|_| is_other)?;
            // Others name their instances, too.
            let is_kaiwos = metadata["labels"][keys::APP_MANAGED_BY_LABEL] == keys::MANAGER;
            let workload = instance.filter(|_| is_kaiwos).map(str::to_owned);
            Some((name.to_owned(), workload))
        });
        Ok(others.collect())
    }

    /// Returns the workloads of its name that mount it, of every kind.
    ///
    /// # Errors
    /// [`ClusterError`] if the cluster cannot be asked.
    pub async fn users(
        &self,
        cluster: &Cluster,
        served: &Served,
        namespace: &str,
    ) -> Result<Vec<Workload>, ClusterError> {
        let found = WorkloadKind::ALL
            .map(|kind| lookup::read(cluster, served, namespace, kind, &self.instance));
        let mut users = Vec::new();
        for found in join_all(found).await {
            match found {
                Ok(Some(found)) if mounts(&found.object, &self.name) => {
                    users.push(found.workload);
                }
                Ok(_) => {}
                // Who may not see a kind is not kept from what is his.
                Err(error) if error.is_forbidden() => {}
                Err(ClusterError::NotServed { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(users)
    }
}

/// Returns whether pods of an object mount a claim.
fn mounts(object: &Value, claim: &str) -> bool {
    match object {
        Value::Object(fields) => fields
            .iter()
            .any(|(key, value)| (key == "claimName" && value == claim) || mounts(value, claim)),
        Value::Array(items) => items.iter().any(|item| mounts(item, claim)),
        _ => false,
    }
}

/// Lists the claims that are kept, of what `selector` selects; all if it is empty.
///
/// # Errors
/// [`ClusterError`] if they cannot be listed.
pub async fn kept_claims(
    cluster: &Cluster,
    namespace: &str,
    selector: &str,
) -> Result<Vec<KeptClaim>, ClusterError> {
    let mut labels = format!("{}={}", keys::APP_MANAGED_BY_LABEL, keys::MANAGER);
    if !selector.is_empty() {
        labels += &format!(",{selector}");
    }
    let resource = KeptClaim::resource();
    let listed = cluster.list::<Value>(&resource, namespace, &labels);
    Ok(listed.await?.iter().filter_map(KeptClaim::new).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_the_claim_of_the_name_is_kept() {
        let claim = |name: &str, owners: Value| {
            let labels = json!({keys::APP_INSTANCE_LABEL: "x"});
            KeptClaim::new(&json!({"metadata": {
                "name": name, "uid": "u", "labels": labels, "ownerReferences": owners,
            }}))
        };
        let kept = claim("x-scratch", json!([])).unwrap();
        assert_eq!(kept.display_name(), "persistentvolumeclaim/x-scratch");
        assert_eq!(kept.instance, "x");
        assert_eq!(claim("x-data", json!([])), None);
        assert_eq!(claim("x-scratch", json!([{"uid": "v"}])), None);
        let job =
            json!({"spec": {"volumes": [{"persistentVolumeClaim": {"claimName": "x-scratch"}}]}});
        assert!(mounts(&job, "x-scratch") && !mounts(&job, "x"));
    }
}
