//! `kaiwo port-forward`.

use std::cell::RefCell;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout_at};

use crate::cli::PortForwardArgs;
use crate::cluster::client::port_forward;
use crate::cluster::reach::forward_target::{self, ForwardTarget};
use crate::cluster::reach::logs;
use crate::cluster::read::endpoint;
use crate::error::{CommandError, ErrorClass, INTERRUPTED};
use crate::observe::Snapshot;
use crate::observe::forward::{DASHBOARD, Forward, served};
use crate::observe::pod_selection::Single;
use crate::ui::Ui;
use crate::ui::log::waiting;

use super::selection;
use crate::cmd::help::cannot_write;
use crate::cmd::target::{FoundWorkload, Reached};
use crate::cmd::{block_on, signals};
use crate::suggestion::kaiwo;

/// How long a connection waits for a pod.
const PATIENCE: Duration = Duration::from_secs(30);
/// Time between two attempts to reach a pod.
const PAUSE: Duration = Duration::from_millis(500);

/// Brings ports of a workload here.
pub fn run(args: &PortForwardArgs, ui: Ui) -> Result<u8, CommandError> {
    block_on(port_forward(args, ui))
}

async fn port_forward(args: &PortForwardArgs, ui: Ui) -> Result<u8, CommandError> {
    let target = FoundWorkload::find(&args.named, ui).await?;
    let workload = target.found.workload.clone();
    let kind = workload.kind;
    let mut single = selection::single(args.pod.as_deref(), None, kind.is_ray());
    let snapshot = selection::snapshot_for(&target.place, workload, &mut single).await?;
    logs::readable(&target.place.cluster, &snapshot).await?;
    if let Single::Pod(_) = single {
        snapshot.running(&single)?;
    }
    let mut ports = args.ports.clone();
    if args.dashboard {
        if !kind.is_ray() {
            return Err(usage(&snapshot, "has no Ray dashboard"));
        }
        ports.push(Forward::same(DASHBOARD));
    }
    if ports.is_empty() {
        ports = of_service(&target.place, &snapshot, &single).await?;
    }
    let addresses = match args.address.is_empty() {
        true => vec![IpAddr::V4(Ipv4Addr::LOCALHOST)],
        false => args.address.clone(),
    };
    let listeners = listen(&addresses, &ports).await?;
    for (listener, remote) in &listeners {
        let local = listener.local_addr().map_err(cannot_write)?;
        ui.data(&format!("{local} -> {remote}\n"))
            .map_err(cannot_write)?;
    }
    let forwarding = Forwarding::new(&target.place, &snapshot, ui);
    let (sender, destination) = watch::channel(ForwardTarget::default());
    let Reached {
        cluster, served, ..
    } = &target.place;
    tokio::select! {
        last = forward_target::keep_forwarding(
            cluster, served, snapshot, &single, &sender,
            |outage| ui.status(format!("→ {outage}")),
        ) => {
            match last? {
                Some(snapshot) => ui.status(format!("→ {}", waiting(&snapshot))),
                None => ui.status(format!("→ {} was deleted", forwarding.workload)),
            }
            Ok(0)
        }
        () = forwarding.serve(&listeners, &destination) => Ok(0),
        () = forwarding.announce(destination.clone()) => Ok(0),
        code = signals::ended() => match code {
            // The one way to end it, so it is no failure.
            INTERRUPTED => Ok(0),
            code => Err(CommandError::interrupted(code)),
        },
    }
}

/// Returns the ports of what stands in front of a workload.
async fn of_service(
    place: &Reached,
    snapshot: &Snapshot,
    single: &Single,
) -> Result<Vec<Forward>, CommandError> {
    let service = endpoint::service(&place.cluster, &snapshot.workload).await?;
    let pod = snapshot.running(single).ok();
    let ports = served(snapshot.workload.kind, service.as_ref(), pod);
    if !ports.is_empty() {
        return Ok(ports);
    }
    Err(match service {
        Some(_) => usage(
            snapshot,
            "has ports that are only known once a pod is running",
        ),
        None => usage(snapshot, "has no Service that defines its ports"),
    })
}

/// Opens the ports here.
pub async fn listen(
    addresses: &[IpAddr],
    ports: &[Forward],
) -> Result<Vec<(TcpListener, u16)>, CommandError> {
    let mut listeners = Vec::new();
    for port in ports {
        for address in addresses {
            let address = SocketAddr::new(*address, port.local);
            let listener = TcpListener::bind(address).await.map_err(|error| {
                let hint = match error.kind() {
                    io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied => {
                        format!("use any free port: :{}", port.remote)
                    }
                    _ => "use an address of this machine".to_owned(),
                };
                refused(format!("cannot listen on {address}"), error, hint)
            })?;
            listeners.push((listener, port.remote));
        }
    }
    Ok(listeners)
}

/// What all connections share.
pub(super) struct Forwarding<'a> {
    place: &'a Reached,
    workload: String,
    namespace: String,
    /// What was said last about a connection that failed.
    told: RefCell<String>,
    ui: Ui,
}

