//! The testbed as a bench needs it: seen from near and from afar, and tidied up after every run.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};

use super::link::Link;
use crate::testbed;

/// How long a deleted workload may take to go.
const GONE: Duration = Duration::from_secs(60);
/// Requests under way at once.
const AT_ONCE: usize = 16;
/// The namespace of submissions.
pub const NAMESPACE: &str = "kaiwo";
const POLL: Duration = Duration::from_millis(100);

/// The testbed's API server.
pub struct Cluster {
    /// Leads straight to it.
    pub kubeconfig: PathBuf,
    address: SocketAddr,
    client: Client,
    runtime: tokio::runtime::Runtime,
}

/// An object by its place in the API.
#[derive(Clone, Debug)]
pub struct Object {
    path: String,
}

impl Object {
    /// Returns where a document of a submission is served.
    pub fn from_document(document: &Value) -> Result<Self> {
        let text = |pointer: &str| document.pointer(pointer).and_then(Value::as_str);
        let (namespace, name) = (text("/metadata/namespace"), text("/metadata/name"));
        let (Some(namespace), Some(name)) = (namespace, name) else {
            bail!("a document has no name or no namespace");
        };
        let collection = match text("/kind") {
            Some("ConfigMap") => format!("/api/v1/namespaces/{namespace}/configmaps"),
            Some("Job") => format!("/apis/batch/v1/namespaces/{namespace}/jobs"),
            Some("RayJob") => format!("/apis/ray.io/v1/namespaces/{namespace}/rayjobs"),
            kind => bail!("the bench did not expect a submission to hold {kind:?}"),
        };
        Ok(Self {
            path: format!("{collection}/{name}"),
        })
    }
}

impl Cluster {
    /// Connects, and makes sure of what a submission finds in a cluster that is in use: namespace and queues.
    pub fn prepare(kubeconfig: PathBuf, root: &Path) -> Result<Self> {
        let cluster = Self::connect(kubeconfig)?;
        let file = root.join("cluster-admins/kueue/amd.yaml");
        let text = std::fs::read_to_string(&file)
            .with_context(|| format!("failed to read {}", file.display()))?;
        let mut objects: Vec<Value> = serde_saphyr::from_multiple(&text)?;
        objects.push(
            json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": NAMESPACE } }),
        );
        let local_queue = |queue: &str| {
            json!({
                "apiVersion": "kueue.x-k8s.io/v1beta2",
                "kind": "LocalQueue",
                "metadata": { "name": queue, "namespace": NAMESPACE },
                "spec": { "clusterQueue": queue },
            })
        };
        // The second is that of the real node, where there is one.
        let local_queues = ["kaiwo", "real"].map(local_queue);
        let local = tokio::task::LocalSet::new();
        local.block_on(&cluster.runtime, async {
            let admin = testbed::Cluster::connect(&cluster.kubeconfig).await?;
            admin.apply(objects).await?;
            admin.apply(local_queues.into()).await
        })?;
        Ok(cluster)
    }

