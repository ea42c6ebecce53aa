//! Refuses what does not reach another cluster when Kueue sends the workload
//! away (MultiKueue): only the workload itself goes, and nothing it refers to.

use crate::plan::{Plan, Refusal};

/// Checks that a workload which runs in another cluster finds all it needs
/// there.
///
/// # Errors
/// [`Refusal`] with what would stay behind. It is wrong rather than hopeless:
/// `--force` does not pass it.
pub fn check(plan: &Plan) -> Result<(), Refusal> {
    let queue = plan.local_queue.as_deref().unwrap_or_default();
    let refuse = |what: &str| {
        Refusal::new(format!(
            "queue {queue:?} sends workloads to other clusters (MultiKueue), and {what}"
        ))
        .about(format!("localqueue/{queue}"))
    };
    if !plan.request.upload.is_empty() {
        return Err(refuse("uploads are not copied to them")
            .hint("put the files into an image: -i registry/image:tag -- COMMAND, without -p")
            .hint("or choose a queue of this cluster with -q"));
    }
    if plan.indexed() {
        return Err(
            refuse("the Service that connects the pods of a Job is not copied to them")
                .hint("use --ray: the pods of a RayJob find each other on any cluster")
                .hint("or choose a queue of this cluster with -q"),
        );
    }
    Ok(())
}
