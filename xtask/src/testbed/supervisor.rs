//! The process that starts a testbed's daemons, fills the cluster, and stops them in order.
//!
//! It lives in the testbed's namespaces as long as the testbed does. Its standard input is the listener of the relay,
//! opened outside; its standard output is a socket on which `up` is told what happens, and by whose closing it learns
//! that nobody waits any more. Whatever ends the supervisor, the kernel ends the daemons.

use std::cell::RefCell;
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use rustix::process::{Resource, Signal, getrlimit, setrlimit, setsid};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::unix::OwnedWriteHalf;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Mutex, Notify, mpsc, watch};

use super::binaries::Manifests;
use super::certificates::bundle;
use super::cluster::{Cluster, wait_http};
use super::daemons::{self, Daemon};
use super::instance::{Instance, Mode, Plan, Skip, State};
use super::manifests;
use super::process::Identity;
use super::{files, loopback, metrics, model_servers, prometheus, ray_dashboard, relay};

/// How long a daemon may take to end before it is killed.
const GRACE: Duration = Duration::from_secs(10);

/// The order of stopping: who depends on others goes first.
const STOPPING: [&[&str]; 3] = [
    &[
        "kwok",
        "kuberay",
        "kueue",
        "scheduler",
        "controller-manager",
    ],
    &["apiserver"],
    &["etcd"],
];

/// What the supervisor tells the `up` that started it, one JSON per line.
#[derive(Debug, Serialize, Deserialize)]
pub enum Event {
    Done(String),
    Ready,
    Failed(String),
}

/// Follows a supervisor's events until it is ready; the error is what it failed with.
pub fn follow(
    events: std::os::unix::net::UnixStream,
    log: &std::path::Path,
    mut done: impl FnMut(&str),
) -> Result<()> {
    for line in BufReader::new(events).lines() {
        match serde_json::from_str(&line?)? {
            Event::Done(step) => done(&step),
            Event::Ready => return Ok(()),
            Event::Failed(error) => return Err(anyhow!(error)),
        }
    }
    Err(anyhow!(
        "the testbed's supervisor ended\n{}",
        files::tail(log)
    ))
}

/// Runs the testbed of this directory until it is told to end.
pub fn run(dir: PathBuf) -> Result<()> {
    // A Ctrl-C meant for `up`, or the end of its terminal, is not meant for the testbed.
    setsid().context("failed to start a session")?;
    // The relay holds two descriptors for each connection.
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _ = setrlimit(Resource::Nofile, limit);

    let instance = Instance::at(dir)?;
    let plan = instance.plan()?;
    if plan.mode == Mode::Namespaces {
        loopback::bring_up()?;
    }
    // One thread: the kernel's promise to end the daemons is tied to the thread that starts them.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    tokio::task::LocalSet::new().block_on(&runtime, supervise(instance, plan))
}

async fn supervise(instance: Instance, plan: Plan) -> Result<()> {
    let events =
        std::os::unix::net::UnixStream::from(std::io::stdout().as_fd().try_clone_to_owned()?);
    events.set_nonblocking(true)?;
    let (mut starter, events) = tokio::net::UnixStream::from_std(events)?.into_split();
    let starter_gone =
        async move { while starter.read(&mut [0; 16]).await.is_ok_and(|read| read > 0) {} };

    let mut terminate = signal(SignalKind::terminate())?;
    let (deaths, mut died) = mpsc::unbounded_channel();
    let supervisor = Supervisor::new(instance, plan, events, deaths)?;

    let relay = match supervisor.plan.mode {
        Mode::Namespaces => Some(tokio::task::spawn_local(supervisor.relay()?)),
        Mode::Loopback => None,
    };
    let ready = tokio::select! {
        ready = supervisor.bring_up() => Some(ready),
        Some(daemon) = died.recv() => Some(Err(supervisor.death(daemon))),
        _ = terminate.recv() => None,
        () = starter_gone => None,
    };
    match ready {
        Some(Ok(())) => {
            supervisor.update(|state| state.ready = true)?;
            supervisor.tell(&Event::Ready).await;
            loop {
                tokio::select! {
                    _ = terminate.recv() => break,
                    Some(daemon) = died.recv() => eprintln!("{}", supervisor.death(daemon)),
                }
            }
        }
        Some(Err(error)) => supervisor.tell(&Event::Failed(format!("{error:#}"))).await,
        None => {}
    }
    if let Some(relay) = relay {
        relay.abort();
    }
    supervisor.stop().await;
    Ok(())
}

struct Supervisor {
    instance: Instance,
    plan: Plan,
    events: Mutex<OwnedWriteHalf>,
    state: RefCell<State>,
    running: RefCell<Vec<Running>>,
    deaths: mpsc::UnboundedSender<&'static str>,
}

