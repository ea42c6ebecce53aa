//! Merges the settings from every place where they can be given, by precedence:
//! flag > `KAIWO_*` variable > `kaiwoconfig` > user config file. What the
//! cluster says and the defaults come after these, in `plan`.
//!
//! One table lists every setting: its field, its key in files, its variable.
//! A source that is silent leaves `None`; nothing here invents a value, so a
//! file can never take back what was typed.

mod error;
mod origin;
mod schema;
mod values;

pub use error::SettingsError;
pub use origin::{Origin, Sourced};
pub use schema::{SETTINGS_FILES, Setting};
pub use values::{DryRun, List, OutputFormat, Pairs, Switch, pair, whole};

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::num::ParseIntError;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::Deserialize;

use crate::plan::kaito::{Adapter, Method, Place, Runtime, TuningInput};
use crate::plan::request::autoscale::{MetricTarget, Scale};
use crate::plan::request::claim::{ClaimMount, Storage};
use crate::plan::request::ingress::IngressHost;
use crate::plan::request::min_available::MinAvailable;
use crate::plan::request::pod::{Seconds, SecretName};
use crate::plan::request::preload::Preload;
use crate::plan::request::toleration::Toleration;
use crate::quantity::{ByteSize, Quantity};
use crate::schema::{Schema, camel_case, or_null};
use crate::yaml;

/// A value as it is shown to people.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry<'a> {
    /// Key, as in files.
    pub key: String,
    /// The value, in the form that a file takes.
    pub value: serde_json::Value,
    /// Where it was given.
    pub origin: &'a Origin,
}

