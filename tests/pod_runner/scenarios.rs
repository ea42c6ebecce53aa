//! What has to be true of every workload, wherever it is submitted.

use super::place::{Kind, Place};
use super::{available, can_change_user, has_program};
use crate::common::checkout;

/// Bytes of all kinds, the same in every run.
fn binary(length: usize) -> Vec<u8> {
    let mut state: u32 = 0x2545_f491;
    (0..length)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state.to_be_bytes()[1]
        })
        .collect()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn make_executable(path: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700)).unwrap();
}

const SCRIPT: &str = r##"#!/usr/bin/env bash
# A comment with "quotes', $NUM_GPUS and $(NUM_GPUS)

set -euo pipefail

cat > "$KAIWO_SCRATCH/quoted" <<'END'
- $NUM_GPUS $(NUM_GPUS) stays
"quoted" 'and' `this` \ too: {{ braces }}
END
cat <<END
gpus=$NUM_GPUS replicas=$NUM_REPLICAS each=${NUM_GPUS_PER_REPLICA}
END

cp "$0" "$KAIWO_SCRATCH/entrypoint"
cp data/blob.bin data/nul.txt "$KAIWO_SCRATCH"
data/deep/er/tool.sh "one word" '$two'
stat -L -c '%a %n' entrypoint data/blob.bin data/deep/er/tool.sh
printf 'in %s' "$PWD""##;

/// Every byte of a directory arrives, and the script runs as any script.
pub fn a_directory_arrives_and_runs(place: &dyn Place, kind: Kind) {
    if !available() {
        return;
    }
    let blob = [&[0, 0xff, 0xfe, b'\n', 0xc3][..], &binary(70_000), &[0]].concat();
    let sandbox = place.sandbox();
    sandbox.write("work/entrypoint", SCRIPT);
    sandbox.write("work/data/blob.bin", &blob);
    sandbox.write("work/data/nul.txt", "text\0with a NUL\u{85}\r\n");
    let tool = sandbox.write(
        "work/data/deep/er/tool.sh",
        "#!/bin/sh\nprintf '<%s>' \"$@\"\necho\n",
    );
    make_executable(&tool);
    let launch = place.launch("bytes", kind);
    let (gpus, replicas) = match kind {
        Kind::Indexed | Kind::Scheduled => (16, 2),
        _ => (8, 1),
    };
    assert_eq!(launch.pods.len(), replicas);
    for index in 0..launch.pods.len() {
        let run = place.run(&launch, index).exits(0);
        assert_eq!(text(&run.file("/scratch/entrypoint")), SCRIPT);
        assert_eq!(run.file("/scratch/blob.bin"), blob);
        assert_eq!(
            text(&run.file("/scratch/nul.txt")),
            "text\0with a NUL\u{85}\r\n"
        );
        assert_eq!(
            text(&run.file("/scratch/quoted")),
            "- $NUM_GPUS $(NUM_GPUS) stays\n\"quoted\" 'and' `this` \\ too: {{ braces }}\n"
        );
        assert_eq!(
            run.stdout(),
            format!(
                "gpus={gpus} replicas={replicas} each=8\n<one word><$two>\n755 entrypoint\n644 data/blob.bin\n\
                 755 data/deep/er/tool.sh\nin {}",
                kind.directory()
            )
        );
    }
}

