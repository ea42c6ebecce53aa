//! Requests that carry hostile values.

use std::collections::BTreeMap;
use std::path::Path;

use kaiwo::kind::WorkloadKind;
use kaiwo::names::check_image;
use kaiwo::names::is_dns_1123_subdomain;
use kaiwo::plan::gpu::GpuRequest;
use kaiwo::plan::kaito::{
    Adapter, Choices, ImageOrClaim, Runtime, Tuning, TuningInput, TuningMethod, access_secret,
};
use kaiwo::plan::request::autoscale::MetricTarget;
use kaiwo::plan::request::ingress::IngressHost;
use kaiwo::plan::request::pod::PodSettings;
use kaiwo::plan::request::preload::Preload;
use kaiwo::plan::request::schedule::{Schedule, check_time_zone};
use kaiwo::plan::request::service_settings::Serving;
use kaiwo::plan::request::sizes::Sizes;
use kaiwo::plan::request::{Lifetime, Run, WorkloadRequest};
use kaiwo::settings::ServiceAccountName;
use kaiwo::workload::entrypoint::{Entrypoint, FILE_NAME};
use kaiwo::workload::env_file;
use kaiwo::workload::environment::Environment;
use kaiwo::workload::template_values::{CustomConfig, CustomTemplate};
use kaiwo::workload::upload::{Upload, UploadFile};
use serde_json::json;

use super::spot::{NASTY_NAMES, PLACEHOLDER, Spot, Workload};

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
        Spot::ModelImage,
        Spot::PushSecret,
    ];
    if workload.has_model() && !of_presets.contains(&spot) {
        return None;
    }
    let accepted = match spot {
        Spot::Image => check_image(value).is_ok(),
        Spot::PreloadUrl | Spot::PreloadPath => loads(workload),
        Spot::PreloadImage => loads(workload) && check_image(value).is_ok(),
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
        Spot::ModelClaim => {
            workload.has_model() && format!("pvc:{value}").parse::<ImageOrClaim>().is_ok()
        }
        Spot::ModelSecret => {
            matches!(workload, Workload::Preset | Workload::InferenceSet)
                && access_secret(value).is_ok_and(|secret| secret == value)
        }
        Spot::ModelConfig => workload.has_model(),
        Spot::ModelImage => {
            workload.has_model() && value.parse() == Ok(ImageOrClaim::Image(value.to_owned()))
        }
        Spot::PushSecret => workload == Workload::Tuning && is_dns_1123_subdomain(value),
        Spot::TuningUrl => {
            workload == Workload::Tuning
                && format!("https://x/{value}").parse::<TuningInput>().is_ok()
        }
        Spot::IngressHost | Spot::IngressClass | Spot::IngressSecret | Spot::Metric => {
            workload == Workload::Deployment
        }
        Spot::TimeZone => kind == WorkloadKind::CronJob && check_time_zone(value).is_ok(),
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
        }
        .into(),
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
    let schedule = Schedule::new("0 3 * * *")
        .ok()
        .map(|(schedule, _)| schedule);
    let time_zone = (kind == WorkloadKind::CronJob).then(|| at(Spot::TimeZone, "Etc/UTC"));
    if let Some(zone) = &time_zone {
        check_time_zone(zone).ok()?;
    }
    // No kubelet takes others, and so no container has them.
    let image = at(Spot::Image, "image");
    check_image(&image).ok()?;
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
        image: Some(image),
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
        schedule: schedule.filter(|_| kind == WorkloadKind::CronJob),
        time_zone,
        pods,
        priority_class: Some(at(Spot::PriorityClass, "high")),
        lifetime: Lifetime::default(),
        serving: serving(workload, &at)?,
        template: own_template.then(template),
        custom: if own_template {
            custom(&at)
        } else {
            CustomConfig::default()
        },
        session: None,
        array: None,
        create_namespace: false,
        force: false,
        allow_downtime: false,
    })
}

/// Fills in what only services have; nothing if one of them refuses its text.
fn serving(workload: Workload, at: &dyn Fn(Spot, &str) -> String) -> Option<Serving> {
    let only = |this: Workload, spot, usual| (workload == this).then(|| at(spot, usual));
    let health_path = format!("/{}", at(Spot::HealthPath, "health"));
    let own = matches!(workload, Workload::Deployment | Workload::Workspace);
    let kaito = workload == Workload::Workspace || workload.has_model();
    let deployment = workload == Workload::Deployment;
    let loads = loads(workload);
    let (ingress, metric) = match deployment {
        true => (Some(ingress(at)?), Some(metric(at)?)),
        false => (None, None),
    };
    let preload = match loads {
        true => Some(preload(at)?),
        false => None,
    };
    let preload_image = loads.then(|| at(Spot::PreloadImage, "loader"));
    if let Some(image) = &preload_image {
        check_image(image).ok()?;
    }
    // All fields, so that a new one is thought of here.
    Some(Serving {
        port: deployment.then_some(8000),
        service_port: deployment.then_some(80),
        health_path: own.then_some(health_path),
        serve_config: only(Workload::RayService, Spot::ServeConfig, "applications: []"),
        model: workload.has_model().then(|| at(Spot::Model, "phi-4")),
        autoscale: deployment.then(|| "2-4".parse().unwrap()),
        target_cpu: deployment.then_some(70),
        target_metrics: metric.into_iter().collect(),
        public: deployment,
        ingress,
        min_available: deployment.then(|| "50%".parse().unwrap()),
        keep_storage: false,
        preloads: preload.into_iter().collect(),
        preload_image,
        instance_type: kaito.then(|| at(Spot::InstanceType, "Standard_NC24ads_A100_v4")),
        kaito: match workload.has_model() {
            true => choices(workload, at),
            false => Choices::default(),
        },
    })
}

