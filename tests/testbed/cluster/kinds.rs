//! Where the API server has the kinds that tests look at.

/// Returns the version of the API, and the name of a kind in paths.
pub fn place(kind: &str) -> (&'static str, &'static str) {
    match kind {
        "Namespace" => ("v1", "namespaces"),
        "Node" => ("v1", "nodes"),
        "Pod" => ("v1", "pods"),
        "ConfigMap" => ("v1", "configmaps"),
        "Secret" => ("v1", "secrets"),
        "ServiceAccount" => ("v1", "serviceaccounts"),
        "Service" => ("v1", "services"),
        "Job" => ("batch/v1", "jobs"),
        "CronJob" => ("batch/v1", "cronjobs"),
        "RayJob" => ("ray.io/v1", "rayjobs"),
        "RayService" => ("ray.io/v1", "rayservices"),
        "RayCluster" => ("ray.io/v1", "rayclusters"),
        "Deployment" => ("apps/v1", "deployments"),
        "ReplicaSet" => ("apps/v1", "replicasets"),
        "Ingress" => ("networking.k8s.io/v1", "ingresses"),
        "HorizontalPodAutoscaler" => ("autoscaling/v2", "horizontalpodautoscalers"),
        "PodDisruptionBudget" => ("policy/v1", "poddisruptionbudgets"),
        "PersistentVolume" => ("v1", "persistentvolumes"),
        "EndpointSlice" => ("discovery.k8s.io/v1", "endpointslices"),
        "Workspace" => ("kaito.sh/v1beta1", "workspaces"),
        "ClusterLogs" => ("kwok.x-k8s.io/v1alpha1", "clusterlogs"),
        "InferenceSet" => ("kaito.sh/v1beta1", "inferencesets"),
        "CustomResourceDefinition" => ("apiextensions.k8s.io/v1", "customresourcedefinitions"),
        "JobSet" => ("jobset.x-k8s.io/v1alpha2", "jobsets"),
        "LeaderWorkerSet" => ("leaderworkerset.x-k8s.io/v1", "leaderworkersets"),
        "TrainingRuntime" => ("trainer.kubeflow.org/v1alpha1", "trainingruntimes"),
        "TrainJob" => ("trainer.kubeflow.org/v1alpha1", "trainjobs"),
        "LocalQueue" => ("kueue.x-k8s.io/v1beta2", "localqueues"),
        "Cohort" => ("kueue.x-k8s.io/v1beta2", "cohorts"),
        "ClusterQueue" => ("kueue.x-k8s.io/v1beta2", "clusterqueues"),
        "ResourceFlavor" => ("kueue.x-k8s.io/v1beta2", "resourceflavors"),
        "Workload" => ("kueue.x-k8s.io/v1beta2", "workloads"),
        "WorkloadPriorityClass" => ("kueue.x-k8s.io/v1beta2", "workloadpriorityclasses"),
        "Topology" => ("kueue.x-k8s.io/v1beta2", "topologies"),
        "ValidatingAdmissionPolicy" => (
            "admissionregistration.k8s.io/v1",
            "validatingadmissionpolicies",
        ),
        "ValidatingAdmissionPolicyBinding" => (
            "admissionregistration.k8s.io/v1",
            "validatingadmissionpolicybindings",
        ),
        "AdmissionCheck" => ("kueue.x-k8s.io/v1beta2", "admissionchecks"),
        "PersistentVolumeClaim" => ("v1", "persistentvolumeclaims"),
        "MutatingWebhookConfiguration" => (
            "admissionregistration.k8s.io/v1",
            "mutatingwebhookconfigurations",
        ),
        "MutatingAdmissionPolicy" => (
            "admissionregistration.k8s.io/v1",
            "mutatingadmissionpolicies",
        ),
        "MutatingAdmissionPolicyBinding" => (
            "admissionregistration.k8s.io/v1",
            "mutatingadmissionpolicybindings",
        ),
        "ClusterExec" => ("kwok.x-k8s.io/v1alpha1", "clusterexecs"),
        "ClusterPortForward" => ("kwok.x-k8s.io/v1alpha1", "clusterportforwards"),
        "RuntimeClass" => ("node.k8s.io/v1", "runtimeclasses"),
        "Lease" => ("coordination.k8s.io/v1", "leases"),
        "ResourceQuota" => ("v1", "resourcequotas"),
        "Role" => ("rbac.authorization.k8s.io/v1", "roles"),
        "ClusterRole" => ("rbac.authorization.k8s.io/v1", "clusterroles"),
        "ClusterRoleBinding" => ("rbac.authorization.k8s.io/v1", "clusterrolebindings"),
        "RoleBinding" => ("rbac.authorization.k8s.io/v1", "rolebindings"),
        other => panic!("no path is known for {other}"),
    }
}

/// Returns whether objects of a kind are in a namespace.
pub fn namespaced(kind: &str) -> bool {
    !matches!(
        kind,
        "Namespace"
            | "Node"
            | "Topology"
            | "ValidatingAdmissionPolicy"
            | "ValidatingAdmissionPolicyBinding"
            | "PersistentVolume"
            | "RuntimeClass"
            | "ClusterQueue"
            | "ClusterLogs"
            | "Cohort"
            | "ResourceFlavor"
            | "WorkloadPriorityClass"
            | "AdmissionCheck"
            | "MutatingWebhookConfiguration"
            | "MutatingAdmissionPolicy"
            | "MutatingAdmissionPolicyBinding"
            | "ClusterExec"
            | "ClusterPortForward"
            | "ClusterRole"
            | "ClusterRoleBinding"
            | "CustomResourceDefinition"
    )
}
