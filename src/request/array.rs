//! Builds the array that is asked for, and checks what cannot be one.

use super::{Note, Typed, is_on, is_typed, value};
use crate::error::CommandError;
use crate::kind::WorkloadKind;
use crate::names::nearest;
use crate::plan::Refusal;
use crate::plan::request::array::rows::Rows;
use crate::plan::request::array::sweep::Sweep;
use crate::plan::request::array::{Array, ArrayFlags, Parameters, placeholder};
use crate::plan::request::{Run, WorkloadRequest};
use crate::settings::Merged;
use crate::suggestion::kaiwo;

/// Builds the array, if one is asked for of what can be one.
pub(super) fn array(
    typed: Typed<'_>,
    settings: &Merged,
    can_be_one: bool,
) -> Result<Option<Array>, CommandError> {
    if !can_be_one {
        return Ok(None);
    }
    let parameters = parameters(typed, settings)?;
    let spec = value(&settings.array);
    if parameters == Parameters::None && spec.is_none() {
        return without_tasks(settings).map(|()| None).map_err(Into::into);
    }
    let (tasks, in_spec) = match spec {
        Some(spec) => (Some(spec.tasks), spec.slots),
        None => (None, None),
    };
    let slots = value(&settings.slots);
    if let (Some(in_spec), Some(slots)) = (in_spec, slots)
        && in_spec != slots
    {
        return Err(Refusal::new(format!(
            "--array says {in_spec} tasks at once (%{in_spec}), but --slots says {slots}"
        ))
        .hint("keep one of them")
        .into());
    }
    let flags = ArrayFlags {
        tasks,
        parameters,
        slots: in_spec.or(slots),
        at_least: value(&settings.at_least),
        max_failed: value(&settings.max_failed),
        grow: is_on(&settings.grow),
    };
    let array = Array::new(flags)?;
    Ok(Some(Array {
        only_failed: is_on(&settings.only_failed),
        ..array
    }))
}

fn parameters(typed: Typed<'_>, settings: &Merged) -> Result<Parameters, CommandError> {
    match (&settings.sweep, &settings.sweep_file) {
        (None, None) => Ok(Parameters::None),
        (Some(sweeps), None) => Ok(Parameters::Sweep(sweeps.value.clone())),
        (None, Some(file)) => {
            let text = typed.inputs.text(&file.value)?;
            Ok(Parameters::Rows(Rows::parse(&file.value, &text)?))
        }
        (Some(sweep), Some(file)) => Err(Refusal::new(format!(
            "--sweep (from {}) and --sweep-file (from {}) exclude each other",
            sweep.origin, file.origin
        ))
        .hint("add the parameters of --sweep to the file, or remove one of them")
        .into()),
    }
}

/// Says that what only arrays have was typed for something else.
fn without_tasks(settings: &Merged) -> Result<(), Refusal> {
    let given = [
        ("--slots", is_typed(&settings.slots)),
        ("--at-least", is_typed(&settings.at_least)),
        ("--max-failed", is_typed(&settings.max_failed)),
        ("--grow", is_typed(&settings.grow)),
        ("--only-failed", is_typed(&settings.only_failed)),
    ];
    match given.iter().find(|(_, is_typed)| *is_typed) {
        None => Ok(()),
        Some((flag, _)) => Err(
            Refusal::new(format!("{flag} has no effect without an array"))
                .hint("add --array 0-99, --sweep lr=1e-3,1e-4 or --sweep-file rows.csv"),
        ),
    }
}

/// Checks that what is asked for can be the tasks of an array, and says what of the
/// command looks like a parameter that there is not.
pub(super) fn check(request: &WorkloadRequest, notes: &mut Vec<Note>) -> Result<(), Refusal> {
    let Some(array) = &request.array else {
        return Ok(());
    };
    let without = "remove --array, --sweep and --sweep-file";
    match request.kind {
        WorkloadKind::RayJob => {
            return Err(Refusal::new(
                "a task of an array is one pod of an Indexed Job, but a RayJob is a cluster of several pods",
            )
            .hint("to run the tasks without Ray: add --ray=false")
            .hint("to run them with Ray: submit a RayJob for each, or one whose program starts them"));
        }
        WorkloadKind::CronJob => {
            return Err(Refusal::new(
                "--schedule starts single tasks: the tasks of an array are counted and run again by the Job that was submitted",
            )
            .hint(format!("remove --schedule, or {without}")));
        }
        _ => {}
    }
    if !request.has_command() {
        return Err(Refusal::new(
            "the tasks of an array get their numbers and parameters from a shell before the command, and the image's own program is started without one",
        )
        .hint("put the command after --, such as -- python train.py --lr {lr}")
        .hint("or use -p with a directory that contains an entrypoint"));
    }
    if request.pods.read_only_workdir {
        return Err(Refusal::new(
            "--read-only-workdir is for images without sh, from which the tasks of an array get their numbers and parameters",
        )
        .hint("remove --read-only-workdir, and use an image with sh and sed"));
    }
    if let Some(template) = &request.template
        && !template.text.contains("Scheduling.Array")
    {
        return Err(Refusal::new(format!(
            "{} does not use Scheduling.Array, so it would run one task",
            template.file.display()
        ))
        .hint(kaiwo("template show job", &[]).to("base it on the built-in one, which does"))
        .hint(without));
    }
    notes.extend(unknown_parameters(request, array));
    if let Parameters::Sweep(sweeps) = &array.parameters {
        notes.extend(sweeps.0.iter().filter_map(Sweep::doubt).map(Note::Warning));
    }
    Ok(())
}

/// Returns what probably means another parameter than it says.
fn unknown_parameters(request: &WorkloadRequest, array: &Array) -> Vec<Note> {
    let Run::Command(words) = &request.run else {
        return Vec::new();
    };
    let names = array.parameters.names();
    let names: Vec<&str> = names.into_iter().chain(["index"]).collect();
    let braced = words.iter().flat_map(|word| word.split('{').skip(1));
    let braced = braced.filter_map(|rest| Some(rest.split_once('}')?.0));
    let unknown = braced.filter(|name| placeholder(name) && !names.contains(name));
    let meant = unknown.map(|name| {
        let stays = format!("{{{name}}} in the command is not a parameter and stays as it is");
        let near = nearest(name, names.iter().map(|name| (*name).to_owned()));
        Note::Warning(match near {
            Some(near) => format!("{stays}; did you mean {{{near}}}?"),
            None => stays,
        })
    });
    meant.collect()
}
