//! Builds the part of a request that all commands have.

use std::collections::BTreeMap;
use std::path::Path;

use super::array;
use super::command::{self, Wanted};
use super::gpus::{gpus, sizes, without_gpus};
use super::{
    DEFAULT_NAMESPACE, Intent, Note, Typed, is_on, is_typed, uploads, user, value, variables, word,
};
use crate::error::CommandError;
use crate::kind::WorkloadKind;
use crate::plan::Refusal;
use crate::plan::name::NameParts;
use crate::plan::request::pod::PodSettings;
use crate::plan::request::schedule::Schedule;
use crate::plan::request::service_settings::Serving;
use crate::plan::request::session::{self, Session};
use crate::plan::request::upload_limit::UploadLimit;
use crate::plan::request::{Lifetime, WorkloadRequest};
use crate::secrecy::{self, Confidential, named};
use crate::settings::{Merged, Sourced};
use crate::suggestion::kaiwo;
use crate::workload::directory::{DEFAULT_LIMIT, WorkloadDirectory};
use crate::workload::entrypoint::FILE_NAME;
use crate::workload::environment::Environment;
use crate::workload::template_values::{CustomConfig, CustomTemplate};

/// Builds the request of what was typed and `settings`.
pub(super) fn build(
    typed: Typed<'_>,
    intent: Intent,
    settings: &Merged,
    notes: &mut Vec<Note>,
) -> Result<WorkloadRequest, CommandError> {
    let Intent {
        kind,
        queue,
        serving,
        session,
        script,
    } = intent;
    let verb = command::verb(kind, session.is_some());
    let image = word(&settings.image);
    if typed.path.is_none() && script.is_none() && image.is_none() && serving.model.is_none() {
        return Err(command::nothing_to_run(verb));
    }
    let environment = variables::environment(typed, settings, notes)?;
    let directory = match typed.path {
        Some(path) => Some(directory(path, typed, settings, notes)?),
        None => None,
    };
    let template = template(settings, session.as_ref(), typed)?;
    let custom = custom(settings, kind, template.is_some(), typed)?;
    let says_itself = template.is_some()
        || session.as_ref().is_some_and(|session| session.tty)
        || (kind.is_kaito() && serving.model.is_some());
    let wanted = Wanted {
        kind,
        verb,
        needs_entrypoint: !says_itself && needs_entrypoint(kind, image.is_some()),
        has_image: image.is_some(),
    };
    let app = match &script {
        Some(script) if typed.path.is_none() => script.file.path.clone(),
        _ => app(typed, image.as_ref(), &serving),
    };
    let (run, upload) = command::run(typed, wanted, script, directory)?;
    let run = command::of_session(run, session.as_ref())?;
    let gpus = gpus(settings, &environment);
    let user = user(settings, typed.inputs);
    let name = name(kind, (&user, &app), session.is_some(), settings, typed)?;
    let pods = pod_settings(settings, &environment, (kind, serving.model.as_deref()))?;
    notes.extend(without_gpus(settings, &gpus, kind));
    let (schedule, time_zone) = schedule(settings, kind)?;
    let request = WorkloadRequest {
        array: array::array(typed, settings, kind.is_batch() && session.is_none())?,
        kind,
        name,
        namespace: word(&settings.namespace).unwrap_or_else(|| DEFAULT_NAMESPACE.to_owned()),
        queue,
        user,
        app,
        version: word(&settings.version),
        image,
        run,
        gpus,
        environment,
        upload,
        gpus_per_node: value(&settings.gpus_per_node),
        gpu_resource: word(&settings.gpu_resource),
        gpu_node_label_key: word(&settings.gpu_node_label_key),
        ray_version: word(&settings.ray_version),
        pods,
        priority_class: word(&settings.priority_class),
        schedule,
        time_zone,
        lifetime: lifetime(settings, kind, session.is_some()),
        session,
        serving,
        template,
        custom,
        create_namespace: is_on(&settings.create_namespace),
        force: is_on(&settings.force),
        allow_downtime: is_on(&settings.allow_downtime),
    };
    checked(request, typed, notes)
}

