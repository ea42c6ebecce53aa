//! Controllers of further kinds that Kueue queues (`up --with`): what each is built from, and how it is started. A
//! testbed has none of them unless it is asked for.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::build::binaries;
use super::build::components::{Component, Kind, Manifests};
use super::ports::Ports;
use super::progress::Progress;

/// A controller of a kind that neither Kubernetes nor KubeRay has.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Controller {
    /// JobSet.
    Jobset,
    /// LeaderWorkerSet.
    Lws,
    /// TrainJob of Kubeflow's Trainer, which makes JobSets.
    Trainer,
}

/// What differs from one to another.
struct Facts {
    component: [Component; 1],
    /// Its name in Kueue's configuration.
    framework: &'static str,
    /// Group and version of its own configuration.
    configuration: &'static str,
    /// Label of the pods that its webhooks for pods are about, if it has these.
    pod_label: &'static str,
    /// Where its configuration says that it does not sign certificates itself.
    signs: &'static str,
}

static JOBSET: Facts = Facts {
    component: [Component {
        name: "jobset",
        module: "sigs.k8s.io/jobset",
        package: "sigs.k8s.io/jobset",
        manifests: &[
            (Kind::Crd, "config/components/crd/bases"),
            (Kind::Webhook, "config/components/webhook/manifests.yaml"),
        ],
    }],
    framework: "jobset.x-k8s.io/jobset",
    configuration: "config.jobset.x-k8s.io/v1alpha1",
    pod_label: "jobset.sigs.k8s.io/jobset-name",
    signs: "internalCertManagement",
};

static LWS: Facts = Facts {
    component: [Component {
        name: "lws",
        module: "sigs.k8s.io/lws",
        package: "sigs.k8s.io/lws/cmd",
        manifests: &[
            (Kind::Crd, "config/crd/bases"),
            (Kind::Webhook, "config/webhook/manifests.yaml"),
        ],
    }],
    framework: "leaderworkerset.x-k8s.io/leaderworkerset",
    configuration: "config.lws.x-k8s.io/v1alpha1",
    pod_label: "leaderworkerset.sigs.k8s.io/name",
    signs: "internalCertManagement",
};

static TRAINER: Facts = Facts {
    component: [Component {
        name: "trainer",
        module: "github.com/kubeflow/trainer/v2",
        package: "github.com/kubeflow/trainer/v2/cmd/trainer-controller-manager",
        manifests: &[
            (Kind::Crd, "manifests/base/crds"),
            (Kind::Webhook, "manifests/base/webhook/manifests.yaml"),
        ],
    }],
    framework: "trainer.kubeflow.org/trainjob",
    configuration: "config.trainer.kubeflow.org/v1alpha1",
    pod_label: "",
    signs: "certManagement",
};

/// A controller that was built.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Built {
    pub controller: Controller,
    pub binary: PathBuf,
}

