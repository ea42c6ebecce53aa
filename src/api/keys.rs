//! Labels, annotations and other names that Kubernetes, Kueue, Ray and kaiwo
//! give to things.

/// Label that puts a workload into a LocalQueue (Kueue `constants.QueueLabel`).
pub const QUEUE_NAME_LABEL: &str = "kueue.x-k8s.io/queue-name";
/// Label with a workload's priority class (Kueue
/// `constants.WorkloadPriorityClassLabel`).
pub const PRIORITY_CLASS_LABEL: &str = "kueue.x-k8s.io/priority-class";
/// Annotation of pods with the level of a topology in one domain of which they are
/// preferably placed (Kueue `PodSetPreferredTopologyAnnotation`).
pub const PREFERRED_TOPOLOGY_ANNOTATION: &str = "kueue.x-k8s.io/podset-preferred-topology";
/// Annotation of pods with the level in one domain of which they must be placed (Kueue
/// `PodSetRequiredTopologyAnnotation`).
pub const REQUIRED_TOPOLOGY_ANNOTATION: &str = "kueue.x-k8s.io/podset-required-topology";
/// Annotation of pods that any placement in a topology satisfies (Kueue
/// `PodSetUnconstrainedTopologyAnnotation`).
pub const UNCONSTRAINED_TOPOLOGY_ANNOTATION: &str = "kueue.x-k8s.io/podset-unconstrained-topology";
/// Annotations by which working pods ask for a place in a topology.
pub const TOPOLOGY_ANNOTATIONS: [&str; 3] = [
    PREFERRED_TOPOLOGY_ANNOTATION,
    REQUIRED_TOPOLOGY_ANNOTATION,
    UNCONSTRAINED_TOPOLOGY_ANNOTATION,
];
/// Annotation with the gates, separated by commas, that keep a workload out of its
/// queue (Kueue `constants.AdmissionGatedByAnnotation`, from v0.19 on).
pub const ADMISSION_GATED_BY_ANNOTATION: &str = "kueue.x-k8s.io/admission-gated-by";
/// LocalQueue that takes what names no queue (Kueue `LocalQueueDefaulting`, v0.18).
pub const DEFAULT_LOCAL_QUEUE: &str = "default";
/// Label of pods that Kueue holds back until they are admitted (Kueue
/// `constants.ManagedByKueueLabelKey`).
pub const MANAGED_LABEL: &str = "kueue.x-k8s.io/managed";
/// Label with the person who submitted, as the original kaiwo set it.
pub const USERNAME_LABEL: &str = "kaiwo-cli/username";
/// Label of an EndpointSlice with the name of its Service (Kubernetes
/// `discoveryv1.LabelServiceName`).
pub const SERVICE_NAME_LABEL: &str = "kubernetes.io/service-name";
/// Recommended label: the application, here the directory or image.
pub const APP_NAME_LABEL: &str = "app.kubernetes.io/name";
/// Recommended label: this instance. Selectors use it, those of a Deployment with
/// [`KIND_LABEL`] beside it.
pub const APP_INSTANCE_LABEL: &str = "app.kubernetes.io/instance";
/// Label of a Deployment's pods, by which a Service in front of them passes by
/// those of a Job that has the same name.
pub const KIND_LABEL: &str = "kaiwo-cli/kind";
/// Recommended label: the tool that made the object.
pub const APP_MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";
/// Recommended label: the version the user gave.
pub const APP_VERSION_LABEL: &str = "app.kubernetes.io/version";
/// Recommended label: the part an object plays, `upload` for uploads.
pub const APP_COMPONENT_LABEL: &str = "app.kubernetes.io/component";

/// Annotation of an upload: the bytes of its files.
pub const BYTES_ANNOTATION: &str = "kaiwo-cli/bytes";
/// Annotation of pods that run in another cluster with the files of the directory, as an
/// archive in base64.
pub const FILES_ANNOTATION: &str = "kaiwo-cli/files";
/// Annotation with the digest over request and uploads; equal digests mean
/// "the same submission".
pub const DIGEST_ANNOTATION: &str = "kaiwo-cli/digest";
/// Annotation with the identity of one run of `submit`.
pub const SUBMISSION_ANNOTATION: &str = "kaiwo-cli/submission";

/// Annotation of what a run of `submit` or `serve` makes with the kind of its
/// workload.
pub const KIND_ANNOTATION: &str = "kaiwo-cli/kind";

/// Annotation of a service with the name of the ConfigMap that holds its
/// previous version; empty where none is kept.
pub const PREVIOUS_ANNOTATION: &str = "kaiwo-cli/previous";

/// Annotation of a service with the names of the ConfigMaps that hold its versions,
/// in the order in which they were served. Its digest tells which of them it is.
pub const VERSIONS_ANNOTATION: &str = "kaiwo-cli/versions";

/// Annotation of such a ConfigMap with the images of the version.
pub const IMAGES_ANNOTATION: &str = "kaiwo-cli/images";

/// Value of [`APP_COMPONENT_LABEL`] of such a ConfigMap.
pub const REVISION: &str = "revision";

/// Annotation of what `kaiwo run` started: [`TERMINAL`] or [`STREAMS`].
pub const SESSION_ANNOTATION: &str = "kaiwo-cli/session";
/// Annotation of it with the time without anyone attached after which it ends, if any.
pub const IDLE_ANNOTATION: &str = "kaiwo-cli/idle";
/// Value of [`SESSION_ANNOTATION`] for a command with a terminal.
pub const TERMINAL: &str = "terminal";
/// Value of it for a command without one.
pub const STREAMS: &str = "streams";

