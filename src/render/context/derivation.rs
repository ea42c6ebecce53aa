//! Derives the context of the templates from a plan.

use std::collections::BTreeMap;

use super::{
    AdapterContext, ArrayContext, IngressContext, KAITO_PORT, Meta, MetricContext,
    ResourcesContext, Scheduling, SecretVolume, SessionContext, StorageContext, TemplateContext,
    TolerationContext, TuningContext, UploadContext, UploadItem, VolumeContext, WorkloadContext,
    WorkloadMeta, directory,
};
use crate::api::keys;
use crate::kind::WorkloadKind;
use crate::plan::Plan;
use crate::plan::kaito::{self, Adapter, Choices, Place, Tuning};
use crate::plan::request::claim::ClaimMount;
use crate::plan::request::min_available::MinAvailable;
use crate::plan::request::pod::PodSettings;
use crate::plan::request::service_settings::Serving;
use crate::plan::request::session::Session;
use crate::plan::request::toleration;
use crate::plan::request::toleration::Toleration;
use crate::plan::request::topology::TopologyWish;
use crate::plan::request::{Run, WorkloadRequest};
use crate::plan::resources::RAY_SUBMITTER;
use crate::render::array::script;
use crate::render::environment::{EnvVarContext, env_vars, is_common, literal};
use crate::render::preload::PreloadContext;
use crate::render::support;
use crate::workload::entrypoint::{FILE_NAME, Script};
use crate::workload::serve_config;
use crate::workload::upload::UploadPart;

/// Group of the files on a claim that is kept, as of those that are loaded: usual users
/// of images are in it, and Kubernetes adds the others.
const STORAGE_GROUP: i64 = 1000;

impl<'a> TemplateContext<'a> {
    /// Derives the context from a plan and the parts of its upload. `submission`
    /// identifies this run.
    pub fn new(plan: &'a Plan, parts: &[UploadPart<'_>], submission: Option<&str>) -> Self {
        let variables = env_vars(plan);
        Self {
            scheduling: Scheduling::new(plan),
            workload: WorkloadContext::new(plan, &variables),
            meta: Meta::new(plan, parts, submission, variables),
            workload_meta: WorkloadMeta::new(plan),
            custom: &plan.request.custom,
        }
    }
}

