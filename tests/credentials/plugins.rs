//! Credential plugins that are missing, fail, hang or print something else.

use super::server::{SECRET, TlsApi, credential};
use crate::common::before_a_limit;

const EXEC: &str = "exec: {command: ./plugin, apiVersion: client.authentication.k8s.io/v1, interactiveMode: IfAvailable}";

#[test]
fn one_that_is_missing() {
    let api = TlsApi::new();
    // The example of int128/kubelogin.
    let kubelogin = "exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: no-such-kubelogin, \
        args: [get-token, --oidc-issuer-url=https://my.issuer, --oidc-client-secret=s3cr3t], \
        installHint: \"brew install \\e[1mkubelogin\", interactiveMode: IfAvailable, provideClusterInfo: false}";
    let _ = api
        .submit_as(kubelogin, &[])
        .exits(4)
        .says("cannot get credentials for user \"alice\" of context \"here\" (config)")
        .says("credential plugin no-such-kubelogin is not installed or not on the PATH")
        .says("help: install it: brew install kubelogin\n");
    for (command, home) in [
        (
            "gke-gcloud-auth-plugin, args: []",
            "gcloud components install gke-gcloud-auth-plugin",
        ),
        (
            "kubelogin, args: [get-token, --oidc-issuer-url=x]",
            "https://github.com/int128/kubelogin#setup",
        ),
        (
            "kubelogin, args: [get-token, --server-id, x]",
            "https://azure.github.io/kubelogin/install.html",
        ),
    ] {
        let exec = format!(
            "exec: {{apiVersion: client.authentication.k8s.io/v1beta1, command: {command}}}"
        );
        api.sandbox
            .write("config", api.fill(&super::server::kubeconfig("", &exec)));
        let mut run = api
            .sandbox
            .command(&["submit", "-p", "w", "--kubeconfig", "config"]);
        let outcome = run.env("PATH", "/nonexistent").output().unwrap();
        let _ = crate::common::Outcome::of(outcome).exits(4).says(home);
    }
    assert_eq!(api.visits(), []);
}

#[test]
fn one_that_fails_is_quoted() {
    let api = TlsApi::new();
    api.program(
        "plugin",
        "#!/bin/sh\necho the session has expired >&2\necho log in again >&2\nexit 7\n",
    );
    let outcome = api
        .submit_as(EXEC, &["-o", "json"])
        .exits(4)
        .says("plugin failed (exit status: 7):\n    the session has expired\n    log in again\n")
        .says("help: show its output: kubectl --kubeconfig config auth whoami");
    let error: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(error["class"], "denied");
    assert!(
        error["causes"][0]
            .as_str()
            .unwrap()
            .contains("log in again"),
        "{error}"
    );
    assert_eq!(error["object"], "config");
    api.program("plugin", "#!/bin/sh\nexit 1\n");
    let _ = api
        .submit_as(EXEC, &[])
        .exits(4)
        .says("(exit status: 1) without any output");
    std::fs::remove_file(api.sandbox.path("plugin")).unwrap();
    api.sandbox.write("plugin", "not executable");
    let _ = api
        .submit_as(EXEC, &[])
        .exits(4)
        .says("plugin cannot be started");
    assert_eq!(api.visits(), []);
}

#[test]
fn one_that_hangs_is_ended() {
    let api = TlsApi::new();
    api.program(
        "plugin",
        "#!/bin/sh\necho open https://login >&2\nexec sleep 3600\n",
    );
    let said = "open https://login\n";
    let (seconds, outcome) = before_a_limit(
        |seconds| api.submit_as(EXEC, &["--request-timeout", &seconds.to_string()]),
        |outcome| outcome.stderr.contains(said),
    );
    let _ = outcome
        .exits(4)
        .says(&format!(
            "plugin did not finish within {seconds} s:\n    {said}"
        ))
        .says("--request-timeout 120");
}

#[test]
fn one_that_leaves_a_browser_open_is_not_waited_for() {
    let api = TlsApi::new();
    let answer = credential("v1", &format!("{{\"token\": \"{SECRET}\"}}"));
    api.plugin("sleep 3600 >/dev/null & echo $! > browser", &answer);
    let _ = api
        .submit_as(EXEC, &["--request-timeout", "3600"])
        .exits(4)
        .says("not allowed");
    let browser = std::fs::read_to_string(api.sandbox.path("browser")).unwrap();
    let ended = std::process::Command::new("kill")
        .arg(browser.trim())
        .status()
        .unwrap();
    assert!(ended.success(), "it still ran");
}

#[test]
fn of_one_that_says_much_the_beginning_and_the_end_are_told() {
    /// Lines of it, of 36 bytes each.
    const LINES: usize = 5000;
    const REST: &str = "(further output of the credential plugin is not shown)\n";
    let line = |number: usize| format!("line {number:06} of what a plugin prints\n");
    assert_eq!(line(1).len(), 36);
    let print = format!("seq -f 'line %06.0f of what a plugin prints' {LINES} >&2");
    let api = TlsApi::new();
    let answer = credential("v1", &format!("{{\"token\": \"{SECRET}\"}}"));
    api.plugin(&print, &answer);
    let outcome = api.submit_as(EXEC, &[]).exits(4).says("not allowed");
    let (before, after) = outcome.stderr.split_once(REST).unwrap();
    // 64 KiB, and kaiwo's own words.
    assert!(
        (64 << 10..(64 << 10) + 200).contains(&before.len()),
        "{}",
        before.len()
    );
    assert!(before.contains(&line(1)), "{before}");
    assert!(!after.contains("of what a plugin prints"), "{after}");
    // Of one that fails, the last words are in the error.
    api.program("plugin", &format!("#!/bin/sh\n{print}\nexit 7\n"));
    let outcome = api.submit_as(EXEC, &[]).exits(4);
    let (before, after) = outcome.stderr.split_once(REST).unwrap();
    assert!(
        before.contains(&line(1)) && before.len() < (64 << 10) + 200,
        "{}",
        before.len()
    );
    assert!(
        after.contains("plugin failed (exit status: 7):\n"),
        "{after}"
    );
    assert!(
        after.contains(&line(LINES)) && after.len() < 4000,
        "{after}"
    );
}

