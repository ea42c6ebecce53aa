//! Puts the examples of `workloads/` into the binary, as a table of their files, and has a
//! release linked without tables for unwinding.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What tools leave behind.
const LEFT_BEHIND: [&str; 2] = ["__pycache__", ".pytest_cache"];

/// Has the linker leave out what finds the way back through a stack. A release ends at
/// a panic, and rustc keeps the tables nevertheless (docs/decisions/0071-no-unwinding.md).
const WITHOUT_TABLES: &str = "\
SECTIONS {
  /DISCARD/ : {
    *(EXCLUDE_FILE(*crtbegin*.o *crtend*.o) .eh_frame)
    *(.gcc_except_table .gcc_except_table.*)
  }
}
INSERT AFTER .text;
";

fn main() -> io::Result<()> {
    let out = variable("OUT_DIR");
    if is_release() && has_usual_linker() {
        let script = out.join("without-tables.ld");
        fs::write(&script, WITHOUT_TABLES)?;
        println!("cargo::rustc-link-arg-bins=-T{}", script.display());
    }
    list_examples(&out.join("examples.rs"))
}

/// Whether what is compiled is a release for Linux. Other systems have other tables, and
/// a test has to survive a panic.
fn is_release() -> bool {
    variable("PROFILE") == Path::new("release")
        && variable("CARGO_CFG_TARGET_OS") == Path::new("linux")
}

/// Whether a C compiler calls the linker that it comes with, or rustc's. Others, such
/// as mold, do not read such a script.
fn has_usual_linker() -> bool {
    println!("cargo::rerun-if-env-changed=RUSTC_LINKER");
    println!("cargo::rerun-if-env-changed=CARGO_ENCODED_RUSTFLAGS");
    let linker = variable("RUSTC_LINKER");
    let flags = variable("CARGO_ENCODED_RUSTFLAGS");
    let is_gcc = linker == Path::new("") || linker.to_string_lossy().ends_with("gcc");
    is_gcc && !flags.to_string_lossy().contains("link")
}

fn variable(name: &str) -> PathBuf {
    std::env::var_os(name)
        .map(PathBuf::from)
        .unwrap_or_default()
}

/// Writes a table of the examples' files.
fn list_examples(table_file: &Path) -> io::Result<()> {
    println!("cargo::rerun-if-changed=workloads");
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
    fs::write(table_file, format!("&[\n{table}]"))
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
