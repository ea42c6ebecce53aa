//! A RayJob's entrypoint, run as KubeRay and Ray run it: the submitter pod
//! hands it through a shell to `ray job submit`, which joins the words, and
//! the head gives that line to a shell (`JobSupervisor` in Ray 2.x).

use serde_json::{Value, json};

use super::{Objects, PodError, PodRun, PodRunner, array, text};

/// Stands in for Ray's command line in the submitter pod: nothing has been
/// submitted yet, and what is being submitted is printed, word by word.
const RAY: &str = r#"#!/bin/sh
case "$2" in
status) exit 1 ;;
submit)
  while [ "$1" != -- ]; do shift; done
  shift
  printf '%s\0' "$@"
  ;;
esac
"#;

/// Runs KubeRay's submitter pod, and then, in the head pod on `node`, what
/// it submits.
pub fn run(
    node: &PodRunner<'_>,
    head: &Value,
    submitter: &Value,
    objects: Objects<'_>,
) -> Result<PodRun, PodError> {
    let submission = PodRunner::new(objects).program("ray", RAY).run(submitter)?;
    if submission.code != 0 {
        let stderr = String::from_utf8_lossy(&submission.stderr).into_owned();
        return Err(PodError(format!("the submitter pod failed: {stderr}")));
    }
    let submitted = submission.stdout();
    let words: Vec<&str> = submitted.split_terminator('\0').collect();
    let line = list2cmdline(&words);
    // KubeRay starts Ray by bash, and Ray starts the line by sh.
    let ray = "exec /bin/sh -c \"$0\"";
    node.exec(head, &["/bin/bash", "-c", "--", ray, &line])
}

/// Returns the words of a process in a container of Ray's, after what KubeRay 1.6 runs
/// there before Ray: the container's command as text (`pod.go`, `BuildPod`). In a pod
/// that KubeRay has made, bash runs both.
pub fn started(container: &Value, command: &[&str]) -> Vec<String> {
    let words: Vec<&str> = array(&container["command"]).iter().map(text).collect();
    let before = match words.first() {
        Some(&"/bin/bash") => {
            let both = text(&container["args"][0]);
            let (before, _ray) = both.split_once(" && ulimit ").unwrap_or_default();
            before.to_owned()
        }
        _ => words.join(" "),
    };
    let line = match before.is_empty() {
        true => "exec \"$@\"".to_owned(),
        false => format!("{before} && exec \"$@\""),
    };
    let shell = ["/bin/bash", "-c", "--", &line, "bash"];
    let words = shell.iter().chain(command);
    words.map(|word| (*word).to_owned()).collect()
}

/// Makes the submitter pod that KubeRay 1.6 makes of a RayJob
/// (`BuildJobSubmitCommand`, `configureSubmitterContainer`).
pub fn submitter_of(ray_job: &Value) -> Value {
    let mut pod = ray_job["spec"]["submitterPodTemplate"].clone();
    pod["metadata"]["name"] = json!("submitter");
    let entrypoint = text(&ray_job["spec"]["entrypoint"]).trim();
    let address = "http://head:8265";
    let container = &mut pod["spec"]["containers"][0];
    container["command"] = json!(["/bin/bash", "-ce", "--"]);
    container["args"] = json!([format!(
        "if ! ray job status --address {address} id >/dev/null 2>&1 ; then ray job submit --address {address} \
         --no-wait --submission-id id -- {entrypoint} ; fi ; ray job logs --address {address} --follow id"
    )]);
    pod
}

/// Joins words as Python's `subprocess.list2cmdline`, by which `ray job
/// submit` does it: the rules of Windows, which leave `$` and `'` alone.
fn list2cmdline(words: &[&str]) -> String {
    let mut line = String::new();
    for word in words {
        if !line.is_empty() {
            line.push(' ');
        }
        let quoted = word.is_empty() || word.contains([' ', '\t']);
        if quoted {
            line.push('"');
        }
        let mut backslashes = 0;
        for c in word.chars() {
            match c {
                '\\' => backslashes += 1,
                '"' => {
                    // Those before the quote are doubled, and it gets one.
                    line.push_str(&"\\".repeat(backslashes + 1));
                    backslashes = 0;
                }
                _ => backslashes = 0,
            }
            line.push(c);
        }
        if quoted {
            line.push_str(&"\\".repeat(backslashes));
            line.push('"');
        }
    }
    line
}

/// The values are those of CPython 3.11.
#[test]
fn words_are_joined_as_ray_joins_them() {
    for (words, expected) in [
        (&["/workload/entrypoint"][..], "/workload/entrypoint"),
        (&["sh", "/workload/entrypoint"], "sh /workload/entrypoint"),
        (&["a b", ""], r#""a b" """#),
        (&["$HOME", "it's"], "$HOME it's"),
        (&["say \"hi\""], r#""say \"hi\"""#),
        (&["a\\", "b \\"], r#"a\ "b \\""#),
        (&["\\\""], r#"\\\""#),
    ] {
        assert_eq!(list2cmdline(words), expected, "{words:?}");
    }
}
