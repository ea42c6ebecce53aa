//! Has the Kueue of a testbed send work to its second cluster.

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::cluster::{Cluster, wait};
use super::instance::Instance;
use super::kubeconfig::{self, User};
use super::worker::Worker;

/// The name of the MultiKueueCluster, of its AdmissionCheck and of the rest.
const NAME: &str = "testbed-worker";
const KUEUE: &str = "kueue.x-k8s.io/v1beta2";

/// Has the first cluster's Kueue send work to the second, by way of a port of its loopback, and waits until it can.
pub async fn connect(worker: &Worker, cluster: &Cluster, port: u16) -> Result<()> {
    let instance = Instance::at(worker.dir().to_owned())?;
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
