//! Kubeconfigs, run through kaiwo and through kubectl: what kubectl takes,
//! kaiwo takes, and comes as the same person.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::Value;

use super::kubectl;
use super::server::{SECRET, TlsApi, Visit, credential, kubeconfig};

/// What becomes of a kubeconfig.
enum Fate {
    /// Both come, with this header.
    Comes(&'static str),
    /// Neither comes; kaiwo exits with this code and says this.
    Refused(i32, &'static str),
    /// Only kaiwo comes, with this header.
    KaiwoOnly(&'static str),
}
use Fate::{Comes, KaiwoOnly, Refused};

struct Case {
    files: Vec<(&'static str, String)>,
    arguments: Vec<&'static str>,
    fate: Fate,
}

fn case(text: impl Into<String>, fate: Fate) -> Case {
    Case {
        files: vec![("one", text.into())],
        arguments: vec![],
        fate,
    }
}

/// A kubeconfig with this user.
fn user(fields: &str, fate: Fate) -> Case {
    case(kubeconfig("", fields), fate)
}

/// A kubeconfig with this cluster, and a token.
fn cluster(fields: &str, fate: Fate) -> Case {
    case(kubeconfig(fields, "token: s3cr3t"), fate)
}

impl Case {
    fn and(mut self, name: &'static str, text: impl Into<String>) -> Self {
        self.files.push((name, text.into()));
        self
    }

    fn with(mut self, arguments: &[&'static str]) -> Self {
        self.arguments.extend(arguments);
        self
    }
}

const TOKEN: Fate = Comes("Bearer s3cr3t");

fn cases() -> Vec<Case> {
    let exec = |fields: &str| format!("exec: {{command: ./plugin, {fields}}}");
    let v1 = "apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never";
    let beta = "apiVersion: client.authentication.k8s.io/v1beta1";
    let base = || kubeconfig("", "token: s3cr3t");
    let json = |text: &str| {
        let value = kaiwo::yaml::parse_first(text).unwrap();
        serde_json::to_string_pretty(&value)
            .unwrap()
            .replace("  ", "\t")
    };
    vec![
        // Ways of being known.
        user("token: s3cr3t", TOKEN),
        user("tokenFile: token", Comes("Bearer s3cr3t-of-file")),
        user(
            "token: s3cr3t-old, tokenFile: token",
            Comes("Bearer s3cr3t-of-file"),
        ),
        user("token: s3cr3t, tokenFile: missing", TOKEN),
        user(
            "tokenFile: missing",
            Refused(4, "cannot read the token file"),
        ),
        user("token: s3cr3t, tokenFile: ''", TOKEN),
        user(
            "username: me, password: s3cr3t",
            Comes("Basic bWU6czNjcjN0"),
        ),
        user("username: me", Comes("Basic bWU6")),
        user(
            "token: s3cr3t, username: me",
            Refused(3, "both a token and a password"),
        ),
        user(
            "client-certificate-data: '<CERT>', client-key-data: '<KEY>'",
            Comes(""),
        ),
        user(
            "client-certificate: client.crt, client-key: client.key",
            Comes(""),
        ),
        user(
            "client-certificate: client.crt, client-key: client.key, token: s3cr3t",
            TOKEN,
        ),
        user(
            "client-certificate: client.crt",
            Refused(3, "a client certificate without a key"),
        ),
        user(
            "client-certificate: nowhere, client-key: client.key",
            Refused(4, "cannot read the client certificate"),
        ),
        user(
            "client-certificate: client.crt, client-key: ca.crt",
            Refused(4, "the client key is not PEM"),
        ),
        user(
            "client-certificate: client.crt, client-certificate-data: '<CERT>', client-key: client.key",
            Refused(3, "both as a file and as data"),
        ),
        user("", KaiwoOnly("")),
        // Exec plugins.
        user(&exec(v1), Comes("Bearer s3cr3t-of-plugin")),
        user(
            &exec(&format!("{v1}, provideClusterInfo: true")),
            Comes("Bearer s3cr3t-of-plugin"),
        ),
        user(
            &exec(&format!(
                "{beta}, args: [get-token], env: [{{name: A, value: b}}]"
            )),
            Comes("Bearer s3cr3t-of-plugin"),
        ),
        user(
            &exec(&format!(
                "{beta}, args: null, env: null, installHint: null, provideClusterInfo: null"
            )),
            Comes("Bearer s3cr3t-of-plugin"),
        ),
        user(
            &exec(&format!("{beta}, interactiveMode: IfAvailable")),
            Comes("Bearer s3cr3t-of-plugin"),
        ),
        user(
            &exec(&format!("{beta}, interactiveMode: Always")),
            Refused(4, "but stdin is not one"),
        ),
        user(
            &exec(&format!("{beta}, interactiveMode: Perhaps")),
            Refused(3, "interactiveMode"),
        ),
        user(
            &exec("apiVersion: client.authentication.k8s.io/v1"),
            Refused(3, "add a line to its exec: interactiveMode: IfAvailable"),
        ),
        user(
            &exec("apiVersion: client.authentication.k8s.io/v1alpha1"),
            Refused(3, "v1alpha1"),
        ),
        user(&exec("interactiveMode: Never"), Refused(3, "apiVersion")),
        user(&format!("exec: {{{v1}}}"), Refused(3, "has no command")),
        user(&format!("token: s3cr3t, {}", exec(v1)), TOKEN),
        user("exec: null, token: s3cr3t", TOKEN),
        user(
            &format!("auth-provider: {{name: oidc}}, {}", exec(v1)),
            Refused(3, "both an exec plugin and an auth-provider"),
        ),
        user(
            "auth-provider: {name: gcp}",
            Refused(3, "gcloud container clusters get-credentials"),
        ),
        user(
            "auth-provider: {name: azure, config: {a: b}}",
            Refused(3, "kubelogin convert-kubeconfig"),
        ),
        // Impersonation.
        user(
            "token: s3cr3t, as: bob, as-uid: '7', as-groups: [x, z], as-user-extra: {a/b: [c, d]}",
            TOKEN,
        ),
        user("token: s3cr3t", TOKEN).with(&["--as", "bob", "--as-group", "x", "--as-group", "y"]),
        user("token: s3cr3t, as: eve, as-groups: [z]", TOKEN).with(&["--as", "bob"]),
        user("token: s3cr3t, as: eve", TOKEN).with(&["--as-group", "x"]),
        user(
            "token: s3cr3t, as-groups: [z]",
            Refused(3, "requires a user"),
        ),
        // Clusters.
        cluster("certificate-authority: ca.crt", TOKEN),
        cluster(
            "certificate-authority: missing",
            Refused(3, "cannot read the certificate authority"),
        ),
        cluster(
            "certificate-authority: ca.crt, certificate-authority-data: ''",
            TOKEN,
        ),
        cluster(
            "certificate-authority: ca.crt, certificate-authority-data: '<CA>'",
            Refused(3, "both certificate-authority"),
        ),
        cluster(
            "certificate-authority: client.key",
            Refused(3, "not a PEM certificate"),
        ),
        cluster("insecure-skip-tls-verify: true", TOKEN),
        cluster("insecure-skip-tls-verify: yes", TOKEN),
        cluster(
            "insecure-skip-tls-verify: true, certificate-authority-data: '<CA>'",
            Refused(3, "keep the authority"),
        ),
        cluster(
            "insecure-skip-tls-verify: 'true'",
            Refused(3, "neither true nor false"),
        ),
        cluster(
            "certificate-authority: client.crt",
            Refused(7, "certificate"),
        ),
        cluster("certificate-authority: client.crt", TOKEN).with(&["--insecure-skip-tls-verify"]),
        cluster("tls-server-name: api.example.test", TOKEN),
        cluster(
            "tls-server-name: other.example.test",
            Refused(7, "set the cluster's tls-server-name"),
        ),
        cluster(
            "tls-server-name: '', proxy-url: '', disable-compression: true",
            TOKEN,
        ),
        cluster(
            "proxy-url: 'ftp://x'",
            Refused(3, "invalid proxy-url of cluster \"c\""),
        ),
        cluster("server: ''", Refused(3, "cluster \"c\" has no server")),
        cluster("server: 'https://localhost:<PORT>/prefix/'", TOKEN),
        cluster("extensions: [{name: x, extension: {any: thing}}]", TOKEN),
        // The file itself.
        case(json(&base()), TOKEN),
        case(format!("\u{feff}{}", base()), TOKEN),
        case(base().replace("apiVersion: v1, kind: Config, ", ""), TOKEN),
        case(
            base().replace("kind: Config", "kind: Pod"),
            Refused(3, "it is not a kubeconfig"),
        ),
        case(
            base().replace(
                "kind: Config",
                "bogus: {a: [1]}, preferences: {colors: true}",
            ),
            TOKEN,
        ),
        case(format!("{}---\nnot: read\n", base()), TOKEN),
        case(
            base().replace(
                "current-context: here",
                "current-context: x, current-context: here",
            ),
            TOKEN,
        ),
        case(
            base().replace("token: s3cr3t", "token: 12345678"),
            Refused(3, "is not a string; quote it"),
        ),
        case(
            base().replace("users: [", "users: [{name: alice, user: {token: s3cr3t}}, "),
            Refused(3, "users has two entries named \"alice\""),
        ),
        case(
            base().replace(
                "contexts: [",
                "contexts: [{name: broken}, {name: half, context: {user: x}}, ",
            ),
            TOKEN,
        ),
        case(
            base().replace(
                "users: [",
                "users: [{user: {token: x}}, {name: other, user: null}, ",
            ),
            TOKEN,
        ),
        case(
            base().replace("current-context: here", "a: b"),
            Refused(3, "it has no current context"),
        ),
        case(base().replace("current-context: here", "a: b"), TOKEN).with(&["--context", "here"]),
        case(
            base(),
            Refused(3, "it has no context \"there\"; it has: here"),
        )
        .with(&["--context", "there"]),
        case(
            base().replace("cluster: c,", "cluster: d,"),
            Refused(3, "cluster \"d\" of context"),
        ),
        case(base().replace("user: alice", "user: nobody"), KaiwoOnly("")),
        case("a: [b", Refused(3, "it is neither YAML nor JSON (line ")),
        case("", Refused(3, "no usable kubeconfig: ")),
        // Base64 over several lines.
        case(
            kubeconfig("certificate-authority-data: \"<FOLDED>\"", "token: s3cr3t"),
            TOKEN,
        ),
        // Several files.
        case("current-context: here", TOKEN).and("two", base()),
        case("", TOKEN).and("two", base()),
        case(base(), TOKEN).and(
            "two",
            base()
                .replace("s3cr3t", "s3cr3t-second")
                .replace("here", "x"),
        ),
        case(
            "users: [{name: alice, user: {token: s3cr3t-first}}]",
            Comes("Bearer s3cr3t-first"),
        )
        .and("two", base()),
        case(
            "users: [{name: alice, user: {tokenFile: token}}]",
            Comes("Bearer s3cr3t-below"),
        )
        .and("sub/two", base())
        .and("sub/token", "s3cr3t-never")
        .and("token", "s3cr3t-below"),
        case(base(), TOKEN).and("missing-is-skipped", ""),
        case(base(), Refused(3, "neither YAML nor JSON")).and("two", "{"),
    ]
}

/// By what somebody came, each visit alike once. kubectl asks for a path of
/// its own, and without the prefix that a server's URL may have.
fn arrivals(api: &TlsApi) -> BTreeSet<Visit> {
    let visits = api.visits().into_iter();
    visits
        .map(|visit| Visit {
            path: String::new(),
            ..visit
        })
        .collect()
}

fn take(path: PathBuf) -> Option<Value> {
    let text = std::fs::read(&path).ok()?;
    std::fs::remove_file(path).unwrap();
    serde_json::from_slice(&text).ok()
}

fn check(case: &Case, kubectl: Option<&PathBuf>) {
    let api = TlsApi::new();
    let folded = api.fill("<CA>");
    let folded = folded
        .as_bytes()
        .chunks(60)
        .map(|line| std::str::from_utf8(line).unwrap());
    let folded = folded.collect::<Vec<_>>().join("\\n");
    let mut paths = Vec::new();
    for (name, text) in &case.files {
        let text = text.replace("<FOLDED>", &folded);
        let path = api.sandbox.path(name);
        if !name.starts_with("missing") {
            api.sandbox.write(
                name,
                if name.ends_with("token") {
                    text
                } else {
                    api.fill(&text)
                },
            );
        }
        if !name.ends_with("token") {
            paths.push(path);
        }
    }
    let version = match case.files[0].1.contains("/v1beta1") {
        true => "v1beta1",
        false => "v1",
    };
    api.plugin(
        "printf '%s' \"$KUBERNETES_EXEC_INFO\" > info",
        &credential(version, &format!("{{\"token\": \"{SECRET}-of-plugin\"}}")),
    );
    let variable = std::env::join_paths(&paths).unwrap().into_string().unwrap();
    let told = || {
        format!(
            "{}\nKUBECONFIG={variable} {:?}",
            case.files[0].1, case.arguments
        )
    };

    // kaiwo's sandbox sets a KUBECONFIG of its own, so this one goes by `env`.
    let arguments = [
        &["submit", "-p", "w", "-g", "8", "-vv"],
        &case.arguments[..],
    ]
    .concat();
    let mut command = api.sandbox.command(&arguments);
    let outcome =
        crate::common::Outcome::of(command.env("KUBECONFIG", &variable).output().unwrap());
    let all = format!("{}{}", outcome.stdout, outcome.stderr);
    assert!(
        !all.contains(SECRET),
        "a secret is told:\n{all}\n{}",
        told()
    );
    let (came, info) = (arrivals(&api), take(api.sandbox.path("info")));
    match case.fate {
        Comes(header) | KaiwoOnly(header) => {
            assert_eq!(came.len(), 1, "{came:?}\n{all}\n{}", told());
            assert_eq!(came.first().unwrap().authorization, header, "{}", told());
        }
        Refused(code, words) => {
            assert_eq!(came.len(), 0, "{came:?}\n{}", told());
            assert_eq!(outcome.code, code, "{all}\n{}", told());
            assert!(
                outcome.stderr.contains(words),
                "no {words:?} in:\n{all}\n{}",
                told()
            );
            assert_eq!(outcome.stderr.matches("error:").count(), 1, "{all}");
            assert!(outcome.stderr.contains("help: "), "{all}");
        }
    }

    let Some(kubectl) = kubectl else { return };
    let variables = [("KUBECONFIG", variable.clone())];
    kubectl::visit(kubectl, &api.sandbox, &case.arguments, &variables);
    let theirs = arrivals(&api);
    match case.fate {
        Comes(_) => {
            assert_eq!(came, theirs, "kaiwo's, then kubectl's\n{}", told());
            assert_eq!(info, take(api.sandbox.path("info")), "{}", told());
        }
        Refused(..) | KaiwoOnly(_) => assert_eq!(theirs.len(), 0, "kubectl came\n{}", told()),
    }
}

#[test]
fn what_kubectl_takes_kaiwo_takes() {
    let kubectl = kubectl::find();
    if kubectl.is_none() {
        crate::common::skip("kubectl is not installed, so nothing was compared with it");
    }
    let failed: Vec<String> = cases()
        .iter()
        .filter_map(|case| {
            let run = std::panic::AssertUnwindSafe(|| check(case, kubectl.as_ref()));
            let panic = std::panic::catch_unwind(run).err()?;
            Some(panic.downcast_ref::<String>().cloned().unwrap_or_default())
        })
        .collect();
    assert!(
        failed.is_empty(),
        "{} failed:\n\n{}",
        failed.len(),
        failed.join("\n\n")
    );
}
