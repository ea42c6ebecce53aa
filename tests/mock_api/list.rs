//! `kaiwo list` against a scripted API server: pages, pipes, rights.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::sync::{Arc, Mutex, mpsc};

use serde_json::{Value, json};

use super::json::is_golden;
use super::server::{Answer, MockApi, Request, groups, list};
use super::trouble::is;
use crate::common::{Outcome, binary};

/// Jobs of one page.
const PAGE: usize = 500;

/// Returns a Job of kaiwo's.
fn job(index: usize, spec: Value, status: Value) -> Value {
    json!({
        "metadata": {
            "name": format!("job-{index:05}"), "namespace": "kaiwo", "uid": format!("uid-{index}"),
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": {
                "app.kubernetes.io/managed-by": "kaiwo", "kaiwo-cli/username": "alice",
                "kueue.x-k8s.io/queue-name": "team",
            },
        },
        "spec": spec, "status": status,
    })
}

fn complete(index: usize) -> Value {
    let conditions = json!([{"type": "Complete", "status": "True"}]);
    job(index, json!({}), json!({"conditions": conditions}))
}

fn waiting(index: usize) -> Value {
    job(index, json!({"suspend": true}), json!({}))
}

/// Answers with a page of Jobs, as the API server does: of `all`, those from
/// where the token says.
fn page(request: &Request, all: usize, job: fn(usize) -> Value) -> Option<Answer> {
    is(request, "GET", "/namespaces/kaiwo/jobs").then(|| {
        assert!(request.query.contains("limit=500"), "{}", request.query);
        let begin = begin(request);
        let end = all.min(begin + PAGE);
        let mut page = list(&(begin..end).map(job).collect::<Vec<_>>());
        if end < all {
            page["metadata"] = json!({"continue": format!("from-{end}")});
        }
        Answer::Json(200, page)
    })
}

/// Returns where a page begins.
fn begin(request: &Request) -> usize {
    let token = request.query.split_once("continue=from-");
    token.map_or(0, |(_, token)| {
        token.split('&').next().unwrap().parse().unwrap()
    })
}

/// Returns how often a collection was asked for.
fn asked(api: &MockApi, collection: &str) -> usize {
    let requests = api.requests();
    let of = requests
        .iter()
        .filter(|request| request.path.ends_with(collection));
    of.count()
}

#[test]
fn ten_thousand_finished_jobs_cost_their_pages_and_nothing_else() {
    let api = MockApi::new(|request| page(request, 10_000, complete));
    let outcome = api
        .sandbox
        .kaiwo(&["list", "--status", "succeeded"])
        .exits(0);
    let lines: Vec<&str> = outcome.stdout.lines().collect();
    assert_eq!(lines.len(), 10_001);
    assert_eq!(
        lines[0],
        "NAME       KIND          STATUS     QUEUE  POS  GPUS  USER   REASON  AGE"
    );
    assert!(
        lines[10_000].starts_with("job-09999  Job           Succeeded  team           0  alice"),
        "{}",
        lines[10_000]
    );
    assert_eq!(asked(&api, "/jobs"), 20);
    // What is served, and the first page of every other kind.
    assert_eq!(api.requests().len(), 20 + 1 + 4, "{:?}", api.requests());
}

