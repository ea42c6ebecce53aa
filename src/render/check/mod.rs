//! Checks rendered documents without a cluster: fields that do not exist,
//! values of the wrong type, required fields that are missing.
//!
//! Built-in kinds, and what custom kinds hold of them, such as pod templates,
//! are compared with the types of k8s-openapi (`typed`); the custom kinds'
//! own fields with tables of ours ([`schema`]), which the tests hold against
//! the operators' CustomResourceDefinitions. The newest API that k8s-openapi
//! knows is taken, because the API server of an older cluster, which checks
//! again, says best what it does not have.

mod finding;
mod kaito;
mod kueue;
mod ray;
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

use finding::{FieldPath, Findings, ReadBy};
pub use finding::{Finding, MOST_FINDINGS, Problem};
use scalar::Scalar;
use schema::Object;

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

/// A custom kind: where its own fields are, and their schema.
#[derive(Clone, Copy)]
pub struct CustomKind {
    /// Group and version.
    pub api_version: &'static str,
    /// Kind.
    pub kind: &'static str,
    /// Whether the fields are under `spec`, rather than beside `metadata`.
    pub has_spec: bool,
    /// The fields.
    pub schema: &'static Object,
}

const fn custom(
    api_version: &'static str,
    kind: &'static str,
    schema: &'static Object,
) -> CustomKind {
    CustomKind {
        api_version,
        kind,
        has_spec: true,
        schema,
    }
}

/// The custom kinds that are known here.
pub const CUSTOM_KINDS: [CustomKind; 10] = [
    custom("ray.io/v1", "RayCluster", &ray::RAY_CLUSTER),
    custom("ray.io/v1", "RayCronJob", &ray::RAY_CRON_JOB),
    custom("ray.io/v1", "RayJob", &ray::RAY_JOB),
    custom("ray.io/v1", "RayService", &ray::RAY_SERVICE),
    custom("kueue.x-k8s.io/v1beta1", "LocalQueue", &kueue::LOCAL_QUEUE),
    custom("kueue.x-k8s.io/v1beta2", "LocalQueue", &kueue::LOCAL_QUEUE),
    custom(
        "kaito.sh/v1alpha1",
        "InferenceSet",
        &kaito::INFERENCE_SET_V1ALPHA1,
    ),
    custom("kaito.sh/v1beta1", "InferenceSet", &kaito::INFERENCE_SET),
    CustomKind {
        has_spec: false,
        ..custom("kaito.sh/v1alpha1", "Workspace", &kaito::WORKSPACE_V1ALPHA1)
    },
    CustomKind {
        has_spec: false,
        ..custom("kaito.sh/v1beta1", "Workspace", &kaito::WORKSPACE)
    },
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
pub fn check(document: &Value) -> Vec<Finding> {
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
            "spec" => schema::Shape::Object(custom.schema).check(value, place, findings),
            // The API server takes it from the operator only.
            "status" => {}
            name if HEAD.contains(&name) => {}
            _ => findings.unknown_field(FieldPath::Document, name, ["spec", "status"]),
        }
    }
}

#[cfg(test)]
mod tests;
