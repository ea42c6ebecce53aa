//! Checks rendered documents without a cluster: fields that do not exist,
//! values of the wrong type, required fields that are missing.
//!
//! Built-in kinds, and what custom kinds hold of them, such as pod templates,
//! are compared with the types of k8s-openapi (`typed`); the custom kinds'
//! own fields with a table made of the operators' CustomResourceDefinitions (`custom`). The newest API that k8s-openapi
//! knows is taken, because the API server of an older cluster, which checks
//! again, says best what it does not have.

mod custom;
mod finding;
pub mod required;
pub mod scalar;
pub mod schema;
mod typed;

use k8s_openapi::Resource;
use k8s_openapi::api::{
    apps::v1::{ControllerRevision, DaemonSet, Deployment, ReplicaSet, StatefulSet},
    autoscaling::v2::HorizontalPodAutoscaler,
    batch::v1::{CronJob, Job},
    coordination::v1::Lease,
    core::v1::{
        ConfigMap, Endpoints, Event, LimitRange, Namespace, PersistentVolume,
        PersistentVolumeClaim, Pod, PodTemplate, ReplicationController, ResourceQuota, Secret,
        Service, ServiceAccount,
    },
    discovery::v1::EndpointSlice,
    networking::v1::{Ingress, IngressClass, NetworkPolicy},
    policy::v1::PodDisruptionBudget,
    rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding},
    scheduling::v1::PriorityClass,
    storage::v1::StorageClass,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Map, Value};

pub use custom::{CUSTOM_KINDS, CustomKind};
use finding::{FieldPath, Findings, ReadBy};
pub use finding::{MOST_FINDINGS, Mismatch, Problem};
use scalar::Scalar;

/// Lists types of k8s-openapi with their names and checks.
macro_rules! built_in_kinds {
    ($($kind:ty),* $(,)?) => {
        &[$((
            <$kind as Resource>::API_VERSION,
            <$kind as Resource>::KIND,
            typed::check::<$kind>,
        )),*]
    };
}

/// Checks a whole object.
type ObjectCheck = fn(&Value, FieldPath<'_>, &mut Findings);

/// The built-in kinds that belong to workloads: `apiVersion`, `kind`, check.
const BUILT_IN: &[(&str, &str, ObjectCheck)] = built_in_kinds![
    ClusterRole,
    ClusterRoleBinding,
    ConfigMap,
    ControllerRevision,
    CronJob,
    DaemonSet,
    Deployment,
    EndpointSlice,
    Endpoints,
    Event,
    HorizontalPodAutoscaler,
    Ingress,
    IngressClass,
    Job,
    Lease,
    LimitRange,
    Namespace,
    NetworkPolicy,
    PersistentVolume,
    PersistentVolumeClaim,
    Pod,
    PodDisruptionBudget,
    PodTemplate,
    PriorityClass,
    ReplicaSet,
    ReplicationController,
    ResourceQuota,
    Role,
    RoleBinding,
    Secret,
    Service,
    ServiceAccount,
    StatefulSet,
    StorageClass,
];

/// Returns the built-in kinds that are known here: `apiVersion` and `kind`.
pub fn built_in_kinds() -> impl Iterator<Item = (&'static str, &'static str)> {
    BUILT_IN
        .iter()
        .map(|(api_version, kind, _)| (*api_version, *kind))
}

/// Checks one document against the schema of its kind. Of kinds that are not
/// known here, by `apiVersion` and `kind`, only these two and `metadata` are
/// checked. Returns at most [`MOST_FINDINGS`].
pub fn check(document: &Value) -> Vec<Mismatch> {
    let text = |field: &str| document.get(field).and_then(Value::as_str);
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    let mut findings = Findings::new(ReadBy::Decoder);
    findings.secret = kind == Some("Secret");
    let built_in = BUILT_IN
        .iter()
        .find(|(version, name, _)| api_version == Some(*version) && kind == Some(*name));
    if let Some((_, _, check)) = built_in {
        check(document, FieldPath::Document, &mut findings);
        return findings.found;
    }
    let Value::Object(fields) = document else {
        findings.wrong_type(FieldPath::Document, document, "an object");
        return findings.found;
    };
    check_head(fields, &mut findings);
    let custom = CUSTOM_KINDS
        .iter()
        .find(|custom| api_version == Some(custom.api_version) && kind == Some(custom.kind));
    if let Some(custom) = custom {
        findings.read_by = match custom.kind {
            "RayJob" => ReadBy::WebhookAndSchema,
            _ => ReadBy::Schema,
        };
        check_custom(custom, fields, &mut findings);
    }
    findings.found
}

/// The fields that every object has.
const HEAD: [&str; 3] = ["apiVersion", "kind", "metadata"];

/// Checks the fields that every object has.
fn check_head(fields: &Map<String, Value>, findings: &mut Findings) {
    for name in HEAD {
        let place = FieldPath::Field(&FieldPath::Document, name);
        match (name, fields.get(name)) {
            (_, None) => findings.add(place, Problem::MissingField),
            ("metadata", Some(value)) => typed::check::<ObjectMeta>(value, place, findings),
            (_, Some(value)) => scalar::check(Scalar::Text, value, place, findings),
        }
    }
}

fn check_custom(custom: &CustomKind, fields: &Map<String, Value>, findings: &mut Findings) {
    if !custom.has_spec {
        custom
            .schema
            .check(fields, &HEAD, FieldPath::Document, findings);
        return;
    }
    for (name, value) in fields {
        let place = FieldPath::Field(&FieldPath::Document, name);
        match name.as_str() {
            "spec" => match value {
                Value::Object(fields) => custom.schema.check(fields, &[], place, findings),
                Value::Null => {}
                other => findings.wrong_type(place, other, "an object"),
            },
            // The API server takes it from the operator only.
            "status" => {}
            name if HEAD.contains(&name) => {}
            _ => findings.unknown_field(FieldPath::Document, name, ["spec", "status"]),
        }
    }
}

#[cfg(test)]
mod tests;
