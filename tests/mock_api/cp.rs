//! `kaiwo cp` against a server that answers for the container.

use std::net::TcpStream;

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::protocol::WebSocket;

use super::exec::{end, exit, say};
use super::logs::{job, pod};
use super::server::{Answer, MockApi, Request, list};

type Talk = fn(&mut WebSocket<TcpStream>);

fn api(talk: Talk) -> MockApi {
    MockApi::new(move |request| match request.path.as_str() {
        "/apis/batch/v1/namespaces/kaiwo/jobs/x" => Some(Answer::Json(200, job("x"))),
        "/api/v1/namespaces/kaiwo/pods" => {
            Some(Answer::Json(200, list(&[pod("x-a", "a", json!({}))])))
        }
        "/api/v1/namespaces/kaiwo/pods/x-a/exec" => Some(Answer::Socket(talk)),
        _ => None,
    })
}

#[test]
fn what_the_container_lacks_is_said() {
    let missing: Talk = |socket| {
        say(socket, 1, "find stat xargs head tail \nmissing\n");
        end(socket, &json!({"status": "Success"}));
    };
    let api = api(missing);
    _ = api
        .sandbox
        .kaiwo(&["cp", "x:/out", "here"])
        .exits(3)
        .says("pod x-a: /out does not exist")
        .says("kaiwo exec x --pod x-a -n kaiwo -- ls -la /");
    _ = api
        .sandbox
        .kaiwo(&["cp", "x:~/data/c", "here"])
        .exits(3)
        .says("kaiwo exec x --pod x-a -n kaiwo -- sh -c 'ls -la ~/data'");
    let whole: Talk = |socket| {
        say(socket, 1, "find stat xargs head tail \nroot\n");
        end(socket, &json!({"status": "Success"}));
    };
    _ = self::api(whole)
        .sandbox
        .kaiwo(&["cp", "x:.", "here"])
        .exits(3)
        .says("the whole file system of the container (/)")
        .says("kaiwo exec x --pod x-a -n kaiwo -- ls -la /");
    let lacking: Talk = |socket| {
        say(socket, 1, "head tail \ndirectory\n");
        end(socket, &json!({"status": "Success"}));
    };
    _ = self::api(lacking)
        .sandbox
        .kaiwo(&["cp", "x:/out", "here"])
        .exits(3)
        .says("the image has no find, stat, xargs");
    let shell: Talk = |socket| {
        let message = "exec: \"sh\": executable file not found in $PATH";
        end(socket, &json!({"status": "Failure", "message": message}));
    };
    _ = self::api(shell)
        .sandbox
        .kaiwo(&["cp", "x:/out", "here"])
        .exits(3)
        .says("the image has no shell");
    let denied: Talk = |socket| {
        say(socket, 1, "find stat xargs head tail tar \ndirectory\n");
        say(socket, 2, "find: './secret': Permission denied\n");
        end(socket, &exit(1));
    };
    let api = self::api(denied);
    _ = api
        .sandbox
        .kaiwo(&["cp", "x:/out", "here"])
        .exits(3)
        .says("cannot read all of /out: find: './secret': Permission denied");
    assert!(!api.sandbox.path("here").exists());
}

#[test]
fn a_local_path_that_does_not_exist_is_refused() {
    let api = api(|socket| end(socket, &json!({"status": "Success"})));
    _ = api
        .sandbox
        .kaiwo(&["cp", "nothing", "x:/out"])
        .exits(3)
        .says("nothing does not exist");
}

/// The Job `x`, which has ended, and whose pods are gone.
fn ended(mounts: bool) -> Value {
    let mut ended = job("x");
    ended["status"] =
        json!({"succeeded": 1, "conditions": [{"type": "Complete", "status": "True"}]});
    let claim = match mounts {
        true => json!({"name": "scratch", "persistentVolumeClaim": {"claimName": "x-scratch"}}),
        false => json!({"name": "scratch", "emptyDir": {}}),
    };
    ended["spec"]["template"]["spec"] = json!({
        "containers": [{"name": "workload", "image": "an/image", "volumeMounts": [
            {"name": "scratch", "mountPath": "/scratch"},
        ]}],
        "volumes": [claim],
    });
    ended
}

fn of_ended(mounts: bool) -> impl FnMut(&Request) -> Option<Answer> + Send {
    move |request| match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/apis/batch/v1/namespaces/kaiwo/jobs/x") => Some(Answer::Json(200, ended(mounts))),
        ("GET", "/api/v1/namespaces/kaiwo/persistentvolumeclaims/x-scratch") => {
            let claim = json!({"kind": "PersistentVolumeClaim", "metadata": {"name": "x-scratch"}});
            Some(Answer::Json(200, claim))
        }
        ("GET", "/api/v1/namespaces/kaiwo/pods") => Some(Answer::Json(200, list(&[]))),
        _ => None,
    }
}

#[test]
fn files_that_went_with_their_pods_are_named_as_such() {
    let api = MockApi::new(of_ended(false));
    _ = api
        .sandbox
        .kaiwo(&["cp", "x:/scratch/out", "here"])
        .exits(3)
        .says("/scratch/out is not on a claim that outlives its pods");
    let outcome = api.sandbox.kaiwo(&["logs", "x"]).exits(0);
    _ = outcome
        .says("its pods and their logs are gone")
        .says("logs may be where the cluster collects them")
        .never_says("kaiwo cp");
    let api = MockApi::new(of_ended(true));
    _ = api
        .sandbox
        .kaiwo(&["logs", "x"])
        .exits(0)
        .says("kaiwo cp job/x:/scratch . -n kaiwo");
}

#[test]
fn the_pod_for_a_claim_is_small_and_deleted() {
    let mut others = of_ended(true);
    let api = MockApi::new(move |request| {
        if request.path == "/api/v1/namespaces/kaiwo/pods" && request.method == "POST" {
            let mut created = request.body.clone();
            created["metadata"]["uid"] = json!("u1");
            return Some(Answer::Json(201, created));
        }
        if request
            .path
            .starts_with("/api/v1/namespaces/kaiwo/pods/x-cp-")
        {
            let name = request.path.rsplit('/').next().unwrap();
            let ended = json!({
                "kind": "Pod", "metadata": {"name": name, "uid": "u1"},
                "status": {"phase": "Failed", "reason": "Evicted"},
            });
            return Some(Answer::Json(200, ended));
        }
        others(request)
    });
    _ = api
        .sandbox
        .kaiwo(&["cp", "x:/scratch/out", "here"])
        .exits(3)
        .says("→ claim x-scratch, through pod x-cp-")
        .says("is not running: Evicted");
    let requests = api.requests();
    let created = requests.iter().find(|request| {
        request.method == "POST" && !request.is_dry_run() && request.path.ends_with("/pods")
    });
    let spec = &created.unwrap().body["spec"];
    assert_eq!(spec["containers"][0]["image"], "an/image");
    assert_eq!(spec["containers"][0]["volumeMounts"][0]["readOnly"], true);
    assert_eq!(spec["automountServiceAccountToken"], false);
    let deleted = requests.iter().any(|request| {
        request.method == "DELETE"
            && request
                .path
                .starts_with("/api/v1/namespaces/kaiwo/pods/x-cp-")
    });
    assert!(deleted, "the pod is deleted");
}
