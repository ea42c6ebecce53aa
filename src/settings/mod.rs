//! Merges the settings from every place where they can be given, by precedence:
//! flag > `KAIWO_*` variable > `kaiwoconfig` > user config file. What the
//! cluster says and the defaults come after these, in `plan`.
//!
//! One table declares every setting: its key in files, its flag with its help, its
//! variable, and its type, which checks the value wherever it was given. A source that
//! is silent leaves `None`; nothing here invents a value, so a file can never take back
//! what was typed.

#[macro_use]
mod declare;
mod error;
mod flag;
mod format;
mod merge;
mod notify;
mod origin;
mod pass_on;
mod schema;
mod values;
mod variable;
mod words;

pub use error::SettingsError;
pub use flag::{RunSettingArgs, SettingArgs};
pub use format::Format;
pub use notify::Notify;
pub use origin::{Origin, Sourced};
pub use schema::{SETTINGS_FILES, Setting};
pub use values::{DryRun, List, Pairs, Switch, pair, whole};
pub use variable::nearest_variable;
pub use words::{
    AccessSecret, CronText, GpuResource, HealthPath, ImageRef, InstanceType, LabelKey, ModelRef,
    Namespace, Part, PriorityClassName, QueueName, RayVersion, ServiceAccountName, TimeZone,
    WordError, WorkloadName,
};

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::{Arg, ArgMatches};
use serde::Deserialize;

use crate::plan::kaito::{Adapter, ImageOrClaim, Runtime, TuningInput, TuningMethod};
use crate::plan::request::array::sweep::Sweeps;
use crate::plan::request::array::tasks::{ArraySpec, AtLeast};
use crate::plan::request::autoscale::{MetricTarget, Scale};
use crate::plan::request::claim::{ClaimMount, Storage};
use crate::plan::request::ingress::IngressHost;
use crate::plan::request::min_available::MinAvailable;
use crate::plan::request::pod::{PodSettings, SecretName, VariableName};
use crate::plan::request::port::PortPair;
use crate::plan::request::preload::Preload;
use crate::plan::request::toleration::Toleration;
use crate::plan::request::topology::{LevelLabel, TopologyWish};
use crate::plan::request::upload_limit::UploadLimit;
use crate::quantity::Quantity;
use crate::schema::{Schema, camel_case, or_null};
use crate::secrecy::Confidential;
use crate::time::Seconds;
use crate::yaml;

use flag::{Command, FlagValue, flag};
use pass_on::PassOn as _;
use variable::{from_variable, is_of_a_service};

/// A value as it is shown to people.
#[derive(Debug, Clone, PartialEq)]
pub struct ShownSetting<'a> {
    /// Key, as in files.
    pub key: String,
    /// The value, in the form that a file takes.
    pub value: Confidential<serde_json::Value>,
    /// Where it was given.
    pub origin: &'a Origin,
}

