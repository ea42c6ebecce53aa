//! Forwards connections to a port of a pod.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, split};
use tokio::sync::Notify;
use tokio::time::{Instant, interval_at, sleep_until};

use super::websocket::{self, Received};
use crate::{Cluster, ClusterError};

/// Channels of one port (kubelet `portforward/websocket`).
const DATA: u8 = 0;
const ERROR: u8 = 1;
/// Bytes that each channel begins with: the port.
const PREAMBLE: usize = 2;
/// Bytes that are passed on at once.
const CHUNK: usize = 32 << 10;
/// This protocol cannot say that one direction has ended. Who has sent all gets
/// the answer as long as it keeps coming.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Words of a node that could not connect: containerd's, CRI-O's and KWOK's
/// (`failed to connect`, `dial tcp`), and those of `socat`, which older runtimes
/// use (`E connect(…): Connection refused`). Words about a connection that was
/// made name its `read`, `write` or `writeto` instead.
const NOT_MADE: [&str; 5] = [
    "failed to connect",
    "dial ",
    " connect: ",
    " connect(",
    "connection refused",
];

/// Why a connection ended before its time.
#[derive(Debug, thiserror::Error)]
pub enum PortForwardError {
    /// The node's word about the port, of which the end is shown: before that stand names
    /// of the container runtime's own, and ports that differ from one connection to the next.
    #[error("{}", last_clause(.0))]
    Told(String),
    /// The way broke off, and nobody says what became of the other end.
    #[error("{0}")]
    Lost(String),
}

impl PortForwardError {
    /// Returns whether nothing of what was sent can have arrived: the node did
    /// not reach the port.
    pub fn is_undelivered(&self) -> bool {
        let Self::Told(word) = self else {
            return false;
        };
        let word = word.to_lowercase();
        NOT_MADE.iter().any(|known| word.contains(known))
    }
}

/// Returns what follows the last colon of what a kubelet says of a connection.
fn last_clause(word: &str) -> &str {
    match word.starts_with("error forwarding port ") {
        true => word.rsplit(": ").next().unwrap_or(word).trim_end(),
        false => word,
    }
}

/// A way to a port of a pod.
pub struct PortForwardStream {
    sender: websocket::Sender,
    receiver: websocket::Receiver,
}

/// Opens a way for one connection.
///
/// # Errors
/// Any [`ClusterError`].
pub async fn open(
    cluster: &Cluster,
    namespace: &str,
    pod: &str,
    port: u16,
) -> Result<PortForwardStream, ClusterError> {
    let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}/portforward?ports={port}");
    let (sender, receiver) = websocket::open(cluster, &path).await?;
    Ok(PortForwardStream { sender, receiver })
}

impl PortForwardStream {
    /// Carries a connection to its end.
    ///
    /// # Errors
    /// What the node says about the port, or how the way broke off.
    pub async fn carry(self, local: impl AsyncRead + AsyncWrite) -> Result<(), PortForwardError> {
        let Self {
            mut sender,
            mut receiver,
        } = self;
        let (mut from_local, mut to_local) = split(local);
        let has_sent_all = Notify::new();
        tokio::select! {
            result = bring_here(&mut receiver, &mut to_local, &has_sent_all) => result,
            () = bring_there(&mut sender, &mut from_local, &has_sent_all) => {
                let _ = sender.close().await;
                Ok(())
            }
        }
    }
}

/// Sends what comes from here. Ends only if nobody here wants the answer; of
/// everything else [`bring_here`] finds out what has happened.
async fn bring_there(
    sender: &mut websocket::Sender,
    from_local: &mut (impl AsyncRead + Unpin),
    has_sent_all: &Notify,
) {
    let mut bytes = vec![0; CHUNK];
    let mut ping = interval_at(Instant::now() + websocket::PING, websocket::PING);
    let mut is_open = true;
    loop {
        tokio::select! {
            read = from_local.read(&mut bytes), if is_open => match read {
                Ok(read @ 1..) => {
                    if sender.send(DATA, &bytes[..read]).await.is_err() {
                        break;
                    }
                }
                Ok(0) => {
                    is_open = false;
                    has_sent_all.notify_one();
                }
                // The connection was reset.
                Err(_) => return,
            },
            _ = ping.tick() => {
                if sender.ping().await.is_err() {
                    break;
                }
            }
        }
    }
    std::future::pending().await
}