impl Meta {
    fn new(
        plan: &Plan,
        parts: &[UploadPart<'_>],
        submission: Option<&str>,
        variables: Vec<EnvVarContext>,
    ) -> Self {
        let request = &plan.request;
        let pods = &request.pods;
        let mut annotations = pods.annotations.clone();
        annotations.extend(support::kaito_annotations(plan));
        annotations.extend(support::own_annotations(plan, submission));
        annotations.extend(support::session_annotations(plan));
        annotations.extend(support::array_annotations(plan));
        let secrets = pods.image_pull_secrets.iter().map(|name| name.0.clone());
        let image_pull_secrets: Vec<String> = secrets.collect();
        Self {
            name: request.name.clone(),
            namespace: request.namespace.clone(),
            image: plan.image.clone(),
            version: request.version.clone(),
            user: request.user.clone(),
            labels: support::labels(plan),
            pod_labels: support::pod_labels(plan),
            annotations,
            pod_annotations: pod_annotations(plan),
            head_annotations: head_annotations(plan),
            image_pull_secret: image_pull_secrets.first().cloned(),
            image_pull_secrets,
            service_account: pods.service_account.clone(),
            common_env_vars: variables
                .iter()
                .filter(|variable| is_common(variable))
                .cloned()
                .collect(),
            env_vars: variables,
            secret_volumes: secret_volumes(plan),
            volumes: volumes(pods),
            uploads: uploads(plan, parts),
            working_dir: (!request.upload.is_empty()).then(|| directory(request.kind)),
            uploads_dir: request.copies_uploads().then_some(keys::UPLOADS_DIRECTORY),
            uploads_in_pieces: plan.packed.is_none() && !request.upload.in_pieces().is_empty(),
            uploads_packed: plan.packed.is_some(),
        }
    }
}

impl Scheduling {
    fn new(plan: &Plan) -> Self {
        let request = &plan.request;
        let (pods, serving, lifetime) = (&request.pods, &request.serving, &request.lifetime);
        Self {
            total_requested_gpus: plan.layout.total(),
            calculated_replicas: plan.layout.replicas,
            calculated_gpus_per_replica: plan.layout.gpus_per_replica,
            gpu_resource: plan.gpu_resource.clone(),
            node_selector: node_selector(plan),
            instance_type: serving.instance_type.clone(),
            min_replicas: serving.autoscale.map(|scale| scale.min),
            target_cpu: serving.target_cpu,
            target_metrics: target_metrics(serving),
            min_available: serving.min_available.map(MinAvailable::to_json),
            label_selector: label_selector(request),
            head_node_selector: pods.node_selector.clone(),
            tolerations: worker_tolerations(plan),
            head_tolerations: tolerations(&pods.tolerations),
            max_surge: plan.rollout.max_surge,
            max_unavailable: plan.rollout.max_unavailable,
            storage: storage(request),
            retries: lifetime.retries,
            schedule: request
                .schedule
                .as_ref()
                .map(|schedule| schedule.as_str().to_owned()),
            time_zone: request.time_zone.clone(),
            ttl_seconds: lifetime.ttl.map(|ttl| ttl.0),
            grace_seconds: pods.grace.map(|grace| grace.0),
            max_runtime_seconds: lifetime.max_runtime.map(|most| most.0),
            indexed: plan.indexed(),
            array: array(plan),
            worker: ResourcesContext {
                shared_memory: plan.sizes.shared_memory(),
                ..plan.sizes.worker.resources().into()
            },
            head: plan.sizes.head.resources().into(),
            submitter: RAY_SUBMITTER.into(),
        }
    }
}

impl WorkloadContext {
    fn new(plan: &Plan, variables: &[EnvVarContext]) -> Self {
        let request = &plan.request;
        let serving = &request.serving;
        let (command, args) = match command(request) {
            words if request.gives_arguments() => (Vec::new(), words),
            words => (words, Vec::new()),
        };
        Self {
            is_job: request.kind.is_batch(),
            entrypoint: (!command.is_empty()).then(|| command.join(" ")),
            command: command.iter().map(|word| literal(word)).collect(),
            args: args.iter().map(|word| literal(word)).collect(),
            ray_version: request.ray_version.clone(),
            api_version: plan.api_version.clone(),
            serveconfig: serving.serve_config.clone(),
            port: port(request),
            service_port: serving.service_port.or(serving.port),
            health_path: serving.health_path.clone(),
            preload: PreloadContext::new(plan, variables),
            session: request.session.as_ref().map(session),
            public: serving.public,
            ingress: serving.ingress.as_ref().map(|ingress| IngressContext {
                host: ingress.host.clone(),
                class: ingress.class.clone(),
                tls_secret: ingress.tls_secret.clone(),
            }),
        }
    }
}

impl WorkloadMeta {
    fn new(plan: &Plan) -> Self {
        let request = &plan.request;
        let (serving, kaito) = (&request.serving, &request.serving.kaito);
        Self {
            queue: plan.local_queue.clone(),
            priority_class: request.priority_class.clone(),
            model: serving.model.clone(),
            model_access_secret: kaito.model_access_secret.clone(),
            config: support::config_name(plan),
            adapters: adapters(kaito),
            tuning: kaito.tuning.as_ref().map(tuning),
        }
    }
}

/// Returns the claim for the scratch directory, if there is one.
fn storage(request: &WorkloadRequest) -> Option<StorageContext> {
    let storage = request.pods.storage.as_ref()?;
    let claim = request.kept_claim();
    let is_of_job = claim.is_some() && request.kind.is_batch();
    Some(StorageContext {
        quantity: storage.size,
        storage_class_name: storage.class.clone(),
        group: is_of_job.then_some(STORAGE_GROUP),
        counts_attempts: is_of_job && !request.pods.read_only_workdir && request.has_command(),
        claim,
    })
}

/// Returns the labels of the working pods' nodes: the user's and the plan's.
fn node_selector(plan: &Plan) -> BTreeMap<String, String> {
    // KAITO itself keeps the pods to the nodes it has chosen.
    if plan.request.kind.is_kaito() {
        return BTreeMap::new();
    }
    let mut labels = plan.request.pods.node_selector.clone();
    labels.extend(plan.node_selector.clone());
    labels
}

/// Returns the taints that the working pods tolerate: what the user says, and
/// those of nodes with such GPUs.
fn worker_tolerations(plan: &Plan) -> Vec<TolerationContext> {
    let resource = plan.gpu_resource.as_deref();
    let of_gpus = resource.map(toleration::of_gpus).unwrap_or_default();
    tolerations(plan.request.pods.tolerations.iter().chain(&of_gpus))
}

fn target_metrics(serving: &Serving) -> Vec<MetricContext> {
    let metrics = serving.target_metrics.iter();
    metrics
        .map(|target| MetricContext {
            name: target.name.clone(),
            value: target.value,
        })
        .collect()
}

/// Returns the annotations of the pods; of an InferenceSet those of the
/// Workspaces that KAITO makes, which it reads there.
fn pod_annotations(plan: &Plan) -> BTreeMap<String, String> {
    let mut annotations = plan.request.pods.annotations.clone();
    if let Some(level) = &plan.topology {
        let key = TopologyWish::annotation(level.required);
        annotations.insert(key.to_owned(), level.label.clone());
    }
    if plan.request.kind == WorkloadKind::InferenceSet {
        annotations.extend(support::kaito_annotations(plan));
    }
    if let Some(packed) = &plan.packed {
        annotations.insert(keys::FILES_ANNOTATION.to_owned(), packed.text().to_owned());
    }
    annotations
}

/// Returns the annotations of pods beside the working ones: Kueue would place these in a
/// domain of their own.
fn head_annotations(plan: &Plan) -> BTreeMap<String, String> {
    let mut annotations = pod_annotations(plan);
    annotations.retain(|key, _| !keys::TOPOLOGY_ANNOTATIONS.contains(&key.as_str()));
    annotations
}

fn session(session: &Session) -> SessionContext {
    SessionContext {
        tty: session.tty,
        piped: session.piped,
        patience_seconds: session.patience().0,
        ends_idle: session.idle.is_some(),
    }
}

fn array(plan: &Plan) -> Option<ArrayContext> {
    let array = plan.request.array.as_ref()?;
    Some(ArrayContext {
        completions: array.tasks.count(),
        parallelism: array.slots,
        max_failed_indexes: array.max_failed,
        script: literal(&script(array, &command(&plan.request))),
        rows: support::rows_name(plan),
        directory: keys::ARRAY_DIRECTORY,
    })
}

fn adapters(choices: &Choices) -> Vec<AdapterContext> {
    let adapter = |adapter: &Adapter| AdapterContext {
        name: adapter.name.clone(),
        image: adapter.place.image().map(str::to_owned),
        claim: adapter.place.claim().map(str::to_owned),
        strength: adapter.strength.clone(),
    };
    choices.adapters.iter().map(adapter).collect()
}

fn tuning(tuning: &Tuning) -> TuningContext {
    let input = tuning.input_place();
    TuningContext {
        method: tuning.method.to_string(),
        input_urls: tuning.urls().into_iter().map(str::to_owned).collect(),
        input_image: input.and_then(Place::image).map(str::to_owned),
        input_claim: input.and_then(Place::claim).map(str::to_owned),
        output_image: tuning.output.image().map(str::to_owned),
        push_secret: tuning.push_secret.clone(),
        output_claim: tuning.output.claim().map(str::to_owned),
    }
}

fn label_selector(request: &WorkloadRequest) -> BTreeMap<String, String> {
    match request.kind.is_kaito() {
        true if request.pods.node_selector.is_empty() => kaito::default_selector(&request.name),
        true => request.pods.node_selector.clone(),
        false => BTreeMap::new(),
    }
}

fn port(request: &WorkloadRequest) -> Option<u16> {
    match request.kind {
        kind if kind.is_kaito() => Some(KAITO_PORT),
        // KubeRay's Service leads to the port called `serve`, and so do its probes.
        WorkloadKind::RayService => {
            let config = request.serving.serve_config.as_deref();
            Some(serve_config::port(config.unwrap_or_default()))
        }
        _ => request.serving.port,
    }
}

fn volumes(pods: &PodSettings) -> Vec<VolumeContext> {
    // A claim that is mounted twice is one volume to Kubernetes only if it
    // has one name, so every mount gets a volume of its own.
    let volume = |(index, mount): (usize, &ClaimMount)| VolumeContext {
        name: format!("volume-{index}"),
        claim: mount.claim.clone(),
        mount_path: mount.path.clone(),
        read_only: mount.read_only,
    };
    pods.volumes.iter().enumerate().map(volume).collect()
}

fn tolerations<'a>(
    tolerations: impl IntoIterator<Item = &'a Toleration>,
) -> Vec<TolerationContext> {
    tolerations
        .into_iter()
        .map(|toleration| TolerationContext {
            key: toleration.key.clone(),
            value: toleration.value.clone(),
            effect: toleration.effect.clone(),
        })
        .collect()
}

