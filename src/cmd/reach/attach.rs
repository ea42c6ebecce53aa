//! Attaches to a session of `kaiwo run`: its streams, its heartbeat, its end.

use core::net::{IpAddr, Ipv4Addr};
use std::cell::Cell;
use std::io::IsTerminal as _;
use std::pin::pin;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::api::keys;
use crate::api::pod::Pod;
use crate::change::existing::resource;
use crate::change::metadata::annotation_of;
use crate::cli::{NamedArgs, RunArgs};
use crate::cluster::client::exec::{self, Attachment, Ending};
use crate::cluster::reach::forward_target::ForwardTarget;
use crate::cluster::read::lookup;
use crate::cluster::read::snapshot::{Seen, SnapshotStream};
use crate::error::{CommandError, ErrorClass};
use crate::kind::WorkloadKind;
use crate::observe::forward::Forward;
use crate::observe::pod_selection::Single;
use crate::observe::wait::session::SessionEnd;
use crate::observe::{Snapshot, Standing, Status, WorkloadRef};
use crate::settings::{Merged, Settings};
use crate::time::Seconds;
use crate::ui::Ui;
use crate::ui::document::json_line;
use crate::ui::wait::WaitEvent;

use super::heartbeat::beat;
use super::port_forward::{Forwarding, listen};
use super::streams::{feed, raw, read_stdin, show};
use crate::cmd::help::cannot_write;
use crate::cmd::signals::{self, SignalEffect};
use crate::cmd::target::{FoundWorkload, Reached};
use crate::cmd::wait::{self, Ended, FollowedWorkload, about, span};
use crate::cmd::{block_on, sources};

/// Time after which the pod is looked at though no watch has told of a change.
const LOOK: Duration = Duration::from_secs(5);
/// Time that the last output has, and the end of a pod whose streams have ended.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// A session, and how it is attached to.
pub struct AttachedSession<'a> {
    /// Where it is.
    pub place: &'a Reached,
    /// Its Job.
    pub subject: FollowedWorkload,
    /// Whether it has a terminal.
    pub tty: bool,
    /// Whether it gets stdin.
    pub stdin: bool,
    /// Whether it was attached to before.
    pub is_back: bool,
    /// Time without anyone attached after which it is ended, if that is known.
    pub idle: Option<Seconds>,
    /// Ports here that lead to it.
    pub listeners: &'a [(TcpListener, u16)],
    /// The terminal.
    pub ui: Ui,
}

/// How it ended by itself.
pub struct Exit {
    /// Exit code of its container.
    pub code: u8,
    /// Who wants to know.
    pub ended: Ended,
}