/// Passes on what comes from the node, until it ends or, once all is sent, has
/// been silent for [`LAST_WORDS`].
async fn bring_here(
    receiver: &mut websocket::Receiver,
    to_local: &mut (impl AsyncWrite + Unpin),
    has_sent_all: &Notify,
) -> Result<(), PortForwardError> {
    let mut begun = [false; 2];
    let far = Instant::now() + Duration::from_secs(365 * 86_400);
    let mut deadline = far;
    loop {
        let received = tokio::select! {
            received = receiver.next(true) => received,
            () = has_sent_all.notified() => {
                deadline = Instant::now() + LAST_WORDS;
                continue;
            }
            () = sleep_until(deadline) => return Ok(()),
        };
        match received {
            Received::Bytes(channel @ (DATA | ERROR), bytes) => {
                let begun = &mut begun[usize::from(channel)];
                let bytes = match std::mem::replace(begun, true) {
                    true => &bytes[..],
                    false => bytes.get(PREAMBLE..).unwrap_or_default(),
                };
                if channel == ERROR && !bytes.is_empty() {
                    let word = String::from_utf8_lossy(bytes);
                    tracing::info!("the node says of a port: {word}");
                    return Err(PortForwardError::Told(word.trim().to_owned()));
                }
                if to_local.write_all(bytes).await.is_err() {
                    return Ok(());
                }
                if deadline < far {
                    deadline = Instant::now() + LAST_WORDS;
                }
            }
            Received::Bytes(..) | Received::Alive => {}
            Received::Closed => return Ok(()),
            Received::Lost(why) => return Err(PortForwardError::Lost(why)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As they write it (containerd 1.7 and 2, CRI-O 1.32, KWOK 0.8, `socat`).
    #[test]
    fn what_did_not_connect_did_not_arrive() {
        let told = |word: &str| {
            let begun = "error forwarding port 80 to pod 9f1c, uid : ";
            PortForwardError::Told(format!("{begun}{word}"))
        };
        let said = |word: &str| told(word).is_undelivered();
        for word in [
            "failed to execute portforward in network namespace \"/var/run/netns/cni-1\": failed \
             to connect to localhost:80 inside namespace \"9f1c\", IPv4: dial tcp4 127.0.0.1:80: \
             connect: connection refused IPv6 dial tcp6 [::1]:80: connect: connection refused ",
            "port forward into network namespace \"/var/run/netns/1\": failed to connect to \
             localhost:80 inside namespace 9f1c: dial tcp [::1]:80: connect: connection refused",
            "failed to dial 10.0.0.1:80: dial tcp 10.0.0.1:80: i/o timeout",
            "exit status 1: socat[29346] E connect(5, AF=2 127.0.0.1:80, 16): Connection refused",
        ] {
            assert!(said(word), "{word}");
        }
        for word in [
            "failed to execute portforward in network namespace \"/var/run/netns/cni-1\": read \
             tcp4 127.0.0.1:40->127.0.0.1:80: read: connection reset by peer",
            "failed to execute portforward in network namespace \"/var/run/netns/cni-1\": writeto \
             tcp4 127.0.0.1:40->127.0.0.1:80: write: broken pipe",
            "the client did disconnect: going away",
        ] {
            assert!(!said(word), "{word}");
            assert!(word.ends_with(&format!(": {}", told(word))), "{word}");
        }
        let refused = "failed to connect to localhost:80, IPv4: dial tcp4 127.0.0.1:80: connect: \
                       connection refused IPv6 dial tcp6 [::1]:80: connect: connection refused ";
        assert_eq!(told(refused).to_string(), "connection refused");
        let lost = PortForwardError::Lost("dial tcp: connect: connection refused".to_owned());
        assert!(!lost.is_undelivered());
    }
}
