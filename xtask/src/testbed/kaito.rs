//! KAITO's own controller, from a binary that somebody has built: neither Go's module proxy nor this project ships one.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::build::components;

/// Names the directory with the definitions of KAITO's kinds, of the binary's release.
const VARIABLE: &str = "KAIWO_UPSTREAM_CRDS";
/// The kinds that it moves, as files of that directory.
const KINDS: [&str; 2] = ["kaito.sh_workspaces.yaml", "kaito.sh_inferencesets.yaml"];

/// A controller and its kinds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Kaito {
    pub binary: PathBuf,
    /// What it calls its release.
    pub version: String,
    pub crds: Vec<Value>,
}

impl Kaito {
    /// Looks at a binary of `cmd/workspace` (KAITO v0.12), and reads the definitions of its kinds.
    pub fn find(binary: &Path) -> Result<Self> {
        let binary = std::path::absolute(binary)?;
        let output = Command::new(&binary)
            .arg("--version")
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("failed to run {}", binary.display()))?;
        if !output.status.success() {
            bail!(
                "{} --version: {}\n{}",
                binary.display(),
                output.status,
                String::from_utf8_lossy(&output.stderr)
            );
        }
        let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let Some(folder) = std::env::var_os(VARIABLE).filter(|folder| !folder.is_empty()) else {
            bail!(
                "{VARIABLE} does not say where KAITO's definitions are: set it to config/crd/bases of the source that {} was built from",
                binary.display()
            );
        };
        let crds = KINDS.map(|file| definition(&Path::new(&folder).join(file)));
        Ok(Self {
            binary,
            version,
            crds: crds.into_iter().collect::<Result<_>>()?,
        })
    }
}

fn definition(file: &Path) -> Result<Value> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("failed to read {}", file.display()))?;
    let mut documents = components::parse_yaml(&text)
        .with_context(|| format!("failed to read {}", file.display()))?;
    match documents.pop() {
        Some(definition) if documents.is_empty() => Ok(definition),
        _ => bail!("{} is not one definition", file.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testbed::files;

    #[test]
    fn what_is_no_controller_is_told() {
        let error = |binary: &str| format!("{:#}", Kaito::find(Path::new(binary)).unwrap_err());
        assert!(error("/nowhere/kaito").starts_with("failed to run /nowhere/kaito: "));
        assert!(error("/bin/false").starts_with("/bin/false --version: exit status: 1"));
    }

    #[test]
    fn a_definition_is_one_document() {
        let place = std::env::temp_dir().join(format!("xtask-kaito-{}", std::process::id()));
        for (text, is_one) in [("---\nkind: A\n", true), ("kind: A\n---\nkind: B\n", false)] {
            files::write(&place, text).unwrap();
            assert_eq!(definition(&place).is_ok(), is_one, "{text}");
        }
        files::remove(&place).unwrap();
    }
}
