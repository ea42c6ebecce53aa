//! One testbed's directory: what is in it, what it was asked to be, and what runs.

use std::fs::{File, TryLockError};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Options;
use super::build::binaries::{Binaries, lock};
use super::certificates::Certificates;
use super::controllers::Built;
use super::files;
use super::kaito::Kaito;
use super::ports::Ports;
use super::progress::Progress;
use super::real_node::RealNode;
use super::running::process::Identity;
use super::worker::Worker;

/// A testbed's name and place; it need not exist.
#[derive(Clone, Debug)]
pub struct Instance {
    pub name: String,
    dir: PathBuf,
}

impl Instance {
    pub fn named(name: &str, cache: &Path) -> Result<Self> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        ensure!(
            !name.is_empty()
                && name.len() <= 40
                && name.bytes().all(allowed)
                && !name.starts_with('-'),
            "`{name}` cannot name a testbed: use up to 40 lower-case letters, digits and dashes"
        );
        Ok(Self {
            name: name.to_owned(),
            dir: cache.join("instances").join(name),
        })
    }

    /// Returns the testbed that lives in this directory.
    pub fn at(dir: PathBuf) -> Result<Self> {
        let name = dir
            .file_name()
            .and_then(|name| name.to_str())
            .context("the testbed's directory has no name")?;
        Ok(Self {
            name: name.to_owned(),
            dir,
        })
    }

    /// Lets one `up` or `down` at a time work on this testbed.
    pub fn lock(&self, progress: &Progress) -> Result<File> {
        files::create_dir(self.dir.parent().unwrap_or(&self.dir))?;
        lock(
            &self.dir.with_extension("lock"),
            &format!("another command on testbed `{}`", self.name),
            progress,
        )
    }

    /// Takes this testbed for one task; another is refused at once. Ends with the returned file, and so with this
    /// process, however that ends.
    pub fn claim(&self, task: &str) -> Result<File> {
        files::create_dir(self.dir.parent().unwrap_or(&self.dir))?;
        let path = self.dir.with_extension("claim");
        let open = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path);
        let mut file = open.with_context(|| format!("failed to write {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                file.read_to_string(&mut holder)?;
                bail!("testbed `{}` is in use until {holder} ends", self.name);
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("failed to lock {}", path.display()));
            }
        }
        file.set_len(0)?;
        write!(file, "{task} (pid {})", std::process::id())?;
        Ok(file)
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn certificates(&self) -> Certificates {
        Certificates::at(self.dir.join("certificates"))
    }

    /// Returns the administrator's kubeconfig for callers anywhere on this machine.
    pub fn kubeconfig(&self) -> PathBuf {
        self.dir.join("kubeconfig")
    }

    /// Returns the administrator's kubeconfig for processes inside the testbed.
    pub fn inner_kubeconfig(&self) -> PathBuf {
        self.dir.join("inner.kubeconfig")
    }

    pub fn users(&self) -> PathBuf {
        self.dir.join("users")
    }

    pub fn tokens(&self) -> PathBuf {
        self.dir.join("tokens.csv")
    }

    pub fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    /// Returns the root directory Kueue runs in.
    pub fn kueue_root(&self) -> PathBuf {
        self.dir.join("kueue")
    }

    /// Copies this very xtask, which lives as long as the testbed and not only until the next build puts another into
    /// its place.
    pub fn own_executable(&self) -> Result<PathBuf> {
        let copy = self.dir.join("xtask");
        // Leads to what runs, even if nothing has its name any more.
        std::fs::copy("/proc/self/exe", &copy)
            .with_context(|| format!("failed to copy xtask to {}", copy.display()))?;
        Ok(copy)
    }

    pub fn log(&self, process: &str) -> PathBuf {
        self.dir.join("log").join(format!("{process}.log"))
    }

    /// Returns the file by which a real node says that it has its images.
    pub fn node_ready(&self, node: &str) -> PathBuf {
        self.dir.join(format!("{node}.ready"))
    }

    fn plan_file(&self) -> PathBuf {
        self.dir.join("plan.json")
    }

    fn state_file(&self) -> PathBuf {
        self.dir.join("state.json")
    }

    fn port_file(&self) -> PathBuf {
        self.dir.join("port")
    }

    pub fn write_plan(&self, plan: &Plan) -> Result<()> {
        files::write_json(&self.plan_file(), plan)
    }

    pub fn plan(&self) -> Result<Plan> {
        files::read_json(&self.plan_file())
    }

    pub fn write_state(&self, state: &State) -> Result<()> {
        files::write_json(&self.state_file(), state)
    }

    /// Returns what was last written of what runs; it may have ended since.
    pub fn state(&self) -> Option<State> {
        files::read_json(&self.state_file()).ok()
    }

    /// Opens the port the API is served on outside: the asked one, else the one of last time, else any free one.
    pub fn listen(&self, asked: Option<u16>) -> Result<TcpListener> {
        let bind = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
        let remembered = || {
            std::fs::read_to_string(self.port_file())
                .ok()?
                .trim()
                .parse::<u16>()
                .ok()
        };
        let listener = match asked {
            Some(port) => bind(port).with_context(|| {
                format!("failed to listen on 127.0.0.1:{port}; leave --port out to have a free one chosen")
            })?,
            None => match remembered().map(bind) {
                Some(Ok(listener)) => listener,
                _ => bind(0).context("failed to find a free port on 127.0.0.1")?,
            },
        };
        files::write(&self.port_file(), listener.local_addr()?.port().to_string())?;
        Ok(listener)
    }

    /// Starts with an empty directory, except for what outlives a run: the port and, until now, the logs.
    pub fn prepare(&self) -> Result<()> {
        self.clear()?;
        files::remove(&self.dir.join("log"))?;
        for dir in [self.dir.join("log"), self.data(), self.users()] {
            files::create_dir(&dir)?;
        }
        Ok(())
    }

    /// Removes everything but the port and the logs.
    pub fn clear(&self) -> Result<()> {
        let Ok(entries) = std::fs::read_dir(&self.dir) else {
            return Ok(());
        };
        for entry in entries {
            let entry = entry?;
            if entry.file_name() != "port" && entry.file_name() != "log" {
                files::remove(&entry.path())?;
            }
        }
        Ok(())
    }
}

