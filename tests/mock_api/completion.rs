//! What completion asks a cluster, and how it takes no for an answer.

use std::sync::mpsc;

use serde_json::{Value, json};

use super::server::{Answer, MockApi, Request};
use crate::common::{HANG, Outcome, Sandbox, before_a_limit, wait_until};

/// Asks what may follow a line, with all the time this machine may need.
fn offer(sandbox: &Sandbox, line: &str) -> String {
    let outcome = ask(sandbox, line, Some(HANG.as_secs()));
    assert_eq!(outcome.stderr, "", "{line}");
    outcome.exits(0).stdout
}

fn ask(sandbox: &Sandbox, line: &str, seconds: Option<u64>) -> Outcome {
    let within = seconds.map(|seconds| format!("--within={seconds}000"));
    let flags: Vec<&str> = within.iter().map(String::as_str).collect();
    let words: Vec<&str> = line.split(' ').collect();
    let index = (words.len() - 1).to_string();
    let command = [&["__complete", &index], &flags[..], &["--"], &words].concat();
    sandbox.kaiwo(&command)
}

fn named(names: &[&str]) -> Answer {
    let item = |name: &&str| json!({"metadata": {"name": name}});
    items(names.iter().map(item).collect())
}

fn items(items: Vec<Value>) -> Answer {
    Answer::Json(200, json!({"metadata": {}, "items": items}))
}

/// A cluster with a little of everything in the namespace `team`.
fn small(request: &Request) -> Option<Answer> {
    Some(match request.path.as_str() {
        "/api/v1/namespaces" => match request.query.contains("continue=more") {
            false => Answer::Json(
                200,
                json!({"metadata": {"continue": "more"}, "items": [{"metadata": {"name": "team"}}]}),
            ),
            true => named(&["test"]),
        },
        "/apis/kueue.x-k8s.io/v1beta2/namespaces/team/localqueues" => named(&["mine", "shared"]),
        "/apis/kueue.x-k8s.io/v1beta2/namespaces/kaiwo/localqueues" => named(&["kaiwo"]),
        "/apis/kueue.x-k8s.io/v1beta2/clusterqueues" => named(&["large", "shared"]),
        "/apis/kueue.x-k8s.io/v1beta2/workloadpriorityclasses" => named(&["high", "low"]),
        "/api/v1/namespaces/team/secrets" => named(&["pull"]),
        "/api/v1/namespaces/team/serviceaccounts" => named(&["default"]),
        "/apis/batch/v1/namespaces/team/jobs" => items(vec![
            json!({"metadata": {"name": "sft", "labels": {"kaiwo-cli/username": "alice"}}}),
            json!({"metadata": {"name": "nightly-1", "ownerReferences": [{"kind": "CronJob"}]}}),
        ]),
        "/apis/batch/v1/namespaces/team/cronjobs" => named(&["nightly"]),
        "/apis/ray.io/v1/namespaces/team/rayjobs" => named(&["sft"]),
        "/apis/apps/v1/namespaces/team/deployments" => named(&["chat"]),
        "/apis/ray.io/v1/namespaces/team/rayservices" => named(&["llm"]),
        // An older KAITO.
        "/apis/kaito.sh/v1alpha1/namespaces/team/workspaces" => named(&["phi"]),
        _ => Answer::Refuse(404, "not found"),
    })
}

#[test]
fn live_values_and_what_they_are() {
    let api = MockApi::new(small);
    for (line, expected) in [
        ("submit -n ", "team\t\ntest\t\n"),
        ("submit --namespace=tes", "--namespace=test\t\n"),
        (
            "submit -n team -q ",
            "mine\tLocalQueue\nshared\tLocalQueue\nlarge\tClusterQueue\n",
        ),
        ("submit -n team --queue=m", "--queue=mine\tLocalQueue\n"),
        ("submit --priority-class h", "high\t\n"),
        ("submit --context ", "mock\tcluster c\n"),
        (
            "submit -n team --name ",
            "chat\tDeployment\nllm\tRayService\nnightly\tCronJob\nphi\tWorkspace\nsft\tJob of alice, RayJob\n",
        ),
        ("submit -n team --image-pull-secret ", "pull\t\n"),
        ("submit -n team --service-account ", "default\t\n"),
    ] {
        assert_eq!(offer(&api.sandbox, line), expected, "{line}");
    }
    assert!(
        api.requests()
            .iter()
            .all(|request| request.method == "GET" && request.query.contains("limit=")),
    );
    assert!(
        api.requests()
            .iter()
            .filter(|request| request.path.ends_with("jobs"))
            .all(|request| request
                .query
                .contains("labelSelector=app.kubernetes.io/managed-by%3Dkaiwo"))
    );
}

