//! Speaks HTTP/1.1 through a forwarded port of a pod.

use std::sync::{Arc, OnceLock};

use http::{Request, Response};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::task::JoinSet;

use crate::cluster::client::port_forward::{self, PortForwardError};
use crate::cluster::{Cluster, ClusterError};

/// Bytes that wait in each direction.
const BUFFER: usize = 64 << 10;

/// A connection to a server in a pod, for one request.
pub(in crate::cluster) struct PodTunnel {
    sender: SendRequest<Full<Bytes>>,
    carried: TunnelTasks,
}

/// What carries a connection, for as long as this is there.
pub(in crate::cluster) struct TunnelTasks {
    _tasks: JoinSet<()>,
    severed: Arc<OnceLock<PortForwardError>>,
}

/// Why there is no answer.
pub(in crate::cluster) enum PodTunnelError {
    /// The request did not get there.
    Undelivered(String),
    /// It may have.
    Broken(String),
}

/// Opens a connection.
///
/// # Errors
/// Any [`ClusterError`]. That nobody listens on the port shows later.
pub(in crate::cluster) async fn open(
    cluster: &Cluster,
    namespace: &str,
    pod: &str,
    port: u16,
) -> Result<PodTunnel, ClusterError> {
    let way = port_forward::open(cluster, namespace, pod, port).await?;
    let (near, far) = tokio::io::duplex(BUFFER);
    let mut tasks = JoinSet::new();
    let severed = Arc::new(OnceLock::new());
    let told = Arc::clone(&severed);
    tasks.spawn(async move {
        if let Err(why) = way.carry(far).await {
            // Nobody else tells.
            let _ = told.set(why);
        }
    });
    let handshake = http1::handshake(TokioIo::new(near)).await;
    let (sender, connection) = handshake.map_err(|error| ClusterError::Answer {
        request: format!("GET /api/v1/namespaces/{namespace}/pods/{pod}/portforward"),
        source: kube::Error::Service(error.into()),
    })?;
    tasks.spawn(async move {
        // Whoever waits for the answer is told what went wrong.
        let _ = connection.await;
    });
    Ok(PodTunnel {
        sender,
        carried: TunnelTasks {
            _tasks: tasks,
            severed,
        },
    })
}

impl PodTunnel {
    /// Sends a request, and waits for the beginning of the answer.
    pub(in crate::cluster) async fn send(
        mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<(Response<Incoming>, TunnelTasks), PodTunnelError> {
        match self.sender.send_request(request).await {
            Ok(answer) => Ok((answer, self.carried)),
            Err(error) => Err(match self.carried.severed.get() {
                // The node could not connect, and says why.
                Some(why) if why.is_undelivered() => PodTunnelError::Undelivered(why.to_string()),
                Some(why) => PodTunnelError::Broken(why.to_string()),
                None if error.is_incomplete_message() || error.is_canceled() => {
                    PodTunnelError::Broken(
                        "the server closed the connection without an answer".to_owned(),
                    )
                }
                None => PodTunnelError::Broken(format!("the answer is not HTTP: {error}")),
            }),
        }
    }
}

impl TunnelTasks {
    /// Returns what the node said about the port, or how the way broke off.
    pub(in crate::cluster) fn why(&self) -> Option<String> {
        self.severed.get().map(ToString::to_string)
    }
}
