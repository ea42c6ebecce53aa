//! Proxies between kaiwo and the server.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use super::kubectl;
use super::server::{TlsApi, kubeconfig};
use crate::common::relay::Relay;

/// A proxy that leads to one server, whatever it is asked for, and notes what
/// that was.
struct Proxy {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let shared = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let asked = shared.clone();
                std::thread::spawn(move || lead(stream, server, &asked));
            }
        });
        Self { port, asked }
    }

    /// Takes what it was asked for, each once.
    fn asked(&self) -> Vec<String> {
        let mut asked = std::mem::take(&mut *self.asked.lock().unwrap());
        asked.sort();
        asked.dedup();
        asked
    }
}

fn lead(stream: TcpStream, server: u16, asked: &Mutex<Vec<String>>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut writer = stream;
    let first = reader.fill_buf().ok()?.first().copied()?;
    let wish = match first {
        5 => socks(&mut reader, &mut writer)?,
        _ => connect(&mut reader, &mut writer)?,
    };
    asked.lock().unwrap().push(wish);
    let onward = TcpStream::connect(("127.0.0.1", server)).ok()?;
    let (mut up, mut down) = (onward.try_clone().ok()?, onward);
    std::thread::spawn(move || std::io::copy(&mut reader, &mut up));
    std::io::copy(&mut down, &mut writer).ok()?;
    Some(())
}

fn connect(reader: &mut impl BufRead, writer: &mut impl Write) -> Option<String> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut wish = line.split(" HTTP").next()?.to_owned();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let header = header.trim_end();
        if header
            .to_ascii_lowercase()
            .starts_with("proxy-authorization: ")
        {
            wish += &format!(" as {}", header.split_once(": ")?.1);
        }
        if header.is_empty() {
            break;
        }
    }
    writer.write_all(b"HTTP/1.1 200 OK\r\n\r\n").ok()?;
    Some(wish)
}

fn socks(reader: &mut impl Read, writer: &mut impl Write) -> Option<String> {
    let mut read = |length: usize| {
        let mut bytes = vec![0; length];
        reader.read_exact(&mut bytes).ok().map(|()| bytes)
    };
    let methods = read(2)?[1];
    read(methods.into())?;
    writer.write_all(&[5, 0]).ok()?;
    let request = read(5)?;
    assert_eq!(request[..4], [5, 1, 0, 3], "a connection to a name");
    let name = String::from_utf8(read(request[4].into())?).ok()?;
    let port = read(2)?;
    writer.write_all(&[5, 0, 0, 1, 127, 0, 0, 1, 0, 0]).ok()?;
    Some(format!(
        "SOCKS {name}:{}",
        u16::from_be_bytes([port[0], port[1]])
    ))
}

