//! Whether this machine allows a real node: root, programs, and a trial of what the kernel may forbid.
//!
//! Containers of CI let some be root and then forbid mounts, control groups or containers of their own, so only a
//! trial tells. It takes place in namespaces that end with it.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Error, Result, anyhow, bail, ensure};
use rustix::mount::{MountFlags, mount, mount_bind};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::cgroups::Cgroups;
use super::{files, private_namespaces};

/// Programs of a node, and the Debian package of each.
const PROGRAMS: [(&str, &str); 8] = [
    ("containerd", "containerd"),
    ("containerd-shim-runc-v2", "containerd"),
    ("ctr", "containerd"),
    ("runc", "runc"),
    ("iptables", "iptables"),
    ("conntrack", "conntrack"),
    ("debootstrap", "debootstrap"),
    ("tar", "tar"),
];
/// What more it takes where there are several nodes.
const OF_SEVERAL: (&str, &str) = ("ip", "iproute2");
/// The plugins that give pods their network, and where distributions keep them.
const PLUGINS: [&str; 3] = ["ptp", "host-local", "loopback"];
const PLUGIN_FOLDERS: [&str; 2] = ["/usr/lib/cni", "/opt/cni/bin"];
/// How many users a namespace has that is the machine's own (`user_namespaces(7)`).
const ALL_USERS: &str = "4294967295";
/// What the trial has in place of a node.
const TRIAL: &str = "trial";
const PLUGIN_PACKAGE: &str = "containernetworking-plugins";

/// This machine does not allow a real node; the text says what is missing and how to get it.
#[derive(Debug)]
pub struct NoRealNode(String);

impl NoRealNode {
    pub fn because(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl std::error::Error for NoRealNode {}

impl std::fmt::Display for NoRealNode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a node makes its containers' root file systems with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Snapshotter {
    /// Shares the files of an image.
    Overlayfs,
    /// Copies them, for machines whose own root is an overlay already.
    Native,
}

impl Snapshotter {
    /// Returns containerd's name of it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Overlayfs => "overlayfs",
            Self::Native => "native",
        }
    }
}

/// What the machine offers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Machine {
    pub snapshotter: Snapshotter,
    /// The folder of the network plugins.
    pub plugins: PathBuf,
}

/// Tries what so many real nodes need, with files in `cache`; the error is a [`NoRealNode`].
pub fn check(cache: &Path, executable: &Path, nodes: usize) -> Result<Machine> {
    root()?;
    let plugins = programs(nodes)?;
    hidden(cache)?;
    let place = cache.join(format!("trial-{}", std::process::id()));
    let cgroups = trial_cgroups(&place)?;
    let tried = try_out(&place, executable);
    cgroups.remove()?;
    files::remove(&place)?;
    Ok(Machine {
        snapshotter: tried?,
        plugins,
    })
}

fn no(text: impl Into<String>) -> Error {
    Error::new(NoRealNode::because(text))
}

/// Requires root of the machine, not of a user namespace.
fn root() -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Err(no(
            "a real node needs root, for mounts, control groups and containers; run this as root",
        ));
    }
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    match map.split_whitespace().collect::<Vec<_>>()[..] {
        ["0", "0", ALL_USERS] => Ok(()),
        _ => Err(no(
            "a real node needs the machine's root, and this is root of a user namespace only",
        )),
    }
}

/// Requires the programs, and returns the folder of the network plugins.
fn programs(nodes: usize) -> Result<PathBuf> {
    let mut missing: Vec<(&str, &str)> = PROGRAMS
        .into_iter()
        .chain((nodes > 1).then_some(OF_SEVERAL))
        .filter(|(program, _)| find(program).is_none())
        .collect();
    let plugins = PLUGIN_FOLDERS
        .into_iter()
        .map(Path::new)
        .find(|folder| PLUGINS.iter().all(|plugin| folder.join(plugin).is_file()));
    if plugins.is_none() {
        missing.extend(PLUGINS.map(|plugin| (plugin, PLUGIN_PACKAGE)));
    }
    match plugins {
        Some(plugins) if missing.is_empty() => Ok(plugins.to_owned()),
        _ => Err(no(lacks(&missing))),
    }
}

/// Says what is not installed, and how to install it on Debian.
fn lacks(missing: &[(&str, &str)]) -> String {
    let programs: Vec<&str> = missing.iter().map(|(program, _)| *program).collect();
    let mut packages: Vec<&str> = missing.iter().map(|(_, package)| *package).collect();
    packages.sort_unstable();
    packages.dedup();
    format!(
        "a real node needs {}, which this machine lacks; on Debian: \
         apt-get update && apt-get install -y --no-install-recommends {}",
        programs.join(", "),
        packages.join(" ")
    )
}

/// Returns where a program is, also in the folders that only root has on the PATH.
fn find(program: &str) -> Option<PathBuf> {
    std::env::split_paths(&path())
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

/// Returns the PATH with the folders of administrators' programs.
pub fn path() -> OsString {
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin");
    path
}

/// Refuses a cache that lies where the node has folders of its own.
fn hidden(cache: &Path) -> Result<()> {
    match super::HIDDEN
        .iter()
        .find(|folder| cache.starts_with(folder))
    {
        Some(folder) => Err(no(format!(
            "a real node has {folder} for itself, and the testbed's cache {} lies there; \
             set KAIWO_TESTBED_CACHE to another place",
            cache.display()
        ))),
        None => Ok(()),
    }
}

fn trial_cgroups(place: &Path) -> Result<Cgroups> {
    let name = place.file_name().unwrap_or_default().to_string_lossy();
    let cgroups = Cgroups::new(&name);
    match cgroups.create(TRIAL) {
        Ok(_) => Ok(cgroups),
        Err(error) => {
            cgroups.remove()?;
            Err(no(format!("a real node is not possible here: {error:#}")))
        }
    }
}

/// Runs the trial in namespaces of its own, and returns the snapshotter that works.
fn try_out(place: &Path, executable: &Path) -> Result<Snapshotter> {
    files::create_dir(place)?;
    let output = private_namespaces()
        .arg("--net")
        .arg("--")
        .arg(executable)
        .args(["testbed", "trial"])
        .arg(place)
        .env("PATH", path())
        .stdin(Stdio::null())
        .output()
        .map_err(|error| no(format!("unshare (package util-linux): {error}")))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.trim().lines().last().unwrap_or("no message");
        return Err(no(format!(
            "a real node is not possible here: {}",
            last.trim_start_matches("error: ")
        )));
    }
    serde_json::from_slice(&output.stdout).context("the trial of a real node said nothing")
}

