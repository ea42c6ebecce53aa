//! `cargo xtask dist`: what a release offers for download.
//!
//! One static executable per architecture, under the names that `docs/install.md`
//! tells users to download, and `SHA256SUMS`, in `dist/`. What was built is tried
//! before it counts: an executable that wants a library, cannot look up a name or
//! says another version is an error.

mod elf;

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::cargo::{self, cargo};
use crate::checkout;
use elf::Executable;

/// Longest wait for what takes a second on an idle machine; emulated ones are slow.
const LIMIT: Duration = Duration::from_secs(120);

/// Build what a release offers: static executables and their checksums, in `dist/`
#[derive(Debug, clap::Args)]
pub struct Dist {
    /// Fail if an architecture has to be left out, instead of saying so
    #[arg(long)]
    require_all: bool,
}

/// An architecture that releases are made for.
#[derive(Debug)]
struct Architecture {
    /// As downloads are named, after Go's and Debian's names.
    name: &'static str,
    /// As Rust and `uname -m` name it.
    machine: &'static str,
    target: &'static str,
    /// C compilers that can build for it on any machine, in order of preference.
    /// Those with glibc's headers do: the C in ring uses nothing of a C library.
    compilers: &'static [&'static str],
    /// What runs it on another machine.
    emulators: &'static [&'static str],
    elf_machine: u16,
}

