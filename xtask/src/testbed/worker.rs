//! The second cluster of a testbed (`up --multikueue`): a testbed of its own, to which the first one's Kueue sends work.
//!
//! ```text
//! Kueue of the first -> relay on its loopback -> socket on disk -> supervisor of the second -> its API server
//! ```
//!
//! The two have networks of their own, and a socket on disk is seen from both.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::cluster::{Cluster, wait};
use super::instance::Instance;
use super::kubeconfig::{self, User};
use super::options::Options;

/// The name of the MultiKueueCluster, of its AdmissionCheck and of the rest.
pub const NAME: &str = "testbed-worker";
const KUEUE: &str = "kueue.x-k8s.io/v1beta2";

/// Where the second cluster of a testbed is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Worker {
    dir: PathBuf,
}

impl Worker {
    /// Returns the name of a testbed's second cluster.
    pub fn name_of(testbed: &str) -> String {
        format!("{testbed}-worker")
    }

    /// Returns what the second cluster of a testbed is asked to be.
    pub fn options(first: &Options) -> Options {
        Options {
            name: Self::name_of(&first.name),
            port: None,
            amd_nodes: 2,
            nvidia_nodes: 0,
            small_nodes: 0,
            real_node: first.real_node.min(1),
            torch: false,
            explain: false,
            kaito: None,
            multikueue: false,
            ..first.clone()
        }
    }

    pub fn at(instance: &Instance) -> Self {
        let dir = instance.dir().to_owned();
        Self { dir }
    }

    /// Returns the directory with the socket that leads to its API server.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Has the first cluster's Kueue send work there, by way of a port of its loopback, and waits until it can.
    pub async fn connect(&self, cluster: &Cluster, port: u16) -> Result<()> {
        let instance = Instance::at(self.dir.clone())?;
        let server = ("127.0.0.1", port);
        let kubeconfig = kubeconfig::config(server, &instance.certificates(), User::Admin)?;
        cluster.apply(objects(&kubeconfig)).await?;
        for plural in ["multikueueclusters", "admissionchecks"] {
            wait(&format!("{NAME} of {plural} to be active"), async || {
                let path = format!("/apis/{KUEUE}/{plural}/{NAME}");
                let object = cluster.get(&path).await?;
                let conditions = object["status"]["conditions"].as_array();
                let mut conditions = conditions.into_iter().flatten();
                match conditions.find(|condition| condition["type"] == "Active") {
                    Some(active) if active["status"] == "True" => Ok(()),
                    Some(active) => bail!("{}", active["message"]),
                    None => bail!("it says nothing yet"),
                }
            })
            .await?;
        }
        Ok(())
    }
}

/// Returns what tells Kueue of the second cluster. A ClusterQueue sends its work there by the AdmissionCheck.
fn objects(kubeconfig: &Value) -> Vec<Value> {
    let object = |kind: &str, spec: Value| json!({ "apiVersion": KUEUE, "kind": kind, "metadata": { "name": NAME }, "spec": spec });
    let secret = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": { "name": NAME, "namespace": "kueue-system" },
        "stringData": { "kubeconfig": kubeconfig.to_string() },
    });
    let source = json!({ "kubeConfig": { "location": NAME, "locationType": "Secret" } });
    let parameters =
        json!({ "apiGroup": "kueue.x-k8s.io", "kind": "MultiKueueConfig", "name": NAME });
    vec![
        secret,
        object("MultiKueueCluster", json!({ "clusterSource": source })),
        object("MultiKueueConfig", json!({ "clusters": [NAME] })),
        object(
            "AdmissionCheck",
            json!({ "controllerName": "kueue.x-k8s.io/multikueue", "parameters": parameters }),
        ),
    ]
}
