//! A real Kubernetes control plane on this machine, with Kueue, KubeRay and nodes that only KWOK believes in.
//!
//! ```text
//! up -> binaries (Go, once) -> supervisor, in namespaces -> daemons -> cluster content -> ready
//! ```
//!
//! [`Testbed::up`] returns when everything is ready and leaves the testbed running; [`Testbed::down`] ends it. Both
//! block, and neither may be called from inside a tokio runtime.

mod build;
mod certificates;
mod cluster;
mod command;
mod controllers;
mod files;
mod instance;
mod kaito;
mod kubeconfig;
mod manifests;
mod multikueue;
mod options;
mod ports;
mod progress;
mod real_node;
mod running;
mod stand_ins;
mod starting;
mod worker;

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::Signal;

pub use build::toolchain::NoToolchain;
pub use cluster::Cluster;
pub use command::Command;
pub use controllers::Controller;
pub use instance::Skip;
pub use options::{Options, Platform};
pub use real_node::NoRealNode;

use build::binaries::Binaries;
use build::components::Manifests;
use controllers::Built;
use instance::{Instance, Plan, State};
use kaito::Kaito;
use progress::Progress;
use real_node::{Cgroups, RealNode};
use running::control::{self, Action, Request};
use starting::{Made, start};
use worker::Worker;

/// A testbed that is up.
#[derive(Clone, Debug)]
pub struct Testbed {
    instance: Instance,
    plan: Plan,
    state: State,
}

impl Testbed {
    /// Builds what is not in the cache, starts a testbed and waits until it is ready; one that is up is kept.
    pub fn up(options: &Options) -> Result<Self> {
        let progress = Progress::new();
        let cache = cache()?;
        let instance = Instance::named(&options.name, &cache)?;
        let _lock = instance.lock(&progress)?;
        if let Some(running) = Self::running(&instance) {
            if running.is_healthy() {
                if options.real_node > running.plan.options.real_node {
                    bail!(
                        "testbed `{0}` is up with {1} real nodes, not {2}; end it first: cargo xtask testbed down --name {0}",
                        options.name,
                        running.plan.options.real_node,
                        options.real_node
                    );
                }
                if options.multikueue && !running.plan.options.multikueue {
                    bail!(
                        "testbed `{0}` is up without a second cluster; end it first: cargo xtask testbed down --name {0}",
                        options.name
                    );
                }
                progress.note(&format!("testbed `{}` is already up", options.name));
                if running.plan.options != *options {
                    progress.note("it was started with other options, which it keeps; run `down` first to change them");
                }
                return Ok(running);
            }
            progress.note(&format!(
                "testbed `{}` is not healthy and is started anew",
                options.name
            ));
        }
        stop(&instance)?;

        let kaito = options.kaito.as_deref().map(Kaito::find).transpose()?;
        let real_node = match options.real_node {
            0 => None,
            1.. => Some(RealNode::ensure(
                &sources(),
                &cache,
                &std::env::current_exe()?,
                options,
                &progress,
            )?),
        };
        let binaries = Binaries::ensure(&sources(), options.platform, &cache, &progress)?;
        let with = Built::ensure(&options.with, &sources(), &cache, &progress)?;
        let worker = match options.multikueue {
            true => {
                let second = Self::up(&Worker::options(options))?;
                Some(Worker::at(second.instance.dir().to_owned()))
            }
            false => None,
        };
        instance.prepare()?;
        let made = Made {
            binaries,
            kaito,
            real_node,
            worker,
            with,
        };
        let started = start(&instance, options, made, &progress).and_then(|()| {
            Self::running(&instance).context("the testbed ended as soon as it was ready")
        });
        if started.is_err() {
            // The supervisor stops what it started, but it may have been killed or be hanging.
            stop(&instance)?;
            down_worker(&options.name)?;
        }
        started
    }

    /// Keeps a testbed for one task as long as the returned file is open. Fails at once if another task has it.
    pub fn claim(name: &str, task: &str) -> Result<File> {
        Instance::named(name, &cache()?)?.claim(&format!("`cargo xtask {task}`"))
    }

    /// Returns the testbed of this name if it is up.
    pub fn find(name: &str) -> Result<Option<Self>> {
        Ok(Self::running(&Instance::named(name, &cache()?)?))
    }

    /// Ends the testbed of this name if it was started with other options.
    pub fn down_unless(options: &Options) -> Result<()> {
        match Self::find(&options.name)? {
            Some(running) if running.plan.options != *options => Self::down(&options.name),
            _ => Ok(()),
        }
    }

