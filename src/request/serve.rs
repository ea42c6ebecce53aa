//! Builds what `kaiwo serve` asks for.

use super::build::build;
use super::{Intent, Note, Typed, instead, is_on, kaito, value};
use crate::error::{CommandError, ErrorClass};
use crate::kind::WorkloadKind;
use crate::plan::kaito::Choices;
use crate::plan::request::WorkloadRequest;
use crate::plan::request::service_settings::Serving;
use crate::plan::{self, Refusal};
use crate::secrecy::{is_name, named};
use crate::settings::{Merged, Origin, Sourced};
use crate::workload::{directory, serve_config};

/// Builds the request of what was typed and `settings`.
///
/// # Errors
/// [`CommandError`] for what cannot be read or be served.
pub fn request(
    typed: Typed<'_>,
    settings: &Merged,
    notes: &mut Vec<Note>,
) -> Result<WorkloadRequest, CommandError> {
    let kind = kind(typed, settings)?;
    let intent = Intent {
        kind,
        serving: serving(typed, settings, kind, notes)?,
        queue: value(&settings.queue),
    };
    if kind.is_kaito() && intent.queue.is_some() {
        return Err(Refusal::new("Kueue does not queue KAITO Workspaces")
            .hint("leave -q away")
            .into());
    }
    check_scale(settings, &intent)?;
    let scale = intent.serving.autoscale;
    let mut request = build(typed, intent, settings, notes)?;
    if request.queue.is_none() {
        check_unqueued(settings)?;
        request.priority_class = None;
    }
    check_serve_config(typed, &request)?;
    // The GPUs are those of the service at its busiest.
    if let Some(scale) = scale {
        request.gpus = request.gpus.scaled(scale)?;
    }
    Ok(request)
}

/// Checks what Ray Serve is given, unless the user knows better.
fn check_serve_config(typed: Typed<'_>, request: &WorkloadRequest) -> Result<(), CommandError> {
    let (Some(text), Some(path)) = (&request.serving.serve_config, typed.path) else {
        return Ok(());
    };
    if request.force {
        return Ok(());
    }
    let file = path.join(directory::SERVE_CONFIG);
    serve_config::check(&file, text)
        .and_then(|()| serve_config::check_imports(&file, text, request.upload.files()))
        .map_err(|error| CommandError::from(error).hint(serve_config::FORCE))
}

/// Checks that nothing is asked of a queue which is none.
fn check_unqueued(settings: &Merged) -> Result<(), Refusal> {
    match &settings.priority_class {
        Some(Sourced {
            value,
            origin: Origin::Flag,
        }) => Err(Refusal::new(format!(
            "priority class {} has no meaning without a queue",
            named(value)
        ))
        .hint("queue it with -q, or leave --priority-class away")),
        // Said in a file, of what is submitted.
        _ => Ok(()),
    }
}

/// Checks what cannot be scaled.
fn check_scale(settings: &Merged, intent: &Intent) -> Result<(), Refusal> {
    let Some(scale) = &settings.autoscale else {
        return Ok(());
    };
    let wrong = |why: &str| {
        Refusal::new(format!(
            "autoscale {} (from {}): {why}",
            scale.value, scale.origin
        ))
    };
    if intent.kind.is_kaito() {
        return Err(wrong("KAITO does not scale a Workspace").hint("leave --autoscale away"));
    }
    if let Some(replicas) = &settings.replicas {
        return Err(wrong(&format!(
            "the number of replicas is fixed (from {})",
            replicas.origin
        ))
        .hint("keep one of --autoscale and --replicas"));
    }
    // What Ray adds later was never counted (Kueue v0.18, without elastic jobs).
    if intent.queue.is_some() && intent.kind == WorkloadKind::RayService {
        return Err(wrong("Kueue admits a RayService as a whole, of one size")
            .hint("keep one of --autoscale and -q"));
    }
    Ok(())
}