/// A daemon that was started.
struct Running {
    name: &'static str,
    identity: Identity,
    gone: watch::Receiver<bool>,
}

impl Supervisor {
    fn new(
        instance: Instance,
        plan: Plan,
        events: OwnedWriteHalf,
        deaths: mpsc::UnboundedSender<&'static str>,
    ) -> Result<Self> {
        let supervisor =
            Identity::of(std::process::id()).context("failed to find this process in /proc")?;
        let state = State {
            supervisor,
            daemons: Vec::new(),
            ready: false,
        };
        instance.write_state(&state)?;
        Ok(Self {
            instance,
            plan,
            events: Mutex::new(events),
            state: RefCell::new(state),
            running: RefCell::default(),
            deaths,
        })
    }

    fn update(&self, change: impl FnOnce(&mut State)) -> Result<()> {
        change(&mut self.state.borrow_mut());
        self.instance.write_state(&self.state.borrow())
    }

    async fn tell(&self, event: &Event) {
        // Whoever started this may be gone, which is noticed elsewhere.
        if let Ok(mut line) = serde_json::to_vec(event) {
            line.push(b'\n');
            let _ = self.events.lock().await.write_all(&line).await;
        }
    }

    async fn done(&self, step: &str) {
        self.tell(&Event::Done(step.to_owned())).await;
    }

    fn death(&self, daemon: &str) -> anyhow::Error {
        anyhow!(
            "{daemon} ended by itself\n{}",
            files::tail(&self.instance.log(daemon))
        )
    }

    fn relay(&self) -> Result<impl Future<Output = ()> + use<>> {
        let listener = std::net::TcpListener::from(std::io::stdin().as_fd().try_clone_to_owned()?);
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        Ok(relay::serve(
            listener,
            SocketAddr::from((Ipv4Addr::LOCALHOST, self.plan.ports.api)),
        ))
    }

