//! `--notify`: the end of a wait is told to a command or a URL.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::thread::{self, JoinHandle};

use serde_json::Value;

use super::wait::{failed, life, life_to_come, queued, succeeded};
use crate::common::Outcome;

/// Takes one request, answers with `status`, and returns its first line and its body.
fn listener(status: &'static str) -> (String, JoinHandle<(String, Value)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!(
        "http://{}/hook/canary?token=canary",
        listener.local_addr().unwrap()
    );
    let taken = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream);
        let (mut first, mut length) = (String::new(), 0);
        reader.read_line(&mut first).unwrap();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            let line = line.trim().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        reader.get_mut().write_all(answer.as_bytes()).unwrap();
        (
            first.trim().to_owned(),
            serde_json::from_slice(&body).unwrap(),
        )
    });
    (url, taken)
}

fn last_line(outcome: &Outcome) -> Value {
    serde_json::from_str(outcome.stdout.lines().last().unwrap()).unwrap()
}

#[test]
fn a_url_gets_the_last_event() {
    let api = life(vec![succeeded()]);
    let (url, taken) = listener("204 No Content");
    let outcome = api
        .sandbox
        .kaiwo(&["wait", "alice-w", "--notify", &url, "-o", "json"])
        .exits(0);
    let (first, body) = taken.join().unwrap();
    assert_eq!(first, "POST /hook/canary?token=canary HTTP/1.1");
    assert_eq!(body, last_line(&outcome));
    assert_eq!(body["kind"], "WaitEvent");
    assert_eq!(body["code"], 0);
    let _ = outcome.never_says("canary");

    let api = life(vec![failed(vec![])]);
    let (url, taken) = listener("200 OK");
    let outcome = api
        .sandbox
        .kaiwo(&["wait", "alice-w", "--notify", &url, "-o", "json"])
        .exits(1);
    let body = taken.join().unwrap().1;
    assert_eq!(body, last_line(&outcome));
    assert_eq!(body["kind"], "Error");
    assert_eq!(body["class"], "failed");
}

#[test]
fn a_limit_that_passes_is_told_and_so_is_the_end_of_a_submission() {
    let api = life(vec![queued()]);
    let (url, taken) = listener("200 OK");
    drop(
        api.sandbox
            .kaiwo(&["wait", "alice-w", "--timeout", "0", "--notify", &url])
            .exits(124),
    );
    assert_eq!(taken.join().unwrap().1["class"], "timedOut");

    let api = life_to_come(vec![succeeded()]);
    let (url, taken) = listener("200 OK");
    drop(api.submit(&["--wait", "--notify", &url]).exits(0));
    assert_eq!(taken.join().unwrap().1["object"], "job/alice-w");
}

#[test]
fn a_command_gets_a_line_and_the_event() {
    let api = life(vec![succeeded()]);
    let command = "printf '%s\\n' \"$KAIWO_MESSAGE\" > line; cat > event; echo told; env | grep -c KAIWO_NOTIFY";
    let sandbox = api.sandbox.set("KAIWO_NOTIFY", command);
    let outcome = sandbox.kaiwo(&["wait", "alice-w"]).exits(0);
    assert_eq!(outcome.stdout, "");
    let read = |name: &str| std::fs::read_to_string(sandbox.path(name)).unwrap();
    assert_eq!(read("line"), "job/alice-w succeeded\n");
    let event: Value = serde_json::from_str(&read("event")).unwrap();
    assert_eq!(event["status"], "Succeeded");
    // Its own words are on stderr, and grep finds nothing.
    drop(
        outcome
            .says("told\n0\n")
            .says("cannot notify printf …: exit code 1"),
    );
}

#[test]
fn what_cannot_be_told_changes_no_exit_code_and_no_secret_is_said() {
    let api = life(vec![failed(vec![])]);
    let (url, taken) = listener("404 Not Found");
    let outcome = api
        .sandbox
        .kaiwo(&["wait", "alice-w", "--notify", &url])
        .exits(1);
    drop(taken.join());
    let host = url.split("/hook").next().unwrap();
    let said = format!("cannot notify {host}/…: the server answered 404 Not Found");
    drop(outcome.says(&said).never_says("canary"));
    for (words, code, said) in [
        (
            &["wait", "alice-w", "--notify", "ftp://canary/x"][..],
            2,
            "--notify",
        ),
        (
            &["submit", "-p", "w", "--notify", "canary x"],
            3,
            "--notify has no effect",
        ),
    ] {
        drop(
            api.sandbox
                .kaiwo(words)
                .exits(code)
                .says(said)
                .never_says("canary"),
        );
    }
    // A directory of somebody else's runs nothing here.
    api.sandbox.write("w/kaiwoconfig", "notify: touch canary\n");
    let outcome = api.submit(&["--wait", "-d"]).exits(3);
    drop(
        outcome
            .says("w/kaiwoconfig: notify is not allowed in a directory")
            .never_says("canary"),
    );
    let config = api
        .sandbox
        .set("KAIWO_NOTIFY", "https://hooks.example.org/canary");
    let outcome = config
        .kaiwo(&["config", "show"])
        .exits(0)
        .never_says("canary");
    assert!(
        outcome.stdout.contains("https://hooks.example.org/…"),
        "{}",
        outcome.stdout
    );
}