#[test]
fn the_namespace_is_that_of_the_line_then_of_the_settings() {
    let api = MockApi::new(small);
    assert!(offer(&api.sandbox, "submit -q ").starts_with("kaiwo\t"));
    assert!(offer(&api.sandbox, "submit -n nowhere -q ").starts_with("large\t"));
    api.sandbox.write("w/kaiwoconfig", "namespace: team\n");
    assert!(offer(&api.sandbox, "submit -p w -q ").starts_with("mine\t"));
    assert!(offer(&api.sandbox, "submit -p w -n kaiwo -q ").starts_with("kaiwo\t"));
    api.sandbox.write("w/kaiwoconfig", "namespace: [\n");
    assert_eq!(offer(&api.sandbox, "submit -p w -q "), "");
    assert_eq!(offer(&api.sandbox, "submit -n ../../x -q "), "");
}

#[test]
fn the_kubeconfig_and_the_context_of_the_line_are_asked() {
    let api = MockApi::new(small);
    let text = std::fs::read_to_string(api.sandbox.path("kubeconfig")).unwrap();
    let other = text
        .replace("current-context: mock", "current-context: gone")
        .replace("name: mock", "name: other");
    api.sandbox.write("other", &other);
    let lost = Sandbox::new();
    let file = api.sandbox.path("other").display().to_string();
    for (line, expected) in [
        (format!("submit --kubeconfig {file} -n "), ""),
        (
            format!("submit --kubeconfig {file} --context other -n "),
            "team\t\ntest\t\n",
        ),
        (
            format!("submit --context=other --kubeconfig={file} -n tea"),
            "team\t\n",
        ),
        (
            format!("submit --kubeconfig {file} --context "),
            "other\tcluster c\n",
        ),
        ("submit -n ".to_owned(), ""),
        ("submit --context ".to_owned(), ""),
    ] {
        assert_eq!(offer(&lost, &line), expected, "{line}");
    }
    lost.write("config", &other);
    assert_eq!(
        offer(&lost, "submit --kubeconfig ~/config --context "),
        "other\tcluster c\n"
    );
}

#[test]
fn an_older_kueue_is_asked_in_its_version() {
    let api = MockApi::new(|request| {
        Some(match request.path.as_str() {
            "/apis/kueue.x-k8s.io/v1beta1/clusterqueues" => named(&["old"]),
            _ => Answer::Refuse(404, "the server could not find the requested resource"),
        })
    });
    assert_eq!(offer(&api.sandbox, "submit -q "), "old\tClusterQueue\n");
}

#[test]
fn who_may_not_list_namespaces_gets_those_of_the_kubeconfig() {
    let api = MockApi::new(|_| Some(Answer::Refuse(403, "forbidden")));
    assert_eq!(offer(&api.sandbox, "submit -n "), "");
    let text = std::fs::read_to_string(api.sandbox.path("kubeconfig")).unwrap();
    let contexts = "contexts: [{name: a, context: {cluster: c, user: u, namespace: team}}, \
                    {name: b, context: {cluster: elsewhere, user: u, namespace: other}}, ";
    api.sandbox
        .write("kubeconfig", text.replace("contexts: [", contexts));
    assert_eq!(offer(&api.sandbox, "submit -n "), "team\t\n");
    for flag in ["-q", "--priority-class", "--name"] {
        assert_eq!(offer(&api.sandbox, &format!("submit {flag} ")), "");
    }
}

