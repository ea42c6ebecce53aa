//! A kubeconfig's content where its path belongs, as CI systems give it whose
//! variables are texts and files.

use std::ffi::OsStr;
use std::path::Path;

use super::KubeconfigError;
use kaiwo_base::secrecy::from_base64;

/// Refuses what is a kubeconfig, and not the path of one. Nothing of it is
/// repeated.
///
/// # Errors
/// [`KubeconfigError`], with the command that makes a file of it.
pub fn refuse(explicit: Option<&Path>, variable: Option<&OsStr>) -> Result<(), KubeconfigError> {
    let given = explicit.map(Path::as_os_str).or(variable);
    let Some(decode) = given.and_then(|text| decoding(&text.to_string_lossy())) else {
        return Ok(());
    };
    let wrong = |what: &str| {
        KubeconfigError::new(
            None,
            format!("{what} contains a kubeconfig, not the path of one"),
        )
    };
    Err(match explicit {
        Some(_) => wrong("--kubeconfig").hint(format!(
            "(umask 077; cat{decode} > kubeconfig.yaml)  # paste it and press Ctrl-D; then use --kubeconfig kubeconfig.yaml"
        )),
        None => wrong("KUBECONFIG").hint(format!(
            "(umask 077; printf '%s\\n' \"$KUBECONFIG\"{decode} > kubeconfig.yaml) && \
             export KUBECONFIG=\"$PWD/kubeconfig.yaml\""
        )),
    })
}

/// Returns the shell pipe that makes a kubeconfig of the text, empty if the text
/// already is one; `None` if it cannot become one.
fn decoding(text: &str) -> Option<&'static str> {
    if reads_like_one(text) {
        return Some("");
    }
    let is_base64 = from_base64(text).is_some_and(|text| reads_like_one(&text));
    is_base64.then_some(" | base64 -d")
}

/// Whether keys of a kubeconfig stand in it, in YAML or JSON. A path can hold
/// the words, but hardly with a colon behind them.
fn reads_like_one(text: &str) -> bool {
    const KEYS: [&str; 5] = [
        "apiVersion",
        "clusters",
        "contexts",
        "users",
        "current-context",
    ];
    KEYS.iter().any(|key| {
        text.match_indices(key).any(|(at, _)| {
            let after = text[at + key.len()..].trim_start_matches(['"', '\'', ' ', '\\']);
            let value = after.strip_prefix(':');
            value.is_some_and(|value| {
                value.is_empty() || value.starts_with([' ', '\n', '\r', '\t', '[', '{', '"', '\\'])
            })
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_is_told_from_a_path() {
        for text in [
            "apiVersion: v1\nkind: Config\n",
            "apiVersion: v1",
            "{apiVersion: v1, clusters: []}",
            "{\"clusters\":[{\"name\":\"a\"}]}",
            "{ \"users\" : [] }",
            "users:\n- name: a\n",
            "{\\\"apiVersion\\\":\\\"v1\\\"}",
            "apiVersion: v1\\nkind: Config\\n",
        ] {
            assert_eq!(decoding(text), Some(""), "{text}");
        }
        for text in [
            "YXBpVmVyc2lvbjogdjEKa2luZDogQ29uZmlnCg==",
            "YXBpVmVyc2lvbjogdjEK\na2luZDogQ29uZmlnCg==\n",
        ] {
            assert_eq!(decoding(text), Some(" | base64 -d"), "{text}");
        }
        for path in [
            "",
            "/home/users/clusters/config",
            "/home/users:/home/contexts:clusters",
            "C:\\users\\a",
            "a: b",
        ] {
            assert_eq!(decoding(path), None, "{path}");
        }
    }
}