    fn connect(kubeconfig: PathBuf) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (address, client) = runtime.block_on(async {
            let config = Config::from_custom_kubeconfig(
                Kubeconfig::read_from(&kubeconfig)?,
                &KubeConfigOptions::default(),
            )
            .await?;
            let url = &config.cluster_url;
            let address = url
                .authority()
                .and_then(|authority| authority.as_str().parse().ok())
                .with_context(|| format!("{url} is no address of a testbed"))?;
            anyhow::Ok((address, Client::try_from(config)?))
        })?;
        Ok(Self {
            kubeconfig,
            address,
            client,
            runtime,
        })
    }

    /// Connects once more, for another thread.
    pub fn reconnect(&self) -> Result<Self> {
        Self::connect(self.kubeconfig.clone())
    }

    /// Returns whether a pod of a Job has a node.
    pub fn has_node(&self, namespace: &str, job: &str) -> Result<bool> {
        let pods = format!(
            "/api/v1/namespaces/{namespace}/pods?labelSelector=batch.kubernetes.io/job-name={job}"
        );
        let pods: Value = self.request("GET", &pods)?;
        let mut pods = pods["items"].as_array().into_iter().flatten();
        Ok(pods.any(|pod| pod["spec"]["nodeName"].is_string()))
    }

    /// Returns the version of Kubernetes.
    pub fn version(&self) -> Result<String> {
        let version: Value = self.request("GET", "/version")?;
        let version = version["gitVersion"].as_str().unwrap_or("unknown");
        Ok(version.to_owned())
    }

    /// Opens a relay to the API server and writes a kubeconfig that goes through it.
    pub fn far(&self, folder: &Path) -> Result<(Link, PathBuf)> {
        let link = Link::open(self.address)?;
        // The server's certificate is made out to 127.0.0.1, which the relay is, too.
        let mut config: Value =
            serde_saphyr::from_str(&std::fs::read_to_string(&self.kubeconfig)?)?;
        for cluster in config["clusters"].as_array_mut().into_iter().flatten() {
            cluster["cluster"]["server"] = format!("https://{}", link.address()).into();
        }
        let file = folder.join("far.kubeconfig");
        std::fs::write(&file, config.to_string())
            .with_context(|| format!("failed to write {}", file.display()))?;
        Ok((link, file))
    }

    /// Deletes objects and waits until they, and what the operators made of them, are gone.
    pub fn remove(&self, objects: &[Object]) -> Result<()> {
        for object in objects {
            // Unless they are told, Jobs leave their pods behind.
            let path = format!("{}?propagationPolicy=Background", object.path);
            self.found("DELETE", &path)?;
        }
        let begun = std::time::Instant::now();
        for object in objects {
            while self.found("GET", &object.path)? {
                if begun.elapsed() > GONE {
                    bail!("{} does not go", object.path);
                }
                std::thread::sleep(POLL);
            }
        }
        // The pods of a workload that was admitted go a little later.
        std::thread::sleep(POLL * 5);
        Ok(())
    }

    /// Makes a namespace with so many objects like `document`, a Job; those that are there already stay.
    pub fn fill(&self, namespace: &str, document: &Value, count: usize) -> Result<()> {
        let name = json!({ "metadata": { "name": namespace } });
        let jobs = format!("/apis/batch/v1/namespaces/{namespace}/jobs");
        self.runtime.block_on(async {
            post(&self.client, "/api/v1/namespaces", &name).await?;
            let mut under_way = tokio::task::JoinSet::new();
            for index in 0..count {
                if under_way.len() == AT_ONCE
                    && let Some(made) = under_way.join_next().await
                {
                    made??;
                }
                let (client, jobs, mut job) = (self.client.clone(), jobs.clone(), document.clone());
                job["metadata"]["name"] = format!("job-{index:05}").into();
                under_way.spawn(async move { post(&client, &jobs, &job).await });
            }
            while let Some(made) = under_way.join_next().await {
                made??;
            }
            Ok(())
        })
    }

    /// Makes a namespace with a queue that has no quota.
    pub fn queue(&self, name: &str, namespace: &str) -> Result<()> {
        let object = |kind: &str, metadata: Value, spec: Value| {
            json!({
                "apiVersion": "kueue.x-k8s.io/v1beta2", "kind": kind,
                "metadata": metadata, "spec": spec,
            })
        };
        let none = ["cpu", "memory", "amd.com/gpu"]
            .map(|resource| json!({ "name": resource, "nominalQuota": 0 }));
        let group = json!({
            "coveredResources": ["cpu", "memory", "amd.com/gpu"],
            "flavors": [{ "name": name, "resources": none }],
        });
        let spec = json!({ "namespaceSelector": {}, "resourceGroups": [group] });
        let (own, local) = (
            json!({ "name": name }),
            json!({ "name": name, "namespace": namespace }),
        );
        let objects = vec![
            json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace } }),
            object("ResourceFlavor", own.clone(), json!({})),
            object("ClusterQueue", own, spec),
            object("LocalQueue", local, json!({ "clusterQueue": name })),
        ];
        let tasks = tokio::task::LocalSet::new();
        tasks.block_on(&self.runtime, async {
            let admin = testbed::Cluster::connect(&self.kubeconfig).await?;
            admin.apply(objects).await
        })
    }

    /// Deletes a namespace without waiting for that.
    pub fn forget(&self, namespace: &str) -> Result<()> {
        self.found("DELETE", &format!("/api/v1/namespaces/{namespace}"))?;
        Ok(())
    }

    fn found(&self, method: &str, path: &str) -> Result<bool> {
        match self.request(method, path) {
            Ok(_) => Ok(true),
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(false),
            Err(error) => Err(error).with_context(|| format!("failed to {method} {path}")),
        }
    }

    fn request(&self, method: &str, path: &str) -> Result<Value, kube::Error> {
        let request = hyper::Request::builder()
            .method(method)
            .uri(path)
            .body(Vec::new())
            .map_err(kube::Error::HttpError)?;
        self.runtime.block_on(self.client.request(request))
    }
}

/// Creates an object, unless it is there.
async fn post(client: &Client, path: &str, object: &Value) -> Result<()> {
    let request = hyper::Request::post(path)
        .header(hyper::header::CONTENT_TYPE, "application/json")
        .body(serde_json::to_vec(object)?)?;
    match client.request::<Value>(request).await {
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
        answer => answer
            .map(drop)
            .with_context(|| format!("failed to POST to {path}")),
    }
}
