//! How much later a program starts because its container copies the uploads, on a node that really runs its pods: each
//! workload in its writable directory beside the same with `--read-only-workdir`, in turn.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};

use super::program::{Program, median};
use super::report::{Figure, Row, Target};
use super::say;
use super::submit::millis;

/// The namespace of these workloads.
const NAMESPACE: &str = "kaiwo-bench-uploads";
/// The most by which it may be later, in milliseconds.
const MOST: f64 = 500.0;
/// Says what time it is, by the clock that the node shares with this program.
const ENTRYPOINT: &str = "date +%s%N\n";
/// An application whose replica starts once the uploads can be imported.
const APP: &str = "from ray import serve\n\n\n@serve.deployment\nclass Hello:\n    def __call__(self, request):\n        \
                   return 'hello'\n\n\nhello = Hello.bind()\n";
const SERVE_CONFIG: &str =
    "applications:\n- name: hello\n  route_prefix: /\n  import_path: app:hello\n";

/// A workload, with the flags that make it one.
struct Kind {
    name: &'static str,
    flags: &'static [&'static str],
}

const KINDS: [Kind; 4] = [
    Kind {
        name: "Job",
        flags: &["submit", "--follow", "-i", "testbed/python:1"],
    },
    Kind {
        name: "Job of 4 pods",
        flags: &[
            "submit",
            "--follow",
            "-i",
            "testbed/python:1",
            "--replicas",
            "4",
        ],
    },
    Kind {
        name: "RayJob",
        flags: &["submit", "--follow", "-i", "testbed/ray:1", "--ray"],
    },
    Kind {
        name: "RayService",
        flags: &["serve", "--wait", "-i", "testbed/ray:1", "--ray"],
    },
];

/// Measures so many pairs of each row whose name contains `only`.
pub fn rows(
    kaiwo: &Program,
    kubeconfig: &Path,
    scratch: &Path,
    pairs: usize,
    only: &str,
) -> Result<Vec<Row>> {
    let kubeconfig = kubeconfig.display().to_string();
    let mut rows = Vec::new();
    for (what, directory) in [
        ("8 MiB", directory(scratch, "bytes", 9, 930_000)?),
        ("1,000 files", directory(scratch, "files", 996, 100)?),
    ] {
        for kind in &KINDS {
            let name = format!("{}, {what}", kind.name);
            if !name.contains(only) {
                continue;
            }
            let once = |more: &[&str]| once(kaiwo, &kubeconfig, &directory, kind, more);
            let (mut copied, mut mounted) = (Vec::new(), Vec::new());
            // The first of each finds nothing in any cache, and is not counted.
            for pair in 0..=pairs {
                let (own, peer) = match pair % 2 {
                    0 => (once(&[])?, once(&["--read-only-workdir"])?),
                    _ => {
                        let peer = once(&["--read-only-workdir"])?;
                        (once(&[])?, peer)
                    }
                };
                let (own_ms, peer_ms) = (millis(own), millis(peer));
                say(&format!(
                    "{name}, pair {pair} of {pairs}: {own_ms:.0} ms, read-only {peer_ms:.0} ms"
                ));
                if pair > 0 {
                    copied.push(own);
                    mounted.push(peer);
                }
            }
            let middle = |times: &[Duration]| median(times).map(|it| Figure::Millis(millis(it)));
            rows.push(Row {
                what: name,
                kaiwo: middle(&copied),
                peer: "`--read-only-workdir`".to_owned(),
                figure: middle(&mounted),
                target: Target::More(MOST),
                missing: None,
            });
        }
    }
    Ok(rows)
}

/// Writes a directory with so many files of a size, and what the workloads run.
fn directory(scratch: &Path, name: &str, files: usize, bytes: usize) -> Result<PathBuf> {
    let directory = scratch.join(name);
    std::fs::create_dir_all(directory.join("data"))?;
    for (name, text) in [
        ("entrypoint", ENTRYPOINT),
        ("app.py", APP),
        ("serveconfig", SERVE_CONFIG),
    ] {
        std::fs::write(directory.join(name), text)?;
    }
    for number in 0..files {
        let mut state = u32::try_from(number)? + 1;
        let content: Vec<u8> = (0..bytes)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 17;
                state ^= state << 5;
                state.to_be_bytes()[1]
            })
            .collect();
        std::fs::write(directory.join(format!("data/{number:03}.bin")), content)?;
    }
    Ok(directory)
}

/// Runs a workload and removes it. Returns the time from the start of the command to the program's first line, of
/// several pods to that of the last; of a service until it is ready.
fn once(
    kaiwo: &Program,
    kubeconfig: &str,
    directory: &Path,
    kind: &Kind,
    more: &[&str],
) -> Result<Duration> {
    let directory = directory.display().to_string();
    let place = ["--kubeconfig", kubeconfig, "-n", NAMESPACE];
    let fixed = [
        "--create-namespace",
        "-q",
        "real",
        "--name",
        "bench",
        "-p",
        &directory,
    ];
    let arguments = [kind.flags, &place, &fixed, more].concat();
    let clock = SystemTime::now();
    let run = kaiwo.run(arguments)?;
    let delete = ["delete", "bench", "-y"];
    kaiwo.run([&delete[..], &place].concat())?;
    if kind.flags[0] == "serve" {
        return Ok(run.elapsed);
    }
    let printed = last_time(&run.stdout).with_context(|| {
        format!(
            "no time is in what the {} printed: {}",
            kind.name, run.stdout
        )
    })?;
    Ok(printed.duration_since(clock).unwrap_or_default())
}

/// Returns the last time that is in a log, behind whatever is in front of its lines.
fn last_time(log: &str) -> Option<SystemTime> {
    let words = log.lines().filter_map(|line| line.split(' ').next_back());
    let times = words.filter(|word| word.len() == 19);
    let last = times.filter_map(|word| word.parse().ok()).max()?;
    Some(UNIX_EPOCH + Duration::from_nanos(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_pods_time_counts() {
        let log = "[0] 1700000000000000001\n[1] 1700000000000000003\nand more 12\n";
        let last = UNIX_EPOCH + Duration::from_nanos(1_700_000_000_000_000_003);
        assert_eq!(last_time(log), Some(last));
        assert_eq!(last_time("nothing"), None);
    }
}
