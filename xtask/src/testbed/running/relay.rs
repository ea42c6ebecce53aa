//! Carries connections from a listener outside the testbed's network namespace to the API server inside it.
//!
//! A socket belongs to the namespace it was made in, whoever holds it. So the listener is opened before the supervisor
//! enters its namespace and is handed to it: one process accepts outside and connects inside.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

/// Serves until the future is dropped, which closes every connection.
pub async fn serve(listener: TcpListener, upstream: SocketAddr) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((client, _)) => {
                connections.spawn(async move {
                    // A connection that breaks is the business of its two ends: both see it closed.
                    let _ = carry(client, upstream).await;
                });
            }
            // Too many open files, for one, passes when a connection ends; giving up would cut the testbed off.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
        while connections.try_join_next().is_some() {}
    }
}

/// Copies both ways until both ends are done; an end that stops sending may go on receiving.
async fn carry(mut client: TcpStream, upstream: SocketAddr) -> io::Result<()> {
    let mut server = TcpStream::connect(upstream).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
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
        tokio::spawn(serve(listener, upstream));
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
        tokio::spawn(serve(listener, gone));
        let mut stream = TcpStream::connect(relay).await.unwrap();
        assert_eq!(stream.read(&mut [0; 1]).await.unwrap_or(0), 0);
    }
}