#[test]
fn answers_that_are_none() {
    let api = TlsApi::new();
    let token = format!("{{\"token\": \"{SECRET}\"}}");
    let good = credential("v1", &token);
    for (answer, words) in [
        (String::new(), "printed nothing"),
        (
            SECRET.to_owned(),
            "printed something other than an ExecCredential",
        ),
        (
            format!("token: {SECRET}\n- x"),
            "printed something other than an ExecCredential",
        ),
        (
            good.replace("ExecCredential", "Pod"),
            "printed an object of another kind than ExecCredential",
        ),
        (
            credential("v1beta1", &token),
            "an ExecCredential of client.authentication.k8s.io/v1beta1, but the kubeconfig has client.authentication.k8s.io/v1",
        ),
        (good.replace("k8s.io/v1", SECRET), "another apiVersion"),
        (credential("v1", "null"), "without a status"),
        (
            credential("v1", "{}"),
            "with neither token nor client certificate",
        ),
        (
            credential("v1", "{\"clientKeyData\": \"s3cr3t\"}"),
            "a client key without its certificate",
        ),
        (
            credential(
                "v1",
                "{\"clientCertificateData\": \"s3cr3t\", \"clientKeyData\": \"s3cr3t\"}",
            ),
            "the client certificate is not PEM",
        ),
        (
            credential(
                "v1",
                "{\"token\": \"s3cr3t\", \"expirationTimestamp\": \"s3cr3t\"}",
            ),
            "an invalid expirationTimestamp",
        ),
        (
            credential("v1", "{\"token\": \"s3cr3t\\n\"}"),
            "contains invalid characters",
        ),
    ] {
        api.plugin("", &answer);
        let _ = api.submit_as(EXEC, &[]).exits(4).says(words).says("help: ");
    }
    assert_eq!(api.visits(), []);
    // YAML is fine, as it is to client-go.
    api.plugin("", "apiVersion: client.authentication.k8s.io/v1\nkind: ExecCredential\nstatus: {token: s3cr3t}");
    let _ = api.submit_as(EXEC, &[]).exits(4).says("not allowed");
    assert_eq!(api.visits()[0].authorization, format!("Bearer {SECRET}"));
}

#[test]
fn one_that_gives_a_client_certificate() {
    let api = TlsApi::new();
    let pem = |file: &str| std::fs::read_to_string(api.sandbox.path(file)).unwrap();
    let status = serde_json::json!({
        "clientCertificateData": pem("client.crt"), "clientKeyData": pem("client.key"),
        "expirationTimestamp": "2999-01-01T00:00:00Z",
    });
    api.plugin("echo >> runs", &credential("v1", &status.to_string()));
    let _ = api.submit_as(EXEC, &[]).exits(4).says("not allowed");
    let visits = api.visits();
    assert!(
        !visits.is_empty() && visits.iter().all(|visit| visit.certificate),
        "{visits:?}"
    );
    assert_eq!(pem("runs"), "\n", "once for all requests");
}

#[test]
fn one_that_asks_gets_the_terminal() {
    let Ok(probe) = std::process::Command::new("script")
        .arg("--version")
        .output()
    else {
        return crate::common::skip("there is no `script` to make a terminal");
    };
    assert!(probe.status.success());
    let api = TlsApi::new();
    let script = "#!/bin/sh\nprintf 'Password: ' >&2\nread -r answer\necho \"$KUBERNETES_EXEC_INFO\" > info\n\
        printf '{\"apiVersion\": \"client.authentication.k8s.io/v1\", \"kind\": \"ExecCredential\", \"status\": {\"token\": \"%s\"}}' \"$answer\"\n";
    api.program("plugin", script);
    for mode in ["IfAvailable", "Always"] {
        let exec = EXEC.replace("IfAvailable", mode);
        api.sandbox
            .write("config", api.fill(&super::server::kubeconfig("", &exec)));
        let kaiwo = crate::common::binary();
        let line = format!("stty -echo; {kaiwo} submit -p w -g 8 --kubeconfig config");
        let like = api.sandbox.command(&[]);
        let mut child = std::process::Command::new("script")
            .args(["-qec", &line, "/dev/null"])
            .env_clear()
            .envs(
                like.get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            )
            .current_dir(api.sandbox.path(""))
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        use std::io::Write as _;
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(b"typed\n").unwrap();
        let output = child.wait_with_output().unwrap();
        drop(stdin);
        let shown = String::from_utf8_lossy(&output.stdout);
        assert!(shown.contains("Password: "), "{shown}");
        assert_eq!(output.status.code(), Some(4), "{shown}");
        let visits = api.visits();
        assert!(!visits.is_empty(), "{shown}");
        assert!(
            visits
                .iter()
                .all(|visit| visit.authorization == "Bearer typed"),
            "{visits:?}"
        );
        let info = std::fs::read_to_string(api.sandbox.path("info")).unwrap();
        assert!(info.contains("\"interactive\":true"), "{info}");
    }
}