/// The cluster's fields, the variables, what the proxy is asked for, and
/// whether the server is reached.
type Way<'a> = (String, &'a [(&'a str, String)], Option<&'a str>, bool);

#[test]
fn kaiwo_goes_where_kubectl_goes() {
    let kubectl = kubectl::find();
    if kubectl.is_none() {
        crate::common::skip("kubectl is not installed, so nothing was compared with it");
    }
    let api = TlsApi::new();
    let proxy = Proxy::to(api.port);
    let there = "server: 'https://api.example.test:6443'";
    let here = "server: 'https://127.0.0.1:<PORT>'";
    let address = format!("127.0.0.1:{}", proxy.port);
    let by_connect = "CONNECT api.example.test:6443";
    let cases: &[Way<'_>] = &[
        (
            format!("{there}, proxy-url: 'http://{address}'"),
            &[],
            Some(by_connect),
            true,
        ),
        (
            format!("{there}, proxy-url: 'http://me:s3cr3t@{address}'"),
            &[],
            Some("CONNECT api.example.test:6443 as Basic bWU6czNjcjN0"),
            true,
        ),
        (
            format!("{there}, proxy-url: 'socks5://{address}'"),
            &[],
            Some("SOCKS api.example.test:6443"),
            true,
        ),
        (
            there.to_owned(),
            &[("HTTPS_PROXY", format!("http://{address}"))],
            Some(by_connect),
            true,
        ),
        (
            there.to_owned(),
            &[("https_proxy", address.clone())],
            Some(by_connect),
            true,
        ),
        (
            there.to_owned(),
            &[
                ("HTTPS_PROXY", address.clone()),
                ("NO_PROXY", "127.0.0.1".to_owned()),
            ],
            Some(by_connect),
            true,
        ),
        (
            there.to_owned(),
            &[
                ("HTTPS_PROXY", address.clone()),
                ("NO_PROXY", ".example.test".to_owned()),
            ],
            None,
            false,
        ),
        (
            there.to_owned(),
            &[("HTTP_PROXY", address.clone())],
            None,
            false,
        ),
        (
            format!("{there}, proxy-url: 'http://{address}'"),
            &[("NO_PROXY", "*".to_owned())],
            Some(by_connect),
            true,
        ),
        (
            here.to_owned(),
            &[("HTTPS_PROXY", address.clone())],
            None,
            true,
        ),
    ];
    for (cluster, variables, asked, reached) in cases {
        let what = format!("{cluster} {variables:?}");
        api.sandbox
            .write("config", api.fill(&kubeconfig(cluster, "token: s3cr3t")));
        let mut command =
            api.sandbox
                .command(&["submit", "-p", "w", "-vv", "--kubeconfig", "config"]);
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        let outcome = crate::common::Outcome::of(command.output().unwrap());
        assert!(!outcome.stderr.contains("s3cr3t"), "{}", outcome.stderr);
        let expected: Vec<&str> = asked.iter().copied().collect();
        assert_eq!(proxy.asked(), expected, "{what}\n{}", outcome.stderr);
        assert_eq!(
            !api.visits().is_empty(),
            *reached,
            "{what}\n{}",
            outcome.stderr
        );
        let _ = outcome.exits(if *reached { 4 } else { 7 });
        if let Some(kubectl) = &kubectl {
            kubectl::visit(
                kubectl,
                &api.sandbox,
                &["--kubeconfig", "config"],
                variables,
            );
            assert_eq!(proxy.asked(), expected, "kubectl with {what}");
            assert_eq!(!api.visits().is_empty(), *reached, "kubectl with {what}");
        }
    }
}

/// A proxy that answers every wish so.
fn refusing(answer: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut line = String::new();
            while reader.read_line(&mut line).is_ok_and(|length| length > 2) {
                line.clear();
            }
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    port
}

#[test]
fn a_proxy_that_refuses_is_named_with_its_status() {
    let api = TlsApi::new();
    for (answer, code, told, help) in [
        (
            "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
            4,
            "answered 407 Proxy Authentication Required",
            "http://USER:PASSWORD@HOST:PORT",
        ),
        (
            "HTTP/1.1 403 Forbidden\r\nContent-Type: text/html\r\n\r\n<html>no",
            4,
            "answered 403 Forbidden",
            "NO_PROXY",
        ),
        (
            "HTTP/1.1 503 Service \x1b[31mUnavailable\r\n\r\n",
            7,
            "answered 503 Service Unavailable",
            "NO_PROXY",
        ),
        (
            "HTTP/1.1 302 Found\r\nLocation: http://login\r\n\r\n",
            7,
            "answered 302 Found",
            "NO_PROXY",
        ),
        (
            "SSH-2.0-x\r\n\r\n",
            7,
            "does not respond like a proxy",
            "NO_PROXY",
        ),
        ("", 7, "closed the connection without an answer", "NO_PROXY"),
    ] {
        let port = refusing(answer);
        let cluster = format!(
            "server: 'https://api.example.test:6443', proxy-url: 'http://me:s3cr3t@127.0.0.1:{port}'"
        );
        api.sandbox
            .write("config", api.fill(&kubeconfig(&cluster, "token: s3cr3t")));
        let arguments = ["--kubeconfig", "config", "--request-timeout", "1"];
        let _ = api
            .submit(&arguments)
            .exits(code)
            .says(&format!("http://127.0.0.1:{port} {told}"))
            .says(help);
    }
    assert_eq!(api.visits(), []);
}

#[test]
fn a_proxy_that_hangs_up_is_asked_again() {
    let api = TlsApi::new();
    let proxy = Proxy::to(api.port);
    for scheme in ["http", "socks5"] {
        let relay = Relay::to(SocketAddr::from(([127, 0, 0, 1], proxy.port)));
        relay.cut(2);
        let cluster = format!(
            "server: 'https://api.example.test:6443', proxy-url: '{scheme}://{}'",
            relay.address()
        );
        api.sandbox
            .write("config", api.fill(&kubeconfig(&cluster, "token: s3cr3t")));
        let outcome = api.submit(&["--kubeconfig", "config"]).exits(4);
        let _ = outcome.says(", retrying in ");
        assert_eq!(proxy.asked().len(), 1, "{scheme}");
    }
}
