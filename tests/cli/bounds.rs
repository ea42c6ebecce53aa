//! Directories and templates that would have no end: each ends in one error, in
//! little memory.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Stdio;

use crate::common::{Outcome, Sandbox, binary};

/// What the binary and what it starts may take, each: 200 MB of memory, and as many
/// seconds of computing as an answer may take.
pub const BOUNDS: &str = "ulimit -d 195312 -t 30";

fn submit(sandbox: &Sandbox, arguments: &str) -> Outcome {
    submit_within(BOUNDS, sandbox, arguments)
}

fn submit_within(bounds: &str, sandbox: &Sandbox, arguments: &str) -> Outcome {
    let line = format!("{bounds}; '{}' submit -i image -d {arguments}", binary());
    let mut shell = sandbox.shell(&line);
    Outcome::of(shell.current_dir(sandbox.path("")).output().unwrap())
}

#[track_caller]
fn one_error(outcome: &Outcome, code: i32, words: &str) {
    let stderr = &outcome.stderr;
    assert_eq!(outcome.code, code, "{stderr}");
    assert_eq!(stderr.matches("error:").count(), 1, "{stderr}");
    assert!(stderr.contains(words), "{words:?} is not in\n{stderr}");
    assert!(stderr.contains("help: "), "{stderr}");
    assert_eq!(outcome.stdout, "");
}

/// Runs the command that helps, after which the directory is taken.
#[track_caller]
fn is_left_by_its_command(sandbox: &Sandbox, outcome: &Outcome) {
    let (_, command) = outcome.stderr.split_once("help: ").unwrap();
    let mut shell = sandbox.shell(command);
    let status = shell.current_dir(sandbox.path("")).status().unwrap();
    assert!(status.success());
    let _ = submit(sandbox, "-p w").exits(0);
}

/// Makes directories in one another, each with a name of this length, and a file in
/// the last.
fn nest(top: &Path, depth: usize, length: usize) {
    // A path as long as that may be no argument of a system call.
    let mut shell = std::process::Command::new("bash");
    let line = match length {
        1 => format!("p=$(printf 'd/%.0s' {{1..{depth}}}); mkdir -p $p && echo x > ${{p}}f"),
        _ => format!(
            "mkdir d && cd d && n=$(printf 'd%.0s' {{1..{length}}})
             for i in {{1..{depth}}}; do mkdir $n && cd -P $n || exit 1; done; echo x > f"
        ),
    };
    assert!(
        shell
            .args(["-c", &line])
            .current_dir(top)
            .status()
            .unwrap()
            .success()
    );
}

#[test]
fn directories_may_be_as_deep_as_paths_are_long() {
    for (depth, length, is_taken) in [(200, 1, true), (1900, 1, true), (45, 99, false)] {
        let sandbox = Sandbox::new();
        sandbox.write("w/entrypoint", "echo\n");
        nest(&sandbox.path("w"), depth, length);
        let outcome = submit(&sandbox, "-p w");
        match is_taken {
            true => {
                let outcome = outcome.exits(0);
                let path = format!("\"{}f\"", "d/".repeat(depth));
                assert!(
                    outcome.document("Job").to_string().contains(&path),
                    "{depth}"
                );
            }
            false => {
                one_error(
                    &outcome,
                    3,
                    "w/d cannot be uploaded: it contains a path longer than 4000 bytes",
                );
                is_left_by_its_command(&sandbox, &outcome);
            }
        }
        // No library removes them at this depth.
        let mut remove = std::process::Command::new("rm");
        assert!(
            remove
                .arg("-rf")
                .arg(sandbox.path("w"))
                .status()
                .unwrap()
                .success()
        );
    }
}

#[test]
fn a_maze_of_symlinks_is_left_by_one_line() {
    for rooms in [18, 26, 60] {
        let sandbox = Sandbox::new();
        sandbox.write("w/entrypoint", "echo\n");
        for room in 0..=rooms {
            let place = sandbox.path(&format!("w/maze/{room}"));
            fs::create_dir_all(&place).unwrap();
            for door in ["a", "b"] {
                if room < rooms {
                    symlink(format!("../{}", room + 1), place.join(door)).unwrap();
                }
            }
        }
        let outcome = submit(&sandbox, "-p w");
        one_error(
            &outcome,
            3,
            "there are more than 10000 files and directories",
        );
        is_left_by_its_command(&sandbox, &outcome);
    }
}

