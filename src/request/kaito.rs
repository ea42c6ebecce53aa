//! Builds what `kaiwo serve` and `kaiwo submit` ask of KAITO: a model that is
//! served or tuned, and what is chosen with it.

use super::{Note, Typed, is_on, value, word};
use crate::error::CommandError;
use crate::plan::Refusal;
use crate::plan::kaito::annotation::RUNTIME_ANNOTATION;
use crate::plan::kaito::{
    self, Choices, ModelName, Runtime, Tuning, access_secret, check_adapters,
    check_inference_config, check_runtime, check_training_config,
};
use crate::plan::request::service_settings::Serving;
use crate::secrecy::variable;
use crate::settings::{Merged, Origin, Sourced};
use crate::suggestion::kaiwo;

/// Returns the variables that were given for a model which has none of the user's. What
/// a user's own file says is said of other workloads.
fn unused_variables(settings: &Merged) -> Option<Note> {
    let given = settings.env.iter().chain(&settings.secret);
    let given = given.filter(|(_, sourced)| !matches!(sourced.origin, Origin::User(_)));
    let names: Vec<String> = given.map(|(name, _)| variable(name)).collect();
    (!names.is_empty()).then(|| {
        Note::Warning(format!(
            "{} would have no effect: KAITO itself sets the variables of its catalogue's models",
            names.join(", ")
        ))
    })
}

/// Returns what is chosen of a model that is served.
pub(super) fn service_choices(
    typed: Typed<'_>,
    settings: &Merged,
    model: &ModelName,
    notes: &mut Vec<Note>,
) -> Result<Choices, CommandError> {
    notes.extend(unused_variables(settings));
    let runtime = value(&settings.runtime);
    let used = match runtime {
        Some(runtime) => runtime,
        None => annotated_runtime(settings),
    };
    check_annotation(settings, runtime)?;
    check_runtime(model, used)?;
    let adapters = match &settings.adapter {
        Some(adapters) => adapters.value.0.clone(),
        None => Vec::new(),
    };
    check_adapters(&adapters, used)?;
    let model_access_secret = match &settings.model_access_secret {
        Some(secret) => Some(access_secret(&secret.value)?.to_owned()),
        None => None,
    };
    let (mut config, mut context) = (None, None);
    if let Some(file) = &settings.inference_config {
        let text = typed.inputs.text(&file.value)?;
        let checked = check_inference_config(
            &file.value,
            &text,
            model.preset,
            used,
            is_on(&settings.force),
        )?;
        notes.extend(checked.warnings.into_iter().map(Note::Warning));
        context = checked.context;
        config = Some(text);
    }
    Ok(Choices {
        runtime,
        adapters,
        model_access_secret,
        config,
        context,
        tuning: None,
    })
}

/// Checks that nothing is asked of KAITO's presets where none is served.
pub(super) fn check_no_model(settings: &Merged) -> Result<(), Refusal> {
    for (flag, origin) in [
        ("--adapter", origin(&settings.adapter)),
        (
            "--model-access-secret",
            origin(&settings.model_access_secret),
        ),
        ("--inference-config", origin(&settings.inference_config)),
        ("--runtime", origin(&settings.runtime)),
    ] {
        // Said in a file, it is said of the models among a user's services.
        if origin == Some(&Origin::Flag) {
            return Err(
                Refusal::new(format!("{flag} requires a model that KAITO serves"))
                    .hint(kaiwo("models", &[]).to("choose one with -m from the list"))
                    .hint(format!("or remove {flag}")),
            );
        }
    }
    Ok(())
}

/// Returns what is tuned and with what; `None` if nothing is to be tuned.
pub(super) fn tuned(
    typed: Typed<'_>,
    settings: &Merged,
    notes: &mut Vec<Note>,
) -> Result<Option<Serving>, CommandError> {
    let Some(method) = &settings.tune else {
        check_no_tuning(settings)?;
        return Ok(None);
    };
    let Some(model) = &settings.model else {
        return Err(Refusal::new("--tune requires a model")
            .hint("choose one with -m, such as -m phi-4")
            .into());
    };
    check_alone(settings)?;
    notes.extend(unused_variables(settings));
    let model = kaito::find_or_trust(&model.value, is_on(&settings.force))?;
    let needed = |flag: &str, what: &str, like: &str| {
        Refusal::new(format!("--tune requires {what}: {flag} is missing"))
            .hint(format!("try {flag} {like}"))
    };
    let input = settings.tune_input.as_ref().ok_or_else(|| {
        needed(
            "--tune-input",
            "data",
            "https://HOST/data.parquet, IMAGE or pvc:CLAIM",
        )
    })?;
    let output = settings.tune_output.as_ref().ok_or_else(|| {
        needed(
            "--tune-output",
            "a place for the adapter",
            "pvc:CLAIM or IMAGE",
        )
    })?;
    let tuning = Tuning {
        method: method.value,
        input: input.value.0.clone(),
        output: output.value.clone(),
        push_secret: settings
            .tune_push_secret
            .as_ref()
            .map(|it| it.value.0.clone()),
    };
    let instance_type = word(&settings.instance_type);
    tuning.check(&model, instance_type.as_deref())?;
    let config = match &settings.tune_config {
        Some(file) => {
            let text = typed.inputs.text(&file.value)?;
            let force = is_on(&settings.force);
            let warnings = check_training_config(&file.value, &text, method.value, force)?;
            notes.extend(warnings.into_iter().map(Note::Warning));
            Some(text)
        }
        None => None,
    };
    Ok(Some(Serving {
        model: Some(model.name),
        instance_type,
        kaito: Choices {
            config,
            tuning: Some(tuning),
            ..Choices::default()
        },
        ..Serving::default()
    }))
}