/// Where the testbed's processes run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// In user and network namespaces of their own.
    Namespaces,
    /// In a network namespace of their own, as the machine's root, which a real node needs.
    Root,
    /// On this machine's loopback.
    Loopback,
}

impl Mode {
    /// Returns whether the network is the testbed's own.
    pub fn has_network(self) -> bool {
        self != Self::Loopback
    }
}

/// Something a test may need and this testbed has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Skip {
    /// Nothing answers at a pod's address: RayJobs stay running, RayServices never get ready, proxies to pods fail.
    PodAddresses,
    /// Kueue's visibility API, which tells positions in a queue.
    Visibility,
    /// `kueue.x-k8s.io/admission-gated-by`, which Kueue has from v0.19 on.
    AdmissionGates,
}

impl Skip {
    pub fn word(self) -> &'static str {
        match self {
            Self::PodAddresses => "pod-addresses",
            Self::Visibility => "visibility",
            Self::AdmissionGates => "admission-gates",
        }
    }

    pub fn meaning(self) -> &'static str {
        match self {
            Self::PodAddresses => {
                "nothing answers at pods' addresses: RayJobs do not end, RayServices do not get ready, no HTTP to pods"
            }
            Self::Visibility => "no visibility API: positions in a queue are not told",
            Self::AdmissionGates => "no admission gates: nothing waits for somebody to lift them",
        }
    }
}

/// What `up` decides and the supervisor carries out.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    pub options: Options,
    pub mode: Mode,
    pub skips: Vec<Skip>,
    /// Where the API is served outside.
    pub port: u16,
    pub ports: Ports,
    pub binaries: Binaries,
    /// The project's own stages.
    pub stages: Vec<Value>,
    /// Whether Kueue has a root directory of its own.
    pub kueue_in_root: bool,
    pub real_node: Option<RealNode>,
    pub kaito: Option<Kaito>,
    /// The second cluster, which is up.
    pub worker: Option<Worker>,
    pub with: Vec<Built>,
}

/// What the supervisor has started.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct State {
    pub supervisor: Identity,
    pub daemons: Vec<(String, Identity)>,
    pub ready: bool,
}

impl State {
    /// Returns every process, the supervisor first.
    pub fn processes(&self) -> impl Iterator<Item = (&str, Identity)> {
        let daemons = self
            .daemons
            .iter()
            .map(|(name, identity)| (name.as_str(), *identity));
        std::iter::once(("supervisor", self.supervisor)).chain(daemons)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_one_path_component() {
        let cache = Path::new("cache");
        assert!(Instance::named("default", cache).is_ok());
        for name in ["", "../default", "a/b", "-x", "UP", &"a".repeat(41)] {
            assert!(Instance::named(name, cache).is_err(), "{name}");
        }
    }

    #[test]
    fn a_claimed_testbed_is_refused_until_its_holder_ends() {
        let cache = std::env::temp_dir().join(format!("xtask-claim-{}", std::process::id()));
        let instance = Instance::named("claimed", &cache).unwrap();
        let held = instance.claim("`cargo xtask test`").unwrap();
        let error = instance.claim("`cargo xtask bench`").unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "testbed `claimed` is in use until `cargo xtask test` (pid {}) ends",
                std::process::id()
            )
        );
        assert!(Instance::named("other", &cache).unwrap().claim("x").is_ok());
        drop(held);
        instance.claim("`cargo xtask bench`").unwrap();
        files::remove(&cache).unwrap();
    }

    #[test]
    fn the_port_is_remembered_while_it_is_free() {
        let cache = std::env::temp_dir().join(format!("xtask-port-{}", std::process::id()));
        let instance = Instance::named("ports", &cache).unwrap();
        files::create_dir(instance.dir()).unwrap();
        let first = instance.listen(None).unwrap();
        let port = first.local_addr().unwrap().port();
        let second = instance.listen(None).unwrap().local_addr().unwrap().port();
        assert_ne!(port, second);
        assert!(instance.listen(Some(port)).is_err());
        drop(first);
        assert_eq!(
            instance.listen(None).unwrap().local_addr().unwrap().port(),
            second
        );
        files::remove(&cache).unwrap();
    }
}