#[test]
fn waiting_jobs_are_explained_with_few_requests() {
    // All on one page, unless that is larger than an answer may be.
    for (all, values, workloads) in [(20, 0, 1), (1_200, 0, 1), (1_200, 2_000_000, 1 + 3)] {
        let api = MockApi::new(move |request| {
            if request.path.ends_with("/workloads") {
                let every = !request.query.contains("labelSelector");
                assert_eq!(every, all > 50, "{}", request.query);
                let size = match request.query.contains("limit=5000") {
                    true if values > 0 => {
                        let mut large = list(&[]);
                        large["zeros"] = json!(vec![0; values]);
                        return Some(Answer::Json(200, large));
                    }
                    true => 5_000,
                    false => PAGE,
                };
                let begin = begin(request);
                let end = all.min(begin + size);
                let queued = (begin..end).map(|index| {
                    json!({
                        "metadata": {
                            "name": format!("w-{index}"),
                            "labels": {"kueue.x-k8s.io/job-uid": format!("uid-{index}")},
                        },
                        "status": {"conditions": [{
                            "type": "QuotaReserved", "status": "False", "message": format!("why-{index}"),
                        }]},
                    })
                });
                let mut page = list(&queued.collect::<Vec<_>>());
                if end < all {
                    page["metadata"] = json!({"continue": format!("from-{end}")});
                }
                return Some(Answer::Json(200, page));
            }
            visible(request, all).or_else(|| page(request, all, waiting))
        });
        let outcome = api.sandbox.kaiwo(&["list"]).exits(0);
        let last = outcome.stdout.lines().last().unwrap();
        for words in [format!("why-{}", all - 1), format!(" {all} ")] {
            assert!(last.contains(&words), "{last}");
        }
        assert_eq!(outcome.stdout.lines().count(), all + 1);
        assert_eq!(asked(&api, "/workloads"), workloads);
        assert_eq!(asked(&api, "/pendingworkloads"), 1);
        assert_eq!(asked(&api, "/pods"), 0);
        // What is served, the pages of Jobs and of Workloads, positions in the queue, and
        // the first page of every other kind.
        let jobs = all.div_ceil(PAGE);
        let requests = api.requests();
        assert_eq!(requests.len(), 1 + jobs + workloads + 1 + 4, "{requests:?}");
    }
}

/// Answers for the visibility API.
fn visible(request: &Request, all: usize) -> Option<Answer> {
    if request.path == "/apis" {
        let mut served = groups(&["v1beta2"], &["v1"]);
        let version =
            json!({"groupVersion": "visibility.kueue.x-k8s.io/v1beta2", "version": "v1beta2"});
        let group = json!({"name": "visibility.kueue.x-k8s.io", "versions": [version]});
        served["groups"].as_array_mut().unwrap().push(group);
        return Some(Answer::Json(200, served));
    }
    request.path.ends_with("/localqueues/team/pendingworkloads").then(|| {
        let pending = (0..all).map(|index| {
            json!({
                "metadata": {"name": format!("w-{index}"), "ownerReferences": [{"uid": format!("uid-{index}")}]},
                "positionInClusterQueue": index,
            })
        });
        Answer::Json(200, list(&pending.collect::<Vec<_>>()))
    })
}

/// A longer name of a kind that comes later has its room from the first line.
#[test]
fn columns_of_several_kinds_are_aligned() {
    let api = MockApi::new(|request| {
        let deployments = is(request, "GET", "/namespaces/kaiwo/deployments").then(|| {
            let mut deployment = job(7, json!({"replicas": 1}), json!({}));
            deployment["metadata"]["name"] = json!("a-name-longer-than-those-above");
            Answer::Json(200, list(&[deployment]))
        });
        deployments.or_else(|| page(request, 2, complete))
    });
    let outcome = api.sandbox.kaiwo(&["list"]).exits(0);
    let at = outcome.stdout.find("KIND").unwrap();
    let kinds = outcome.stdout.lines().map(|line| &line[at..at + 3]);
    assert_eq!(kinds.collect::<Vec<_>>(), ["KIN", "Job", "Job", "Dep"]);
}

/// Who may not read Kueue's Workloads still learns the position.
#[test]
fn what_may_not_be_read_is_blank() {
    let api = MockApi::new(|request| {
        let forbidden = ["/workloads", "/rayjobs", "/deployments"];
        if forbidden.iter().any(|end| request.path.ends_with(end)) {
            return Some(Answer::Refuse(403, "User \"alice\" cannot list resource"));
        }
        visible(request, 2).or_else(|| page(request, 2, waiting))
    });
    let outcome = api.sandbox.kaiwo(&["list"]).exits(0);
    assert_eq!(outcome.stderr, "");
    let last = outcome.stdout.lines().last().unwrap();
    assert!(
        last.starts_with("job-00001  Job   Pending  team     2     0  alice"),
        "{last}"
    );
    // Who asks for a kind is told.
    let outcome = api
        .sandbox
        .kaiwo(&["list", "--kind", "rayjob,job"])
        .exits(0);
    assert_eq!(outcome.stdout.lines().count(), 3);
    let _ = outcome.says("cannot list RayJobs: ");
    let _ = api
        .sandbox
        .kaiwo(&["list", "--kind", "deploy"])
        .exits(4)
        .says("cannot list");
}

