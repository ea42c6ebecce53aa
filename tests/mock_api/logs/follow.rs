//! A log that is followed: across broken streams, restarts, lost nodes and attempts.

use super::*;

/// As the API server says it (v1.36).
const NO_NODE: &str = "Get \"https://10.0.0.9:10250/containerLogs/kaiwo/x-a/main\": dial tcp \
                       10.0.0.9:10250: connect: no route to host";

fn started_again(mut pod: Value, times: u32) -> Value {
    pod["status"]["containerStatuses"][0]["restartCount"] = json!(times);
    pod["status"]["containerStatuses"][0]["lastState"] = json!({"terminated": {"exitCode": 1}});
    pod
}

#[test]
fn broken_streams_lose_and_repeat_nothing() {
    const LINES: u32 = 100_000;
    for end in [End::Torn, End::Whole] {
        // The Job ends when its last line was given for the first time.
        let given = std::sync::Arc::new(AtomicU32::new(0));
        let seen = given.clone();
        let api = one_pod(
            move || seen.load(Ordering::Relaxed) >= LINES,
            move |request| {
                let from = first(request, LINES);
                let to = (from + 1000).min(LINES);
                given.fetch_max(to, Ordering::Relaxed);
                let all: String = (from..to).map(line).collect();
                stream(&all, if to < LINES { end } else { End::Whole })
            },
        );
        let outcome = api.sandbox.kaiwo(&["logs", "-f", "x"]).exits(0);
        let expected: String = (0..LINES).map(text).collect();
        let wrong = outcome
            .stdout
            .lines()
            .zip(expected.lines())
            .position(|(is, should)| is != should);
        assert_eq!(
            (wrong, outcome.stdout.len()),
            (None, expected.len()),
            "{end:?}"
        );
        let streams = api.requests();
        let streams = streams
            .iter()
            .filter(|request| request.path.ends_with("/log"));
        assert!(streams.count() >= 100, "{end:?}");
    }
}

/// Its end comes long after that of the Job, which `--follow` waits for.
#[test]
fn what_is_slow_to_arrive_is_shown_to_its_end() {
    const PARTS: u32 = 7;
    let is_made = AtomicBool::new(false);
    let api = MockApi::new(move |request| {
        let pod = succeeded(pod("x-a", "a", json!({})));
        if request.is_write() && request.path.ends_with("/jobs") {
            is_made.store(true, Ordering::Relaxed);
        }
        match request.path.strip_prefix(PODS) {
            None if request.path.ends_with("/jobs/x") && is_made.load(Ordering::Relaxed) => {
                Some(Answer::Json(200, ended()))
            }
            Some("") => Some(Answer::Json(200, list(&[pod]))),
            Some("/x-a") => Some(Answer::Json(200, pod)),
            Some("/x-a/log") if first(request, PARTS) == 0 => {
                let head = "HTTP/1.1 200 X\r\nconnection: close\r\n\r\n".to_owned();
                let parts = std::iter::once(head).chain((0..PARTS).map(line));
                Some(Answer::Slow(parts.collect(), Duration::from_secs(2)))
            }
            Some("/x-a/log") => Some(stream(&line(PARTS - 1), End::Whole)),
            _ => None,
        }
    });
    let outcome = api.submit(&["-g", "8", "--name", "x", "--follow"]).exits(0);
    let expected: String = (0..PARTS).map(text).collect();
    assert_eq!(outcome.stdout, expected, "{}", outcome.stderr);
}

#[test]
fn a_tail_of_nothing_shows_what_comes_after_it() {
    static ASKED: AtomicU32 = AtomicU32::new(0);
    let asked = of(&ASKED);
    let api = one_pod(
        move || asked() > 5,
        |request| {
            let asked = ASKED.fetch_add(1, Ordering::Relaxed);
            // It grows by three lines with each look, and breaks off each time.
            let count = 500 + 3 * asked.min(4);
            let all: String = (first(request, count)..count).map(line).collect();
            stream(&all, if asked < 4 { End::Torn } else { End::Whole })
        },
    );
    let outcome = api
        .sandbox
        .kaiwo(&["logs", "-f", "x", "--tail", "0"])
        .exits(0);
    let expected: String = (500..512).map(text).collect();
    assert_eq!(outcome.stdout, expected);
}

