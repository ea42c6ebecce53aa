//! Builds the part of a request that all commands have.

use std::collections::BTreeMap;
use std::path::Path;

use super::{
    DEFAULT_NAMESPACE, Intent, Note, Typed, check_words, instead, is_on, user, value, variables,
};
use crate::error::{CommandError, ErrorClass};
use crate::kind::WorkloadKind;
use crate::plan::Refusal;
use crate::plan::gpu::GpuRequest;
use crate::plan::name::NameParts;
use crate::plan::request::pod::PodSettings;
use crate::plan::request::service_settings::Serving;
use crate::plan::request::{Lifetime, Run, Schedule, WorkloadRequest};
use crate::quantity::ByteSize;
use crate::secrecy;
use crate::settings::{Merged, Sourced};
use crate::workload::directory::{self, DEFAULT_LIMIT, WorkloadDirectory};
use crate::workload::entrypoint::{Entrypoint, FILE_NAME};
use crate::workload::environment::Environment;
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
    let image = value(&settings.image);
    if typed.path.is_none() && image.is_none() && serving.model.is_none() {
        return Err(nothing_to_run(kind));
    }
    check_words(settings)?;
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
    // A template may hold the command.
    let needs_entrypoint = match kind {
        _ if template.is_some() => false,
        WorkloadKind::RayJob => true,
        // Ray Serve runs what its configuration says, KAITO the model.
        WorkloadKind::RayService => false,
        kind if kind.is_kaito() && serving.model.is_some() => false,
        _ => image.is_none(),
    };
    let (run, upload) = run(typed, kind, needs_entrypoint, directory)?;

    let user = user(settings, typed.inputs);
    let app = match typed.path {
        Some(path) => typed.inputs.base_name(path),
        None => image
            .clone()
            .or_else(|| subject(&serving))
            .unwrap_or_default(),
    };
    let name = name(kind, &user, &app, settings, typed)?;
    let pods = pod_settings(settings, &environment)?;
    Ok(WorkloadRequest {
        kind,
        name,
        namespace: value(&settings.namespace).unwrap_or_else(|| DEFAULT_NAMESPACE.to_owned()),
        queue,
        user,
        app,
        version: value(&settings.version),
        image,
        run,
        gpus: GpuRequest {
            total: value(&settings.gpus),
            replicas: value(&settings.replicas),
            gpus_per_replica: value(&settings.gpus_per_replica),
            parallelism: parallelism(&environment),
        },
        environment,
        upload,
        gpus_per_node: value(&settings.gpus_per_node),
        gpu_resource: value(&settings.gpu_resource),
        gpu_node_label_key: value(&settings.gpu_node_label_key),
        ray_version: value(&settings.ray_version),
        pods,
        priority_class: value(&settings.priority_class),
        schedule: schedule(settings, kind)?,
        lifetime: lifetime(settings, kind),
        serving,
        template,
        custom,
        create_namespace: is_on(&settings.create_namespace),
        force: is_on(&settings.force),
        allow_downtime: is_on(&settings.allow_downtime),
    })
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
        chosen: settings.name.as_ref().map(|name| name.value.as_str()),
        user,
        subject: app,
        version: settings
            .version
            .as_ref()
            .map(|version| version.value.as_str()),
        suffix: suffix.as_deref(),
    }
    .compose(kind)
}

fn schedule(settings: &Merged, kind: WorkloadKind) -> Result<Option<Schedule>, Refusal> {
    let text = settings.schedule.as_ref().filter(|_| kind.is_batch());
    text.map(|text| Schedule::new(&text.value)).transpose()
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
            "there are {what} (from {origin}) for a template, and no template: the built-in one reads none"
        ))
        .hint(format!(
            "write one from the built-in: kaiwo template eject {} DIR, and give it with --template DIR/template",
            kind.word()
        ))
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
            .hint("name a value with dots between its keys: --set model.name=phi-4")
        })?;
    }
    Ok(custom)
}

