//! Builds what `kaiwo serve` and `kaiwo submit` ask of KAITO: a model that is
//! served or tuned, and what is chosen with it.

use super::{DEFAULT_NAMESPACE, Note, Typed, is_on, value};
use crate::error::CommandError;
use crate::plan::Refusal;
use crate::plan::kaito::annotation::RUNTIME_ANNOTATION;
use crate::plan::kaito::{
    self, Choices, ModelName, Runtime, Tuning, access_secret, check_adapters,
    check_inference_config, check_runtime, check_training_config,
};
use crate::plan::request::service_settings::Serving;
use crate::secrecy;
use crate::settings::{Merged, Origin, Sourced};

/// Returns what is chosen of a model that is served.
pub(super) fn service_choices(
    typed: Typed<'_>,
    settings: &Merged,
    model: &ModelName,
    notes: &mut Vec<Note>,
) -> Result<Choices, CommandError> {
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
        Some(secret) => {
            let name = access_secret(&secret.value).map_err(|refusal| {
                let namespace = settings.namespace.as_ref().map(|it| it.value.as_str());
                refusal.hint(format!(
                    "{}  # makes a Secret of a token that you type",
                    secrecy::making_a_secret("HF_TOKEN", namespace.unwrap_or(DEFAULT_NAMESPACE))
                ))
            })?;
            Some(name.to_owned())
        }
        None => None,
    };
    let (mut config, mut context) = (None, None);
    if let Some(file) = &settings.inference_config {
        let text = typed.inputs.text(&file.value)?;
        let checked = check_inference_config(&file.value, &text, model.preset, used)?;
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
            return Err(Refusal::new(format!(
                "{flag} is for a model that KAITO serves, and none is named"
            ))
            .hint("name it with -m; kaiwo models lists those there are")
            .hint(format!("or leave {flag} away")));
        }
    }
    Ok(())
}

/// Returns what is tuned and with what; `None` if nothing is to be tuned.
pub(super) fn tuned(typed: Typed<'_>, settings: &Merged) -> Result<Option<Serving>, CommandError> {
    let Some(method) = &settings.tune else {
        check_no_tuning(settings)?;
        return Ok(None);
    };
    let Some(model) = &settings.model else {
        return Err(Refusal::new("--tune tunes a model, and none is named")
            .hint("name it with -m: kaiwo submit -m phi-4 --tune lora …")
            .into());
    };
    check_alone(settings)?;
    let model = kaito::find(&model.value)?;
    let needed = |flag: &str, what: &str, like: &str| {
        Refusal::new(format!("--tune needs {what}: {flag} is missing"))
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
    let instance_type = value(&settings.instance_type);
    tuning.check(&model, instance_type.as_deref())?;
    let config = match &settings.tune_config {
        Some(file) => {
            let text = typed.inputs.text(&file.value)?;
            check_training_config(&file.value, &text, method.value)?;
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
            return Err(
                Refusal::new(format!("{flag} is for tuning, and --tune does not say how"))
                    .hint("add --tune lora or --tune qlora"),
            );
        }
    }
    let served = |flag: &str, hint: &str| {
        Err(Refusal::new(format!(
            "{flag} is for tuning a model, and --tune does not say how"
        ))
        .hint("add --tune lora or --tune qlora")
        .hint(hint))
    };
    match (origin(&settings.model), origin(&settings.instance_type)) {
        (Some(Origin::Flag), _) => served("-m", "kaiwo serve -m serves a model"),
        (_, Some(Origin::Flag)) => served("--instance-type", "or leave --instance-type away"),
        _ => Ok(()),
    }
}

/// KAITO tunes with a server of its own: nothing of another workload can be
/// said of it.
fn check_alone(settings: &Merged) -> Result<(), Refusal> {
    for (what, origin) in [
        (
            "Ray",
            origin(&settings.ray).filter(|_| is_on(&settings.ray)),
        ),
        ("a schedule", origin(&settings.schedule)),
        ("an image", origin(&settings.image)),
        ("a number of GPUs", origin(&settings.gpus)),
        ("a number of pods", origin(&settings.replicas)),
        ("a number of GPUs", origin(&settings.gpus_per_replica)),
        ("a queue", origin(&settings.queue)),
    ] {
        if origin == Some(&Origin::Flag) {
            return Err(Refusal::new(format!(
                "KAITO tunes a model on one machine of its own, without {what}"
            ))
            .hint(match what {
                "a queue" => "leave -q away: Kueue does not queue KAITO's Workspaces",
                _ => "choose the machine instead: --instance-type Standard_NC24ads_A100_v4",
            }));
        }
    }
    Ok(())
}

fn annotated_runtime(settings: &Merged) -> Runtime {
    let annotations = settings
        .annotation
        .iter()
        .map(|(key, sourced)| (key.clone(), sourced.value.clone()))
        .collect();
    Runtime::chosen_by(&annotations)
}

/// Checks that an annotation does not say another runtime than the flag.
fn check_annotation(settings: &Merged, runtime: Option<Runtime>) -> Result<(), Refusal> {
    let (Some(runtime), Some(annotation)) = (runtime, settings.annotation.get(RUNTIME_ANNOTATION))
    else {
        return Ok(());
    };
    if annotation.value == runtime.to_string() {
        return Ok(());
    }
    Err(Refusal::new(format!(
        "the runtime is {runtime}, and annotation {RUNTIME_ANNOTATION} (from {}) says {:?}",
        annotation.origin, annotation.value
    ))
    .hint("leave the annotation away"))
}