/// Checks what only the whole request shows.
fn checked(
    request: WorkloadRequest,
    typed: Typed<'_>,
    notes: &mut Vec<Note>,
) -> Result<WorkloadRequest, CommandError> {
    array::check(&request, notes)?;
    uploads::check_pieces(&request, typed.path)?;
    Ok(request)
}

/// Returns what a workload without a script of its own is named after.
fn app(typed: Typed<'_>, image: Option<&String>, serving: &Serving) -> String {
    match (typed.path, image) {
        (Some(path), _) => typed.inputs.base_name(path),
        (None, Some(image)) => image.clone(),
        (None, None) => subject(serving),
    }
}

/// Reads the user's own template, if there is one.
fn template(
    settings: &Merged,
    session: Option<&Session>,
    typed: Typed<'_>,
) -> Result<Option<CustomTemplate>, CommandError> {
    // It knows of no one who is attached.
    if session.is_some() {
        return Ok(None);
    }
    let chosen = settings.template.as_ref();
    let chosen = chosen.map(|file| file.value.as_path());
    Ok(typed.inputs.template(typed.path, chosen)?)
}

/// Returns whether a workload without a template, which may hold the command, has to
/// be given one. Ray Serve runs what its configuration says.
fn needs_entrypoint(kind: WorkloadKind, has_image: bool) -> bool {
    match kind {
        WorkloadKind::RayJob => true,
        WorkloadKind::RayService => false,
        _ => !has_image,
    }
}

fn name(
    kind: WorkloadKind,
    (user, app): (&str, &str),
    is_session: bool,
    settings: &Merged,
    typed: Typed<'_>,
) -> Result<String, Refusal> {
    // A name in a file is the one of what is submitted.
    let is_chosen = is_typed(&settings.name);
    let is_generated = is_on(&settings.generate_name) || (is_session && !is_chosen);
    let suffix = is_generated.then(|| typed.inputs.random_word(5));
    NameParts {
        chosen: settings.name.as_ref().map(|name| &*name.value),
        user,
        subject: app,
        version: settings.version.as_ref().map(|version| &*version.value),
        suffix: suffix.as_deref(),
    }
    .compose(kind)
}

/// Returns the schedule and its time zone, which may stand in the schedule itself.
fn schedule(
    settings: &Merged,
    kind: WorkloadKind,
) -> Result<(Option<Schedule>, Option<String>), Refusal> {
    let Some(text) = settings.schedule.as_ref().filter(|_| kind.is_batch()) else {
        return match is_typed(&settings.time_zone) {
            true => Err(Refusal::new("--time-zone has no effect without --schedule")
                .hint("add --schedule \"0 3 * * *\", or remove --time-zone")),
            false => Ok((None, None)),
        };
    };
    let (schedule, within) = Schedule::new(&text.value)?;
    let said = word(&settings.time_zone);
    if let (Some(within), Some(said)) = (&within, &said)
        && within != said
    {
        return Err(Refusal::new(format!(
            "the schedule has the time zone {}, but --time-zone is {}",
            named(within),
            named(said)
        ))
        .hint("keep one of them"));
    }
    Ok((Some(schedule), said.or(within)))
}

/// What ends, is what these settings are about.
fn lifetime(settings: &Merged, kind: WorkloadKind, is_session: bool) -> Lifetime {
    match kind.is_batch() {
        true if is_session => Lifetime {
            retries: 0,
            ttl: Some(session::TTL),
            max_runtime: value(&settings.max_runtime),
        },
        true => Lifetime {
            retries: value(&settings.retries).unwrap_or(0),
            ttl: value(&settings.ttl),
            max_runtime: value(&settings.max_runtime),
        },
        false => Lifetime::default(),
    }
}

