//! The layers that images are made of, from packages of Debian and of the Python package index, once per content.
//!
//! A layer is a root file system in one archive. What it is made from decides the name of its folder in the cache.
//! Nothing is pulled from a registry: the machine's own sources of packages are enough.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::check::path;
use super::{files, private_namespaces};
use crate::testbed::build::binaries::lock;
use crate::testbed::build::toolchain::pip;
use crate::testbed::progress::Progress;

/// Changes when what is done with packages changes.
const FORMAT: &str = "1";
/// How often packages are asked for before it is a failure.
const ATTEMPTS: u64 = 3;
/// What nobody reads in an image.
const LEFT_OUT: [&str; 9] = [
    "./proc/*",
    "./sys/*",
    "./dev/*",
    "./var/cache/apt/*",
    "./var/lib/apt/lists/*",
    "./usr/share/doc/*",
    "./usr/share/man/*",
    "./usr/share/locale/*",
    "./debootstrap",
];
/// The newest glibc that wheels may need: that of Debian 12 is 2.36.
const NEWEST_GLIBC: u32 = 36;

/// An archive, by its digest.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Layer {
    pub file: PathBuf,
    /// `sha256:` and 64 hexadecimal digits.
    pub digest: String,
    pub size: u64,
    /// The version of the Python in it, such as `3.11`.
    pub python: Option<String>,
}

/// Makes layers, and keeps them.
pub struct Layers<'a> {
    cache: PathBuf,
    progress: &'a Progress,
}

impl<'a> Layers<'a> {
    pub fn new(cache: &Path, progress: &'a Progress) -> Self {
        Self {
            cache: cache.join("layers"),
            progress,
        }
    }

    /// Returns a layer of Debian with these packages and no other but what they need.
    pub fn debian(&self, name: &'static str, packages: &[&str]) -> Result<Layer> {
        let release = Release::of_this_machine()?;
        let parts = [&[release.codename.as_str()], packages].concat();
        self.layer(name, &parts, |root| {
            attempts(|| debootstrap(&release, packages, root))?;
            // `python3` leads to the version's own name.
            let python = std::fs::read_link(root.join("usr/bin/python3")).ok();
            let version =
                python.and_then(|name| Some(name.to_str()?.strip_prefix("python")?.to_owned()));
            Ok(version)
        })
    }

    /// Returns a layer that adds these packages of the Python package index to one of Debian.
    pub fn python(&self, name: &'static str, below: &Layer, packages: &[&str]) -> Result<Layer> {
        let version = below.python.as_deref();
        let version = version.context("the layer below has no Python")?;
        let parts = [&[version], packages].concat();
        self.layer(name, &parts, |root| {
            attempts(|| wheels(version, packages, root))?;
            Ok(None)
        })
    }

    /// Returns a layer of Debian's static busybox, under the names of all its programs.
    pub fn busybox(&self) -> Result<Layer> {
        let release = Release::of_this_machine()?;
        self.layer("busybox", &[&release.codename], |root| {
            attempts(|| unpack("busybox-static", root))?;
            let inside = ["/bin/busybox", "/usr/bin/busybox"];
            let inside = inside.iter().find(|file| root.join(&file[1..]).exists());
            let program = inside.context("its package has no busybox")?;
            let names = Command::new(root.join(&program[1..]))
                .arg("--list")
                .output()?;
            files::create_dir(&root.join("bin"))?;
            for name in String::from_utf8(names.stdout)?.lines() {
                let link = root.join("bin").join(name);
                if !link.exists() {
                    std::os::unix::fs::symlink(program, link)?;
                }
            }
            Ok(None)
        })
    }

    /// Returns a layer of a single program.
    pub fn program(&self, name: &'static str, program: &Path) -> Result<Layer> {
        let built = program.display().to_string();
        self.layer(name, &[&built], |root| {
            files::copy(program, &root.join(name))?;
            Ok(None)
        })
    }

    /// Returns the layer that the cache has for these parts, or has `fill` make its root file system.
    fn layer(
        &self,
        name: &'static str,
        parts: &[&str],
        fill: impl FnOnce(&Path) -> Result<Option<String>>,
    ) -> Result<Layer> {
        let folder = self.cache.join(format!("{name}-{}", key(parts)));
        let description = folder.join("layer.json");
        if description.exists() {
            return files::read_json(&description);
        }
        files::create_dir(&self.cache)?;
        let _lock = lock(
            &self.cache.join("build.lock"),
            "another build",
            self.progress,
        )?;
        if description.exists() {
            return files::read_json(&description);
        }
        let step = format!("make the image layer {name}");
        let running = self.progress.running(&step);
        let temporary = folder.with_extension("tmp");
        let root = temporary.join("root");
        files::remove(&temporary)?;
        files::create_dir(&root)?;
        let python = fill(&root).with_context(|| format!("failed to {step}"))?;
        let file = temporary.join("layer.tar");
        archive(&root, &file)?;
        files::remove(&root)?;
        let (digest, size) = digest(&file)?;
        let layer = Layer {
            file: folder.join("layer.tar"),
            digest,
            size,
            python,
        };
        files::write_json(&temporary.join("layer.json"), &layer)?;
        files::remove(&folder)?;
        std::fs::rename(&temporary, &folder)
            .with_context(|| format!("failed to write {}", folder.display()))?;
        drop(running);
        self.progress
            .done(&format!("{step} ({} MB)", size / 1_000_000));
        Ok(layer)
    }
}

