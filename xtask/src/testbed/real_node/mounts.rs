//! What a node's daemons see of this machine's files: folders and numbers of their own.
//!
//! The mounts are in a mount namespace that ends with the node, so that nothing is to be undone.

use std::path::Path;

use anyhow::{Context as _, Result};
use rustix::mount::{MountFlags, mount, mount_bind};

use super::files;

/// Folders in which containerd, runc, the kubelet and network plugins keep state at paths nobody can configure:
/// `/run/containerd`, `/run/netns`, `/var/lib/cni`, `/var/lib/kubelet/device-plugins`, `/var/log/containers`.
pub const HIDDEN: [&str; 3] = ["/run", "/var/lib", "/var/log"];

/// Settings of the whole machine that the kubelet would change unless they are as it wants them
/// (`cm/container_manager_linux.go`, `setupKernelTunables`).
pub const TUNABLES: [(&str, &str); 5] = [
    ("/proc/sys/vm/overcommit_memory", "1"),
    ("/proc/sys/kernel/panic", "10"),
    ("/proc/sys/kernel/panic_on_oops", "1"),
    ("/proc/sys/kernel/keys/root_maxkeys", "1000000"),
    ("/proc/sys/kernel/keys/root_maxbytes", "25000000"),
];

/// How large the node seems to be, whatever the machine is: the default sizes of workloads fit.
pub const CPUS: usize = 64;
pub const MEMORY_KIB: u64 = 512 << 20;

/// Mounts an empty folder over each of [`HIDDEN`].
pub fn hide() -> Result<()> {
    for folder in HIDDEN {
        mount("tmpfs", folder, "tmpfs", MountFlags::empty(), c"mode=755")
            .with_context(|| format!("failed to mount an empty {folder}"))?;
    }
    Ok(())
}

/// Makes the machine look as large as the node, with files in `place`.
pub fn pretend(place: &Path) -> Result<()> {
    let cpus = place.join("node");
    for cpu in 0..CPUS {
        let topology = cpus.join(format!("node0/cpu{cpu}/topology"));
        files::create_dir(&topology)?;
        files::write(&topology.join("core_id"), format!("{cpu}\n"))?;
        files::write(&topology.join("physical_package_id"), "0\n")?;
    }
    files::write(
        &cpus.join("node0/meminfo"),
        format!("Node 0 MemTotal: {MEMORY_KIB} kB\n"),
    )?;
    files::write(&cpus.join("node0/distance"), "10\n")?;
    let meminfo = std::fs::read_to_string("/proc/meminfo").context("failed to read the memory")?;
    let files = [
        ("/proc/meminfo", "meminfo", enlarged(&meminfo)),
        (
            "/sys/devices/system/cpu/online",
            "online",
            format!("0-{}\n", CPUS - 1),
        ),
    ];
    for (target, name, content) in files {
        let file = place.join(name);
        files::write(&file, content)?;
        bind(&file, Path::new(target))?;
    }
    bind(&cpus, Path::new("/sys/devices/system/node"))?;
    for (target, value) in TUNABLES {
        let target = Path::new(target);
        // Not every kernel has each of them.
        if target.exists() {
            let file = place.join(target.file_name().unwrap_or_default());
            files::write(&file, format!("{value}\n"))?;
            bind(&file, target)?;
        }
    }
    Ok(())
}

fn bind(source: &Path, target: &Path) -> Result<()> {
    mount_bind(source, target).with_context(|| {
        format!(
            "failed to mount {} over {}",
            source.display(),
            target.display()
        )
    })
}

/// Returns `/proc/meminfo` with the node's memory, nearly all of it free.
fn enlarged(meminfo: &str) -> String {
    let line = |line: &str| match line.split_once(':').map(|(name, _)| name) {
        Some(name @ "MemTotal") => format!("{name}: {MEMORY_KIB} kB\n"),
        Some(name @ ("MemFree" | "MemAvailable")) => {
            format!("{name}: {} kB\n", MEMORY_KIB - (8 << 20))
        }
        _ => format!("{line}\n"),
    };
    meminfo.lines().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_sizes_are_others() {
        let text = "MemTotal:  24000000 kB\nMemFree: 1 kB\nSwapTotal:   0 kB\n";
        assert_eq!(
            enlarged(text),
            "MemTotal: 536870912 kB\nMemFree: 528482304 kB\nSwapTotal:   0 kB\n"
        );
    }
}