    /// Starts a daemon that the kernel ends with this process.
    fn start(&self, daemon: Daemon) -> Result<()> {
        let log = self.instance.log(daemon.name);
        let output = std::fs::File::create(&log)
            .with_context(|| format!("failed to write {}", log.display()))?;
        // `/proc/self/exe` is this very xtask, even after another was built.
        let mut command = tokio::process::Command::new("/proc/self/exe");
        command.args([
            "testbed",
            "daemon",
            "--parent",
            &std::process::id().to_string(),
        ]);
        if let Some(root) = &daemon.root {
            command.arg("--root").arg(root);
        }
        command
            .arg("--")
            .arg(&daemon.program)
            .args(&daemon.arguments);
        // Nothing of the caller's: a proxy or a kubeconfig of theirs would lead the daemons astray.
        command
            .env_clear()
            .env("HOME", self.instance.dir())
            .envs(daemon.environment)
            // KWOK's `exec` looks commands up.
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command.current_dir(self.instance.dir());
        let mut child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("failed to start {}", daemon.name))?;
        let identity = child
            .id()
            .and_then(Identity::of)
            .with_context(|| format!("{} ended at once", daemon.name))?;
        let (ended, gone) = watch::channel(false);
        let (name, deaths) = (daemon.name, self.deaths.clone());
        tokio::task::spawn_local(async move {
            let _ = child.wait().await;
            ended.send_replace(true);
            let _ = deaths.send(name);
        });
        self.running.borrow_mut().push(Running {
            name,
            identity,
            gone,
        });
        self.update(|state| state.daemons.push((name.to_owned(), identity)))
    }

    async fn bring_up(&self) -> Result<()> {
        let (instance, plan) = (&self.instance, &self.plan);
        self.start(daemons::etcd(instance, plan))?;
        self.start(daemons::api_server(instance, plan))?;
        let cluster = Cluster::connect(&instance.inner_kubeconfig()).await?;
        cluster.wait_ready().await?;
        self.done("etcd and the API server are ready").await;

        self.start(daemons::controller_manager(instance, plan))?;
        self.start(daemons::scheduler(instance, plan))?;
        if !plan.skips.contains(&Skip::PodAddresses) {
            let scraped = cluster.clone();
            tokio::task::spawn_local(async move {
                if let Err(error) = prometheus::serve(scraped).await {
                    eprintln!("the stand-in for Prometheus ended: {error:#}");
                }
            });
            let cluster = cluster.clone();
            tokio::task::spawn_local(async move {
                if let Err(error) = ray_dashboard::serve(cluster).await {
                    eprintln!("the Ray dashboard's stand-in ended: {error:#}");
                }
            });
            tokio::task::spawn_local(async move {
                if let Err(error) = model_servers::serve().await {
                    eprintln!("the models' stand-ins ended: {error:#}");
                }
            });
        }
        cluster.apply(manifests::namespaces()).await?;
        let ray_is_served = Notify::new();
        tokio::try_join!(
            self.fake_nodes(&cluster),
            self.kuberay(&cluster, &ray_is_served),
            self.kueue(&cluster, &ray_is_served),
            self.metrics(&cluster),
            cluster.wait_service_account(),
        )?;
        Ok(())
    }

    async fn fake_nodes(&self, cluster: &Cluster) -> Result<()> {
        let mut kwok = Manifests::beside(&self.plan.binaries.kwok)?;
        cluster.apply(kwok.crds.clone()).await?;
        cluster.wait_served(&kwok.crds).await?;
        self.start(daemons::kwok(&self.instance, &self.plan))?;
        let options = &self.plan.options;
        cluster
            .apply(manifests::stages(
                &mut kwok.stages,
                &self.plan.stages,
                options.job_seconds,
            ))
            .await?;
        if !self.plan.skips.contains(&Skip::PodAddresses) {
            let forwards = manifests::forwards(&model_servers::PORTS);
            cluster.apply(vec![forwards]).await?;
        }
        let nodes = manifests::nodes(options);
        let count = nodes.len();
        cluster.apply(nodes).await?;
        cluster.wait_nodes(count).await?;
        self.done(&format!("KWOK has {count} nodes ready")).await;
        Ok(())
    }

    async fn kuberay(&self, cluster: &Cluster, is_served: &Notify) -> Result<()> {
        let kuberay = Manifests::beside(&self.plan.binaries.kuberay)?;
        cluster.apply(kuberay.crds.clone()).await?;
        cluster.wait_served(&kuberay.crds).await?;
        is_served.notify_one();
        self.start(daemons::kuberay(&self.instance, &self.plan))?;
        wait_http("KubeRay", self.plan.ports.kuberay_health, "/readyz").await?;
        self.done("KubeRay is ready").await;
        Ok(())
    }

    async fn kueue(&self, cluster: &Cluster, ray_is_served: &Notify) -> Result<()> {
        let mut kueue = Manifests::beside(&self.plan.binaries.kueue)?;
        let ports = self.plan.ports;
        let ca_bundle = bundle(&self.instance.certificates().ca())?;
        manifests::convert_by_webhook(&mut kueue.crds, ports, &ca_bundle);
        manifests::kueue_roles(&mut kueue.roles);
        manifests::kueue_webhooks(&mut kueue.webhooks, ports, &ca_bundle);
        cluster.apply(kueue.crds.clone()).await?;
        cluster.wait_served(&kueue.crds).await?;
        // Kueue manages the kinds it finds when it starts.
        ray_is_served.notified().await;
        self.start(daemons::kueue(&self.instance, &self.plan)?)?;
        cluster.apply(kueue.roles).await?;
        wait_http("Kueue", ports.kueue_health, "/readyz").await?;
        self.done("Kueue is ready").await;
        cluster.apply(kueue.webhooks).await?;
        if !self.plan.skips.contains(&Skip::Visibility) {
            cluster.apply(manifests::visibility(ports)).await?;
            let api = "v1beta2.visibility.kueue.x-k8s.io";
            cluster
                .wait_aggregated("Kueue's visibility API", api)
                .await?;
        }
        cluster.wait_webhooks().await?;
        self.done("Kueue's webhooks are called").await;
        Ok(())
    }

    async fn metrics(&self, cluster: &Cluster) -> Result<()> {
        let (ports, certificates) = (self.plan.ports, self.instance.certificates());
        let server = metrics::Server::start(ports.metrics, &certificates, cluster).await?;
        tokio::task::spawn_local(server.serve());
        let ca_bundle = bundle(&certificates.ca())?;
        cluster.apply(manifests::metrics(ports, &ca_bundle)).await?;
        for (version, group) in manifests::METRICS {
            let api = format!("{version}.{group}");
            cluster.wait_aggregated(&api, &api).await?;
        }
        self.done("metrics of pods are served").await;
        Ok(())
    }

    /// Ends every daemon, in order, and waits until they are gone.
    async fn stop(&self) {
        for group in STOPPING {
            let mut running = std::mem::take(&mut *self.running.borrow_mut());
            let (mut ending, rest): (Vec<_>, Vec<_>) =
                running.drain(..).partition(|r| group.contains(&r.name));
            *self.running.borrow_mut() = rest;
            for daemon in &ending {
                daemon.identity.signal(Signal::TERM);
            }
            let deadline = tokio::time::Instant::now() + GRACE;
            for daemon in &mut ending {
                if tokio::time::timeout_at(deadline, daemon.gone.wait_for(|gone| *gone))
                    .await
                    .is_err()
                {
                    eprintln!(
                        "{} did not end within {} seconds and is killed",
                        daemon.name,
                        GRACE.as_secs()
                    );
                    daemon.identity.signal(Signal::KILL);
                    let _ = daemon.gone.wait_for(|gone| *gone).await;
                }
            }
        }
    }
}
