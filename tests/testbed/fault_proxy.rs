//! Stands between the binary and the API server, and cuts streams of logs.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use kube::config::{Config, KubeConfigOptions};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::Value;

/// Both directions of a connection take turns of this length on one thread.
const TURN: Duration = Duration::from_millis(2);

/// A way to the testbed's API server without TLS, as the user alice: over such
/// a connection, clients send no credentials of their own.
pub struct FaultProxy {
    /// URL for a kubeconfig.
    pub url: String,
    cuts: Arc<AtomicUsize>,
}

impl FaultProxy {
    /// Opens a port. Streams of logs end after so many lines.
    pub fn cutting_after(lines: usize) -> Self {
        let users = std::env::var("KAIWO_TESTBED_USERS").unwrap();
        let alice = std::fs::read(format!("{users}/alice.kubeconfig")).unwrap();
        let alice: Value = serde_json::from_slice(&alice).unwrap();
        let token = alice["users"][0]["user"]["token"].as_str().unwrap();
        let header = format!("authorization: Bearer {token}\r\n");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let config = runtime
            .block_on(Config::from_kubeconfig(&KubeConfigOptions::default()))
            .unwrap();
        let mut roots = RootCertStore::empty();
        for root in config.root_cert.into_iter().flatten() {
            roots.add(CertificateDer::from(root)).unwrap();
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let tls = Arc::new(tls);
        let server = config.cluster_url.authority().unwrap().to_string();
        let name = ServerName::try_from(config.cluster_url.host().unwrap().to_owned()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let cuts = Arc::new(AtomicUsize::new(0));
        let counted = cuts.clone();
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let (tls, name, server) = (tls.clone(), name.clone(), server.clone());
                let (header, cuts) = (header.clone(), counted.clone());
                std::thread::spawn(move || {
                    let mut far = TcpStream::connect(&server).unwrap();
                    let mut session = ClientConnection::new(tls, name).unwrap();
                    // Takes as long as it takes; only then there are turns.
                    while session.is_handshaking() {
                        session.complete_io(&mut far).unwrap();
                    }
                    near.set_read_timeout(Some(TURN)).unwrap();
                    far.set_read_timeout(Some(TURN)).unwrap();
                    let far = StreamOwned::new(session, far);
                    carry(&near, far, &header, lines, &cuts);
                    let _ = near.shutdown(Shutdown::Both);
                });
            }
        });
        Self { url, cuts }
    }

    /// Returns how often a stream was cut.
    pub fn cuts(&self) -> usize {
        self.cuts.load(Ordering::Relaxed)
    }
}

/// Carries a connection until one side closes it, or a log has gone on for
/// too long.
fn carry(
    mut near: &TcpStream,
    mut far: StreamOwned<ClientConnection, TcpStream>,
    header: &str,
    most: usize,
    cuts: &AtomicUsize,
) {
    let mut bytes = vec![0; 16 << 10];
    let mut lines = None;
    loop {
        match near.read(&mut bytes) {
            Ok(0) => return,
            Ok(read) => {
                let text = String::from_utf8_lossy(&bytes[..read]);
                let (request, rest) = text.split_once("\r\n").unwrap();
                lines = request.contains("/log?").then_some(0);
                let text = format!("{request}\r\n{header}{rest}");
                if far.write_all(text.as_bytes()).is_err() {
                    return;
                }
            }
            Err(error) if is_pause(&error) => {}
            Err(_) => return,
        }
        match far.read(&mut bytes) {
            Ok(0) => return,
            Ok(read) => {
                let mut end = read;
                if let Some(lines) = &mut lines {
                    for (at, byte) in bytes[..read].iter().enumerate() {
                        // Lines that HTTP ends have two bytes for it.
                        if *byte == b'\n' && (at == 0 || bytes[at - 1] != b'\r') {
                            *lines += 1;
                        }
                        if *lines == most {
                            end = at;
                            break;
                        }
                    }
                }
                if near.write_all(&bytes[..end]).is_err() {
                    return;
                }
                if end < read {
                    cuts.fetch_add(1, Ordering::Relaxed);
                    return;
                }
            }
            Err(error) if is_pause(&error) => {}
            Err(_) => return,
        }
    }
}

fn is_pause(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
