//! Hostile values, and the requests that carry them.

use std::collections::BTreeMap;
use std::path::Path;

use kaiwo::plan::gpu::GpuRequest;
use kaiwo::plan::kaito::{Adapter, Choices, Input, Method, Place, Runtime, Tuning, access_secret};
use kaiwo::plan::name::WorkloadKind;
use kaiwo::plan::pod::PodSettings;
use kaiwo::plan::request::{Lifetime, Run, Schedule, WorkloadRequest};
use kaiwo::plan::serving::Serving;
use kaiwo::workload::custom::{CustomConfig, CustomTemplate};
use kaiwo::workload::entrypoint::{Entrypoint, FILE_NAME};
use kaiwo::workload::env_file::{self, Environment};
use kaiwo::workload::upload::{Upload, UploadFile};
use serde_json::json;

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
}

/// All of them.
pub const SPOTS: [Spot; 40] = [
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
    fn has_model(self) -> bool {
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

/// A template that writes values in every way there is: alone, joined, as a
/// key, and as JSON.
const TEMPLATE: &str = r#"
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ Meta.Name ~ "-custom" }}
  annotations: {{ Custom.tree | to_json }}
---
apiVersion: batch/v1
kind: Job
metadata:
  {% filter indent(width=2) %}{% include "metadata.yaml.tera" %}{% endfilter %}
    alone: {{ Custom.value }}
    joined: {{ "a: " ~ Custom.value ~ " z" }}
{%- for key, value in Custom.keys %}
    {{ key }}: {{ value }}
{%- endfor %}
spec:
  {% filter indent(width=2) %}{% include "job_spec.yaml.tera" %}{% endfilter %}
"#;

fn template() -> CustomTemplate {
    CustomTemplate {
        file: "template".into(),
        text: TEMPLATE.to_owned(),
    }
}

/// Values for the template, the hostile one among them.
fn custom(at: &dyn Fn(Spot, &str) -> String) -> CustomConfig {
    let (key, value) = (at(Spot::CustomKey, "own"), at(Spot::Custom, "value"));
    let mut custom = CustomConfig::default();
    for (path, json) in [
        ("value", json!(value)),
        ("tree", json!({"list": value, (key.clone()): key})),
        ("keys", json!({(key.clone()): key})),
    ] {
        custom.set(path, &json.to_string()).unwrap();
    }
    custom
}

