//! The claims of a namespace: how large they are, whose they are, and who mounts them.

use k8s_openapi::jiff::Timestamp;
use serde::Serialize;

use crate::api::claim::Claim;
use crate::api::keys::APP_INSTANCE_LABEL;
use crate::api::pod::Pod;
use crate::quantity::Quantity;

/// A claim.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClaimLine {
    pub namespace: String,
    pub name: String,
    /// `Pending`, `Bound`, `Lost`, or `Terminating`.
    pub phase: String,
    /// What it has got, or asks for until then.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub size: Option<Quantity>,
    /// StorageClass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_class: Option<String>,
    /// `ReadWriteOnce` and so on.
    pub access_modes: Vec<String>,
    /// The volume that it is bound to.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub volume: String,
    /// The workload that it was created for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workload: Option<String>,
    /// Pods that mount it now; absent if pods may not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mounted_by: Option<Vec<String>>,
    /// When it was created.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_text")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub created_at: Option<Timestamp>,
}

fn as_text<S: serde::Serializer>(time: &Option<Timestamp>, to: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => to.collect_str(time),
        None => to.serialize_none(),
    }
}

impl ClaimLine {
    /// Describes a claim beside the pods of its namespace, if they may be read.
    pub fn new(claim: &Claim, pods: Option<&[Pod]>) -> Self {
        let metadata = &claim.metadata;
        let is_going = metadata.deletion_timestamp.is_some();
        Self {
            namespace: metadata.namespace.clone(),
            name: metadata.name.clone(),
            phase: match is_going {
                true => "Terminating".to_owned(),
                false => claim.status.phase.clone(),
            },
            size: claim.size().cloned(),
            storage_class: claim.spec.storage_class_name.clone(),
            access_modes: claim.spec.access_modes.clone(),
            volume: claim.spec.volume_name.clone(),
            workload: metadata.label(APP_INSTANCE_LABEL).map(str::to_owned),
            mounted_by: pods.map(|pods| mounting(claim, pods)),
            created_at: metadata.creation_timestamp,
        }
    }

    /// Returns its access modes as kubectl abbreviates them.
    pub fn modes(&self) -> String {
        let modes = self.access_modes.iter().map(|mode| match mode.as_str() {
            "ReadWriteOnce" => "RWO",
            "ReadOnlyMany" => "ROX",
            "ReadWriteMany" => "RWX",
            "ReadWriteOncePod" => "RWOP",
            other => other,
        });
        modes.collect::<Vec<_>>().join(",")
    }
}

/// Returns the pods that mount a claim, or will as soon as they start.
fn mounting(claim: &Claim, pods: &[Pod]) -> Vec<String> {
    let metadata = &claim.metadata;
    let mut names: Vec<String> = pods
        .iter()
        .filter(|pod| pod.metadata.namespace == metadata.namespace && !pod.has_ended())
        .filter(|pod| pod.claims().any(|name| name == metadata.name))
        .map(|pod| pod.metadata.name.clone())
        .collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_claim_says_whose_it_is_and_who_mounts_it() {
        let claim: Claim = serde_json::from_value(json!({
            "metadata": {"name": "x-scratch", "namespace": "ml", "labels": {APP_INSTANCE_LABEL: "x"}},
            "spec": {
                "accessModes": ["ReadWriteOnce", "ReadWriteOncePod"], "storageClassName": "fast",
                "resources": {"requests": {"storage": "10Gi"}}, "volumeName": "pv-1",
            },
            "status": {"phase": "Bound", "capacity": {"storage": "12Gi"}},
        }))
        .unwrap();
        let pod = |name: &str, phase: &str, claim: &str| -> Pod {
            serde_json::from_value(json!({
                "metadata": {"name": name, "namespace": "ml"},
                "spec": {"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": claim}}]},
                "status": {"phase": phase},
            }))
            .unwrap()
        };
        let pods = [
            pod("b", "Pending", "x-scratch"),
            pod("a", "Running", "x-scratch"),
            pod("c", "Succeeded", "x-scratch"),
            pod("d", "Running", "other"),
        ];
        let line = ClaimLine::new(&claim, Some(&pods));
        assert_eq!(line.mounted_by, Some(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(line.size, Some(Quantity::gib(12)));
        assert_eq!(line.workload.as_deref(), Some("x"));
        assert_eq!(line.modes(), "RWO,RWOP");
        assert_eq!(ClaimLine::new(&claim, None).mounted_by, None);
    }
}
