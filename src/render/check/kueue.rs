//! Schemas of Kueue, by its CustomResourceDefinitions v0.18.

use super::scalar::Scalar;
use super::schema::{Field, Object, Shape, object, text};

/// `LocalQueue.spec`, the same in v1beta1 and v1beta2.
pub(super) static LOCAL_QUEUE: Object = Object {
    fields: &[
        text("clusterQueue"),
        object("fairSharing", &FAIR_SHARING),
        text("stopPolicy"),
    ],
    exactly_one_of: &[],
};

static FAIR_SHARING: Object = Object {
    fields: &[Field::new("weight", Shape::Scalar(Scalar::Quantity))],
    exactly_one_of: &[],
};