#[test]
fn a_container_that_is_started_again_is_followed() {
    static ASKED: AtomicU32 = AtomicU32::new(0);
    let api = MockApi::new(|request| {
        let asked = ASKED.load(Ordering::Relaxed);
        let pod = pod("x-a", "a", json!({}));
        let (job, pod) = match asked {
            0 => (job("x"), pod),
            1..4 => (job("x"), started_again(pod, 1)),
            _ => (ended(), succeeded(started_again(pod, 1))),
        };
        match request.path.strip_prefix(PODS) {
            None if request.path.ends_with("/jobs/x") => Some(Answer::Json(200, job)),
            Some("") => Some(Answer::Json(200, list(&[pod]))),
            Some("/x-a") => Some(Answer::Json(200, pod)),
            Some("/x-a/log") => {
                let is_previous = parameter(request, "previous") == Some("true");
                let from = first(request, 0);
                Some(match (ASKED.fetch_add(1, Ordering::Relaxed), is_previous) {
                    (0, false) => stream(&(0..10).map(line).collect::<String>(), End::Torn),
                    (_, true) => stream(&(from..20).map(line).collect::<String>(), End::Whole),
                    (_, false) => stream(
                        &(from.max(1000)..1010).map(line).collect::<String>(),
                        End::Whole,
                    ),
                })
            }
            _ => None,
        }
    });
    let outcome = api
        .sandbox
        .kaiwo(&["logs", "-f", "x"])
        .exits(0)
        .says("→ pod x-a: the container was restarted (1)");
    let expected: String = (0..20).chain(1000..1010).map(text).collect();
    assert_eq!(outcome.stdout, expected);
}

/// The API server answers, and does not reach the node.
#[test]
fn a_node_that_is_away_is_waited_for() {
    static ASKED: AtomicU32 = AtomicU32::new(0);
    let asked = of(&ASKED);
    let api = one_pod(
        move || asked() > 4,
        |request| {
            let all: String = (first(request, 0)..300).map(line).collect();
            match ASKED.fetch_add(1, Ordering::Relaxed) {
                0 => stream(&(0..150).map(line).collect::<String>(), End::Torn),
                1 => Answer::Close,
                2 | 3 => Answer::Refuse(502, NO_NODE),
                _ => stream(&all, End::Whole),
            }
        },
    );
    let outcome = api
        .sandbox
        .kaiwo(&["logs", "-f", "x"])
        .exits(0)
        .says(&format!(
            "→ pod x-a: cannot read its log: {NO_NODE}; retrying\n→ pod x-a: its log can be read again\n"
        ));
    assert_eq!(outcome.stdout, (0..300).map(text).collect::<String>());
    assert!(!outcome.stderr.contains("cluster"), "{}", outcome.stderr);
}