/// Returns a name for exactly these parts.
fn key(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in [&[FORMAT, std::env::consts::ARCH], parts].concat() {
        hash.update(part);
        hash.update([0]);
    }
    hex(&hash.finalize()[..8])
}

/// Tries until it succeeds, a few times, as mirrors do not always answer.
fn attempts(mut attempt: impl FnMut() -> Result<()>) -> Result<()> {
    for number in 1..ATTEMPTS {
        if attempt().is_ok() {
            return Ok(());
        }
        std::thread::sleep(Duration::from_secs(5 * number));
    }
    attempt()
}

/// A release of Debian, and where this machine gets its packages.
#[derive(Debug, PartialEq)]
struct Release {
    codename: String,
    mirror: String,
}

impl Release {
    fn of_this_machine() -> Result<Self> {
        let text = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let mut sources = text("/etc/apt/sources.list");
        for entry in std::fs::read_dir("/etc/apt/sources.list.d")
            .into_iter()
            .flatten()
        {
            sources.push('\n');
            sources += &text(&entry?.path().display().to_string());
        }
        Self::read(&text("/etc/os-release"), &sources)
    }

    /// Reads the codename from `os-release`, and the mirror from apt's sources, of either format.
    fn read(os_release: &str, sources: &str) -> Result<Self> {
        let codename = os_release
            .lines()
            .find_map(|line| line.strip_prefix("VERSION_CODENAME="))
            .map(|name| name.trim_matches('"').to_owned())
            .filter(|name| !name.is_empty())
            .context(
                "images are made of Debian's packages, and /etc/os-release names no release",
            )?;
        // A paragraph, or a line such as `deb [options] URI suite main`, of the release itself.
        let paragraph = |text: &str| {
            let field = |name: &str| {
                text.lines()
                    .find_map(|line| line.strip_prefix(name))
                    .map(str::trim)
            };
            let suites = field("Suites:")?;
            let is_it = suites.split_whitespace().any(|suite| suite == codename);
            let uri = field("URIs:")?.split_whitespace().next()?;
            is_it.then(|| uri.to_owned())
        };
        let line = |line: &str| {
            let mut words = line.strip_prefix("deb ")?.split_whitespace();
            let uri = words.find(|word| word.contains("://"))?;
            (words.next()? == codename).then(|| uri.to_owned())
        };
        let mirror = sources
            .split("\n\n")
            .find_map(paragraph)
            .or_else(|| sources.lines().find_map(line))
            .with_context(|| {
                format!("images are made of Debian's packages, and apt has no source of {codename}")
            })?;
        Ok(Self { codename, mirror })
    }
}

/// Fills `root` with a Debian; what it mounts goes with it.
fn debootstrap(release: &Release, packages: &[&str], root: &Path) -> Result<()> {
    files::remove(root)?;
    files::create_dir(root)?;
    let mut command = private_namespaces();
    command
        .args(["--", "debootstrap", "--variant=minbase"])
        .arg(format!("--include={}", packages.join(",")))
        .arg(&release.codename)
        .arg(root)
        .arg(&release.mirror)
        .env("PATH", path())
        .env("DEBIAN_FRONTEND", "noninteractive");
    run(&mut command, &root.with_extension("log"))
}

/// Fills `root` with the files of a package of Debian, without what it needs.
fn unpack(package: &str, root: &Path) -> Result<()> {
    files::remove(root)?;
    files::create_dir(root)?;
    let line = format!("apt-get download {package} && dpkg-deb -x {package}_*.deb . && rm *.deb");
    let mut command = Command::new("sh");
    command
        .args(["-c", &line])
        .current_dir(root)
        .env("PATH", path());
    run(&mut command, &root.with_extension("log"))
}

