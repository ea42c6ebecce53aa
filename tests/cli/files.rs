//! What stands where a file belongs and is none, or has no end: refused and
//! named, without waiting for it and without filling the memory.

use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

use crate::common::{Outcome, Sandbox};

/// More than the binary takes to start, and less than it would take to read
/// without a limit.
const MEMORY: &str = "ulimit -v 1000000";

fn pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// Runs a line of bash in the sandbox's directory, where `kaiwo` is the binary
/// and may take little memory. What hangs has the exit code 124.
#[track_caller]
fn bash(sandbox: &Sandbox, line: &str) -> Outcome {
    let binary = env!("CARGO_BIN_EXE_kaiwo");
    let line = format!("{MEMORY}; kaiwo() {{ timeout 100 '{binary}' \"$@\"; }}; {line}");
    let output = sandbox
        .shell(&line)
        .current_dir(sandbox.path(""))
        .output()
        .unwrap();
    Outcome::of(output)
}

#[track_caller]
fn one_error(outcome: &Outcome, about: &str) {
    let (errors, stderr) = (outcome.stderr.matches("error:").count(), &outcome.stderr);
    assert_eq!((errors, &*outcome.stdout), (1, ""), "{about}\n{stderr}");
    assert!(stderr.contains("help: "), "{about}: no help:\n{stderr}");
}

/// A workload with whatever `--ray` needs.
fn workload() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("w/entrypoint", "echo\n");
    sandbox.write(
        "w/serveconfig",
        "applications: [{name: own, import_path: serving:deployment}]\n",
    );
    sandbox
}

/// Each special file, and a command that reads it.
const SPECIAL: [(&str, &str); 6] = [
    ("entrypoint", "submit"),
    ("env", "submit"),
    ("kaiwoconfig", "submit"),
    ("template", "submit"),
    (".kaiwoignore", "submit"),
    ("serveconfig", "serve --ray"),
];

/// Puts something where it is told.
type Put = fn(&Path);

/// What may stand there instead of a file.
const INSTEAD: [(&str, Put); 6] = [
    ("a pipe", pipe),
    ("a socket", |path| {
        UnixListener::bind(path).unwrap();
    }),
    ("a device", |path| symlink("/dev/zero", path).unwrap()),
    ("a device", |path| symlink("/dev/null", path).unwrap()),
    ("a pipe", |path| {
        let beside = path.ancestors().nth(2).unwrap().join("beside");
        pipe(&beside);
        symlink(beside, path).unwrap();
    }),
    ("a broken symlink", |path| symlink("nothing", path).unwrap()),
];

#[test]
fn special_names_are_for_files() {
    for (name, command) in SPECIAL {
        for (what, put) in INSTEAD {
            let sandbox = workload();
            let _ = std::fs::remove_file(sandbox.path(&format!("w/{name}")));
            put(&sandbox.path(&format!("w/{name}")));
            let outcome = bash(&sandbox, &format!("kaiwo {command} -p w -i image -d")).exits(3);
            one_error(&outcome, name);
            // The entrypoint is uploaded, and told of as whatever is.
            let outcome = outcome.says(&format!("error: w/{name}"));
            if name != "entrypoint" {
                let _ = outcome.says(&format!("w/{name}: it is {what}"));
            }
        }
    }
}

#[test]
fn the_command_that_is_given_removes_what_is_in_the_way() {
    for name in ["env", "data/in the way"] {
        let sandbox = workload();
        sandbox.write("w/data/x", "");
        pipe(&sandbox.path(&format!("w/{name}")));
        let outcome = bash(&sandbox, "kaiwo submit -p w -i image -d").exits(3);
        let (_, command) = outcome.stderr.split_once("remove it: ").unwrap();
        let line = format!("{command}\nkaiwo submit -p w -i image -d");
        let _ = bash(&sandbox, &line).exits(0);
    }
}

#[test]
fn directories_of_special_names_are_uploaded_like_others() {
    let env_file = "--env-file <(echo 'envVars: [{name: A, value: b}]')";
    for (name, _) in SPECIAL
        .into_iter()
        .filter(|(name, _)| *name != "entrypoint")
    {
        for more in ["", env_file] {
            let sandbox = Sandbox::new();
            sandbox.write("w/entrypoint", "echo\n");
            sandbox.write(&format!("w/{name}/inside/file"), "content\n");
            let line = format!("kaiwo submit -p w -i image -d {more}");
            let outcome = bash(&sandbox, &line).exits(0);
            let path = format!("path: {name}/inside/file");
            assert!(outcome.stdout.contains(&path), "{}", outcome.stdout);
            sandbox.write("w/.kaiwoignore.new", format!("/{name}/\n"));
            if name != ".kaiwoignore" {
                let line = format!("mv w/.kaiwoignore.new w/.kaiwoignore; {line}");
                let outcome = bash(&sandbox, &line).exits(0).says("not uploaded");
                assert!(!outcome.stdout.contains(&path), "{}", outcome.stdout);
            }
        }
    }
}

