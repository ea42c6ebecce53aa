//! Stands in for the dashboards of all Ray clusters: KubeRay asks them how jobs and Serve applications fare.
//!
//! No Ray runs in KWOK's pods, and inside the testbed's namespace every pod address is this host, so one server on
//! the dashboard's port answers for all of them. A job runs for a moment and then succeeds, or fails if its entrypoint
//! or id says `fail`; a Serve application is up a moment after it was put, unless its name or import path says `fail`.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::sync::Mutex;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::{Method, Request, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::http::{self, Answer};
use crate::testbed::cluster::Cluster;

pub const DASHBOARD_PORT: u16 = 8265;
/// How long a job runs and an application deploys: long enough to be seen on the way.
const TAKES: Duration = Duration::from_millis(1500);

#[derive(Debug, Default)]
struct Dashboard {
    /// By the pod's address and the submission's id.
    jobs: HashMap<(IpAddr, String), Job>,
    /// By the pod's address: the configuration that was put, and when.
    serve: HashMap<IpAddr, (Value, Duration)>,
    /// Who has the address: later pods get those of earlier ones, and know nothing of their applications.
    pods: HashMap<IpAddr, String>,
}

#[derive(Debug)]
struct Job {
    entrypoint: String,
    since: Duration,
}

/// Serves dashboards until the future is dropped.
pub async fn serve(cluster: Cluster) -> Result<()> {
    let dashboards = TcpListener::bind((Ipv4Addr::UNSPECIFIED, DASHBOARD_PORT))
        .await
        .with_context(|| format!("failed to listen on port {DASHBOARD_PORT}"))?;
    let dashboard = Rc::new(Mutex::new(Dashboard::default()));
    let connections = tokio::task::LocalSet::new();
    connections
        .run_until(async {
            loop {
                let Ok((stream, _)) = dashboards.accept().await else {
                    continue;
                };
                // The address that was called tells which pod is meant.
                let Ok(pod) = stream.local_addr() else {
                    continue;
                };
                let (dashboard, cluster) = (Rc::clone(&dashboard), cluster.clone());
                tokio::task::spawn_local(async move {
                    http::converse(stream, async |request| {
                        handle(&dashboard, &cluster, pod.ip(), request).await
                    })
                    .await;
                });
            }
        })
        .await
}

async fn handle(
    dashboard: &Mutex<Dashboard>,
    cluster: &Cluster,
    pod: IpAddr,
    request: Request<Incoming>,
) -> Answer {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let Ok(body) = request.into_body().collect().await else {
        return (StatusCode::BAD_REQUEST, json!({}));
    };
    let body = serde_json::from_slice(&body.to_bytes()).unwrap_or(Value::Null);
    // A RayJob's submitter pod would have submitted its job here; it runs nothing, so the RayJob itself is asked.
    if let Some(id) = path.strip_prefix("/api/jobs/")
        && method == Method::GET
        && !id.is_empty()
        && !id.contains('/')
        && !lock(dashboard).jobs.contains_key(&(pod, id.to_owned()))
    {
        let entrypoint = entrypoint(cluster, id).await.unwrap_or_default();
        lock(dashboard).submit(pod, id, entrypoint, now());
    }
    if path.starts_with("/api/serve/")
        && let Some(uid) = uid_at(cluster, pod).await
    {
        lock(dashboard).is_now(pod, uid);
    }
    lock(dashboard).answer(&method, &path, pod, &body, now())
}

/// Returns the identity of the pod that has this address.
async fn uid_at(cluster: &Cluster, pod: IpAddr) -> Option<String> {
    let path = format!("/api/v1/pods?fieldSelector=status.podIP%3D{pod}%2Cstatus.phase%3DRunning");
    let pods: Value = cluster.get(&path).await.ok()?;
    let pods = pods["items"].as_array()?;
    let newest = pods
        .iter()
        .max_by_key(|pod| pod["metadata"]["creationTimestamp"].as_str())?;
    Some(newest["metadata"]["uid"].as_str()?.to_owned())
}

/// Returns the entrypoint of the RayJob whose submission has this id.
async fn entrypoint(cluster: &Cluster, id: &str) -> Option<String> {
    let jobs: Value = cluster.get("/apis/ray.io/v1/rayjobs").await.ok()?;
    let job = jobs["items"]
        .as_array()?
        .iter()
        .find(|job| job["status"]["jobId"] == id)?;
    Some(job["spec"]["entrypoint"].as_str()?.to_owned())
}

fn lock(dashboard: &Mutex<Dashboard>) -> std::sync::MutexGuard<'_, Dashboard> {
    dashboard
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn now() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

impl Dashboard {
    /// Forgets the applications of another pod that had this address.
    fn is_now(&mut self, pod: IpAddr, uid: String) {
        let before = self.pods.insert(pod, uid.clone());
        if before.is_some_and(|before| before != uid) {
            self.serve.remove(&pod);
        }
    }