    /// Returns what the machine has of a testbed's real node, to compare before `up` and after `down`.
    pub fn traces(name: &str) -> Result<BTreeSet<String>> {
        let cache = cache()?;
        let mut traces = BTreeSet::new();
        for name in [name.to_owned(), Worker::name_of(name)] {
            let instance = Instance::named(&name, &cache)?;
            traces.extend(real_node::traces(&name, instance.dir()));
        }
        Ok(traces)
    }

    /// Ends a testbed and removes its data; none running is no error.
    pub fn down(name: &str) -> Result<()> {
        let progress = Progress::new();
        let instance = Instance::named(name, &cache()?)?;
        let _lock = instance.lock(&progress)?;
        let was_up = instance
            .state()
            .is_some_and(|state| state.processes().any(|(_, process)| process.is_alive()));
        stop(&instance)?;
        down_worker(name)?;
        if was_up {
            progress.done(&format!("testbed `{name}` is down"));
        } else {
            progress.note(&format!("testbed `{name}` was not up"));
        }
        Ok(())
    }

    /// Stops or starts a program of this testbed, such as `apiserver` or `real-0/kubelet`, and waits for that.
    pub fn control(&self, action: Action, program: &str) -> Result<()> {
        let (whom, program) = match program.split_once('/') {
            Some((node, "link")) if self.nodes().any(|name| name == node) => {
                (control::SUPERVISOR, program)
            }
            Some((node, program)) if self.nodes().any(|name| name == node) => (node, program),
            Some((node, _)) => bail!("testbed `{}` has no real node `{node}`", self.instance.name),
            None => (control::SUPERVISOR, program),
        };
        let program = program.to_owned();
        control::ask(self.instance.dir(), whom, &Request { action, program })
    }

    /// Returns the names of the real nodes.
    fn nodes(&self) -> impl Iterator<Item = &'static str> {
        let made = self.plan.real_node.iter();
        made.flat_map(|made| made.nodes()).map(|node| node.name)
    }

    /// Returns the administrator's kubeconfig.
    pub fn kubeconfig(&self) -> PathBuf {
        self.instance.kubeconfig()
    }

    /// Returns the variables that tell tests about this testbed.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let skips: Vec<&str> = self.plan.skips.iter().map(|skip| skip.word()).collect();
        let images: Vec<&str> = self
            .plan
            .real_node
            .iter()
            .flat_map(RealNode::images)
            .collect();
        let nodes: Vec<&str> = self.nodes().collect();
        let kaito = self.plan.kaito.as_ref();
        let kaito = kaito.map_or(String::new(), |kaito| kaito.version.clone());
        let with = self.plan.with.iter().map(|built| built.controller.name());
        let with: Vec<&str> = with.collect();
        let display = |path: &Path| path.display().to_string();
        let worker = self.plan.worker.as_ref();
        let worker = worker.map_or(String::new(), |worker| {
            display(&worker.dir().join("kubeconfig"))
        });
        vec![
            ("KUBECONFIG", display(&self.kubeconfig())),
            ("KAIWO_TESTBED_NAME", self.instance.name.clone()),
            ("KAIWO_TESTBED_DIR", display(self.instance.dir())),
            ("KAIWO_TESTBED_USERS", display(&self.instance.users())),
            ("KAIWO_TESTBED_PID", self.state.supervisor.pid.to_string()),
            ("KAIWO_TESTBED_SKIPS", skips.join(" ")),
            (
                "KAIWO_TESTBED_EXPLAINS",
                self.plan.options.explain.to_string(),
            ),
            ("KAIWO_TESTBED_KAITO", kaito),
            ("KAIWO_TESTBED_WITH", with.join(" ")),
            ("KAIWO_TESTBED_IMAGES", images.join(" ")),
            ("KAIWO_TESTBED_REAL_NODES", nodes.join(" ")),
            ("KAIWO_TESTBED_WORKER", worker),
        ]
    }

    /// Points a command at this testbed, and hides from it how its caller has set up kaiwo: what the command does must
    /// not depend on that.
    pub fn point(&self, command: &mut std::process::Command) {
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(is_setting) {
                command.env_remove(name);
            }
        }
        command.envs(self.environment());
    }

    /// Returns what this testbed lacks.
    pub fn skips(&self) -> &[Skip] {
        &self.plan.skips
    }

    fn running(instance: &Instance) -> Option<Self> {
        let (state, plan) = (instance.state()?, instance.plan().ok()?);
        (state.ready && state.supervisor.is_alive()).then(|| Self {
            instance: instance.clone(),
            plan,
            state,
        })
    }

    /// Returns whether every process lives and the API answers.
    fn is_healthy(&self) -> bool {
        let answers = || -> Result<bool> {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(async {
                let cluster = cluster::Cluster::connect(&self.kubeconfig()).await?;
                Ok(tokio::time::timeout(Duration::from_secs(60), cluster.is_ready()).await?)
            })
        };
        self.state
            .processes()
            .all(|(_, process)| process.is_alive())
            && answers().unwrap_or(false)
            && self.has_healthy_worker()
    }

    /// Returns whether the second cluster, if there is to be one, is well.
    fn has_healthy_worker(&self) -> bool {
        let found = |worker: &Worker| Self::running(&Instance::at(worker.dir().to_owned()).ok()?);
        let worker = self.plan.worker.as_ref();
        worker.is_none_or(|worker| found(worker).is_some_and(|found| found.is_healthy()))
    }
}

