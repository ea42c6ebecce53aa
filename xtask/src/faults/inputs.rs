//! What kaiwo reads, broken at random: files of a workload and of its user, and answers of the API server.

use std::path::Path;
use std::time::Instant;

use anyhow::Result;

use super::fault::{Fault, Injection, Reach};
use super::journal::Row;
use super::lab::{End, Lab, Space};
use super::mutation;
use super::point::Findings;
use super::random::Random;
use super::scenario::{NAME, QUEUE, Words};
use super::tasks::Task;

/// Changed files of one point, and points of each file.
const FILES_AT_ONCE: usize = 50;
const POINTS_OF_FILE: usize = 60;
/// Changed answers of one point, and points of each command.
const ANSWERS_AT_ONCE: usize = 25;
const POINTS_OF_COMMAND: usize = 14;

/// A file, and a command that reads it.
struct Input {
    file: &'static str,
    text: &'static str,
    /// Other files that stand beside it.
    beside: &'static [(&'static str, &'static str)],
    command: Words,
    /// Exit codes that mean that it was read and understood.
    passed: &'static [i32],
}

const SUBMIT: Words = &["submit", "-p", "w", "-g", "1", "--dry-run"];
const ENTRYPOINT: (&str, &str) = ("w/entrypoint", "#!/bin/sh\necho hello\n");

const INPUTS: &[Input] = &[
    Input {
        file: "w/env",
        text: "envVars:\n  - name: LOG_LEVEL\n    value: \"debug\"\n  - fromSecret: {name: HF_TOKEN, secret: hf-token, key: token}\n  - mountSecret: {name: FILE, secret: gcp, key: key.json, path: /secrets/key.json}\n",
        beside: &[ENTRYPOINT],
        command: SUBMIT,
        passed: &[0],
    },
    Input {
        file: "w/kaiwoconfig",
        text: "gpus: 16\nqueue: research\nenv: {A: b, C: \"1\"}\nsecret: {HF_TOKEN: hf/token}\nvolume: [\"data:/data:ro\"]\nmaxRuntime: 12h\nuploadLimit: 4Mi\ntoleration: [\"gpu=true:NoSchedule\"]\n",
        beside: &[ENTRYPOINT],
        command: &["submit", "-p", "w", "--dry-run"],
        passed: &[0],
    },
    Input {
        file: "w/.kaiwoignore",
        text: "# comment\n*.pyc\n/data/\n!keep\n**/node_modules\na[0-9].txt\n\\!literal\n",
        beside: &[ENTRYPOINT, ("w/a1.txt", "1"), ("w/keep", "2")],
        command: SUBMIT,
        passed: &[0],
    },
    Input {
        file: "w/template",
        text: super::scenario::TEMPLATE,
        beside: &[ENTRYPOINT],
        command: SUBMIT,
        passed: &[0],
    },
    Input {
        file: "w/custom.yaml",
        text: "repository:\n  url: https://example.com/code.git\n  revision: \"4f2a\"\nsizes: [1, 2, 3]\nlarge: true\n",
        beside: &[
            ENTRYPOINT,
            ("w/kaiwoconfig", "customConfig: custom.yaml\n"),
            ("w/template", CUSTOM),
        ],
        command: SUBMIT,
        passed: &[0],
    },
    Input {
        file: "w/serveconfig",
        text: "applications:\n- name: llm\n  route_prefix: /\n  import_path: app:deployment\n  args: {model: phi-4}\n  deployments:\n  - name: server\n    num_replicas: 2\n    ray_actor_options: {num_gpus: 1}\n",
        beside: &[("w/__init__.py", "deployment = 1\n")],
        command: &["serve", "-p", "w", "--ray", "-g", "1", "--dry-run"],
        passed: &[0],
    },
    Input {
        file: "home/.config/kaiwo/config.yaml",
        text: "queue: research\nnamespace: team\nuser: alice\nenv: {LOG_LEVEL: debug}\nnodeSelector: {zone: a}\n",
        beside: &[ENTRYPOINT],
        command: SUBMIT,
        passed: &[0],
    },
    Input {
        file: "variables",
        text: "envVars:\n- name: A\n  value: b\n- name: C\n  value: \"1\"\n- fromSecret: {name: D, secret: d, key: e}\n",
        beside: &[ENTRYPOINT],
        command: &[
            "submit",
            "-p",
            "w",
            "-g",
            "1",
            "--env-file",
            "variables",
            "--dry-run",
        ],
        passed: &[0],
    },
    Input {
        file: "vllm.yaml",
        text: "vllm:\n  max-model-len: 8192\n  gpu-memory-utilization: 0.9\n  swap-space: 4\nmax_probe_steps: 6\n",
        beside: &[ENTRYPOINT],
        command: &[
            "serve",
            "-m",
            "phi-4",
            "--instance-type",
            "Standard_NC24ads_A100_v4",
            "--inference-config",
            "vllm.yaml",
            "--dry-run",
        ],
        passed: &[0],
    },
    Input {
        file: "kubeconfig",
        // Nobody listens there.
        text: "apiVersion: v1\nkind: Config\ncurrent-context: here\nclusters:\n- name: c\n  cluster: {server: 'http://127.0.0.1:1'}\nusers:\n- name: u\n  user: {token: kanarienvogel-7f3b}\ncontexts:\n- name: here\n  context: {cluster: c, user: u, namespace: n}\n",
        beside: &[ENTRYPOINT],
        command: &[
            "list",
            "--kubeconfig",
            "kubeconfig",
            "--request-timeout",
            "1",
        ],
        passed: &[7],
    },
];