impl<'a> Forwarding<'a> {
    pub(super) fn new(place: &'a Reached, snapshot: &Snapshot, ui: Ui) -> Self {
        Self {
            place,
            workload: snapshot.workload.display_name(),
            namespace: snapshot.workload.metadata.namespace.clone(),
            told: RefCell::new(String::new()),
            ui,
        }
    }

    /// Says which pod is reached, and when that changes.
    async fn announce(&self, mut destination: watch::Receiver<ForwardTarget>) {
        let mut said = None;
        while destination.changed().await.is_ok() {
            let now = destination.borrow_and_update().clone();
            let pod = now.pod.map(|(name, _)| name);
            if said.as_ref() == Some(&pod) {
                continue;
            }
            match &pod {
                Some(name) => self
                    .ui
                    .status(format!("→ pod {name}; press Ctrl-C to stop")),
                None => self.ui.status(format!(
                    "→ {}: connections wait for up to {} s",
                    now.why_not,
                    PATIENCE.as_secs()
                )),
            }
            self.told.borrow_mut().clear();
            said = Some(pod);
        }
        std::future::pending().await
    }

    /// Carries what comes, for ever.
    pub(super) async fn serve(
        &self,
        listeners: &[(TcpListener, u16)],
        destination: &watch::Receiver<ForwardTarget>,
    ) {
        let mut connections: FuturesUnordered<LocalBoxFuture<'_, ()>> = FuturesUnordered::new();
        let accept = |index: usize| async move {
            let (listener, remote) = &listeners[index];
            (index, listener.accept().await, *remote)
        };
        let mut accepting: FuturesUnordered<_> = (0..listeners.len()).map(accept).collect();
        loop {
            tokio::select! {
                Some((index, accepted, remote)) = accepting.next() => {
                    match accepted {
                        Ok((connection, _)) => {
                            let carried = self.carry(connection, remote, destination.clone());
                            connections.push(Box::pin(carried));
                        }
                        // Too many open files, for instance; it may pass.
                        Err(error) => {
                            self.tell(&format!("cannot accept a connection: {error}"));
                            sleep(PAUSE).await;
                        }
                    }
                    accepting.push(accept(index));
                }
                Some(()) = connections.next(), if !connections.is_empty() => {}
            }
        }
    }

    /// Carries one connection.
    async fn carry(
        &self,
        local: TcpStream,
        remote: u16,
        mut destination: watch::Receiver<ForwardTarget>,
    ) {
        // Small answers are not to wait for large ones.
        let _ = local.set_nodelay(true);
        let deadline = Instant::now() + PATIENCE;
        let (way, uid) = loop {
            let pod = destination.borrow_and_update().pod.clone();
            let Some((name, uid)) = pod else {
                if timeout_at(deadline, destination.changed()).await.is_err() {
                    let why = destination.borrow().why_not.clone();
                    return self.tell(&format!("{why}: a connection was closed"));
                }
                continue;
            };
            match port_forward::open(&self.place.cluster, &self.namespace, &name, remote).await {
                Ok(way) => break (way, uid),
                Err(error) if error.is_forbidden() || Instant::now() >= deadline => {
                    return self.tell(&format!("pod {name} cannot be reached: {error}"));
                }
                Err(error) => {
                    tracing::info!("port {remote} of pod {name}: {error}");
                    // Another pod may have taken its place by then.
                    let _ = tokio::time::timeout(PAUSE, destination.changed()).await;
                }
            }
        };
        tokio::select! {
            carried = way.carry(local) => if let Err(why) = carried {
                self.tell(&format!("port {remote}: {why}"));
            },
            () = has_gone(destination, &uid) => {}
        }
    }

    /// Says what went wrong with a connection, once if it is the same again.
    fn tell(&self, text: &str) {
        if *self.told.borrow() != text {
            self.ui.warn(text);
            text.clone_into(&mut self.told.borrow_mut());
        }
    }
}

/// Returns when a pod has ended, and has had a moment to say its last.
async fn has_gone(mut destination: watch::Receiver<ForwardTarget>, uid: &str) {
    let gone = destination.wait_for(|destination| !destination.alive.contains(uid));
    if gone.await.is_err() {
        std::future::pending::<()>().await;
    }
    sleep(PAUSE).await;
}

fn usage(snapshot: &Snapshot, what: &str) -> CommandError {
    let name = snapshot.workload.display_name();
    let namespace = &snapshot.workload.metadata.namespace;
    CommandError {
        class: ErrorClass::Usage,
        error: anyhow::Error::msg(format!("{name} {what}")),
        notes: Vec::new(),
        hints: vec![kaiwo("port-forward {} -n {} 8000", &[&name, namespace]).to("name a port")],
        object: None,
    }
}

fn refused(message: String, error: io::Error, hint: String) -> CommandError {
    CommandError {
        class: ErrorClass::Refused,
        error: anyhow::Error::new(error).context(message),
        notes: Vec::new(),
        hints: vec![hint.into()],
        object: None,
    }
}
