//! What a real node could leave on the machine, so that a test can compare before and after.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::cgroups::Cgroups;
use super::mounts::TUNABLES;

/// Folders that the programs of a node create at paths nobody can configure, or that others do.
const FOLDERS: [&str; 10] = [
    "/run/containerd",
    "/run/netns",
    "/run/runc",
    "/var/lib/cni",
    "/var/lib/kubelet",
    "/var/lib/containerd",
    "/var/log/pods",
    "/var/log/containers",
    "/opt/containerd",
    "/usr/libexec/kubernetes",
];

/// Returns what there is of this testbed's real node, a line each: processes, control groups, mounts, network devices
/// and namespaces, folders, and settings of the kernel.
pub fn traces(testbed: &str, dir: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
    for line in text("/proc/self/mountinfo").lines() {
        let place = line.split(' ').nth(4).unwrap_or_default();
        found.insert(format!("mount {place}"));
    }
    for folder in FOLDERS
        .into_iter()
        .filter(|folder| Path::new(folder).exists())
    {
        found.insert(format!("folder {folder}"));
    }
    for (what, folder) in [
        ("network namespace", "/run/netns"),
        ("network device", "/sys/class/net"),
    ] {
        for name in names(folder) {
            found.insert(format!("{what} {name}"));
        }
    }
    for (setting, _) in TUNABLES {
        found.insert(format!("{setting} {}", text(setting).trim()));
    }
    let cgroup = Cgroups::new(testbed).root();
    for hierarchy in names("/sys/fs/cgroup").into_iter().chain([String::new()]) {
        let group = format!("/sys/fs/cgroup/{hierarchy}{cgroup}");
        if Path::new(&group).exists() {
            found.insert(format!("control group {group}"));
        }
    }
    let dir = dir.display().to_string();
    for pid in names("/proc")
        .iter()
        .filter(|name| name.parse::<u32>().is_ok())
    {
        let command = text(&format!("/proc/{pid}/cmdline")).replace('\0', " ");
        let is_in = |file: &str, word: &str| text(&format!("/proc/{pid}/{file}")).contains(word);
        if command.contains(&dir) || is_in("mountinfo", &dir) || is_in("cgroup", &cgroup) {
            found.insert(format!("process {pid}: {}", command.trim()));
        }
    }
    found
}

fn names(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_of_the_testbed_is_a_trace() {
        let dir = std::env::temp_dir().join(format!("xtask-traces-{}", std::process::id()));
        let mut child = std::process::Command::new("sh")
            .args(["-c", "read -r line; true"])
            .arg(&dir)
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let line = format!(
            "process {}: sh -c read -r line; true {}",
            child.id(),
            dir.display()
        );
        // The child is a copy of this process until it runs the program.
        let is_seen = || traces("none", &dir).contains(&line);
        while !is_seen() && child.try_wait().unwrap().is_none() {}
        let seen = is_seen();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(seen);
        assert!(!is_seen());
    }
}
