//! A TLS server that answers like an API server which allows nothing, and
//! notes by what its visitors want to be known.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use k8s_openapi::ByteString;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use crate::common::{Outcome, Sandbox};

/// What every secret of these tests holds, so that no output may.
pub const SECRET: &str = "s3cr3t";

/// By what a visitor wants to be known.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Visit {
    /// The `Authorization` header, empty without.
    pub authorization: String,
    /// The `Impersonate-…` headers in order.
    pub impersonation: Vec<String>,
    /// Whether there was a client certificate.
    pub certificate: bool,
    /// The name that was asked for in the TLS handshake.
    pub name: String,
    /// Path of the request, without the query.
    pub path: String,
}

type Script = Box<dyn FnMut(&Visit) -> u16 + Send>;

/// The server, and a sandbox with what a kubeconfig for it may point at.
pub struct TlsApi {
    /// Where the binary runs.
    pub sandbox: Sandbox,
    /// Port of the server.
    pub port: u16,
    visits: Arc<Mutex<Vec<Visit>>>,
}

impl TlsApi {
    /// Starts a server that answers every visit with 403.
    pub fn new() -> Self {
        Self::answering(|_| 403)
    }

    /// Starts a server whose `script` says the status of each answer.
    pub fn answering(script: impl FnMut(&Visit) -> u16 + Send + 'static) -> Self {
        let authority = authority();
        let (certificate, key) =
            signed(&authority, &["127.0.0.1", "localhost", "api.example.test"]);
        Self::start(&authority.pem(), &certificate, &key, &authority, script)
    }

    /// Starts a server whose certificate is signed by itself, and which is its
    /// own authority.
    pub fn self_signed() -> Self {
        let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        Self::start(
            &certificate,
            &certificate,
            &key.serialize_pem(),
            &authority(),
            |_| 403,
        )
    }

    /// Starts a server whose certificate is for other years than this one.
    pub fn of_years(from: i32, until: i32) -> Self {
        let authority = authority();
        let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(from, 1, 1);
        params.not_after = rcgen::date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &authority).unwrap().pem();
        let key = key.serialize_pem();
        Self::start(&authority.pem(), &certificate, &key, &authority, |_| 403)
    }

    fn start(
        trusted: &str,
        certificate: &str,
        key: &str,
        clients: &CertifiedIssuer<'_, KeyPair>,
        script: impl FnMut(&Visit) -> u16 + Send + 'static,
    ) -> Self {
        let sandbox = Sandbox::new();
        sandbox.write("w/entrypoint", "#!/bin/sh\necho\n");
        sandbox.write("ca.crt", trusted);
        let (client, client_key) = signed(clients, &["alice"]);
        sandbox.write("client.crt", client);
        sandbox.write("client.key", client_key);
        sandbox.write("token", format!("{SECRET}-of-file\n"));

        let config = Arc::new(server_config(certificate, key, clients));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let visits = Arc::new(Mutex::new(Vec::new()));
        let script: Arc<Mutex<Script>> = Arc::new(Mutex::new(Box::new(script)));
        let shared = visits.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (config, visits, script) = (config.clone(), shared.clone(), script.clone());
                std::thread::spawn(move || serve(stream, config, &visits, &script));
            }
        });
        Self {
            sandbox,
            port,
            visits,
        }
    }

    /// Fills `<SERVER>`, `<PORT>`, `<CA>`, `<CERT>` and `<KEY>` into a kubeconfig.
    pub fn fill(&self, text: &str) -> String {
        let data = |file: &str| {
            let content = ByteString(std::fs::read(self.sandbox.path(file)).unwrap());
            serde_json::to_value(content)
                .unwrap()
                .as_str()
                .unwrap()
                .to_owned()
        };
        text.replace("<SERVER>", &format!("https://127.0.0.1:{}", self.port))
            .replace("<PORT>", &self.port.to_string())
            .replace("<CA>", &data("ca.crt"))
            .replace("<CERT>", &data("client.crt"))
            .replace("<KEY>", &data("client.key"))
    }

    /// Writes a kubeconfig with one user, whose fields are `user`, and one
    /// cluster, which is trusted by its authority. Then runs `kaiwo submit`
    /// with it.
    pub fn submit_as(&self, user: &str, arguments: &[&str]) -> Outcome {
        self.sandbox
            .write("config", self.fill(&kubeconfig("", user)));
        self.submit(&[&["--kubeconfig", "config"], arguments].concat())
    }

    /// Runs `kaiwo submit -vv`, and checks that nothing it prints is secret.
    pub fn submit(&self, arguments: &[&str]) -> Outcome {
        let arguments = [&["submit", "-p", "w", "-g", "8", "-vv"], arguments].concat();
        let outcome = self.sandbox.kaiwo(&arguments);
        let told = format!("{}{}", outcome.stdout, outcome.stderr);
        assert!(
            !told.contains(SECRET) && !told.contains("Bearer "),
            "{told}"
        );
        outcome
    }

    /// Takes the visits so far.
    pub fn visits(&self) -> Vec<Visit> {
        std::mem::take(&mut *self.visits.lock().unwrap())
    }

    /// Writes a plugin that prints `answer` after doing `first`.
    pub fn plugin(&self, first: &str, answer: &str) {
        let script = format!("#!/bin/sh\n{first}\ncat <<'EOF'\n{answer}\nEOF\n");
        self.program("plugin", &script);
    }

    /// Writes a program.
    pub fn program(&self, name: &str, script: &str) {
        self.sandbox.program(name, script);
    }
}

