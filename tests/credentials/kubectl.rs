//! The kubectl to compare with.

use std::path::PathBuf;
use std::process::Command;

use crate::common::Sandbox;

/// Returns a kubectl: the one on the PATH. Google Cloud's is none itself: it
/// asks the server for its version and runs one that fits, so the newest of
/// those beside it is taken.
pub fn find() -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    let found = std::env::split_paths(&folders)
        .find_map(|folder| std::fs::canonicalize(folder.join("kubectl")).ok())?;
    let minor = |path: &PathBuf| -> Option<u32> {
        let name = path.file_name()?.to_str()?;
        name.strip_prefix("kubectl.1.")?.parse().ok()
    };
    let beside = std::fs::read_dir(found.parent()?).ok()?;
    let newest = beside
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| minor(path).is_some())
        .max_by_key(minor);
    Some(newest.unwrap_or(found))
}

/// Lets it ask the server for something, in the same surroundings as kaiwo.
pub fn visit(
    kubectl: &PathBuf,
    sandbox: &Sandbox,
    arguments: &[&str],
    variables: &[(&str, String)],
) {
    let like = sandbox.command(&[]);
    let mut command = Command::new(kubectl);
    command
        .args(["get", "--raw", "/version", "--request-timeout=600s"])
        .args(arguments)
        .env_clear()
        .envs(
            like.get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .current_dir(sandbox.path(""))
        .stdin(std::process::Stdio::null());
    let _ = command.output().unwrap();
}
