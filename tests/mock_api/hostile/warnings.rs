//! The API server's warnings.

use super::*;

#[test]
fn nor_do_its_refusals_and_warnings() {
    for code in [403, 404, 409, 422, 500, 503] {
        let api = MockApi::new(move |request| {
            is(request, "POST", "/jobs").then(|| Answer::Json(code, status(code, HOSTILE)))
        });
        let outcome = is_clean(api.submit(&["--request-timeout", "1"]));
        assert_ne!(outcome.code, 0);
    }
    let api = MockApi::new(|request| {
        let warning = format!(
            "warning: 299 - \"{}\"",
            HOSTILE.replace(['\x07', '\u{7f}'], "")
        );
        is(request, "POST", "/jobs").then(|| match healthy(request) {
            Answer::Json(code, body) => raw(code, &[&warning], &body.to_string()),
            other => other,
        })
    });
    let _ = api.submit(&[]);
}

/// Answers writes of Jobs and Deployments with warnings.
fn warning() -> MockApi {
    MockApi::new(|request| {
        let headers = [
            "warning: 299 - \"would violate PodSecurity \\\"restricted:latest\\\"\"",
            "warning: 299 - \"would violate PodSecurity \\\"restricted:latest\\\"\"",
            "warning: 299 - \"use v2\"",
        ];
        let is_object = request.path.contains("/jobs") || request.path.contains("/deployments");
        if request.method != "GET" && is_object {
            let Answer::Json(code, body) = healthy(request) else {
                panic!("{request:?}")
            };
            return Some(raw(code, &headers, &body.to_string()));
        }
        None
    })
}

#[test]
fn what_the_api_server_warns_of_is_told_once() {
    let said = "warning: would violate PodSecurity \"restricted:latest\"\nwarning: use v2\n";
    for arguments in [
        &["submit", "-p", "w"][..],
        &["submit", "-p", "w", "--dry-run=server"],
        &["serve", "-p", "w", "-i", "image", "-o", "json"],
    ] {
        let api = warning();
        let outcome = api.sandbox.kaiwo(arguments).exits(0).says(said);
        assert_eq!(
            outcome.stderr.matches("PodSecurity").count(),
            1,
            "{}",
            outcome.stderr
        );
        if arguments.contains(&"json") {
            let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
            let expected = json!(["would violate PodSecurity \"restricted:latest\"", "use v2"]);
            assert_eq!(report["warnings"], expected);
            is_golden("submit_warnings", &outcome);
        }
        let quiet = [arguments, &["--quiet"]].concat();
        let _ = warning()
            .sandbox
            .kaiwo(&quiet)
            .exits(0)
            .never_says("PodSecurity");
    }
}

#[test]
fn deleting_tells_warnings_too() {
    let deleted = AtomicUsize::new(0);
    let api = MockApi::new(move |request| {
        if request.method == "DELETE" {
            deleted.fetch_add(1, Ordering::Relaxed);
            let body = json!({"kind": "Status", "status": "Success"}).to_string();
            return Some(raw(200, &["warning: 299 - \"orphans its pods\""], &body));
        }
        match deleted.load(Ordering::Relaxed) {
            0 => with_job(request, &job("x")),
            _ => is_page(request).then(|| Answer::Json(200, list(&[]))),
        }
    });
    let outcome = api
        .sandbox
        .kaiwo(&["delete", "x", "-y", "-o", "json"])
        .exits(0);
    let outcome = outcome.says("warning: orphans its pods");
    let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(report["warnings"], json!(["orphans its pods"]));
    is_golden("delete_warnings", &outcome);
}
