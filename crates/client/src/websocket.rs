//! A WebSocket with Kubernetes' channels: each message begins with the number
//! of its channel (apimachinery `httpstream/wsstream`, `remotecommand/v5`).

use std::io::ErrorKind;
use std::pin::Pin;
use std::time::Duration;

use futures_util::{Sink, SinkExt as _, Stream, StreamExt as _};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::{Cluster, ClusterError};

/// Time between two questions whether the other side is still there.
pub(crate) const PING: Duration = Duration::from_secs(20);
/// Time without any message after which it is not.
const SILENCE: Duration = Duration::from_secs(75);
/// What is said of a connection that the other side has dropped.
const DROPPED: &str = "the server closed it";
/// Channel on which a stream is said to have ended (`remotecommand/v5`).
const CLOSE: u8 = 255;

/// The half that sends.
pub(crate) struct Sender {
    sink: Pin<Box<dyn Sink<Message, Error = Error> + Send>>,
    closes: bool,
}

/// The half that receives.
pub(crate) struct Receiver {
    stream: Pin<Box<dyn Stream<Item = Result<Message, Error>> + Send>>,
}

/// What comes.
pub(crate) enum Received {
    /// Bytes on a channel.
    Bytes(u8, Vec<u8>),
    /// A sign of life.
    Alive,
    /// The other side has closed the connection.
    Closed,
    /// It was lost.
    Lost(String),
}

/// The other side takes nothing more.
#[derive(Debug)]
pub struct Closed;

/// Opens the channels at `path`.
pub(crate) async fn open(
    cluster: &Cluster,
    path: &str,
) -> Result<(Sender, Receiver), ClusterError> {
    let connection = cluster.upgrade(path).await?;
    let closes = connection.supports_stream_close();
    let (sink, stream) = connection.into_stream().split();
    let sender = Sender {
        sink: Box::pin(sink),
        closes,
    };
    let stream = Box::pin(stream);
    Ok((sender, Receiver { stream }))
}

impl Sender {
    /// Sends bytes on a channel.
    pub async fn send(&mut self, channel: u8, bytes: &[u8]) -> Result<(), Closed> {
        let mut message = Vec::with_capacity(bytes.len() + 1);
        message.push(channel);
        message.extend_from_slice(bytes);
        self.put(Message::binary(message)).await
    }

    /// Says that a channel's stream has ended. Returns whether the other side
    /// understands that.
    pub async fn end(&mut self, channel: u8) -> Result<bool, Closed> {
        match self.closes {
            true => self.send(CLOSE, &[channel]).await.map(|()| true),
            false => Ok(false),
        }
    }

    /// Asks whether the other side is still there.
    pub async fn ping(&mut self) -> Result<(), Closed> {
        self.put(Message::Ping(Vec::new().into())).await
    }

    /// Ends the connection.
    pub async fn close(&mut self) -> Result<(), Closed> {
        self.put(Message::Close(None)).await
    }

    async fn put(&mut self, message: Message) -> Result<(), Closed> {
        self.sink.send(message).await.map_err(|_| Closed)
    }
}

impl Receiver {
    /// Waits for the next message. `is_pinged` tells that somebody asks for
    /// signs of life, so that silence is the end.
    pub async fn next(&mut self, is_pinged: bool) -> Received {
        let message = match is_pinged {
            true => match timeout(SILENCE, self.stream.next()).await {
                Ok(message) => message,
                Err(_) => {
                    return Received::Lost(format!(
                        "nothing was received for {} s",
                        SILENCE.as_secs()
                    ));
                }
            },
            false => self.stream.next().await,
        };
        match message {
            Some(Ok(Message::Binary(bytes))) => match bytes.split_first() {
                Some((channel, bytes)) => Received::Bytes(*channel, bytes.to_vec()),
                None => Received::Alive,
            },
            Some(Ok(Message::Close(_))) => Received::Closed,
            Some(Ok(_)) => Received::Alive,
            Some(Err(error)) => Received::Lost(broken(&error)),
            None => Received::Lost("the connection ended".to_owned()),
        }
    }
}

/// Returns why a connection broke, in words for people. Of one that the other side
/// has dropped the libraries tell which farewell they miss.
fn broken(error: &Error) -> String {
    match error {
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => DROPPED.to_owned(),
        Error::Io(error) if error.kind() == ErrorKind::UnexpectedEof => DROPPED.to_owned(),
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn a_dropped_connection_is_told_in_words_for_people() {
        let told =
            "peer closed connection without sending TLS close_notify: https://docs.rs/rustls";
        let cut = Error::Io(io::Error::new(ErrorKind::UnexpectedEof, told));
        assert_eq!(broken(&cut), DROPPED);
        let reset = Error::Protocol(ProtocolError::ResetWithoutClosingHandshake);
        assert_eq!(broken(&reset), DROPPED);
        let other = Error::Io(io::Error::new(ErrorKind::TimedOut, "no answer"));
        assert_eq!(broken(&other), "IO error: no answer");
    }
}