fn kind(typed: Typed<'_>, settings: &Merged) -> Result<WorkloadKind, Refusal> {
    let ray = settings.ray.as_ref().filter(|ray| ray.value.0);
    if let Some(model) = &settings.model {
        let refuse = |what: &str, origin: &Origin, hint: &str| {
            Err(Refusal::new(format!(
                "a model of KAITO's catalogue (from {}) is served as it is, without {what} (from {origin})",
                model.origin
            ))
            .hint(hint))
        };
        if let Some(ray) = ray {
            return refuse(
                "Ray",
                &ray.origin,
                "leave --ray away, or serve a directory with vLLM: kaiwo serve -p DIR --ray",
            );
        }
        let counts = [&settings.gpus, &settings.gpus_per_replica];
        if let Some(count) = counts.into_iter().find_map(Option::as_ref) {
            return refuse(
                "a number of GPUs",
                &count.origin,
                "choose the machine instead: --instance-type Standard_NC24ads_A100_v4",
            );
        }
        if let Some(image) = &settings.image {
            return refuse(
                "an image",
                &image.origin,
                "serve an image of your own with --kaito -i IMAGE",
            );
        }
        if typed.path.is_some() {
            return refuse(
                "a directory",
                &Origin::Flag,
                "serve a directory of your own with --kaito -p DIR",
            );
        }
        return Ok(match settings.replicas {
            Some(_) => WorkloadKind::InferenceSet,
            None => WorkloadKind::Workspace,
        });
    }
    match (ray, is_on(&settings.kaito)) {
        (None, false) => Ok(WorkloadKind::Deployment),
        (Some(_), false) => Ok(WorkloadKind::RayService),
        (None, true) => Ok(WorkloadKind::Workspace),
        (Some(ray), true) => Err(Refusal::new(format!(
            "either Ray (from {}) or KAITO runs a workload",
            ray.origin
        ))
        .hint("leave --kaito away, or add --ray=false")),
    }
}

/// Decides what only services have.
fn serving(
    typed: Typed<'_>,
    settings: &Merged,
    kind: WorkloadKind,
    notes: &mut Vec<Note>,
) -> Result<Serving, CommandError> {
    let port = settings.port.as_ref().map(port).transpose()?;
    let health_path = health_path(settings)?;
    check_port_is_ours(settings, kind)?;
    let serve_config = match kind {
        WorkloadKind::RayService => Some(ray_serve_config(typed)?),
        _ => None,
    };
    let model = match &settings.model {
        Some(model) => Some(plan::kaito::find(&model.value)?),
        None => None,
    };
    check_machines(settings, kind)?;
    check_kind(settings, kind)?;
    let choices = match &model {
        Some(model) => kaito::service_choices(typed, settings, model, notes)?,
        None => {
            kaito::check_no_model(settings)?;
            Choices::default()
        }
    };
    let of_deployment = kind == WorkloadKind::Deployment;
    let serving = Serving {
        port,
        health_path,
        serve_config,
        model: model.map(|model| model.name),
        kaito: choices,
        autoscale: value(&settings.autoscale),
        instance_type: value_if(kind.is_kaito(), &settings.instance_type),
        target_cpu: value_if(of_deployment, &settings.target_cpu),
        target_metrics: value_if(of_deployment, &settings.target_metric)
            .map(|list| list.0)
            .unwrap_or_default(),
        public: kind != WorkloadKind::RayService && is_on(&settings.public),
        ingress: value_if(of_deployment, &settings.ingress),
        min_available: value_if(of_deployment, &settings.min_available),
        keep_storage: of_deployment && is_on(&settings.keep_storage),
        preloads: value_if(settings.model.is_none(), &settings.preload)
            .map(|list| list.0)
            .unwrap_or_default(),
        preload_image: value_if(settings.preload.is_some(), &settings.preload_image),
    };
    check_halves(settings, &serving)?;
    serving.check(kind)?;
    Ok(serving)
}

fn health_path(settings: &Merged) -> Result<Option<String>, Refusal> {
    match &settings.health_path {
        Some(path) if !path.value.starts_with('/') => Err(Refusal::new(format!(
            "health path {} (from {}) does not begin with /",
            named(&path.value),
            path.origin
        ))
        .hint(match is_name(&path.value) {
            true => format!("write --health-path /{}", path.value),
            false => "write a path such as /health".to_owned(),
        })),
        path => Ok(value(path)),
    }
}

/// Checks that no port is chosen where an operator chooses it.
fn check_port_is_ours(settings: &Merged, kind: WorkloadKind) -> Result<(), Refusal> {
    let elsewhere = match kind {
        WorkloadKind::RayService => "KubeRay makes the Services of a RayService, on port 8000",
        kind if kind.is_kaito() => "KAITO makes the Service of a Workspace, from port 80 to 5000",
        _ => return Ok(()),
    };
    match &settings.port {
        None => Ok(()),
        Some(port) => Err(Refusal::new(format!(
            "{elsewhere}; a port (from {}) has no place there",
            port.origin
        ))
        .hint("leave --port away")),
    }
}

/// Returns what Ray Serve is to run, and nothing beside it.
fn ray_serve_config(typed: Typed<'_>) -> Result<String, CommandError> {
    let found = match typed.path {
        Some(path) => typed.inputs.serve_config(path)?,
        None => None,
    };
    let found = found.ok_or_else(|| no_serve_config(typed))?;
    match typed.command.is_empty() {
        true => Ok(found),
        false => Err(
            Refusal::new("a RayService runs what its serveconfig says, and no command")
                .hint("leave out what stands after --")
                .into(),
        ),
    }
}

