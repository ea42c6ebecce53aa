//! Kinds that there are thousands of, in protobuf: the fields that their views look at,
//! by the numbers of Kubernetes' `generated.proto` (v1.36). `tests/testbed/protobuf.rs`
//! compares what an API server writes of each with its JSON.

use crate::api::protobuf::{FieldType, LIST_METADATA, Message};
use crate::kind::WorkloadKind;
use FieldType::{Bool, Inline, List, Map, Number, Object, Quantity, Text, Time};

/// Returns what a listing of a kind is in protobuf; `None` of one that is read as JSON.
pub fn list_of(kind: WorkloadKind) -> Option<Message> {
    (kind == WorkloadKind::Job).then_some(JOB_LIST)
}

const JOB_LIST: Message = &[
    (1, "metadata", Object(LIST_METADATA)),
    (2, "items", List(&Object(JOB))),
];

const JOB: Message = &[
    (1, "metadata", Object(METADATA)),
    (2, "spec", Object(JOB_SPEC)),
    (3, "status", Object(JOB_STATUS)),
];

const METADATA: Message = &[
    (1, "name", Text),
    (3, "namespace", Text),
    (5, "uid", Text),
    (7, "generation", Number),
    (8, "creationTimestamp", Time),
    (9, "deletionTimestamp", Time),
    (11, "labels", Map(&Text)),
    (12, "annotations", Map(&Text)),
    (13, "ownerReferences", List(&Object(OWNER_REFERENCE))),
];

const OWNER_REFERENCE: Message = &[
    (1, "kind", Text),
    (3, "name", Text),
    (4, "uid", Text),
    (5, "apiVersion", Text),
    (6, "controller", Bool),
];

const JOB_SPEC: Message = &[
    (1, "parallelism", Number),
    (2, "completions", Number),
    (3, "activeDeadlineSeconds", Number),
    (6, "template", Object(POD_TEMPLATE)),
    (7, "backoffLimit", Number),
    (9, "completionMode", Text),
    (10, "suspend", Bool),
    (11, "podFailurePolicy", Object(POD_FAILURE_POLICY)),
    (12, "backoffLimitPerIndex", Number),
    (13, "maxFailedIndexes", Number),
];

const POD_FAILURE_POLICY: Message = &[(1, "rules", List(&Object(POD_FAILURE_RULE)))];

const POD_FAILURE_RULE: Message = &[
    (1, "action", Text),
    (2, "onExitCodes", Object(ON_EXIT_CODES)),
    (3, "onPodConditions", List(&Object(ON_POD_CONDITION))),
];

const ON_EXIT_CODES: Message = &[
    (1, "containerName", Text),
    (2, "operator", Text),
    (3, "values", List(&Number)),
];

const ON_POD_CONDITION: Message = &[(1, "type", Text), (2, "status", Text)];

const JOB_STATUS: Message = &[
    (1, "conditions", List(&Object(CONDITION))),
    (2, "startTime", Time),
    (3, "completionTime", Time),
    (4, "active", Number),
    (5, "succeeded", Number),
    (6, "failed", Number),
    (7, "completedIndexes", Text),
    (8, "uncountedTerminatedPods", Object(UNCOUNTED_PODS)),
    (9, "ready", Number),
    (10, "failedIndexes", Text),
];

const CONDITION: Message = &[
    (1, "type", Text),
    (2, "status", Text),
    (4, "lastTransitionTime", Time),
    (5, "reason", Text),
    (6, "message", Text),
];

const UNCOUNTED_PODS: Message = &[(1, "succeeded", List(&Text)), (2, "failed", List(&Text))];

const POD_TEMPLATE: Message = &[(2, "spec", Object(POD_SPEC))];

const POD_SPEC: Message = &[
    (1, "volumes", List(&Object(VOLUME))),
    (2, "containers", List(&Object(CONTAINER))),
    (3, "restartPolicy", Text),
    (7, "nodeSelector", Map(&Text)),
    (20, "initContainers", List(&Object(CONTAINER))),
    (22, "tolerations", List(&Object(TOLERATION))),
    (32, "overhead", Map(&Quantity)),
    (38, "schedulingGates", List(&Object(NAMED))),
];

/// `LocalObjectReference`, `PodSchedulingGate`.
const NAMED: Message = &[(1, "name", Text)];

const VOLUME: Message = &[(2, "volumeSource", Inline(VOLUME_SOURCE))];

const VOLUME_SOURCE: Message = &[
    (19, "configMap", Object(CONFIG_MAP)),
    (26, "projected", Object(PROJECTED)),
];

/// `ConfigMapVolumeSource`, `ConfigMapProjection`.
const CONFIG_MAP: Message = &[(1, "localObjectReference", Inline(NAMED))];

const PROJECTED: Message = &[(1, "sources", List(&Object(PROJECTION)))];

const PROJECTION: Message = &[(3, "configMap", Object(CONFIG_MAP))];

