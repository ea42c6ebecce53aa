//! Finds the kubectl to compare with.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use super::program::{Program, is_missing};

/// A kubectl and what it calls itself.
#[derive(Clone, Debug)]
pub struct Kubectl {
    pub program: Program,
    pub version: String,
}

impl Kubectl {
    /// Returns the asked one, else the one on the PATH; `None` if there is none.
    pub fn find(asked: Option<PathBuf>, home: &Path) -> Result<Option<Self>> {
        let program = Program::new(asked.unwrap_or_else(|| "kubectl".into()), home);
        let version = match version(&program) {
            Err(error) if is_missing(&error) => return Ok(None),
            version => version?,
        };
        let found = Self { program, version };
        // Google Cloud's kubectl is not kubectl yet: it asks the server for its version, then runs one that fits. Its
        // round trips are not to be held against kubectl.
        match found.version.ends_with("-dispatcher") {
            true => Ok(Some(found.dispatched(home)?.unwrap_or(found))),
            false => Ok(Some(found)),
        }
    }

    /// Returns the newest kubectl that lies beside a dispatcher.
    fn dispatched(&self, home: &Path) -> Result<Option<Self>> {
        let Some(folder) = self.file().and_then(|file| Some(file.parent()?.to_owned())) else {
            return Ok(None);
        };
        let minor = |path: &Path| -> Option<u32> {
            let name = path.file_name()?.to_str()?;
            name.strip_prefix("kubectl.1.")?.parse().ok()
        };
        let newest = std::fs::read_dir(folder)?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| minor(path).is_some())
            .max_by_key(|path| minor(path));
        let Some(path) = newest else { return Ok(None) };
        let program = Program::new(path, home);
        Ok(Some(Self {
            version: version(&program)?,
            program,
        }))
    }

    /// Returns its file, links followed.
    pub fn file(&self) -> Option<PathBuf> {
        let path = &self.program.path;
        let candidates: Vec<PathBuf> = match path.components().count() {
            1 => std::env::split_paths(&std::env::var_os("PATH")?)
                .map(|folder| folder.join(path))
                .collect(),
            _ => vec![path.clone()],
        };
        candidates
            .iter()
            .find_map(|candidate| std::fs::canonicalize(candidate).ok())
    }
}

fn version(program: &Program) -> Result<String> {
    let run = program.run(["version", "--client", "--output", "json"])?;
    let answer: Value = serde_json::from_str(&run.stdout)?;
    let version = answer["clientVersion"]["gitVersion"].as_str();
    Ok(version
        .context("kubectl does not tell its version")?
        .to_owned())
}
