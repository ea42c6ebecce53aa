//! The machines that releases are for, and how kaiwo is built for each: static, without a
//! path of the machine that builds it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use super::elf::{self, Headers};
use super::trial;
use crate::cargo::{self, cargo};
use crate::checkout;

/// An architecture that releases are made for.
#[derive(Debug)]
pub struct Architecture {
    /// As downloads are named, after Go's and Debian's names.
    pub name: &'static str,
    /// As Rust and `uname -m` name it.
    pub machine: &'static str,
    /// Rust's target.
    pub target: &'static str,
    /// C compilers that can build for it on any machine, in order of preference.
    /// Those with glibc's headers do: the C in ring uses nothing of a C library.
    compilers: &'static [&'static str],
    /// What runs it on another machine.
    emulators: &'static [&'static str],
    /// `e_machine` of its executables.
    elf_machine: u16,
}

/// All of them.
pub static ARCHITECTURES: [Architecture; 2] = [
    Architecture {
        name: "amd64",
        machine: "x86_64",
        target: "x86_64-unknown-linux-musl",
        compilers: &["x86_64-linux-musl-gcc", "x86_64-linux-gnu-gcc"],
        emulators: &["qemu-x86_64-static", "qemu-x86_64"],
        elf_machine: elf::X86_64,
    },
    Architecture {
        name: "arm64",
        machine: "aarch64",
        target: "aarch64-unknown-linux-musl",
        compilers: &["aarch64-linux-musl-gcc", "aarch64-linux-gnu-gcc"],
        emulators: &["qemu-aarch64-static", "qemu-aarch64"],
        elf_machine: elf::AARCH64,
    },
];

impl Architecture {
    /// Returns the one that an executable is for.
    pub fn from_headers(headers: &Headers) -> Result<&'static Self> {
        let mut all = ARCHITECTURES.iter();
        all.find(|it| it.elf_machine == headers.machine)
            .with_context(|| {
                format!(
                    "there are no releases for its machine ({})",
                    headers.machine
                )
            })
    }

    /// Returns the name of the executable among the downloads.
    pub fn file_name(&self) -> String {
        format!("kaiwo_linux_{}", self.name)
    }

    fn is_native(&self) -> bool {
        self.machine == std::env::consts::ARCH
    }

    /// Returns what runs its executables here, which may be nothing but the machine; none
    /// if they do not run here.
    pub fn runner(&self) -> Option<Option<&'static str>> {
        if self.is_native() {
            return Some(None);
        }
        let mut emulators = self.emulators.iter();
        emulators
            .find(|emulator| is_there(emulator))
            .map(|emulator| Some(*emulator))
    }

    /// Returns the C compiler, or what is missing and how to get it.
    pub fn toolchain(&self) -> Result<Result<String, String>> {
        let sysroot = Command::new("rustc")
            .args(["--print", "sysroot"])
            .output()
            .context("cannot run rustc")?;
        let sysroot = PathBuf::from(String::from_utf8(sysroot.stdout)?.trim());
        if !sysroot.join("lib/rustlib").join(self.target).is_dir() {
            return Ok(Err(format!(
                "Rust's library for it is not installed; try: rustup target add {}",
                self.target
            )));
        }
        let compilers = match self.is_native() {
            true => &["musl-gcc", "gcc", "cc"],
            false => self.compilers,
        };
        Ok(match compilers.iter().find(|compiler| is_there(compiler)) {
            Some(compiler) => Ok((*compiler).to_owned()),
            None => Err(format!(
                "there is no C compiler for it, none of {}",
                compilers.join(", ")
            )),
        })
    }

    /// Builds kaiwo in a directory with its source.
    pub fn build(&self, compiler: &str, profile: &str, source: &Path, place: &Path) -> Result<()> {
        let name = self.target.replace('-', "_");
        let hidden = hidden_paths(source)?;
        let mut flags: Vec<String> = user_flags();
        flags.extend(
            hidden
                .iter()
                .map(|(path, shown)| format!("--remap-path-prefix={}={shown}", path.display())),
        );
        let c_flags = hidden
            .iter()
            .map(|(path, shown)| format!("-ffile-prefix-map={}={shown}", path.display()));
        let c_flags: Vec<String> = c_flags.collect();
        let mut cargo = cargo();
        cargo
            .current_dir(source)
            .args([
                "build",
                "--locked",
                "--profile",
                profile,
                "--target",
                self.target,
            ])
            .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"))
            .env(format!("CC_{name}"), compiler)
            .env(format!("CFLAGS_{name}"), c_flags.join(" "));
        if source != Path::new(checkout()) {
            cargo.env("CARGO_TARGET_DIR", source.join("target"));
        }
        if !self.is_native() {
            cargo.env(
                format!("CARGO_TARGET_{}_LINKER", name.to_uppercase()),
                compiler,
            );
        }
        cargo::build(cargo, place).context(self.target)
    }

    /// Checks an executable, and tells what was checked.
    pub fn verify(&self, file: &Path, version: &str) -> Result<String> {
        let headers = Headers::read(&std::fs::read(file)?)?;
        if headers.machine != self.elf_machine {
            bail!("it is for another machine ({})", headers.machine);
        }
        if !headers.is_static {
            bail!("it is not static: it asks for a dynamic linker or a library");
        }
        let Some(runner) = self.runner() else {
            return Ok(format!(
                "static; not run: none of {} is here",
                self.emulators.join(", ")
            ));
        };
        let said = trial::runs(file, runner, version)?;
        trial::looks_up_names(file, runner)?;
        Ok(match runner {
            None => format!("static, runs as {said}, looks up names"),
            Some(emulator) => format!("static, runs as {said} on {emulator}, looks up names"),
        })
    }
}