/// The node controller has noticed, and says so of the pod.
#[test]
fn a_node_that_does_not_answer_is_named() {
    static ASKED: AtomicU32 = AtomicU32::new(0);
    let api = MockApi::new(|request| {
        let mut pod = pod("x-a", "a", json!({}));
        let (job, pod) = match ASKED.load(Ordering::Relaxed) {
            0 => (job("x"), pod),
            1..6 => {
                pod["status"]["conditions"] = json!([
                    {"type": "Ready", "status": "False"},
                    {"type": "ContainersReady", "status": "True"},
                ]);
                (job("x"), pod)
            }
            _ => (ended(), succeeded(pod)),
        };
        match request.path.strip_prefix(PODS) {
            None if request.path.ends_with("/jobs/x") => Some(Answer::Json(200, job)),
            Some("") => Some(Answer::Json(200, list(&[pod]))),
            Some("/x-a") => Some(Answer::Json(200, pod)),
            Some("/x-a/log") => Some(match ASKED.fetch_add(1, Ordering::Relaxed) {
                0 => stream(&(0..10).map(line).collect::<String>(), End::Torn),
                1..6 => Answer::Refuse(502, NO_NODE),
                _ => stream(&(0..20).map(line).collect::<String>(), End::Whole),
            }),
            _ => None,
        }
    });
    let outcome = api
        .sandbox
        .kaiwo(&["logs", "-f", "x"])
        .exits(0)
        .says("→ pod x-a: its node n is not responding; the log continues when it is back\n")
        .says("→ pod x-a: its log can be read again\n");
    assert_eq!(outcome.stdout, (0..20).map(text).collect::<String>());
}

#[test]
fn a_reader_that_goes_ends_it_at_once() {
    // The second line would come after an hour.
    let api = one_pod(
        || false,
        |_| {
            let text = line(0);
            let answer = format!(
                "HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{text}\r\n",
                text.len()
            );
            // A chunk that never ends.
            Answer::Hold(answer.into_bytes())
        },
    );
    let line = format!(
        "set -o pipefail; {} logs -f x | head -1; echo \"${{PIPESTATUS[@]}}\"",
        crate::common::binary()
    );
    let mut bash = api.sandbox.shell(&line);
    let mut child = bash
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "step 0");
    assert_eq!(lines.next().unwrap().unwrap(), "0 0");
    assert!(child.wait().unwrap().success());
    // It has not asked again, as for a stream that is silent for long.
    let requests = api.requests();
    assert_eq!(
        requests
            .iter()
            .filter(|request| request.path.ends_with("/log"))
            .count(),
        1
    );
}

/// Looks at the workload move a Job of two attempts on: the first fails when it
/// was read, and the second comes after it.
#[test]
fn it_is_told_where_the_next_attempt_begins() {
    static READ: AtomicU32 = AtomicU32::new(0);
    let api = MockApi::new(|request| {
        let read = READ.load(Ordering::Relaxed);
        let mut job = if read > 2 { ended() } else { job("x") };
        job["spec"]["backoffLimit"] = json!(2);
        job["status"]["failed"] = json!(read.min(1));
        let mut first = pod("x-a", "a", json!({}));
        if read > 0 {
            first["status"]["phase"] = json!("Failed");
            first["status"]["containerStatuses"][0]["state"] =
                json!({"terminated": {"exitCode": 1}});
        }
        let second = match read > 2 {
            true => succeeded(pod("x-b", "b", json!({}))),
            false => pod("x-b", "b", json!({})),
        };
        let mut pods = vec![first.clone()];
        // While the rest of the first one's log is still to be read.
        pods.extend((read > 0).then(|| second.clone()));
        let log = |from: u32| {
            READ.fetch_add(1, Ordering::Relaxed);
            stream(&(from..from + 2).map(line).collect::<String>(), End::Whole)
        };
        match request.path.strip_prefix(PODS) {
            None if request.path.ends_with("/jobs/x") => Some(Answer::Json(200, job)),
            Some("") => Some(Answer::Json(200, list(&pods))),
            Some("/x-a") => Some(Answer::Json(200, first)),
            Some("/x-b") => Some(Answer::Json(200, second)),
            Some("/x-a/log") => Some(log(0)),
            Some("/x-b/log") => Some(log(1000)),
            _ => None,
        }
    });
    let outcome = api
        .sandbox
        .kaiwo(&["logs", "-f", "x"])
        .exits(0)
        .says("→ attempt 2 of 3, pod x-b\n");
    let expected: String = (0..2).chain(1000..1002).map(text).collect();
    assert_eq!(outcome.stdout, expected);
}
