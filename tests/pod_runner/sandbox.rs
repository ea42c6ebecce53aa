//! A container's world without a container runtime: namespaces of its own,
//! and a root made of the host's programs and the pod's volumes. Made by
//! util-linux's `unshare` and a script, so that no line of it is unsafe.

use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use super::PodError;
use crate::common::HANG;

/// Where programs lie that the image has and the host has not.
pub const PROGRAMS: &str = "/opt/image/bin";
/// Exit code of the script where the root could not be made; a marker file,
/// not this number, tells it from the container's own.
const NOT_SET_UP: i32 = 125;

/// Makes the root out of what it is given, and becomes the command after
/// `--`. Everything is created in a tmpfs of the mount namespace, so the
/// host's files see nothing of it.
const SET_UP: &str = r#"
set -eu
root=$1 hostname=$2 started=$3; shift 3
trap 'exit 125' EXIT
mount -t tmpfs -o mode=0755 pod "$root"
# /proc/sys takes it from the host's root only.
hostname "$hostname" 2>/dev/null || echo "$hostname" > /proc/sys/kernel/hostname

# Mounts of the host keep their nosuid and nodev: asking for both is allowed
# whether they had them or not.
read_only() { mount -o remount,bind,ro,nosuid,nodev "$1"; }

for directory in usr bin sbin lib lib32 lib64 libx32; do
  if [ -L "/$directory" ]; then
    ln -s "$(readlink "/$directory")" "$root/$directory"
  elif [ -d "/$directory" ]; then
    mkdir "$root/$directory"
    mount --rbind "/$directory" "$root/$directory"
    read_only "$root/$directory"
  fi
done

mkdir -p "$root/etc" "$root/proc" "$root/sys" "$root/dev/shm" "$root/run" "$root/root" "$root/opt" "$root/var/tmp"
mkdir -m 1777 "$root/tmp"
chmod 1777 "$root/dev/shm" "$root/var/tmp"
echo root:x:0:0:root:/root:/bin/sh > "$root/etc/passwd"
echo root:x:0: > "$root/etc/group"
echo "127.0.0.1 localhost $hostname" > "$root/etc/hosts"
for entry in alternatives ld.so.cache localtime ssl; do
  [ -e "/etc/$entry" ] || continue
  if [ -d "/etc/$entry" ]; then mkdir "$root/etc/$entry"; else : > "$root/etc/$entry"; fi
  mount --bind "/etc/$entry" "$root/etc/$entry"
  read_only "$root/etc/$entry"
done

# A container within a container may not mount a fresh one.
mount -t proc proc "$root/proc" 2>/dev/null || mount --rbind /proc "$root/proc"
for device in null zero full random urandom; do
  : > "$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
ln -s /proc/self/fd "$root/dev/fd"
for stream in 0:stdin 1:stdout 2:stderr; do
  ln -s "/proc/self/fd/${stream%%:*}" "$root/dev/${stream#*:}"
done

while [ "$1" != -- ]; do
  kind=$1 source=$2 target=$root$3; shift 3
  if [ "$kind" = tmpfs ]; then
    mkdir -p "$target"
    mount -t tmpfs -o "mode=1777$source" shm "$target"
    continue
  fi
  if [ -d "$source" ]; then
    mkdir -p "$target"
  else
    mkdir -p "${target%/*}"
    [ -e "$target" ] || : > "$target"
  fi
  mount --bind "$source" "$target"
  if [ "$kind" = ro ]; then read_only "$target"; fi
done
shift
trap - EXIT
: > "$started"
exec chroot "$root" "$@"
"#;

/// Something the container sees at a path of its own.
#[derive(Debug)]
pub enum Mount {
    /// A file or directory.
    Bind {
        /// Where it is on the host.
        source: PathBuf,
        /// Where the container sees it.
        target: String,
        /// Whether the container may not write to it.
        read_only: bool,
    },
    /// Memory.
    Memory {
        /// Most bytes, if that is stated.
        limit: Option<u64>,
        /// Where the container sees it.
        target: String,
    },
}

impl Mount {
    /// Returns where the container sees it.
    pub fn target(&self) -> &str {
        match self {
            Self::Bind { target, .. } | Self::Memory { target, .. } => target,
        }
    }

    fn arguments(&self) -> [String; 3] {
        match self {
            Self::Bind {
                source,
                target,
                read_only,
            } => {
                let kind = if *read_only { "ro" } else { "rw" };
                [
                    kind.to_owned(),
                    source.display().to_string(),
                    target.clone(),
                ]
            }
            Self::Memory { limit, target } => {
                let options = limit
                    .map(|limit| format!(",size={limit}"))
                    .unwrap_or_default();
                ["tmpfs".to_owned(), options, target.clone()]
            }
        }
    }
}

