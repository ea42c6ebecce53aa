//! Talks to the testbed's API server: applies objects, and waits for what is asked of it to become true.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use hyper::Request;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// How long one condition may take. Generous: the machine may be slow and shared, and an end is only for the stuck.
const LIMIT: Duration = Duration::from_secs(600);
const POLL: Duration = Duration::from_millis(100);
/// Requests under way at once when objects are applied.
const PARALLEL: usize = 16;

/// A connection with the administrator's rights.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
}

impl Cluster {
    pub async fn connect(kubeconfig: &Path) -> Result<Self> {
        let kubeconfig =
            Kubeconfig::read_from(kubeconfig).context("failed to read the testbed's kubeconfig")?;
        let mut config =
            Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
        config.proxy_url = None;
        config.connect_timeout = Some(Duration::from_secs(30));
        config.read_timeout = Some(Duration::from_secs(60));
        // Every wait here asks again by itself, at its own pace.
        config.default_retry = false;
        Ok(Self {
            client: Client::try_from(config)?,
        })
    }

    /// Returns the JSON at a path of the API.
    pub async fn get(&self, path: &str) -> Result<Value> {
        Ok(self.client.request(http_get(path)).await?)
    }

    /// Deletes the object at a path of the API; gone already is as good.
    pub async fn delete(&self, path: &str) -> Result<()> {
        let mut request = http_get(path);
        *request.method_mut() = hyper::Method::DELETE;
        match self.client.request::<Value>(request).await {
            Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => {
                Ok(())
            }
            result => Ok(result.map(drop)?),
        }
    }

    /// Returns whether the API server says it is ready.
    pub async fn is_ready(&self) -> bool {
        let request = http_get("/readyz");
        self.client
            .request_text(request)
            .await
            .is_ok_and(|answer| answer == "ok")
    }

    pub async fn wait_ready(&self) -> Result<()> {
        wait("the API server to be ready", async || {
            if self.is_ready().await {
                Ok(())
            } else {
                bail!("not ready")
            }
        })
        .await
    }

    /// Applies objects side by side; the first failure is returned.
    pub async fn apply(&self, objects: Vec<Value>) -> Result<()> {
        let mut pending = objects.into_iter();
        let mut applying = JoinSet::new();
        loop {
            while applying.len() < PARALLEL
                && let Some(object) = pending.next()
            {
                let client = self.client.clone();
                applying.spawn_local(async move { apply_one(client, object).await });
            }
            match applying.join_next().await {
                Some(applied) => applied??,
                None => return Ok(()),
            }
        }
    }

