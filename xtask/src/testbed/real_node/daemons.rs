//! The node itself: the first process of its namespaces, which starts the daemons and ends with the first of them.
//!
//! Its standard input is a pipe that the supervisor holds open. When that closes, for whatever reason, this process
//! ends; then the kernel ends every daemon, shim and container, and undoes every mount.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, wait};

use super::cgroups::Cgroups;
use super::check::path;
use super::nodes::Node;
use super::settings::{Place, SOCKET};
use super::{RealNode, files, images, mounts};
use crate::testbed::instance::Instance;
use crate::testbed::running::control::{self, Request};

/// How long containerd may take to listen.
const LIMIT: Duration = Duration::from_secs(600);
/// How long a kubelet waits that is started again because it ended by itself.
const PAUSE: Duration = Duration::from_secs(1);
/// Where the kubelet says that it is well, by default.
const KUBELET_HEALTH: u16 = 10248;
/// How long a program may take to end before it is killed.
const GRACE: Duration = Duration::from_secs(30);

/// Runs a node of this testbed until its supervisor lets go of it.
pub fn run(dir: PathBuf, node: Node) -> Result<()> {
    end_with_supervisor();
    let instance = Instance::at(dir)?;
    let plan = instance.plan()?;
    let made = plan.real_node.context("this testbed has no real node")?;
    let place = Place::new(&instance, node);
    let cgroups = Cgroups::new(&instance.name);
    let version = cgroups.create(node.name)?;
    mounts::hide()?;
    keep_resources()?;
    mounts::pretend(&place.at("machine"))?;
    std::fs::write("/proc/sys/net/ipv4/ip_forward", "1")
        .context("failed to have the namespace forward packets")?;
    if node.is_apart() {
        wait_for_network(node)?;
    }
    place.write(&instance, &made.machine, version, &cgroups.path(node.name))?;
    let kubeconfig = place.kubeconfig(&instance, plan.ports.api)?;

    let daemons = Arc::new(Daemons {
        instance: instance.clone(),
        node,
        started: Mutex::default(),
        ended: Condvar::new(),
    });
    let config = format!("--config={}", place.at("containerd.toml").display());
    daemons.add("containerd", Path::new("containerd"), [config])?;
    // One is enough for the cluster, beside the API server.
    if !node.is_apart() {
        let corefile = place.at("Corefile").display().to_string();
        daemons.add("dns", &made.binaries.dns, ["-conf".to_owned(), corefile])?;
    }
    daemons.add(
        "proxy",
        &made.binaries.node,
        place.proxy_arguments(&kubeconfig),
    )?;
    wait_for_containerd(&instance, node)?;
    daemons.add(
        "kubelet",
        &made.binaries.node,
        place.kubelet_arguments(&kubeconfig),
    )?;
    import(&made, &place)?;
    let performing = daemons.clone();
    control::serve(instance.dir(), node.name, move |request| {
        performing.perform(&request)
    })?;
    files::write(&instance.node_ready(node.name), "")?;
    daemons.watch()
}

/// Has the kubelet keep the GPUs that it was told of when it is started again: without a record of devices, whatever is
/// in it, it takes itself for a new node and drops them (`cm/devicemanager`, `ShouldResetExtendedResourceCapacity`).
fn keep_resources() -> Result<()> {
    let folder = Path::new("/var/lib/kubelet/device-plugins");
    files::create_dir(folder)?;
    files::write(&folder.join("kubelet_internal_checkpoint"), "{}")
}