/// Returns the request with the value at a spot; nothing if the value cannot
/// get there.
pub fn request(spot: Spot, workload: Workload, value: &str) -> Option<WorkloadRequest> {
    let (kind, gpus) = match workload {
        Workload::Job => (WorkloadKind::Job, 8),
        Workload::IndexedJob => (WorkloadKind::Job, 16),
        Workload::RayJob => (WorkloadKind::RayJob, 16),
        Workload::CronJob => (WorkloadKind::CronJob, 16),
        Workload::Template => (WorkloadKind::Job, 8),
        Workload::Deployment => (WorkloadKind::Deployment, 16),
        Workload::RayService => (WorkloadKind::RayService, 16),
        Workload::Preset | Workload::Tuning => (WorkloadKind::Workspace, 0),
        Workload::InferenceSet => (WorkloadKind::InferenceSet, 0),
        Workload::Workspace => (WorkloadKind::Workspace, 8),
    };
    let own_template = workload == Workload::Template;
    let at = |here: Spot, usual: &str| {
        if spot == here {
            value.to_owned()
        } else {
            usual.to_owned()
        }
    };
    let file_name = |name: &str| {
        let fits =
            !name.is_empty() && !name.contains(['/', '\0']) && name != "." && name.len() <= 255;
        fits && !name.starts_with("..")
    };
    // A preset is served as it is: nothing of its pods can be said.
    let of_presets = [
        Spot::Version,
        Spot::User,
        Spot::App,
        Spot::Name,
        Spot::Namespace,
        Spot::Label,
        Spot::Annotation,
        Spot::NodeLabel,
        Spot::Model,
        Spot::InstanceType,
        Spot::Adapter,
        Spot::ModelClaim,
        Spot::ModelSecret,
        Spot::ModelConfig,
        Spot::TuningUrl,
    ];
    if workload.has_model() && !of_presets.contains(&spot) {
        return None;
    }
    let accepted = match spot {
        Spot::Image => !value.is_empty() && !value.contains(char::is_whitespace),
        Spot::Version | Spot::User => !value.is_empty(),
        // Of Job it is no part; empty, it is not given.
        Spot::RayVersion => kind.is_ray() && !value.is_empty(),
        // The operating system hands over no such words.
        Spot::Word => {
            !value.contains('\0') && kind != WorkloadKind::RayService && !workload.has_model()
        }
        Spot::FileName | Spot::FileInDirectory => file_name(value),
        Spot::Namespace | Spot::Queue | Spot::PriorityClass => {
            NASTY_NAMES.contains(&value) || value == PLACEHOLDER
        }
        Spot::Name => {
            value.starts_with(|c: char| c.is_ascii_lowercase()) && NASTY_NAMES.contains(&value)
                || value == PLACEHOLDER
        }
        Spot::Custom => own_template,
        Spot::HealthPath => matches!(workload, Workload::Deployment | Workload::Workspace),
        Spot::ServeConfig => workload == Workload::RayService && !value.is_empty(),
        Spot::Model => workload.has_model() && !value.is_empty(),
        Spot::InstanceType => kind.is_kaito() && !value.is_empty(),
        Spot::Adapter => {
            matches!(workload, Workload::Preset | Workload::InferenceSet)
                && format!("{value}=image").parse::<Adapter>().is_ok()
        }
        Spot::ModelClaim => workload.has_model() && format!("pvc:{value}").parse::<Place>().is_ok(),
        Spot::ModelSecret => {
            matches!(workload, Workload::Preset | Workload::InferenceSet)
                && access_secret(value).is_ok_and(|secret| secret == value)
        }
        Spot::ModelConfig => workload.has_model(),
        Spot::TuningUrl => {
            workload == Workload::Tuning && format!("https://x/{value}").parse::<Input>().is_ok()
        }
        // YAML has no keys of more than 1024 characters.
        Spot::CustomKey => own_template && value.len() < 1024 / 6,
        _ => true,
    };
    if !accepted {
        return None;
    }
    let mut files = vec![UploadFile {
        path: match spot {
            Spot::FileName => value.to_owned(),
            _ => format!("z/{}", at(Spot::FileInDirectory, "file")),
        },
        content: match spot {
            Spot::FileBytes => [value.as_bytes(), &[0xff]].concat(),
            _ => at(Spot::FileText, "text").into_bytes(),
        },
        executable: false,
    }];
    let words = ["sh", "-c", &at(Spot::Word, "true")].map(str::to_owned);
    let run = match kind {
        WorkloadKind::RayService => Run::Image,
        _ if workload.has_model() => Run::Image,
        WorkloadKind::RayJob => {
            let entrypoint = Entrypoint::of_command(&words);
            // Among the files it stands first, whatever the others' names.
            if spot != Spot::FileName {
                files.push(UploadFile {
                    path: FILE_NAME.to_owned(),
                    content: entrypoint.content,
                    executable: true,
                });
            }
            Run::Script(entrypoint.script)
        }
        _ => Run::Command(words.to_vec()),
    };
    let key = at(Spot::Key, "key");
    let pods = pods(&at, &key)?;
    pods.check(&[]).ok()?;
    Some(WorkloadRequest {
        kind,
        name: at(Spot::Name, "name"),
        namespace: at(Spot::Namespace, "team"),
        queue: Some(at(Spot::Queue, "queue")),
        user: at(Spot::User, "alice"),
        app: at(Spot::App, "app"),
        version: Some(at(Spot::Version, "v1")),
        image: Some(at(Spot::Image, "image")),
        run,
        environment: environment(&at)?,
        upload: Upload::new(files),
        gpus: GpuRequest {
            total: Some(gpus),
            ..GpuRequest::default()
        },
        gpus_per_node: Some(8),
        gpu_resource: Some(format!("amd.com/{key}")),
        gpu_node_label_key: None,
        ray_version: Some(at(Spot::RayVersion, "2.46.0")),
        schedule: (kind == WorkloadKind::CronJob).then(|| Schedule::new("0 3 * * *").unwrap()),
        pods,
        priority_class: Some(at(Spot::PriorityClass, "high")),
        lifetime: Lifetime::default(),
        serving: serving(workload, &at),
        template: own_template.then(template),
        custom: if own_template {
            custom(&at)
        } else {
            CustomConfig::default()
        },
        create_namespace: false,
        force: false,
        allow_downtime: false,
    })
}

