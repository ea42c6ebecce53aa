//! What a node's daemons are configured with.

use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::json;

use super::cgroups::Version;
use super::check::Machine;
use super::images::PAUSE;
use super::nodes::{NODES, Node, PODS};
use super::{DNS, LABEL, files};
use crate::testbed::certificates::SERVER;
use crate::testbed::instance::Instance;
use crate::testbed::kubeconfig::{self, User};

/// KWOK has the kubelet's usual port.
const KUBELET_PORT: u16 = 10260;
/// The socket of containerd, at its usual place, which only the node sees.
pub const SOCKET: &str = "/run/containerd/containerd.sock";

/// The files and directories of one node.
#[derive(Debug)]
pub struct Place {
    node: Node,
    dir: PathBuf,
}

impl Place {
    pub fn new(instance: &Instance, node: Node) -> Self {
        Self {
            node,
            dir: instance.dir().join(node.name),
        }
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Writes the files; `cgroup` is where pods have their control groups.
    pub fn write(
        &self,
        instance: &Instance,
        machine: &Machine,
        version: Version,
        cgroup: &str,
    ) -> Result<()> {
        for folder in ["cni", "pods", "kubelet", "plugins"] {
            files::create_dir(&self.at(folder))?;
        }
        files::write(&self.at("resolv.conf"), "")?;
        files::write(&self.at("containerd.toml"), self.containerd(machine))?;
        files::write_json(
            &self.at("cni/10-testbed.conflist"),
            &network(self.node.pods),
        )?;
        files::write(&self.at("Corefile"), corefile(&instance.inner_kubeconfig()))?;
        files::write_json(
            &self.at("kubelet.json"),
            &self.kubelet(instance, version, cgroup),
        )
    }

    fn containerd(&self, machine: &Machine) -> String {
        format!(
            "version = 2\n\
             root = {root:?}\n\
             [plugins.'io.containerd.internal.v1.opt']\n\
             path = {opt:?}\n\
             [plugins.'io.containerd.grpc.v1.cri']\n\
             sandbox_image = '{PAUSE}'\n\
             # A machine without CAP_SYS_RESOURCE cannot protect a sandbox more than itself.\n\
             restrict_oom_score_adj = true\n\
             [plugins.'io.containerd.grpc.v1.cri'.containerd]\n\
             snapshotter = '{snapshotter}'\n\
             [plugins.'io.containerd.grpc.v1.cri'.cni]\n\
             bin_dir = {plugins:?}\n\
             conf_dir = {cni:?}\n",
            root = self.at("containerd"),
            opt = self.at("opt"),
            snapshotter = machine.snapshotter.name(),
            plugins = machine.plugins,
            cni = self.at("cni"),
        )
    }

    fn kubelet(&self, instance: &Instance, version: Version, cgroup: &str) -> serde_json::Value {
        let certificates = instance.certificates();
        json!({
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            // Version 1 is refused since Kubernetes 1.35 unless it is asked for.
            "failCgroupV1": version == Version::V2,
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": cgroup,
            "containerRuntimeEndpoint": format!("unix://{SOCKET}"),
            "address": self.node.address,
            "port": KUBELET_PORT,
            "authentication": {
                "anonymous": {"enabled": false},
                "webhook": {"enabled": false},
                "x509": {"clientCAFile": certificates.ca()},
            },
            "authorization": {"mode": "AlwaysAllow"},
            "tlsCertFile": certificates.certificate(SERVER),
            "tlsPrivateKeyFile": certificates.key(SERVER),
            "clusterDNS": [DNS],
            "clusterDomain": "cluster.local",
            "resolvConf": self.at("resolv.conf"),
            "podLogsDir": self.at("pods"),
            "volumePluginDir": self.at("plugins"),
            "failSwapOn": false,
            // Only pods that tolerate it, which is what the queue of the node gives them.
            "registerWithTaints": [{"key": LABEL, "value": "true", "effect": "NoSchedule"}],
            // Other tests fill the disk; nobody's pods are to end for it, and images are made, not pulled.
            "evictionHard": {"memory.available": "1Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
            "imageGCHighThresholdPercent": 100,
            // Ten turns of a crash loop in three minutes, rather than half an hour.
            "crashLoopBackOff": {"maxContainerRestartPeriod": "15s"},
        })
    }

    /// Returns the file by which the node's programs find the API server, which is beside the first node only.
    pub fn kubeconfig(&self, instance: &Instance, port: u16) -> Result<PathBuf> {
        if !self.node.is_apart() {
            return Ok(instance.inner_kubeconfig());
        }
        let file = self.at("kubeconfig");
        let server = (NODES[0].address, port);
        kubeconfig::write_for(&file, server, &instance.certificates(), User::Admin)?;
        Ok(file)
    }

    /// Returns the kubelet's arguments.
    pub fn kubelet_arguments(&self, kubeconfig: &Path) -> Vec<String> {
        let labels = format!("{LABEL}=true,beta.amd.com/gpu.family.AI=8");
        vec![
            "kubelet".to_owned(),
            format!("--kubeconfig={}", kubeconfig.display()),
            format!("--config={}", self.at("kubelet.json").display()),
            format!("--root-dir={}", self.at("kubelet").display()),
            format!("--hostname-override={}", self.node.name),
            format!("--node-ip={}", self.node.address),
            format!("--node-labels={labels}"),
        ]
    }

    /// Returns kube-proxy's arguments.
    pub fn proxy_arguments(&self, kubeconfig: &Path) -> Vec<String> {
        vec![
            "proxy".to_owned(),
            format!("--kubeconfig={}", kubeconfig.display()),
            format!("--hostname-override={}", self.node.name),
            format!("--cluster-cidr={PODS}"),
            "--proxy-mode=iptables".to_owned(),
            // Settings of the whole machine.
            "--conntrack-max-per-core=0".to_owned(),
            "--conntrack-tcp-timeout-established=0".to_owned(),
            "--conntrack-tcp-timeout-close-wait=0".to_owned(),
            "--healthz-bind-address=127.0.0.1:10256".to_owned(),
            "--metrics-bind-address=127.0.0.1:10249".to_owned(),
        ]
    }
}

/// Returns how pods get their network: a pair of devices each, and routes. There is no bridge, so that traffic between
/// pods passes the rules of Services without settings of the machine's kernel.
fn network(pods: &str) -> serde_json::Value {
    json!({
        "cniVersion": "1.0.0",
        "name": "testbed",
        "plugins": [{
            "type": "ptp",
            "ipam": {
                "type": "host-local",
                "ranges": [[{"subnet": pods}]],
                "routes": [{"dst": "0.0.0.0/0"}],
            },
        }],
    })
}

fn corefile(kubeconfig: &Path) -> String {
    format!(
        ".:53 {{\n    bind {DNS}\n    errors\n    kubernetes cluster.local {{\n        \
         kubeconfig {kubeconfig:?}\n        ttl 1\n    }}\n}}\n"
    )
}
