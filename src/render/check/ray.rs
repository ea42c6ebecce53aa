//! Schemas of KubeRay, by its CustomResourceDefinitions v1.6.

use k8s_openapi::api::core::v1::{
    EnvFromSource, EnvVar, EnvVarSource, PodTemplateSpec, ResourceRequirements, SecurityContext,
    Service, VolumeMount,
};

use super::scalar::Scalar;
use super::schema::{
    BuiltIn, Field, Object, Shape, boolean, built_in, integer, object, text, text_map, texts,
};
use super::typed;

/// `RayJob.spec`.
pub(super) static RAY_JOB: Object = Object {
    fields: &[
        integer("activeDeadlineSeconds"),
        integer("backoffLimit"),
        text_map("clusterSelector"),
        object("deletionStrategy", &DELETION_STRATEGY),
        text("entrypoint"),
        Field::new("entrypointNumCpus", Shape::Scalar(Scalar::Number)),
        Field::new("entrypointNumGpus", Shape::Scalar(Scalar::Number)),
        text("entrypointResources"),
        text("jobId"),
        text("managedBy"),
        text_map("metadata"),
        integer("preRunningDeadlineSeconds"),
        object("rayClusterSpec", &RAY_CLUSTER),
        text("runtimeEnvYAML"),
        boolean("shutdownAfterJobFinishes"),
        text("submissionMode"),
        object("submitterConfig", &SUBMITTER_CONFIG),
        built_in("submitterPodTemplate", typed::check::<PodTemplateSpec>),
        boolean("suspend"),
        integer("ttlSecondsAfterFinished"),
    ],
    // The operator fails a RayJob that has neither.
    exactly_one_of: &[&["rayClusterSpec", "clusterSelector"]],
};

/// `RayCronJob.spec`.
pub(super) static RAY_CRON_JOB: Object = Object {
    fields: &[
        object("jobTemplate", &RAY_JOB).required(),
        text("schedule").required(),
        boolean("suspend"),
    ],
    exactly_one_of: &[],
};

/// `RayService.spec`.
pub(super) static RAY_SERVICE: Object = Object {
    fields: &[
        integer("deploymentUnhealthySecondThreshold"),
        boolean("excludeHeadPodFromServeSvc"),
        text("managedBy"),
        object("rayClusterConfig", &RAY_CLUSTER).required(),
        integer("rayClusterDeletionDelaySeconds"),
        text("serveConfigV2"),
        built_in("serveService", typed::check::<Service>),
        integer("serviceUnhealthySecondThreshold"),
        object("upgradeStrategy", &SERVICE_UPGRADE),
    ],
    exactly_one_of: &[],
};

/// `RayCluster.spec`.
pub(super) static RAY_CLUSTER: Object = Object {
    fields: &[
        object("authOptions", &AUTH_OPTIONS),
        object("autoscalerOptions", &AUTOSCALER_OPTIONS),
        boolean("enableInTreeAutoscaling"),
        object("gcsFaultToleranceOptions", &GCS_FAULT_TOLERANCE),
        object("headGroupSpec", &HEAD_GROUP).required(),
        text_map("headServiceAnnotations"),
        text("managedBy"),
        text("rayVersion"),
        boolean("suspend"),
        object("upgradeStrategy", &CLUSTER_UPGRADE),
        Field::new(
            "workerGroupSpecs",
            Shape::List(&Shape::Object(&WORKER_GROUP)),
        ),
    ],
    exactly_one_of: &[],
};

static HEAD_GROUP: Object = Object {
    fields: &[
        boolean("enableIngress"),
        built_in("headService", typed::check::<Service>),
        text_map("labels"),
        text_map("rayStartParams"),
        text_map("resources"),
        text("serviceType"),
        built_in("template", typed::check::<PodTemplateSpec>).required(),
    ],
    exactly_one_of: &[],
};

