//! Workloads of two kinds and one name, which an operator would mix up.

use serde_json::{Value, json};

use super::server::{Answer, MockApi, Request, groups, list};
use super::trouble::is;
use crate::common::Outcome;

/// Serves everything that kaiwo knows, and these objects by the ends of their
/// paths.
fn cluster(objects: Vec<(&'static str, Value)>) -> MockApi {
    MockApi::new(move |request| {
        if is(request, "GET", "/apis") {
            let mut served = groups(&["v1beta2"], &["v1"]);
            let kaito = json!({"name": "kaito.sh", "versions": [{"version": "v1beta1"}]});
            served["groups"].as_array_mut().unwrap().push(kaito);
            return Some(Answer::Json(200, served));
        }
        let mut objects = objects.iter();
        let found = objects.find(|(path, _)| is(request, "GET", path));
        found.map(|(_, object)| Answer::Json(200, object.clone()))
    })
}

fn object(name: &str, owner: Option<(&str, &str)>) -> Value {
    let owners: Vec<Value> = owner
        .into_iter()
        .map(|(kind, name)| json!({"kind": kind, "name": name, "uid": name, "controller": true}))
        .collect();
    json!({"metadata": {"name": name, "namespace": "kaiwo", "uid": "u", "ownerReferences": owners}})
}

/// Checks that a name is refused, whatever else is said, before anything is made
/// and without a word about deleting what has it.
fn is_refused(run: impl Fn(&MockApi, &[&str]) -> Outcome, api: &MockApi, says: &str) {
    let ways: [&[&str]; 4] = [
        &[],
        &["--dry-run=server"],
        &["--replace"],
        &["--replace", "--force"],
    ];
    for way in ways {
        let outcome = run(api, way).exits(5).says(says);
        for hint in outcome.stderr.lines().filter(|it| it.starts_with("help:")) {
            let beside = hint.contains("--generate-name") || hint.contains("--name alice-");
            assert!(beside, "{}", outcome.stderr);
        }
        assert!(!outcome.stderr.contains("delete"), "{}", outcome.stderr);
        assert!(
            !outcome.stderr.contains("not created by"),
            "{}",
            outcome.stderr
        );
    }
    assert!(
        api.requests().iter().all(|request| request.method == "GET"),
        "{:?}",
        api.requests()
    );
}

#[test]
fn a_rayjob_is_refused_the_name_of_a_job() {
    let run = |api: &MockApi, more: &[&str]| api.submit(&[&["-g", "8", "--ray"], more].concat());
    let says = "job/alice-w already exists and conflicts with rayjob/alice-w: KubeRay creates a Job with the name of the RayJob";
    is_refused(
        run,
        &cluster(vec![("/jobs/alice-w", object("alice-w", None))]),
        says,
    );
    let _ = run(
        &cluster(vec![("/jobs/alice-w", object("alice-w", None))]),
        &[],
    )
    .exits(5)
    .says("help: kaiwo submit -p w -g 8 --ray --name alice-w-2  # ");
}

#[test]
fn a_job_is_refused_the_name_of_a_rayjob() {
    let run = |api: &MockApi, more: &[&str]| api.submit(&[&["-g", "8"], more].concat());
    let ray_job = ("/rayjobs/alice-w", object("alice-w", None));
    let submitter = (
        "/jobs/alice-w",
        object("alice-w", Some(("RayJob", "alice-w"))),
    );
    let says = "rayjob/alice-w already exists and conflicts with job/alice-w: ";
    is_refused(run, &cluster(vec![ray_job.clone()]), says);
    is_refused(run, &cluster(vec![ray_job, submitter.clone()]), says);
    // Who may not see the RayJob sees whose the Job is.
    let says = "job/alice-w already exists and belongs to rayjob/alice-w";
    is_refused(run, &cluster(vec![submitter]), says);
    let part = (
        "/jobs/alice-w",
        object("alice-w", Some(("CronJob", "nightly"))),
    );
    let says = "job/alice-w already exists and belongs to cronjob/nightly";
    is_refused(run, &cluster(vec![part]), says);
}

#[test]
fn what_kaito_makes_takes_names_too() {
    let serve = |api: &MockApi, more: &[&str]| api.serve(&[&["-g", "1"], more].concat());
    let workspace = ("/workspaces/alice-w", object("alice-w", None));
    let says =
        "workspace/alice-w already exists and conflicts with deployment/alice-w: KAITO creates";
    is_refused(serve, &cluster(vec![workspace.clone()]), says);

    let kaito = |api: &MockApi, more: &[&str]| {
        let machine = "--instance-type=Standard_NC24ads_A100_v4";
        let arguments = ["serve", "-m=phi-4", machine, "--name=alice-w"];
        api.sandbox.kaiwo(&[&arguments, more].concat())
    };
    for (path, owner, says) in [
        (
            "/deployments/alice-w",
            None,
            "deployment/alice-w already exists",
        ),
        (
            "/services/alice-w",
            Some(("Job", "alice-w")),
            "job/alice-w already exists",
        ),
        ("/services/alice-w", None, "service/alice-w already exists"),
        (
            "/statefulsets/alice-w",
            None,
            "statefulset/alice-w already exists",
        ),
    ] {
        is_refused(
            kaito,
            &cluster(vec![(path, object("alice-w", owner))]),
            says,
        );
    }

    let job = |api: &MockApi, more: &[&str]| api.submit(&[&["-g", "8"], more].concat());
    let mut tuning = object("alice-w", None);
    tuning["tuning"] = json!({"method": "lora"});
    let says = "conflicts with job/alice-w: KAITO creates a Job";
    is_refused(job, &cluster(vec![("/workspaces/alice-w", tuning)]), says);
    // One that serves makes no Job.
    let _ = job(&cluster(vec![workspace]), &[]).exits(0);
}

/// The Job of a RayJob that was just deleted would be taken for that of the next.
#[test]
fn what_is_left_of_an_earlier_workload_of_the_name_is_waited_for() {
    let mut looks = 0;
    let api = MockApi::new(move |request| {
        if !is(request, "GET", "/jobs/alice-w") {
            return None;
        }
        looks += 1;
        let left = object("alice-w", Some(("RayJob", "alice-w")));
        (looks < 4).then_some(Answer::Json(200, left))
    });
    let _ = api.submit(&["-g", "8", "--ray"]).exits(0).says("created");
    let requests = api.requests();
    let last = requests.iter().rposition(|r| is(r, "GET", "/jobs/alice-w"));
    let created = requests.iter().position(Request::is_write);
    assert!(last < created, "{requests:?}");
}

/// A Job and a RayJob of one name, as earlier versions have let them be.
fn both() -> MockApi {
    MockApi::new(|request| {
        let named = |name: &str, uid: &str| json!({"name": name, "namespace": "kaiwo", "uid": uid});
        let pod = |name: &str, labels: Value| {
            let mut metadata = named(name, name);
            metadata["labels"] = labels;
            json!({"metadata": metadata, "spec": {"containers": [{"name": "c"}]},
                   "status": {"phase": "Running", "containerStatuses": [
                       {"name": "c", "ready": true, "state": {"running": {}}}]}})
        };
        let json = match request.path.rsplit('/').next()? {
            "alice-w" if request.path.contains("/jobs/") => {
                json!({"metadata": named("alice-w", "job"), "spec": {}, "status": {"active": 1, "ready": 1}})
            }
            "alice-w" if request.path.contains("/rayjobs/") => json!({
                "metadata": named("alice-w", "ray"), "spec": {},
                "status": {"jobDeploymentStatus": "Initializing", "rayClusterName": "alice-w-abcde"},
            }),
            "jobs" => list(&[json!({"metadata": named("alice-w", "job")})]),
            "rayjobs" => list(&[json!({
                "metadata": named("alice-w", "ray"), "spec": {},
                "status": {"jobDeploymentStatus": "Initializing", "rayClusterName": "alice-w-abcde"},
            })]),
            "pods" => {
                let of_job = json!({"batch.kubernetes.io/job-name": "alice-w",
                                    "batch.kubernetes.io/controller-uid": "job"});
                let head = json!({"ray.io/cluster": "alice-w-abcde", "ray.io/node-type": "head"});
                let pods = [("of-the-job", of_job), ("head", head)];
                let pods = pods.map(|(name, labels)| pod(name, labels));
                let query = &request.query;
                let selects = |pod: &&Value| {
                    let mut labels = pod["metadata"]["labels"].as_object().unwrap().iter();
                    query.is_empty()
                        || labels.any(|(key, value)| {
                            let key = key.replace('/', "%2F");
                            query.contains(&format!("{key}%3D{}", value.as_str().unwrap()))
                        })
                };
                list(&pods.iter().filter(selects).cloned().collect::<Vec<_>>())
            }
            "events" | "configmaps" => list(&[]),
            "log" => {
                return Some(Answer::Raw(
                    b"HTTP/1.1 200 X\r\n\r\n2026-01-01T00:00:00Z of the job\n".to_vec(),
                ));
            }
            _ => return None,
        };
        Some(Answer::Json(200, json))
    })
}

#[test]
fn the_pods_of_a_rayjob_are_those_of_what_it_owns() {
    let api = both();
    let status = api.sandbox.kaiwo(&["status", "rayjob/alice-w"]).exits(0);
    assert!(status.stdout.contains("head"), "{}", status.stdout);
    assert!(!status.stdout.contains("of-the-job"), "{}", status.stdout);
    let logs = api.sandbox.kaiwo(&["logs", "rayjob/alice-w"]);
    assert!(!logs.stdout.contains("of the job"), "{}", logs.stdout);
    let logs = api.sandbox.kaiwo(&["logs", "job/alice-w"]).exits(0);
    assert_eq!(logs.stdout, "of the job\n");
}

#[test]
fn what_another_schedule_started_is_deleted_with_it() {
    let started = object("nightly-1", Some(("CronJob", "nightly")));
    let api = cluster(vec![("/jobs/nightly-1", started)]);
    let whole = "kaiwo delete cronjob/nightly -n kaiwo --force";
    let _ = api
        .sandbox
        .kaiwo(&["delete", "job/nightly-1", "-y"])
        .exits(3)
        .says("job/nightly-1 belongs to cronjob/nightly")
        .says(whole);
    let status = api.sandbox.kaiwo(&["status", "job/nightly-1"]).exits(0);
    assert!(status.stdout.contains(whole), "{}", status.stdout);
}

#[test]
fn what_submits_a_rayjob_is_not_offered_for_deletion() {
    let submitter = object("alice-w", Some(("RayJob", "alice-w")));
    let api = cluster(vec![("/jobs/alice-w", submitter)]);
    let outcome = api.sandbox.kaiwo(&["delete", "job/alice-w", "-y"]).exits(3);
    let outcome = outcome
        .says("job/alice-w belongs to rayjob/alice-w")
        .says("help: kaiwo delete rayjob/alice-w -n kaiwo  # ");
    assert!(!outcome.stderr.contains("--force"), "{}", outcome.stderr);
    assert_eq!(api.writes(), [] as [&str; 0]);
}