macro_rules! settings {
    (
        values { $(
            $(#[doc = $doc:literal])+
            $(#[serde(alias = $alias:literal)])*
            $field:ident: $type:ty = $variable:literal;
        )* }
        pairs { $( $(#[doc = $pair_doc:literal])+ $pair:ident = $pair_variable:literal; )* }
    ) => {
        /// What one source says; `None` or nothing where it is silent.
        ///
        /// As a file this is YAML with the camelCase keys of the flags.
        #[derive(Debug, Clone, Default, PartialEq, Deserialize)]
        #[serde(deny_unknown_fields, rename_all = "camelCase")]
        pub struct Settings {
            $(
                $(#[doc = $doc])+
                $(#[serde(alias = $alias)])*
                pub $field: Option<$type>,
            )*
            $( $(#[doc = $pair_doc])+ #[serde(default)] pub $pair: Pairs, )*
        }

        /// What all sources say together, each value with its origin. Of
        /// pairs, every key goes its own way; everything else is taken whole.
        #[derive(Debug, Clone, Default, PartialEq)]
        pub struct Merged {
            $(
                #[doc = concat!("See [`Settings::", stringify!($field), "`].")]
                pub $field: Option<Sourced<$type>>,
            )*
            $(
                #[doc = concat!("See [`Settings::", stringify!($pair), "`].")]
                pub $pair: BTreeMap<String, Sourced<String>>,
            )*
        }

        impl Settings {
            /// Reads the `KAIWO_*` variables through `lookup`, and returns each
            /// as a source of its own.
            ///
            /// # Errors
            /// [`SettingsError::Variable`] for a value that cannot be read.
            pub fn from_variables(
                lookup: impl Fn(&'static str) -> Option<String>,
            ) -> Result<Vec<(Origin, Settings)>, SettingsError> {
                let mut sources = Vec::new();
                // A variable that is set to nothing says nothing: CI systems
                // export those that a pipeline left open.
                let lookup = |name| lookup(name).filter(|text| !text.is_empty());
                $( if let Some(text) = lookup($variable) {
                    let $field = Some(from_variable($variable, text)?);
                    sources.push((Origin::Variable($variable), Settings { $field, ..Settings::default() }));
                } )*
                $( if let Some(text) = lookup($pair_variable) {
                    let $pair = text
                        .parse()
                        .map_err(|reason| SettingsError::Pairs { name: $pair_variable, reason })?;
                    sources.push((Origin::Variable($pair_variable), Settings { $pair, ..Settings::default() }));
                } )*
                Ok(sources)
            }

            /// Lists the keys that a file may hold, as written there.
            pub fn keys() -> Vec<String> {
                vec![ $( camel_case(stringify!($field)), )* $( camel_case(stringify!($pair)), )* ]
            }

            /// Lists everything that is known of each setting, in the order of
            /// the table.
            pub fn table() -> Vec<Setting> {
                vec![
                    $( Setting {
                        field: stringify!($field),
                        aliases: &[$( $alias, )*],
                        variable: $variable,
                        description: concat!($( $doc ),+).trim(),
                        schema: or_null(<$type as Schema>::schema()),
                    }, )*
                    $( Setting {
                        field: stringify!($pair),
                        aliases: &[],
                        variable: $pair_variable,
                        description: concat!($( $pair_doc ),+).trim(),
                        schema: or_null(<Pairs as Schema>::schema()),
                    }, )*
                ]
            }
        }

        impl Merged {
            /// Lists every value with its key as in files (`env.NAME` for
            /// pairs) and its origin, in the order of the table.
            pub fn entries(&self) -> Vec<Entry<'_>> {
                let mut entries = Vec::new();
                $( if let Some(Sourced { value, origin }) = &self.$field {
                    let key = camel_case(stringify!($field));
                    entries.push(Entry { key, value: serde_json::json!(value), origin });
                } )*
                $( for (name, Sourced { value, origin }) in &self.$pair {
                    let key = format!("{}.{name}", camel_case(stringify!($pair)));
                    entries.push(Entry { key, value: serde_json::json!(value), origin });
                } )*
                entries
            }

            /// Takes from `source` what no source before it has said.
            fn fill(&mut self, origin: &Origin, source: Settings) {
                $( if self.$field.is_none() && let Some(value) = source.$field {
                    self.$field = Some(Sourced { value, origin: origin.clone() });
                } )*
                $( for (key, value) in source.$pair.0 {
                    self.$pair.entry(key).or_insert_with(|| Sourced { value, origin: origin.clone() });
                } )*
            }
        }
    };
}

fn from_variable<T: FromStr<Err: fmt::Display + 'static>>(
    name: &'static str,
    value: String,
) -> Result<T, SettingsError> {
    value.parse().map_err(|reason: T::Err| {
        let reason = match (&reason as &dyn Any).downcast_ref::<ParseIntError>() {
            Some(error) => values::not_whole(error),
            None => reason.to_string(),
        };
        SettingsError::Variable { name, reason }
    })
}

settings! {
    values {
        /// Container image.
        image: String = "KAIWO_IMAGE";
        /// Namespace of the workload.
        namespace: String = "KAIWO_NAMESPACE";
        /// Whether a missing namespace is made.
        create_namespace: Switch = "KAIWO_CREATE_NAMESPACE";
        /// LocalQueue or ClusterQueue that admits the workload.
        queue: String = "KAIWO_QUEUE";
        /// WorkloadPriorityClass of Kueue.
        priority_class: String = "KAIWO_PRIORITY_CLASS";
        /// Name of the workload, instead of the one made of user and directory.
        name: String = "KAIWO_NAME";
        /// Version, a suffix of the name and a label.
        version: String = "KAIWO_VERSION";
        /// User in names and labels, instead of the one of the operating system.
        user: String = "KAIWO_USER";
        /// GPUs of the whole workload.
        gpus: i64 = "KAIWO_GPUS";
        /// Pods that share the GPUs.
        #[serde(alias = "requestedReplicas")]
        replicas: i64 = "KAIWO_REPLICAS";
        /// GPUs of each pod.
        #[serde(alias = "requestedGPUsPerReplica")]
        gpus_per_replica: i64 = "KAIWO_GPUS_PER_REPLICA";
        /// GPUs that one node offers, instead of asking the cluster.
        gpus_per_node: i64 = "KAIWO_GPUS_PER_NODE";
        /// Extended resource to request, such as `amd.com/gpu`.
        gpu_resource: String = "KAIWO_GPU_RESOURCE";
        /// Label of ResourceFlavors and nodes that holds the GPU count of a node.
        gpu_node_label_key: String = "KAIWO_GPU_NODE_LABEL_KEY";
        /// CPUs that come with each GPU.
        cpus_per_gpu: Quantity = "KAIWO_CPUS_PER_GPU";
        /// Memory that comes with each GPU.
        memory_per_gpu: Quantity = "KAIWO_MEMORY_PER_GPU";
        /// Whether Ray runs the workload.
        ray: Switch = "KAIWO_RAY";
        /// When a CronJob starts Jobs, as five fields of cron.
        schedule: String = "KAIWO_SCHEDULE";
        /// Version of Ray in the image.
        ray_version: String = "KAIWO_RAY_VERSION";
        /// File with environment variables, instead of `env` in the directory.
        env_file: PathBuf = "KAIWO_ENV_FILE";
        /// Template to render, instead of `template` in the directory or the
        /// built-in one.
        template: PathBuf = "KAIWO_TEMPLATE";
        /// File whose content templates see as `Custom`.
        custom_config: PathBuf = "KAIWO_CUSTOM_CONFIG";
        /// PersistentVolumeClaims to mount: `PVC:/path[:ro]`.
        volume: List<ClaimMount> = "KAIWO_VOLUME";
        /// Claim for `/scratch`: `SIZE[,CLASS]`.
        storage: Storage = "KAIWO_STORAGE";
        /// Taints that the pods tolerate: `KEY[=VALUE][:EFFECT]`.
        toleration: List<Toleration> = "KAIWO_TOLERATION";
        /// Service account of the pods.
        service_account: String = "KAIWO_SERVICE_ACCOUNT";
        /// Secrets for pulling the image.
        image_pull_secret: List<SecretName> = "KAIWO_IMAGE_PULL_SECRET";
        /// How often a failed Job is tried again.
        retries: i64 = "KAIWO_RETRIES";
        /// Time after its end at which a Job is deleted.
        ttl: Seconds = "KAIWO_TTL";
        /// Time after its start at which the workload is ended.
        max_runtime: Seconds = "KAIWO_MAX_RUNTIME";
        /// Model that KAITO serves: one of its catalogue, or `org/name`.
        model: String = "KAIWO_MODEL";
        /// Whether KAITO serves the workload.
        kaito: Switch = "KAIWO_KAITO";
        /// Virtual machines that KAITO makes for the workload.
        instance_type: String = "KAIWO_INSTANCE_TYPE";
        /// What runs a model for KAITO: `vllm` or `transformers`.
        runtime: Runtime = "KAIWO_RUNTIME";
        /// Adapters to serve with a model: `NAME=IMAGE[@STRENGTH]`, or
        /// `NAME=pvc:CLAIM[@STRENGTH]`.
        adapter: List<Adapter> = "KAIWO_ADAPTER";
        /// Secret whose key `HF_TOKEN` lets a model be downloaded.
        model_access_secret: String = "KAIWO_MODEL_ACCESS_SECRET";
        /// File that configures how a model is served.
        inference_config: PathBuf = "KAIWO_INFERENCE_CONFIG";
        /// How a model is tuned: `lora` or `qlora`.
        tune: Method = "KAIWO_TUNE";
        /// Data to tune with: URLs, an image, or `pvc:CLAIM`.
        tune_input: List<TuningInput> = "KAIWO_TUNE_INPUT";
        /// Where the tuned adapter goes: an image, or `pvc:CLAIM`.
        tune_output: Place = "KAIWO_TUNE_OUTPUT";
        /// Secret with which the tuned adapter's image is pushed.
        tune_push_secret: SecretName = "KAIWO_TUNE_PUSH_SECRET";
        /// File that configures how a model is tuned.
        tune_config: PathBuf = "KAIWO_TUNE_CONFIG";
        /// Port that a service listens on.
        port: i64 = "KAIWO_PORT";
        /// Path under which a service says that it is ready.
        health_path: String = "KAIWO_HEALTH_PATH";
        /// Whether a load balancer makes a service public.
        public: Switch = "KAIWO_PUBLIC";
        /// Host under which an Ingress leads to a service: `HOST[,CLASS]`.
        ingress: IngressHost = "KAIWO_INGRESS";
        /// Bounds of the replicas of a service: `MIN-MAX`.
        autoscale: Scale = "KAIWO_AUTOSCALE";
        /// Percentage of their CPUs that the pods of a service are to use.
        target_cpu: i64 = "KAIWO_TARGET_CPU";
        /// Metrics by which a service is scaled: `NAME=VALUE`, the average over
        /// its pods.
        target_metric: List<MetricTarget> = "KAIWO_TARGET_METRIC";
        /// Pods of a service that evictions have to leave: `N` or `P%`.
        min_available: MinAvailable = "KAIWO_MIN_AVAILABLE";
        /// What is downloaded before a service starts: `URL:/path`.
        preload: List<Preload> = "KAIWO_PRELOAD";
        /// Image that downloads it.
        preload_image: String = "KAIWO_PRELOAD_IMAGE";
        /// Whether the claim for `/scratch` outlives its pod and its workload.
        keep_storage: Switch = "KAIWO_KEEP_STORAGE";
        /// Whether an update may stop the only pod of a service before the next
        /// one starts.
        allow_downtime: Switch = "KAIWO_ALLOW_DOWNTIME";
        /// Most bytes that are uploaded.
        upload_limit: ByteSize = "KAIWO_UPLOAD_LIMIT";
        /// Whether to queue what cannot be admitted now.
        force: Switch = "KAIWO_FORCE";
        /// Whether an existing workload of this name is deleted first.
        replace: Switch = "KAIWO_REPLACE";
        /// Whether the name gets a random suffix.
        generate_name: Switch = "KAIWO_GENERATE_NAME";
        /// Whether kaiwo stays until a job has ended, or a service is ready.
        wait: Switch = "KAIWO_WAIT";
        /// Whether kaiwo stays likewise, and prints what the workload prints.
        follow: Switch = "KAIWO_FOLLOW";
        /// Longest wait for a workload.
        timeout: Seconds = "KAIWO_TIMEOUT";
        /// Longest wait for a workload in its queue.
        queue_timeout: Seconds = "KAIWO_QUEUE_TIMEOUT";
        /// Whether and how far this is a rehearsal.
        dry_run: DryRun = "KAIWO_DRY_RUN";
        /// Form of the data on stdout.
        output: OutputFormat = "KAIWO_OUTPUT";
    }
    pairs {
        /// Variables of the containers.
        env = "KAIWO_ENV";
        /// Variables of the containers from Secrets: `NAME: SECRET/KEY`.
        secret = "KAIWO_SECRET";
        /// Values laid over the custom config: `a.b: VALUE`.
        set = "KAIWO_SET";
        /// Labels that the nodes must have.
        node_selector = "KAIWO_NODE_SELECTOR";
        /// Labels of every object and pod.
        label = "KAIWO_LABEL";
        /// Annotations of the workload and its pods.
        annotation = "KAIWO_ANNOTATION";
    }
}

impl Settings {
    /// Parses the text of a settings file. Its paths resolve against the
    /// file's own directory; where that has no such file they stay relative
    /// to the working directory.
    ///
    /// # Errors
    /// [`SettingsError::File`] with the line; an unknown key comes with the
    /// nearest known one.
    pub fn parse_file(file: &Path, text: &str) -> Result<Self, SettingsError> {
        let mut settings: Self = yaml::parse(file, text).map_err(SettingsError::File)?;
        let directory = file.parent().unwrap_or(Path::new(""));
        let paths = [
            &mut settings.env_file,
            &mut settings.template,
            &mut settings.custom_config,
            &mut settings.inference_config,
            &mut settings.tune_config,
        ];
        for path in paths.into_iter().flatten() {
            let beside = directory.join(&*path);
            if beside.exists() {
                *path = beside;
            }
        }
        Ok(settings)
    }
}

impl Merged {
    /// Merges `sources`, which come in order of precedence.
    ///
    /// `gpus`, `replicas` and `gpusPerReplica` describe one thing. A source
    /// that gives the total, or both of the others, has described it fully,
    /// so sources below it add nothing to these three.
    pub fn merge(sources: impl IntoIterator<Item = (Origin, Settings)>) -> Self {
        let mut merged = Self::default();
        for (origin, mut source) in sources {
            let shape_is_said = merged.gpus.is_some()
                || (merged.replicas.is_some() && merged.gpus_per_replica.is_some());
            // Variables are several sources of equal rank, which complete
            // one another; only a source of lower rank is held back.
            let same_rank = matches!(origin, Origin::Variable(_))
                && [&merged.gpus, &merged.replicas, &merged.gpus_per_replica]
                    .into_iter()
                    .flatten()
                    .all(|said| matches!(said.origin, Origin::Variable(_)));
            if shape_is_said && !same_rank {
                source.gpus = None;
                source.replicas = None;
                source.gpus_per_replica = None;
            }
            merged.fill(&origin, source);
        }
        merged
    }
}

#[cfg(test)]
mod tests;