/// Fills `root` with wheels for this version of Python, by any pip that this machine has.
fn wheels(python: &str, packages: &[&str], root: &Path) -> Result<()> {
    files::remove(root)?;
    let modules = root.join(format!("usr/local/lib/python{python}/dist-packages"));
    files::create_dir(&modules)?;
    let pip = pip()?;
    let mut command = Command::new(&pip[0]);
    command
        .args(&pip[1..])
        .args([
            "install",
            "--disable-pip-version-check",
            "--no-input",
            "--retries=10",
            "--only-binary=:all:",
            "--implementation=cp",
            "--python-version",
            python,
            "--target",
        ])
        .arg(&modules);
    for minor in (17..=NEWEST_GLIBC).rev() {
        let platform = format!("manylinux_2_{minor}_{}", std::env::consts::ARCH);
        command.args(["--platform", &platform]);
    }
    let older = format!("manylinux2014_{}", std::env::consts::ARCH);
    command.args(["--platform", &older]).args(packages);
    run(&mut command, &root.with_extension("log"))?;
    programs(&modules.join("bin"), &root.join("usr/local/bin"))
}

/// Moves the programs that pip has made to where they are found, and has the image's own Python run them.
fn programs(from: &Path, to: &Path) -> Result<()> {
    files::create_dir(to)?;
    for entry in std::fs::read_dir(from).with_context(|| format!("no {}", from.display()))? {
        let file = entry?.path();
        let target = to.join(file.file_name().unwrap_or_default());
        files::copy(&file, &target)?;
        let content = std::fs::read(&file)?;
        if let Some(script) = std::str::from_utf8(&content).ok().and_then(relocated) {
            files::write(&target, script)?;
        }
    }
    files::remove(from)
}

/// Returns a script of pip's with the first line that the image needs. pip names its own Python there, by way of the
/// shell where the path is long.
fn relocated(script: &str) -> Option<String> {
    let (first, rest) = script.split_once('\n')?;
    if !first.starts_with("#!") {
        return None;
    }
    let rest = match rest.starts_with("'''exec'") {
        true => rest.splitn(3, '\n').nth(2)?,
        false => rest,
    };
    Some(format!("#!/usr/bin/python3\n{rest}"))
}

fn archive(root: &Path, file: &Path) -> Result<()> {
    let mut command = Command::new("tar");
    command
        .args([
            "--create",
            "--numeric-owner",
            "--owner=0",
            "--group=0",
            "--sort=name",
        ])
        .args(LEFT_OUT.map(|pattern| format!("--exclude={pattern}")))
        .arg("--file")
        .arg(file)
        .arg("--directory")
        .arg(root)
        .arg(".");
    run(&mut command, &file.with_extension("log"))
}

/// Runs a command; the error has the end of what it says.
fn run(command: &mut Command, log: &Path) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = std::fs::File::create(log)?;
    let status = command
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .status()
        .with_context(|| format!("failed to run {program}"))?;
    if !status.success() {
        bail!("{program} ended with {status}\n{}", files::tail(log));
    }
    files::remove(log)
}

/// Returns the digest and the size of a file.
fn digest(path: &Path) -> Result<(String, u64)> {
    let mut file = std::fs::File::open(path)?;
    let (mut hash, mut size) = (Sha256::new(), 0);
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        hash.update(&buffer[..read]);
        size += read as u64;
    }
    ensure!(size > 0, "{} is empty", path.display());
    Ok((format!("sha256:{}", hex(&hash.finalize())), size))
}

/// Returns bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OS_RELEASE: &str = "ID=debian\nVERSION_CODENAME=bookworm\n";

    #[test]
    fn the_mirror_is_that_of_the_release() {
        let sources = "Types: deb\nURIs: http://other/node\nSuites: nodistro\n\n\
            # comment\nTypes: deb\nURIs: http://mirror/debian\nSuites: bookworm bookworm-updates\n";
        let release = Release::read(OS_RELEASE, sources).unwrap();
        assert_eq!(release.mirror, "http://mirror/debian");
        let sources = "deb http://other/sdk sdk-bookworm main\n\
            deb [signed-by=/k.gpg] http://old/debian bookworm main\n";
        let release = Release::read(OS_RELEASE, sources).unwrap();
        assert_eq!(release.mirror, "http://old/debian");
        assert!(Release::read(OS_RELEASE, "").is_err());
        assert!(Release::read("ID=arch\n", sources).is_err());
    }

    #[test]
    fn a_script_of_pip_is_run_by_the_image() {
        let script = "#!/home/me/bin/python\nimport sys\n";
        assert_eq!(
            relocated(script).unwrap(),
            "#!/usr/bin/python3\nimport sys\n"
        );
        let long = "#!/bin/sh\n'''exec' \"/long path/python\" \"$0\" \"$@\"\n' '''\nimport sys\n";
        assert_eq!(relocated(long).unwrap(), "#!/usr/bin/python3\nimport sys\n");
        assert_eq!(relocated("\x7fELF\n"), None);
    }

    #[test]
    fn other_packages_are_another_layer() {
        assert_ne!(key(&["bookworm", "a"]), key(&["bookworm", "b"]));
        assert_ne!(key(&["ab", "c"]), key(&["a", "bc"]));
    }
}