/// Fills in what only services have.
fn serving(workload: Workload, at: &dyn Fn(Spot, &str) -> String) -> Serving {
    let only = |this: Workload, spot, usual| (workload == this).then(|| at(spot, usual));
    let health_path = format!("/{}", at(Spot::HealthPath, "health"));
    let own = matches!(workload, Workload::Deployment | Workload::Workspace);
    let kaito = workload == Workload::Workspace || workload.has_model();
    Serving {
        port: (workload == Workload::Deployment).then_some(8000),
        health_path: own.then_some(health_path),
        serve_config: only(Workload::RayService, Spot::ServeConfig, "applications: []"),
        model: workload.has_model().then(|| at(Spot::Model, "phi-4")),
        autoscale: None,
        instance_type: kaito.then(|| at(Spot::InstanceType, "Standard_NC24ads_A100_v4")),
        kaito: match workload.has_model() {
            true => choices(workload, at),
            false => Choices::default(),
        },
        ..Serving::default()
    }
}

/// Fills in what is chosen of KAITO.
fn choices(workload: Workload, at: &dyn Fn(Spot, &str) -> String) -> Choices {
    let claim = Place::Claim(at(Spot::ModelClaim, "adapters"));
    let tunes = workload == Workload::Tuning;
    let adapter = |name: String, place: &Place| Adapter {
        name,
        place: place.clone(),
        strength: Some("0.5".to_owned()),
    };
    let url = format!("https://x/{}", at(Spot::TuningUrl, "data"));
    Choices {
        runtime: Some(Runtime::Transformers).filter(|_| !tunes),
        adapters: match tunes {
            true => Vec::new(),
            false => vec![adapter(at(Spot::Adapter, "style"), &claim)],
        },
        model_access_secret: (!tunes).then(|| at(Spot::ModelSecret, "token")),
        config: Some(at(Spot::ModelConfig, "a: b\n")),
        context: None,
        tuning: tunes.then(|| Tuning {
            method: Method::Lora,
            input: vec![Input::Url(url)],
            output: claim,
            push_secret: None,
        }),
    }
}

/// Fills in every setting of pods; nothing if one of them refuses its text.
fn pods(at: &dyn Fn(Spot, &str) -> String, key: &str) -> Option<PodSettings> {
    let one = |value: String| BTreeMap::from([(key.to_owned(), value)]);
    let toleration = format!("{key}={}:NoSchedule", at(Spot::Toleration, "taint"));
    let claim = at(Spot::Claim, "claim");
    let path = at(Spot::ClaimPath, "claim");
    Some(PodSettings {
        volumes: vec![format!("{claim}:/mnt/{path}:ro").parse().ok()?],
        storage: Some(
            format!("1Gi,{}", at(Spot::StorageClass, "fast"))
                .parse()
                .ok()?,
        ),
        node_selector: one(at(Spot::NodeLabel, "a")),
        tolerations: vec![toleration.parse().ok()?],
        service_account: Some(at(Spot::ServiceAccount, "robot")),
        image_pull_secrets: vec![at(Spot::PullSecret, "pull").parse().ok()?],
        labels: one(at(Spot::Label, "b")),
        annotations: one(at(Spot::Annotation, "c")),
        cpus_per_gpu: None,
        memory_per_gpu: None,
    })
}

/// Reads an `env` file, which refuses what cannot be.
fn environment(at: &dyn Fn(Spot, &str) -> String) -> Option<Environment> {
    let path = yaml(&format!("/etc/app/{}", at(Spot::MountPath, "file")));
    let at = |spot, usual| yaml(&at(spot, usual));
    let file = format!(
        "envVars:\n- name: {}\n  value: {}\n- fromSecret: {{name: TOKEN, secret: {}, key: {}}}\n\
         - mountSecret: {{name: FILE, secret: secret, key: key, path: {path}}}\n",
        at(Spot::VariableName, "VARIABLE"),
        at(Spot::Variable, "value"),
        at(Spot::SecretName, "secret"),
        at(Spot::SecretKey, "key"),
    );
    env_file::parse(Path::new("env"), &file).ok()
}

/// Writes a text as YAML in the longest way there is, which owes nothing to
/// the code under test.
pub fn yaml(text: &str) -> String {
    let escaped: String = text
        .chars()
        .map(|c| format!("\\U{:08x}", u32::from(c)))
        .collect();
    format!("\"{escaped}\"")
}
