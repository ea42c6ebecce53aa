//! Builds the part of a request that all commands have.

use std::collections::BTreeMap;
use std::path::Path;

use super::gpus::{gpus, sizes, without_gpus};
use super::{
    DEFAULT_NAMESPACE, Intent, Note, Typed, instead, is_on, uploads, user, value, variables, word,
};
use crate::error::{CommandError, ErrorClass};
use crate::kind::WorkloadKind;
use crate::plan::Refusal;
use crate::plan::name::NameParts;
use crate::plan::request::pod::PodSettings;
use crate::plan::request::schedule::Schedule;
use crate::plan::request::service_settings::Serving;
use crate::plan::request::upload_limit::UploadLimit;
use crate::plan::request::{Lifetime, Run, WorkloadRequest};
use crate::secrecy::{self, named};
use crate::settings::{Merged, Origin, Sourced};
use crate::suggestion::kaiwo;
use crate::workload::directory::{DEFAULT_LIMIT, WorkloadDirectory};
use crate::workload::entrypoint::{Entrypoint, FILE_NAME};
use crate::workload::environment::Environment;
use crate::workload::ignore_file::leaving_out;
use crate::workload::template_values::CustomConfig;
use crate::workload::upload::{Upload, UploadFile};

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
    } = intent;
    let image = word(&settings.image);
    if typed.path.is_none() && image.is_none() && serving.model.is_none() {
        return Err(nothing_to_run(kind));
    }
    let environment = variables::environment(typed, settings, notes)?;
    let directory = match typed.path {
        Some(path) => Some(directory(path, typed, settings, notes)?),
        None => None,
    };
    let template = typed.inputs.template(
        typed.path,
        settings.template.as_ref().map(|file| file.value.as_path()),
    )?;
    let custom = custom(settings, kind, template.is_some(), typed)?;
    let says_itself = template.is_some() || (kind.is_kaito() && serving.model.is_some());
    let needs_entrypoint = !says_itself && needs_entrypoint(kind, image.is_some());
    let (run, upload) = run(typed, kind, (needs_entrypoint, image.is_some()), directory)?;

    let gpus = gpus(settings, &environment);
    let user = user(settings, typed.inputs);
    let app = match typed.path {
        Some(path) => typed.inputs.base_name(path),
        None => image
            .clone()
            .or_else(|| subject(&serving))
            .unwrap_or_default(),
    };
    let name = name(kind, &user, &app, settings, typed)?;
    let of = (kind, serving.model.as_deref());
    let pods = pod_settings(settings, &environment, of)?;
    notes.extend(without_gpus(settings, &gpus, kind));
    let (schedule, time_zone) = schedule(settings, kind)?;
    let request = WorkloadRequest {
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
        lifetime: lifetime(settings, kind),
        serving,
        template,
        custom,
        create_namespace: is_on(&settings.create_namespace),
        force: is_on(&settings.force),
        allow_downtime: is_on(&settings.allow_downtime),
    };
    uploads::check_pieces(&request, typed.path)?;
    Ok(request)
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
    user: &str,
    app: &str,
    settings: &Merged,
    typed: Typed<'_>,
) -> Result<String, Refusal> {
    let suffix = is_on(&settings.generate_name).then(|| typed.inputs.random_word(5));
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
        return match &settings.time_zone {
            Some(zone) if zone.origin == Origin::Flag => {
                Err(Refusal::new("--time-zone has no effect without --schedule")
                    .hint("add --schedule \"0 3 * * *\", or remove --time-zone"))
            }
            _ => Ok((None, None)),
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
fn lifetime(settings: &Merged, kind: WorkloadKind) -> Lifetime {
    match kind.is_batch() {
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
        custom.set(path, value).map_err(|why| {
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
    let plain = |pairs: &BTreeMap<String, Sourced<String>>| {
        pairs
            .iter()
            .map(|(key, sourced)| (key.clone(), sourced.value.clone()))
            .collect()
    };
    let pods = PodSettings {
        volumes: value(&settings.volume)
            .map(|list| list.0)
            .unwrap_or_default(),
        storage: value(&settings.storage),
        node_selector: plain(&settings.node_selector),
        tolerations: value(&settings.toleration)
            .map(|list| list.0)
            .unwrap_or_default(),
        service_account: word(&settings.service_account),
        image_pull_secrets: value(&settings.image_pull_secret)
            .map(|list| list.0)
            .unwrap_or_default(),
        labels: plain(&settings.label),
        annotations: plain(&settings.annotation),
        cpus_per_gpu: value(&settings.cpus_per_gpu),
        memory_per_gpu: value(&settings.memory_per_gpu),
        read_only_workdir: is_on(&settings.read_only_workdir),
        grace: value(&settings.grace),
        sizes: sizes(settings, kind, model)?,
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
fn subject(serving: &Serving) -> Option<String> {
    let model = serving.model.clone()?;
    Some(match &serving.kaito.tuning {
        Some(tuning) => format!("{model}-{}", tuning.method),
        None => model,
    })
}

fn verb(kind: WorkloadKind) -> &'static str {
    match kind.is_batch() {
        true => "submit",
        false => "serve",
    }
}

fn nothing_to_run(kind: WorkloadKind) -> CommandError {
    let command = verb(kind);
    CommandError::new(
        ErrorClass::Refused,
        "nothing to run: no directory or image given",
    )
    .hint(format!(
        "kaiwo {command} -p DIR   to run the entrypoint of a directory"
    ))
    .hint(format!("kaiwo {command} -i IMAGE to run an image"))
}

/// Decides what runs and what is uploaded for it.
fn run(
    typed: Typed<'_>,
    kind: WorkloadKind,
    (needs_entrypoint, has_image): (bool, bool),
    directory: Option<WorkloadDirectory>,
) -> Result<(Run, Upload), CommandError> {
    let (script, mut files) = match directory {
        Some(directory) => (directory.entrypoint, directory.files),
        None => (None, Vec::new()),
    };
    let begins = typed.command.first().filter(|word| word.starts_with('-'));
    // Words that begin with - are for the program of an image.
    if let Some(word) = begins.filter(|_| !has_image || kind.is_ray()) {
        return Err(no_program(word, kind));
    }
    let script = match (typed.command.is_empty(), kind) {
        (true, _) => script,
        // Ray is given one line; a script spares the words two shells.
        (false, WorkloadKind::RayJob) => Some(Entrypoint::of_command(typed.command)),
        (false, _) => None,
    };
    let run = match script {
        Some(entrypoint) => {
            if let Some(path) = typed.path
                && files
                    .iter()
                    .any(|file| file.path.starts_with(BELOW_ENTRYPOINT))
            {
                return Err(no_room(path));
            }
            let run = Run::Script(entrypoint.script);
            files.push(UploadFile {
                path: FILE_NAME.to_owned(),
                content: entrypoint.content,
                executable: true,
            });
            run
        }
        None if !typed.command.is_empty() => Run::Command(typed.command.to_vec()),
        None if needs_entrypoint => return Err(no_entrypoint(typed, kind)),
        None => Run::Image,
    };
    Ok((run, Upload::new(files)))
}

/// What lies in a directory of the entrypoint's name.
const BELOW_ENTRYPOINT: &str = "entrypoint/";

/// Says that a directory stands where the command of a RayJob would.
fn no_room(path: &Path) -> CommandError {
    let folder = path.join(FILE_NAME);
    let mut error = CommandError::new(
        ErrorClass::Refused,
        format!(
            "{} is a directory, but a RayJob needs a file with that name for its command",
            folder.display()
        ),
    )
    .hint(format!(
        "exclude it: {}",
        leaving_out(path, &[BELOW_ENTRYPOINT])
    ))
    .hint("or rename it");
    error.object = Some(folder.display().to_string());
    error
}

/// Says that a command after `--` names no program, and no image has one to take
/// it.
fn no_program(word: &str, kind: WorkloadKind) -> CommandError {
    let command = verb(kind);
    let why = match kind.is_ray() {
        true => "Ray runs a command, not an image's own program",
        false => "there is no image with a program to pass it to",
    };
    CommandError::new(
        ErrorClass::Refused,
        format!(
            "the command after -- begins with {}, which is not a program: {why}",
            named(word)
        ),
    )
    .hint(format!(
        "put the program first: kaiwo {command} … -- python main.py {}",
        named(word)
    ))
    .hint(format!(
        "or specify the image that it is for: kaiwo {command} -i IMAGE … -- {}",
        named(word)
    ))
}

fn no_entrypoint(typed: Typed<'_>, kind: WorkloadKind) -> CommandError {
    let why = match kind {
        WorkloadKind::RayJob => "a RayJob needs one",
        _ => "without --image there is nothing to run",
    };
    let command = verb(kind);
    match typed.path {
        Some(path) => {
            let file = path.join(FILE_NAME);
            let is_directory = typed.inputs.is_directory(&file);
            let mut error = CommandError::new(
                ErrorClass::Refused,
                format!("{} {}, and {why}", file.display(), instead(is_directory)),
            )
            .hint(format!(
                "{}write the commands to run to {}",
                match is_directory {
                    true => "rename the directory, and ",
                    false => "",
                },
                file.display()
            ))
            .hint(format!(
                "or put the command after --: kaiwo {command} … -- python main.py"
            ));
            error.object = Some(file.display().to_string());
            error
        }
        None => CommandError::new(
            ErrorClass::Refused,
            format!("no entrypoint given, and {why}"),
        )
        .hint("use -p with a directory that contains one")
        .hint(format!(
            "or put the command after --: kaiwo {command} … -- python main.py"
        )),
    }
}
