//! Fields that types of Kubernetes require, which k8s-openapi does not tell.

/// Types as k8s-openapi names them, with what the OpenAPI document of
/// Kubernetes v1.36 calls required and the API server insists on, for those
/// that people write themselves.
const REQUIRED: &[(&str, &[&str])] = &[
    ("ConfigMapKeySelector", &["key"]),
    ("Container", &["name"]),
    ("ContainerPort", &["containerPort"]),
    ("CronJobSpec", &["jobTemplate", "schedule"]),
    ("CrossVersionObjectReference", &["kind", "name"]),
    ("DaemonSetSpec", &["selector", "template"]),
    ("DeploymentSpec", &["selector", "template"]),
    ("EnvVar", &["name"]),
    ("HTTPGetAction", &["port"]),
    ("HTTPIngressPath", &["backend", "pathType"]),
    ("HTTPIngressRuleValue", &["paths"]),
    (
        "HorizontalPodAutoscalerSpec",
        &["maxReplicas", "scaleTargetRef"],
    ),
    ("HostPathVolumeSource", &["path"]),
    ("JobSpec", &["template"]),
    ("KeyToPath", &["key", "path"]),
    ("LabelSelectorRequirement", &["key", "operator"]),
    ("NodeSelector", &["nodeSelectorTerms"]),
    ("NodeSelectorRequirement", &["key", "operator"]),
    ("ObjectFieldSelector", &["fieldPath"]),
    ("PersistentVolumeClaimVolumeSource", &["claimName"]),
    ("PodAffinityTerm", &["topologyKey"]),
    (
        "PodFailurePolicyOnExitCodesRequirement",
        &["operator", "values"],
    ),
    ("PodFailurePolicyRule", &["action"]),
    ("PodSpec", &["containers"]),
    ("PolicyRule", &["verbs"]),
    ("PreferredSchedulingTerm", &["preference", "weight"]),
    ("ResourceFieldSelector", &["resource"]),
    ("RoleRef", &["kind", "name"]),
    ("SecretKeySelector", &["key"]),
    ("ServicePort", &["port"]),
    ("StatefulSetSpec", &["selector", "template"]),
    ("TCPSocketAction", &["port"]),
    (
        "TopologySpreadConstraint",
        &["maxSkew", "topologyKey", "whenUnsatisfiable"],
    ),
    ("VolumeMount", &["mountPath", "name"]),
    ("WeightedPodAffinityTerm", &["podAffinityTerm", "weight"]),
];

/// Returns the fields that the type `name` requires.
pub(super) fn fields_of(name: &str) -> &'static [&'static str] {
    match REQUIRED.binary_search_by_key(&name, |(known, _)| known) {
        Ok(at) => REQUIRED[at].1,
        Err(_) => &[],
    }
}

/// Returns every type whose required fields are known here, with them.
pub fn required_fields() -> &'static [(&'static str, &'static [&'static str])] {
    REQUIRED
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted() {
        assert!(REQUIRED.is_sorted_by_key(|(name, _)| *name));
        assert_eq!(fields_of("EnvVar"), ["name"]);
    }
}