#[test]
fn a_directory_called_entrypoint_is_no_entrypoint() {
    let sandbox = Sandbox::new();
    sandbox.write("w/entrypoint/file", "content\n");
    let outcome = bash(&sandbox, "kaiwo submit -p w -i image -d").exits(0);
    assert!(outcome.stdout.contains("path: entrypoint/file"));
    for line in ["kaiwo submit -p w -d", "kaiwo submit -p w --ray -d"] {
        let outcome = bash(&sandbox, line).exits(3);
        one_error(&outcome, line);
        let _ = outcome.says("w/entrypoint is a directory, and");
    }
    // A RayJob's command is a file of that name.
    let line = "kaiwo submit -p w -i image --ray -d -- python x.py";
    let outcome = bash(&sandbox, line).exits(3);
    one_error(&outcome, line);
    let outcome = outcome.says("w/entrypoint is a directory");
    let (_, command) = outcome.stderr.split_once("exclude it: ").unwrap();
    let (command, _) = command.split_once('\n').unwrap();
    let _ = bash(&sandbox, &format!("{command}; {line}")).exits(0);
}

#[test]
fn serving_takes_no_directory_for_its_configuration() {
    let sandbox = Sandbox::new();
    sandbox.write("w/serveconfig/file", "content\n");
    let outcome = bash(&sandbox, "kaiwo serve --ray -p w -i image -d").exits(3);
    one_error(&outcome, "serveconfig");
    let _ = outcome.says("w/serveconfig is a directory, but a RayService needs one");
}

#[test]
fn a_virtual_environment_called_env_is_left_out_by_one_line() {
    let sandbox = workload();
    sandbox.write("w/env/pyvenv.cfg", "home = /usr/bin\n");
    sandbox.write("w/env/bin/activate", "");
    symlink("/bin/sh", sandbox.path("w/env/bin/python")).unwrap();
    let outcome = bash(&sandbox, "kaiwo submit -p w -i image -d").exits(3);
    let outcome = outcome.says("w/env/bin/python cannot be uploaded");
    let (_, command) = outcome
        .stderr
        .split_once("exclude the virtual environment: ")
        .unwrap();
    let _ = bash(
        &sandbox,
        &format!("{command}\nkaiwo submit -p w -i image -d"),
    )
    .exits(0)
    .says("not uploaded: env");
}

#[test]
fn the_users_settings_are_a_file() {
    for (what, put) in INSTEAD.into_iter().take(3).chain([(
        "a directory",
        (|path: &Path| std::fs::create_dir(path).unwrap()) as Put,
    )]) {
        let sandbox = Sandbox::new();
        sandbox.write(".config/kaiwo/beside", "");
        put(&sandbox.path(".config/kaiwo/config.yaml"));
        for line in ["kaiwo submit -i image -d", "kaiwo config show"] {
            let outcome = bash(&sandbox, line).exits(3);
            one_error(&outcome, line);
            let _ = outcome
                .says(".config/kaiwo/config.yaml\n")
                .says(&format!("it is {what}, not a file"));
        }
    }
}

/// Every place where somebody names a file, as @, and the exit code if it
/// cannot be read.
const NAMED: [(&str, i32); 13] = [
    ("kaiwo submit -p w -i image -d --env-file @", 3),
    ("KAIWO_ENV_FILE=@ kaiwo submit -p w -i image -d", 3),
    ("kaiwo submit -p c -i image -d", 3),
    ("kaiwo submit -p w -i image -d -t @", 3),
    ("kaiwo submit -p w -i image -d -t t -c @", 3),
    (
        "kaiwo serve -m phi-4 --instance-type Standard_NC24ads_A100_v4 -d --inference-config @",
        3,
    ),
    (
        "kaiwo submit -m phi-4 --instance-type Standard_NC24ads_A100_v4 --tune lora \
         --tune-input pvc:data --tune-output pvc:out -d --tune-config @",
        3,
    ),
    ("kaiwo list --request-timeout 1 --kubeconfig @", 3),
    ("KUBECONFIG=none:@ kaiwo list --request-timeout 1", 3),
    ("kaiwo list --request-timeout 1 --kubeconfig authority", 3),
    ("kaiwo list --request-timeout 1 --kubeconfig certificate", 4),
    ("kaiwo list --request-timeout 1 --kubeconfig key", 4),
    ("kaiwo list --request-timeout 1 --kubeconfig token", 4),
];

/// What becomes of a file that is nothing to read, in all those places.
fn in_all_places(file: &str, expected: &str) {
    std::thread::scope(|scope| {
        for (line, code) in NAMED {
            scope.spawn(move || {
                let sandbox = places(file);
                let outcome = bash(&sandbox, &line.replace('@', file)).exits(code);
                one_error(&outcome, line);
                let _ = outcome.says(file).says(expected);
            });
        }
    });
}

