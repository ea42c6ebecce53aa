//! Reads how far programs are, by what they print.

use crate::api::Readable;
use crate::cluster::Cluster;
use crate::cluster::client::request::percent_encoded;
use crate::observe::log::progress::{LogPlace, Progress};

/// Lines of a log that are looked at, and bytes.
const LINES: usize = 200;
const BYTES: usize = 1 << 20;

/// Reads how far the program is whose log is at `place`, if its last lines tell.
pub async fn progress(
    cluster: &Cluster,
    namespace: &str,
    place: &LogPlace,
) -> Readable<Option<Progress>> {
    let LogPlace { pod, container } = place;
    let container = percent_encoded(container);
    let path = format!(
        "/api/v1/namespaces/{namespace}/pods/{pod}/log?container={container}&tailLines={LINES}&limitBytes={BYTES}"
    );
    match cluster.get_text(&path).await {
        Ok(log) => Readable::Known(Progress::last(&log)),
        Err(error) if error.is_forbidden() => Readable::Forbidden,
        // A log goes with its node, and is not worth an error.
        Err(_) => Readable::Known(None),
    }
}