#[test]
fn symlinks_in_a_circle_are_named() {
    let sandbox = Sandbox::new();
    sandbox.write("w/entrypoint", "echo\n");
    fs::create_dir_all(sandbox.path("w/a")).unwrap();
    fs::create_dir_all(sandbox.path("w/b")).unwrap();
    symlink("../b", sandbox.path("w/a/to-b")).unwrap();
    symlink("../a", sandbox.path("w/b/to-a")).unwrap();
    let outcome = submit(&sandbox, "-p w");
    one_error(
        &outcome,
        3,
        "w/a/to-b/to-a cannot be uploaded: it is a symlink to a parent directory",
    );
    fs::remove_dir_all(sandbox.path("w/b")).unwrap();
    symlink("itself", sandbox.path("w/itself")).unwrap();
    fs::remove_file(sandbox.path("w/a/to-b")).unwrap();
    one_error(
        &submit(&sandbox, "-p w"),
        3,
        "w/itself cannot be uploaded: it is a broken symlink",
    );
}

/// The most that can be uploaded, and a byte more.
#[test]
fn uploads_have_a_limit() {
    let sandbox = Sandbox::new();
    sandbox.write("w/entrypoint", "echo\n");
    sandbox.write("w/model.bin", vec![0xff; (64 << 20) - 5]);
    let outcome = submit(&sandbox, "-p w");
    one_error(
        &outcome,
        3,
        "w contains 64.0 MiB in 2 files, more than the limit of 8.0 MiB, --upload-limit",
    );
    let raise = "raise the limit: --upload-limit 64Mi";
    assert!(outcome.stderr.contains(raise), "{}", outcome.stderr);
    // So much was asked for, and is printed in base64.
    let large = |sandbox: &Sandbox| {
        let bounds = "ulimit -d 500000 -t 30";
        submit_within(bounds, sandbox, "-p w --upload-limit 64Mi").exits(0)
    };
    let outcome = large(&sandbox);
    let documents = outcome.stdout.split("---\n");
    let maps = documents.filter(|document| document.contains("kind: ConfigMap"));
    assert_eq!(maps.count(), 68);

    sandbox.write("w/one more", "");
    _ = large(&sandbox);
    sandbox.write("w/one more", "x");
    let outcome = submit(&sandbox, "-p w --upload-limit 64Mi");
    one_error(
        &outcome,
        3,
        "more than the limit of 64.0 MiB, --upload-limit",
    );
    assert!(!outcome.stderr.contains("raise"), "{}", outcome.stderr);

    let most = "use at most 64Mi: uploads are stored in etcd";
    let outcome = submit(&sandbox, "-p w --upload-limit 65Mi");
    assert_eq!(outcome.code, 2, "{}", outcome.stderr);
    assert!(outcome.stderr.contains(most), "{}", outcome.stderr);
    sandbox.write("w/kaiwoconfig", "gpus: 1\nuploadLimit: 1Gi\n");
    let outcome = submit(&sandbox, "-p w");
    assert_eq!(outcome.code, 3, "{}", outcome.stderr);
    assert!(
        outcome.stderr.contains("w/kaiwoconfig:2"),
        "{}",
        outcome.stderr
    );
    assert!(outcome.stderr.contains(most), "{}", outcome.stderr);
}