#[test]
fn rows_are_written_while_the_next_page_is_awaited() {
    let api = MockApi::new(|request| match begin(request) {
        0 => page(request, 1_000, complete),
        _ => Some(Answer::Hang),
    });
    let mut child = api
        .sandbox
        .command(&["list", "--request-timeout", "36000"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let read = lines.take(PAGE + 1).map(Result::unwrap).last().unwrap();
    assert!(read.starts_with("job-00499"), "{read}");
    assert!(child.try_wait().unwrap().is_none());
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_reader_that_goes_ends_the_listing() {
    for (reader, form) in [
        ("head -1", ""),
        ("grep -q job", ""),
        ("head -1", "-o json"),
        ("true", ""),
    ] {
        // There is no second page before the reader has gone.
        let (gone, wait) = mpsc::channel::<()>();
        let mut wait = Some(Arc::new(Mutex::new(wait)));
        let api = MockApi::new(move |request| {
            let page = page(request, 100 * PAGE, complete)?;
            Some(match wait.take_if(|_| begin(request) == PAGE) {
                Some(wait) => Answer::Late(wait, Box::new(page)),
                None => page,
            })
        });
        let line = format!(
            "{} list {form} --request-timeout 36000 | {{ {reader}; exec <&-; echo gone; }}; \
             echo ${{PIPESTATUS[0]}}",
            binary()
        );
        let mut bash = api.sandbox.shell(&line);
        bash.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut bash = bash.spawn().unwrap();
        let mut lines = BufReader::new(bash.stdout.take().unwrap()).lines();
        let mut lines = lines.by_ref().map(Result::unwrap);
        assert!(lines.any(|line| line == "gone"), "{line}");
        drop(gone);
        assert_eq!(lines.last().as_deref(), Some("0"), "{line}");
        assert_eq!(Outcome::of(bash.wait_with_output().unwrap()).stderr, "");
        let pages = asked(&api, "/jobs");
        assert!(pages < 10, "{line}: {pages} pages were asked for");
    }
}

/// A listing that takes very long goes on with what is there by then.
#[test]
fn an_expired_listing_goes_on() {
    let api = MockApi::new(|request| {
        if request.query.contains("continue=from-500") {
            let mut status = super::server::status(410, "too old");
            status["reason"] = json!("Expired");
            status["metadata"] = json!({"continue": "from-600"});
            return Some(Answer::Json(410, status));
        }
        page(request, 1_000, complete)
    });
    let outcome = api.sandbox.kaiwo(&["list", "-o", "name"]).exits(0);
    let names: Vec<&str> = outcome.stdout.lines().collect();
    assert_eq!(names.len(), 900);
    assert_eq!(names[500], "job.batch/job-00600");
}

#[test]
fn an_error_is_told_in_the_same_form_unless_data_is_out() {
    let broken = |pages: usize| {
        MockApi::new(move |request| {
            match begin(request) / PAGE {
                page if page < pages => None,
                _ => Some(Answer::Refuse(500, "etcd is gone")),
            }
            .or_else(|| page(request, 1_000, complete))
        })
    };
    // The first error is that of the very first question.
    let outcome = broken(0).sandbox.kaiwo(&["list", "-o", "json"]).exits(7);
    let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(report["kind"], "Error");
    let outcome = broken(1).sandbox.kaiwo(&["list", "-o", "json"]).exits(7);
    assert!(
        outcome
            .stdout
            .starts_with("{\n  \"apiVersion\": \"kaiwo/v1\",\n  \"kind\": \"WorkloadList\"")
    );
    assert_eq!(outcome.stdout.matches("\"name\": ").count(), PAGE);
    assert!(!outcome.stdout.contains("Error"));
    let _ = outcome.says("etcd is gone");
}

#[test]
fn nothing_is_said_on_stderr_and_is_no_error() {
    let api = MockApi::new(|_| None);
    for (arguments, says, stdout) in [
        (
            &["list"][..],
            "no workloads created by kaiwo in namespace kaiwo",
            "",
        ),
        (&["ls", "-A", "--any"], "no workloads in any namespace", ""),
        (
            &["list", "--mine", "-n", "x", "-o", "name"],
            "no matching workloads in namespace x",
            "",
        ),
        (
            &["list", "-o", "yaml"],
            "no workloads",
            "apiVersion: kaiwo/v1\nkind: WorkloadList\nitems:\n  []\n",
        ),
    ] {
        let outcome = api.sandbox.kaiwo(arguments).exits(0).says(says);
        assert_eq!(outcome.stdout, stdout);
    }
    let outcome = api.sandbox.kaiwo(&["list", "-o", "json"]).exits(0);
    is_golden("list_empty", &outcome);
    let _ = api
        .sandbox
        .kaiwo(&["list", "-w", "-o", "json"])
        .exits(2)
        .says("--watch");
}

#[test]
fn what_is_asked_for_is_selected_by_the_server() {
    let api = MockApi::new(|_| None);
    let selectors = |arguments: &[&str]| {
        let before = api.requests().len();
        let _ = api.sandbox.kaiwo(&[&["list"], arguments].concat()).exits(0);
        let mut lines: Vec<String> = api.requests()[before..]
            .iter()
            .filter(|request| request.path != "/apis")
            .map(|request| format!("{}?{}", request.path, request.query))
            .collect();
        lines.sort();
        lines
    };
    assert_eq!(
        selectors(&["--kind", "job", "--mine", "-l", "team in (a,b)"]),
        [
            "/apis/batch/v1/namespaces/kaiwo/jobs?limit=500&labelSelector=\
             app.kubernetes.io%2Fmanaged-by%3Dkaiwo%2Ckaiwo-cli%2Fusername%3Dalice%2Cteam%20in%20%28a%2Cb%29"
        ]
    );
    assert_eq!(
        selectors(&["--kind", "deploy,cj", "--any", "-A"]),
        [
            "/apis/apps/v1/deployments?limit=500",
            "/apis/batch/v1/cronjobs?limit=500"
        ]
    );
}

#[test]
fn a_listing_has_its_golden() {
    let api = MockApi::new(|request| {
        if request.path.ends_with("/localqueues") {
            let queue = json!({
                "metadata": {"name": "team", "namespace": "kaiwo"}, "spec": {"clusterQueue": "gpus"},
            });
            return Some(Answer::Json(200, list(&[queue])));
        }
        if request.path.ends_with("/workloads") {
            let queued = json!({
                "metadata": {"name": "w-0", "labels": {"kueue.x-k8s.io/job-uid": "uid-0"}},
                "status": {"conditions": [{
                    "type": "QuotaReserved", "status": "False", "reason": "Pending",
                    "message": "couldn't assign flavors to pod set main: insufficient quota",
                }]},
            });
            return Some(Answer::Json(200, list(&[queued])));
        }
        if request.path.ends_with("/pods") {
            let pod = json!({"metadata": {}, "spec": {"nodeName": "gpu-1"}, "status": {"phase": "Running"}});
            return Some(Answer::Json(200, list(&[pod])));
        }
        visible(request, 1).or_else(|| {
            page(request, 2, |index| match index {
                0 => waiting(0),
                _ => {
                    let mut running = job(index, json!({}), json!({"active": 1, "ready": 1}));
                    running["metadata"]["labels"]["app.kubernetes.io/version"] = json!("v2");
                    running
                }
            })
        })
    });
    let outcome = api.sandbox.kaiwo(&["list", "-o", "json"]).exits(0);
    is_golden("list", &outcome);
    let yaml = api.sandbox.kaiwo(&["list", "-o", "yaml"]).exits(0);
    let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(yaml.documents(), [report]);
    let wide = api.sandbox.kaiwo(&["list", "-o", "wide"]).exits(0);
    insta::assert_snapshot!("wide", ages(&wide.stdout));
}

/// Ages differ from day to day.
fn ages(text: &str) -> String {
    let age = regex::Regex::new(r"\b\d+[dy]\w*\b").unwrap();
    age.replace_all(text, "AGE").into_owned()
}
