//! Servers that answer without end, at length, oddly, or not as an API server;
//! and what passes through kaiwo of what they say.

use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::json::is_golden;
use super::server::{Answer, MockApi, Request, healthy, list, status};
use super::trouble::is;
use crate::cli::bounds::BOUNDS;
use crate::common::Outcome;

mod warnings;

/// Runs a line of bash, where `kaiwo` is the binary and may take little memory and time.
#[track_caller]
fn bounded(api: &MockApi, line: &str) -> Outcome {
    let binary = crate::common::binary();
    let line = format!("{BOUNDS}; kaiwo() {{ '{binary}' \"$@\"; }}; {line}");
    let mut shell = api.sandbox.shell(&line);
    let output = shell.current_dir(api.sandbox.path("")).output().unwrap();
    Outcome::of(output)
}

/// An answer with these headers, after which the connection is closed.
pub fn raw(code: u16, headers: &[&str], body: &str) -> Answer {
    let mut head = format!("HTTP/1.1 {code} X\r\nconnection: close\r\n");
    for header in headers {
        head += &format!("{header}\r\n");
    }
    head += &format!("content-length: {}\r\n\r\n", body.len());
    Answer::Raw((head + body).into_bytes())
}

fn is_page(request: &Request) -> bool {
    let query = &request.query;
    let is_list = query.contains("limit=") || query.contains("labelSelector=");
    request.method == "GET" && is_list
}

/// A Job of kaiwo's.
fn job(name: &str) -> Value {
    json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {
            "name": name, "namespace": "kaiwo", "uid": "u",
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": {"app.kubernetes.io/managed-by": "kaiwo", "app.kubernetes.io/instance": name},
        },
        "spec": {}, "status": {},
    })
}

/// Answers for a Job.
fn with_job(request: &Request, job: &Value) -> Option<Answer> {
    let name = job["metadata"]["name"].as_str().unwrap();
    if is(request, "GET", &format!("/jobs/{name}")) {
        return Some(Answer::Json(200, job.clone()));
    }
    if is(request, "GET", "/jobs") {
        return Some(Answer::Json(200, list(std::slice::from_ref(job))));
    }
    is_page(request).then(|| match healthy(request) {
        Answer::Json(200, page) => Answer::Json(200, page),
        _ => Answer::Json(200, list(&[])),
    })
}

#[test]
fn a_listing_that_goes_round_ends() {
    // The token comes before the objects, or after them.
    for page in [
        r#"{"metadata": {"continue": "again"}, "items": []}"#,
        r#"{"items": [], "metadata": {"continue": "again"}}"#,
    ] {
        let api = MockApi::new(move |request| is_page(request).then(|| raw(200, &[], page)));
        for line in [
            "kaiwo list",
            "kaiwo queues",
            "kaiwo submit -p w",
            "kaiwo top",
            "kaiwo history",
            "kaiwo usage",
        ] {
            let before = api.requests().len();
            let _ = bounded(&api, line).exits(1).says("its pages repeat");
            let asked = api.requests().len() - before;
            assert!(asked < 60, "{line}: {asked} requests");
        }
    }
    // In a circle of two.
    let api = MockApi::new(|request| {
        let next = match request.query.contains("continue=a") {
            true => "b",
            false => "a",
        };
        let page = json!({"metadata": {"continue": next}, "items": []});
        is_page(request).then_some(Answer::Json(200, page))
    });
    let _ = bounded(&api, "kaiwo list").exits(1).says("repeat");
}

#[test]
fn a_listing_that_always_goes_on_ends() {
    let pages = AtomicUsize::new(0);
    let api = MockApi::new(move |request| {
        is(request, "GET", "/clusterqueues").then(|| {
            let page = pages.fetch_add(1, Ordering::Relaxed);
            Answer::Json(
                200,
                json!({"metadata": {"continue": page.to_string()}, "items": []}),
            )
        })
    });
    let _ = bounded(&api, "kaiwo queues")
        .exits(1)
        .says("it has more than 1000 pages");
}