impl AttachedSession<'_> {
    /// Attaches, and returns how it ended.
    ///
    /// # Errors
    /// [`CommandError`]; of class [`ErrorClass::LostTrack`] if the connection is lost and it
    /// continues.
    pub async fn attend(&self) -> Result<Exit, CommandError> {
        let Reached {
            cluster, served, ..
        } = self.place;
        let mut stream = SnapshotStream::new(cluster, served, self.subject.clone());
        let snapshot = loop {
            match stream.next(LOOK, async |_, _| Ok(())).await? {
                Seen::Now(snapshot, ()) => break snapshot,
                Seen::Gone => return Err(self.gone()),
                Seen::Outage(outage) => self.ui.status(format!("→ {outage}")),
            }
        };
        let pod = match snapshot.running(&Single::Main) {
            Ok(pod) => pod.clone(),
            // It may have ended in the meantime.
            Err(error) => match snapshot.pods() {
                [pod] => match snapshot.session_end(&pod.metadata.uid) {
                    Some(end) => return self.exit(&snapshot, end),
                    None => return Err(error.into()),
                },
                _ => return Err(error.into()),
            },
        };
        self.ui.status(format!("→ pod {}", pod.name()));
        if self.is_back && !self.tty {
            let earlier = about("logs {} -n {}", &self.subject);
            self.ui.suggest(&earlier.to("show what it printed before"));
        }
        self.attached(&snapshot, &pod, &mut stream).await
    }

    /// Passes on its streams until it has ended.
    async fn attached(
        &self,
        snapshot: &Snapshot,
        pod: &Pod,
        stream: &mut SnapshotStream<'_>,
    ) -> Result<Exit, CommandError> {
        let cluster = &self.place.cluster;
        let container = pod.container(None)?;
        let attachment = Attachment {
            namespace: &pod.metadata.namespace,
            pod: pod.name(),
            container,
            stdin: self.stdin,
            tty: self.tty,
        };
        let mut end = pin!(self.end(stream, &pod.metadata.uid));
        let (input, mut output) = match exec::attach(cluster, &attachment).await {
            Ok(streams) => streams,
            Err(error) => match timeout(LAST_WORDS, &mut end).await {
                Ok(end) => return end,
                Err(_) => return Err(error.into()),
            },
        };
        // From here on every way out gives the terminal back.
        let lent = raw(self.tty)?;
        let typed = self.stdin.then(read_stdin);
        let forwarding = Forwarding::new(self.place, snapshot, self.ui);
        let (_destination, destination) = watch::channel(ForwardTarget::of_pod(pod));
        let mut shown = pin!(show(&mut output, self.ui));
        let mut fed = pin!(feed(input, typed, self.tty, self.ui));
        let mut beating = pin!(beat(cluster, pod, container));
        let mut forwarded = pin!(forwarding.serve(self.listeners, &destination));
        let mut is_open = true;
        let lost = loop {
            tokio::select! {
                exit = &mut end => {
                    if is_open {
                        _ = timeout(LAST_WORDS, &mut shown).await;
                    }
                    drop(lent);
                    return exit;
                }
                ending = &mut shown, if is_open => match ending? {
                    // How it ended is in the status of its pod.
                    Some(Ending::Code(_)) => is_open = false,
                    Some(Ending::Failed(why) | Ending::Lost(why)) => break why,
                    // Nobody reads on: it ends as a local command would.
                    None => {
                        let end = SessionEnd::Exited { code: 0, reason: String::new() };
                        return self.exit(snapshot, end);
                    }
                },
                why = &mut beating => break why,
                () = &mut fed => {}
                () = &mut forwarded, if !self.listeners.is_empty() => {}
            }
        };
        // Its end closes them, too.
        let ended = timeout(LAST_WORDS, &mut end).await;
        drop(lent);
        ended.unwrap_or_else(|_| Err(self.lost(&lost)))
    }

    /// Waits for its end.
    async fn end(&self, stream: &mut SnapshotStream<'_>, uid: &str) -> Result<Exit, CommandError> {
        loop {
            match stream.next(LOOK, async |_, _| Ok(())).await? {
                Seen::Now(snapshot, ()) => {
                    if let Some(end) = snapshot.session_end(uid) {
                        return self.exit(&snapshot, end);
                    }
                }
                Seen::Gone => return Err(self.gone()),
                // The heartbeat tells of it.
                Seen::Outage(_) => {}
            }
        }
    }

    fn exit(&self, snapshot: &Snapshot, end: SessionEnd) -> Result<Exit, CommandError> {
        let name = self.subject.display_name();
        let (code, reason) = match end {
            SessionEnd::Exited { code, reason } => (code, reason),
            SessionEnd::Taken(why) => {
                let words = format!("{name} lost its pod: {why}");
                return Err(CommandError::failed(words, None).about(name));
            }
        };
        let line = match reason.as_str() {
            "" => format!("{name} ended with exit code {code}"),
            reason => format!("{name} ended with exit code {code}: {reason}"),
        };
        if !reason.is_empty() {
            self.ui.warn(&line);
        }
        let standing = Standing {
            status: match code {
                0 => Status::Succeeded,
                _ => Status::Failed,
            },
            reason,
        };
        let event = json_line(&WaitEvent::new(snapshot, &standing, Timestamp::now()).last());
        Ok(Exit {
            code,
            ended: Ended { line, event },
        })
    }

    /// Takes steps until it has ended, deletes it then, and tells who wants to know. Where
    /// the connection is lost it stays.
    pub async fn to_its_end(
        &self,
        steps: impl Future<Output = Result<Exit, CommandError>>,
        settings: &Merged,
    ) -> Result<u8, CommandError> {
        signals::set_effect(SignalEffect::Note(
            "its Job may still exist: see kaiwo list",
        ));
        let is_deleted = Cell::new(false);
        let result = signals::giving_back(steps, async |result| {
            let is_lost = |error: &CommandError| error.class == ErrorClass::LostTrack;
            if !result.as_ref().is_err_and(is_lost) {
                is_deleted.set(self.delete().await);
            }
        })
        .await;
        let result = result.map_err(|mut error| {
            // The prompt of the program is on this line.
            let was_cut = matches!(error.class, ErrorClass::Interrupted | ErrorClass::LostTrack);
            if self.tty && was_cut {
                self.ui.status("");
            }
            if is_deleted.get() {
                let name = self.subject.display_name();
                error.notes.push(format!("{name} was deleted"));
            }
            error
        });
        let failed;
        let told = match &result {
            Ok(exit) if exit.code == 0 => Ok(&exit.ended),
            Ok(exit) => {
                failed = CommandError::failed(exit.ended.line.clone(), Some(exit.code));
                Err(&failed)
            }
            Err(error) => Err(error),
        };
        wait::tell_end(settings, told, self.ui).await;
        result.map(|exit| exit.code)
    }

    /// Deletes its Job, with all that belongs to it. Returns whether it is gone.
    async fn delete(&self) -> bool {
        let Reached {
            cluster, served, ..
        } = self.place;
        let FollowedWorkload {
            kind,
            namespace,
            name,
            uid,
            ..
        } = &self.subject;
        let deleted = async {
            let Some(found) = lookup::read(cluster, served, namespace, *kind, name).await? else {
                return Ok(());
            };
            let workload = found.workload;
            let own = uid.as_ref().unwrap_or(&workload.metadata.uid);
            let resource = resource(*kind, &workload.api_version);
            cluster.delete(&resource, namespace, name, own).await
        };
        match deleted.await {
            Ok(()) => true,
            // Another one has its name by now.
            Err(error) if error.is_conflict() => true,
            Err(error) => {
                let name = self.subject.display_name();
                self.ui.warn(format!("{name} was not deleted: {error}"));
                let delete = self.subject.deletion.clone();
                self.ui.suggest(&delete.to("delete it"));
                false
            }
        }
    }

    fn gone(&self) -> CommandError {
        self.subject.lost("it was deleted", None).into()
    }

    /// Returns the error that the connection was lost, while it continues.
    fn lost(&self, why: &str) -> CommandError {
        let name = self.subject.display_name();
        let words = format!("the connection to {name} was lost: {why}");
        let mut error = CommandError::new(ErrorClass::LostTrack, words).about(name);
        error.notes.push(match self.idle {
            Some(idle) => format!(
                "it ends within {} unless you come back",
                span(idle.duration())
            ),
            None => "it continues to its end".to_owned(),
        });
        error
            .hint(about("run --attach {} -n {}", &self.subject).to("come back"))
            .hint(self.subject.deletion.clone().to("end it"))
    }
}

