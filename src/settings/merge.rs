//! Decides which source has the last word on settings that describe one thing together.

use super::{Merged, Origin, Settings, Sourced};

impl Merged {
    /// Merges `sources`, which come in order of precedence.
    ///
    /// `gpus`, `replicas` and `gpusPerReplica` describe one thing. A source
    /// that gives the total, or both of the others, has described it fully,
    /// so sources below it add nothing to these three. A size of a pod and one
    /// for each of its GPUs likewise exclude each other.
    pub fn merge(sources: impl IntoIterator<Item = (Origin, Settings)>) -> Self {
        let mut merged = Self::default();
        for (origin, mut source) in sources {
            let shape_is_said = merged.gpus.is_some()
                || (merged.replicas.is_some() && merged.gpus_per_replica.is_some());
            let of_shape = [&merged.gpus, &merged.replicas, &merged.gpus_per_replica];
            if shape_is_said && outranks(of_shape.into_iter().flatten().map(by), &origin) {
                source.gpus = None;
                source.replicas = None;
                source.gpus_per_replica = None;
            }
            let of_cpus = [&merged.cpus, &merged.cpus_per_gpu];
            if outranks(of_cpus.into_iter().flatten().map(by), &origin) {
                source.cpus = None;
                source.cpus_per_gpu = None;
            }
            let of_memory = [&merged.memory, &merged.memory_per_gpu];
            if outranks(of_memory.into_iter().flatten().map(by), &origin) {
                source.memory = None;
                source.memory_per_gpu = None;
            }
            merged.fill(&origin, source);
        }
        merged
    }
}

fn by<T>(said: &Sourced<T>) -> &Origin {
    &said.origin
}

/// Returns whether what was said before comes from a source of a higher rank than
/// `origin`. Variables are several sources of equal rank, which complete one another.
fn outranks<'a>(said: impl Iterator<Item = &'a Origin>, origin: &Origin) -> bool {
    let is_variable = |origin: &Origin| matches!(origin, Origin::Variable(_));
    let mut said = said.peekable();
    said.peek().is_some() && !(is_variable(origin) && said.all(is_variable))
}
