//! What an API server does not answer at once, it is asked again.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::server::{Answer, MockApi, Request};
use super::trouble::is;

/// A server that answers each request so for the first time it is sent, and
/// then as it should.
fn at_first(answer: fn(&Request) -> Option<Answer>) -> MockApi {
    let mut times: HashMap<String, u32> = HashMap::new();
    MockApi::new(move |request| {
        let times = times
            .entry(format!("{}?{}", request.line(), request.query))
            .or_default();
        *times += 1;
        (*times == 1).then(|| answer(request)).flatten()
    })
}

fn busy(code: u16, seconds: u32) -> Answer {
    let status = json!({
        "apiVersion": "v1", "kind": "Status", "status": "Failure", "code": code,
        "reason": "TooManyRequests", "message": "storage is (re)initializing",
        "details": {"retryAfterSeconds": seconds},
    });
    Answer::Json(code, status)
}

fn times(api: &MockApi, method: &str, kind: &str) -> usize {
    let requests = api.requests();
    let those = requests.iter().filter(|request| is(request, method, kind));
    those.filter(|request| !request.is_dry_run()).count()
}

#[test]
fn a_busy_server_is_asked_again_for_everything() {
    let api = at_first(|_| Some(busy(429, 1)));
    let _ = api
        .submit(&["-g", "8"])
        .exits(0)
        .says("job/alice-w created");
    assert_eq!(times(&api, "POST", "/jobs"), 2);
}

#[test]
fn reads_survive_a_server_that_is_replaced() {
    let api = at_first(|request| (request.method == "GET").then(|| busy(503, 0)));
    let _ = api.submit(&["-g", "8"]).exits(0);
    let api = at_first(|request| (request.method == "GET").then_some(Answer::Close));
    let outcome = api.submit(&["-g", "8", "-v"]).exits(0);
    let _ = outcome.says("GET /apis, retrying in ");
    // An answer of which the half came is none.
    const TORN: &str = "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{\"kind\":";
    let api = at_first(|request| {
        let read = request.method == "GET";
        read.then(|| Answer::Raw(TORN.as_bytes().to_vec()))
    });
    let _ = api.submit(&["-g", "8"]).exits(0);
}

#[test]
fn a_server_that_has_too_much_to_do_says_how_long() {
    // Its words are no Status then (apiserver `tooManyRequests`).
    let api = at_first(|request| {
        let answer = "HTTP/1.1 429 Too Many Requests\r\nretry-after: 1\r\ncontent-type: text/plain\r\n\
                      content-length: 5\r\n\r\nbusy\n";
        (request.path == "/apis").then(|| Answer::Raw(answer.as_bytes().to_vec()))
    });
    let outcome = api.submit(&["-g", "8", "-v"]).exits(0);
    let pause = outcome.stderr.split("GET /apis, retrying in ").nth(1);
    let pause = pause.and_then(|rest| rest.split(' ').next()?.parse().ok());
    let pause: u32 = pause.unwrap_or_else(|| panic!("{outcome:?}"));
    assert!(pause >= 1000, "{pause} ms");
}

#[test]
fn a_server_that_stays_busy_is_left_in_the_end() {
    let api = MockApi::new(|_| Some(busy(429, 0)));
    let _ = api
        .submit(&["-g", "8"])
        .exits(7)
        .says("storage is (re)initializing");
    assert_eq!(times(&api, "GET", "/apis"), 4);
    // As it would be if it were to be left alone for longer than it may take.
    let api = MockApi::new(|_| Some(busy(429, 3600)));
    let _ = api
        .submit(&["-g", "8", "--request-timeout", "2"])
        .exits(7)
        .says(
            "storage is (re)initializing; the API server asks for a pause of 3600 s, and \
             --request-timeout is 2 s\n",
        )
        .says("allow more time: --request-timeout 3630\n");
    assert_eq!(times(&api, "GET", "/apis"), 1);
}

#[test]
fn a_server_gets_the_pause_that_it_asks_for() {
    let api = at_first(|request| (request.path == "/apis").then(|| busy(429, 6)));
    let outcome = api.submit(&["-g", "8", "-v"]).exits(0);
    let outcome = outcome.says("asks for a pause of 6 s; retrying then\n");
    let pause = outcome.stderr.split("GET /apis, retrying in ").nth(1);
    let pause = pause.and_then(|rest| rest.split(' ').next()?.parse().ok());
    let pause: u32 = pause.unwrap_or_else(|| panic!("{outcome:?}"));
    assert!(pause >= 6000, "{pause} ms");
    assert_eq!(times(&api, "GET", "/apis"), 2);
}

/// A server that hangs up on the first Job that it is sent. `looks` says what
/// it shows then, each time it is asked for the Job: `None` before the Job is
/// there, and in the end its submission. Another Job it refuses so.
fn hangs_up(looks: &'static [Option<&'static str>], refusal: Option<Answer>) -> MockApi {
    let mut stored: Option<Value> = None;
    let mut looked = 0;
    MockApi::new(move |request| {
        if is(request, "POST", "/jobs") && !request.is_dry_run() {
            if stored.is_some() {
                return refusal.clone();
            }
            let mut job = request.body.clone();
            job["metadata"]["uid"] = json!("uid-of-Job");
            stored = Some(job);
            return Some(Answer::Close);
        }
        let asked = is(request, "GET", "/jobs/alice-w");
        let mut job = stored.clone().filter(|_| asked)?;
        let look = looks[looked.min(looks.len() - 1)];
        looked += 1;
        match look {
            None => return None,
            Some("own") => {}
            Some(other) => job["metadata"]["annotations"]["kaiwo-cli/submission"] = json!(other),
        }
        Some(Answer::Json(200, job))
    })
}

#[test]
fn a_creation_whose_answer_is_lost_is_found() {
    let exists = || Answer::Refuse(409, "jobs.batch \"alice-w\" already exists");
    // What is there takes what a quota has left.
    let quota = || Answer::Refuse(403, "exceeded quota: one, used: count/jobs.batch=1");
    for (looks, refusal, sent) in [
        (&[Some("own")][..], None, 1),
        (&[None, Some("own")], Some(exists()), 2),
        (&[None, Some("own")], Some(quota()), 2),
        // It never got there.
        (&[None], None, 2),
    ] {
        let api = hangs_up(looks, refusal);
        let _ = api
            .submit(&["-g", "8"])
            .exits(0)
            .says("job/alice-w created");
        assert_eq!(times(&api, "POST", "/jobs"), sent, "{looks:?}");
    }
    // What somebody else created meanwhile is not taken for one's own.
    let api = hangs_up(&[Some("another")], Some(exists()));
    let outcome = api.submit(&["-g", "8"]).exits(0);
    let _ = outcome.says("job/alice-w unchanged");
}

#[test]
fn what_may_still_appear_is_said() {
    let api = MockApi::new(|request| {
        let creates = is(request, "POST", "/jobs") && !request.is_dry_run();
        creates.then_some(Answer::Refuse(503, "no backend"))
    });
    let _ = api
        .submit(&["-g", "8"])
        .exits(7)
        .says("job/alice-w may still appear: the request was sent but not answered");
}