const CONTAINER: Message = &[
    (1, "name", Text),
    (2, "image", Text),
    (3, "command", List(&Text)),
    (6, "ports", List(&Object(PORT))),
    (8, "resources", Object(RESOURCES)),
    (9, "volumeMounts", List(&Object(VOLUME_MOUNT))),
    (11, "readinessProbe", Object(PROBE)),
    (12, "lifecycle", Object(LIFECYCLE)),
    (22, "startupProbe", Object(PROBE)),
    (24, "restartPolicy", Text),
];

const PORT: Message = &[(1, "name", Text), (3, "containerPort", Number)];

const RESOURCES: Message = &[
    (1, "limits", Map(&Quantity)),
    (2, "requests", Map(&Quantity)),
];

const VOLUME_MOUNT: Message = &[
    (1, "name", Text),
    (2, "readOnly", Bool),
    (3, "mountPath", Text),
    (4, "subPath", Text),
];

const PROBE: Message = &[
    (1, "handler", Inline(HANDLER)),
    (2, "initialDelaySeconds", Number),
    (4, "periodSeconds", Number),
    (6, "failureThreshold", Number),
];

const HANDLER: Message = &[(2, "httpGet", Object(HTTP_GET))];

const HTTP_GET: Message = &[(1, "path", Text)];

/// Of what runs after the start, only whether there is any is looked at.
const LIFECYCLE: Message = &[(1, "postStart", Object(&[]))];

const TOLERATION: Message = &[
    (1, "key", Text),
    (2, "operator", Text),
    (3, "value", Text),
    (4, "effect", Text),
    (5, "tolerationSeconds", Number),
];

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde::de::{Deserializer, Error as _, Visitor, value};

    use super::*;
    use crate::api::condition::Condition;
    use crate::api::metadata::{Metadata, OwnerReference};
    use crate::api::node::FlavorToleration;
    use crate::api::pod_template::{
        ConfigMapSource, ContainerPort, HttpGet, Lifecycle, PodTemplate, PodTemplateSpec, Probe,
        ProjectedSource, ProjectedSources, Resources, SchedulingGate, TemplateContainer,
        TemplateVolume, VolumeMount,
    };
    use crate::api::workload::job::{JobSpec, JobStatus, UncountedPods};
    use crate::api::workload::pod_failure_policy::{
        OnExitCodes, OnPodCondition, PodFailurePolicy, Rule,
    };

    /// Takes note of the fields that a view asks for.
    struct Asked<'a>(&'a mut &'static [&'static str]);

    impl<'de> Deserializer<'de> for Asked<'_> {
        type Error = value::Error;

        fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, value::Error> {
            Err(value::Error::custom("a view is a struct"))
        }

        fn deserialize_struct<V: Visitor<'de>>(
            self,
            _: &'static str,
            fields: &'static [&'static str],
            visitor: V,
        ) -> Result<V::Value, value::Error> {
            *self.0 = fields;
            self.deserialize_any(visitor)
        }

        serde::forward_to_deserialize_any! {
            bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option
            unit unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
        }
    }

    fn asked<'de, T: Deserialize<'de>>() -> Vec<&'static str> {
        let mut fields: &[&str] = &[];
        _ = T::deserialize(Asked(&mut fields));
        let mut fields = fields.to_vec();
        fields.sort_unstable();
        fields
    }

    fn read(message: Message) -> Vec<&'static str> {
        let fields = message.iter().flat_map(|(_, name, form)| match form {
            Inline(message) => read(message),
            _ => vec![*name],
        });
        let mut fields: Vec<_> = fields.collect();
        fields.sort_unstable();
        fields
    }

    #[test]
    fn every_field_that_a_view_has_is_read() {
        for (asked, message) in [
            (asked::<Metadata>(), METADATA),
            (asked::<OwnerReference>(), OWNER_REFERENCE),
            (asked::<JobSpec>(), JOB_SPEC),
            (asked::<PodFailurePolicy>(), POD_FAILURE_POLICY),
            (asked::<Rule>(), POD_FAILURE_RULE),
            (asked::<OnExitCodes>(), ON_EXIT_CODES),
            (asked::<OnPodCondition>(), ON_POD_CONDITION),
            (asked::<JobStatus>(), JOB_STATUS),
            (asked::<Condition>(), CONDITION),
            (asked::<UncountedPods>(), UNCOUNTED_PODS),
            (asked::<PodTemplate>(), POD_TEMPLATE),
            (asked::<PodTemplateSpec>(), POD_SPEC),
            (asked::<SchedulingGate>(), NAMED),
            (asked::<TemplateVolume>(), VOLUME),
            (asked::<ConfigMapSource>(), CONFIG_MAP),
            (asked::<ProjectedSources>(), PROJECTED),
            (asked::<ProjectedSource>(), PROJECTION),
            (asked::<TemplateContainer>(), CONTAINER),
            (asked::<ContainerPort>(), PORT),
            (asked::<Resources>(), RESOURCES),
            (asked::<VolumeMount>(), VOLUME_MOUNT),
            (asked::<Probe>(), PROBE),
            (asked::<HttpGet>(), HTTP_GET),
            (asked::<Lifecycle>(), LIFECYCLE),
            (asked::<FlavorToleration>(), TOLERATION),
        ] {
            assert_eq!(asked, read(message));
        }
    }
}