#[test]
fn large_objects_come_on_shorter_pages() {
    let upload = "x".repeat(2 << 20);
    let job = |index: usize| {
        json!({
            "metadata": {
                "name": format!("job-{index:02}"), "namespace": "default", "uid": index.to_string(),
                "labels": {"app.kubernetes.io/managed-by": "kaiwo"},
            },
            "spec": {"template": {"metadata": {"annotations": {"upload": upload}}}},
        })
    };
    let jobs: Vec<Value> = (0..50).map(job).collect();
    let api = MockApi::new(move |request| {
        let page = |jobs: &[Value], next: &str| {
            let body = json!({"metadata": {"continue": next}, "items": jobs}).to_string();
            Some(raw(200, &["content-type: application/json"], &body))
        };
        is(request, "GET", "/jobs").then_some(())?;
        match request.query.contains("limit=500") {
            true => page(&jobs, ""),
            false if request.query.contains("continue=") => page(&jobs[20..], ""),
            false => page(&jobs[..20], "20"),
        }
    });
    let listed = bounded(&api, "kaiwo list --kind job -o name")
        .exits(0)
        .stdout;
    assert_eq!(listed.lines().count(), 50, "{listed}");
    assert!(listed.ends_with("job.batch/job-49\n"), "{listed}");
}

/// Answers with a compressed body.
fn compressed(code: u16, body: &str) -> Answer {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body.as_bytes()).unwrap();
    let body = encoder.finish().unwrap();
    let head = format!(
        "HTTP/1.1 {code} X\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    Answer::Raw([head.as_bytes(), &body].concat())
}

