//! `kaiwo exec` against a server that speaks `v5.channel.k8s.io`.

use std::net::TcpStream;

use serde_json::json;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocket;

use super::logs::{job, pod};
use super::server::{Answer, MockApi, list};
use crate::common::{Outcome, binary};

type Talk = fn(&mut WebSocket<TcpStream>);

fn api(talk: Talk) -> MockApi {
    MockApi::new(move |request| match request.path.as_str() {
        "/apis/batch/v1/namespaces/kaiwo/jobs/x" => Some(Answer::Json(200, job("x"))),
        "/api/v1/namespaces/kaiwo/pods" => {
            Some(Answer::Json(200, list(&[pod("x-a", "a", json!({}))])))
        }
        "/api/v1/namespaces/kaiwo/pods/x-a/exec" => Some(Answer::Socket(talk)),
        _ => None,
    })
}

fn exec(talk: Talk, arguments: &[&str]) -> Outcome {
    let api = api(talk);
    api.sandbox.kaiwo(&[&["exec", "x"], arguments].concat())
}

pub fn say(socket: &mut WebSocket<TcpStream>, channel: u8, text: &str) {
    let mut bytes = vec![channel];
    bytes.extend_from_slice(text.as_bytes());
    socket.send(Message::binary(bytes)).unwrap();
}

pub fn end(socket: &mut WebSocket<TcpStream>, status: &serde_json::Value) {
    say(socket, 3, &status.to_string());
    socket.close(None).unwrap();
    // The other side closes, too.
    while socket.read().is_ok() {}
}

pub fn exit(code: u8) -> serde_json::Value {
    json!({"status": "Failure", "reason": "NonZeroExitCode", "details": {"causes": [
        {"reason": "ExitCode", "message": code.to_string()}]}})
}

#[test]
fn the_exit_code_and_both_outputs_are_the_commands() {
    let outcome = exec(
        |socket| {
            say(socket, 1, "out\n");
            say(socket, 2, "err\n");
            end(socket, &exit(42));
        },
        &["--", "train"],
    )
    .exits(42)
    .says("err\n")
    .says("→ pod x-a, container main");
    assert_eq!(outcome.stdout, "out\n");
    let well = |socket: &mut WebSocket<TcpStream>| end(socket, &json!({"status": "Success"}));
    _ = exec(well, &["--", "true"]).exits(0);
}

#[test]
fn a_lost_connection_is_no_result() {
    _ = exec(|socket| say(socket, 1, "begun\n"), &["--", "x"])
        .exits(125)
        .says("error: the connection to the command was lost")
        .says("the command may still run");
    // Closed in good order, but without a word on the command.
    _ = exec(
        |socket| {
            _ = socket.close(None);
            while socket.read().is_ok() {}
        },
        &["--", "x"],
    )
    .exits(125);
}

#[test]
fn a_command_that_is_not_there_has_a_shells_code() {
    _ = exec(
        |socket| {
            let message = "exec: \"foo\": executable file not found in $PATH";
            let status =
                json!({"status": "Failure", "reason": "InternalError", "message": message});
            end(socket, &status);
        },
        &["--", "foo"],
    )
    .exits(127)
    .says("executable file not found");
}

#[test]
fn input_is_passed_on_to_its_end() {
    let api = api(|socket| {
        let mut all = Vec::new();
        loop {
            match socket.read().unwrap() {
                Message::Binary(bytes) if bytes[0] == 0 => all.extend_from_slice(&bytes[1..]),
                Message::Binary(bytes) => {
                    assert_eq!(&bytes[..], [255, 0], "the end of stdin");
                    break;
                }
                _ => {}
            }
        }
        let lines = all.iter().filter(|byte| **byte == b'\n').count();
        say(socket, 1, &format!("{} bytes, {lines} lines\n", all.len()));
        end(socket, &json!({"status": "Success"}));
    });
    let line = format!(
        "yes 0123456789 | head -c 1000000 | {} exec -i x -- wc",
        binary()
    );
    let outcome = Outcome::of(api.sandbox.shell(&line).output().unwrap()).exits(0);
    assert_eq!(outcome.stdout, "1000000 bytes, 90909 lines\n");
    let asked = api.requests();
    let asked = asked.iter().find(|request| request.path.ends_with("/exec"));
    assert_eq!(
        asked.unwrap().query,
        "container=main&stdin=true&stdout=true&stderr=true&tty=false&command=wc"
    );
}

#[test]
fn a_terminal_is_lent_and_given_back() {
    let api = api(|socket| {
        // Its size comes first.
        loop {
            if let Message::Binary(bytes) = socket.read().unwrap()
                && bytes[0] == 4
            {
                let size = String::from_utf8(bytes[1..].to_vec()).unwrap();
                say(socket, 1, &format!("size {size}\r\n"));
                break;
            }
        }
        end(socket, &exit(3));
    });
    let line = format!(
        "stty rows 33 cols 111; before=$(stty -g); {} exec x; echo code $?; \
         test \"$(stty -g)\" = \"$before\" && echo given back",
        binary()
    );
    let mut command = api
        .sandbox
        .shell(&format!("exec script -qec '{line}' /dev/null"));
    let outcome = Outcome::of(command.output().unwrap()).exits(0);
    for words in ["size {\"Width\":111,\"Height\":33}", "code 3", "given back"] {
        assert!(
            outcome.stdout.contains(words),
            "{words}: {}",
            outcome.stdout
        );
    }
    let asked = api.requests();
    let asked = asked.iter().find(|request| request.path.ends_with("/exec"));
    let query = &asked.unwrap().query;
    assert!(
        query.contains("stdin=true&stdout=true&stderr=false&tty=true&command=sh"),
        "{query}"
    );
}

#[test]
fn who_may_not_is_told_so() {
    let api = MockApi::new(|request| match request.path.as_str() {
        "/apis/batch/v1/namespaces/kaiwo/jobs/x" => Some(Answer::Json(200, job("x"))),
        "/api/v1/namespaces/kaiwo/pods" => {
            Some(Answer::Json(200, list(&[pod("x-a", "a", json!({}))])))
        }
        "/api/v1/namespaces/kaiwo/pods/x-a/exec" => Some(Answer::Refuse(
            403,
            "pods \"x-a\" is forbidden: User \"alice\" cannot create resource \"pods/exec\" in API group \"\" in the namespace \"kaiwo\"",
        )),
        _ => None,
    });
    _ = api
        .sandbox
        .kaiwo(&["exec", "x", "--", "true"])
        .exits(4)
        .says("cannot create resource \"pods/exec\"")
        .says("help: ask an admin of the namespace for this right");
}