/// Tries, inside namespaces, what a node does, and prints the snapshotter that works.
pub fn trial(place: &Path) -> Result<()> {
    super::mounts::hide().context("file systems cannot be mounted")?;
    let snapshotter = match overlay(place) {
        Ok(()) => Snapshotter::Overlayfs,
        Err(_) => Snapshotter::Native,
    };
    nat()?;
    container(place)?;
    let answer = serde_json::to_string(&snapshotter)?;
    writeln!(std::io::stdout(), "{answer}")?;
    Ok(())
}

/// Mounts an overlay where containerd will.
fn overlay(place: &Path) -> Result<()> {
    let [lower, upper, work, merged] = ["lower", "upper", "work", "merged"].map(|n| place.join(n));
    for folder in [&lower, &upper, &work, &merged] {
        files::create_dir(folder)?;
    }
    files::write(&lower.join("file"), "below")?;
    let options = format!(
        "lowerdir={},upperdir={},workdir={}",
        lower.display(),
        upper.display(),
        work.display()
    );
    let options = std::ffi::CString::new(options)?;
    mount(
        "overlay",
        &merged,
        "overlay",
        MountFlags::empty(),
        options.as_c_str(),
    )?;
    // An overlay may be mounted on another and then fail at the first write.
    files::write(&merged.join("file"), "above")?;
    ensure!(std::fs::read(upper.join("file"))? == b"above");
    Ok(())
}

/// Translates addresses, which is how kube-proxy makes Services.
fn nat() -> Result<()> {
    let rule = "-w -t nat -A POSTROUTING -m comment --comment trial -m mark --mark 1 -j MASQUERADE";
    run(Command::new("iptables").args(rule.split(' ')))
        .context("iptables cannot translate addresses")
}

/// Runs `true` as containerd would have it run: in a group of its own, with a limit.
fn container(place: &Path) -> Result<()> {
    let bundle = place.join("bundle");
    programs_of_this_machine(&bundle.join("rootfs")).context("directories cannot be mounted")?;
    let name = place.file_name().unwrap_or_default().to_string_lossy();
    let namespaces = ["pid", "mount", "ipc", "uts", "network"].map(|kind| json!({"type": kind}));
    files::write_json(
        &bundle.join("config.json"),
        &json!({
            "ociVersion": "1.0.2",
            "process": {
                "user": {"uid": 0, "gid": 0}, "cwd": "/", "args": ["true"],
                "env": ["PATH=/usr/bin:/bin"], "noNewPrivileges": true,
            },
            "root": {"path": "rootfs", "readonly": true},
            "mounts": [
                {"destination": "/proc", "type": "proc", "source": "proc"},
                // Without one of its own runc would make devices in this machine's.
                {"destination": "/dev", "type": "tmpfs", "source": "tmpfs"},
            ],
            "linux": {
                "cgroupsPath": format!("{}/pod", Cgroups::new(&name).path(TRIAL)),
                "resources": {"memory": {"limit": 64 << 20}, "pids": {"limit": 100}},
                "namespaces": namespaces,
            },
        }),
    )?;
    run(Command::new("runc")
        .args(["run", "--bundle"])
        .arg(&bundle)
        .arg("trial"))
    .context("runc cannot run a container")
}

/// Makes a root directory that has this machine's programs and nothing else of it.
fn programs_of_this_machine(root: &Path) -> Result<()> {
    for folder in ["proc", "dev"] {
        files::create_dir(&root.join(folder))?;
    }
    for name in ["usr", "bin", "lib", "lib64"] {
        let (from, to) = (Path::new("/").join(name), root.join(name));
        match std::fs::read_link(&from) {
            Ok(target) => std::os::unix::fs::symlink(target, &to)?,
            Err(_) if from.is_dir() => {
                files::create_dir(&to)?;
                mount_bind(&from, &to)?;
            }
            Err(_) => {}
        }
    }
    Ok(())
}

/// Runs a command; the error is the last line that it says.
fn run(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| anyhow!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    match said.trim().lines().last() {
        Some(last) => bail!("{last}"),
        None => bail!("{program} ended with {}", output.status),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_named_with_the_line_that_installs_it() {
        assert_eq!(
            lacks(&[
                ("ctr", "containerd"),
                ("runc", "runc"),
                ("containerd", "containerd")
            ]),
            "a real node needs ctr, runc, containerd, which this machine lacks; on Debian: \
             apt-get update && apt-get install -y --no-install-recommends containerd runc"
        );
    }

    #[test]
    fn a_cache_that_the_node_would_hide_is_refused() {
        assert!(hidden(Path::new("/root/.cache/kaiwo-testbed")).is_ok());
        let error = hidden(Path::new("/var/lib/ci/kaiwo-testbed")).unwrap_err();
        assert!(
            error.to_string().contains("has /var/lib for itself"),
            "{error}"
        );
        assert!(error.downcast_ref::<NoRealNode>().is_some());
    }
}
