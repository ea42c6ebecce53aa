//! Runs a command in a container, or attaches to the one that it runs.

use std::cell::Cell;
use std::rc::Rc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;

use super::request::percent_encoded;
use super::websocket::{self, Received};
use crate::{Cluster, ClusterError};

pub use super::websocket::Closed;

/// Channels of a command (kubelet `remotecommand`).
const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const STATUS: u8 = 3;
const RESIZE: u8 = 4;
/// Bytes of input behind which a question for a sign of life may wait for long,
/// because the command does not read them.
const MUCH_INPUT: usize = 16 << 10;

/// What is run, and where.
#[derive(Debug, Clone)]
pub struct Execution<'a> {
    /// Namespace of the pod.
    pub namespace: &'a str,
    /// The pod.
    pub pod: &'a str,
    /// Its container.
    pub container: &'a str,
    /// The words of the command.
    pub command: &'a [String],
    /// Whether it has input.
    pub stdin: bool,
    /// Whether it has a terminal.
    pub tty: bool,
}

/// What a running command is told.
pub struct Input {
    sender: websocket::Sender,
    unread: Rc<Cell<usize>>,
}

/// What it says.
pub struct Output {
    receiver: websocket::Receiver,
    unread: Rc<Cell<usize>>,
    ended: Option<Ending>,
}

/// A part of what a command says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// On its stdout.
    Stdout(Vec<u8>),
    /// On its stderr.
    Stderr(Vec<u8>),
    /// Nothing more.
    Ended(Ending),
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// By itself, with this code.
    Code(u8),
    /// It was not run, or not to its end.
    Failed(String),
    /// The connection was lost.
    Lost(String),
}

/// Starts a command.
///
/// # Errors
/// Any [`ClusterError`].
pub async fn start(
    cluster: &Cluster,
    what: &Execution<'_>,
) -> Result<(Input, Output), ClusterError> {
    let mut path = format!(
        "/api/v1/namespaces/{}/pods/{}/exec?container={}&stdin={}&stdout=true&stderr={}&tty={}",
        what.namespace,
        what.pod,
        percent_encoded(what.container),
        what.stdin,
        // A terminal has one output for both.
        !what.tty,
        what.tty,
    );
    for word in what.command {
        path += &format!("&command={}", percent_encoded(word));
    }
    opened(cluster, &path).await
}

/// What is attached to: the first process of a container.
#[derive(Debug, Clone)]
pub struct Attachment<'a> {
    /// Namespace of the pod.
    pub namespace: &'a str,
    /// The pod.
    pub pod: &'a str,
    /// Its container.
    pub container: &'a str,
    /// Whether it has input, which its specification says.
    pub stdin: bool,
    /// Whether it has a terminal, likewise.
    pub tty: bool,
}

/// Attaches to a process that runs. How it ends is in the status of its pod: here it
/// is always said to be a success.
///
/// # Errors
/// Any [`ClusterError`].
pub async fn attach(
    cluster: &Cluster,
    what: &Attachment<'_>,
) -> Result<(Input, Output), ClusterError> {
    let path = format!(
        "/api/v1/namespaces/{}/pods/{}/attach?container={}&stdin={}&stdout=true&stderr={}&tty={}",
        what.namespace,
        what.pod,
        percent_encoded(what.container),
        what.stdin,
        !what.tty,
        what.tty,
    );
    opened(cluster, &path).await
}

/// Opens the streams of a process.
async fn opened(cluster: &Cluster, path: &str) -> Result<(Input, Output), ClusterError> {
    let (sender, receiver) = websocket::open(cluster, path).await?;
    let unread = Rc::new(Cell::new(0));
    let input = Input {
        sender,
        unread: unread.clone(),
    };
    let output = Output {
        receiver,
        unread,
        ended: None,
    };
    Ok((input, output))
}

