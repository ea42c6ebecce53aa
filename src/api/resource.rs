//! Kinds of object, and the REST paths where the API server serves them.

use crate::kind::WorkloadKind;

/// API group of Kueue.
pub const KUEUE_GROUP: &str = "kueue.x-k8s.io";
/// Versions of Kueue's API that kaiwo reads and writes, best first.
pub const KUEUE_VERSIONS: [&str; 2] = ["v1beta2", "v1beta1"];
/// API group of KubeRay.
pub const RAY_GROUP: &str = "ray.io";

/// A kind of object and where the API server serves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// Group and version, `v1` for the core group.
    pub api_version: String,
    /// Kind, as in manifests.
    pub kind: String,
    /// Plural, as in paths.
    pub plural: String,
    /// Whether objects of this kind live in a namespace.
    pub namespaced: bool,
}

/// Kinds other than workloads: group, kind, plural, and whether they live in a
/// namespace.
const KINDS: [(&str, &str, &str, bool); 35] = [
    ("", "Namespace", "namespaces", false),
    ("", "Node", "nodes", false),
    ("", "PersistentVolume", "persistentvolumes", false),
    ("", "Pod", "pods", true),
    ("", "Event", "events", true),
    ("", "ConfigMap", "configmaps", true),
    ("", "Secret", "secrets", true),
    ("", "Service", "services", true),
    ("", "ServiceAccount", "serviceaccounts", true),
    ("", "PersistentVolumeClaim", "persistentvolumeclaims", true),
    ("apps", "ReplicaSet", "replicasets", true),
    ("apps", "StatefulSet", "statefulsets", true),
    ("apps", "DaemonSet", "daemonsets", true),
    (
        "autoscaling",
        "HorizontalPodAutoscaler",
        "horizontalpodautoscalers",
        true,
    ),
    ("networking.k8s.io", "Ingress", "ingresses", true),
    (
        "networking.k8s.io",
        "NetworkPolicy",
        "networkpolicies",
        true,
    ),
    (
        "policy",
        "PodDisruptionBudget",
        "poddisruptionbudgets",
        true,
    ),
    ("rbac.authorization.k8s.io", "Role", "roles", true),
    (
        "rbac.authorization.k8s.io",
        "RoleBinding",
        "rolebindings",
        true,
    ),
    (
        "rbac.authorization.k8s.io",
        "ClusterRole",
        "clusterroles",
        false,
    ),
    (
        "rbac.authorization.k8s.io",
        "ClusterRoleBinding",
        "clusterrolebindings",
        false,
    ),
    (
        "scheduling.k8s.io",
        "PriorityClass",
        "priorityclasses",
        false,
    ),
    ("storage.k8s.io", "StorageClass", "storageclasses", false),
    (
        "admissionregistration.k8s.io",
        "MutatingWebhookConfiguration",
        "mutatingwebhookconfigurations",
        false,
    ),
    (
        "admissionregistration.k8s.io",
        "ValidatingWebhookConfiguration",
        "validatingwebhookconfigurations",
        false,
    ),
    ("discovery.k8s.io", "EndpointSlice", "endpointslices", true),
    (RAY_GROUP, "RayCluster", "rayclusters", true),
    (KUEUE_GROUP, "LocalQueue", "localqueues", true),
    (KUEUE_GROUP, "ClusterQueue", "clusterqueues", false),
    (KUEUE_GROUP, "ResourceFlavor", "resourceflavors", false),
    (KUEUE_GROUP, "Cohort", "cohorts", false),
    (KUEUE_GROUP, "AdmissionCheck", "admissionchecks", false),
    (
        KUEUE_GROUP,
        "WorkloadPriorityClass",
        "workloadpriorityclasses",
        false,
    ),
    (KUEUE_GROUP, "Topology", "topologies", false),
    (KUEUE_GROUP, "Workload", "workloads", true),
];

impl Resource {
    /// Returns the resource of `kind` in `api_version`, for the kinds that
    /// kaiwo reads or writes itself and those that templates often bring. Of
    /// others the API server tells, see `cluster::client::discovery`.
    pub fn find(api_version: &str, kind: &str) -> Option<Self> {
        let group = match api_version.split_once('/') {
            Some((group, _)) => group,
            None => "",
        };
        let of_workload = || {
            let workload = WorkloadKind::named(kind)?;
            (workload.group() == group).then(|| (kind, workload.descriptor().plural, true))
        };
        let (kind, plural, namespaced) = KINDS
            .into_iter()
            .find(|known| (known.0, known.1) == (group, kind))
            .map(|(_, kind, plural, namespaced)| (kind, plural, namespaced))
            .or_else(of_workload)?;
        Some(Self {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            plural: plural.to_owned(),
            namespaced,
        })
    }

    /// Returns the resource of a kind that is in the table, which [`Self::find`]
    /// reads too: for kinds that kaiwo itself names.
    pub fn known(api_version: &str, kind: &str) -> Self {
        Self::find(api_version, kind)
            .unwrap_or_else(|| unreachable!("no paths are known for {kind}"))
    }

    /// Returns the path of the collection, in `namespace` where the kind has
    /// one; in all of them if it is empty.
    pub fn collection_path(&self, namespace: &str) -> String {
        let root = if self.api_version.contains('/') {
            "apis"
        } else {
            "api"
        };
        let Self {
            api_version,
            plural,
            ..
        } = self;
        if self.namespaced && !namespace.is_empty() {
            format!("/{root}/{api_version}/namespaces/{namespace}/{plural}")
        } else {
            format!("/{root}/{api_version}/{plural}")
        }
    }

    /// Returns the path of one object.
    pub fn object_path(&self, namespace: &str, name: &str) -> String {
        format!("{}/{name}", self.collection_path(namespace))
    }

    /// Returns how kubectl prints an object of this kind under `-o name`:
    /// `rayjob.ray.io/x`, `job.batch/x`, `configmap/x`.
    pub fn qualified_name(&self, name: &str) -> String {
        let kind = self.kind.to_lowercase();
        match self.api_version.split_once('/') {
            Some((group, _)) => format!("{kind}.{group}/{name}"),
            None => format!("{kind}/{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_follow_group_and_scope() {
        let job = Resource::find("batch/v1", "Job").unwrap();
        assert_eq!(
            job.object_path("ml", "x"),
            "/apis/batch/v1/namespaces/ml/jobs/x"
        );
        assert_eq!(job.qualified_name("x"), "job.batch/x");
        assert_eq!(Resource::find("example.com/v1", "Job"), None);
        let namespace = Resource::find("v1", "Namespace").unwrap();
        assert_eq!(namespace.collection_path("ml"), "/api/v1/namespaces");
        assert_eq!(namespace.qualified_name("ml"), "namespace/ml");
    }
}
