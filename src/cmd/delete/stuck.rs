//! Says what keeps a workload that was deleted from going.

use std::time::Duration;

use crate::cluster::ClusterError;
use crate::cluster::submission::deletion::{self, Doomed};
use crate::cmd::target::Reached;
use crate::error::{CommandError, ErrorClass};
use crate::suggestion::kubectl;

/// Returns the error that `left` is still there after `limit`: the workload, or
/// something of it.
pub(super) async fn stuck(
    place: &Reached,
    one: &Doomed,
    left: Option<String>,
    limit: Duration,
) -> CommandError {
    let left = left.unwrap_or_else(|| one.workload.display_name());
    let words = format!("{left} is still being deleted after {} s", limit.as_secs());
    let timed_out = |words| CommandError::new(ErrorClass::TimedOut, words);
    let error = match held(place, one).await {
        Some((pod, node)) => {
            let on = match left == format!("pod/{pod}") {
                true => format!("its node {node}"),
                false => format!("node {node} of pod {pod}"),
            };
            timed_out(format!("{words}: {on} is not responding"))
                .hint("the pod ends when the node is back")
                .hint(kubectl("describe node {}", &[&node]).to("show the state of the node"))
                .hint(
                    kubectl("delete node {}", &[&node]).to(
                        "if it does not come back, ask an admin to remove it, which ends its pods",
                    ),
                )
        }
        None => timed_out(words).hint(
            kubectl("-n {} get {} -o yaml", &[&place.namespace, &left]).to("show its finalizers"),
        ),
    };
    error.about(left)
}

/// Returns the pod that stays because its node does not answer, and that node.
async fn held(place: &Reached, one: &Doomed) -> Option<(String, String)> {
    // Who may not look is told of what was seen.
    let pods: Result<_, ClusterError> = deletion::pods(&place.cluster, one).await;
    pods.ok()?.into_iter().find_map(|pod| {
        let node = pod.lost_node().filter(|_| pod.is_terminating())?;
        Some((pod.metadata.name.clone(), node.to_owned()))
    })
}