/// The pods of an Indexed Job know their number and where the first one is,
/// also where a CronJob names the Job.
pub fn pods_find_one_another(place: &dyn Place, kind: Kind) {
    if !available() {
        return;
    }
    let sandbox = place.sandbox();
    let script = "#!/bin/sh\nenv | grep -E '^(PET|MASTER)_' | LC_ALL=C sort\nuname -n\n";
    sandbox.write("work/entrypoint", script);
    let launch = place.launch("ranks", kind);
    let job = match kind {
        Kind::Scheduled => "ranks-29000000",
        _ => "ranks",
    };
    assert_eq!(launch.pods.len(), 2);
    for index in 0..2 {
        assert_eq!(launch.pods[index]["spec"]["subdomain"], "ranks");
        assert_eq!(
            place.run(&launch, index).exits(0).stdout(),
            format!(
                "MASTER_ADDR={job}-0.ranks\nMASTER_PORT=29500\nPET_MASTER_ADDR={job}-0.ranks\n\
                 PET_MASTER_PORT=29500\nPET_NNODES=2\nPET_NODE_RANK={index}\nPET_NPROC_PER_NODE=8\n{job}-{index}\n"
            )
        );
    }
}

/// Without a shebang `sh` runs it, and lines of options belong to the line
/// above.
#[expect(
    clippy::literal_string_with_formatting_args,
    reason = "variables of a shell"
)]
pub fn scripts_without_a_shebang_run(place: &dyn Place, kind: Kind) {
    if !available() {
        return;
    }
    let script = "printf '<%s>'\n  -one \n    --two=$NUM_GPUS\n\ncat <<END\n- three\nEND\n\
                  # four\n-five 2>/dev/null || echo no $?\necho \"$0 ${BASH_VERSION:-sh}\"";
    place.sandbox().write("work/entrypoint", script);
    let launch = place.launch("plain", kind);
    assert_eq!(
        place.run(&launch, 0).exits(0).stdout(),
        format!(
            "<-one><--two=8>- three\nno 127\n{}/entrypoint sh\n",
            kind.directory()
        )
    );
}

/// A shebang names any interpreter.
pub fn python_runs_by_its_shebang(place: &dyn Place, kind: Kind) {
    if !available() || !has_program("python3") {
        return;
    }
    let script = "#!/usr/bin/env -S python3 -I\nimport os, sys, pathlib\n\
                  print(os.getcwd(), sys.argv, os.environ['NUM_GPUS'], pathlib.Path('sub/é ü.txt').read_text())\n\
                  sys.exit(3)\n";
    place.sandbox().write("work/entrypoint", script);
    place.sandbox().write("work/sub/é ü.txt", "read");
    let launch = place.launch("python", kind);
    assert_eq!(
        place.run(&launch, 0).exits(3).stdout(),
        format!("{0} ['{0}/entrypoint'] 8 read\n", kind.directory())
    );
}

/// Words after `--` that a shell, Kubernetes or YAML would read otherwise.
const WORDS: [&str; 20] = [
    "$NUM_GPUS",
    "$(NUM_GPUS)",
    "$$(NUM_GPUS)",
    "$$",
    "${HOME}",
    "a  b",
    "",
    "it's \"quoted\"",
    "line\nline\n",
    "ünï \u{2028}\u{85}",
    "`id`",
    "\\",
    "*",
    "#no",
    "{{ Meta.Name }}",
    "-n",
    "--",
    "yes",
    "1e3",
    "'",
];

/// A command after `--` runs word by word, in place of the entrypoint.
pub fn commands_arrive_word_by_word(place: &dyn Place, kind: Kind) {
    if !available() {
        return;
    }
    place
        .sandbox()
        .write("work/entrypoint", "#!/bin/sh\nexit 99\n");
    place.sandbox().write("work/data", "uploaded\n");
    let submit = |name: &str, command: &[&str]| {
        let launch = place.launch_with(name, kind, &[&["--"], command].concat());
        place.run(&launch, 0)
    };
    let run = submit(
        "shell",
        &["sh", "-c", "echo \"$NUM_GPUS\" \"a b\"; cat data"],
    )
    .exits(0);
    assert_eq!(run.stdout(), "8 a b\nuploaded\n");
    if has_program("python3") {
        let program = "import sys\nprint('\\'%s\\'' % \"$NUM_GPUS\", *map(len, sys.argv[1:]))";
        let run = submit("python", &["python3", "-c", program, "", "b c"]).exits(0);
        assert_eq!(run.stdout(), "'$NUM_GPUS' 0 3\n");
    }
    let command = [&["sh", "-c", "printf '%s\\0' \"$@\"", "sh"], &WORDS[..]].concat();
    let run = submit("words", &command).exits(0);
    assert_eq!(
        run.stdout().split_terminator('\0').collect::<Vec<_>>(),
        WORDS
    );
}