const CUSTOM: &str = "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: {{ Meta.Name }}\nspec:\n  template:\n    spec:\n      restartPolicy: Never\n      containers:\n      - name: main\n        image: registry/git:1\n        args: [{{ Custom.repository.url }}, {{ Custom.repository.revision }}]\n";

/// Commands whose answers are changed; `j` is a Job there, `d` a Deployment.
const ASKING: &[Words] = &[
    &["list"],
    &["list", "-o", "json"],
    &["list", "-o", "wide", "--any"],
    &["status", "j"],
    &["status", "d", "-o", "json"],
    &["why", "j"],
    &["why", "d"],
    &["queues"],
    &["queues", "-o", "json"],
    &["nodes"],
    &["top"],
    &["wait", "j", "--timeout", "2s"],
    &["logs", "j"],
    &["endpoint", "d"],
    &["delete", "d", "--dry-run", "-y"],
    &[
        "submit",
        "-p",
        "hello",
        "-g",
        "1",
        "--name",
        NAME,
        "-q",
        QUEUE,
        "--dry-run=server",
        // Manifests have the values of variables, as they should.
        "-o",
        "name",
    ],
    &[
        "submit", "-p", "hello", "-g", "1", "--name", "j", "-q", QUEUE,
    ],
    &[
        "submit", "-p", "hello", "-g", "1", "--name", NAME, "-q", QUEUE,
    ],
    &[
        "serve",
        "-i",
        "registry/chat:2",
        "-g",
        "0",
        "--name",
        "d",
        "--port",
        "9090",
        "--diff",
    ],
    &[
        "serve",
        "-i",
        "registry/chat:1",
        "-g",
        "0",
        "--name",
        "d",
        "--port",
        "8080",
    ],
];
/// Exit codes that kaiwo documents for them; the command line is right, so 2 is none.
const DOCUMENTED: [i32; 10] = [0, 1, 3, 4, 5, 6, 7, 8, 124, 125];

/// Returns everything of this layer.
pub fn tasks(lab: &Lab, seed: u64) -> Vec<Task<'_>> {
    let files = INPUTS.iter().flat_map(move |input| {
        (0..POINTS_OF_FILE).map(move |number| {
            let key = format!("mutate/{}/{number}", input.file);
            let task_key = key.clone();
            Task {
                key,
                layer: "mutate",
                command: input.file.to_owned(),
                fault: "changed file".to_owned(),
                runs: FILES_AT_ONCE,
                run: Box::new(move || changed_files(lab, input, &task_key, seed)),
            }
        })
    });
    let answers = ASKING.iter().flat_map(move |words| {
        (0..POINTS_OF_COMMAND).map(move |number| {
            let key = format!("mutate/{}/{number}", words.join(" "));
            let task_key = key.clone();
            Task {
                key,
                layer: "mutate",
                command: words.join(" "),
                fault: "changed answer".to_owned(),
                runs: ANSWERS_AT_ONCE,
                run: Box::new(move || changed_answers(lab, words, &task_key, seed)),
            }
        })
    });
    files.chain(answers).collect()
}