static WORKER_GROUP: Object = Object {
    fields: &[
        text("groupName").required(),
        integer("idleTimeoutSeconds"),
        text_map("labels"),
        // The CRD requires both counts, and gives both a default.
        integer("maxReplicas"),
        integer("minReplicas"),
        integer("numOfHosts"),
        text_map("rayStartParams"),
        integer("replicas"),
        text_map("resources"),
        object("scaleStrategy", &SCALE_STRATEGY),
        boolean("suspend"),
        built_in("template", typed::check::<PodTemplateSpec>).required(),
    ],
    exactly_one_of: &[],
};

static AUTOSCALER_OPTIONS: Object = Object {
    fields: &[
        Field::new("env", Shape::List(&ENVIRONMENT_VARIABLE)),
        Field::new("envFrom", Shape::List(&ENVIRONMENT_SOURCE)),
        integer("idleTimeoutSeconds"),
        text("image"),
        text("imagePullPolicy"),
        built_in("resources", typed::check::<ResourceRequirements>),
        built_in("securityContext", typed::check::<SecurityContext>),
        text("upscalingMode"),
        text("version"),
        Field::new("volumeMounts", Shape::List(&VOLUME_MOUNT)),
    ],
    exactly_one_of: &[],
};

const ENVIRONMENT_VARIABLE: Shape = Shape::BuiltIn(BuiltIn(typed::check::<EnvVar>));
const ENVIRONMENT_SOURCE: Shape = Shape::BuiltIn(BuiltIn(typed::check::<EnvFromSource>));
const VOLUME_MOUNT: Shape = Shape::BuiltIn(BuiltIn(typed::check::<VolumeMount>));

static GCS_FAULT_TOLERANCE: Object = Object {
    fields: &[
        text("externalStorageNamespace"),
        text("redisAddress").required(),
        object("redisPassword", &REDIS_CREDENTIAL),
        object("redisUsername", &REDIS_CREDENTIAL),
    ],
    exactly_one_of: &[],
};

static REDIS_CREDENTIAL: Object = Object {
    fields: &[
        text("value"),
        built_in("valueFrom", typed::check::<EnvVarSource>),
    ],
    exactly_one_of: &[],
};

static AUTH_OPTIONS: Object = Object {
    fields: &[
        boolean("enableK8sTokenAuth"),
        text("mode"),
        text("secretName"),
    ],
    exactly_one_of: &[],
};

static CLUSTER_UPGRADE: Object = Object {
    fields: &[text("type")],
    exactly_one_of: &[],
};

static SERVICE_UPGRADE: Object = Object {
    fields: &[
        object("clusterUpgradeOptions", &CLUSTER_UPGRADE_OPTIONS),
        text("type"),
    ],
    exactly_one_of: &[],
};

static CLUSTER_UPGRADE_OPTIONS: Object = Object {
    fields: &[
        text("gatewayClassName").required(),
        integer("intervalSeconds").required(),
        integer("maxSurgePercent"),
        integer("stepSizePercent").required(),
    ],
    exactly_one_of: &[],
};

static SCALE_STRATEGY: Object = Object {
    fields: &[texts("workersToDelete")],
    exactly_one_of: &[],
};

static SUBMITTER_CONFIG: Object = Object {
    fields: &[integer("backoffLimit")],
    exactly_one_of: &[],
};

static DELETION_STRATEGY: Object = Object {
    fields: &[
        Field::new("deletionRules", Shape::List(&Shape::Object(&DELETION_RULE))),
        object("onFailure", &DELETION_POLICY),
        object("onSuccess", &DELETION_POLICY),
    ],
    exactly_one_of: &[],
};

static DELETION_POLICY: Object = Object {
    fields: &[text("policy")],
    exactly_one_of: &[],
};

static DELETION_RULE: Object = Object {
    fields: &[
        object("condition", &DELETION_CONDITION).required(),
        text("policy").required(),
    ],
    exactly_one_of: &[],
};

static DELETION_CONDITION: Object = Object {
    fields: &[
        text("jobDeploymentStatus"),
        text("jobStatus"),
        integer("ttlSeconds"),
    ],
    exactly_one_of: &[&["jobDeploymentStatus", "jobStatus"]],
};