    /// Waits until the resources of these CRDs are served in every version.
    pub async fn wait_served(&self, crds: &[Value]) -> Result<()> {
        for (group_version, plurals) in served_resources(crds) {
            wait(&format!("{group_version} to be served"), async || {
                let list = self.get(&format!("/apis/{group_version}")).await?;
                let names: Vec<&str> = list["resources"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(|r| r["name"].as_str())
                    .collect();
                match plurals
                    .iter()
                    .find(|plural| !names.contains(&plural.as_str()))
                {
                    Some(missing) => bail!("{missing} is not there yet"),
                    None => Ok(()),
                }
            })
            .await?;
        }
        Ok(())
    }

    /// Waits until every node is ready and takes pods.
    pub async fn wait_nodes(&self, count: usize) -> Result<()> {
        wait("the nodes to be ready", async || {
            let list = self.get("/api/v1/nodes").await?;
            let ready = list["items"]
                .as_array()
                .into_iter()
                .flatten()
                .filter(|node| takes_pods(node))
                .count();
            if ready < count {
                bail!("{ready} of {count} are")
            } else {
                Ok(())
            }
        })
        .await
    }

    /// Waits until a node that registers itself is ready, and reports more resources of it, as a device plugin does.
    pub async fn complete_node(&self, name: &str, status: &Value) -> Result<()> {
        wait(&format!("node {name} to be ready"), async || {
            let node = self.get(&format!("/api/v1/nodes/{name}")).await?;
            let conditions = node["status"]["conditions"].as_array();
            let ready = conditions
                .into_iter()
                .flatten()
                .find(|c| c["type"] == "Ready");
            match ready {
                Some(ready) if ready["status"] == "True" => Ok(()),
                Some(ready) => bail!("{}", ready["message"]),
                None => bail!("it says nothing yet"),
            }
        })
        .await?;
        let request = Request::patch(format!("/api/v1/nodes/{name}/status"))
            .header("content-type", "application/merge-patch+json")
            .body(serde_json::to_vec(status)?)?;
        self.client.request_text(request).await?;
        Ok(())
    }

    /// Waits until pods can be made in the namespace `default`.
    pub async fn wait_service_account(&self) -> Result<()> {
        wait("the default service account", async || {
            let path = "/api/v1/namespaces/default/serviceaccounts/default";
            self.get(path).await.map(drop)
        })
        .await
    }

    /// Waits until Kueue's webhook suspends a Job that names a queue: the proof that webhooks are called.
    pub async fn wait_webhooks(&self) -> Result<()> {
        let job = json!({
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": { "name": "testbed-probe", "labels": { "kueue.x-k8s.io/queue-name": "testbed-probe" } },
            "spec": { "template": { "spec": {
                "restartPolicy": "Never",
                "containers": [{ "name": "probe", "image": "testbed/probe" }],
            } } },
        });
        wait("Kueue's webhooks to be called", async || {
            let path = "/apis/batch/v1/namespaces/default/jobs?dryRun=All";
            let request = Request::post(path).header("content-type", "application/json");
            let answer: Value = self
                .client
                .request(request.body(serde_json::to_vec(&job)?)?)
                .await?;
            if answer["spec"]["suspend"] == true {
                Ok(())
            } else {
                bail!("a Job with a queue was not suspended")
            }
        })
        .await
    }

    /// Waits until the API server reaches an API that it aggregates, such as `v1beta1.metrics.k8s.io`.
    pub async fn wait_aggregated(&self, what: &str, name: &str) -> Result<()> {
        wait(what, async || {
            let path = format!("/apis/apiregistration.k8s.io/v1/apiservices/{name}");
            let service = self.get(&path).await?;
            let condition = &service["status"]["conditions"][0];
            if condition["status"] == "True" {
                Ok(())
            } else {
                bail!("{}", condition["message"])
            }
        })
        .await
    }
}

/// Tries until it succeeds; a timeout tells what the last attempt said.
pub async fn wait(what: &str, mut attempt: impl AsyncFnMut() -> Result<()>) -> Result<()> {
    let end = Instant::now() + LIMIT;
    loop {
        let last = match tokio::time::timeout_at(end, attempt()).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error,
            Err(_) => anyhow::anyhow!("no answer"),
        };
        if Instant::now() >= end {
            return Err(last)
                .with_context(|| format!("waited {} seconds for {what}", LIMIT.as_secs()));
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Waits until a daemon's health endpoint says 200.
pub async fn wait_http(who: &str, port: u16, path: &str) -> Result<()> {
    wait(&format!("{who} to be ready"), async || {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        stream
            .write_all(format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").as_bytes())
            .await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let status = answer.lines().next().unwrap_or_default();
        if status.contains(" 200 ") {
            Ok(())
        } else {
            bail!("it answered `{status}`")
        }
    })
    .await
}

async fn apply_one(client: Client, object: Value) -> Result<()> {
    let path = path_of(&object)?;
    let body = serde_json::to_vec(&object)?;
    wait(&format!("{path} to be accepted"), async || {
        let request = Request::patch(format!("{path}?fieldManager=testbed&force=true"))
            .header("content-type", "application/apply-patch+yaml")
            .body(body.clone())?;
        client.request_text(request).await?;
        Ok(())
    })
    .await
}

fn http_get(path: &str) -> Request<Vec<u8>> {
    let mut request = Request::new(Vec::new());
    *request.uri_mut() = path.parse().expect("paths are made here");
    request
}

/// Returns where an object lives; whether its kind is namespaced shows by its having a namespace.
fn path_of(object: &Value) -> Result<String> {
    let text = |value: &Value| value.as_str().map(ToOwned::to_owned);
    let (Some(api_version), Some(kind), Some(name)) = (
        text(&object["apiVersion"]),
        text(&object["kind"]),
        text(&object["metadata"]["name"]),
    ) else {
        bail!("an object without apiVersion, kind or name");
    };
    let root = if api_version.contains('/') {
        "apis"
    } else {
        "api"
    };
    let namespace = text(&object["metadata"]["namespace"])
        .map(|name| format!("namespaces/{name}/"))
        .unwrap_or_default();
    Ok(format!(
        "/{root}/{api_version}/{namespace}{}/{name}",
        plural(&kind)
    ))
}

/// Returns the plural of the kinds a testbed begins with, which all form it regularly.
fn plural(kind: &str) -> String {
    let kind = kind.to_lowercase();
    if kind.ends_with("ss") {
        format!("{kind}es")
    } else {
        format!("{kind}s")
    }
}

/// Returns the plurals every served group and version of the CRDs must list.
fn served_resources(crds: &[Value]) -> BTreeMap<String, Vec<String>> {
    let mut served: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for spec in crds.iter().map(|crd| &crd["spec"]) {
        let (Some(group), Some(plural)) =
            (spec["group"].as_str(), spec["names"]["plural"].as_str())
        else {
            continue;
        };
        for version in spec["versions"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|version| version["served"] == true)
        {
            let name = version["name"].as_str().unwrap_or_default();
            served
                .entry(format!("{group}/{name}"))
                .or_default()
                .push(plural.to_owned());
        }
    }
    served
}

fn takes_pods(node: &Value) -> bool {
    let ready = node["status"]["conditions"]
        .as_array()
        .is_some_and(|conditions| {
            conditions
                .iter()
                .any(|c| c["type"] == "Ready" && c["status"] == "True")
        });
    let tainted = node["spec"]["taints"]
        .as_array()
        .is_some_and(|taints| !taints.is_empty());
    ready && !tainted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_have_the_paths_the_api_serves() {
        let object = |api_version: &str, kind: &str| json!({ "apiVersion": api_version, "kind": kind, "metadata": { "name": "x" } });
        let path = |api_version, kind| path_of(&object(api_version, kind)).unwrap();
        assert_eq!(path("v1", "Node"), "/api/v1/nodes/x");
        assert_eq!(
            path("kwok.x-k8s.io/v1alpha1", "Stage"),
            "/apis/kwok.x-k8s.io/v1alpha1/stages/x"
        );
        assert_eq!(
            path("scheduling.k8s.io/v1", "PriorityClass"),
            "/apis/scheduling.k8s.io/v1/priorityclasses/x"
        );
        let mut service = object("v1", "Service");
        service["metadata"]["namespace"] = "kueue-system".into();
        assert_eq!(
            path_of(&service).unwrap(),
            "/api/v1/namespaces/kueue-system/services/x"
        );
        assert!(path_of(&json!({ "kind": "Node" })).is_err());
    }

    #[test]
    fn only_served_versions_are_waited_for() {
        let crd = json!({ "spec": {
            "group": "ray.io",
            "names": { "plural": "rayjobs" },
            "versions": [{ "name": "v1", "served": true }, { "name": "v1alpha1", "served": false }],
        } });
        let served = served_resources(&[crd]);
        assert_eq!(
            served.into_iter().collect::<Vec<_>>(),
            [("ray.io/v1".to_owned(), vec!["rayjobs".to_owned()])]
        );
    }

    #[test]
    fn a_tainted_node_takes_no_pods() {
        let ready = json!({ "status": { "conditions": [{ "type": "Ready", "status": "True" }] } });
        let mut tainted = ready.clone();
        tainted["spec"] = json!({ "taints": [{ "key": "node.kubernetes.io/not-ready" }] });
        assert!(takes_pods(&ready));
        assert!(!takes_pods(&tainted));
        assert!(!takes_pods(&json!({})));
    }
}
