//! The programs that a supervisor has started: ended in order when the testbed ends, and before that stopped and started
//! again where somebody asks for it.

use std::cell::{Cell, RefCell};
use std::process::Stdio;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::Signal;
use tokio::process::ChildStdin;
use tokio::sync::{mpsc, watch};

use super::control::Request;
use super::daemons::Daemon;
use super::process::Identity;
use crate::testbed::instance::{Instance, State};

/// How long a daemon may take to end before it is killed.
const GRACE: Duration = Duration::from_secs(10);

/// The order of stopping: who depends on others goes first.
const STOPPING: [&[&str]; 3] = [
    &[
        "real-0",
        "real-1",
        "kwok",
        "kuberay",
        "kaito",
        "trainer",
        "jobset",
        "lws",
        "kueue",
        "scheduler",
        "controller-manager",
    ],
    &["apiserver"],
    &["etcd"],
];

/// All programs of a supervisor, and the file that tells others of them.
pub struct Programs {
    instance: Instance,
    state: RefCell<State>,
    /// Every daemon that was started, to be started again.
    known: RefCell<Vec<Daemon>>,
    running: RefCell<Vec<Running>>,
    deaths: mpsc::UnboundedSender<&'static str>,
}

/// A daemon that was started.
struct Running {
    name: &'static str,
    identity: Identity,
    gone: watch::Receiver<bool>,
    /// Whether it is to end.
    is_asked: Rc<Cell<bool>>,
    /// The other end of its standard input, if that is what ends it.
    input: Option<ChildStdin>,
}

impl Programs {
    /// Has none yet; `deaths` is told the name of each that ends by itself.
    pub fn new(instance: Instance, deaths: mpsc::UnboundedSender<&'static str>) -> Result<Self> {
        let supervisor =
            Identity::read(std::process::id()).context("failed to find this process in /proc")?;
        let state = State {
            supervisor,
            daemons: Vec::new(),
            ready: false,
        };
        instance.write_state(&state)?;
        Ok(Self {
            instance,
            state: RefCell::new(state),
            known: RefCell::default(),
            running: RefCell::default(),
            deaths,
        })
    }

    /// Changes what others are told.
    pub fn update(&self, change: impl FnOnce(&mut State)) -> Result<()> {
        change(&mut self.state.borrow_mut());
        self.instance.write_state(&self.state.borrow())
    }

    /// Starts a daemon that the kernel ends with this process.
    pub fn start(&self, daemon: Daemon) -> Result<Identity> {
        let log = self.instance.log(daemon.name);
        // One that is started again goes on where it was.
        let output = std::fs::File::options()
            .create(true)
            .append(true)
            .open(&log)
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
            .envs(daemon.environment.clone())
            // KWOK's `exec` looks commands up.
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command.current_dir(self.instance.dir());
        let mut child = command
            .stdin(match daemon.ends_with_input {
                true => Stdio::piped(),
                false => Stdio::null(),
            })
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("failed to start {}", daemon.name))?;
        let input = child.stdin.take();
        let identity = child
            .id()
            .and_then(Identity::read)
            .with_context(|| format!("{} ended at once", daemon.name))?;
        let (ended, gone) = watch::channel(false);
        let (name, deaths) = (daemon.name, self.deaths.clone());
        let is_asked = Rc::new(Cell::new(false));
        let is_to_end = is_asked.clone();
        tokio::task::spawn_local(async move {
            let _ = child.wait().await;
            ended.send_replace(true);
            if !is_to_end.get() {
                let _ = deaths.send(name);
            }
        });
        self.running.borrow_mut().push(Running {
            name,
            identity,
            gone,
            is_asked,
            input,
        });
        self.known.borrow_mut().retain(|known| known.name != name);
        self.known.borrow_mut().push(daemon);
        self.update(|state| state.daemons.push((name.to_owned(), identity)))?;
        Ok(identity)
    }

    /// Stops one, starts it, or both.
    pub async fn perform(&self, request: &Request) -> Result<()> {
        let known = self.known.borrow().clone();
        // A node's own programs are asked for one by one.
        let known: Vec<&Daemon> = known.iter().filter(|it| !it.ends_with_input).collect();
        let program = known.iter().find(|daemon| daemon.name == request.program);
        let Some(daemon) = program else {
            let names: Vec<&str> = known.iter().map(|daemon| daemon.name).collect();
            bail!(
                "this testbed has no program `{}`, only {}",
                request.program,
                names.join(", ")
            );
        };
        if request.action.stops() {
            self.end(&[daemon.name]).await;
            self.update(|state| state.daemons.retain(|(name, _)| name != daemon.name))?;
        } else if self.running.borrow().iter().any(|r| r.name == daemon.name) {
            bail!("{} runs already", daemon.name);
        }
        match request.action.starts() {
            true => self.start((*daemon).clone()).map(drop),
            false => Ok(()),
        }
    }

    /// Ends every daemon, in order, and waits until they are gone.
    pub async fn stop(&self) {
        for group in STOPPING {
            self.end(group).await;
        }
    }

    /// Ends those of these names that run, and waits until they are gone.
    async fn end(&self, names: &[&str]) {
        let all = std::mem::take(&mut *self.running.borrow_mut());
        let (mut ending, rest): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|r| names.contains(&r.name));
        *self.running.borrow_mut() = rest;
        for daemon in &mut ending {
            daemon.is_asked.set(true);
            match daemon.input.take() {
                Some(input) => drop(input),
                None => daemon.identity.signal(Signal::TERM),
            }
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