fn origin<T>(setting: &Option<Sourced<T>>) -> Option<&Origin> {
    setting.as_ref().map(|sourced| &sourced.origin)
}

fn check_no_tuning(settings: &Merged) -> Result<(), Refusal> {
    for (flag, origin) in [
        ("--tune-input", origin(&settings.tune_input)),
        ("--tune-output", origin(&settings.tune_output)),
        ("--tune-push-secret", origin(&settings.tune_push_secret)),
        ("--tune-config", origin(&settings.tune_config)),
    ] {
        if origin == Some(&Origin::Flag) {
            return Err(Refusal::new(format!("{flag} requires --tune"))
                .hint("add --tune lora or --tune qlora"));
        }
    }
    let served = |flag: &str, hint: &str| {
        Err(Refusal::new(format!("{flag} requires --tune"))
            .hint("add --tune lora or --tune qlora")
            .hint(hint))
    };
    match (origin(&settings.model), origin(&settings.instance_type)) {
        (Some(Origin::Flag), _) => served("-m", "to serve a model, use kaiwo serve -m"),
        (_, Some(Origin::Flag)) => served("--instance-type", "or remove --instance-type"),
        _ => Ok(()),
    }
}

/// KAITO tunes with a server of its own: nothing of another workload can be
/// said of it.
fn check_alone(settings: &Merged) -> Result<(), Refusal> {
    let machine = "choose the machine instead: --instance-type Standard_NC24ads_A100_v4";
    let ray = origin(&settings.ray).filter(|_| is_on(&settings.ray));
    let kept = origin(&settings.keep_storage).filter(|_| is_on(&settings.keep_storage));
    for (what, hint, origin) in [
        ("Ray", "remove --ray", ray),
        (
            "a schedule",
            "remove --schedule",
            origin(&settings.schedule),
        ),
        (
            "preloaded data",
            "remove --preload",
            origin(&settings.preload),
        ),
        (
            "variables",
            "remove --secret-from",
            origin(&settings.secret_from),
        ),
        ("a grace period", "remove --grace", origin(&settings.grace)),
        (
            "a kept claim",
            "remove --keep-storage; --tune-output sets the claim",
            kept,
        ),
        ("an image", "remove -i", origin(&settings.image)),
        ("a number of GPUs", machine, origin(&settings.gpus)),
        ("a number of pods", machine, origin(&settings.replicas)),
        (
            "a number of GPUs",
            machine,
            origin(&settings.gpus_per_replica),
        ),
        (
            "a queue",
            "remove -q: Kueue does not queue KAITO's Workspaces",
            origin(&settings.queue),
        ),
    ] {
        if origin == Some(&Origin::Flag) {
            return Err(Refusal::new(format!(
                "KAITO tunes a model on a single machine, without {what}"
            ))
            .hint(hint));
        }
    }
    Ok(())
}

fn annotated_runtime(settings: &Merged) -> Runtime {
    let annotations = settings
        .annotation
        .iter()
        .map(|(key, sourced)| (key.clone(), sourced.value.expose().clone()))
        .collect();
    Runtime::chosen_by(&annotations)
}

/// Checks that an annotation does not say another runtime than the flag.
fn check_annotation(settings: &Merged, runtime: Option<Runtime>) -> Result<(), Refusal> {
    let (Some(runtime), Some(annotation)) = (runtime, settings.annotation.get(RUNTIME_ANNOTATION))
    else {
        return Ok(());
    };
    let annotated = annotation.value.expose();
    if *annotated == runtime.to_string() {
        return Ok(());
    }
    Err(Refusal::new(format!(
        "the runtime is {runtime}, but annotation {RUNTIME_ANNOTATION} (from {}) is {annotated:?}",
        annotation.origin
    ))
    .hint("remove the annotation"))
}