/// Reads the values for the template, which only a template of the user's own
/// can use.
fn custom(
    settings: &Merged,
    kind: WorkloadKind,
    has_template: bool,
    typed: Typed<'_>,
) -> Result<CustomConfig, CommandError> {
    let given = settings
        .custom_config
        .as_ref()
        .map(|file| ("custom config", &file.origin))
        .or_else(|| {
            let (_, first) = settings.set.first_key_value()?;
            Some(("values", &first.origin))
        });
    let Some((what, origin)) = given else {
        return Ok(CustomConfig::default());
    };
    if !has_template {
        return Err(Refusal::new(format!(
            "{what} (from {origin}) would have no effect: the built-in template does not use it"
        ))
        .hint(
            kaiwo("template eject {} {DIR}", &[&kind.word()])
                .to("use your own with --template DIR/template, based on the built-in one"),
        )
        .into());
    }
    let mut custom = match &settings.custom_config {
        Some(file) => typed.inputs.custom_config(&file.value)?,
        None => CustomConfig::default(),
    };
    for (path, Sourced { value, origin }) in &settings.set {
        custom.set(path, value.expose()).map_err(|why| {
            Refusal::new(format!(
                "set {} (from {origin}): {why}",
                secrecy::named(path)
            ))
            .hint("separate nested keys with dots: --set model.name=phi-4")
        })?;
    }
    Ok(custom)
}

fn pod_settings(
    settings: &Merged,
    environment: &Environment,
    (kind, model): (WorkloadKind, Option<&str>),
) -> Result<PodSettings, CommandError> {
    let plain = |pairs: &BTreeMap<String, Sourced<Confidential<String>>>| {
        pairs
            .iter()
            .map(|(key, sourced)| (key.clone(), sourced.value.expose().clone()))
            .collect()
    };
    let pods = PodSettings {
        node_selector: plain(&settings.node_selector),
        labels: plain(&settings.label),
        annotations: plain(&settings.annotation),
        sizes: sizes(settings, kind, model)?,
        topology: value(&settings.topology).filter(|_| kind.is_batch()),
        ..settings.pods()
    };
    pods.check(&environment.mounts)?;
    Ok(pods)
}

/// Reads the directory, and says what of it is not as it looks.
fn directory(
    path: &Path,
    typed: Typed<'_>,
    settings: &Merged,
    notes: &mut Vec<Note>,
) -> Result<WorkloadDirectory, CommandError> {
    let env_file = settings.env_file.as_ref().map(|file| file.value.as_path());
    let limit = value(&settings.upload_limit).map_or(DEFAULT_LIMIT, UploadLimit::size);
    let directory = typed.inputs.directory(path, env_file, limit)?;
    if !directory.left_out.is_empty() {
        let left_out = directory.left_out.join(", ");
        notes.push(Note::Status(format!("  not uploaded: {left_out}")));
    }
    let of_git = directory.ignored_by_git.iter();
    notes.extend(of_git.map(|remark| Note::Status(format!("  {remark}"))));
    notes.push(Note::Detail(format!(
        "  {}",
        uploads::told(&directory.files)
    )));
    if let Some(file) = directory.uninstalled().filter(|_| typed.command.is_empty()) {
        notes.push(Note::Status(format!(
            "  {file}: the entrypoint does not install it; kaiwo init writes one that does"
        )));
    }
    if let Some(entrypoint) = &directory.entrypoint {
        let file = path.join(FILE_NAME);
        if let Some((lines, verb)) = numbered(&entrypoint.joined_lines, "continues", "continue") {
            notes.push(Note::Status(format!(
                "  {}: {lines} {verb} the line above",
                file.display()
            )));
        }
        if let Some((lines, verb)) = numbered(&entrypoint.stray_lines, "begins", "begin") {
            notes.push(Note::Warning(format!(
                "{}: {lines} {verb} with - but does not follow a command",
                file.display()
            )));
        }
    }
    Ok(directory)
}

/// Returns `line 2` or `lines 2, 3` and the verb that goes with it.
fn numbered<'a>(lines: &[usize], one: &'a str, many: &'a str) -> Option<(String, &'a str)> {
    let list: Vec<String> = lines.iter().map(ToString::to_string).collect();
    match lines {
        [] => None,
        [line] => Some((format!("line {line}"), one)),
        _ => Some((format!("lines {}", list.join(", ")), many)),
    }
}

/// Returns what a workload without directory and image is called: by its model,
/// and what is done with it beside serving.
fn subject(serving: &Serving) -> String {
    let model = serving.model.clone().unwrap_or_default();
    match &serving.kaito.tuning {
        Some(tuning) => format!("{model}-{}", tuning.method),
        None => model,
    }
}
