//! `cargo xtask testbed ...`: the command line.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::{Args, Subcommand, ValueEnum};

use super::instance::Instance;
use super::real_node::Node;
use super::running::control::Action;
use super::running::{loopback, process, supervisor};
use super::worker::Worker;
use super::{Options, Testbed, cache, real_node};

/// A real control plane for trying things on
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start a testbed and wait until it is ready
    Up(Options),
    /// Stop a testbed and remove its data
    Down(Name),
    /// Print the variables that point kubectl and the tests to a testbed, for `eval`
    Env(Name),
    /// Show what runs
    Status(Name),
    /// Say whether this machine allows a real node (`up --real-node`), and what is missing
    Check,
    /// Stop a program of a testbed and start it again, as an upgrade or a crash would
    Restart(Program),
    /// Stop a program of a testbed; `start` or `restart` starts it again
    Stop(Program),
    /// Start a program that was stopped
    Start(Program),
    #[command(hide = true)]
    Supervise { dir: PathBuf },
    #[command(hide = true)]
    Daemon {
        #[arg(long)]
        parent: u32,
        #[arg(long)]
        root: Option<PathBuf>,
        #[arg(last = true, required = true)]
        command: Vec<OsString>,
    },
    #[command(hide = true)]
    Probe { what: Probe },
    #[command(hide = true)]
    Trial { place: PathBuf },
    #[command(hide = true)]
    Node {
        #[arg(long)]
        node: String,
        dir: PathBuf,
    },
}

/// Which testbed.
#[derive(Debug, Args)]
pub struct Name {
    /// Which testbed
    #[arg(long, default_value = "default")]
    name: String,
}

/// One program of a testbed.
#[derive(Debug, Args)]
pub struct Program {
    /// As `testbed status` names it, such as `apiserver`; of a real node `real-0/kubelet`, `/containerd`, `/proxy`, `/dns`;
    /// `real-1/link` is the network of the second one
    program: String,
    #[command(flatten)]
    testbed: Name,
}

impl Program {
    fn control(&self, action: Action) -> Result<()> {
        found(&self.testbed.name)?.control(action, &self.program)
    }
}

/// What may be forbidden on a machine.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Probe {
    Namespaces,
    Root,
}

impl Command {
    pub fn run(self) -> Result<()> {
        match self {
            Self::Up(options) => up(&options),
            Self::Down(Name { name }) => Testbed::down(&name),
            Self::Env(Name { name }) => env(&name),
            Self::Status(Name { name }) => status(&name),
            Self::Check => check(),
            Self::Trial { place } => real_node::trial(&place),
            Self::Restart(program) => program.control(Action::Restart),
            Self::Stop(program) => program.control(Action::Stop),
            Self::Start(program) => program.control(Action::Start),
            Self::Node { node, dir } => real_node::run(dir, Node::named(&node)?),
            Self::Supervise { dir } => supervisor::run(dir),
            Self::Daemon {
                parent,
                root,
                command,
            } => {
                let mut command = command.into_iter();
                let program = command.next().unwrap_or_default().into();
                process::become_daemon(parent, root, program, command.collect())
            }
            Self::Probe { what } => {
                if matches!(what, Probe::Namespaces) {
                    loopback::bring_up(&[])?;
                }
                process::enter(&std::env::temp_dir())
            }
        }
    }
}

fn up(options: &Options) -> Result<()> {
    let testbed = Testbed::up(options)?;
    writeln!(
        std::io::stderr(),
        "export KUBECONFIG={}",
        quoted(&testbed.kubeconfig().display().to_string())
    )?;
    Ok(())
}

fn check() -> Result<()> {
    let machine = real_node::check(&cache()?, &std::env::current_exe()?, 1)?;
    writeln!(
        std::io::stdout(),
        "this machine allows a real node: control groups, containers and address translation work, snapshots are {}",
        machine.snapshotter.name()
    )?;
    Ok(())
}

fn env(name: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    for (variable, value) in found(name)?.environment() {
        writeln!(stdout, "export {variable}={}", quoted(&value))?;
    }
    Ok(())
}

fn found(name: &str) -> Result<Testbed> {
    match Testbed::find(name)? {
        Some(testbed) => Ok(testbed),
        None if name == "default" => {
            bail!("no testbed is up; start it with `cargo xtask testbed up`")
        }
        None => bail!(
            "testbed `{name}` is not up; start it with `cargo xtask testbed up --name {name}`"
        ),
    }
}

fn status(name: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    let instance = Instance::named(name, &cache()?)?;
    let mut total = 0;
    for (process, identity) in instance.state().iter().flat_map(|state| state.processes()) {
        let resident = identity
            .is_alive()
            .then(|| identity.resident().unwrap_or(0));
        let memory = resident.map_or_else(
            || "ended".to_owned(),
            |bytes| format!("{} MiB", bytes >> 20),
        );
        total += resident.unwrap_or(0);
        writeln!(stdout, "{process:<20} {:>8}  {memory:>10}", identity.pid)?;
    }
    let testbed = found(name)?;
    writeln!(
        stdout,
        "{:<20} {:>8}  {:>10}",
        "",
        "",
        format!("{} MiB", total >> 20)
    )?;
    for skip in testbed.skips() {
        writeln!(stdout, "left out: {}: {}", skip.word(), skip.meaning())?;
    }
    if testbed.plan.worker.is_some() {
        writeln!(
            stdout,
            "its second cluster: cargo xtask testbed status --name {}",
            Worker::name_of(name)
        )?;
    }
    if !testbed.is_healthy() {
        bail!(
            "testbed `{name}` is not healthy; logs are in {}, and `cargo xtask testbed up` starts it anew",
            instance.dir().join("log").display()
        );
    }
    writeln!(
        stdout,
        "testbed `{name}` is up: KUBECONFIG={}",
        testbed.kubeconfig().display()
    )?;
    Ok(())
}

/// Quotes for a POSIX shell, if that is needed.
fn quoted(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+:,@%".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_back_what_was_quoted() {
        assert_eq!(quoted("/home/me/.cache"), "/home/me/.cache");
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }
}