fn command(request: &WorkloadRequest) -> Vec<String> {
    let script = format!("{}/{FILE_NAME}", directory(request.kind));
    match &request.run {
        Run::Image => Vec::new(),
        Run::Script(Script::Direct) => vec![script],
        Run::Script(Script::Shell) => vec!["sh".to_owned(), script],
        Run::Command(words) => words.clone(),
    }
}

fn secret_volumes(plan: &Plan) -> Vec<SecretVolume> {
    plan.request
        .environment
        .mounts
        .iter()
        .enumerate()
        .map(|(index, mount)| SecretVolume {
            name: format!("secret-{index}"),
            secret_name: mount.secret.clone(),
            key: mount.key.clone(),
            sub_path: mount.path.rsplit('/').next().unwrap_or_default().to_owned(),
            mount_path: mount.path.clone(),
        })
        .collect()
}

fn uploads(plan: &Plan, parts: &[UploadPart<'_>]) -> Vec<UploadContext> {
    parts
        .iter()
        .map(|part| UploadContext {
            name: support::upload_name(plan, &part.digest),
            items: part
                .entries
                .iter()
                .map(|entry| UploadItem {
                    key: entry.key.clone(),
                    path: entry.path.clone().into_owned(),
                    mode: entry.mode,
                })
                .collect(),
        })
        .collect()
}
