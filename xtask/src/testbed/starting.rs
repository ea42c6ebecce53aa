//! Starts what a testbed is made of: writes its plan and its files, and hands it to its supervisor.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context as _, Result};

use super::build::binaries::Binaries;
use super::controllers::Built;
use super::instance::{Instance, Mode, Plan, Skip};
use super::kaito::Kaito;
use super::kubeconfig::{self, User};
use super::options::{Options, Platform};
use super::ports::Ports;
use super::progress::Progress;
use super::real_node::RealNode;
use super::running::{daemons, namespaces, supervisor};
use super::worker::Worker;
use super::{manifests, sources};

/// What a testbed is made of.
pub struct Made {
    pub binaries: Binaries,
    pub kaito: Option<Kaito>,
    pub real_node: Option<RealNode>,
    pub worker: Option<Worker>,
    /// Controllers of other kinds of workload.
    pub with: Vec<Built>,
}

/// Starts the supervisor and waits until it says that everything is ready.
pub fn start(
    instance: &Instance,
    options: &Options,
    made: Made,
    progress: &Progress,
) -> Result<()> {
    let Made {
        binaries,
        kaito,
        real_node,
        worker,
        with,
    } = made;
    let executable = instance.own_executable()?;
    let (mode, mut skips, kueue_in_root) = match real_node {
        Some(_) => (Mode::Root, Vec::new(), true),
        None => choose_mode(options, &executable, progress),
    };
    if options.platform == Platform::Previous {
        skips.push(Skip::AdmissionGates);
    }
    let listener = instance.listen(options.port)?;
    let port = listener.local_addr()?.port();
    let plan = Plan {
        options: options.clone(),
        mode,
        skips,
        port,
        ports: if mode.has_network() {
            Ports::NAMESPACED
        } else {
            Ports::free(port)?
        },
        binaries,
        stages: manifests::own_stages(&sources().join("stages"))?,
        kueue_in_root,
        real_node,
        kaito,
        worker,
        with,
    };
    let certificates = instance.certificates();
    certificates.generate()?;
    kubeconfig::write(&instance.kubeconfig(), port, &certificates, User::Admin)?;
    kubeconfig::write(
        &instance.inner_kubeconfig(),
        plan.ports.api,
        &certificates,
        User::Admin,
    )?;
    daemons::write_users(instance, &plan)?;
    instance.write_plan(&plan)?;
    progress.done("certificates and kubeconfigs are written");

    // Inside namespaces the supervisor serves the listener; without, the API server takes the port itself.
    let input = match mode {
        Mode::Namespaces | Mode::Root => Stdio::from(OwnedFd::from(listener)),
        Mode::Loopback => {
            drop(listener);
            Stdio::null()
        }
    };
    supervise(instance, mode, &executable, input, progress)?;
    progress.done(&format!("testbed `{}` is up", instance.name));
    Ok(())
}

/// Starts the supervisor of what is planned, and waits until everything is ready.
fn supervise(
    instance: &Instance,
    mode: Mode,
    executable: &Path,
    input: Stdio,
    progress: &Progress,
) -> Result<()> {
    let (events, supervisors) = UnixStream::pair()?;
    let log = instance.log("supervisor");
    let errors = std::fs::File::create(&log)
        .with_context(|| format!("failed to write {}", log.display()))?;
    let mut command = namespaces::xtask(mode, executable);
    command.args(["testbed", "supervise"]).arg(instance.dir());
    // A proxy of the caller's must not come between the supervisor and its API server.
    for name in [
        "HTTPS_PROXY",
        "https_proxy",
        "HTTP_PROXY",
        "http_proxy",
        "ALL_PROXY",
        "all_proxy",
        "KUBECONFIG",
    ] {
        command.env_remove(name);
    }
    command
        .stdin(input)
        .stdout(OwnedFd::from(supervisors))
        .stderr(errors);
    let _supervisor = command
        .spawn()
        .context("failed to start the testbed's supervisor")?;
    // The other end of the socket must be the supervisor's alone, or its end would not be noticed.
    drop(command);
    supervisor::follow(events, &log, |step| progress.done(step))
}

fn choose_mode(
    options: &Options,
    executable: &Path,
    progress: &Progress,
) -> (Mode, Vec<Skip>, bool) {
    let refused = if options.no_namespaces {
        Some("--no-namespaces".to_owned())
    } else {
        namespaces::probe(Mode::Namespaces, executable).err()
    };
    let Some(reason) = refused else {
        return (Mode::Namespaces, Vec::new(), true);
    };
    progress.note(&format!(
        "running without namespaces ({reason}), which leaves out:"
    ));
    let kueue_in_root = namespaces::probe(Mode::Loopback, executable).is_ok();
    let mut skips = vec![Skip::PodAddresses];
    if !kueue_in_root {
        skips.push(Skip::Visibility);
    }
    for skip in &skips {
        progress.note(&format!("  {}: {}", skip.word(), skip.meaning()));
    }
    (Mode::Loopback, skips, kueue_in_root)
}
