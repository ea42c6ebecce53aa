//! Which exit code follows which answer, at a read and at a write, and which of them
//! kaiwo asks for once more.

use serde_json::{Value, json};

use super::hostile::raw;
use super::server::{Answer, MockApi, Request, list, status};
use super::trouble::is;
use super::update::{V1, V2, served, serving};

/// How often a read is asked for before it is given up.
const TRIES: usize = 4;
const DENIED: &str = "jobs.batch is forbidden: User \"alice\" cannot list resource \"jobs\" in API group \"batch\" in the namespace \"kaiwo\"";
const JSON: &str = "content-type: application/json";

fn reads(request: &Request) -> bool {
    is(request, "GET", "/namespaces/kaiwo/jobs")
}

fn json(code: u16, body: &str) -> Answer {
    raw(code, &[JSON], body)
}

fn times(api: &MockApi, is_it: fn(&Request) -> bool) -> usize {
    api.requests().iter().filter(|it| is_it(it)).count()
}

#[test]
fn answers_to_a_read() {
    let page = "<html><head><title>Sign in to Corp</title></head></html>";
    let circle = "HTTP/1.1 302 Found\r\nlocation: https://sso.corp/login\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    for (answer, exit, tries, words) in [
        (Answer::Refuse(401, "no"), 4, 1, "not authenticated"),
        (Answer::Refuse(403, DENIED), 4, 1, "cannot list resource"),
        (Answer::Refuse(429, "busy"), 7, TRIES, "busy"),
        (Answer::Refuse(503, "going"), 7, TRIES, "going"),
        (Answer::Refuse(504, "late"), 7, TRIES, "late"),
        (Answer::Close, 7, TRIES, "cannot reach the cluster"),
        (
            Answer::Refuse(500, "etcdserver: leader changed"),
            7,
            TRIES,
            "etcdserver: leader changed",
        ),
        (
            Answer::Refuse(500, "internal error"),
            7,
            TRIES,
            "run the same command again in a moment",
        ),
        (Answer::Refuse(410, "too old"), 7, TRIES, "too old"),
        (
            Answer::Refuse(409, "the object has been modified"),
            7,
            1,
            "has been modified",
        ),
        (
            Answer::Raw(circle.as_bytes().to_vec()),
            4,
            1,
            "a login page answered 302: go to https://sso.corp/login",
        ),
        (
            raw(200, &["content-type: text/html"], page),
            4,
            1,
            "a login page answered 200: Sign in to Corp",
        ),
        (
            json(
                200,
                r#"{"kind":"JobList","metadata":{},"items":[{"metadata":{}}"#,
            ),
            1,
            TRIES,
            "invalid answer to",
        ),
        (json(200, ""), 1, TRIES, "invalid answer to"),
        (json(200, "null"), 1, 1, "invalid answer to"),
        (
            json(200, "[]]"),
            1,
            1,
            "check that the server is a Kubernetes API server",
        ),
    ] {
        let told = format!("{answer:?}");
        let api = MockApi::new(move |request| reads(request).then(|| answer.clone()));
        let _ = api
            .sandbox
            .kaiwo(&["list", "--kind", "job", "--request-timeout", "20"])
            .exits(exit)
            .says(words);
        assert_eq!(times(&api, reads), tries, "{told}");
        assert_eq!(api.writes(), [] as [&str; 0]);
    }
    for answer in [Answer::Hang, Answer::Hold(b"HTTP/1.1 200 OK\r\n".to_vec())] {
        let api = MockApi::new(move |request| reads(request).then(|| answer.clone()));
        let _ = api
            .sandbox
            .kaiwo(&["list", "--kind", "job", "--request-timeout", "1"])
            .exits(7)
            .says("did not answer within 1 s");
    }
}