/// Returns the user's own flags for rustc.
fn user_flags() -> Vec<String> {
    let plain = std::env::var("RUSTFLAGS").unwrap_or_default();
    plain.split_whitespace().map(str::to_owned).collect()
}

/// Returns directories of this machine that an executable must not name, and what it
/// names instead. The last that fits a path counts.
fn hidden_paths(source: &Path) -> Result<Vec<(PathBuf, &'static str)>> {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let cargo_home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let cargo_home = cargo_home.or_else(|| home.as_ref().map(|home| home.join(".cargo")));
    let target = match std::env::var_os("CARGO_TARGET_DIR") {
        Some(target) if source == Path::new(checkout()) => PathBuf::from(target),
        _ => source.join("target"),
    };
    let source = source.canonicalize()?;
    let mut paths = vec![(source.clone(), "kaiwo")];
    paths.extend(cargo_home.map(|path| (path, "cargo")));
    paths.push((target, "target"));
    paths.push((source.join("target"), "target"));
    Ok(paths)
}

/// Returns the first path of this machine that an executable names.
pub fn named_path(content: &[u8], source: &Path) -> Result<Option<PathBuf>> {
    let paths = hidden_paths(source)?.into_iter().map(|(path, _)| path);
    Ok(paths.into_iter().find(|path| {
        let path = path.as_os_str().as_encoded_bytes();
        content.windows(path.len()).any(|window| window == path)
    }))
}

/// Returns whether a program is on the PATH.
pub fn is_there(program: &str) -> bool {
    Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dynamic_executable_is_no_release() {
        let all = ARCHITECTURES.iter();
        let (native, others): (Vec<_>, Vec<_>) = all.partition(|it| it.is_native());
        // This test is dynamic itself.
        let me = std::env::current_exe().unwrap();
        let error = |it: &Architecture| it.verify(&me, "0.1.0").unwrap_err().to_string();
        assert!(error(native[0]).contains("not static"));
        assert!(error(others[0]).contains("another machine"));
    }

    #[test]
    fn a_path_of_this_machine_is_found() {
        let source = Path::new(checkout());
        let here = source.canonicalize().unwrap();
        let content = format!("..{}/src/main.rs..", here.display());
        let found = named_path(content.as_bytes(), source).unwrap();
        assert_eq!(found, Some(here));
        assert_eq!(named_path(b"kaiwo/src/main.rs", source).unwrap(), None);
    }
}