/// Value of [`APP_COMPONENT_LABEL`] of a pod through which files of a claim are copied.
pub const COPY: &str = "copy";

/// Annotation of such a pod with the name of the workload whose claim it is.
pub const COPIES_ANNOTATION: &str = "kaiwo-cli/copies";

/// Annotation of an array with the numbers of its tasks and their parameters, as JSON.
pub const ARRAY_ANNOTATION: &str = "kaiwo-cli/array";
/// Label of an array's pods, which are many: what reads the pods of others leaves them out.
pub const ARRAY_LABEL: &str = "kaiwo-cli/array";
/// Annotation of a Job with the least pods at once with which Kueue admits it (Kueue
/// `job.JobMinParallelismAnnotation`).
pub const MIN_PARALLELISM_ANNOTATION: &str = "kueue.x-k8s.io/job-min-parallelism";
/// Annotation of a Job whose `parallelism` Kueue lets change while it runs (Kueue
/// `workloadslicing.EnabledAnnotationKey`).
pub const ELASTIC_ANNOTATION: &str = "kueue.x-k8s.io/elastic-job";
/// Scheduling gate of the pods of such a Job, which Kueue adds to its template and removes
/// from as many pods as it admits (Kueue `kueue.ElasticJobSchedulingGate`, from v0.13 on).
pub const ELASTIC_GATE: &str = "kueue.x-k8s.io/elastic-job";
/// Where the table of an array's parameters is mounted.
pub const ARRAY_DIRECTORY: &str = "/kaiwo/array";
/// The file in it, and the key in its ConfigMap.
pub const ROWS_FILE: &str = "rows";

/// Where uploads are mounted that the container's command copies.
pub const UPLOADS_DIRECTORY: &str = "/kaiwo/uploads";

/// Value of [`APP_MANAGED_BY_LABEL`], and the field manager of every write.
pub const MANAGER: &str = "kaiwo";

/// Extended resource of AMD's device plugin.
pub const AMD_GPU: &str = "amd.com/gpu";
/// Extended resource of NVIDIA's device plugin.
pub const NVIDIA_GPU: &str = "nvidia.com/gpu";
/// Node label with the GPU count, by AMD's node labeller.
pub const AMD_GPU_COUNT_LABEL: &str = "beta.amd.com/gpu.family.AI";
/// Node label with the GPU count, by NVIDIA's GPU feature discovery.
pub const NVIDIA_GPU_COUNT_LABEL: &str = "nvidia.com/gpu.count";

/// Label of a pod that Kueue has admitted, with its LocalQueue (Kueue
/// `constants.LocalQueueLabel`, from v0.14 on).
pub const LOCAL_QUEUE_LABEL: &str = "kueue.x-k8s.io/local-queue-name";
/// Label of a pod of a group with the group's name, which its Workload has, too
/// (Kueue `podconstants.GroupNameLabel`).
pub const POD_GROUP_LABEL: &str = "kueue.x-k8s.io/pod-group-name";
/// Label of a Kueue Workload with the UID of what it stands for (Kueue
/// `constants.JobUIDLabel`).
pub const JOB_UID_LABEL: &str = "kueue.x-k8s.io/job-uid";
/// Label of a Job's pods with its UID (batch/v1).
pub const CONTROLLER_UID_LABEL: &str = "batch.kubernetes.io/controller-uid";
/// Label of a Job's pod with its index (batch/v1, `JobCompletionIndexAnnotation`).
pub const COMPLETION_INDEX_LABEL: &str = "batch.kubernetes.io/job-completion-index";
/// Label of a Namespace with its name (core/v1).
pub const NAMESPACE_NAME_LABEL: &str = "kubernetes.io/metadata.name";
/// Taint of a node that is cordoned (core/v1).
pub const CORDONED_TAINT: &str = "node.kubernetes.io/unschedulable";
/// Label of a pod of a Ray cluster (KubeRay `utils.RayClusterLabelKey`).
pub const RAY_CLUSTER_LABEL: &str = "ray.io/cluster";
/// Label of it with its part: `head` or `worker` (KubeRay `utils.RayNodeTypeLabelKey`).
pub const RAY_NODE_TYPE_LABEL: &str = "ray.io/node-type";
/// Label of what KubeRay makes for a kind (`utils.RayOriginatedFromCRDLabelKey`).
pub const RAY_ORIGIN_LABEL: &str = "ray.io/originated-from-crd";
/// Label of what KubeRay makes for an object with its name
/// (`utils.RayOriginatedFromCRNameLabelKey`).
pub const RAY_ORIGIN_NAME_LABEL: &str = "ray.io/originated-from-cr-name";
/// Label of a Workspace's pods (KAITO `LabelWorkspaceName`).
pub const WORKSPACE_LABEL: &str = "kaito.sh/workspace";
/// Label of an InferenceSet's Workspaces with its name (KAITO v0.12).
pub const INFERENCE_SET_LABEL: &str = "inferenceset.kaito.sh/created-by";

/// Controller of the AdmissionChecks that send workloads to other clusters,
/// and `spec.managedBy` of what they send (Kueue `MultiKueueControllerName`).
pub const MULTIKUEUE_CONTROLLER: &str = "kueue.x-k8s.io/multikueue";