impl Controller {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Jobset, Self::Lws, Self::Trainer];

    fn facts(self) -> &'static Facts {
        match self {
            Self::Jobset => &JOBSET,
            Self::Lws => &LWS,
            Self::Trainer => &TRAINER,
        }
    }

    /// Returns the name of its process.
    pub fn name(self) -> &'static str {
        self.facts().component[0].name
    }

    /// Returns what Kueue calls its kind.
    pub fn framework(self) -> &'static str {
        self.facts().framework
    }

    /// Returns where its webhooks and its health are served.
    pub fn ports(self, ports: Ports) -> (u16, u16) {
        let [webhooks, health] = match self {
            Self::Jobset => [ports.jobset_webhooks, ports.jobset_health],
            Self::Lws => [ports.lws_webhooks, ports.lws_health],
            Self::Trainer => [ports.trainer_webhooks, ports.trainer_health],
        };
        (webhooks, health)
    }

    /// Returns its configuration; certificates are in `certificates`.
    pub fn configuration(self, ports: Ports, certificates: &Path) -> Value {
        let facts = self.facts();
        let (webhooks, health) = self.ports(ports);
        let mut configuration = json!({
            "apiVersion": facts.configuration,
            "kind": "Configuration",
            "health": { "healthProbeBindAddress": format!("127.0.0.1:{health}") },
            "metrics": { "bindAddress": "0" },
            "webhook": { "host": "127.0.0.1", "port": webhooks },
            "leaderElection": { "leaderElect": false },
            "clientConnection": { "qps": 200, "burst": 400 },
        });
        configuration[facts.signs] = json!({ "enable": false });
        // Trainer looks below the temporary directory, whatever it is told.
        if self != Self::Trainer {
            configuration["webhook"]["certDir"] = json!(certificates);
        }
        configuration
    }

    /// Points its webhooks to where it listens, those for pods only for its own.
    pub fn webhooks(self, configurations: &mut [Value], ports: Ports, ca_bundle: &str) {
        let facts = self.facts();
        let (port, _) = self.ports(ports);
        for configuration in configurations {
            if let Some(name) = configuration["metadata"]["name"].as_str() {
                configuration["metadata"]["name"] = format!("{}-{name}", self.name()).into();
            }
            let webhooks = configuration["webhooks"].as_array_mut();
            for webhook in webhooks.into_iter().flatten() {
                let path = webhook["clientConfig"]["service"]["path"].as_str();
                let path = path.unwrap_or_default().to_owned();
                webhook["clientConfig"] = json!({
                    "url": format!("https://127.0.0.1:{port}{path}"),
                    "caBundle": ca_bundle,
                });
                if path.ends_with("--v1-pod") {
                    webhook["objectSelector"] = json!({ "matchExpressions": [
                        { "key": facts.pod_label, "operator": "Exists" },
                    ]});
                }
            }
        }
    }
}

impl Built {
    /// Returns the controllers that were asked for, and those that they need, after building those the cache has not.
    pub fn ensure(
        wanted: &[Controller],
        sources: &Path,
        cache: &Path,
        progress: &Progress,
    ) -> Result<Vec<Self>> {
        let mut all: BTreeSet<Controller> = wanted.iter().copied().collect();
        if all.contains(&Controller::Trainer) {
            all.insert(Controller::Jobset);
        }
        let built = all.into_iter().map(|controller| {
            let component = &controller.facts().component;
            let [binary] =
                binaries::ensure_one(component, controller.name(), sources, cache, progress)?;
            Ok(Self { controller, binary })
        });
        built.collect()
    }

    /// Returns what its module ships.
    pub fn manifests(&self) -> Result<Manifests> {
        Manifests::beside(&self.binary)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testbed::Platform;
    use crate::testbed::build::components::required_version;

    #[test]
    fn every_controller_is_pinned() {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testbed");
        for controller in Controller::ALL {
            let component = &controller.facts().component[0];
            let source = component.source(&sources, Platform::Current);
            let version = required_version(&source.join("go.mod"), component.module).unwrap();
            assert!(version.starts_with('v'), "{}: {version}", component.name);
        }
    }

    #[test]
    fn webhooks_are_called_at_their_port_and_only_for_own_pods() {
        let service =
            |path: &str| json!({ "name": "x", "clientConfig": { "service": { "path": path } } });
        let mut configurations = [json!({
            "metadata": { "name": "mutating" },
            "webhooks": [service("/mutate-set"), service("/mutate--v1-pod")],
        })];
        let ports = Ports::NAMESPACED;
        Controller::Lws.webhooks(&mut configurations, ports, "ca");
        let [configuration] = &configurations;
        assert_eq!(configuration["metadata"]["name"], "lws-mutating");
        let webhooks = &configuration["webhooks"];
        let url = format!("https://127.0.0.1:{}/mutate-set", ports.lws_webhooks);
        assert_eq!(webhooks[0]["clientConfig"]["url"], url);
        assert_eq!(webhooks[0].get("objectSelector"), None);
        let label = &webhooks[1]["objectSelector"]["matchExpressions"][0]["key"];
        assert_eq!(label, "leaderworkerset.sigs.k8s.io/name");
    }
}
