//! The files of a new workload directory: a program in Python, and an entrypoint that
//! installs what it needs.

use super::new_files::NewFile;
use crate::shell;

/// Where a claim with packages is mounted.
pub const CACHE: &str = "/cache";
/// The program that is written where none is named.
const PROGRAM: &str = "main.py";

/// What is known of the workload.
#[derive(Debug, Clone, Default)]
pub struct Starter {
    /// The directory, as it was typed.
    pub directory: String,
    /// What it runs, as a line for a shell; a program that is written with it if absent.
    pub command: Option<String>,
    pub gpus: Option<i64>,
    pub image: Option<String>,
    /// Claim that keeps installed packages.
    pub claim: Option<String>,
}

impl Starter {
    /// Returns the files.
    pub fn files(&self) -> Vec<NewFile> {
        let mut files = vec![
            ("entrypoint", self.entrypoint()),
            ("env", ENV.to_owned()),
            ("kaiwoconfig", self.settings()),
            (".kaiwoignore", IGNORED.to_owned()),
            ("README.md", self.readme()),
        ];
        if self.command.is_none() {
            files.push((PROGRAM, HELLO.to_owned()));
        }
        let file = |(path, text): (&str, String)| NewFile {
            path: path.to_owned(),
            content: text.into_bytes(),
        };
        files.into_iter().map(file).collect()
    }

    fn entrypoint(&self) -> String {
        let cache = match self.claim {
            Some(_) => CACHE,
            None => "${KAIWO_SCRATCH:-/scratch}",
        };
        let program = || format!("python3 {PROGRAM}");
        let command = self.command.clone().unwrap_or_else(program);
        ENTRYPOINT
            .replace("CACHE/python", &format!("{cache}/python"))
            .replace("COMMAND", &command)
    }

    fn settings(&self) -> String {
        let mut text =
            "# Flags of submit, which the command line overrides: kaiwo submit --help.\n"
                .to_owned();
        text += &format!("gpus: {}\n", self.gpus.unwrap_or(1));
        if let Some(image) = &self.image {
            text += &format!("image: {image:?}\n");
        }
        match &self.claim {
            Some(claim) => text += &format!("volume: [\"{claim}:{CACHE}\"]\n"),
            None => text += KEPT,
        }
        text
    }

    fn readme(&self) -> String {
        README.replace("DIRECTORY", &shell::quoted(&self.directory))
    }
}

/// Packages of the image, such as its torch, stay in use: the environment sees them.
/// Pods that share a claim each install into a directory of their own; the first one
/// that is complete gets the link that all look for, and the others are removed.
const ENTRYPOINT: &str = r#"#!/bin/sh
# Installs requirements.txt, pyproject.toml or uv.lock once, then runs the program.
set -eu
cache="CACHE/python"
needs=""
for file in uv.lock pyproject.toml requirements.txt; do
  if [ -f "$file" ]; then needs="$needs $file"; fi
done
if [ -n "$needs" ]; then
  # Another environment once a file or the image's Python changes.
  venv="$cache/$({ cat $needs; command -v python3; python3 -V; } | cksum | cut -d ' ' -f 1)"
  if [ ! -e "$venv" ]; then
    own="$venv-${HOSTNAME:-pod}-$$"
    mkdir -p "$cache"
    trap 'rm -rf "$own"' EXIT
    # The image's pip serves the environment as well, also without ensurepip.
    bare=""
    if python3 -m pip --version >/dev/null 2>&1; then bare=--without-pip; fi
    python3 -m venv --system-site-packages $bare "$own"
    pip="$own/bin/python -m pip install --quiet --disable-pip-version-check"
    if [ -f uv.lock ]; then
      command -v uv >/dev/null 2>&1 || $pip uv
      PATH="$PATH:$own/bin" UV_CACHE_DIR="${UV_CACHE_DIR:-$cache/uv}" \
        UV_PROJECT_ENVIRONMENT="$own" uv sync --quiet --frozen --inexact --no-install-project
    elif [ -f requirements.txt ]; then
      $pip -r requirements.txt
    else
      mkdir "$own/source"
      cp -r . "$own/source"
      $pip "$own/source"
    fi
    ln -sn "$own" "$venv" 2>/dev/null || rm -rf "$own"
    trap - EXIT
  fi
  PATH="$venv/bin:$PATH"
fi
exec COMMAND
"#;

const KEPT: &str = "\
# Keeps /scratch, with installed packages and checkpoints, for the next run of this name:
# storage: 50Gi
# keepStorage: true
";

const ENV: &str = "\
# Variables and Secrets of the program.
envVars:
  - name: PYTHONUNBUFFERED
    value: \"1\"
";

const IGNORED: &str = "\
# Files that are not uploaded, in the syntax of .gitignore.
README.md
.venv
outputs
";

const HELLO: &str = "\
import os

print(\"GPUs:\", os.environ.get(\"NUM_GPUS\", \"0\"))
";

const README: &str = "\
# A workload for kaiwo

```
kaiwo submit -p DIRECTORY --dry-run    # what would be created
kaiwo submit -p DIRECTORY --follow     # run it, with its log
```

| file | meaning |
| --- | --- |
| `entrypoint` | installs `requirements.txt`, `pyproject.toml` or `uv.lock`, then runs the program |
| `env` | variables and Secrets |
| `kaiwoconfig` | flags: GPUs, image, queue |
| `.kaiwoignore` | what is not uploaded |

Everything else is uploaded to the directory where the entrypoint runs.
";
