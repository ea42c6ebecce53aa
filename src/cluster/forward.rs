//! A port of a pod, brought here.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, split};
use tokio::time::{Instant, interval_at, sleep_until};

use super::socket::{self, Received};
use super::{Cluster, ClusterError};

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

/// A way to a port of a pod.
pub struct Way {
    sender: socket::Sender,
    receiver: socket::Receiver,
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
) -> Result<Way, ClusterError> {
    let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}/portforward?ports={port}");
    let (sender, receiver) = socket::open(cluster, &path).await?;
    Ok(Way { sender, receiver })
}

impl Way {
    /// Carries a connection to its end.
    ///
    /// # Errors
    /// What the node says about the port, or how the way broke off.
    pub async fn carry(self, local: impl AsyncRead + AsyncWrite) -> Result<(), String> {
        let Self {
            mut sender,
            mut receiver,
        } = self;
        let (mut from_local, mut to_local) = split(local);
        let has_sent_all = tokio::sync::Notify::new();
        let there = async {
            let mut bytes = vec![0; CHUNK];
            let mut ping = interval_at(Instant::now() + socket::PING, socket::PING);
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
                        // The connection was reset: nobody wants the answer.
                        Err(_) => return sender,
                    },
                    _ = ping.tick() => {
                        if sender.ping().await.is_err() {
                            break;
                        }
                    }
                }
            }
            // The other half finds out what has happened.
            std::future::pending().await
        };
        let here = async {
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
                            return Err(String::from_utf8_lossy(bytes).trim().to_owned());
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
                    Received::Lost(why) => return Err(why),
                }
            }
        };
        let (result, sender) = tokio::select! {
            result = here => (result, None),
            sender = there => (Ok(()), Some(sender)),
        };
        if let Some(mut sender) = sender {
            let _ = sender.close().await;
        }
        result
    }
}