/// Values of variables arrive exactly, and the user's win over kaiwo's.
pub fn variables_arrive_exactly(place: &dyn Place, kind: Kind) {
    if !available() {
        return;
    }
    let large = "0123456789abcdef".repeat(4096);
    let values = [
        ("REFERENCE", "$(NUM_GPUS) $(KUBERNETES_SERVICE_HOST)"),
        ("ESCAPED", "$$(NUM_GPUS) $$$(NUM_GPUS) $$$$"),
        ("DOLLARS", "$ $$ $$$ ${NUM_GPUS} $("),
        ("QUOTES", "\"'`\\ \\n"),
        ("LINES", "\n a\n\n  b\r\n\t"),
        ("UNICODE", "ünï \u{2028}\u{85}\u{feff} 🚀"),
        ("YAML", "{a: b} # - ! & * yes: [no]"),
        ("TEMPLATE", "{{ Meta.Name }} {% raw %}"),
        ("NUMBER", "0o7"),
        ("EMPTY", ""),
        ("LARGE", &large),
        ("NUM_GPUS", "user's own"),
        ("HF_HOME", "/scratch/models"),
    ];
    let variables: Vec<serde_json::Value> = values
        .iter()
        .map(|(name, value)| serde_json::json!({"name": name, "value": value}))
        .collect();
    let file = serde_json::json!({"envVars": variables}).to_string();
    place.sandbox().write("work/env", file);
    place
        .sandbox()
        .write("work/entrypoint", "#!/bin/sh\nexec env -0\n");
    let launch = place.launch("variables", kind);
    let stdout = place.run(&launch, 0).exits(0).stdout();
    let variables: Vec<(&str, &str)> = stdout
        .split_terminator('\0')
        .map(|variable| variable.split_once('=').unwrap())
        .collect();
    for expected in values.into_iter().chain([
        ("NUM_REPLICAS", "1"),
        ("NUM_GPUS_PER_REPLICA", "8"),
        ("KAIWO_SCRATCH", "/scratch"),
        ("PYTHONUNBUFFERED", "1"),
    ]) {
        let seen: Vec<_> = variables
            .iter()
            .filter(|(name, _)| *name == expected.0)
            .collect();
        assert_eq!(seen, [&expected]);
    }
}

/// A workload may write to its working directory, over what was uploaded as well, to
/// scratch space and to memory; also a user without rights.
pub fn what_a_workload_may_write_to(place: &dyn Place, kind: Kind) {
    if !available() {
        return;
    }
    let script = "#!/bin/sh\nfor path in \"$PWD\"/new \"$PWD\"/file \"$PWD\"/d/new \"$KAIWO_SCRATCH/new\" \
                  \"$HF_HOME/hub\" /dev/shm/new; do\n\
                  mkdir -p \"$(dirname \"$path\")\" 2>/dev/null\n\
                  if (echo x > \"$path\") 2>/dev/null; then echo \"$path\"; fi\ndone\ncat file d/file\n";
    let sandbox = place.sandbox();
    sandbox.write("work/entrypoint", script);
    sandbox.write("work/file", "top\n");
    sandbox.write("work/d/file", "below\n");
    let launch = place.launch("writes", kind);
    let directory = kind.directory();
    let expected = format!(
        "{directory}/new\n{directory}/file\n{directory}/d/new\n/scratch/new\n\
         /scratch/huggingface/hub\n/dev/shm/new\nx\nbelow\n"
    );
    assert_eq!(place.run(&launch, 0).exits(0).stdout(), expected);
    if can_change_user() {
        let run = place.run_with(&launch, 0, |node| node.user(1000)).unwrap();
        assert_eq!(run.exits(0).stdout(), expected);
    }
}