#[test]
fn compressed_answers_are_like_others() {
    let with = |answer: fn() -> Answer| {
        MockApi::new(move |request| is(request, "GET", "/jobs").then(answer))
    };
    let job = r#"{"metadata": {"name": "train", "uid": "u", "labels": {"app.kubernetes.io/managed-by": "kaiwo"}}}"#;
    let page = format!(r#"{{"items": [{job}]}}"#);
    let api =
        MockApi::new(move |request| is(request, "GET", "/jobs").then(|| compressed(200, &page)));
    let listed = bounded(&api, "kaiwo list -o name").exits(0).stdout;
    assert_eq!(listed, "job.batch/train\n");
    let refused = with(|| compressed(403, &status(403, "bob cannot list jobs").to_string()));
    let _ = bounded(&refused, "kaiwo list --kind job")
        .exits(3)
        .says("bob cannot list jobs");
    let endless = with(|| compressed(200, &" ".repeat(65 << 20)));
    let _ = bounded(&endless, "kaiwo list")
        .exits(1)
        .says("it is larger than the limit of 64.0 MiB");
    let broken = with(|| raw(200, &["content-encoding: gzip"], "{\"items\": []}"));
    let _ = bounded(&broken, "kaiwo list")
        .exits(1)
        .says("invalid answer to GET /apis/batch/v1/namespaces/kaiwo/jobs")
        .says("its compression is broken");
}

#[test]
fn answers_have_a_most_of_bytes_and_of_values() {
    let zeros = "0".repeat(65 << 20);
    let one = r#"{"metadata": {"name": "a", "uid": "a"}}"#;
    let empty = format!(r#"{{"items": [{}]}}"#, vec![one; 10_001].join(","));
    let nested = format!(r#"{{"items": [{{"x": [{}0]}}]}}"#, "[],".repeat(3_000_000));
    for (body, why) in [
        (zeros, "it is larger than the limit of 64.0 MiB"),
        (empty, "a page of more than 10000 objects"),
        (nested, "it has more than 2000000 values"),
    ] {
        let api = MockApi::new(move |request| is_page(request).then(|| raw(200, &[], &body)));
        let _ = bounded(&api, "kaiwo list").exits(1).says(why);
        let _ = bounded(&api, "kaiwo submit -p w")
            .exits(1)
            .says("invalid answer to");
        assert_eq!(api.writes(), [] as [&str; 0]);
    }
}

#[test]
fn who_answers_in_the_place_of_the_api_server_is_named() {
    let page = |title: &str| {
        format!(
            "<html><head><title>{title}</title></head>{}",
            "<p>x".repeat(100_000)
        )
    };
    for (code, headers, body, exit, told) in [
        (
            503,
            &["server: nginx/1.25.3"][..],
            page("Service Unavailable"),
            7,
            "nginx/1.25.3 answered 503: Service Unavailable",
        ),
        (
            502,
            &["server: cloudflare"],
            page("Bad gateway"),
            7,
            "cloudflare answered 502: Bad gateway",
        ),
        (
            403,
            &["via: 1.1 squid"],
            "Access denied".to_owned(),
            4,
            "1.1 squid answered 403: Access denied",
        ),
        (
            407,
            &[],
            String::new(),
            4,
            "a proxy or gateway answered 407: Proxy Authentication Required",
        ),
        (
            404,
            &[],
            page("No such site"),
            7,
            "a proxy or gateway answered 404: No such site",
        ),
        (
            302,
            &["location: https://sso.corp/login?state=s3cr3t"],
            String::new(),
            4,
            "a login page answered 302: go to https://sso.corp/login",
        ),
        (
            200,
            &["content-type: text/html"],
            page("Sign in"),
            4,
            "a login page answered 200: Sign in",
        ),
        (
            500,
            &[],
            page("Oops"),
            7,
            "a proxy or gateway answered 500: Oops",
        ),
    ] {
        let headers: Vec<String> = headers.iter().map(|&header| header.to_owned()).collect();
        let api = MockApi::new(move |_| {
            let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
            Some(raw(code, &headers, &body))
        });
        for line in ["kaiwo list", "kaiwo submit -p w", "kaiwo delete x -y"] {
            let outcome = bounded(&api, line).exits(exit).says(told);
            let outcome = outcome
                .says("does not respond like an API server")
                .never_says("s3cr3t");
            assert!(outcome.stderr.len() < 1000, "{}", outcome.stderr);
        }
    }
}

/// A page of another server says nothing about an object.
#[test]
fn a_gateways_404_is_no_missing_object() {
    let api = MockApi::new(|request| match is(request, "GET", "/jobs/x") {
        true => Some(raw(404, &["server: nginx"], "<html>")),
        false => is_page(request).then(|| Answer::Json(200, list(&[]))),
    });
    let _ = api
        .sandbox
        .kaiwo(&["delete", "job/x", "-y", "--ignore-not-found"])
        .exits(7)
        .says("nginx answered 404");
}

#[test]
fn words_of_the_api_server_are_cut() {
    let api = MockApi::new(|request| {
        let message = "no ".repeat(2_000_000);
        is(request, "POST", "/jobs").then(|| Answer::Json(403, status(403, &message)))
    });
    let outcome = bounded(&api, "kaiwo submit -p w")
        .exits(3)
        .says("characters more)");
    assert!(outcome.stderr.len() < 5000, "{}", outcome.stderr.len());
}

/// What a terminal would obey, and what would turn text round.
const HOSTILE: &str = "a\x1b]0;PWN\x07\x1b[2J\x1b[31mb\u{9b}31m\u{202e}\u{2066}\u{7f}c";

#[track_caller]
fn is_clean(outcome: Outcome) -> Outcome {
    for text in [&outcome.stdout, &outcome.stderr] {
        let obeyed =
            |c: char| (c.is_control() && !"\n\t".contains(c)) || "\u{202e}\u{2066}".contains(c);
        assert!(!text.contains(obeyed), "{text:?}");
        assert!(!text.contains("PWN") && !text.contains("31m"), "{text:?}");
    }
    outcome
}

#[test]
fn nothing_that_a_server_says_steers_a_terminal() {
    let mut hostile = job("x");
    for field in ["name", "namespace", "uid"] {
        let _ = hostile["metadata"][field].as_str().unwrap();
    }
    hostile["metadata"]["labels"]["kaiwo-cli/username"] = json!(HOSTILE);
    hostile["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] = json!(HOSTILE);
    hostile["metadata"]["labels"]["app.kubernetes.io/version"] = json!(HOSTILE);
    hostile["spec"]["template"] =
        json!({"spec": {"containers": [{"name": "main", "image": HOSTILE}]}});
    hostile["status"]["conditions"] = json!([{
        "type": "Failed", "status": "True", "reason": HOSTILE, "message": HOSTILE,
        "lastTransitionTime": "2026-01-01T00:00:01Z",
    }]);
    let api = MockApi::new(move |request| {
        if is(request, "GET", "/clusterqueues") {
            let queue = json!({"metadata": {"name": HOSTILE}, "spec": {"cohortName": HOSTILE},
                "status": {"conditions": [{"type": "Active", "status": "False", "message": HOSTILE}]}});
            return Some(Answer::Json(200, list(&[queue])));
        }
        if is(request, "GET", "/events") {
            let event = json!({"metadata": {"name": "e"}, "reason": HOSTILE, "message": HOSTILE, "type": "Warning",
                "involvedObject": {"kind": "Job", "name": "x", "uid": "u"}});
            return Some(Answer::Json(200, list(&[event])));
        }
        with_job(request, &hostile)
    });
    for line in [
        "list -o wide",
        "list -o name",
        "status x",
        "why x",
        "queues",
        "top",
        "history",
        "usage",
        "wait x",
        "delete x --dry-run",
        "delete x --dry-run -v",
    ] {
        let arguments: Vec<&str> = line.split(' ').collect();
        let outcome = is_clean(api.sandbox.kaiwo(&arguments));
        assert!(
            [0, 1, 3].contains(&outcome.code),
            "{line}: {}",
            outcome.stderr
        );
    }
    // Data is data in a pipe.
    let outcome = api.sandbox.kaiwo(&["list", "-o", "json"]).exits(0);
    let listed: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(listed["items"][0]["user"], HOSTILE);
}

#[test]
fn one_odd_field_ends_no_look() {
    for (pointer, odd) in [
        ("/metadata/creationTimestamp", json!("yesterday")),
        ("/metadata/labels", json!([7])),
        (
            "/spec",
            json!({"suspend": {"since": "monday"}, "parallelism": "many"}),
        ),
        (
            "/spec/template",
            json!({"spec": {"containers": [{"name": 7, "image": ["x"]}]}}),
        ),
        (
            "/status",
            json!({"active": "one", "conditions": [{"type": "Odd", "status": true}, 7]}),
        ),
    ] {
        let mut odd_one = job("odd");
        let (above, field) = pointer.rsplit_once('/').unwrap();
        odd_one.pointer_mut(above).unwrap()[field] = odd.clone();
        let api = MockApi::new(move |request| match is(request, "GET", "/jobs") {
            true => Some(Answer::Json(200, list(&[odd_one.clone(), job("even")]))),
            false => with_job(request, &odd_one),
        });
        let outcome = api.sandbox.kaiwo(&["list", "--any"]).exits(0);
        for name in ["odd", "even"] {
            assert!(outcome.stdout.contains(name), "{odd}: {}", outcome.stdout);
        }
        let _ = api.sandbox.kaiwo(&["status", "odd"]).exits(0);
        let _ = api.sandbox.kaiwo(&["why", "odd"]).exits(0);
    }
    // What decides is not passed over.
    let api = MockApi::new(|request| {
        let queue = json!({"metadata": {"name": "kaiwo"}, "spec": {"resourceGroups": "none"}});
        is(request, "GET", "/clusterqueues").then(|| Answer::Json(200, list(&[queue])))
    });
    let _ = api.sandbox.kaiwo(&["queues"]).exits(0);
    let _ = api.submit(&["-g", "8"]).exits(1).says("invalid answer to");
    assert_eq!(api.writes(), [] as [&str; 0]);
}

#[test]
fn a_kubeconfig_that_everybody_may_change_is_warned_of() {
    use std::os::unix::fs::PermissionsExt as _;
    let api = MockApi::new(|request| is_page(request).then(|| Answer::Json(200, list(&[]))));
    let path = api.sandbox.path("kubeconfig");
    let said = "every user of this machine can change";
    let _ = api.sandbox.kaiwo(&["list"]).exits(0).never_says(said);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
    let outcome = api.sandbox.kaiwo(&["list"]).exits(0).says(said);
    assert_eq!(
        outcome.stderr.matches(said).count(),
        1,
        "{}",
        outcome.stderr
    );
    let (_, command) = outcome.stderr.split_once("run programs as you: ").unwrap();
    let _ = bounded(&api, command.lines().next().unwrap()).exits(0);
    let _ = api.sandbox.kaiwo(&["list"]).exits(0).never_says(said);
}

#[test]
fn what_etcd_does_not_know_is_asked_again() {
    let asked = AtomicUsize::new(0);
    let api = MockApi::new(move |request| {
        let is_first = is(request, "GET", "/jobs") && asked.fetch_add(1, Ordering::Relaxed) == 0;
        match is_first {
            true => Some(Answer::Refuse(500, "etcdserver: leader changed")),
            false => is_page(request).then(|| Answer::Json(200, list(&[]))),
        }
    });
    let _ = api.sandbox.kaiwo(&["list"]).exits(0);
    let api =
        MockApi::new(|request| is_page(request).then_some(Answer::Refuse(500, "etcd is full")));
    let _ = api.sandbox.kaiwo(&["list"]).exits(7).says("etcd is full");
}

#[test]
fn an_answer_about_something_else_is_no_object() {
    let another = json!({
        "kind": "Pod", "apiVersion": "v1",
        "metadata": {"name": "another", "namespace": "elsewhere"},
    });
    for (answer, about) in [
        (Value::Null, "an unknown kind of object \"\""),
        (another, "Pod \"another\""),
    ] {
        let api = MockApi::new(move |request| {
            is(request, "GET", "/jobs/w").then(|| Answer::Json(200, answer.clone()))
        });
        for command in [&["status", "job/w"][..], &["delete", "job/w", "-y"]] {
            let _ = api
                .sandbox
                .kaiwo(command)
                .exits(1)
                .says("/jobs/w")
                .says(&format!("it is about {about}"));
        }
        assert_eq!(api.writes(), [] as [&str; 0]);
    }
}