/// Returns to a session that was started before.
pub fn come_back(args: &RunArgs, name: &WorkloadRef, ui: Ui) -> Result<u8, CommandError> {
    let named = NamedArgs {
        workload: name.clone(),
        namespace: args.settings.0.namespace.clone(),
        connection: args.connection.clone(),
    };
    let typed = Settings {
        notify: args.settings.0.notify.clone(),
        queue_timeout: args.settings.0.queue_timeout,
        ..Settings::default()
    };
    let used = ["KAIWO_NOTIFY", "KAIWO_QUEUE_TIMEOUT"];
    let settings = sources::merged_of(&used, typed, &args.connection)?;
    block_on(async {
        let listeners = publish(&args.publish, ui).await?;
        let FoundWorkload { place, found } = FoundWorkload::find(&named, ui).await?;
        let subject = FollowedWorkload::of_workload(&found.workload);
        let how = annotation_of(&found.object, keys::SESSION_ANNOTATION);
        let Some(how) = how.filter(|_| found.workload.kind == WorkloadKind::Job) else {
            let words = format!("{} was not started by kaiwo run", subject.display_name());
            return Err(CommandError::new(ErrorClass::Refused, words)
                .about(subject.display_name())
                .hint(about("exec -it {} -n {}", &subject).to("open a shell in it"))
                .hint(about("logs -f {} -n {}", &subject).to("or follow its log")));
        };
        let tty = how == keys::TERMINAL;
        if tty && !std::io::stdin().is_terminal() {
            let words = format!(
                "{} has a terminal, and stdin is not one",
                subject.display_name()
            );
            return Err(CommandError::new(ErrorClass::Usage, words)
                .hint(about("logs -f {} -n {}", &subject).to("follow its log instead")));
        }
        let session = AttachedSession {
            place: &place,
            tty,
            // What was piped has ended with the connection.
            stdin: tty,
            is_back: true,
            idle: annotation_of(&found.object, keys::IDLE_ANNOTATION)
                .and_then(|idle| idle.parse().ok()),
            listeners: &listeners,
            ui,
            subject,
        };
        let steps = async {
            let limits = wait::limits_of(&settings);
            wait::until_running(&place, &session.subject, limits, ui).await?;
            session.attend().await
        };
        session.to_its_end(steps, &settings).await
    })
}

/// Opens ports here, and says where.
pub async fn publish(ports: &[Forward], ui: Ui) -> Result<Vec<(TcpListener, u16)>, CommandError> {
    let listeners = listen(&[IpAddr::V4(Ipv4Addr::LOCALHOST)], ports).await?;
    for (listener, remote) in &listeners {
        let local = listener.local_addr().map_err(cannot_write)?;
        ui.status(format!("→ {local} -> {remote}"));
    }
    Ok(listeners)
}
