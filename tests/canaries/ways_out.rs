//! What is said instead: the form that belongs there, and a command that runs
//! as it is printed.

use std::process::Stdio;

use super::leak;
use crate::common::{Outcome, Sandbox};

/// Returns the first suggestion, without its comment.
#[track_caller]
fn suggestion(outcome: &Outcome) -> String {
    let help = outcome
        .stderr
        .lines()
        .find_map(|line| line.strip_prefix("help: "));
    let help = help.unwrap_or_else(|| panic!("{}", outcome.stderr));
    help.split("  # ").next().unwrap().to_owned()
}

/// Runs a line as a user would, who types `input` when asked.
fn shell(sandbox: &Sandbox, line: &str, input: &str) -> Outcome {
    use std::io::Write as _;
    let mut bash = sandbox.shell(line);
    bash.current_dir(sandbox.path(""));
    let pipes = bash
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = pipes.spawn().unwrap();
    // A line that asks for nothing may have ended.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    Outcome::of(child.wait_with_output().unwrap())
}

const KUBECONFIG: &str =
    "apiVersion: v1\nkind: Config\nusers:\n- name: a\n  user: {token: Canary}\n";
/// The same in base64, on two lines.
const BASE64: &str = "YXBpVmVyc2lvbjogdjEKa2luZDogQ29uZmlnCnVzZXJzOgotIG5hbWU6\n\
                      IGEKICB1c2VyOiB7dG9rZW46IENhbmFyeX0K\n";

#[test]
fn a_kubeconfig_in_the_variable_becomes_a_file() {
    let json = serde_json::json!({"apiVersion": "v1", "users": [{"name": "a", "user": {"token": "Canary"}}]});
    for (text, is) in [
        (KUBECONFIG, KUBECONFIG),
        (BASE64, KUBECONFIG),
        (&json.to_string(), &json.to_string()),
        (
            &serde_json::to_string_pretty(&json).unwrap(),
            &serde_json::to_string_pretty(&json).unwrap(),
        ),
    ] {
        let sandbox = Sandbox::new().set("KUBECONFIG", text);
        for command in [
            &["list"][..],
            &["submit", "-i", "x"],
            &["list", "-o", "json", "-vvv"],
        ] {
            let outcome = sandbox.kaiwo(command).exits(3);
            assert_eq!(leak(&outcome), None);
            let _ = outcome.says("KUBECONFIG contains a kubeconfig, not the path of one");
        }
        let outcome = sandbox.kaiwo(&["list"]).exits(3);
        let line = suggestion(&outcome) + "; printf %s \"$KUBECONFIG\"";
        let made = shell(&sandbox, &line, "").exits(0);
        assert_eq!(
            made.stdout,
            sandbox.path("kubeconfig.yaml").to_str().unwrap()
        );
        let written = std::fs::read_to_string(&made.stdout).unwrap();
        assert_eq!(written.trim_end(), is.trim_end());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::metadata(&made.stdout)
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o077, 0, "nobody else may read it");
        }
    }
}

#[test]
fn a_kubeconfig_in_the_flag_becomes_a_file() {
    for text in [KUBECONFIG, BASE64] {
        let sandbox = Sandbox::new();
        let outcome = sandbox.kaiwo(&["list", "--kubeconfig", text]).exits(3);
        assert_eq!(leak(&outcome), None);
        let outcome = outcome.says("--kubeconfig contains a kubeconfig, not the path of one");
        let made = shell(&sandbox, &suggestion(&outcome), text).exits(0);
        assert_eq!(made.stderr, "");
        let written = std::fs::read_to_string(sandbox.path("kubeconfig.yaml")).unwrap();
        assert_eq!(written, KUBECONFIG);
    }
}

/// With a `kubectl` that tells what it is told.
#[test]
fn a_token_becomes_a_secret() {
    let told = "kubectl() { printf '%s ' \"$@\"; }; ";
    for (arguments, variable) in [
        (&["--secret", "HF_TOKEN=hf_Canary0123"][..], None),
        (&["--secret", "HF_TOKEN=Canary"], None),
        (&["--secret=HF_TOKEN=Canary", "-n", "team"], None),
        (&[], Some(("KAIWO_SECRET", "HF_TOKEN=Canary"))),
        (&[], Some(("KAIWO_SECRET", "{HF_TOKEN: Canary}"))),
    ] {
        let mut sandbox = Sandbox::new();
        if let Some((name, value)) = variable {
            sandbox = sandbox.set(name, value);
        }
        for form in [&[][..], &["-o", "json", "-vvv"]] {
            let outcome = sandbox.kaiwo(&[&["submit", "-i", "x"], arguments, form].concat());
            assert_eq!(leak(&outcome.exits(3)), None);
        }
        let outcome = sandbox.kaiwo(&[&["submit", "-i", "x"], arguments].concat());
        let outcome = outcome
            .says("secret HF_TOKEN (from ")
            .says("expected SECRET/KEY, the name of a Secret and one of its keys")
            .says("then use --secret HF_TOKEN=hf-token/HF_TOKEN");
        let namespace = if arguments.contains(&"team") {
            "team"
        } else {
            "kaiwo"
        };
        let made = shell(
            &sandbox,
            &(told.to_owned() + &suggestion(&outcome)),
            "typed\n",
        )
        .exits(0);
        assert_eq!(
            made.stdout,
            format!("-n {namespace} create secret generic hf-token --from-literal=HF_TOKEN=typed ")
        );
    }
}

/// Where an API key is typed instead of the name of its variable.
#[test]
fn a_key_is_not_the_name_of_a_variable() {
    for name in ["Canary", "hf_Canary0123456789", "sk-Canary/0="] {
        let outcome = Sandbox::new()
            .kaiwo(&["submit", "-i", "x", "--env", name])
            .exits(3);
        assert_eq!(leak(&outcome), None);
    }
    let outcome = Sandbox::new()
        .kaiwo(&["submit", "-i", "x", "--env", "HF_TOKEN"])
        .exits(3);
    let _ = outcome.says("--env HF_TOKEN: the variable is not set");
}
