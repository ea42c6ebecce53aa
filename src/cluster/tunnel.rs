//! HTTP/1.1 over a way to a port of a pod.

use std::sync::{Arc, OnceLock};

use http::{Request, Response};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::task::JoinSet;

use super::{Cluster, ClusterError, forward};

/// Bytes that wait in each direction.
const BUFFER: usize = 64 << 10;

/// A connection to a server in a pod, for one request.
pub(super) struct Tunnel {
    sender: SendRequest<Full<Bytes>>,
    carried: Carried,
}

/// What carries a connection, for as long as this is there.
pub(super) struct Carried {
    _tasks: JoinSet<()>,
    broken: Arc<OnceLock<String>>,
}

/// Why there is no answer.
pub(super) enum Silence {
    /// The request did not get there.
    Undelivered(String),
    /// It may have.
    Broken(String),
}

/// Opens a connection.
///
/// # Errors
/// Any [`ClusterError`]. That nobody listens on the port shows later.
pub(super) async fn open(
    cluster: &Cluster,
    namespace: &str,
    pod: &str,
    port: u16,
) -> Result<Tunnel, ClusterError> {
    let way = forward::open(cluster, namespace, pod, port).await?;
    let (near, far) = tokio::io::duplex(BUFFER);
    let mut tasks = JoinSet::new();
    let broken = Arc::new(OnceLock::new());
    let told = Arc::clone(&broken);
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
    Ok(Tunnel {
        sender,
        carried: Carried {
            _tasks: tasks,
            broken,
        },
    })
}

impl Tunnel {
    /// Sends a request, and waits for the beginning of the answer.
    pub(super) async fn send(
        mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<(Response<Incoming>, Carried), Silence> {
        match self.sender.send_request(request).await {
            Ok(answer) => Ok((answer, self.carried)),
            Err(error) => Err(match self.carried.why() {
                // The node could not connect, and says why.
                Some(why) => Silence::Undelivered(why.to_owned()),
                None if error.is_incomplete_message() || error.is_canceled() => {
                    Silence::Broken("the server closed the connection without an answer".to_owned())
                }
                None => Silence::Broken(format!("the answer is no HTTP: {error}")),
            }),
        }
    }
}

impl Carried {
    /// Returns what the node said about the port, or how the way broke off.
    pub(super) fn why(&self) -> Option<&str> {
        self.broken.get().map(String::as_str)
    }
}