/// Ends this process when the other end of standard input is closed.
fn end_with_supervisor() {
    std::thread::spawn(|| {
        let _ = std::io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
}

/// The programs of a node.
struct Daemons {
    instance: Instance,
    node: Node,
    started: Mutex<Vec<Started>>,
    ended: Condvar,
}

/// A program that was started.
struct Started {
    name: &'static str,
    program: PathBuf,
    arguments: Vec<String>,
    /// Its process, if it runs.
    pid: Option<u32>,
    /// Whether it is to end.
    is_asked: bool,
}

impl Daemons {
    fn add(
        &self,
        name: &'static str,
        program: &Path,
        arguments: impl IntoIterator<Item = String>,
    ) -> Result<()> {
        let mut daemon = Started {
            name,
            program: program.to_owned(),
            arguments: arguments.into_iter().collect(),
            pid: None,
            is_asked: false,
        };
        let mut started = self.started();
        self.start(&mut daemon)?;
        started.push(daemon);
        Ok(())
    }

    /// Starts one; nobody may look for its end meanwhile.
    fn start(&self, daemon: &mut Started) -> Result<()> {
        let name = daemon.name;
        let log = log(&self.instance, self.node, name);
        let output = std::fs::File::options()
            .create(true)
            .append(true)
            .open(&log)
            .with_context(|| format!("failed to write {}", log.display()))?;
        let child = Command::new(&daemon.program)
            .args(&daemon.arguments)
            .env("PATH", path())
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("failed to start {name}"))?;
        daemon.pid = Some(child.id());
        daemon.is_asked = false;
        Ok(())
    }

    /// Stops one, starts it, or both. What containers it runs go on.
    fn perform(&self, request: &Request) -> Result<()> {
        let is_meant = |daemon: &Started| daemon.name == request.program;
        let mut started = self.started();
        let Some(at) = started.iter().position(is_meant) else {
            let names: Vec<&str> = started.iter().map(|daemon| daemon.name).collect();
            bail!(
                "{} has no program `{}`, only {}",
                self.node.name,
                request.program,
                names.join(", ")
            );
        };
        if request.action.stops() {
            if let Some(pid) = started[at].pid {
                started[at].is_asked = true;
                signal(pid, Signal::TERM);
                let runs = |started: &mut Vec<Started>| started[at].pid.is_some();
                let (guard, waited) = self
                    .ended
                    .wait_timeout_while(started, GRACE, runs)
                    .unwrap_or_else(PoisonError::into_inner);
                started = guard;
                if waited.timed_out() {
                    signal(pid, Signal::KILL);
                    started = self
                        .ended
                        .wait_while(started, runs)
                        .unwrap_or_else(PoisonError::into_inner);
                }
            }
        } else if started[at].pid.is_some() {
            bail!("{} runs already", request.program);
        }
        if !request.action.starts() {
            return Ok(());
        }
        self.start(&mut started[at])?;
        drop(started);
        match request.program.as_str() {
            "containerd" => wait_for_containerd(&self.instance, self.node),
            "kubelet" => wait_for_kubelet(),
            _ => Ok(()),
        }
    }

    /// Waits for whatever ends, the orphans of containers included, until a daemon has that was not asked to.
    fn watch(&self) -> Result<()> {
        let is_ready = || self.instance.node_ready(self.node.name).exists();
        loop {
            let ended = wait(WaitOptions::empty()).context("failed to wait for the daemons")?;
            let Some((pid, status)) = ended else { continue };
            let pid = pid.as_raw_nonzero().get().unsigned_abs();
            let mut started = self.started();
            let Some(daemon) = started.iter_mut().find(|daemon| daemon.pid == Some(pid)) else {
                continue;
            };
            daemon.pid = None;
            // It does not begin without containerd, which may just be away; as a rule systemd starts it again.
            if !daemon.is_asked && daemon.name == "kubelet" && is_ready() {
                eprintln!("the kubelet ended by itself ({status:?}) and is started again");
                std::thread::sleep(PAUSE);
                self.start(daemon)?;
                continue;
            }
            if !daemon.is_asked {
                bail!(
                    "{} ended by itself ({status:?})\n{}",
                    daemon.name,
                    files::tail(&log(&self.instance, self.node, daemon.name))
                );
            }
            self.ended.notify_all();
        }
    }

    fn started(&self) -> MutexGuard<'_, Vec<Started>> {
        self.started.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

/// Returns the log of a node's program.
fn log(instance: &Instance, node: Node, program: &str) -> PathBuf {
    instance.log(&format!("{}-{program}", node.name))
}

/// Waits until the supervisor has given the node its address.
fn wait_for_network(node: Node) -> Result<()> {
    let start = Instant::now();
    let address: Ipv4Addr = node.address.parse()?;
    // Only who has the address can listen there.
    while let Err(error) = UdpSocket::bind((address, 0)) {
        if start.elapsed() > LIMIT {
            return Err(error).context("the node got no network");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

fn wait_for_containerd(instance: &Instance, node: Node) -> Result<()> {
    let start = Instant::now();
    while let Err(error) = UnixStream::connect(SOCKET) {
        if start.elapsed() > LIMIT {
            let log = files::tail(&log(instance, node, "containerd"));
            return Err(error).with_context(|| format!("containerd does not listen\n{log}"));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// Waits until the kubelet says that it is well.
fn wait_for_kubelet() -> Result<()> {
    let start = Instant::now();
    while let Err(error) = TcpStream::connect((Ipv4Addr::LOCALHOST, KUBELET_HEALTH)) {
        if start.elapsed() > LIMIT {
            return Err(error).context("the kubelet does not listen");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// Gives containerd the images.
fn import(node: &RealNode, place: &Place) -> Result<()> {
    let layout = place.at("images");
    images::lay_out(&node.images, &layout)?;
    let mut archive = Command::new("tar")
        .args(["--create", "--dereference", "--file=-", "--directory"])
        .arg(&layout)
        .arg(".")
        .env("PATH", path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("failed to run tar")?;
    let stdout = archive.stdout.take().context("tar has no output")?;
    let imported = Command::new("ctr")
        .args(["--namespace=k8s.io", "images", "import"])
        .arg(format!("--snapshotter={}", node.machine.snapshotter.name()))
        .arg("-")
        .env("PATH", path())
        .stdin(stdout)
        .output()
        .context("failed to run ctr")?;
    archive.wait()?;
    if !imported.status.success() {
        std::io::stderr().write_all(&imported.stderr)?;
        bail!("containerd did not take the images ({})", imported.status);
    }
    files::remove(&layout)
}