/// Secrets arrive as variables and as files, and only what was named.
pub fn secrets_arrive_by_reference(place: &dyn Place, kind: Kind) {
    if !available() {
        return;
    }
    let token = "hf_$(NUM_GPUS)$$ 'x' \"y\"\n";
    place.secret(
        "credentials",
        &[
            ("token", token),
            ("key.json", "{\"key\": 1}\n"),
            ("other", "other"),
        ],
    );
    place.sandbox().write(
        "work/env",
        "envVars:\n- fromSecret: {name: TOKEN, secret: credentials, key: token}\n\
         - mountSecret: {name: KEY_FILE, secret: credentials, key: key.json, path: /etc/app/deep/my key.json}\n\
         - name: AFTER\n  value: \"$(TOKEN)\"\n",
    );
    place.sandbox().write(
        "work/entrypoint",
        "#!/bin/sh\nprintf '%s|%s|%s\\n' \"$TOKEN\" \"$KEY_FILE\" \"$AFTER\"\ncat \"$KEY_FILE\"\n\
         ls /etc/app/deep\n(echo x >> \"$KEY_FILE\") 2>/dev/null || echo read-only\n",
    );
    let launch = place.launch("secrets", kind);
    assert_eq!(
        place.run(&launch, 0).exits(0).stdout(),
        format!(
            "{token}|/etc/app/deep/my key.json|$(TOKEN)\n{{\"key\": 1}}\nmy key.json\nread-only\n"
        )
    );
    let pods = serde_json::to_string(&launch.pods).unwrap();
    assert!(!pods.contains("hf_"), "a pod carries the value of a Secret");
}

/// Head and workers of a RayService import the upload as the module `app`,
/// also where the user has a path of his own, which stays.
pub fn a_ray_service_imports_the_upload(place: &dyn Place) {
    if !available() || !has_program("python3") {
        return;
    }
    let sandbox = place.sandbox();
    sandbox.write("work/serveconfig", "applications: []\n");
    sandbox.write("work/__init__.py", "from .inner.part import WORD\n");
    sandbox.write("work/inner/part.py", "WORD = 'imported'\n");
    let path = sandbox.path("work");
    let program =
        "import app, sys, os; print(app.WORD, app.__file__, os.getcwd(), '/own' in sys.path)";
    for (name, own, kept) in [
        ("plain", None, "False"),
        ("path", Some("PYTHONPATH=/own"), "True"),
        ("several", Some("PYTHONPATH=/other:/own"), "True"),
        ("empty", Some("PYTHONPATH="), "False"),
    ] {
        let mut arguments = vec!["-p", path.to_str().unwrap(), "--ray"];
        arguments.extend(["-g", "8", "--gpu-resource", "amd.com/gpu"]);
        if let Some(own) = own {
            arguments.extend(["--env", own]);
        }
        let launch = place.start("serve", name, &arguments);
        assert_eq!(launch.pods.len(), 2);
        for index in 0..2 {
            // Ray starts its processes wherever it likes.
            for command in [
                &["python3", "-B", "-c", program][..],
                &["env", "-C", "/", "python3", "-B", "-c", program],
            ] {
                let directory = if command[0] == "env" {
                    "/"
                } else {
                    "/workload/app"
                };
                assert_eq!(
                    place.exec(&launch, index, command).exits(0).stdout(),
                    format!("imported /workload/app/__init__.py {directory} {kept}\n"),
                    "{name} {index}"
                );
            }
        }
    }
}