/// Templates without end, and what each takes too much of.
fn endless() -> [(String, &'static str); 5] {
    let doubling = |twice: &str| {
        let twice = format!("{{% set_global a = {twice} %}}");
        format!(
            "{{% set_global a = \"{}\" %}}{}",
            "x".repeat(64),
            twice.repeat(60)
        )
    };
    let nested = |depth: usize, inner: &str| {
        let (begin, end) = ("{% for i in range(end=10000) %}", "{% endfor %}");
        format!("{}{inner}{}", begin.repeat(depth), end.repeat(depth))
    };
    [
        (doubling("a ~ a"), "takes more than 192.0 MiB of memory"),
        (
            doubling("a | replace(from=\"x\", to=\"xx\")"),
            "takes more than",
        ),
        (
            format!("{}{{{{ a | to_json }}}}", doubling("[a, a, a, a]")),
            "takes more than",
        ),
        (nested(2, "0123456789"), "produces more than 8.0 MiB"),
        (nested(3, ""), "takes more than 5 s"),
    ]
}

#[test]
fn templates_without_end_end() {
    for (template, takes) in endless() {
        let sandbox = Sandbox::new();
        sandbox.write("w/entrypoint", "echo\n");
        sandbox.write("w/template", template);
        let outcome = submit(&sandbox, "-p w");
        one_error(&outcome, 3, &format!("error: w/template {takes}"));
        assert!(
            outcome.stderr.contains("the limit for a template"),
            "{}",
            outcome.stderr
        );
    }
}

#[test]
fn ctrl_c_ends_rendering() {
    let sandbox = Sandbox::new();
    sandbox.write("w/entrypoint", "echo\n");
    let [.., (template, _)] = endless();
    sandbox.write("w/template", template);
    let mut command = sandbox.command(&["submit", "-i", "image", "-d", "-p", "w"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    // While it renders: the process that was started for it is there.
    let children = format!("/proc/{0}/task/{0}/children", child.id());
    while fs::read_to_string(&children).is_ok_and(|found| found.trim().is_empty()) {
        std::thread::yield_now();
    }
    let kill = format!("kill -INT {}", child.id());
    assert!(sandbox.shell(&kill).status().unwrap().success());
    let _ = Outcome::of(child.wait_with_output().unwrap()).exits(130);
}

/// Of a cloned repository.
#[test]
fn nothing_in_a_file_steers_a_terminal() {
    let hostile = "a\x1b]0;PWN\x07\x1b[2J\u{9b}31m\u{202e}b";
    for (file, text) in [
        ("template", format!("{{{{ {hostile} }}}}")),
        (
            "template",
            format!("kind: Job\n{hostile}: {{{{ Meta.Nope }}}}"),
        ),
        ("template", format!("{{% include \"{hostile}\" %}}")),
        ("template", format!("kind: \"{hostile}\"\n- x")),
        (".kaiwoignore", format!("[z-a]{hostile}")),
        (
            "env",
            format!("envVars: [{{name: \"{hostile}\", value: x}}]"),
        ),
        ("env", format!("{hostile}: x")),
        ("kaiwoconfig", format!("\"{hostile}\": x")),
        ("kaiwoconfig", format!("gpus: \"{hostile}\"")),
        ("serveconfig", format!("- {hostile}")),
    ] {
        let sandbox = Sandbox::new();
        sandbox.write("w/entrypoint", "echo\n");
        sandbox.write(&format!("w/{file}"), &text);
        let command = match file {
            "serveconfig" => &["serve", "--ray", "-i", "image", "-d", "-p", "w"][..],
            _ => &["submit", "-i", "image", "-d", "-p", "w"],
        };
        let outcome = sandbox.kaiwo(command);
        assert_ne!(outcome.code, 0, "{file}: {text:?}\n{}", outcome.stdout);
        let obeyed = |c: char| (c.is_control() && !"\n\t".contains(c)) || c == '\u{202e}';
        assert!(
            !outcome.stderr.contains(obeyed),
            "{file}: {:?}",
            outcome.stderr
        );
    }
}

/// YAML 1.1, which kubectl reads, breaks lines at these.
#[test]
fn breaks_of_yaml_1_1_are_escaped_in_manifests() {
    let sandbox = Sandbox::new();
    sandbox.write("w/entrypoint", "echo\n");
    let value = "a\u{2028}b\u{2029}c\u{85}d";
    let outcome = sandbox.kaiwo(&[
        "submit",
        "-p",
        "w",
        "-i",
        "image",
        "-d",
        "--env",
        &format!("A={value}"),
    ]);
    let outcome = outcome.exits(0);
    assert!(
        !outcome.stdout.contains(['\u{2028}', '\u{2029}', '\u{85}']),
        "{}",
        outcome.stdout
    );
    let job = outcome.document("Job").to_string();
    assert!(job.contains(value), "{job}");
}
