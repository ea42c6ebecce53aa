//! Schemas of KAITO, by its CustomResourceDefinitions v0.12. What they leave
//! open, such as the pod template, KAITO's webhook decodes strictly.

use k8s_openapi::api::core::v1::{PodTemplateSpec, Volume};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};

use super::schema::{
    BuiltIn, Field, Object, Shape, boolean, built_in, integer, object, text, texts,
};
use super::typed;

/// `Workspace` v1beta1, which has no `spec`.
pub(super) static WORKSPACE: Object = Object {
    fields: &[
        object("inference", &INFERENCE),
        object("resource", &RESOURCE),
        Field::new("status", Shape::Anything),
        object("tuning", &TUNING),
    ],
    exactly_one_of: &[&["inference", "tuning"]],
};

/// `Workspace` v1alpha1.
pub(super) static WORKSPACE_V1ALPHA1: Object = Object {
    fields: &[
        object("inference", &INFERENCE_V1ALPHA1),
        object("resource", &RESOURCE_V1ALPHA1),
        Field::new("status", Shape::Anything),
        object("tuning", &TUNING_V1ALPHA1),
    ],
    exactly_one_of: &[&["inference", "tuning"]],
};

/// `InferenceSet.spec` v1beta1.
pub(super) static INFERENCE_SET: Object = Object {
    fields: &[
        object("autoUpgrade", &AUTO_UPGRADE),
        built_in("labelSelector", typed::check::<LabelSelector>).required(),
        integer("nodeCountLimit"),
        integer("replicas"),
        object("template", &SET_TEMPLATE).required(),
        Field::new("updateStrategy", Shape::Anything),
    ],
    exactly_one_of: &[],
};

/// `InferenceSet.spec` v1alpha1.
pub(super) static INFERENCE_SET_V1ALPHA1: Object = Object {
    fields: &[
        object("autoUpgrade", &AUTO_UPGRADE),
        built_in("labelSelector", typed::check::<LabelSelector>).required(),
        integer("nodeCountLimit"),
        integer("replicas"),
        object("template", &SET_TEMPLATE_V1ALPHA1).required(),
        Field::new("updateStrategy", Shape::Anything),
    ],
    exactly_one_of: &[],
};

static RESOURCE: Object = Object {
    fields: &[
        integer("count"),
        text("instanceType"),
        built_in("labelSelector", typed::check::<LabelSelector>).required(),
        object("partition", &PARTITION),
        texts("preferredNodes"),
    ],
    exactly_one_of: &[],
};

static RESOURCE_V1ALPHA1: Object = Object {
    fields: &[
        integer("count"),
        text("instanceType"),
        built_in("labelSelector", typed::check::<LabelSelector>).required(),
        texts("preferredNodes"),
    ],
    exactly_one_of: &[],
};

static PARTITION: Object = Object {
    fields: &[integer("count"), text("mode").required(), text("profile")],
    exactly_one_of: &[],
};

static INFERENCE: Object = Object {
    fields: &[
        Field::new("adapters", Shape::List(&Shape::Object(&ADAPTER))),
        text("config"),
        object("preset", &PRESET),
        built_in("template", typed::check::<PodTemplateSpec>),
    ],
    exactly_one_of: &[&["preset", "template"]],
};

static INFERENCE_V1ALPHA1: Object = Object {
    fields: &[
        Field::new("adapters", Shape::List(&Shape::Object(&ADAPTER))),
        text("config"),
        object("preset", &PRESET_V1ALPHA1),
        built_in("template", typed::check::<PodTemplateSpec>),
    ],
    exactly_one_of: &[&["preset", "template"]],
};

static ADAPTER: Object = Object {
    fields: &[object("source", &DATA_SOURCE), text("strength")],
    exactly_one_of: &[],
};

static PRESET: Object = Object {
    fields: &[
        text("accessMode"),
        text("name").required(),
        object("presetOptions", &PRESET_OPTIONS),
    ],
    exactly_one_of: &[],
};

static PRESET_V1ALPHA1: Object = Object {
    fields: &[
        text("accessMode"),
        text("name").required(),
        object("presetOptions", &PRESET_OPTIONS_V1ALPHA1),
    ],
    exactly_one_of: &[],
};

static PRESET_OPTIONS: Object = Object {
    fields: &[
        text("image"),
        texts("imagePullSecrets"),
        text("modelAccessSecret"),
    ],
    exactly_one_of: &[],
};

static PRESET_OPTIONS_V1ALPHA1: Object = Object {
    fields: &[text("image"), texts("imagePullSecrets")],
    exactly_one_of: &[],
};

static TUNING: Object = Object {
    fields: &[
        text("config"),
        object("input", &DATA_SOURCE).required(),
        text("method"),
        object("output", &DATA_DESTINATION).required(),
        object("preset", &PRESET),
    ],
    exactly_one_of: &[],
};

static TUNING_V1ALPHA1: Object = Object {
    fields: &[
        text("config"),
        object("input", &DATA_SOURCE).required(),
        text("method"),
        object("output", &DATA_DESTINATION).required(),
        object("preset", &PRESET_V1ALPHA1),
    ],
    exactly_one_of: &[],
};

static DATA_SOURCE: Object = Object {
    fields: &[
        text("image"),
        texts("imagePullSecrets"),
        text("name"),
        texts("urls"),
        Field::new("volumeSource", VOLUME_SOURCE),
    ],
    exactly_one_of: &[],
};

static DATA_DESTINATION: Object = Object {
    fields: &[
        text("image"),
        text("imagePushSecret"),
        Field::new("volumeSource", VOLUME_SOURCE),
    ],
    exactly_one_of: &[],
};

static AUTO_UPGRADE: Object = Object {
    fields: &[
        boolean("enabled"),
        object("maintenanceWindow", &MAINTENANCE_WINDOW),
        text("strategy"),
    ],
    exactly_one_of: &[],
};

static MAINTENANCE_WINDOW: Object = Object {
    fields: &[text("duration"), text("schedule").required()],
    exactly_one_of: &[],
};

static SET_TEMPLATE: Object = Object {
    fields: &[
        object("inference", &INFERENCE).required(),
        built_in("metadata", typed::check::<ObjectMeta>),
        object("resource", &SET_RESOURCE),
    ],
    exactly_one_of: &[],
};

static SET_TEMPLATE_V1ALPHA1: Object = Object {
    fields: &[
        object("inference", &INFERENCE).required(),
        built_in("metadata", typed::check::<ObjectMeta>),
        object("resource", &SET_RESOURCE_V1ALPHA1),
    ],
    exactly_one_of: &[],
};

static SET_RESOURCE: Object = Object {
    fields: &[text("instanceType"), object("partition", &PARTITION)],
    exactly_one_of: &[],
};

static SET_RESOURCE_V1ALPHA1: Object = Object {
    fields: &[text("instanceType")],
    exactly_one_of: &[],
};

/// The sources of a volume are fields of the volume itself.
const VOLUME_SOURCE: Shape = Shape::BuiltIn(BuiltIn(typed::check::<Volume>));