/// Returns whether something is loaded before its pods run.
fn loads(workload: Workload) -> bool {
    matches!(workload, Workload::Deployment | Workload::RayService)
}

/// Returns the Ingress, if it reads as what was meant.
fn ingress(at: &dyn Fn(Spot, &str) -> String) -> Option<IngressHost> {
    let wanted = IngressHost {
        host: at(Spot::IngressHost, "chat.example.org"),
        class: Some(at(Spot::IngressClass, "nginx")),
        tls_secret: Some(at(Spot::IngressSecret, "tls")),
    };
    let read = wanted.to_string().parse().ok()?;
    (wanted == read).then_some(read)
}

/// Returns the metric, if it reads as what was meant.
fn metric(at: &dyn Fn(Spot, &str) -> String) -> Option<MetricTarget> {
    let name = at(Spot::Metric, "queue");
    let read: MetricTarget = format!("{name}=5").parse().ok()?;
    (read.name == name).then_some(read)
}

/// Returns what is loaded, if it reads as what was meant.
fn preload(at: &dyn Fn(Spot, &str) -> String) -> Option<Preload> {
    let url = format!("https://host/{}", at(Spot::PreloadUrl, "weights"));
    let path = format!("/models/{}", at(Spot::PreloadPath, "chat"));
    let read: Preload = format!("{url}:{path}").parse().ok()?;
    (read.url == url && read.path == path.trim_end_matches('/')).then_some(read)
}

/// Fills in what is chosen of KAITO.
fn choices(workload: Workload, at: &dyn Fn(Spot, &str) -> String) -> Choices {
    // What is no image is a claim, but where the image is looked at.
    let image = at(Spot::ModelImage, "");
    let tunes = workload == Workload::Tuning;
    let push_secret = at(Spot::PushSecret, "");
    let is_pushed = tunes && !(image.is_empty() && push_secret.is_empty());
    let place = match (image.as_str(), is_pushed) {
        ("", false) => ImageOrClaim::Claim(at(Spot::ModelClaim, "adapters")),
        ("", true) => ImageOrClaim::Image("registry/adapter".to_owned()),
        (image, _) => ImageOrClaim::Image(image.to_owned()),
    };
    let adapter = |name: String, place: &ImageOrClaim| Adapter {
        name,
        place: place.clone(),
        strength: Some("0.5".to_owned()),
    };
    let url = format!("https://x/{}", at(Spot::TuningUrl, "data"));
    Choices {
        runtime: Some(Runtime::Transformers).filter(|_| !tunes),
        adapters: match tunes {
            true => Vec::new(),
            false => vec![adapter(at(Spot::Adapter, "style"), &place)],
        },
        model_access_secret: (!tunes).then(|| at(Spot::ModelSecret, "token")),
        config: Some(at(Spot::ModelConfig, "a: b\n")),
        context: None,
        tuning: tunes.then(|| Tuning {
            method: TuningMethod::Lora,
            input: vec![TuningInput::Url(url)],
            output: place,
            push_secret: match push_secret.as_str() {
                "" => is_pushed.then(|| "registry".to_owned()),
                secret => Some(secret.to_owned()),
            },
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
        service_account: Some(
            at(Spot::ServiceAccount, "robot")
                .parse::<ServiceAccountName>()
                .ok()?
                .to_string(),
        ),
        image_pull_secrets: vec![at(Spot::PullSecret, "pull").parse().ok()?],
        labels: one(at(Spot::Label, "b")),
        annotations: one(at(Spot::Annotation, "c")),
        cpus_per_gpu: None,
        memory_per_gpu: None,
        read_only_workdir: false,
        grace: None,
        sizes: Sizes::default(),
        topology: Some(
            format!("example.com/{}", at(Spot::TopologyLevel, "rack"))
                .parse()
                .ok()?,
        ),
        topology_levels: Vec::new(),
    })
}

/// Reads an `env` file, which refuses what cannot be.
fn environment(at: &dyn Fn(Spot, &str) -> String) -> Option<Environment> {
    let path = yaml(&format!("/etc/app/{}", at(Spot::MountPath, "file")));
    let raw = at;
    let at = |spot, usual| yaml(&raw(spot, usual));
    let name = |of: &str| yaml(&format!("{}{of}", raw(Spot::VariableName, "VARIABLE")));
    let secret = at(Spot::SecretName, "secret");
    let key = at(Spot::SecretKey, "key");
    let file = format!(
        "envVars:\n- name: {}\n  value: {}\n- fromSecret: {{name: {}, secret: {secret}, key: {key}}}\n\
         - mountSecret: {{name: {}, secret: {secret}, key: {key}, path: {path}}}\n",
        name(""),
        at(Spot::Variable, "value"),
        name("_TOKEN"),
        name("_FILE"),
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
