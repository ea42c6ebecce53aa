//! A model that is asked through a port of a pod.

use super::*;

const DENIED: &str = "services \"llm:8000\" is forbidden: User \"me\" cannot get resource \"services/proxy\" in API group \"\"";

/// A model whose Service's proxy says `proxy`, and which has two pods: nobody
/// listens in the first.
fn behind_ports(proxy: fn(&Request) -> Answer) -> MockApi {
    behind(proxy, &Answer::Socket(nobody))
}

/// Takes the question, and is gone.
fn hangs_up(socket: &mut WebSocket<TcpStream>) {
    _ = answers(socket, "GET ");
}

/// Takes the question, and dies; the container runtime says so.
fn dies(socket: &mut WebSocket<TcpStream>) {
    if answers(socket, "GET ").is_some() {
        say(
            socket,
            1,
            "read tcp4 127.0.0.1:40->127.0.0.1:80: read: connection reset by peer",
        );
        while socket.read().is_ok() {}
    }
}

#[test]
fn where_the_proxy_is_denied_a_port_of_a_pod_is_taken() {
    let api = behind_ports(denied);
    let outcome = chat(&api, &["--json"]).exits(0);
    let outcome = outcome.says("deployment/llm, model phi-4 (OpenAI), through a port of pod llm-b");
    is_golden("chat_answer_pod", &outcome);

    // Who may only look is told nothing until it matters.
    let looks = |request: &Request| match request.method.as_str() {
        "GET" => Answer::Json(200, json!({"data": [{"id": "phi-4"}]})),
        _ => Answer::Refuse(403, DENIED),
    };
    let outcome = chat(&behind_ports(looks), &[]).exits(0);
    let outcome = outcome.says("(OpenAI)\n→ through a port of pod llm-b\n");
    assert_eq!(outcome.stdout, "Hello.\n");

    // What is not a right is no reason to go another way.
    let broken = |_: &Request| Answer::Refuse(403, "the proxy is closed today");
    _ = chat(&behind_ports(broken), &[])
        .exits(3)
        .says("the proxy is closed today");
}

fn denied(_: &Request) -> Answer {
    Answer::Refuse(403, DENIED)
}

/// Returns the pods whose port was opened.
fn opened(api: &MockApi) -> Vec<String> {
    let requests = api.requests();
    let paths = requests.iter().filter_map(|request| {
        let pod = request.path.strip_suffix("/portforward")?;
        Some(pod.rsplit('/').next()?.to_owned())
    });
    paths.collect()
}

#[test]
fn a_question_that_may_have_arrived_is_asked_of_no_other_pod() {
    for (first, why) in [
        (
            hangs_up as fn(&mut WebSocket<TcpStream>),
            "is not answering: ",
        ),
        (dies, "is not answering: read tcp4"),
    ] {
        let api = behind(denied, &Answer::Socket(first));
        _ = chat(&api, &[])
            .exits(8)
            .says("through a port of pod llm-a")
            .says(why);
        assert_eq!(opened(&api), ["llm-a"; 2], "{why}");
    }
    // Which models there are may be asked of all of them.
    let api = behind(denied, &Answer::Socket(gone));
    _ = chat(&api, &[]).exits(0).says("of pod llm-b");
    assert_eq!(opened(&api), ["llm-a", "llm-b", "llm-b"]);
}

/// The API server waits for the node longer than kaiwo for the API server.
#[test]
fn a_pod_whose_node_is_dead_holds_nobody_up() {
    let mut api = None;
    let (_, outcome) = before_a_limit(
        |seconds| {
            let api = api.insert(behind(denied, &Answer::Hang));
            chat(api, &["--request-timeout", &seconds.to_string()])
        },
        |outcome| outcome.code == 0,
    );
    let outcome = outcome.exits(0).says("through a port of pod llm-b");
    assert_eq!(outcome.stdout, "Hello.\n");
    assert_eq!(opened(&api.unwrap()), ["llm-a", "llm-b", "llm-b"]);
}

/// The way that a hint names is one that can be gone.
#[test]
fn who_has_no_way_left_is_sent_nowhere() {
    let api = set_behind(denied);
    let neither = api.sandbox.kaiwo(&["chat", "set", "hi"]).exits(4);
    let neither = neither
        .says("neither the proxy of Service set-b nor a port of its pods can be used")
        .says("cannot get resource \"services/proxy\"")
        .says("Service set-b has no pod selector")
        .says("ask an admin of namespace kaiwo for get and create on services/proxy\n");
    assert!(!neither.stderr.contains("--via"), "{}", neither.stderr);

    let MockApi { sandbox, .. } = inference_set();
    let keyed = sandbox
        .set("KEY", "sesame")
        .kaiwo(&["chat", "set", "hi", "--api-key-env", "KEY"])
        .exits(3)
        .says("Service set-b has no pod selector");
    assert!(!keyed.stderr.contains("--via"), "{}", keyed.stderr);
}