/// Returns whether a variable is a setting of kaiwo, rather than one about testbeds.
fn is_setting(variable: &str) -> bool {
    variable.starts_with("KAIWO_") && !variable.starts_with("KAIWO_TESTBED_")
}

/// Returns where binaries and instances are kept, outside of any checkout.
fn cache() -> Result<PathBuf> {
    let from = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let cache = from("KAIWO_TESTBED_CACHE")
        .or_else(|| {
            from("XDG_CACHE_HOME")
                .filter(|path| path.is_absolute())
                .map(|path| path.join("kaiwo-testbed"))
        })
        .or_else(|| from("HOME").map(|home| home.join(".cache/kaiwo-testbed")))
        .context(
            "neither HOME nor KAIWO_TESTBED_CACHE says where to keep the testbed; set one of them",
        )?;
    Ok(std::path::absolute(cache)?)
}

/// Returns the CustomResourceDefinitions of the pinned Kueue and KubeRay.
pub fn definitions() -> Result<Vec<serde_json::Value>> {
    let (cache, progress) = (cache()?, Progress::new());
    let binaries = Binaries::ensure(&sources(), Platform::Current, &cache, &progress)?;
    let mut found = Vec::new();
    for binary in [&binaries.kueue, &binaries.kuberay] {
        found.extend(Manifests::beside(binary)?.crds);
    }
    Ok(found)
}

/// Returns the folder of the pinned modules and of the project's own stages.
fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("testbed")
}

/// Ends the second cluster of a testbed, if there is one.
fn down_worker(name: &str) -> Result<()> {
    let name = Worker::name_of(name);
    match Instance::named(&name, &cache()?) {
        Ok(instance) if instance.state().is_some() => Testbed::down(&name),
        _ => Ok(()),
    }
}

/// Ends whatever runs of an instance, whoever is left of it, and removes its data.
fn stop(instance: &Instance) -> Result<()> {
    if let Some(state) = instance.state() {
        state.supervisor.signal(Signal::TERM);
        // Three groups with their grace, and some more.
        state.supervisor.wait_gone(Duration::from_secs(45));
        for (name, process) in state.processes() {
            process.signal(Signal::KILL);
            if !process.wait_gone(Duration::from_secs(10)) {
                bail!(
                    "{name} (pid {}) does not end, not even when killed; look at it, then run this again",
                    process.pid
                );
            }
        }
    }
    // The supervisor has done so unless it was killed.
    Cgroups::new(&instance.name).remove()?;
    instance.clear()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::instance::Mode;
    use super::running::namespaces;
    use super::*;

    #[test]
    fn variables_about_testbeds_are_no_settings() {
        assert!(is_setting("KAIWO_DRY_RUN"));
        assert!(!is_setting("KAIWO_TESTBED_CACHE"));
        assert!(!is_setting("KUBECONFIG"));
    }

    /// Runs itself as a program whose file another build has just replaced.
    #[test]
    fn a_testbed_starts_though_xtask_was_built_anew() {
        const AS_REBUILT: &str = "XTASK_TEST_AS_REBUILT";
        if let Some(place) = std::env::var_os(AS_REBUILT) {
            std::fs::remove_file(std::env::current_exe().unwrap()).unwrap();
            let copy = Instance::at(place.into())
                .unwrap()
                .own_executable()
                .unwrap();
            namespaces::xtask(Mode::Loopback, &copy)
                .arg("--list")
                .status()
                .unwrap();
            return;
        }
        let place = std::env::temp_dir().join(format!("xtask-rebuilt-{}", std::process::id()));
        std::fs::create_dir_all(&place).unwrap();
        let program = place.join("program");
        std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
        let output = Command::new(&program)
            .args(["--exact", "--nocapture"])
            .arg("testbed::tests::a_testbed_starts_though_xtask_was_built_anew")
            .env(AS_REBUILT, &place)
            .output()
            .unwrap();
        let printed = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{printed}");
        assert!(
            printed.contains("variables_about_testbeds_are_no_settings: test"),
            "{printed}"
        );
        files::remove(&place).unwrap();
    }
}