fn pod_settings(settings: &Merged, environment: &Environment) -> Result<PodSettings, CommandError> {
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
        service_account: value(&settings.service_account),
        image_pull_secrets: value(&settings.image_pull_secret)
            .map(|list| list.0)
            .unwrap_or_default(),
        labels: plain(&settings.label),
        annotations: plain(&settings.annotation),
        cpus_per_gpu: value(&settings.cpus_per_gpu),
        memory_per_gpu: value(&settings.memory_per_gpu),
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
    let limit = value(&settings.upload_limit).unwrap_or(DEFAULT_LIMIT);
    let directory = typed.inputs.directory(path, env_file, limit)?;
    if !directory.left_out.is_empty() {
        let left_out = directory.left_out.join(", ");
        notes.push(Note::Status(format!("  not uploaded: {left_out}")));
    }
    notes.push(Note::Detail(format!("  {}", uploads(&directory.files))));
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
                "{}: {lines} {verb} with -, after what is no command",
                file.display()
            )));
        }
    }
    Ok(directory)
}

/// Returns the words for what is uploaded besides the entrypoint.
fn uploads(files: &[UploadFile]) -> String {
    let size = |file: &UploadFile| ByteSize(file.content.len() as u64);
    let total = ByteSize(files.iter().map(|file| size(file).0).sum());
    let mut largest: Vec<&UploadFile> = files.iter().collect();
    largest.sort_by_key(|file| std::cmp::Reverse(size(file)));
    let rows: Vec<String> = largest
        .iter()
        .take(5)
        .map(|file| format!("{} ({})", file.path, size(file)))
        .collect();
    match files {
        [] => "uploads: nothing but the entrypoint".to_owned(),
        files => format!(
            "uploads: {} files, {total}; largest: {}",
            files.len(),
            rows.join(", ")
        ),
    }
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
        "nothing to run: neither a directory nor an image is given",
    )
    .hint(format!(
        "kaiwo {command} -p DIR   runs the entrypoint of a directory"
    ))
    .hint(format!("kaiwo {command} -i IMAGE runs an image"))
}

/// Decides what runs and what is uploaded for it.
fn run(
    typed: Typed<'_>,
    kind: WorkloadKind,
    needs_entrypoint: bool,
    directory: Option<WorkloadDirectory>,
) -> Result<(Run, Upload), CommandError> {
    let (script, mut files) = match directory {
        Some(directory) => (directory.entrypoint, directory.files),
        None => (None, Vec::new()),
    };
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
            "{} is a directory, and a RayJob gets its command as a file of that name",
            folder.display()
        ),
    )
    .hint(format!(
        "leave it out: {}",
        directory::leaving_out(path, BELOW_ENTRYPOINT)
    ))
    .hint("or give it another name");
    error.object = Some(folder.display().to_string());
    error
}

fn no_entrypoint(typed: Typed<'_>, kind: WorkloadKind) -> CommandError {
    let why = match kind {
        WorkloadKind::RayJob => "a RayJob needs one",
        _ => "without an image of your own there is nothing to run",
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
                "{}write the commands to run into {}",
                match is_directory {
                    true => "give the directory another name, and ",
                    false => "",
                },
                file.display()
            ))
            .hint(format!(
                "or give the command after --: kaiwo {command} … -- python main.py"
            ));
            error.object = Some(file.display().to_string());
            error
        }
        None => CommandError::new(
            ErrorClass::Refused,
            format!("no entrypoint is given, and {why}"),
        )
        .hint("give the directory that holds one with -p")
        .hint(format!(
            "or give the command after --: kaiwo {command} … -- python main.py"
        )),
    }
}

/// Reads the parallelism that a workload states in its own variables; any
/// other value of them is the workload's own affair.
fn parallelism(environment: &Environment) -> Option<(i64, i64)> {
    let number = |name: &str| environment.value(name)?.trim().parse::<i64>().ok();
    let (pipeline, tensor) = (
        number("PIPELINE_PARALLELISM")?,
        number("TENSOR_PARALLELISM")?,
    );
    (pipeline > 1 && tensor > 0).then_some((pipeline, tensor))
}