#[test]
fn whatever_is_wrong_with_the_cluster_nothing_is_said() {
    for answer in [
        Answer::Refuse(401, "Unauthorized"),
        Answer::Refuse(500, "etcd is full"),
        Answer::Json(200, json!("hello")),
        Answer::Close,
    ] {
        let api = MockApi::new(move |_| Some(answer.clone()));
        for flag in ["-n", "-q", "--priority-class", "--name"] {
            assert_eq!(offer(&api.sandbox, &format!("submit {flag} ")), "");
        }
    }
    let sandbox = Sandbox::new();
    let file = sandbox.write("broken", "clusters: [\n");
    for flag in ["-n", "-q", "--priority-class", "--name", "--context"] {
        let line = format!("submit --kubeconfig {} {flag} ", file.display());
        assert_eq!(offer(&sandbox, &line), "", "{line}");
    }
}

/// The server answers nothing until kaiwo has gone.
#[test]
fn a_server_that_is_silent_is_left() {
    let api = MockApi::new(|_| Some(Answer::Hang));
    for flag in ["-n", "-q", "--priority-class", "--name"] {
        let outcome = ask(&api.sandbox, &format!("submit {flag} "), None).exits(0);
        assert_eq!((outcome.stdout, outcome.stderr), Default::default());
    }
}

#[test]
fn what_came_in_time_is_offered() {
    let (seen, asked) = mpsc::channel();
    let api = MockApi::new(move |request| {
        if request.path.ends_with("/clusterqueues") {
            let _ = seen.send(());
            return Some(Answer::Hang);
        }
        small(request)
    });
    let (_, outcome) = before_a_limit(
        |seconds| ask(&api.sandbox, "submit -n team -q ", Some(seconds)),
        |outcome| !outcome.stdout.is_empty(),
    );
    assert_eq!(asked.try_recv(), Ok(()));
    assert_eq!(outcome.stderr, "");
    assert_eq!(outcome.stdout, "mine\tLocalQueue\nshared\tLocalQueue\n");
}

/// A credential plugin that waits, complains, and would like to ask.
#[cfg(unix)]
#[test]
fn a_plugin_can_neither_ask_nor_talk_nor_stay() {
    let sandbox = Sandbox::new();
    let plugin = sandbox.program(
        "plugin",
        "#!/bin/sh\necho started > started\necho 'open a browser' >&2\nread answer\n\
         echo \"asked: $answer\" > asked\nexec 3<> fifo; echo $$ > pid; read never <&3\n",
    );
    let fifo = sandbox.path("fifo");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status();
    assert!(made.unwrap().success());
    let kubeconfig = sandbox.write(
        "kubeconfig",
        format!(
            "{{apiVersion: v1, kind: Config, current-context: x, \
             clusters: [{{name: c, cluster: {{server: 'https://127.0.0.1:9'}}}}], \
             contexts: [{{name: x, context: {{cluster: c, user: u}}}}], \
             users: [{{name: u, user: {{exec: {{apiVersion: client.authentication.k8s.io/v1, \
             command: '{}', interactiveMode: IfAvailable}}}}}}]}}",
            plugin.display()
        ),
    );
    let line = format!("submit --kubeconfig {} -n ", kubeconfig.display());
    let (_, outcome) = before_a_limit(
        |seconds| ask(&sandbox, &line, Some(seconds)),
        |_| std::fs::read_to_string(sandbox.path("pid")).is_ok_and(|pid| pid.ends_with('\n')),
    );
    let outcome = outcome.exits(0);
    assert_eq!((outcome.stdout, outcome.stderr), Default::default());
    let read = |file: &str| std::fs::read_to_string(sandbox.path(file)).unwrap();
    assert_eq!(read("asked"), "asked: \n");
    // It ends soon, for it was killed with what had started it.
    let process = format!("/proc/{}/stat", read("pid").trim());
    let runs = || std::fs::read_to_string(&process).is_ok_and(|stat| !stat.contains(") Z "));
    if cfg!(target_os = "linux") {
        wait_until("the plugin to end", || !runs());
    }
}
