//! Stands between the binary and the API server, and breaks connections.

use std::collections::HashSet;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kube::config::{Config, KubeConfigOptions};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::Value;

use super::cluster::Testbed;

/// Both directions of a connection take turns of this length on one thread.
const TURN: Duration = Duration::from_millis(2);

/// A way to the testbed's API server without TLS, as the user alice: over such
/// a connection, clients send no credentials of their own.
pub struct FaultProxy {
    url: String,
    cuts: Arc<AtomicUsize>,
    fault: Arc<Fault>,
}

impl FaultProxy {
    /// Opens a port. Streams of logs end after so many lines.
    pub fn cutting_after(lines: usize) -> Self {
        Self::with(Fault::CutLogs(lines))
    }

    /// Opens a port. The first answer to each request is lost.
    pub fn losing_answers() -> Self {
        Self::with(Fault::LoseAnswers(Mutex::default()))
    }

    /// Opens a port. The creation of an object of this kind is never answered;
    /// `sent` says whether it is carried out.
    pub fn holding(plural: &'static str, sent: bool) -> Self {
        Self::with(Fault::Hold(plural, sent))
    }

    /// Opens a port. From the request of this number on nothing is answered; that one
    /// is carried out or not. Whoever sent it can then be killed.
    pub fn stopping_at(number: usize, carried_out: bool) -> Self {
        Self::with(Fault::Stop(Stop {
            number,
            carried_out,
            asked: AtomicUsize::new(0),
            stopped: AtomicBool::new(false),
        }))
    }

    /// Opens a port. Connections of commands break after so many bytes, so many times.
    pub fn cutting_commands(bytes: usize, times: usize) -> Self {
        Self::with(Fault::CutCommands(bytes, AtomicUsize::new(times)))
    }

    /// Returns how many requests have come, where they are counted.
    pub fn requests(&self) -> usize {
        match &*self.fault {
            Fault::Stop(stop) => stop.asked.load(Ordering::SeqCst),
            _ => 0,
        }
    }

    /// Returns whether that request has come.
    pub fn is_stopped(&self) -> bool {
        matches!(&*self.fault, Fault::Stop(stop) if stop.stopped.load(Ordering::SeqCst))
    }

    fn with(fault: Fault) -> Self {
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
        let fault = Arc::new(fault);
        let shared = fault.clone();
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let (tls, name, server) = (tls.clone(), name.clone(), server.clone());
                let (header, cuts, fault) = (header.clone(), counted.clone(), shared.clone());
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
                    carry(&near, far, &header, &fault, &cuts);
                    let _ = near.shutdown(Shutdown::Both);
                });
            }
        });
        Self { url, cuts, fault }
    }

    /// Makes a kubeconfig in the test's sandbox that leads here, and returns its
    /// path.
    pub fn kubeconfig(&self, testbed: &Testbed) -> String {
        let text = format!(
            "{{apiVersion: v1, kind: Config, current-context: c, \
             clusters: [{{name: c, cluster: {{server: '{}'}}}}], \
             contexts: [{{name: c, context: {{cluster: c, user: u}}}}], \
             users: [{{name: u, user: {{}}}}]}}",
            self.url
        );
        let file = testbed.sandbox.write("proxied.kubeconfig", text);
        file.to_str().unwrap().to_owned()
    }

    /// Returns how often a connection was broken, or held.
    pub fn cuts(&self) -> usize {
        self.cuts.load(Ordering::Relaxed)
    }
}

/// What goes wrong.
enum Fault {
    /// Streams of logs end after so many lines.
    CutLogs(usize),
    /// The first answer to each request is lost, after it was carried out.
    LoseAnswers(Mutex<HashSet<String>>),
    /// The creation of such an object is not answered, whether it is carried
    /// out or not.
    Hold(&'static str, bool),
    /// Nothing is answered from a request on.
    Stop(Stop),
    /// Connections of commands break after so many bytes, so many times.
    CutCommands(usize, AtomicUsize),
}

/// From which request on.
struct Stop {
    number: usize,
    carried_out: bool,
    asked: AtomicUsize,
    stopped: AtomicBool,
}

impl Fault {
    /// Returns whether a request is held, given its first line.
    fn holds(&self, line: &str) -> bool {
        let Self::Hold(plural, _) = self else {
            return false;
        };
        let target = line.strip_prefix("POST ").unwrap_or_default();
        let path = target.split('?').next().unwrap_or_default();
        path.ends_with(&format!("/{plural}")) && !target.contains("dryRun=All")
    }
}

/// The requests of a connection, taken apart as far as it takes to give each
/// its credentials.
#[derive(Default)]
struct Requests {
    head: Vec<u8>,
    /// Bytes of the body that are to come.
    left: usize,
    /// Method and target of the request that is under way.
    line: String,
    /// How many have begun.
    begun: usize,
}

impl Requests {
    /// Takes what came, and returns what is to be sent on.
    fn take(&mut self, mut bytes: &[u8], header: &str) -> Vec<u8> {
        let mut on = Vec::new();
        while !bytes.is_empty() {
            if self.left > 0 {
                let (body, rest) = bytes.split_at(self.left.min(bytes.len()));
                on.extend_from_slice(body);
                self.left -= body.len();
                bytes = rest;
                continue;
            }
            self.head.push(bytes[0]);
            bytes = &bytes[1..];
            if self.head.ends_with(b"\r\n\r\n") {
                let head = String::from_utf8(std::mem::take(&mut self.head)).unwrap();
                let (line, rest) = head.split_once("\r\n").unwrap();
                let length = rest.lines().find_map(|line| {
                    let (name, value) = line.split_once(':')?;
                    let is_it = name.eq_ignore_ascii_case("content-length");
                    is_it.then(|| value.trim().parse().unwrap())
                });
                self.left = length.unwrap_or(0);
                line.clone_into(&mut self.line);
                self.begun += 1;
                on.extend_from_slice(format!("{line}\r\n{header}{rest}").as_bytes());
            }
        }
        on
    }

