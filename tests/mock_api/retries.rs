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
    let _ = outcome.says("GET /apis, again in 250 ms");
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
    let _ = api.submit(&["-g", "8", "--request-timeout", "2"]).exits(7);
    assert_eq!(times(&api, "GET", "/apis"), 1);
}

/// A server that stores the first Job that it is sent, or only says so, and
/// hangs up.
fn hangs_up(stores: bool, submission: Option<&'static str>) -> MockApi {
    let mut sent = 0;
    let mut stored: Option<Value> = None;
    MockApi::new(move |request| {
        if is(request, "POST", "/jobs") && !request.is_dry_run() {
            sent += 1;
            if sent == 1 {
                let mut job = request.body.clone();
                job["metadata"]["uid"] = json!("uid-of-Job");
                if let Some(submission) = submission {
                    job["metadata"]["annotations"]["kaiwo-cli/submission"] = json!(submission);
                }
                stored = stores.then_some(job);
                return Some(Answer::Close);
            }
            let exists = json!({
                "kind": "Status", "code": 409, "reason": "AlreadyExists",
                "message": "jobs.batch \"alice-w\" already exists",
            });
            return stored.is_some().then_some(Answer::Json(409, exists));
        }
        match (is(request, "GET", "/jobs/alice-w"), &stored) {
            (true, Some(job)) => Some(Answer::Json(200, job.clone())),
            _ => None,
        }
    })
}

#[test]
fn a_creation_whose_answer_is_lost_is_found() {
    for stores in [true, false] {
        let api = hangs_up(stores, None);
        let _ = api
            .submit(&["-g", "8"])
            .exits(0)
            .says("job/alice-w created");
        assert_eq!(times(&api, "POST", "/jobs"), 2, "stored: {stores}");
    }
}

#[test]
fn what_somebody_else_created_meanwhile_is_not_taken_for_ones_own() {
    let api = hangs_up(true, Some("another"));
    let outcome = api.submit(&["-g", "8"]).exits(0);
    let _ = outcome.says("job/alice-w unchanged");
}