    fn submit(&mut self, pod: IpAddr, id: &str, entrypoint: String, now: Duration) {
        self.jobs.entry((pod, id.to_owned())).or_insert(Job {
            entrypoint,
            since: now,
        });
    }

    /// Answers one request to the dashboard of the pod with this address.
    fn answer(
        &mut self,
        method: &Method,
        path: &str,
        pod: IpAddr,
        body: &Value,
        now: Duration,
    ) -> Answer {
        if path.starts_with("/api/serve/applications") {
            return match *method {
                Method::PUT => {
                    self.serve.insert(pod, (body.clone(), now));
                    (StatusCode::OK, json!({}))
                }
                Method::DELETE => {
                    self.serve.remove(&pod);
                    (StatusCode::OK, json!({}))
                }
                _ => (StatusCode::OK, self.applications(pod, now)),
            };
        }
        let Some(id) = path
            .strip_prefix("/api/jobs")
            .map(|rest| rest.trim_matches('/'))
        else {
            return match path {
                "/api/version" => (
                    StatusCode::OK,
                    json!({ "ray_version": "2.46.0", "version": "4" }),
                ),
                _ => (StatusCode::NOT_FOUND, json!({})),
            };
        };
        let (id, action) = id.split_once('/').unwrap_or((id, ""));
        match (method, id, action) {
            (&Method::POST, "", _) => {
                let id = body["submission_id"]
                    .as_str()
                    .unwrap_or("raysubmit_testbed")
                    .to_owned();
                self.submit(
                    pod,
                    &id,
                    body["entrypoint"].as_str().unwrap_or_default().to_owned(),
                    now,
                );
                (StatusCode::OK, json!({ "job_id": id, "submission_id": id }))
            }
            (&Method::GET, "", _) => {
                let of_pod = self.jobs.iter().filter(|((address, _), _)| *address == pod);
                (
                    StatusCode::OK,
                    of_pod.map(|((_, id), job)| job.describe(id, now)).collect(),
                )
            }
            (&Method::POST, _, "stop") => (StatusCode::OK, json!({ "stopped": true })),
            (&Method::GET, _, "logs") => (StatusCode::OK, json!({ "logs": "" })),
            (&Method::DELETE, ..) => {
                self.jobs.remove(&(pod, id.to_owned()));
                (StatusCode::OK, json!({}))
            }
            _ => match self.jobs.get(&(pod, id.to_owned())) {
                Some(job) => (StatusCode::OK, job.describe(id, now)),
                None => (StatusCode::NOT_FOUND, json!({})),
            },
        }
    }

    fn applications(&self, pod: IpAddr, now: Duration) -> Value {
        let mut applications = json!({});
        if let Some((config, since)) = self.serve.get(&pod) {
            let over = now.saturating_sub(*since) >= TAKES;
            for wanted in config["applications"].as_array().into_iter().flatten() {
                let name = wanted["name"].as_str().unwrap_or("default");
                let import_path = wanted["import_path"].as_str().unwrap_or_default();
                let fails = name.contains("fail") || import_path.contains("fail");
                let (application, deployment, message) = match (over, fails) {
                    (false, _) => ("DEPLOYING", Some("UPDATING"), String::new()),
                    (true, false) => ("RUNNING", Some("HEALTHY"), String::new()),
                    // What cannot be imported has no deployments.
                    (true, true) => ("DEPLOY_FAILED", None, failed_import(name, import_path)),
                };
                let deployments: Value = deployment
                    .map(|status| {
                        (
                            "Deployment".to_owned(),
                            json!({ "name": "Deployment", "status": status, "message": "" }),
                        )
                    })
                    .into_iter()
                    .collect::<serde_json::Map<_, _>>()
                    .into();
                applications[name] = json!({
                    "name": name,
                    "route_prefix": wanted["route_prefix"],
                    "status": application,
                    "message": message,
                    "last_deployed_time_s": since.as_secs_f64(),
                    "deployments": deployments,
                });
            }
        }
        json!({ "controller_info": {}, "proxies": {}, "applications": applications })
    }
}

/// Returns the words of Ray Serve (v2.50, `application_state.py`) for an application that cannot be imported.
fn failed_import(name: &str, import_path: &str) -> String {
    let module = import_path.split(':').next().unwrap_or_default();
    format!(
        "Deploying app '{name}' failed with exception:\nTraceback (most recent call last):\n  \
         File \"/workload/app/__init__.py\", line 1, in <module>\nModuleNotFoundError: No module named '{module}'\n"
    )
}

