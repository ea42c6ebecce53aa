//! The control groups of a testbed's real nodes' pods, and of nothing else.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::testbed::files;

/// What the kubelet limits or counts pods by. Version 1 has a hierarchy for each (the kubelet's
/// `cm/cgroup_manager_linux.go` and `cadvisor`).
const CONTROLLERS: [&str; 5] = ["cpu", "cpuacct", "cpuset", "memory", "pids"];
/// How long the processes of a node may take to be gone once they are killed.
const LIMIT: Duration = Duration::from_secs(60);

/// Which interface to control groups a machine has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    V1,
    V2,
}

/// One group in each hierarchy.
#[derive(Debug)]
pub struct Cgroups {
    name: String,
}

impl Cgroups {
    /// Returns the groups of this testbed's nodes.
    pub fn new(testbed: &str) -> Self {
        Self {
            name: format!("kaiwo-testbed-{testbed}"),
        }
    }

    /// Returns the path of the groups below the root of each hierarchy.
    pub fn root(&self) -> String {
        format!("/{}", self.name)
    }

    /// Returns the path of a node's groups below the root of each hierarchy, as the kubelet is told it.
    pub fn path(&self, node: &str) -> String {
        format!("/{}/{node}", self.name)
    }

    /// Creates the groups of a node; the error says what the machine lacks.
    ///
    /// So is the kubelet's own below them: it would want to give that one every CPU that the node seems to have.
    pub fn create(&self, node: &str) -> Result<Version> {
        let (version, hierarchies) = hierarchies()?;
        for hierarchy in &hierarchies {
            let testbed = hierarchy.join(&self.name);
            let group = testbed.join(node);
            for (group, above) in [
                (testbed.clone(), hierarchy.clone()),
                (group.clone(), testbed),
                (group.join("kubepods"), group),
            ] {
                if version == Version::V2 {
                    // What is not there cannot be passed on, which the kubelet then says.
                    let _ = std::fs::write(
                        above.join("cgroup.subtree_control"),
                        "+cpu +cpuset +io +memory +pids",
                    );
                }
                files::create_dir(&group).context("control groups cannot be created here")?;
                if version == Version::V1 {
                    inherit_cpus(&above, &group)
                        .context("control groups cannot be given their CPUs")?;
                }
            }
        }
        Ok(version)
    }

    /// Kills what is left in the groups, waits until it is gone, and removes them.
    pub fn remove(&self) -> Result<()> {
        let Ok((_, hierarchies)) = hierarchies() else {
            return Ok(());
        };
        let end = Instant::now() + LIMIT;
        for hierarchy in hierarchies {
            let group = hierarchy.join(&self.name);
            while let Err(error) = remove(&group) {
                if Instant::now() > end {
                    return Err(error).with_context(|| {
                        format!("the control group {} is still in use", group.display())
                    });
                }
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        Ok(())
    }
}

/// Gives a new group of version 1 the CPUs of the one above: it begins with none, and may then hold no process.
fn inherit_cpus(above: &Path, group: &Path) -> Result<()> {
    for file in ["cpuset.cpus", "cpuset.mems"] {
        if let Ok(value) = std::fs::read_to_string(above.join(file)) {
            files::write(&group.join(file), value)?;
        }
    }
    Ok(())
}

/// Removes a group and those below it, after killing what runs in them.
fn remove(group: &Path) -> std::io::Result<()> {
    let entries = match std::fs::read_dir(group) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove(&entry.path())?;
        }
    }
    let processes = std::fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    for pid in processes.lines().filter_map(|line| line.parse().ok()) {
        if let Some(pid) = Pid::from_raw(pid) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
    match std::fs::remove_dir(group) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Returns where the hierarchies are mounted: one in version 2, one for each set of controllers in version 1.
fn hierarchies() -> Result<(Version, Vec<PathBuf>)> {
    let mounts =
        std::fs::read_to_string("/proc/self/mounts").context("failed to read the mounts")?;
    let (version, hierarchies, missing) = hierarchies_in(&mounts, |root| {
        std::fs::read_to_string(root.join("cgroup.controllers")).unwrap_or_default()
    });
    ensure!(
        missing.is_empty(),
        "this machine has no control groups for: {}",
        missing.join(", ")
    );
    if hierarchies.is_empty() {
        bail!("/sys/fs/cgroup is not mounted");
    }
    Ok((version, hierarchies))
}

/// Reads the table of mounts; `controllers` tells what a version 2 hierarchy controls. The last part of the result are
/// the controllers that are missing.
fn hierarchies_in(
    mounts: &str,
    controllers: impl Fn(&Path) -> String,
) -> (Version, Vec<PathBuf>, Vec<&'static str>) {
    let mut first: Vec<(PathBuf, Vec<String>)> = Vec::new();
    let mut second = None;
    for line in mounts.lines() {
        let fields: Vec<&str> = line.split(' ').collect();
        let [_, place, kind, options, ..] = fields[..] else {
            continue;
        };
        match kind {
            "cgroup2" if place == "/sys/fs/cgroup" => second = Some(PathBuf::from(place)),
            // Beside version 1 there may be a hierarchy of version 2 that controls nothing; runc makes groups in it, too.
            "cgroup" | "cgroup2" if !first.iter().any(|(known, _)| known == Path::new(place)) => {
                first.push((
                    place.into(),
                    options.split(',').map(str::to_owned).collect(),
                ));
            }
            _ => {}
        }
    }
    match second {
        Some(root) => {
            let has = controllers(&root);
            // In version 2 `cpu` counts, too.
            let missing = CONTROLLERS.into_iter().filter(|wanted| {
                *wanted != "cpuacct" && !has.split_whitespace().any(|one| one == *wanted)
            });
            (Version::V2, vec![root.clone()], missing.collect())
        }
        None => {
            let has = |wanted: &str| {
                first
                    .iter()
                    .any(|(_, options)| options.iter().any(|o| o == wanted))
            };
            let missing = CONTROLLERS
                .into_iter()
                .filter(|wanted| !has(wanted))
                .collect();
            (
                Version::V1,
                first.into_iter().map(|(place, _)| place).collect(),
                missing,
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_1_has_a_hierarchy_for_each_controller() {
        let mounts = "cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,relatime,cpu,cpuacct 0 0\n\
            cgroup /sys/fs/cgroup/cpuset cgroup rw,cpuset 0 0\n\
            cgroup /sys/fs/cgroup/memory cgroup rw,relatime,memory 0 0\n\
            cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n";
        let (version, hierarchies, missing) = hierarchies_in(mounts, |_| String::new());
        assert_eq!(version, Version::V1);
        assert_eq!(hierarchies.len(), 4, "{hierarchies:?}");
        assert_eq!(missing, ["pids"]);
    }

    #[test]
    fn version_2_has_one_hierarchy() {
        let mounts = "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0\n";
        let (version, hierarchies, missing) =
            hierarchies_in(mounts, |_| "cpuset cpu io memory pids\n".to_owned());
        assert_eq!(version, Version::V2);
        assert_eq!(hierarchies, [Path::new("/sys/fs/cgroup")]);
        assert!(missing.is_empty(), "{missing:?}");
    }
}
