//! containerd, which runs the image as a node of a cluster does.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::super::architecture::is_there;
use super::super::image;
use super::{Offer, Outcome, output};

/// Longest wait for containerd to answer.
const LIMIT: Duration = Duration::from_secs(60);

/// A containerd of its own, which ends with this value.
struct Containerd {
    process: Child,
    socket: PathBuf,
}

impl Containerd {
    /// Starts one in a directory.
    fn start(place: &Path) -> Result<Self> {
        let socket = place.join("containerd.sock");
        let config = place.join("config.toml");
        let text = format!(
            "version = 2\nroot = '{0}/root'\nstate = '{0}/state'\n\
             disabled_plugins = ['io.containerd.grpc.v1.cri']\n[grpc]\naddress = '{1}'\n",
            place.display(),
            socket.display()
        );
        std::fs::write(&config, text)?;
        let process = Command::new("containerd")
            .arg("--config")
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(place.join("log"))?)
            .spawn()
            .context("cannot run containerd")?;
        let containerd = Self { process, socket };
        let start = Instant::now();
        while output(containerd.ctr().arg("version")).is_err() {
            if start.elapsed() > LIMIT {
                let log = std::fs::read_to_string(place.join("log")).unwrap_or_default();
                bail!("containerd does not answer: {log}");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(containerd)
    }

    fn ctr(&self) -> Command {
        let mut ctr = Command::new("ctr");
        ctr.arg("--address").arg(&self.socket);
        ctr
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        // It may have ended; there is nobody to tell.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Imports the image into a containerd of its own, and runs it.
pub fn containerd(offer: &Offer) -> Result<Outcome> {
    if !offer.executable.is_static {
        return Ok(Outcome::LeftOut("the executable is not static".to_owned()));
    }
    let missing = ["containerd", "ctr", "runc"]
        .into_iter()
        .find(|program| !is_there(program));
    if let Some(program) = missing {
        return Ok(Outcome::LeftOut(format!("{program} is not installed")));
    }
    if !rustix::process::getuid().is_root() {
        return Ok(Outcome::LeftOut("containerd needs root".to_owned()));
    }
    let containerd = Containerd::start(&offer.place)?;
    let archive = offer.folder.join(image::FILE);
    // Mounts of overlays cannot be nested everywhere.
    let snapshotter = ["--snapshotter", "native"];
    output(
        containerd
            .ctr()
            .args(["images", "import"])
            .args(snapshotter)
            .arg(&archive),
    )?;
    let name = format!("{}:{}", image::NAME, offer.product.version);
    let run = |id: &str, arguments: &[&str]| {
        let mut ctr = containerd.ctr();
        ctr.args(["run", "--rm"])
            .args(snapshotter)
            .args([&name, id, "/kaiwo"])
            .args(arguments);
        output(&mut ctr)
    };
    let version = run("version", &["--version"])?.trim().to_owned();
    if version != format!("kaiwo {}", offer.product.version) {
        bail!("--version says {version:?}");
    }
    let plan = run(
        "plan",
        &["submit", "-i", "busybox", "--dry-run", "--name", "x"],
    )?;
    if !plan.contains("kind: Job") {
        bail!("a dry run prints no Job");
    }
    Ok(Outcome::Worked(format!(
        "{name} runs as {version}, dry run"
    )))
}
