//! The process that starts a testbed's daemons, fills the cluster, and stops them in order.
//!
//! It lives in the testbed's namespaces as long as the testbed does. Its standard input is the listener of the relay,
//! opened outside; its standard output is a socket on which `up` is told what happens, and by whose closing it learns
//! that nobody waits any more. Whatever ends the supervisor, the kernel ends the daemons.

use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use rustix::process::{Resource, getrlimit, setrlimit, setsid};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::unix::OwnedWriteHalf;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Mutex, Notify, mpsc, oneshot};

use super::control::{self, Request};
use super::programs::Programs;
use super::relay::{self, Door, Upstream};
use super::{daemons, loopback};
use crate::testbed::build::components::Manifests;
use crate::testbed::certificates::bundle;
use crate::testbed::cluster::{Cluster, wait_http};
use crate::testbed::instance::{Instance, Mode, Plan, Skip};
use crate::testbed::real_node::Node;
use crate::testbed::stand_ins::{metrics, model_servers, prometheus, ray_dashboard};
use crate::testbed::{files, manifests, multikueue, real_node};

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
    match plan.mode {
        Mode::Namespaces => loopback::bring_up(&[])?,
        Mode::Root => loopback::bring_up(&real_node::ADDRESSES)?,
        Mode::Loopback => {}
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
    let programs = Programs::new(instance.clone(), deaths)?;
    let mut requests = requests(&instance)?;
    let supervisor = Supervisor {
        instance,
        plan,
        events: Mutex::new(events),
        programs,
    };

    let relay = match supervisor.plan.mode {
        Mode::Namespaces | Mode::Root => Some(tokio::task::spawn_local(supervisor.relay()?)),
        Mode::Loopback => None,
    };
    let door = Door::on_disk(supervisor.instance.dir())?;
    let door = tokio::task::spawn_local(relay::serve(door, supervisor.api()));
    let ready = tokio::select! {
        ready = supervisor.bring_up() => Some(ready),
        Some(daemon) = died.recv() => Some(Err(supervisor.death(daemon))),
        _ = terminate.recv() => None,
        () = starter_gone => None,
    };
    match ready {
        Some(Ok(())) => {
            supervisor.programs.update(|state| state.ready = true)?;
            supervisor.tell(&Event::Ready).await;
            loop {
                tokio::select! {
                    _ = terminate.recv() => break,
                    Some(daemon) = died.recv() => eprintln!("{}", supervisor.death(daemon)),
                    Some((request, done)) = requests.recv() => {
                        let _ = done.send(supervisor.perform(&request).await);
                    }
                }
            }
        }
        Some(Err(error)) => supervisor.tell(&Event::Failed(format!("{error:#}"))).await,
        None => {}
    }
    door.abort();
    if let Some(relay) = relay {
        relay.abort();
    }
    supervisor.programs.stop().await;
    real_node::Cgroups::new(&supervisor.instance.name).remove()
}

/// Returns what commands ask of this testbed, each with whom to tell how it went.
fn requests(
    instance: &Instance,
) -> Result<mpsc::UnboundedReceiver<(Request, oneshot::Sender<Result<()>>)>> {
    let (asked, requests) = mpsc::unbounded_channel();
    control::serve(instance.dir(), control::SUPERVISOR, move |request| {
        let (done, answer) = oneshot::channel();
        let gone = "the supervisor is about to end";
        asked.send((request, done)).ok().context(gone)?;
        answer.blocking_recv().context(gone)?
    })?;
    Ok(requests)
}

struct Supervisor {
    instance: Instance,
    plan: Plan,
    events: Mutex<OwnedWriteHalf>,
    programs: Programs,
}

impl Supervisor {
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

    /// Does what a command asks for.
    async fn perform(&self, request: &Request) -> Result<()> {
        if let Some(name) = request.program.strip_suffix("/link") {
            let node = Node::named(name).ok().filter(|node| node.is_apart());
            let node = node.with_context(|| format!("{name} has no network of its own"))?;
            if request.action.stops() {
                real_node::cut(node)?;
            }
            return match request.action.starts() {
                true => real_node::restore(node),
                false => Ok(()),
            };
        }
        self.programs.perform(request).await
    }

    fn relay(&self) -> Result<impl Future<Output = ()> + use<>> {
        let listener = std::net::TcpListener::from(std::io::stdin().as_fd().try_clone_to_owned()?);
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        Ok(relay::serve(Door::Port(listener), self.api()))
    }

    fn api(&self) -> Upstream {
        let address = (Ipv4Addr::LOCALHOST, self.plan.ports.api);
        Upstream::Port(SocketAddr::from(address))
    }

