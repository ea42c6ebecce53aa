//! Carries connections from a listener outside the testbed's network namespace to the API server inside it.
//!
//! A socket belongs to the namespace it was made in, whoever holds it. So the listener is opened before the supervisor
//! enters its namespace and is handed to it: one process accepts outside and connects inside.
//!
//! A socket on disk is seen from every namespace: by one, the API server is reached from another testbed.

use std::io;
use std::net::SocketAddr;
use std::os::unix::net as std_unix;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use super::control::in_folder;

/// The socket that leads to the API server, in the directory of its testbed.
const DOOR: &str = "api";

/// Where connections come from.
pub enum Door {
    Port(TcpListener),
    /// A socket on disk.
    Disk(UnixListener),
}

/// Where they lead.
#[derive(Clone, Debug)]
pub enum Upstream {
    Port(SocketAddr),
    /// The socket on disk in the directory of another testbed.
    Disk(PathBuf),
}

trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connection for T {}

impl Door {
    /// Opens the socket on disk of the testbed in a directory.
    pub fn on_disk(dir: &Path) -> Result<Self> {
        let listener = in_folder(dir, DOOR, std_unix::UnixListener::bind)
            .with_context(|| format!("failed to listen in {}", dir.display()))?;
        listener.set_nonblocking(true)?;
        Ok(Self::Disk(UnixListener::from_std(listener)?))
    }

    async fn accept(&self) -> io::Result<Box<dyn Connection>> {
        match self {
            Self::Port(listener) => {
                let (client, _) = listener.accept().await?;
                client.set_nodelay(true)?;
                Ok(Box::new(client))
            }
            Self::Disk(listener) => Ok(Box::new(listener.accept().await?.0)),
        }
    }
}

impl Upstream {
    async fn connect(&self) -> io::Result<Box<dyn Connection>> {
        match self {
            Self::Port(address) => {
                let server = TcpStream::connect(address).await?;
                server.set_nodelay(true)?;
                Ok(Box::new(server))
            }
            Self::Disk(dir) => {
                let server = in_folder(dir, DOOR, std_unix::UnixStream::connect)?;
                server.set_nonblocking(true)?;
                Ok(Box::new(UnixStream::from_std(server)?))
            }
        }
    }
}

/// Serves until the future is dropped, which closes every connection.
pub async fn serve(door: Door, upstream: Upstream) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        match door.accept().await {
            Ok(client) => {
                let upstream = upstream.clone();
                connections.spawn(async move {
                    // A connection that breaks is the business of its two ends: both see it closed.
                    let _ = carry(client, &upstream).await;
                });
            }
            // Too many open files, for one, passes when a connection ends; giving up would cut the testbed off.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
        while connections.try_join_next().is_some() {}
    }
}

/// Copies both ways until both ends are done; an end that stops sending may go on receiving.
async fn carry(mut client: Box<dyn Connection>, upstream: &Upstream) -> io::Result<()> {
    let mut server = upstream.connect().await?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// Starts a server that answers each connection, once its client is done sending, with what it got; returns the
    /// address of a relay to it.
    async fn relay_to_echo() -> SocketAddr {
        let echo = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let upstream = echo.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = echo.accept().await {
                tokio::spawn(async move {
                    let mut received = Vec::new();
                    stream.read_to_end(&mut received).await.unwrap();
                    stream.write_all(&received).await.unwrap();
                });
            }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve(Door::Port(listener), Upstream::Port(upstream)));
        address
    }

    #[tokio::test]
    async fn a_half_closed_connection_still_delivers_the_answer() {
        let mut stream = TcpStream::connect(relay_to_echo().await).await.unwrap();
        stream.write_all(b"question").await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "question");
    }

    #[tokio::test]
    async fn a_socket_on_disk_leads_on() {
        let dir = std::env::temp_dir().join(format!("xtask-relay-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let behind = Upstream::Port(relay_to_echo().await);
        tokio::spawn(serve(Door::on_disk(&dir).unwrap(), behind));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve(Door::Port(listener), Upstream::Disk(dir.clone())));
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"question").await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "question");
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[tokio::test]
    async fn many_connections_at_once() {
        let relay = relay_to_echo().await;
        let mut clients = tokio::task::JoinSet::new();
        for number in 0..200u32 {
            clients.spawn(async move {
                let mut stream = TcpStream::connect(relay).await.unwrap();
                let sent = number.to_be_bytes().repeat(10_000);
                let (mut read, mut write) = stream.split();
                let mut received = Vec::new();
                let (wrote, read) = tokio::join!(
                    async {
                        write.write_all(&sent).await?;
                        write.shutdown().await
                    },
                    read.read_to_end(&mut received)
                );
                wrote.unwrap();
                read.unwrap();
                assert_eq!(received, sent);
            });
        }
        while let Some(client) = clients.join_next().await {
            client.unwrap();
        }
    }

    #[tokio::test]
    async fn nobody_behind_the_relay_closes_the_connection() {
        let gone = TcpListener::bind("127.0.0.1:0")
            .await
            .unwrap()
            .local_addr()
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let relay = listener.local_addr().unwrap();
        tokio::spawn(serve(Door::Port(listener), Upstream::Port(gone)));
        let mut stream = TcpStream::connect(relay).await.unwrap();
        assert_eq!(stream.read(&mut [0; 1]).await.unwrap_or(0), 0);
    }
}
