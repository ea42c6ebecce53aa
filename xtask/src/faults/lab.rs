//! Where kaiwo is run: its files, its namespaces, and the API server seen from beside.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};

use super::fault::Injection;
use super::proxy::Proxy;
use super::scenario::{self, CANARY, QUEUE};

/// What a run that is disturbed is told to wait for an answer.
const REQUEST_TIMEOUT: u64 = 6;
/// How long a run may take, whatever its server does: requests that depend on one another, each with its time, and the
/// machine's slowness.
const MOST: Duration = Duration::from_secs(90);
/// How often is looked again.
const POLL: Duration = Duration::from_millis(10);

/// Everything that runs share.
pub struct Lab {
    kaiwo: PathBuf,
    scratch: PathBuf,
    kubeconfig: PathBuf,
    client: Client,
    runtime: tokio::runtime::Handle,
    spaces: AtomicUsize,
}

/// A namespace; dropping it deletes it.
pub struct Space<'a> {
    lab: &'a Lab,
    pub name: String,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Exited(i32),
    /// By whoever ran it, because the fault was that.
    Killed,
    /// By a signal of its own.
    Died,
    /// It took too long.
    Hung,
}

/// What became of a run.
#[derive(Clone, Debug)]
pub struct Ran {
    pub end: End,
    pub stdout: String,
    pub stderr: String,
    pub took: Duration,
}

impl Ran {
    pub fn has_panicked(&self) -> bool {
        self.end == End::Died
            || matches!(self.end, End::Exited(101 | 134))
            || self.stderr.contains("panicked at")
    }

    pub fn has_leaked(&self) -> bool {
        self.stdout.contains(CANARY) || self.stderr.contains(CANARY)
    }

    pub fn says(&self, words: &str) -> bool {
        self.stdout.contains(words) || self.stderr.contains(words)
    }
}

impl Lab {
    /// Connects, and makes what all namespaces share. `drive` keeps the connections going on a thread of its own.
    pub fn open(kaiwo: PathBuf, scratch: PathBuf, kubeconfig: PathBuf) -> Result<Self> {
        let _ = std::fs::remove_dir_all(&scratch);
        std::fs::create_dir_all(&scratch)
            .with_context(|| format!("failed to make {}", scratch.display()))?;
        scenario::write(&scratch)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let handle = runtime.handle().clone();
        // Ends with the process.
        std::thread::spawn(move || runtime.block_on(std::future::pending::<()>()));
        let config = handle.block_on(Config::from_custom_kubeconfig(
            Kubeconfig::read_from(&kubeconfig)?,
            &KubeConfigOptions::default(),
        ))?;
        let client = {
            let _entered = handle.enter();
            Client::try_from(config)?
        };
        let lab = Self {
            kaiwo,
            scratch,
            kubeconfig,
            client,
            runtime: handle,
            spaces: AtomicUsize::new(0),
        };
        lab.prepare()?;
        Ok(lab)
    }

    fn prepare(&self) -> Result<()> {
        let quota = |name: &str, nominal: &str| json!({"name": name, "nominalQuota": nominal});
        self.make("/apis/kueue.x-k8s.io/v1beta2/resourceflavors", &json!({
            "apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "ResourceFlavor", "metadata": {"name": QUEUE},
            "spec": {"nodeLabels": {"beta.amd.com/gpu.family.AI": "8", "testbed.kaiwo/faults": "none"}},
        }))?;
        self.make("/apis/kueue.x-k8s.io/v1beta2/clusterqueues", &json!({
            "apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "ClusterQueue", "metadata": {"name": QUEUE},
            "spec": {"namespaceSelector": {}, "resourceGroups": [{
                "coveredResources": ["cpu", "memory", "amd.com/gpu"],
                "flavors": [{"name": QUEUE, "resources": [
                    quota("cpu", "100k"), quota("memory", "1Pi"), quota("amd.com/gpu", "100k"),
                ]}],
            }]},
        }))?;
        for (kind, plural) in [
            ("Workspace", "workspaces"),
            ("InferenceSet", "inferencesets"),
        ] {
            self.serve_kind(kind, plural)?;
        }
        Ok(())
    }

