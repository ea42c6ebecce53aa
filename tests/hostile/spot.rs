//! Hostile values, and where they stand.

/// Stands where the hostile value will: a word that is valid everywhere and
/// occurs nowhere else.
pub const PLACEHOLDER: &str = "placeholder";

/// Texts that YAML, Tera, Kubernetes or a shell read as something else.
pub const NASTY: [&str; 54] = [
    "", " ", "\"", "'", "\\", "\n", "\r\n", "\t", "a\nb: c", "\n- x", "- x", "? x", ": ", "a: b",
    "a:", "#", "a # b", "{# x", "}}", "${X}", "$$", "$$$(", "$", "!!int", "&a", "*a", "|", ">-",
    "@", "`id`", "---", "...", "--- x", "{a: 1}", "[1]", "{", "[", ",", "yes", "no", "on", "y",
    "true", "null", "~", "1e3", "0o7", "017", "0x1f", "1_000", "12:30:45", ".inf", "<<", "=",
];
/// Longer ones, what is not printable, and what is wide.
const STRANGE: [&str; 14] = [
    "{{ Meta.Name }}",
    "{% raw %}",
    "$(NUM_GPUS)",
    "$$(NUM_GPUS)",
    "!!binary x",
    "%YAML 1.2",
    "2001-01-01",
    "\u{85}\u{2028}\u{2029}\u{feff}",
    "\0",
    "\u{1}\u{7f}\u{9f}",
    "\u{fffe}\u{ffff}",
    "ünï 🚀 \u{202e}",
    "\u{1b}[31m",
    "é\u{301}",
];

/// Returns all nasty texts, and one of 64 KiB.
pub fn nasty() -> Vec<String> {
    let mut values: Vec<String> = NASTY
        .iter()
        .chain(&STRANGE)
        .map(|text| (*text).to_owned())
        .collect();
    values.push("a \"b\": {{ c }}\n".repeat(4096));
    values
}

/// What names of Kubernetes may look like and still trip a YAML reader.
pub const NASTY_NAMES: [&str; 9] = ["null", "true", "yes", "y", "on", "1e3", "12", "0x1f", "0o7"];

/// Where a value stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Spot {
    Variable,
    VariableName,
    SecretName,
    SecretKey,
    MountPath,
    Image,
    Version,
    User,
    App,
    RayVersion,
    Word,
    FileName,
    FileInDirectory,
    FileText,
    FileBytes,
    Namespace,
    Queue,
    Name,
    Annotation,
    Label,
    NodeLabel,
    Toleration,
    TopologyLevel,
    ServiceAccount,
    PullSecret,
    Claim,
    ClaimPath,
    StorageClass,
    PriorityClass,
    /// The key of labels, annotations, node labels, taints and GPUs.
    Key,
    /// A value for the template.
    Custom,
    /// Its key, which the template writes as one.
    CustomKey,
    HealthPath,
    ServeConfig,
    Model,
    InstanceType,
    /// Name of an adapter.
    Adapter,
    /// Claim with an adapter, or with data to tune with.
    ModelClaim,
    ModelSecret,
    /// The file that configures a model's server, or its tuning.
    ModelConfig,
    TuningUrl,
    /// Image with an adapter, with data to tune with, or to be pushed.
    ModelImage,
    PushSecret,
    TimeZone,
    IngressHost,
    IngressClass,
    IngressSecret,
    /// Name of a metric to scale by.
    Metric,
    PreloadUrl,
    PreloadPath,
    PreloadImage,
}

/// All of them.
pub const SPOTS: [Spot; 51] = [
    Spot::Variable,
    Spot::VariableName,
    Spot::SecretName,
    Spot::SecretKey,
    Spot::MountPath,
    Spot::Image,
    Spot::Version,
    Spot::User,
    Spot::App,
    Spot::RayVersion,
    Spot::Word,
    Spot::FileName,
    Spot::FileInDirectory,
    Spot::FileText,
    Spot::FileBytes,
    Spot::Namespace,
    Spot::Queue,
    Spot::Name,
    Spot::Annotation,
    Spot::Label,
    Spot::NodeLabel,
    Spot::Toleration,
    Spot::TopologyLevel,
    Spot::ServiceAccount,
    Spot::PullSecret,
    Spot::Claim,
    Spot::ClaimPath,
    Spot::StorageClass,
    Spot::PriorityClass,
    Spot::Key,
    Spot::Custom,
    Spot::CustomKey,
    Spot::HealthPath,
    Spot::ServeConfig,
    Spot::Model,
    Spot::InstanceType,
    Spot::Adapter,
    Spot::ModelClaim,
    Spot::ModelSecret,
    Spot::ModelConfig,
    Spot::TuningUrl,
    Spot::ModelImage,
    Spot::PushSecret,
    Spot::TimeZone,
    Spot::IngressHost,
    Spot::IngressClass,
    Spot::IngressSecret,
    Spot::Metric,
    Spot::PreloadUrl,
    Spot::PreloadPath,
    Spot::PreloadImage,
];

/// What carries the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Workload {
    Job,
    IndexedJob,
    RayJob,
    CronJob,
    /// A Job from a template of the user's own.
    Template,
    Deployment,
    RayService,
    Preset,
    Workspace,
    InferenceSet,
    /// A Workspace that tunes.
    Tuning,
}

impl Workload {
    /// Returns whether a model makes it, of whose pods nothing can be said.
    pub fn has_model(self) -> bool {
        matches!(self, Self::Preset | Self::InferenceSet | Self::Tuning)
    }
}

/// All of them.
pub const WORKLOADS: [Workload; 11] = [
    Workload::Job,
    Workload::IndexedJob,
    Workload::RayJob,
    Workload::CronJob,
    Workload::Template,
    Workload::Deployment,
    Workload::RayService,
    Workload::Preset,
    Workload::Workspace,
    Workload::InferenceSet,
    Workload::Tuning,
];
