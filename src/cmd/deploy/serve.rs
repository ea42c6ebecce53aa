//! `kaiwo serve`.

use crate::cli::ServeArgs;
use crate::error::{CommandError, ErrorClass};
use crate::kind::WorkloadKind;
use crate::plan::kaito::Choices;
use crate::plan::request::WorkloadRequest;
use crate::plan::request::service_settings::Serving;
use crate::plan::{self, Refusal};
use crate::secrecy::{is_name, named};
use crate::settings::{Merged, Origin, OutputFormat, Sourced};
use crate::ui::Ui;
use crate::workload::{directory, serve_config, special};

use super::request::Intent;
use super::{kaito, request, rollback};
use crate::cmd::sources::is_on;
use crate::cmd::{deploy, sources};

/// Serves what `args` ask for.
pub fn run(
    args: &ServeArgs,
    ui: Ui,
    output: &mut Option<OutputFormat>,
) -> Result<(), CommandError> {
    let merged = settings(args);
    if let Some(workload) = &args.rollback {
        return rollback::run(args, workload, merged, ui, output);
    }
    deploy::run(&args.workload, args.diff, merged, ui, output, |settings| {
        request(args, settings, ui)
    })
}

/// Merges what `args` say with the other sources.
pub fn settings(args: &ServeArgs) -> Result<Merged, CommandError> {
    let typed = args.settings(|name| std::env::var(name).ok())?;
    sources::merged_for_service(typed, args.workload.path.as_deref())
}

/// Makes the request of `args` and `settings`, reading the directory.
pub fn request(
    args: &ServeArgs,
    settings: &Merged,
    ui: Ui,
) -> Result<WorkloadRequest, CommandError> {
    let kind = kind(args, settings)?;
    let serving = serving(args, settings, kind, ui)?;
    let intent = Intent {
        kind,
        queue: settings.queue.as_ref().map(|queue| queue.value.clone()),
        serving,
    };
    if kind.is_kaito() && intent.queue.is_some() {
        return Err(Refusal::new("Kueue does not queue KAITO Workspaces")
            .hint("leave -q away")
            .into());
    }
    check_scale(settings, &intent)?;
    let scale = intent.serving.autoscale;
    let mut request = request::request(&args.workload, intent, settings, ui)?;
    if request.queue.is_none() {
        check_unqueued(settings)?;
        request.priority_class = None;
    }
    check_serve_config(args, &request)?;
    // The GPUs are those of the service at its busiest.
    if let Some(scale) = scale {
        request.gpus = request.gpus.scaled(scale)?;
    }
    Ok(request)
}

/// Checks what Ray Serve is given, unless the user knows better.
fn check_serve_config(args: &ServeArgs, request: &WorkloadRequest) -> Result<(), CommandError> {
    let (Some(text), Some(path)) = (&request.serving.serve_config, &args.workload.path) else {
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

fn kind(args: &ServeArgs, settings: &Merged) -> Result<WorkloadKind, Refusal> {
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
        if args.workload.path.is_some() {
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

fn serving(
    args: &ServeArgs,
    settings: &Merged,
    kind: WorkloadKind,
    ui: Ui,
) -> Result<Serving, CommandError> {
    let port = settings.port.as_ref().map(port).transpose()?;
    let health_path = settings.health_path.as_ref();
    if let Some(path) = health_path
        && !path.value.starts_with('/')
    {
        return Err(Refusal::new(format!(
            "health path {} (from {}) does not begin with /",
            named(&path.value),
            path.origin
        ))
        .hint(match is_name(&path.value) {
            true => format!("write --health-path /{}", path.value),
            false => "write a path such as /health".to_owned(),
        })
        .into());
    }
    let elsewhere = match kind {
        WorkloadKind::RayService => {
            Some("KubeRay makes the Services of a RayService, on port 8000")
        }
        kind if kind.is_kaito() => {
            Some("KAITO makes the Service of a Workspace, from port 80 to 5000")
        }
        _ => None,
    };
    if let (Some(why), Some(port)) = (elsewhere, &settings.port) {
        return Err(Refusal::new(format!(
            "{why}; a port (from {}) has no place there",
            port.origin
        ))
        .hint("leave --port away")
        .into());
    }
    let serve_config = match (kind, &args.workload.path) {
        (WorkloadKind::RayService, Some(path)) => directory::read_serve_config(path)?,
        _ => None,
    };
    if kind == WorkloadKind::RayService && serve_config.is_none() {
        return Err(no_serve_config(args));
    }
    if kind == WorkloadKind::RayService && !args.workload.command.is_empty() {
        return Err(
            Refusal::new("a RayService runs what its serveconfig says, and no command")
                .hint("leave out what stands after --")
                .into(),
        );
    }
    let model = match &settings.model {
        Some(model) => Some(plan::kaito::find(&model.value)?),
        None => None,
    };
    let instance_type = settings.instance_type.as_ref();
    match (kind, instance_type) {
        (kind, None) if kind.is_kaito() && settings.node_selector.is_empty() => {
            return Err(Refusal::new("a Workspace needs to know its machines")
                .hint("--instance-type Standard_NC24ads_A100_v4 has KAITO make them")
                .hint("--node-selector pool=llm chooses nodes that exist")
                .into());
        }
        (kind, _) if kind.is_kaito() => {}
        (_, None) => {}
        (
            _,
            Some(Sourced {
                origin: Origin::Flag,
                ..
            }),
        ) => {
            return Err(
                Refusal::new("--instance-type is for KAITO, which this is not")
                    .hint("add --kaito, or leave --instance-type away")
                    .into(),
            );
        }
        // Said in a file for the Workspaces among a user's services.
        (_, Some(_)) => {}
    }
    check_kind(settings, kind)?;
    let choices = match &model {
        Some(model) => kaito::of_service(settings, model, ui)?,
        None => {
            kaito::check_no_model(settings)?;
            Choices::default()
        }
    };
    let of_deployment = kind == WorkloadKind::Deployment;
    let serving = Serving {
        port,
        health_path: health_path.map(|path| path.value.clone()),
        serve_config,
        model: model.map(|model| model.name),
        kaito: choices,
        autoscale: settings.autoscale.as_ref().map(|scale| scale.value),
        instance_type: instance_type
            .filter(|_| kind.is_kaito())
            .map(|instance| instance.value.clone()),
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
    if let (None, Some(image)) = (&settings.preload, &settings.preload_image)
        && image.origin == Origin::Flag
    {
        return Err(
            Refusal::new("--preload-image loads nothing by itself: --preload says what")
                .hint("add --preload hf://ORG/MODEL:/models")
                .into(),
        );
    }
    if serving.keep_storage && settings.storage.is_none() {
        return Err(Refusal::new(
            "--keep-storage keeps the claim of --storage, which is not asked for",
        )
        .hint("add --storage 100Gi")
        .into());
    }
    serving.check(kind)?;
    Ok(serving)
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

fn no_serve_config(args: &ServeArgs) -> CommandError {
    let hint = "write it: https://docs.ray.io/en/latest/serve/production-guide/config.html";
    match &args.workload.path {
        Some(path) => {
            let file = path.join(directory::SERVE_CONFIG);
            let mut error = CommandError::new(
                ErrorClass::Refused,
                format!(
                    "{} {}, and a RayService needs one",
                    file.display(),
                    special::instead(&file)
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