/// Returns a kubeconfig with these further fields of its cluster and user, in
/// YAML's flow style.
pub fn kubeconfig(cluster: &str, user: &str) -> String {
    let trust = match cluster.contains("certificate-authority") || cluster.contains("insecure") {
        true => "",
        false => "certificate-authority-data: '<CA>',",
    };
    let server = match cluster.contains("server: ") {
        true => "",
        false => "server: '<SERVER>',",
    };
    format!(
        "{{apiVersion: v1, kind: Config, current-context: here,\n \
         clusters: [{{name: c, cluster: {{{server} {trust} {cluster}}}}}],\n \
         contexts: [{{name: here, context: {{cluster: c, user: alice}}}}],\n \
         users: [{{name: alice, user: {{{user}}}}}]}}\n"
    )
}

/// Returns an `ExecCredential` of this version with this status.
pub fn credential(version: &str, status: &str) -> String {
    format!(
        "{{\"apiVersion\": \"client.authentication.k8s.io/{version}\", \"kind\": \"ExecCredential\", \"status\": {status}}}"
    )
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "test");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn signed(authority: &CertifiedIssuer<'_, KeyPair>, names: &[&str]) -> (String, String) {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(names).unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    (certificate.pem(), key.serialize_pem())
}

fn server_config(
    certificate: &str,
    key: &str,
    clients: &CertifiedIssuer<'_, KeyPair>,
) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(clients.pem().as_bytes()).unwrap())
        .unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone())
        .allow_unauthenticated()
        .build()
        .unwrap();
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()],
            PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
        )
        .unwrap()
}

fn serve(
    stream: TcpStream,
    config: Arc<ServerConfig>,
    visits: &Mutex<Vec<Visit>>,
    script: &Mutex<Script>,
) {
    let connection = ServerConnection::new(config).unwrap();
    let mut reader = BufReader::new(StreamOwned::new(connection, stream));
    while let Some(visit) = read(&mut reader) {
        let code = script.lock().unwrap()(&visit);
        visits.lock().unwrap().push(visit);
        let reason = if code == 401 {
            "Unauthorized"
        } else {
            "Forbidden"
        };
        let body = format!(
            "{{\"kind\": \"Status\", \"apiVersion\": \"v1\", \"metadata\": {{}}, \"status\": \"Failure\", \
             \"message\": \"forbidden: User \\\"x\\\" cannot get path\", \"reason\": \"{reason}\", \"code\": {code}}}"
        );
        let head = format!(
            "HTTP/1.1 {code} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let stream = reader.get_mut();
        if stream.write_all((head + &body).as_bytes()).is_err() || stream.flush().is_err() {
            return;
        }
    }
}

fn read(reader: &mut BufReader<StreamOwned<ServerConnection, TcpStream>>) -> Option<Visit> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let target = line.split_whitespace().nth(1)?;
    let path = target.split('?').next()?.to_owned();
    let (mut authorization, mut impersonation, mut length) = (String::new(), Vec::new(), 0);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim_end().split_once(": ") else {
            break;
        };
        match name.to_ascii_lowercase().as_str() {
            "authorization" => authorization = value.to_owned(),
            "content-length" => length = value.parse().ok()?,
            name if name.starts_with("impersonate-") => {
                impersonation.push(format!("{name}: {value}"));
            }
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    impersonation.sort();
    let connection = &reader.get_ref().conn;
    Some(Visit {
        authorization,
        impersonation,
        certificate: connection.peer_certificates().is_some(),
        name: connection.server_name().unwrap_or_default().to_owned(),
        path,
    })
}
