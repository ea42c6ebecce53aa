//! Builds the request for GPUs and sizes, and says which of it has no meaning.

use super::{Note, value};
use crate::kind::WorkloadKind;
use crate::plan::Refusal;
use crate::plan::gpu::GpuRequest;
use crate::plan::request::sizes::Sizes;
use crate::quantity::Quantity;
use crate::settings::{Merged, Origin, Sourced};
use crate::workload::environment::Environment;

/// Builds the request for GPUs.
pub(super) fn gpus(settings: &Merged, environment: &Environment) -> GpuRequest {
    GpuRequest {
        total: value(&settings.gpus),
        replicas: value(&settings.replicas),
        gpus_per_replica: value(&settings.gpus_per_replica),
        parallelism: parallelism(environment),
    }
}

/// Says that what comes with GPUs was asked for, and GPUs were not. In the user's own
/// file it is a default, which means nothing here.
pub(super) fn without_gpus(
    settings: &Merged,
    gpus: &GpuRequest,
    kind: WorkloadKind,
) -> Option<Note> {
    let is_meant = |origin: &Origin| matches!(origin, Origin::Flag | Origin::Project(_));
    let origin = |setting: &Option<Sourced<Quantity>>| {
        let setting = setting.as_ref();
        setting.is_some_and(|setting| is_meant(&setting.origin))
    };
    let flags: Vec<&str> = [
        ("--cpus-per-gpu", origin(&settings.cpus_per_gpu)),
        ("--memory-per-gpu", origin(&settings.memory_per_gpu)),
    ]
    .into_iter()
    .filter_map(|(flag, is_given)| is_given.then_some(flag))
    .collect();
    (!flags.is_empty() && !gpus.wants_gpus() && !kind.is_kaito()).then(|| {
        Note::Warning(format!(
            "{} has no effect without GPUs: request some with -g N; a pod without GPUs gets 1 CPU and 4Gi, or what --cpus and --memory say",
            flags.join(" and ")
        ))
    })
}

/// Reads the sizes of whole pods.
///
/// # Errors
/// [`Refusal`] for one that the kind has no use for. What a user's own file says is said
/// of the workloads that have.
pub(super) fn sizes(
    settings: &Merged,
    kind: WorkloadKind,
    model: Option<&str>,
) -> Result<Sizes, Refusal> {
    fn origin<T>(setting: &Option<Sourced<T>>) -> Option<&Origin> {
        let origin = &setting.as_ref()?.origin;
        Some(origin).filter(|origin| !matches!(origin, Origin::User(_)))
    }
    let of_head = [
        ("--head-cpus", origin(&settings.head_cpus)),
        ("--head-memory", origin(&settings.head_memory)),
    ];
    let of_pods = [
        ("--cpus", origin(&settings.cpus)),
        ("--memory", origin(&settings.memory)),
        ("--cpus-per-gpu", origin(&settings.cpus_per_gpu)),
        ("--memory-per-gpu", origin(&settings.memory_per_gpu)),
        ("--shm", origin(&settings.shm)),
    ];
    let first = |flags: &[(&'static str, Option<&Origin>)]| {
        let mut flags = flags.iter();
        flags.find_map(|(flag, origin)| Some((*flag, origin.cloned()?)))
    };
    if model.is_some() {
        return match first(&of_pods).or_else(|| first(&of_head)) {
            None => Ok(Sizes::default()),
            Some((flag, origin)) => Err(Refusal::new(format!(
                "{flag} (from {origin}) has no meaning for a model that KAITO runs: KAITO sizes \
                 its pods by the model and the node"
            ))
            .hint(format!("remove {flag}; --instance-type chooses the nodes"))),
        };
    }
    if let (Some((flag, origin)), false) = (first(&of_head), kind.is_ray()) {
        return Err(Refusal::new(format!(
            "{flag} (from {origin}) is for the head of a Ray cluster, but a {} has none",
            kind.name()
        ))
        .hint(format!("add --ray, or remove {flag}")));
    }
    Ok(Sizes {
        cpus: value(&settings.cpus),
        memory: value(&settings.memory),
        shm: value(&settings.shm),
        head_cpus: value(&settings.head_cpus).filter(|_| kind.is_ray()),
        head_memory: value(&settings.head_memory).filter(|_| kind.is_ray()),
    })
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