/// What a process in the sandbox is.
#[derive(Debug, Default)]
pub struct Sandboxed {
    /// Host name.
    pub hostname: String,
    /// Mounts, outer before inner.
    pub mounts: Vec<Mount>,
    /// Working directory.
    pub directory: String,
    /// All variables, `NAME=value`.
    pub environment: Vec<String>,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// User and group by number, instead of root. Needs to be root outside.
    pub user: Option<u32>,
}

/// How a process in the sandbox ended.
#[derive(Debug)]
pub struct Ended {
    /// Exit code; 128 and the signal's number if one ended it.
    pub code: i32,
    /// Everything on stdout.
    pub stdout: Vec<u8>,
    /// Everything on stderr.
    pub stderr: Vec<u8>,
}

/// Returns why no sandbox can be made on this machine, if that is so.
pub fn unavailable() -> Option<&'static str> {
    static REASON: OnceLock<Option<String>> = OnceLock::new();
    REASON.get_or_init(|| probe(None)).as_deref()
}

/// Tries a sandbox of this user, and returns why there is none.
pub fn probe(user: Option<u32>) -> Option<String> {
    let probe = Sandboxed {
        hostname: "probe".to_owned(),
        directory: "/".to_owned(),
        command: ["/bin/sh", "-c", "exit 7"].map(str::to_owned).into(),
        user,
        ..Sandboxed::default()
    };
    match probe.run() {
        Ok(Ended { code: 7, .. }) => None,
        Ok(ended) => Some(format!("a command of exit code 7 ended as {ended:?}")),
        Err(error) => Some(error.to_string()),
    }
}

impl Sandboxed {
    /// Runs the process to its end, with everything it started.
    pub fn run(&self) -> Result<Ended, PodError> {
        let workspace = tempfile::tempdir()?;
        let (root, started) = (
            workspace.path().join("root"),
            workspace.path().join("started"),
        );
        std::fs::create_dir(&root)?;
        let mut command = Command::new("unshare");
        command
            .env_clear()
            .env(
                "PATH",
                "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            )
            .args([
                "--mount",
                "--pid",
                "--fork",
                "--kill-child",
                "--uts",
                "--ipc",
                "--net",
            ]);
        if self.user.is_none() {
            command.args(["--user", "--map-root-user"]);
        }
        command
            .args(["--", "/bin/sh", "-c", SET_UP, "set-up"])
            .args([&root, &PathBuf::from(&self.hostname), &started])
            .args(self.mounts.iter().flat_map(Mount::arguments))
            .arg("--");
        if let Some(user) = self.user {
            let user = user.to_string();
            command.args([
                "setpriv",
                "--reuid",
                &user,
                "--regid",
                &user,
                "--clear-groups",
                "--",
            ]);
        }
        // GNU env, and not the shell that made the root: a shell drops
        // variables whose names it cannot use.
        command.args(["env", "-i", "-C", &self.directory, "--"]);
        command.args(&self.environment).args(&self.command);
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| PodError(format!("unshare (util-linux) does not run: {error}")))?;
        let ended = wait(child)?;
        if started.exists() {
            return Ok(ended);
        }
        Err(PodError(format!(
            "no namespace for the pod (exit code {}, {NOT_SET_UP} is a failed mount): {}",
            ended.code,
            String::from_utf8_lossy(&ended.stderr).trim_end()
        )))
    }
}

fn wait(mut child: Child) -> Result<Ended, PodError> {
    use std::os::unix::process::ExitStatusExt;
    let read = |stream: Option<Box<dyn Read + Send>>| {
        std::thread::spawn(move || {
            let mut content = Vec::new();
            stream.map(|mut stream| stream.read_to_end(&mut content));
            content
        })
    };
    let stdout = read(child.stdout.take().map(|s| Box::new(s) as _));
    let stderr = read(child.stderr.take().map(|s| Box::new(s) as _));
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if start.elapsed() > HANG {
            // The kernel ends everything in the pid namespace with it.
            child.kill()?;
            child.wait()?;
            let stderr = stderr.join().unwrap_or_default();
            return Err(PodError(format!(
                "the pod ran longer than {HANG:?}; its stderr: {}",
                String::from_utf8_lossy(&stderr)
            )));
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    Ok(Ended {
        code: status
            .code()
            .unwrap_or_else(|| 128 + status.signal().unwrap_or_default()),
        stdout: stdout.join().unwrap_or_default(),
        stderr: stderr.join().unwrap_or_default(),
    })
}