    /// Makes the API server take a kind of KAITO's, unless it does.
    fn serve_kind(&self, kind: &str, plural: &str) -> Result<()> {
        let any = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
        let version = |name: &str| {
            json!({
                "name": name, "served": true, "storage": name == "v1beta1",
                "schema": {"openAPIV3Schema": any}, "subresources": {"status": {}},
            })
        };
        self.make("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", &json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("{plural}.kaito.sh")},
            "spec": {
                "group": "kaito.sh", "scope": "Namespaced", "versions": [version("v1beta1"), version("v1alpha1")],
                "names": {
                    "kind": kind, "listKind": format!("{kind}List"),
                    "singular": kind.to_lowercase(), "plural": plural,
                },
            },
        }))?;
        let path = format!("/apis/kaito.sh/v1beta1/{plural}");
        let served = || Ok(self.get(&path)?.is_some());
        self.wait_for(Duration::from_secs(60), served)?
            .then_some(())
            .with_context(|| format!("the API server does not serve {path}"))
    }

    /// Makes a namespace of its own for a run.
    pub fn space(&self) -> Result<Space<'_>> {
        let number = self.spaces.fetch_add(1, Ordering::SeqCst);
        let name = format!("faults-{}-{number}", std::process::id());
        self.make("/api/v1/namespaces", &json!({"metadata": {"name": name}}))?;
        Ok(Space { lab: self, name })
    }

    /// Opens a proxy to the API server.
    pub fn proxy(&self, injection: Option<Injection>) -> Result<Proxy> {
        Proxy::open(&self.runtime, self.client.clone(), injection)
    }

    pub fn scratch(&self) -> &Path {
        &self.scratch
    }

    /// Returns kaiwo as it is run here: with an environment of its own.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.kaiwo);
        command
            .current_dir(&self.scratch)
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .env("HOME", self.scratch.join("home"))
            .env("USER", "alice")
            .stdin(Stdio::null());
        command
    }

    /// Runs a command to its end, or until it is to be killed, or hangs.
    pub fn watch(&self, mut command: Command, is_deadly: impl Fn() -> bool) -> Result<Ran> {
        static RUNS: AtomicUsize = AtomicUsize::new(0);
        let number = RUNS.fetch_add(1, Ordering::SeqCst);
        let file = |name: &str| self.scratch.join(format!("{number}.{name}"));
        let (stdout, stderr) = (file("stdout"), file("stderr"));
        command
            .stdout(File::create(&stdout)?)
            .stderr(File::create(&stderr)?);
        let begun = Instant::now();
        let mut child = command.spawn().context("failed to run kaiwo")?;
        let end = loop {
            if let Some(status) = child.try_wait()? {
                break status.code().map_or(End::Died, End::Exited);
            }
            let ended = match (is_deadly(), begun.elapsed() > MOST) {
                (true, _) => End::Killed,
                (_, true) => End::Hung,
                _ => {
                    std::thread::sleep(POLL);
                    continue;
                }
            };
            child.kill()?;
            child.wait()?;
            break ended;
        };
        let took = begun.elapsed();
        let text = |path: &Path| -> Result<String> {
            let text = String::from_utf8_lossy(&std::fs::read(path)?).into_owned();
            std::fs::remove_file(path)?;
            Ok(text)
        };
        Ok(Ran {
            end,
            stdout: text(&stdout)?,
            stderr: text(&stderr)?,
            took,
        })
    }

    /// Returns an object, or a list; `None` if there is none.
    pub fn get(&self, path: &str) -> Result<Option<Value>> {
        match self.request("GET", path, None) {
            Ok(found) => Ok(Some(found)),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
            Err(error) => Err(error).with_context(|| format!("failed to GET {path}")),
        }
    }

    /// Makes an object, unless it is there.
    pub fn make(&self, path: &str, object: &Value) -> Result<()> {
        match self.request("POST", path, Some(object)) {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
            Err(error) => Err(error).with_context(|| format!("failed to POST to {path}")),
        }
    }

    fn request(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, kube::Error> {
        let body = body.map(|body| body.to_string().into_bytes());
        let request = hyper::Request::builder()
            .method(method)
            .uri(path)
            .header(hyper::header::CONTENT_TYPE, "application/json")
            .body(body.unwrap_or_default())
            .map_err(kube::Error::HttpError)?;
        self.runtime.block_on(self.client.request(request))
    }

    /// Waits until something holds, and returns whether it came to that.
    pub fn wait_for(
        &self,
        most: Duration,
        mut holds: impl FnMut() -> Result<bool>,
    ) -> Result<bool> {
        let until = Instant::now() + most;
        loop {
            if holds()? {
                return Ok(true);
            }
            if Instant::now() > until {
                return Ok(false);
            }
            std::thread::sleep(POLL * 10);
        }
    }
}

impl Space<'_> {
    /// Runs kaiwo, straight to the API server.
    pub fn kaiwo(&self, words: &[&str]) -> Result<Ran> {
        let mut command = self.command(words);
        command.arg("--kubeconfig").arg(&self.lab.kubeconfig);
        self.lab.watch(command, || false)
    }

    /// The same, which has to succeed.
    pub fn must(&self, words: &[&str]) -> Result<Ran> {
        let ran = self.kaiwo(words)?;
        if ran.end != End::Exited(0) {
            bail!(
                "kaiwo {} ended with {:?}:\n{}",
                words.join(" "),
                ran.end,
                ran.stderr
            );
        }
        Ok(ran)
    }

    /// Runs kaiwo through a proxy; one that disturbs it is not waited for long.
    pub fn through(&self, proxy: &Proxy, words: &[&str]) -> Result<Ran> {
        let kubeconfig = self.lab.scratch.join(format!("{}.kubeconfig", self.name));
        std::fs::write(&kubeconfig, proxy.kubeconfig(CANARY))?;
        let mut command = self.command(words);
        command.arg("--kubeconfig").arg(&kubeconfig);
        if proxy.disturbs() {
            let timeout = REQUEST_TIMEOUT.to_string();
            command.args(["--request-timeout", &timeout]);
        }
        let ran = self.lab.watch(command, || proxy.is_deadly())?;
        std::fs::remove_file(&kubeconfig)?;
        Ok(ran)
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = self.lab.command();
        command.args(words);
        // Nodes are in no namespace.
        if words.first() != Some(&"nodes") {
            command.args(["-n", &self.name]);
        }
        command
    }

    pub fn lab(&self) -> &Lab {
        self.lab
    }
}

impl Drop for Space<'_> {
    fn drop(&mut self) {
        let path = format!("/api/v1/namespaces/{}", self.name);
        // Whatever is left of it goes with the testbed.
        let _ = self.lab.request("DELETE", &path, None);
    }
}