impl Job {
    fn describe(&self, id: &str, now: Duration) -> Value {
        let ended = now.saturating_sub(self.since) >= TAKES;
        let status = match (
            ended,
            id.contains("fail") || self.entrypoint.contains("fail"),
        ) {
            (false, _) => "RUNNING",
            (true, false) => "SUCCEEDED",
            (true, true) => "FAILED",
        };
        let start = self.since.as_millis() as u64;
        json!({
            "type": "SUBMISSION",
            "job_id": "01000000",
            "submission_id": id,
            "status": status,
            "entrypoint": self.entrypoint,
            "message": format!("the testbed's job is {}", status.to_lowercase()),
            "start_time": start,
            "end_time": if ended { start + TAKES.as_millis() as u64 } else { 0 },
            "metadata": {},
            "runtime_env": {},
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POD: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 1, 0, 2));
    const OTHER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 1, 0, 3));
    const START: Duration = Duration::from_secs(1_000);

    fn get(dashboard: &mut Dashboard, path: &str, pod: IpAddr, age: Duration) -> Answer {
        dashboard.answer(&Method::GET, path, pod, &Value::Null, START + age)
    }

    fn status_of(entrypoint: &str, id: &str, age: Duration) -> Value {
        let mut dashboard = Dashboard::default();
        let body = json!({ "submission_id": id, "entrypoint": entrypoint });
        let (_, answer) = dashboard.answer(&Method::POST, "/api/jobs/", POD, &body, START);
        assert_eq!(answer["submission_id"], id);
        get(&mut dashboard, &format!("/api/jobs/{id}"), POD, age).1["status"].clone()
    }

    #[test]
    fn jobs_run_and_end_as_their_words_say() {
        assert_eq!(
            status_of("python main.py", "train-x", Duration::ZERO),
            "RUNNING"
        );
        assert_eq!(status_of("python main.py", "train-x", TAKES), "SUCCEEDED");
        assert_eq!(status_of("python fail.py", "train-x", TAKES), "FAILED");
        assert_eq!(status_of("python main.py", "failing-x", TAKES), "FAILED");
    }

    #[test]
    fn clusters_do_not_see_each_other() {
        let mut dashboard = Dashboard::default();
        dashboard.submit(POD, "a", String::new(), START);
        assert_eq!(
            get(&mut dashboard, "/api/jobs/a", OTHER, TAKES).0,
            StatusCode::NOT_FOUND
        );
        assert_eq!(get(&mut dashboard, "/api/jobs/", OTHER, TAKES).1, json!([]));
        assert_eq!(
            get(&mut dashboard, "/api/jobs/", POD, TAKES).1[0]["submission_id"],
            "a"
        );
    }

    #[test]
    fn applications_come_up_after_being_put() {
        let mut dashboard = Dashboard::default();
        let path = "/api/serve/applications/";
        assert_eq!(
            get(&mut dashboard, path, POD, TAKES).1["applications"],
            json!({})
        );
        let config = json!({ "applications": [{ "name": "llm", "route_prefix": "/" }] });
        dashboard.answer(&Method::PUT, path, POD, &config, START);
        assert_eq!(
            get(&mut dashboard, path, POD, Duration::ZERO).1["applications"]["llm"]["status"],
            "DEPLOYING"
        );
        dashboard.is_now(POD, "one".to_owned());
        dashboard.is_now(POD, "one".to_owned());
        let (_, up) = get(&mut dashboard, path, POD, TAKES);
        assert_eq!(up["applications"]["llm"]["status"], "RUNNING");
        assert_eq!(
            up["applications"]["llm"]["deployments"]["Deployment"]["status"],
            "HEALTHY"
        );
        assert_eq!(
            get(&mut dashboard, path, OTHER, TAKES).1["applications"],
            json!({})
        );

        dashboard.is_now(POD, "two".to_owned());
        assert_eq!(
            get(&mut dashboard, path, POD, TAKES).1["applications"],
            json!({}),
            "another pod at this address"
        );

        let config = json!({ "applications": [{ "name": "llm", "import_path": "fails:app" }] });
        dashboard.answer(&Method::PUT, path, POD, &config, START);
        let (_, down) = get(&mut dashboard, path, POD, TAKES);
        let application = &down["applications"]["llm"];
        assert_eq!(application["status"], "DEPLOY_FAILED");
        assert!(
            application["message"]
                .as_str()
                .unwrap()
                .ends_with("No module named 'fails'\n")
        );
        assert_eq!(application["deployments"], json!({}));
    }

    #[test]
    fn a_stopped_or_forgotten_job_is_answered() {
        let mut dashboard = Dashboard::default();
        dashboard.submit(POD, "a", String::new(), START);
        assert_eq!(
            dashboard
                .answer(&Method::POST, "/api/jobs/a/stop", POD, &Value::Null, START)
                .1["stopped"],
            true
        );
        dashboard.answer(&Method::DELETE, "/api/jobs/a", POD, &Value::Null, START);
        assert_eq!(
            get(&mut dashboard, "/api/jobs/a", POD, TAKES).0,
            StatusCode::NOT_FOUND
        );
    }
}