impl Input {
    /// Passes on input.
    ///
    /// # Errors
    /// [`Closed`] if the connection is.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), Closed> {
        self.unread.set(self.unread.get() + bytes.len());
        self.sender.send(STDIN, bytes).await
    }

    /// Ends the input. Returns whether the server can tell the command.
    ///
    /// # Errors
    /// [`Closed`] if the connection is.
    pub async fn end(&mut self) -> Result<bool, Closed> {
        self.sender.end(STDIN).await
    }

    /// Tells the size of the terminal.
    ///
    /// # Errors
    /// [`Closed`] if the connection is.
    pub async fn resize(&mut self, width: u16, height: u16) -> Result<(), Closed> {
        let size = format!("{{\"Width\":{width},\"Height\":{height}}}");
        self.sender.send(RESIZE, size.as_bytes()).await
    }

    /// Asks for a sign of life. To be called from time to time.
    ///
    /// # Errors
    /// [`Closed`] if the connection is.
    pub async fn ping(&mut self) -> Result<(), Closed> {
        self.sender.ping().await
    }
}

/// Time between two calls of [`Input::ping`].
pub const PING: std::time::Duration = websocket::PING;

impl Output {
    /// Waits for what the command says next.
    pub async fn next(&mut self) -> Said {
        loop {
            let is_pinged = self.unread.get() < MUCH_INPUT;
            let received = self.receiver.next(is_pinged).await;
            match received {
                Received::Bytes(STDOUT, bytes) if !bytes.is_empty() => return Said::Stdout(bytes),
                Received::Bytes(STDERR, bytes) if !bytes.is_empty() => return Said::Stderr(bytes),
                // What it has written may still be on its way.
                Received::Bytes(STATUS, bytes) => self.ended = Some(ending(&bytes)),
                Received::Bytes(..) => {}
                Received::Alive => self.unread.set(0),
                Received::Closed | Received::Lost(_) => {
                    let lost = match received {
                        Received::Lost(why) => why,
                        _ => "the server closed it".to_owned(),
                    };
                    let ended = self.ended.take();
                    return Said::Ended(ended.unwrap_or(Ending::Lost(lost)));
                }
            }
        }
    }
}

/// Reads how a command ended (`remotecommand` v4 and later).
fn ending(status: &[u8]) -> Ending {
    let Ok(status) = serde_json::from_slice::<Status>(status) else {
        return Ending::Failed(String::from_utf8_lossy(status).into_owned());
    };
    if status.status.as_deref() == Some("Success") {
        return Ending::Code(0);
    }
    let causes = status.details.and_then(|details| details.causes);
    let code = causes.iter().flatten().find_map(|cause| {
        let is_code = cause.reason.as_deref() == Some("ExitCode");
        let text = cause.message.as_deref().filter(|_| is_code)?;
        text.parse::<i64>().ok()
    });
    match code {
        // A process's exit status has eight bits.
        Some(code) => Ending::Code(u8::try_from(code & 0xff).unwrap_or(1)),
        None => Ending::Failed(status.message.unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation::texts;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]

        /// The last frame of a command.
        #[test]
        fn every_ending_is_one(text in texts(include_str!("../tests/corpus/ending"))) {
            let _ = ending(text.as_bytes());
        }
    }

    #[test]
    fn a_command_ends_with_its_code_or_with_the_reason_why_not() {
        for (status, ended) in [
            (r#"{"status":"Success"}"#, Ending::Code(0)),
            (
                r#"{"status":"Failure","reason":"NonZeroExitCode","message":"command terminated with non-zero exit code",
                    "details":{"causes":[{"reason":"ExitCode","message":"42"}]}}"#,
                Ending::Code(42),
            ),
            (
                r#"{"status":"Failure","reason":"InternalError","message":"no such container"}"#,
                Ending::Failed("no such container".to_owned()),
            ),
            ("gone", Ending::Failed("gone".to_owned())),
        ] {
            assert_eq!(ending(status.as_bytes()), ended, "{status}");
        }
    }
}