/// What passes by itself is not seen.
#[test]
fn reads_that_are_right_the_next_time() {
    let body = list(&[]).to_string();
    let cut = |end: usize| json(200, &body[..end]);
    let mut all: Vec<Answer> = (1..body.len()).step_by(7).map(cut).collect();
    all.extend([
        json(200, ""),
        Answer::Close,
        Answer::Refuse(410, "too old"),
        Answer::Refuse(500, "etcdserver: request timed out"),
        Answer::Refuse(504, "late"),
    ]);
    for answer in all {
        let told = format!("{answer:?}");
        let mut first = Some(answer);
        let api = MockApi::new(move |request| reads(request).then(|| first.take()).flatten());
        let _ = api.sandbox.kaiwo(&["list", "--kind", "job"]).exits(0);
        assert_eq!(times(&api, reads), 2, "{told}");
    }
    // As a proxy passes it on.
    let api = MockApi::new(|request| {
        reads(request).then(|| raw(200, &["content-type: text/plain"], &list(&[]).to_string()))
    });
    let _ = api.sandbox.kaiwo(&["list", "--kind", "job"]).exits(0);
    // A cut page of a long listing is asked for once more, and no other.
    let mut cut = true;
    let api = MockApi::new(move |request| {
        let page =
            |items: Value, next: &str| json!({"metadata": {"continue": next}, "items": items});
        reads(request).then(|| match request.query.contains("continue=second") {
            false => Answer::Json(200, page(json!([]), "second")),
            true if std::mem::take(&mut cut) => json(200, r#"{"metadata":{},"items":[{"#),
            true => Answer::Json(200, page(json!([]), "")),
        })
    });
    let _ = api.sandbox.kaiwo(&["list", "--kind", "job"]).exits(0);
    assert_eq!(times(&api, reads), 3);
}

fn creates(request: &Request) -> bool {
    is(request, "POST", "/jobs") && request.is_write()
}

#[test]
fn answers_to_a_creation() {
    let denied = "jobs.batch is forbidden: User \"alice\" cannot create resource \"jobs\" in API group \"batch\"";
    let terminating = "jobs.batch \"alice-w\" is forbidden: unable to create new content in namespace kaiwo because it is being terminated";
    let webhook = "admission webhook \"rules.corp\" denied the request: no label team";
    let security = "pods \"x\" is forbidden: violates PodSecurity \"restricted:latest\"";
    let policy = "jobs.batch \"x\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no";
    for (code, message, exit, words) in [
        (401, "no", 4, "not authenticated"),
        (403, denied, 4, "cannot create resource"),
        (403, "exceeded quota: q", 3, "wait until there is room"),
        (
            403,
            "failed quota: q: must specify limits.cpu",
            3,
            "--cpus and --memory",
        ),
        (
            403,
            terminating,
            3,
            "kubectl wait --for=delete namespace/kaiwo --timeout=10m",
        ),
        (
            403,
            webhook,
            3,
            "whoever runs the admission webhook rules.corp",
        ),
        (403, security, 3, "follow the policy"),
        (403, policy, 3, "follow the policy"),
        (404, "namespaces \"kaiwo\" not found", 3, "not found"),
        (422, "spec.x: Invalid value", 3, "Invalid value"),
        (500, "internal error", 7, "in a moment"),
        (503, "going", 7, "going"),
    ] {
        let api = MockApi::new(move |request| {
            creates(request).then(|| Answer::Json(code, status(code, message)))
        });
        let refused = api.submit(&["-g", "8"]).exits(exit).says(words);
        if code == 403 && !message.starts_with("exceeded") {
            let _ = refused.never_says("there is room");
        }
    }
}

/// Who may not see what is to be replaced could not delete it, either: nothing is tried.
#[test]
fn a_replacement_needs_the_right_to_read() {
    let denied = "jobs.batch \"alice-w\" is forbidden: User \"alice\" cannot get resource \"jobs\" in API group \"batch\" in the namespace \"kaiwo\"";
    let refuse = move |request: &Request| {
        is(request, "GET", "/jobs/alice-w").then_some(Answer::Refuse(403, denied))
    };
    let api = MockApi::new(refuse);
    let _ = api
        .submit(&["-g", "8", "--replace"])
        .exits(4)
        .says("cannot read job/alice-w")
        .says("cannot get resource \"jobs\"")
        .says("ask an admin to apply this")
        .says("kind: RoleBinding");
    assert_eq!(times(&api, creates), 0);
    // Without it, the API server tells of one that exists.
    let api = MockApi::new(refuse);
    let _ = api.submit(&["-g", "8"]).exits(0);
    assert_eq!(times(&api, creates), 1);
}

/// Something between kaiwo and the API server that answers what was not asked.
#[test]
fn an_answer_about_something_else_is_no_success() {
    let other = json!({"kind": "Pod", "metadata": {"name": "other", "uid": "u"}});
    for answer in [Value::Null, other] {
        for (command, method, kind) in [
            (&["submit", "-p", "w", "-g", "8"][..], "POST", "/jobs"),
            (
                &["submit", "-p", "w", "-g", "8", "-q", "cluster-queue"],
                "POST",
                "/localqueues",
            ),
        ] {
            let body = answer.clone();
            let api = MockApi::new(move |request| {
                (is(request, method, kind) && request.is_write())
                    .then(|| Answer::Json(201, body.clone()))
            });
            let outcome = api.sandbox.kaiwo(command);
            if api
                .requests()
                .iter()
                .any(|it| is(it, method, kind) && it.is_write())
            {
                let _ = outcome.exits(1).says("invalid answer to");
            }
        }
        for (method, end) in [
            ("PUT", "/deployments/alice-w"),
            ("PATCH", "/services/alice-w"),
            ("DELETE", "/poddisruptionbudgets/alice-w"),
        ] {
            let store = served(&[&V1]);
            let body = answer.clone();
            let api = serving(&store, move |request| {
                (is(request, method, end) && request.is_write())
                    .then(|| Answer::Json(200, body.clone()))
            });
            let outcome = api.sandbox.kaiwo(&V2);
            assert_ne!(outcome.code, 0, "{method} {outcome:?}");
            let _ = outcome.never_says("nothing of this submission is left");
        }
    }
}

/// What is deleted while it is changed is no bad input.
#[test]
fn a_service_that_vanishes_is_a_conflict() {
    let store = served(&[&V1]);
    let kept = store.clone();
    let api = serving(&store, move |request| {
        if is(request, "PUT", "/deployments/alice-w") && request.is_write() {
            kept.remove("deployments/alice-w");
        }
        None
    });
    let _ = api
        .sandbox
        .kaiwo(&V2)
        .exits(5)
        .says("deployment/alice-w was deleted before it could be changed");
}