    /// Returns whether a whole request is under way.
    fn is_sent(&self) -> bool {
        self.head.is_empty() && self.left == 0 && !self.line.is_empty()
    }
}

/// Carries a connection until one side closes it, or the fault comes.
fn carry(
    mut near: &TcpStream,
    mut far: StreamOwned<ClientConnection, TcpStream>,
    header: &str,
    fault: &Fault,
    cuts: &AtomicUsize,
) {
    let mut bytes = vec![0; 16 << 10];
    let mut requests = Requests::default();
    let mut lines = 0;
    let (mut counted, mut is_last) = (0, false);
    loop {
        if let Fault::CutCommands(most, times) = fault
            && requests.is_sent()
            && requests.line.contains("/exec?")
        {
            let most = match times.load(Ordering::SeqCst) {
                0 => usize::MAX,
                _ => *most,
            };
            if pass_on(near, &mut far, most) {
                times.fetch_sub(1, Ordering::SeqCst);
                cuts.fetch_add(1, Ordering::Relaxed);
            }
            return;
        }
        match near.read(&mut bytes) {
            Ok(0) => return,
            Ok(read) => {
                lines = 0;
                let on = requests.take(&bytes[..read], header);
                if let Fault::Hold(_, false) = fault
                    && fault.holds(&requests.line)
                {
                    cuts.fetch_add(1, Ordering::Relaxed);
                    return wait_until_closed(near);
                }
                if let Fault::Stop(stop) = fault
                    && requests.begun > counted
                {
                    counted = requests.begun;
                    let number = stop.asked.fetch_add(1, Ordering::SeqCst) + 1;
                    is_last = number == stop.number;
                    if number > stop.number || is_last && !stop.carried_out {
                        stop.stopped.fetch_or(is_last, Ordering::SeqCst);
                        return wait_until_closed(near);
                    }
                }
                if far.write_all(&on).is_err() {
                    return;
                }
            }
            Err(error) if is_pause(&error) => {}
            Err(_) => return,
        }
        match far.read(&mut bytes) {
            Ok(0) => return,
            Ok(_) if is_last => {
                if let Fault::Stop(stop) = fault {
                    stop.stopped.store(true, Ordering::SeqCst);
                }
                return wait_until_closed(near);
            }
            Ok(_) if fault.holds(&requests.line) => {
                cuts.fetch_add(1, Ordering::Relaxed);
                return wait_until_closed(near);
            }
            Ok(read) => {
                let end = match fault {
                    Fault::CutLogs(most) if requests.line.contains("/log?") => {
                        cut_at(&bytes[..read], &mut lines, *most)
                    }
                    Fault::LoseAnswers(seen) if requests.is_sent() => {
                        let line = std::mem::take(&mut requests.line);
                        let is_first = seen.lock().unwrap().insert(line);
                        is_first.then_some(0)
                    }
                    _ => None,
                };
                if near.write_all(&bytes[..end.unwrap_or(read)]).is_err() {
                    return;
                }
                if end.is_some() {
                    cuts.fetch_add(1, Ordering::Relaxed);
                    return;
                }
            }
            Err(error) if is_pause(&error) => {}
            Err(_) => return,
        }
    }
}

/// Passes on bytes in both directions, and returns whether it broke off after so many.
/// A turn is only waited for if neither side has anything: what is copied is megabytes.
fn pass_on(
    mut near: &TcpStream,
    far: &mut StreamOwned<ClientConnection, TcpStream>,
    most: usize,
) -> bool {
    let mut bytes = vec![0; 64 << 10];
    let mut passed = 0;
    while passed < most {
        near.set_nonblocking(true).unwrap();
        let read = near.read(&mut bytes);
        near.set_nonblocking(false).unwrap();
        let sent = match taken(read) {
            Some(read) if far.write_all(&bytes[..read]).is_ok() => read,
            _ => return false,
        };
        far.sock.set_nonblocking(sent > 0).unwrap();
        let read = far.read(&mut bytes);
        far.sock.set_nonblocking(false).unwrap();
        match taken(read) {
            Some(read) if near.write_all(&bytes[..read]).is_ok() => passed += sent + read,
            _ => return false,
        }
    }
    true
}

/// Returns how many bytes came; nothing if the other side has closed.
fn taken(read: std::io::Result<usize>) -> Option<usize> {
    match read {
        Ok(0) => None,
        Ok(read) => Some(read),
        Err(error) => is_pause(&error).then_some(0),
    }
}

/// Waits until the other side gives up.
fn wait_until_closed(mut near: &TcpStream) {
    let mut bytes = [0; 1 << 10];
    loop {
        match near.read(&mut bytes) {
            Ok(1..) => {}
            Err(error) if is_pause(&error) => {}
            _ => return,
        }
    }
}

/// Returns where a log has had its lines, counting them.
fn cut_at(bytes: &[u8], lines: &mut usize, most: usize) -> Option<usize> {
    for (at, byte) in bytes.iter().enumerate() {
        // Lines that HTTP ends have two bytes for it.
        if *byte == b'\n' && (at == 0 || bytes[at - 1] != b'\r') {
            *lines += 1;
        }
        if *lines == most {
            return Some(at);
        }
    }
    None
}

fn is_pause(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