    /// Has Kueue send work to the second cluster, if there is one.
    async fn worker(&self, cluster: &Cluster) -> Result<()> {
        let Some(worker) = &self.plan.worker else {
            return Ok(());
        };
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let there = Upstream::Disk(worker.dir().to_owned());
        tokio::task::spawn_local(relay::serve(Door::Port(listener), there));
        multikueue::connect(worker, cluster, port).await?;
        self.done("Kueue is connected to the second cluster").await;
        Ok(())
    }

    async fn bring_up(&self) -> Result<()> {
        let (instance, plan) = (&self.instance, &self.plan);
        self.programs.start(daemons::etcd(instance, plan))?;
        self.programs.start(daemons::api_server(instance, plan))?;
        let cluster = Cluster::connect(&instance.inner_kubeconfig()).await?;
        cluster.wait_ready().await?;
        self.done("etcd and the API server are ready").await;

        self.programs
            .start(daemons::controller_manager(instance, plan))?;
        self.programs.start(daemons::scheduler(instance, plan))?;
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
        // Kueue looks for the kinds that it is to queue when it starts.
        for built in &plan.with {
            let crds = built.manifests()?.crds;
            cluster.apply(crds.clone()).await?;
            cluster.wait_served(&crds).await?;
        }
        let ray_is_served = Notify::new();
        tokio::try_join!(
            self.fake_nodes(&cluster),
            self.kuberay(&cluster, &ray_is_served),
            self.kueue(&cluster, &ray_is_served),
            self.kaito(&cluster),
            self.controllers(&cluster),
            self.metrics(&cluster),
            cluster.wait_service_account(),
            self.real_nodes(&cluster),
        )?;
        if let Some(made) = &self.plan.real_node {
            let nodes = made.nodes().len();
            cluster.apply(real_node::queue(nodes)).await?;
        }
        self.worker(&cluster).await
    }

    async fn fake_nodes(&self, cluster: &Cluster) -> Result<()> {
        let mut kwok = Manifests::beside(&self.plan.binaries.kwok)?;
        cluster.apply(kwok.crds.clone()).await?;
        cluster.wait_served(&kwok.crds).await?;
        self.programs
            .start(daemons::kwok(&self.instance, &self.plan))?;
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
        self.programs
            .start(daemons::kuberay(&self.instance, &self.plan))?;
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
        self.programs
            .start(daemons::kueue(&self.instance, &self.plan)?)?;
        cluster.apply(kueue.roles).await?;
        let published = daemons::published_configuration(&self.plan)?;
        cluster.apply(vec![published]).await?;
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

    async fn kaito(&self, cluster: &Cluster) -> Result<()> {
        let Some(kaito) = &self.plan.kaito else {
            return Ok(());
        };
        cluster.apply(kaito.crds.clone()).await?;
        cluster.wait_served(&kaito.crds).await?;
        self.programs
            .start(daemons::kaito(&self.instance, &self.plan, kaito))?;
        wait_http("KAITO", self.plan.ports.kaito_health, "/readyz").await?;
        self.done("KAITO is ready").await;
        Ok(())
    }

    async fn controllers(&self, cluster: &Cluster) -> Result<()> {
        let ca_bundle = bundle(&self.instance.certificates().ca())?;
        for built in &self.plan.with {
            let name = built.controller.name();
            let daemon = daemons::controller(&self.instance, &self.plan, built)?;
            self.programs.start(daemon)?;
            let (_, health) = built.controller.ports(self.plan.ports);
            wait_http(name, health, "/readyz").await?;
            let mut webhooks = built.manifests()?.webhooks;
            let ports = self.plan.ports;
            built.controller.webhooks(&mut webhooks, ports, &ca_bundle);
            cluster.apply(webhooks).await?;
            self.done(&format!("{name} is ready")).await;
        }
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

    async fn real_nodes(&self, cluster: &Cluster) -> Result<()> {
        let Some(made) = &self.plan.real_node else {
            return Ok(());
        };
        let endpoint = real_node::api_endpoint(self.plan.ports.api);
        cluster.apply(vec![endpoint]).await?;
        for node in made.nodes() {
            let process = self
                .programs
                .start(daemons::real_node(&self.instance, *node))?;
            if node.is_apart() {
                real_node::connect(*node, process.pid)?;
            }
        }
        for node in made.nodes() {
            self.real_node(cluster, node.name).await?;
        }
        Ok(())
    }

    /// Waits until a real node has all that it needs.
    async fn real_node(&self, cluster: &Cluster, name: &str) -> Result<()> {
        cluster.complete_node(name, &real_node::gpus()).await?;
        self.done(&format!("{name}, a real node, is ready")).await;
        // How long that takes depends on the disk; that the node ends meanwhile is noticed elsewhere.
        while !self.instance.node_ready(name).exists() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        self.done(&format!("{name} has its images")).await;
        Ok(())
    }
}
