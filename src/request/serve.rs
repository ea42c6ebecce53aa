//! Builds what `kaiwo serve` asks for.

use super::build::build;
use super::{Intent, Note, Typed, instead, is_on, kaito, keeps_storage, preloads, value, word};
use crate::error::{CommandError, ErrorClass};
use crate::kind::WorkloadKind;
use crate::plan::kaito::Choices;
use crate::plan::request::WorkloadRequest;
use crate::plan::request::port::PortPair;
use crate::plan::request::service_settings::Serving;
use crate::plan::{self, Refusal};
use crate::secrecy::named;
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
        queue: word(&settings.queue),
        session: None,
        script: None,
    };
    if kind.is_kaito() && intent.queue.is_some() {
        return Err(Refusal::new("Kueue does not queue KAITO Workspaces")
            .hint("remove -q")
            .into());
    }
    check_scale(settings, &intent)?;
    let scale = intent.serving.autoscale;
    let mut request = build(typed, intent, settings, notes)?;
    if request.queue.is_none() {
        check_unqueued(settings)?;
        request.priority_class = None;
    }
    check_serve_config(typed, &request, notes)?;
    notes.extend(lost_cache(&request));
    // The GPUs are those of the service at its busiest.
    if let Some(scale) = scale {
        request.gpus = request.gpus.scaled(scale)?;
    }
    Ok(request)
}

/// Says where models are downloaded to if a claim looks as if it was for them: what
/// an image itself would do with it is not known.
fn lost_cache(request: &WorkloadRequest) -> Option<Note> {
    const NAMES: [&str; 5] = ["model", "weight", "cache", "hub", "hf"];
    let is_elsewhere = request.keeps_model_cache()
        || request.serving.keep_storage
        || ["HF_HOME", "HF_HUB_CACHE"]
            .iter()
            .any(|name| request.environment.sets(name));
    let mut claims = request.pods.volumes.iter().filter(|claim| !claim.read_only);
    let claim = claims.find(|claim| {
        let words = format!("{} {}", claim.claim, claim.path).to_lowercase();
        NAMES.iter().any(|name| words.contains(name))
    })?;
    let is_kaito = request.kind.is_kaito();
    (!is_elsewhere && !is_kaito).then(|| {
        Note::Status(format!(
            "  HF_HOME is /scratch/huggingface, which is deleted with the pod; --env HF_HOME={} keeps downloads on the claim",
            claim.path
        ))
    })
}

/// Checks what Ray Serve is given. Where the user knows better, what would be
/// refused is told.
fn check_serve_config(
    typed: Typed<'_>,
    request: &WorkloadRequest,
    notes: &mut Vec<Note>,
) -> Result<(), CommandError> {
    let (Some(text), Some(path)) = (&request.serving.serve_config, typed.path) else {
        return Ok(());
    };
    let file = path.join(directory::SERVE_CONFIG);
    let checked = serve_config::check(&file, text);
    let imports = serve_config::check_imports(&file, text, request.upload.files());
    match checked.and_then(|warnings| imports.map(|()| warnings)) {
        Ok(warnings) => notes.extend(warnings.into_iter().map(Note::Warning)),
        Err(error) if request.force => notes.push(Note::Warning(error.to_string())),
        Err(error) => return Err(CommandError::from(error).hint(serve_config::FORCE)),
    }
    Ok(())
}

/// Checks that nothing is asked of a queue which is none.
fn check_unqueued(settings: &Merged) -> Result<(), Refusal> {
    match &settings.priority_class {
        Some(Sourced {
            value,
            origin: Origin::Flag,
        }) => Err(Refusal::new(format!(
            "priority class {} has no effect without a queue",
            named(value)
        ))
        .hint("add -q, or remove --priority-class")),
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
        return Err(wrong("KAITO does not scale a Workspace").hint("remove --autoscale"));
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
        return Err(
            wrong("Kueue admits a RayService as a whole, with a fixed size")
                .hint("keep one of --autoscale and -q"),
        );
    }
    Ok(())
}

