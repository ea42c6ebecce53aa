//! What kaiwo does without a cluster: plans, dry runs, refusals. The demo tells it while
//! the control plane is built.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use super::{heading, say};
use crate::checkout;

/// Most lines that are shown of an answer.
const LINES: usize = 40;

/// What is shown, what is typed after `kaiwo`, and the exit code.
const STORY: [(&str, &[&str], i32); 5] = [
    (
        "Without a cluster: 16 GPUs on nodes of 8 become two pods",
        &[
            "submit",
            "-p",
            "workloads/torchrun",
            "-g",
            "16",
            "--gpus-per-node",
            "8",
            "--dry-run",
            "-o",
            "name",
        ],
        0,
    ),
    (
        "The manifest of a Job, before anything is created",
        &[
            "submit",
            "-i",
            "busybox",
            "-g",
            "1",
            "--name",
            "hello",
            "--dry-run",
            "--",
            "echo",
            "hello",
        ],
        0,
    ),
    (
        "25 GPUs cannot be split evenly over nodes of 4: refused, with what works",
        &[
            "submit",
            "-p",
            "workloads/hello",
            "-g",
            "25",
            "--gpus-per-node",
            "4",
            "--dry-run",
        ],
        3,
    ),
    (
        "A name that Kubernetes would refuse",
        &[
            "submit",
            "-p",
            "workloads/hello",
            "--name",
            "My_Job",
            "--dry-run",
        ],
        3,
    ),
    (
        "A model of KAITO's catalogue, and the GPUs that it needs",
        &["models", "phi-4", "--offline"],
        0,
    ),
];

/// Tells it. `settings` is a directory without any.
pub fn tell(binary: &Path, settings: &Path) -> Result<()> {
    for (what, arguments, code) in STORY {
        let output = Command::new(binary)
            .current_dir(checkout())
            .args(arguments)
            .env_remove("KUBECONFIG")
            .env("KAIWO_USER", "demo")
            .env("XDG_CONFIG_HOME", settings)
            .output()?;
        // As one block: another thread reports on the control plane.
        let mut text = format!("$ kaiwo {}", arguments.join(" "));
        let written = [output.stderr, output.stdout].concat();
        let written = String::from_utf8_lossy(&written);
        let mut lines = written.lines();
        for line in lines.by_ref().take(LINES) {
            text += &format!("\n{line}");
        }
        match lines.count() {
            0 => {}
            more => text += &format!("\n… {more} more lines"),
        }
        heading(what);
        if output.status.code() != Some(code) {
            bail!("{text}\nkaiwo ended with {}", output.status);
        }
        if code != 0 {
            text += &format!("\n(exit code {code})");
        }
        say(&text);
    }
    Ok(())
}