/// Checks that KAITO knows its machines, and nobody else is told of them.
fn check_machines(settings: &Merged, kind: WorkloadKind) -> Result<(), Refusal> {
    match &settings.instance_type {
        None if kind.is_kaito() && settings.node_selector.is_empty() => {
            Err(Refusal::new("a Workspace needs to know its machines")
                .hint("--instance-type Standard_NC24ads_A100_v4 has KAITO make them")
                .hint("--node-selector pool=llm chooses nodes that exist"))
        }
        // Said in a file, it is said for the Workspaces among a user's services.
        Some(instance) if !kind.is_kaito() && instance.origin == Origin::Flag => Err(Refusal::new(
            "--instance-type is for KAITO, which this is not",
        )
        .hint("add --kaito, or leave --instance-type away")),
        _ => Ok(()),
    }
}

/// Checks what means nothing without another setting.
fn check_halves(settings: &Merged, serving: &Serving) -> Result<(), Refusal> {
    if let (None, Some(image)) = (&settings.preload, &settings.preload_image)
        && image.origin == Origin::Flag
    {
        return Err(
            Refusal::new("--preload-image loads nothing by itself: --preload says what")
                .hint("add --preload hf://ORG/MODEL:/models"),
        );
    }
    if serving.keep_storage && settings.storage.is_none() {
        return Err(Refusal::new(
            "--keep-storage keeps the claim of --storage, which is not asked for",
        )
        .hint("add --storage 100Gi"));
    }
    Ok(())
}

fn value_if<T: Clone>(applies: bool, setting: &Option<Sourced<T>>) -> Option<T> {
    let sourced = setting.as_ref().filter(|_| applies)?;
    Some(sourced.value.clone())
}

/// Checks that nothing is asked of a kind which only another has. What a user's
/// own file says is said of the services that can have it.
fn check_kind(settings: &Merged, kind: WorkloadKind) -> Result<(), Refusal> {
    fn origin<T>(setting: &Option<Sourced<T>>) -> Option<&Origin> {
        let sourced = setting.as_ref()?;
        Some(&sourced.origin).filter(|origin| !matches!(origin, Origin::User(_)))
    }
    let why = match kind {
        WorkloadKind::RayService => "KubeRay makes the Services of a RayService, Ray scales it",
        kind if kind.is_kaito() => "KAITO makes the Service and the pods of a Workspace",
        _ => return Ok(()),
    };
    let public = origin(&settings.public)
        .filter(|_| kind == WorkloadKind::RayService && is_on(&settings.public));
    let preload = origin(&settings.preload).filter(|_| settings.model.is_some());
    if let Some(origin) = preload {
        return Err(Refusal::new(format!(
            "KAITO loads the models of its catalogue itself, and nothing else (--preload, from {origin})"
        ))
        .hint("leave --preload away"));
    }
    let given = [
        ("public", public),
        ("ingress", origin(&settings.ingress)),
        ("target-cpu", origin(&settings.target_cpu)),
        ("target-metric", origin(&settings.target_metric)),
        ("min-available", origin(&settings.min_available)),
        (
            "keep-storage",
            origin(&settings.keep_storage).filter(|_| is_on(&settings.keep_storage)),
        ),
    ];
    let found = given
        .into_iter()
        .find_map(|(flag, origin)| Some((flag, origin?)));
    match found {
        None => Ok(()),
        Some((flag, origin)) => Err(Refusal::new(format!(
            "--{flag} (from {origin}) is for a Deployment: {why}"
        ))
        .hint(format!("leave --{flag} away"))),
    }
}

fn port(Sourced { value, origin }: &Sourced<i64>) -> Result<u16, Refusal> {
    u16::try_from(*value)
        .ok()
        .filter(|port| *port > 0)
        .ok_or_else(|| {
            Refusal::new(format!(
                "port {value} (from {origin}) is none: they go from 1 to 65535"
            ))
            .hint("try --port 8000")
        })
}

fn no_serve_config(typed: Typed<'_>) -> CommandError {
    let hint = "write it: https://docs.ray.io/en/latest/serve/production-guide/config.html";
    match typed.path {
        Some(path) => {
            let file = path.join(directory::SERVE_CONFIG);
            let mut error = CommandError::new(
                ErrorClass::Refused,
                format!(
                    "{} {}, and a RayService needs one",
                    file.display(),
                    instead(typed.inputs.is_directory(&file))
                ),
            )
            .hint(hint)
            .hint("without --ray the directory's entrypoint is served by a Deployment");
            error.object = Some(file.display().to_string());
            error
        }
        None => CommandError::new(
            ErrorClass::Refused,
            "a RayService needs a directory with serveconfig",
        )
        .hint("give it with -p"),
    }
}