fn kind(typed: Typed<'_>, settings: &Merged) -> Result<WorkloadKind, Refusal> {
    let ray = settings.ray.as_ref().filter(|ray| ray.value.0);
    if let Some(model) = &settings.model {
        let refuse = |what: &str, origin: &Origin, hint: &str| {
            Err(Refusal::new(format!(
                "KAITO serves a model of its catalogue (from {}) without {what} (from {origin})",
                model.origin
            ))
            .hint(hint))
        };
        if let Some(ray) = ray {
            return refuse(
                "Ray",
                &ray.origin,
                "remove --ray; or remove -m, to serve a directory with vLLM: -p DIR --ray",
            );
        }
        let counts = [&settings.gpus, &settings.gpus_per_replica];
        if let Some(count) = counts.into_iter().find_map(Option::as_ref) {
            return refuse(
                "a number of GPUs",
                &count.origin,
                "remove it: the model decides; to choose the machine, use --instance-type Standard_NC24ads_A100_v4",
            );
        }
        if let Some(from) = &settings.secret_from
            && !matches!(from.origin, Origin::User(_))
        {
            return refuse(
                "variables",
                &from.origin,
                "to download it with a token, use --model-access-secret SECRET",
            );
        }
        if let Some(image) = &settings.image {
            return refuse(
                "an image",
                &image.origin,
                "to serve your own image, use --kaito -i IMAGE",
            );
        }
        if typed.path.is_some() {
            return refuse(
                "a directory",
                &Origin::Flag,
                "to serve your own directory, use --kaito -p DIR",
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
            "Ray (from {}) and KAITO cannot be combined",
            ray.origin
        ))
        .hint("remove --kaito, or add --ray=false")),
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
    check_port_is_ours(settings, kind)?;
    let serve_config = match kind {
        WorkloadKind::RayService => Some(ray_serve_config(typed)?),
        _ => None,
    };
    let model = match &settings.model {
        Some(model) => {
            let force = is_on(&settings.force);
            Some(plan::kaito::find_or_trust(&model.value, force)?)
        }
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
        port: port.map(|(_, container)| container),
        service_port: port
            .and_then(|(service, container)| (service != container).then_some(service)),
        health_path: word(&settings.health_path),
        serve_config,
        model: model.map(|model| model.name),
        kaito: choices,
        autoscale: value(&settings.autoscale),
        instance_type: word(&settings.instance_type).filter(|_| kind.is_kaito()),
        target_cpu: value_if(of_deployment, &settings.target_cpu),
        target_metrics: value_if(of_deployment, &settings.target_metric)
            .map(|list| list.0)
            .unwrap_or_default(),
        public: kind != WorkloadKind::RayService && is_on(&settings.public),
        ingress: value_if(of_deployment, &settings.ingress),
        min_available: value_if(of_deployment, &settings.min_available),
        keep_storage: of_deployment && keeps_storage(settings)?,
        ..match settings.model {
            None => preloads(settings)?,
            Some(_) => Serving::default(),
        }
    };
    serving.check(kind)?;
    Ok(serving)
}

/// Checks that no port is chosen where an operator chooses it.
fn check_port_is_ours(settings: &Merged, kind: WorkloadKind) -> Result<(), Refusal> {
    let elsewhere = match kind {
        WorkloadKind::RayService => {
            "KubeRay creates the Services of a RayService, on http_options.port of its serveconfig"
        }
        kind if kind.is_kaito() => "KAITO creates the Service of a Workspace, from port 80 to 5000",
        _ => return Ok(()),
    };
    match &settings.port {
        None => Ok(()),
        Some(port) => Err(Refusal::new(format!(
            "{elsewhere}; a port (from {}) would have no effect",
            port.origin
        ))
        .hint("remove --port")),
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
            Refusal::new("a RayService runs its serveconfig, not a command")
                .hint("remove the command after --")
                .into(),
        ),
    }
}

/// Checks that KAITO knows its machines, and nobody else is told of them.
fn check_machines(settings: &Merged, kind: WorkloadKind) -> Result<(), Refusal> {
    match &settings.instance_type {
        None if kind.is_kaito() && settings.node_selector.is_empty() => Err(Refusal::new(
            "a Workspace needs --instance-type or --node-selector",
        )
        .hint("--instance-type Standard_NC24ads_A100_v4 lets KAITO create machines")
        .hint("--node-selector pool=llm chooses existing nodes")),
        // Said in a file, it is said for the Workspaces among a user's services.
        Some(instance) if !kind.is_kaito() && instance.origin == Origin::Flag => {
            Err(Refusal::new("--instance-type requires KAITO")
                .hint("add --kaito, or remove --instance-type"))
        }
        _ => Ok(()),
    }
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
        WorkloadKind::RayService => {
            "KubeRay creates the Services of a RayService, and Ray scales it"
        }
        kind if kind.is_kaito() => "KAITO creates the Service and the pods of a Workspace",
        _ => return Ok(()),
    };
    let public = origin(&settings.public)
        .filter(|_| kind == WorkloadKind::RayService && is_on(&settings.public));
    let preload = origin(&settings.preload).filter(|_| settings.model.is_some());
    if let Some(origin) = preload {
        return Err(Refusal::new(format!(
            "KAITO itself loads the models of its catalogue (--preload, from {origin})"
        ))
        .hint("remove --preload"));
    }
    let grace = origin(&settings.grace).filter(|_| settings.model.is_some());
    if let Some(origin) = grace {
        return Err(Refusal::new(format!(
            "KAITO itself creates the pods of a model (--grace, from {origin})"
        ))
        .hint("remove --grace"));
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
            "--{flag} (from {origin}) requires a Deployment: {why}"
        ))
        .hint(format!("remove --{flag}"))),
    }
}

fn no_serve_config(typed: Typed<'_>) -> CommandError {
    let hint = "create it: https://docs.ray.io/en/latest/serve/production-guide/config.html";
    match typed.path {
        Some(path) => {
            let file = path.join(directory::SERVE_CONFIG);
            let mut error = CommandError::new(
                ErrorClass::Refused,
                format!(
                    "{} {}, but a RayService needs one",
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
        .hint("use -p"),
    }
}

/// Returns the port of the Service, and that of the containers.
fn port(Sourced { value, origin }: &Sourced<PortPair>) -> Result<(u16, u16), Refusal> {
    value.checked().map_err(|number| {
        Refusal::new(format!(
            "invalid port {number} (from {origin}): must be between 1 and 65535"
        ))
        .hint("use --port 8000")
    })
}