fn changed_files(lab: &Lab, input: &Input, key: &str, seed: u64) -> Result<Row> {
    let begun = Instant::now();
    let mut random = Random::named(seed, key);
    let folder = lab.scratch().join(key.replace('/', "-"));
    write(&folder.join("home/.keep"), "")?;
    for (name, text) in input.beside {
        write(&folder.join(name), text)?;
    }
    let mut findings = Findings::default();
    let mut passed = 0;
    for _ in 0..FILES_AT_ONCE {
        let text = mutation::text(input.text, &mut random);
        write(&folder.join(input.file), &text)?;
        let mut command = lab.command();
        command
            .args(input.command)
            .current_dir(&folder)
            .env("HOME", folder.join("home"));
        let ran = lab.watch(command, || false)?;
        let before = findings.counts;
        findings.ran("the run", &ran);
        match ran.end {
            End::Exited(code) if input.passed.contains(&code) => passed += 1,
            // The parser said no, or what it read is not possible, or nothing can be asked with it.
            End::Exited(2..=4) => {}
            End::Exited(code) => {
                findings.counts.codes += 1;
                findings.note(format!("exit code {code}: {}", ran.stderr));
            }
            _ => {}
        }
        if findings.counts != before {
            findings.note(format!("{} was {text:?}", input.file));
        }
    }
    let _ = std::fs::remove_dir_all(&folder);
    Ok(Row {
        key: key.to_owned(),
        layer: "mutate".to_owned(),
        command: input.file.to_owned(),
        fault: "changed file".to_owned(),
        runs: FILES_AT_ONCE,
        passed,
        counts: findings.counts,
        notes: findings.notes,
        seconds: begun.elapsed().as_secs_f64(),
    })
}

fn changed_answers(lab: &Lab, words: Words, key: &str, seed: u64) -> Result<Row> {
    let begun = Instant::now();
    let mut random = Random::named(seed, key);
    let space = lab.space()?;
    prepare(&space)?;
    let mut findings = Findings::default();
    let mut passed = 0;
    for _ in 0..ANSWERS_AT_ONCE {
        let injection = Injection {
            fault: Fault::Mutated(random.next()),
            at: 1 + random.below(10),
            reach: *random.one(&Reach::ALL),
        };
        let shown = format!("{injection:?}");
        let proxy = lab.proxy(Some(injection))?;
        let ran = space.through(&proxy, words)?;
        proxy.close();
        let before = findings.counts;
        findings.ran("the run", &ran);
        passed += usize::from(!ran.says("invalid answer to"));
        if let End::Exited(code) = ran.end
            && !DOCUMENTED.contains(&code)
        {
            findings.counts.codes += 1;
            findings.note(format!("exit code {code}: {}", ran.stderr));
        }
        if ran.says("\u{1b}]0;") || ran.stderr.contains('\u{202e}') {
            findings.counts.leaks += 1;
            findings.note(format!(
                "control characters pass: {:?} {:?}",
                ran.stdout, ran.stderr
            ));
        }
        if findings.counts != before {
            findings.note(shown);
        }
    }
    Ok(Row {
        key: key.to_owned(),
        layer: "mutate".to_owned(),
        command: words.join(" "),
        fault: "changed answer".to_owned(),
        runs: ANSWERS_AT_ONCE,
        passed,
        counts: findings.counts,
        notes: findings.notes,
        seconds: begun.elapsed().as_secs_f64(),
    })
}

/// Makes what is asked about.
fn prepare(space: &Space<'_>) -> Result<()> {
    space.must(&[
        "submit", "-p", "hello", "-g", "1", "--name", "j", "-q", QUEUE,
    ])?;
    space.must(&[
        "serve",
        "-i",
        "registry/chat:1",
        "-g",
        "0",
        "--name",
        "d",
        "--port",
        "8080",
    ])?;
    Ok(())
}

fn write(file: &Path, text: &str) -> Result<()> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    Ok(std::fs::write(file, text)?)
}

#[cfg(test)]
mod tests {
    use super::super::scenario::CANARY;
    use super::*;

    #[test]
    fn the_kubeconfig_holds_what_may_not_be_shown() {
        let kubeconfig = INPUTS
            .iter()
            .find(|input| input.file == "kubeconfig")
            .unwrap();
        assert!(kubeconfig.text.contains(CANARY));
    }

    #[test]
    fn there_are_as_many_as_were_promised() {
        let files = INPUTS.len() * POINTS_OF_FILE * FILES_AT_ONCE;
        let answers = ASKING.len() * POINTS_OF_COMMAND * ANSWERS_AT_ONCE;
        assert!(files + answers >= 35_000, "{files} + {answers}");
    }
}