/// A sandbox in which every place names this file.
fn places(file: &str) -> Sandbox {
    let sandbox = workload();
    sandbox.write("w/x", "");
    sandbox.write("c/entrypoint", "echo\n");
    sandbox.write("c/kaiwoconfig", format!("envFile: {file}\n"));
    let shown = sandbox.kaiwo(&["template", "show", "job"]).exits(0);
    sandbox.write("t", shown.stdout);
    for (name, cluster, user) in [
        ("authority", "certificate-authority", "none"),
        ("certificate", "none", "client-certificate"),
        ("key", "none", "client-key"),
        ("token", "none", "tokenFile"),
    ] {
        let certificate = match name {
            "key" => "client-certificate-data: aGk=,",
            _ => "",
        };
        sandbox.write(
            name,
            format!(
                "{{current-context: c, contexts: [{{name: c, context: {{cluster: c, user: c}}}}],\n\
                 clusters: [{{name: c, cluster: {{server: 'https://127.0.0.1:1', {cluster}: {file}}}}}],\n\
                 users: [{{name: c, user: {{{certificate} {user}: {file}}}}}]}}\n"
            ),
        );
    }
    std::fs::create_dir(sandbox.path("folder")).unwrap();
    pipe(&sandbox.path("pipe"));
    sandbox
}

#[test]
fn a_file_without_end_is_read_to_a_limit() {
    in_all_places("/dev/zero", "it is larger than the limit");
}

#[test]
fn a_directory_is_no_file_anywhere() {
    in_all_places("folder", "it is a directory, not a file");
}

#[test]
fn a_pipe_to_which_nobody_writes_is_given_up() {
    in_all_places("pipe", "it is a pipe that nothing writes to");
}

#[test]
fn nothing_is_an_empty_file() {
    for (line, _) in NAMED {
        let outcome = bash(&places("/dev/null"), &line.replace('@', "/dev/null"));
        let stderr = &outcome.stderr;
        assert!(![124, -1, 101].contains(&outcome.code), "{line}: {stderr}");
        assert!(!stderr.contains("cannot read"), "{line}: {stderr}");
        assert!(!stderr.contains("not a file"), "{line}: {stderr}");
        if line.contains("nv-file") || line.contains("ENV_FILE") || line.contains(" -c ") {
            let _ = outcome.exits(0);
        }
    }
}

#[test]
fn pipes_are_read_to_their_end() {
    let kubeconfig = "{current-context: c, contexts: [{name: c, context: {cluster: c, user: c}}], \
         clusters: [{name: c, cluster: {server: https://127.0.0.1:1}}], \
         users: [{name: c, user: {token: t}}]}";
    let variables = "envVars: [{name: FROM, value: pipe}]";
    for (line, content, code, expected) in [
        (NAMED[0].0, variables, 0, "name: FROM"),
        (NAMED[1].0, variables, 0, "name: FROM"),
        (NAMED[3].0, "$(cat t)", 0, "kind: Job"),
        (NAMED[4].0, "a: b", 0, "kind: Job"),
        (
            NAMED[5].0,
            "vllm: {max-model-len: 8192}",
            0,
            "max-model-len: 8192",
        ),
        (NAMED[7].0, kubeconfig, 7, ""),
        (NAMED[8].0, kubeconfig, 7, ""),
    ] {
        let slowly = format!("<(sleep 0.2; echo \"{content}\")");
        let by_a_shell = match line.contains("none:@") {
            true => line.replace("none:@", &slowly),
            false => line.replace('@', &slowly),
        };
        let of_a_name = line.replace('@', "pipe");
        let from_stdin = line.replace('@', "/dev/stdin");
        for line in [
            by_a_shell,
            format!("(echo \"{content}\" > pipe) & {of_a_name}"),
            format!("{from_stdin} <<< \"{content}\""),
            format!("echo \"{content}\" | {{ {from_stdin}; }}"),
        ] {
            let outcome = bash(&places("x"), &line).exits(code);
            assert!(
                outcome.stdout.contains(expected),
                "{line}\n{}",
                outcome.stdout
            );
        }
    }
}

#[test]
fn a_pipe_without_end_is_read_to_a_limit() {
    for (line, _) in [NAMED[0], NAMED[3], NAMED[7]] {
        let line = line.replace('@', "<(cat /dev/zero)");
        let outcome = bash(&places("x"), &line).exits(3);
        one_error(&outcome, &line);
        let _ = outcome.says("it is larger than the limit");
    }
    let outcome = bash(&places("x"), "kaiwo chat x < /dev/zero").exits(3);
    let _ = outcome.says("cannot read the prompt from stdin: it is larger than the limit");
}

#[test]
fn standard_input_has_a_name() {
    let outcome = bash(&places("x"), "kaiwo submit -p w -i image -d --env-file -").exits(3);
    let _ = outcome.says("help: for standard input, use /dev/stdin");
}

#[test]
fn a_template_is_not_written_where_a_directory_is() {
    let sandbox = Sandbox::new();
    sandbox.write("w/template/file", "");
    let outcome = bash(&sandbox, "kaiwo template eject job w").exits(3);
    one_error(&outcome, "eject");
    let _ = outcome.says("kaiwo template show job > FILE");
}