const ARCHITECTURES: [Architecture; 2] = [
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

impl Dist {
    /// Builds, tries and lists everything.
    ///
    /// # Errors
    ///
    /// If a build fails, if what was built is not as it should be, or if nothing,
    /// or with `--require-all` not everything, can be built here.
    pub fn run(&self) -> Result<()> {
        let folder = Path::new(checkout()).join("dist");
        if folder.exists() {
            std::fs::remove_dir_all(&folder).context("cannot empty dist/")?;
        }
        std::fs::create_dir(&folder).context("cannot make dist/")?;
        let mut sums = String::new();
        for architecture in &ARCHITECTURES {
            let compiler = match architecture.toolchain()? {
                Ok(compiler) => compiler,
                Err(missing) if self.require_all => {
                    bail!("cannot build for {}: {missing}", architecture.name)
                }
                Err(missing) => {
                    say(&format!("skipped: {}: {missing}", architecture.name));
                    continue;
                }
            };
            say(&format!(
                "building for {} with {compiler}",
                architecture.name
            ));
            let file = architecture.file_name();
            let place = folder.join(&file);
            architecture.build(&compiler, &place)?;
            std::fs::set_permissions(&place, std::fs::Permissions::from_mode(0o755))?;
            let tried = architecture.verify(&place).with_context(|| file.clone())?;
            let content = std::fs::read(&place)?;
            let size = content.len();
            writeln!(sums, "{}  {file}", hex(&Sha256::digest(&content)))?;
            say(&format!("dist/{file}: {}, {tried}", mebibytes(size)));
        }
        if sums.is_empty() {
            bail!("no architecture can be built for here");
        }
        std::fs::write(folder.join("SHA256SUMS"), &sums)?;
        say("dist/SHA256SUMS:");
        std::io::stderr().write_all(sums.as_bytes())?;
        Ok(())
    }
}

impl Architecture {
    fn file_name(&self) -> String {
        format!("kaiwo_linux_{}", self.name)
    }

    fn is_native(&self) -> bool {
        self.machine == std::env::consts::ARCH
    }

    /// Returns the C compiler, or what is missing and how to get it.
    fn toolchain(&self) -> Result<Result<String, String>> {
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

    /// Builds kaiwo.
    fn build(&self, compiler: &str, place: &Path) -> Result<()> {
        let mut cargo = cargo();
        cargo
            .args(["build", "--release", "--locked", "--target", self.target])
            .env(format!("CC_{}", self.target.replace('-', "_")), compiler);
        if !self.is_native() {
            let target = self.target.replace('-', "_").to_uppercase();
            cargo.env(format!("CARGO_TARGET_{target}_LINKER"), compiler);
        }
        cargo::build(cargo, place).context(self.target)
    }

    /// Checks an executable, and tells what was checked.
    fn verify(&self, file: &Path) -> Result<String> {
        let executable = Executable::read(&std::fs::read(file)?)?;
        if executable.machine != self.elf_machine {
            bail!("it is for another machine ({})", executable.machine);
        }
        if !executable.is_static {
            bail!("it is not static: it asks for a dynamic linker or a library");
        }
        let runner = match self.emulators.iter().find(|emulator| is_there(emulator)) {
            _ if self.is_native() => None,
            Some(emulator) => Some(*emulator),
            None => {
                return Ok(format!(
                    "static; not run: none of {} is here",
                    self.emulators.join(", ")
                ));
            }
        };
        let version = runs(file, runner)?;
        looks_up_names(file, runner)?;
        Ok(match runner {
            None => format!("static, runs as {version}, looks up names"),
            Some(emulator) => format!("static, runs as {version} on {emulator}, looks up names"),
        })
    }
}

/// Returns a command of the executable with an environment of its own.
fn command(file: &Path, runner: Option<&str>) -> Command {
    let mut command = match runner {
        None => Command::new(file),
        Some(emulator) => {
            let mut command = Command::new(emulator);
            command.arg(file);
            command
        }
    };
    let path = std::env::var_os("PATH").unwrap_or_default();
    command
        .env_clear()
        .env("PATH", path)
        .env("HOME", "/nonexistent")
        .env("USER", "dist");
    command
}

/// Returns the version that it says, which must be the package's.
fn runs(file: &Path, runner: Option<&str>) -> Result<String> {
    let output = command(file, runner)
        .arg("--version")
        .output()
        .context("it does not start")?;
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let manifest = std::fs::read_to_string(Path::new(checkout()).join("Cargo.toml"))?;
    let version = manifest
        .lines()
        .find_map(|line| line.strip_prefix("version = \"")?.strip_suffix('"'))
        .context("Cargo.toml has no version")?;
    if !output.status.success() || said.split_whitespace().nth(1) != Some(version) {
        bail!(
            "--version of {version} ends with {} and says {said:?}",
            output.status
        );
    }
    Ok(said)
}

/// Checks that it finds a server by its name. A static executable carries its own
/// resolver, and one with glibc's finds nothing where glibc is another.
fn looks_up_names(file: &Path, runner: Option<&str>) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let port = listener.local_addr()?.port();
    let kubeconfig = file.with_extension("kubeconfig");
    let content = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "here", "users": [],
        "clusters": [{"name": "here", "cluster": {"server": format!("https://localhost:{port}")}}],
        "contexts": [{"name": "here", "context": {"cluster": "here"}}],
    });
    std::fs::write(&kubeconfig, content.to_string())?;
    let mut child = command(file, runner)
        .env("KUBECONFIG", &kubeconfig)
        .args(["submit", "--image", "busybox"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let start = Instant::now();
    let connected = loop {
        let ended = child.try_wait()?.is_some();
        // After a look at the child: it may have connected just before its end.
        if listener.accept().is_ok() {
            break true;
        }
        if ended || start.elapsed() > LIMIT {
            break false;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    // It may have ended by itself.
    let _ = child.kill();
    let output = child.wait_with_output()?;
    std::fs::remove_file(&kubeconfig)?;
    if !connected {
        bail!(
            "it does not connect to https://localhost:{port}: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(())
}

/// Returns whether a program is on the PATH.
fn is_there(program: &str) -> bool {
    Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn mebibytes(size: usize) -> String {
    let tenths = size * 10 / (1 << 20);
    format!("{}.{} MiB", tenths / 10, tenths % 10)
}

fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guide_downloads_what_is_built() {
        let guide = std::fs::read_to_string(Path::new(checkout()).join("docs/install.md")).unwrap();
        for architecture in &ARCHITECTURES {
            assert!(
                guide.contains(&architecture.file_name()),
                "{}",
                architecture.name
            );
            assert!(architecture.target.starts_with(architecture.machine));
        }
        assert!(guide.contains("SHA256SUMS"));
    }

    #[test]
    fn what_cannot_start_or_says_another_version_is_no_release() {
        let error = |file: &str| format!("{:#}", runs(Path::new(file), None).unwrap_err());
        assert!(error("/nonexistent/kaiwo").contains("does not start"));
        assert!(
            error("/bin/echo").contains("--version of "),
            "{}",
            error("/bin/echo")
        );
        assert!(error("/bin/false").contains("ends with"));
    }

    #[test]
    fn a_program_that_connects_to_nothing_is_no_release() {
        let here = std::env::temp_dir().join(format!("xtask-dist-{}", std::process::id()));
        std::fs::write(&here, "#!/bin/sh\necho 'no such host' >&2\nexit 7\n").unwrap();
        std::fs::set_permissions(&here, std::fs::Permissions::from_mode(0o755)).unwrap();
        let error = looks_up_names(&here, None).unwrap_err().to_string();
        assert!(error.contains("no such host"), "{error}");
        std::fs::remove_file(&here).unwrap();
    }

    #[test]
    fn a_dynamic_executable_is_no_release() {
        let mut architecture = ARCHITECTURES
            .into_iter()
            .find(|architecture| architecture.is_native())
            .unwrap();
        // This test is dynamic itself.
        let me = std::env::current_exe().unwrap();
        let error = architecture.verify(&me).unwrap_err().to_string();
        assert!(error.contains("not static"), "{error}");
        architecture.elf_machine += 1;
        let error = architecture.verify(&me).unwrap_err().to_string();
        assert!(error.contains("another machine"), "{error}");
    }
}
