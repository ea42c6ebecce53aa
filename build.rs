//! Puts the examples of `workloads/` into the binary, as a table of their files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What tools leave behind.
const LEFT_BEHIND: [&str; 2] = ["__pycache__", ".pytest_cache"];

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=workloads");
    let variable = |name| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .unwrap_or_default()
    };
    let root = variable("CARGO_MANIFEST_DIR").join("workloads");
    let mut files = Vec::new();
    find(&root, &mut files)?;
    files.sort();
    let rows = files.iter().filter_map(|file| {
        let path = file.strip_prefix(&root).ok()?.to_str()?.replace('\\', "/");
        // What is of no example is about all of them.
        let is_of_one = path.contains('/');
        is_of_one.then(|| format!("({path:?}, include_bytes!({file:?}) as &[u8]),\n"))
    });
    let table: String = rows.collect();
    fs::write(
        variable("OUT_DIR").join("examples.rs"),
        format!("&[\n{table}]"),
    )
}

fn find(directory: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        match path.is_dir() {
            true if LEFT_BEHIND.iter().any(|name| path.ends_with(name)) => {}
            true => find(&path, files)?,
            false => files.push(path),
        }
    }
    Ok(())
}