/// Several ConfigMaps make one directory.
pub fn megabytes_make_one_directory(place: &dyn Place, kind: Kind) {
    if !available() {
        return;
    }
    let content = binary(3 << 20);
    let file = content.len() / 30 + 1;
    for (index, part) in content.chunks(file).enumerate() {
        place
            .sandbox()
            .write(&format!("work/data/{}/{index:02}", index % 3), part);
    }
    let large = &content[..2_500_000];
    let tool = place.sandbox().write("work/a tool ☃", large);
    make_executable(&tool);
    place.sandbox().write(
        "work/entrypoint",
        "#!/bin/sh\n[ -x 'a tool ☃' ] && cat 'a tool ☃' >\"$KAIWO_SCRATCH/large\"\nfor n in 0 1 2; do for f in $(seq -w 0 29); do [ -e data/$n/$f ] && echo $f data/$n/$f; done; done \
         | sort | while read -r _ f; do cat \"$f\"; done > \"$KAIWO_SCRATCH/all\"\nls | tr '\\n' ' '\n",
    );
    let launch = place.launch("large", kind);
    let volumes = launch.pods[0]["spec"]["volumes"].as_array().unwrap();
    let upload = volumes
        .iter()
        .find(|volume| volume["name"] == "workload")
        .unwrap();
    let config_maps = upload["projected"]["sources"].as_array().unwrap().len();
    assert!(config_maps >= 6, "{config_maps} ConfigMaps");
    let run = place.run(&launch, 0).exits(0);
    assert!(run.file("/scratch/all") == content, "the files differ");
    assert!(
        run.file("/scratch/large") == large,
        "the large file differs"
    );
    assert_eq!(run.stdout(), "a tool ☃ data entrypoint ");
}

/// The exit code of the entrypoint is the container's.
pub fn exit_codes_come_through(place: &dyn Place, kind: Kind) {
    if !available() {
        return;
    }
    place.sandbox().write(
        "work/entrypoint",
        "#!/bin/sh\necho about to fail\nexit 42\n",
    );
    let launch = place.launch("fails", kind);
    let run = place.run(&launch, 0).exits(42);
    assert_eq!(run.stdout(), "about to fail\n");
}

/// The examples run, as far as they do without GPUs and PyTorch.
pub fn examples_run(place: &dyn Place) {
    if !available() {
        return;
    }
    let submit = |example: &str, name: &str, flags: &[&str]| {
        let path = checkout("workloads").join(example);
        place.start(
            "submit",
            name,
            &[&["-p", path.to_str().unwrap()], flags].concat(),
        )
    };
    for gpus in ["0", "1"] {
        let launch = submit("hello", &format!("hello-{gpus}"), &["-g", gpus]);
        let stdout = place.run(&launch, 0).exits(0).stdout();
        let host = super::environment::hostname(&launch.pods[0]);
        let message =
            std::fs::read_to_string(checkout("workloads/hello/greeting/message.txt")).unwrap();
        let expected = format!(
            "hello from {host}: {gpus} GPUs in 1 replica(s)\nvariables come from the file named env\n{message}"
        );
        assert!(stdout.starts_with(&expected), "{stdout}");
        assert!(stdout.contains(" entrypoint\n"), "{stdout}");
    }

    let launch = submit("torchrun", "torchrun", Kind::Indexed.flags());
    let torchrun =
        "#!/bin/sh\necho torchrun \"$@\" $PET_NODE_RANK of $PET_NNODES\ntest -r \"$1\"\n";
    let run = place
        .run_with(&launch, 1, |node| node.program("torchrun", torchrun))
        .unwrap();
    assert_eq!(run.exits(0).stdout(), "torchrun all_reduce.py 1 of 2\n");

    let launch = submit("ray-gpus", "ray-gpus", &["-g", "16", "--ray"]);
    let python = "#!/bin/sh\necho python \"$@\" with $NUM_GPUS\ntest -r \"$1\"\n";
    let run = place
        .run_with(&launch, 0, |node| node.program("python", python))
        .unwrap();
    assert_eq!(run.exits(0).stdout(), "python show_gpus.py with 16\n");
}
