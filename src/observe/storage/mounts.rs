//! Where claims are mounted.

use serde::Deserialize as _;
use serde_json::Value;

use crate::api::pod::{Pod, PodSpec};

/// Where pods have their specification: in a pod itself, and in the objects of every kind
/// of workload, for Ray in those of the head.
const SPECS: [&str; 6] = [
    "/spec/template/spec",
    "/spec/jobTemplate/spec/template/spec",
    "/spec/rayClusterSpec/headGroupSpec/template/spec",
    "/spec/rayClusterConfig/headGroupSpec/template/spec",
    "/inference/template/spec",
    "/spec/template/inference/template/spec",
];

/// Where services keep `/scratch`; the claim is called NAME-scratch.
pub const SCRATCH: &str = "/scratch";

/// A claim, and where a container mounts it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountedClaim {
    pub claim: String,
    /// Where.
    pub path: String,
    /// Whether it can only be read.
    pub read_only: bool,
}

/// A pod that has a claim mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountingPod {
    pub pod: String,
    pub container: String,
    /// Where the claim is in it.
    pub mount: MountedClaim,
}

/// Returns the specification of the pods of a workload's object.
pub fn pod_spec(object: &Value) -> Option<&Value> {
    SPECS.iter().find_map(|pointer| object.pointer(pointer))
}

/// Returns the claims that the first container of such a specification mounts whole.
pub fn of_spec(spec: &Value) -> Vec<MountedClaim> {
    let spec = PodSpec::deserialize(spec).unwrap_or_default();
    let first = spec.containers.first().map(|it| it.name.clone());
    first.map_or_else(Vec::new, |first| mounted(&spec, &first))
}

/// Returns the claims that a container mounts whole.
fn mounted(spec: &PodSpec, container: &str) -> Vec<MountedClaim> {
    let container = spec.containers.iter().find(|it| it.name == container);
    let mounts = container.iter().flat_map(|it| &it.volume_mounts);
    mounts
        .filter(|mount| mount.sub_path.is_empty())
        .filter_map(|mount| {
            let volume = spec.volumes.iter().find(|it| it.name == mount.name)?;
            let claim = volume.persistent_volume_claim.as_ref()?;
            Some(MountedClaim {
                claim: claim.claim_name.clone(),
                path: mount.mount_path.trim_end_matches('/').to_owned(),
                read_only: mount.read_only || claim.read_only,
            })
        })
        .collect()
}

/// Returns the claim that a path is on.
pub fn holding<'a>(mounts: &'a [MountedClaim], path: &str) -> Option<&'a MountedClaim> {
    let on = mounts
        .iter()
        .filter(|mount| is_at_or_below(path, &mount.path));
    on.max_by_key(|mount| mount.path.len())
}

fn is_at_or_below(path: &str, directory: &str) -> bool {
    path.strip_prefix(directory)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        && !path.split('/').any(|part| part == "..")
}

/// Returns a running pod that has the claim mounted whole, one that may write if there is
/// one.
pub fn holder(pods: &[Pod], claim: &str) -> Option<MountingPod> {
    let holders = pods.iter().filter(|pod| pod.runs()).flat_map(|pod| {
        pod.spec.containers.iter().flat_map(move |container| {
            let mounts = mounted(&pod.spec, &container.name).into_iter();
            mounts.map(move |mount| MountingPod {
                pod: pod.name().to_owned(),
                container: container.name.clone(),
                mount,
            })
        })
    });
    let holders = holders.filter(|holder| holder.mount.claim == claim);
    holders.min_by_key(|holder| holder.mount.read_only)
}

/// Returns a path below one mount as it is below another of the same claim.
pub fn moved(path: &str, from: &str, to: &str) -> String {
    format!("{to}{}", path.strip_prefix(from).unwrap_or(path))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn spec() -> Value {
        json!({
            "containers": [{"name": "main", "volumeMounts": [
                {"name": "scratch", "mountPath": "/scratch"},
                {"name": "data", "mountPath": "/scratch/data/", "readOnly": true},
                {"name": "part", "mountPath": "/part", "subPath": "x"},
                {"name": "shm", "mountPath": "/dev/shm"},
            ]}],
            "volumes": [
                {"name": "scratch", "persistentVolumeClaim": {"claimName": "x-scratch"}},
                {"name": "data", "persistentVolumeClaim": {"claimName": "data"}},
                {"name": "part", "persistentVolumeClaim": {"claimName": "part"}},
                {"name": "shm", "emptyDir": {}},
            ],
        })
    }

    #[test]
    fn a_path_is_on_the_claim_that_is_mounted_deepest() {
        let object = json!({"spec": {"template": {"spec": spec()}}});
        let mounts = of_spec(pod_spec(&object).unwrap());
        let claim = |path: &str| holding(&mounts, path).map(|mount| mount.claim.as_str());
        assert_eq!(claim("/scratch"), Some("x-scratch"));
        assert_eq!(claim("/scratch/out/a"), Some("x-scratch"));
        assert_eq!(claim("/scratch/data/a"), Some("data"));
        assert_eq!(claim("/scratchy"), None);
        assert_eq!(claim("/scratch/../etc"), None);
        assert_eq!(claim("/part/a"), None);
        assert_eq!(claim("out"), None);
    }

    #[test]
    fn a_claim_in_use_is_reached_through_who_uses_it() {
        let pod = |name: &str, phase: &str| -> Pod {
            let pod =
                json!({"metadata": {"name": name}, "spec": spec(), "status": {"phase": phase}});
            serde_json::from_value(pod).unwrap()
        };
        let pods = [pod("a", "Succeeded"), pod("b", "Running")];
        let found = holder(&pods, "x-scratch").unwrap();
        assert_eq!(
            (found.pod.as_str(), found.container.as_str()),
            ("b", "main")
        );
        assert!(holder(&pods, "data").unwrap().mount.read_only);
        assert_eq!(holder(&pods, "other"), None);
        assert_eq!(holder(&pods[..1], "x-scratch"), None);
        assert_eq!(moved("/scratch/a/b", "/scratch", "/mnt"), "/mnt/a/b");
    }
}