settings! {
    values {
        /// Container image [default with -p: an image with Ray for the GPUs]
        image: ImageRef = "KAIWO_IMAGE", Both "Workload", |flag| flag.short('i');
        /// Run on a Ray cluster of its own: a RayJob, or a RayService
        ray: Switch = "KAIWO_RAY", Both "Workload";
        /// Version of Ray in the image
        ray_version: RayVersion = "KAIWO_RAY_VERSION", Both "Workload";
        /// Name of the workload [default: USER-DIR or USER-IMAGE]
        name: WorkloadName = "KAIWO_NAME", Both "Workload";
        /// Version: a suffix of the default name, and a label
        version: Part = "KAIWO_VERSION", Both "Workload";
        /// User in names and labels, instead of the one of the operating system
        user: Part = "KAIWO_USER", Neither "";
        /// File with variables and secrets [default: DIR/env]
        env_file: PathBuf = "KAIWO_ENV_FILE", Both "Workload";
        /// Variable to store in a Secret of the workload, with its local value: HF_TOKEN; may be
        /// repeated
        secret_from: List<VariableName> = "KAIWO_SECRET_FROM", Both "Workload",
            |flag| flag.value_name("K");
        /// Template to render [default: DIR/template, or the built-in one]
        template: PathBuf = "KAIWO_TEMPLATE", Both "Workload", |flag| flag.short('t');
        /// YAML file that the template sees as Custom
        custom_config: PathBuf = "KAIWO_CUSTOM_CONFIG", Both "Workload", |flag| flag.short('c');
        /// Run repeatedly, as a CronJob: "0 3 * * *" is 3 o'clock in the zone of
        /// --time-zone
        schedule: CronText = "KAIWO_SCHEDULE", Submit "Workload";
        /// Time zone of --schedule: Europe/Berlin [default: the cluster's, mostly UTC]
        time_zone: TimeZone = "KAIWO_TIME_ZONE", Submit "Workload";
        /// Upload size limit, up to 64Mi [default: 8Mi]
        upload_limit: UploadLimit = "KAIWO_UPLOAD_LIMIT", Both "Workload";

        /// GPUs in total; split over pods as the nodes need
        gpus: i64 = "KAIWO_GPUS", Both "GPUs", |flag| flag.short('g');
        /// Number of pods, instead of kaiwo's split
        #[serde(alias = "requestedReplicas")]
        replicas: i64 = "KAIWO_REPLICAS", Both "GPUs";
        /// GPUs of each pod, instead of kaiwo's split
        #[serde(alias = "requestedGPUsPerReplica")]
        gpus_per_replica: i64 = "KAIWO_GPUS_PER_REPLICA", Both "GPUs";
        /// GPUs per node [default: read from the cluster]
        gpus_per_node: i64 = "KAIWO_GPUS_PER_NODE", Both "GPUs";
        /// Extended resource to request, such as amd.com/gpu [default: what the queue has]
        gpu_resource: GpuResource = "KAIWO_GPU_RESOURCE", Both "GPUs";
        /// Label of flavors and nodes that holds a node's GPU count [default: the vendor's:
        /// beta.amd.com/gpu.family.AI or nvidia.com/gpu.count]
        gpu_node_label_key: LabelKey = "KAIWO_GPU_NODE_LABEL_KEY", Both "GPUs";

        /// CPUs of each worker pod [default: 4 for each GPU, 1 without GPUs; less where
        /// nodes or queue have less]
        cpus: Quantity = "KAIWO_CPUS", Both "Sizes", |flag| flag.value_name("N");
        /// Memory of each worker pod [default: 32Gi for each GPU, 4Gi without GPUs; less
        /// where nodes or queue have less]
        memory: Quantity = "KAIWO_MEMORY", Both "Sizes", |flag| flag.value_name("SIZE");
        /// CPUs that come with each GPU, instead of --cpus [default: 4]
        cpus_per_gpu: Quantity = "KAIWO_CPUS_PER_GPU", Both "Sizes" => cpus_per_gpu, |flag| flag.value_name("N");
        /// Memory that comes with each GPU, instead of --memory [default: 32Gi]
        memory_per_gpu: Quantity = "KAIWO_MEMORY_PER_GPU", Both "Sizes" => memory_per_gpu, |flag| flag.value_name("SIZE");
        /// Size of /dev/shm, part of the memory of a worker pod [default: half of it]
        shm: Quantity = "KAIWO_SHM", Both "Sizes", |flag| flag.value_name("SIZE");
        /// CPUs of a Ray head [default: 2, or what fits]
        head_cpus: Quantity = "KAIWO_HEAD_CPUS", Both "Sizes", |flag| flag.value_name("N");
        /// Memory of a Ray head [default: 16Gi, or what fits]
        head_memory: Quantity = "KAIWO_HEAD_MEMORY", Both "Sizes", |flag| flag.value_name("SIZE");

        /// Claim to mount: PVC:/path[:ro]; may be repeated
        volume: List<ClaimMount> = "KAIWO_VOLUME", Both "Pods" => volumes, |flag| flag.value_name("MOUNT");
        /// Claim for /scratch: SIZE[,CLASS] [default: an emptyDir]
        storage: Storage = "KAIWO_STORAGE", Both "Pods" => storage;
        /// Keep the claim of --storage, as NAME-scratch, when the workload is deleted, and
        /// reuse it for the next one of that name
        keep_storage: Switch = "KAIWO_KEEP_STORAGE", Both "Pods";
        /// Data to load before the workload starts: hf://ORG/MODEL:/path, s3://, gs:// or https://;
        /// may be repeated
        preload: List<Preload> = "KAIWO_PRELOAD", Both "Pods", |flag| flag.value_name("URL:/path");
        /// Image that loads the data [default: KServe's storage initializer]
        preload_image: ImageRef = "KAIWO_PRELOAD_IMAGE", Both "Pods";
        /// Taint to tolerate: KEY[=VALUE][:EFFECT]; may be repeated
        toleration: List<Toleration> = "KAIWO_TOLERATION", Both "Pods" => tolerations, |flag| flag.value_name("TAINT");
        /// Mount the uploads read-only in the working directory, for an image without sh
        read_only_workdir: Switch = "KAIWO_READ_ONLY_WORKDIR", Both "Pods" => read_only_workdir;
        /// Time to end after SIGTERM: 90s, 5m [default: 30s; a Deployment 2m]
        grace: Seconds = "KAIWO_GRACE", Both "Pods" => grace;
        /// Service account of the pods
        service_account: ServiceAccountName = "KAIWO_SERVICE_ACCOUNT", Both "Pods" => service_account;
        /// Secret for pulling the image; may be repeated
        image_pull_secret: List<SecretName> = "KAIWO_IMAGE_PULL_SECRET", Both "Pods" => image_pull_secrets,
            |flag| flag.alias("imagepullsecret").value_name("NAME");

        /// Run an array of tasks, by their numbers: 0-99, 0-99%10 for 10 at once, 3,7,9.
        /// Each is a pod with the GPUs of -g
        array: ArraySpec = "KAIWO_ARRAY", Submit "Array", |flag| flag.value_name("TASKS");
        /// Run a task for each value: lr=1e-3,1e-4 or seed=1..5; repeated, for every
        /// combination
        sweep: Sweeps = "KAIWO_SWEEP", Submit "Array", |flag| flag.value_name("NAME=VALUES");
        /// Run a task for each row of a CSV file, whose first line names the parameters
        sweep_file: PathBuf = "KAIWO_SWEEP_FILE", Submit "Array";
        /// Tasks at once [default: as many as the queue admits]
        slots: i64 = "KAIWO_SLOTS", Submit "Array";
        /// Start only with this many slots, or with all [default: 1]
        at_least: AtLeast = "KAIWO_AT_LEAST", Submit "Array";
        /// Give up once more than this many tasks have failed [default: never]
        max_failed: i64 = "KAIWO_MAX_FAILED", Submit "Array";
        /// Allow the slots to be changed while it runs
        grow: Switch = "KAIWO_GROW", Submit "Array";
        /// Run the tasks again that failed in the array of this name
        only_failed: Switch = "KAIWO_ONLY_FAILED", Submit "Array";

        /// Namespace of the workload [default: kaiwo]
        namespace: Namespace = "KAIWO_NAMESPACE", Both "Queue", |flag| flag.short('n');
        /// Create the namespace if it does not exist
        create_namespace: Switch = "KAIWO_CREATE_NAMESPACE", Both "Queue";
        /// LocalQueue, or ClusterQueue to create one for [default: kaiwo; services are not
        /// queued]
        queue: QueueName = "KAIWO_QUEUE", Both "Queue", |flag| flag.short('q');
        /// Place the pods close together: rack, rack:required, or the label of a level
        topology: TopologyWish = "KAIWO_TOPOLOGY", Submit "Queue";
        /// Node labels of the levels of --topology, widest first, where you may not list
        /// Topologies
        topology_levels: List<LevelLabel> = "KAIWO_TOPOLOGY_LEVELS", Neither "" => topology_levels;
        /// WorkloadPriorityClass of Kueue
        priority_class: PriorityClassName = "KAIWO_PRIORITY_CLASS", Both "Queue";
        /// Submit even if the queue cannot admit it now; with --replace, also delete a
        /// workload that kaiwo did not create
        force: Switch = "KAIWO_FORCE", Both "Queue";

        /// Port the container listens on; creates a Service with the workload's name, with
        /// the same port or as 80:3000
        port: PortPair = "KAIWO_PORT", Serve "Network";
        /// Path that answers once the model is loaded, for the probes: /health
        health_path: HealthPath = "KAIWO_HEALTH_PATH", Serve "Network";
        /// Make the Service public: it becomes a LoadBalancer
        public: Switch = "KAIWO_PUBLIC", Serve "Network";
        /// Host of an Ingress for the service: HOST[,CLASS][,TLS-SECRET]
        ingress: IngressHost = "KAIWO_INGRESS", Serve "Network";
        /// Scale between MIN and MAX pods: 1-4; -g is the total at MAX. Ray scales the
        /// workers of a RayService, a HorizontalPodAutoscaler a Deployment
        autoscale: Scale = "KAIWO_AUTOSCALE", Serve "Scaling";
        /// Scale so that the pods use this percentage of their CPUs
        target_cpu: i64 = "KAIWO_TARGET_CPU", Serve "Scaling", |flag| flag.value_name("PERCENT");
        /// Scale so that this metric of the pods has this average: NAME=VALUE; may be
        /// repeated
        target_metric: List<MetricTarget> = "KAIWO_TARGET_METRIC", Serve "Scaling",
            |flag| flag.value_name("METRIC");
        /// Pods that must stay available during a node drain: a number, or a percentage
        /// such as 50%
        min_available: MinAvailable = "KAIWO_MIN_AVAILABLE", Serve "Scaling";

        /// Model of KAITO's catalogue, or org/name of Hugging Face: served, or tuned with
        /// --tune
        model: ModelRef = "KAIWO_MODEL", Both "KAITO", |flag| flag.short('m');
        /// Run the directory or image as a KAITO Workspace
        kaito: Switch = "KAIWO_KAITO", Serve "KAITO";
        /// Virtual machines that KAITO creates; to use existing nodes, set --node-selector
        /// instead
        instance_type: InstanceType = "KAIWO_INSTANCE_TYPE", Both "KAITO";
        /// Adapter to serve with the model: NAME=IMAGE[@STRENGTH] or
        /// NAME=pvc:CLAIM[@STRENGTH]; may be repeated
        adapter: List<Adapter> = "KAIWO_ADAPTER", Serve "KAITO", |flag| flag.value_name("ADAPTER");
        /// Secret whose key HF_TOKEN lets the model be downloaded
        model_access_secret: AccessSecret = "KAIWO_MODEL_ACCESS_SECRET", Serve "KAITO";
        /// File with options of vLLM, to upload
        inference_config: PathBuf = "KAIWO_INFERENCE_CONFIG", Serve "KAITO";
        /// Runtime of the model: vllm or transformers [default: vllm]
        runtime: Runtime = "KAIWO_RUNTIME", Serve "KAITO";
        /// Tune a model, as a KAITO Workspace: lora or qlora
        tune: TuningMethod = "KAIWO_TUNE", Submit "KAITO";
        /// Data to tune with: URL, IMAGE or pvc:CLAIM; a URL may be repeated
        tune_input: List<TuningInput> = "KAIWO_TUNE_INPUT", Submit "KAITO", |flag| flag.value_name("DATA");
        /// Destination of the adapter: IMAGE or pvc:CLAIM
        tune_output: ImageOrClaim = "KAIWO_TUNE_OUTPUT", Submit "KAITO";
        /// Secret with which an image is pushed
        tune_push_secret: SecretName = "KAIWO_TUNE_PUSH_SECRET", Submit "KAITO";
        /// File with KAITO's training_config, to upload
        tune_config: PathBuf = "KAIWO_TUNE_CONFIG", Submit "KAITO";

        /// Number of retries after a failure [default: 0]
        retries: i64 = "KAIWO_RETRIES", Submit "End";
        /// Delete the Job this long after it finishes: 90s, 30m, 2d
        ttl: Seconds = "KAIWO_TTL", Submit "End";
        /// End the workload this long after its start
        max_runtime: Seconds = "KAIWO_MAX_RUNTIME", Submit "End";
        /// End a session of run after this long without anyone attached [default: 10m with
        /// a terminal, else never]
        idle: Seconds = "KAIWO_IDLE", Run "End";
        /// Wait until a job finishes or a service is ready, and exit with the container's
        /// code
        wait: Switch = "KAIWO_WAIT", Both "Waiting";
        /// Like --wait, and stream the logs
        follow: Switch = "KAIWO_FOLLOW", Both "Waiting";
        /// With --follow, also write the output to this file; it is appended to a file that
        /// exists
        log: PathBuf = "KAIWO_LOG", Both "Waiting";
        /// Longest wait in total: 30s, 10m, 2h [default: none]
        timeout: Seconds = "KAIWO_TIMEOUT", Both "Waiting";
        /// Longest wait in the queue and for nodes, again after each preemption [default: none]
        queue_timeout: Seconds = "KAIWO_QUEUE_TIMEOUT", Both "Waiting";
        /// Report the end of --wait: to a URL as JSON, to a command in $KAIWO_MESSAGE
        notify: Notify = "KAIWO_NOTIFY", Both "Waiting";

        /// Delete a workload of this name first, unless it is the same and has not ended
        replace: Switch = "KAIWO_REPLACE", Both "Submitting";
        /// Add a random suffix to the name
        generate_name: Switch = "KAIWO_GENERATE_NAME", Both "Submitting";
        /// Let an update stop the only pod before the next one starts, where no node has
        /// GPUs for both
        allow_downtime: Switch = "KAIWO_ALLOW_DOWNTIME", Serve "Submitting";
        /// Print what would be created: "client" (bare) opens no connection, "server" lets
        /// the API server check it
        dry_run: DryRun = "KAIWO_DRY_RUN", Both "Submitting", |flag| flag.short('d');
        /// Output format [default: yaml in a dry run]
        output: Format = "KAIWO_OUTPUT", Both "Submitting", |flag| flag.short('o');
    }
    pairs {
        /// Variable: K=V, or K for its local value; may be repeated
        env = "KAIWO_ENV", Neither "Workload";
        /// Variable from a Secret: K=SECRET/KEY; may be repeated
        secret = "KAIWO_SECRET", Both "Workload", |flag| flag.value_name("K=S/KEY");
        /// Value in Custom: a.b=V, V as JSON or as text; may be repeated
        set = "KAIWO_SET", Both "Workload";
        /// Label the nodes must have; may be repeated
        node_selector = "KAIWO_NODE_SELECTOR", Both "Pods";
        /// Label of every object and pod; may be repeated
        label = "KAIWO_LABEL", Both "Pods";
        /// Annotation of workload and pods; may be repeated
        annotation = "KAIWO_ANNOTATION", Both "Pods";
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
        settings.resolve(file.parent().unwrap_or(Path::new("")));
        Ok(settings)
    }
}

#[cfg(test)]
mod tests;
