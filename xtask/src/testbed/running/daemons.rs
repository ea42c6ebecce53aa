//! The command line of every daemon: which switches make a control plane that no machine stands behind.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::checkout;
use crate::testbed::certificates::{
    ADMIN, Certificates, FRONT_PROXY, KUEUE, SERVER, SERVICE_ACCOUNTS,
};
use crate::testbed::controllers::Built;
use crate::testbed::files;
use crate::testbed::instance::{Instance, Plan, Skip};
use crate::testbed::kaito::Kaito;
use crate::testbed::kubeconfig::{self, User};
use crate::testbed::real_node::{self, Node};

/// The addresses of pods; `loopback` routes them to this machine.
const POD_CIDR: &str = "10.1.0.1/16";
const SERVICE_CIDR: &str = "10.0.0.0/24";
/// Fast enough that no test waits for a client's own rate limit.
const QPS: &str = "200";
const BURST: &str = "400";

/// The users besides the administrator, with their groups; nothing is bound to them.
pub const USERS: [(&str, &str); 3] = [("alice", "researchers"), ("bob", ""), ("nobody", "")];
const KUEUE_TOKEN: &str = "kueue-token";

/// Something to start.
#[derive(Clone, Debug)]
pub struct Daemon {
    pub name: &'static str,
    pub program: PathBuf,
    /// The directory it takes for the root.
    pub root: Option<PathBuf>,
    pub arguments: Vec<OsString>,
    pub environment: Vec<(&'static str, String)>,
    /// Whether it ends when its standard input does, as it may not hear of signals.
    pub ends_with_input: bool,
}

impl Daemon {
    fn new(name: &'static str, program: &Path) -> Self {
        Self {
            name,
            program: program.to_owned(),
            root: None,
            arguments: Vec::new(),
            environment: Vec::new(),
            ends_with_input: false,
        }
    }

    fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    fn args<const N: usize>(mut self, arguments: [&str; N]) -> Self {
        self.arguments.extend(arguments.map(OsString::from));
        self
    }

    fn all(mut self, arguments: &[&str]) -> Self {
        self.arguments.extend(arguments.iter().map(OsString::from));
        self
    }

    /// Adds `--name=value` where the value is a path.
    fn path(self, name: &str, path: impl AsRef<Path>) -> Self {
        let mut argument = OsString::from(format!("--{name}="));
        argument.push(path.as_ref());
        self.arg(argument)
    }
}

pub fn etcd(instance: &Instance, plan: &Plan) -> Daemon {
    let client = format!("http://127.0.0.1:{}", plan.ports.etcd);
    let peer = format!("http://127.0.0.1:{}", plan.ports.etcd_peer);
    Daemon::new("etcd", &plan.binaries.etcd)
        .path("data-dir", instance.data())
        .arg(format!("--listen-client-urls={client}"))
        .arg(format!("--advertise-client-urls={client}"))
        .arg(format!("--listen-peer-urls={peer}"))
        .arg(format!("--initial-advertise-peer-urls={peer}"))
        .arg(format!("--initial-cluster=default={peer}"))
        // The data is thrown away at the end.
        .args(["--unsafe-no-fsync", "--log-level=warn"])
}

pub fn api_server(instance: &Instance, plan: &Plan) -> Daemon {
    // Where a node can be lost, a test sees what follows; the default is 300 seconds.
    let tolerations = match plan.options.real_node {
        0 | 1 => [].as_slice(),
        2.. => &[
            "--default-not-ready-toleration-seconds=30",
            "--default-unreachable-toleration-seconds=30",
        ],
    };
    let certificates = instance.certificates();
    // Real pods come from outside of loopback; the namespace has no other way in.
    let bind = match plan.real_node {
        Some(_) => "0.0.0.0",
        None => "127.0.0.1",
    };
    Daemon::new("apiserver", &plan.binaries.kube)
        .args(["apiserver", "--advertise-address=127.0.0.1"])
        .arg(format!("--bind-address={bind}"))
        .arg(format!("--secure-port={}", plan.ports.api))
        .arg(format!(
            "--etcd-servers=http://127.0.0.1:{}",
            plan.ports.etcd
        ))
        .arg(format!("--service-cluster-ip-range={SERVICE_CIDR}"))
        .args(["--authorization-mode=Node,RBAC", "--allow-privileged=true"])
        // There is no network in which the `kubernetes` service could have an endpoint.
        .arg("--endpoint-reconciler-type=none")
        .path("tls-cert-file", certificates.certificate(SERVER))
        .path("tls-private-key-file", certificates.key(SERVER))
        .path("client-ca-file", certificates.ca())
        .path("token-auth-file", instance.tokens())
        .arg("--service-account-issuer=https://kubernetes.default.svc")
        .path(
            "service-account-key-file",
            certificates.service_account_public_key(),
        )
        .path(
            "service-account-signing-key-file",
            certificates.key(SERVICE_ACCOUNTS),
        )
        // How the API server asks aggregated APIs, here Kueue's visibility API and the metrics, in a user's name.
        .path("requestheader-client-ca-file", certificates.ca())
        .arg(format!("--requestheader-allowed-names={FRONT_PROXY}"))
        .args([
            "--requestheader-username-headers=X-Remote-User",
            "--requestheader-group-headers=X-Remote-Group",
        ])
        .arg("--requestheader-extra-headers-prefix=X-Remote-Extra-")
        .path(
            "proxy-client-cert-file",
            certificates.certificate(FRONT_PROXY),
        )
        .path("proxy-client-key-file", certificates.key(FRONT_PROXY))
        // How it asks KWOK and the kubelet for logs, exec and port-forward: no name of a node can be looked up.
        .arg("--kubelet-preferred-address-types=InternalIP")
        .path("kubelet-certificate-authority", certificates.ca())
        .path(
            "kubelet-client-certificate",
            certificates.certificate(ADMIN),
        )
        .path("kubelet-client-key", certificates.key(ADMIN))
        .args([
            "--max-requests-inflight=800",
            "--max-mutating-requests-inflight=400",
        ])
        .all(tolerations)
}

pub fn controller_manager(instance: &Instance, plan: &Plan) -> Daemon {
    let certificates = instance.certificates();
    Daemon::new("controller-manager", &plan.binaries.kube)
        .arg("controller-manager")
        .path("kubeconfig", instance.inner_kubeconfig())
        .path("root-ca-file", certificates.ca())
        .path(
            "service-account-private-key-file",
            certificates.key(SERVICE_ACCOUNTS),
        )
        .args([
            "--leader-elect=false",
            "--secure-port=0",
            "--concurrent-job-syncs=20",
        ])
        // The defaults would have a test of scaling wait for minutes: 15 s, 5 min, 5 min and 30 s.
        .args([
            "--horizontal-pod-autoscaler-sync-period=2s",
            "--horizontal-pod-autoscaler-downscale-stabilization=4s",
            "--horizontal-pod-autoscaler-cpu-initialization-period=1s",
            "--horizontal-pod-autoscaler-initial-readiness-delay=1s",
        ])
        .arg(format!("--kube-api-qps={QPS}"))
        .arg(format!("--kube-api-burst={BURST}"))
}

pub fn scheduler(instance: &Instance, plan: &Plan) -> Daemon {
    Daemon::new("scheduler", &plan.binaries.kube)
        .arg("scheduler")
        .path("kubeconfig", instance.inner_kubeconfig())
        .args(["--leader-elect=false", "--secure-port=0"])
        .arg(format!("--kube-api-qps={QPS}"))
        .arg(format!("--kube-api-burst={BURST}"))
}

pub fn kuberay(instance: &Instance, plan: &Plan) -> Daemon {
    let daemon = Daemon::new("kuberay", &plan.binaries.kuberay)
        .path("kubeconfig", instance.inner_kubeconfig())
        .arg("--enable-leader-election=false")
        .arg(format!(
            "--metrics-addr=127.0.0.1:{}",
            plan.ports.kuberay_metrics
        ))
        .arg(format!(
            "--health-probe-bind-address=127.0.0.1:{}",
            plan.ports.kuberay_health
        ))
        .arg(format!("--qps={QPS}"))
        .arg(format!("--burst={BURST}"));
    // Ray dashboards are reached through the API server: there is no cluster DNS to find them by.
    daemon.arg("--use-kubernetes-proxy")
}

/// Returns KAITO's controller, which takes nodes as they are: nothing here makes any (`byo`; flags of v0.12's
/// `cmd/workspace`).
pub fn kaito(instance: &Instance, plan: &Plan, kaito: &Kaito) -> Daemon {
    let (metrics, health) = (plan.ports.kaito_metrics, plan.ports.kaito_health);
    let mut daemon = Daemon::new("kaito", &kaito.binary)
        .path("kubeconfig", instance.inner_kubeconfig())
        .args(["--node-provisioner=byo", "--webhook=false"])
        .arg(format!("--metrics-bind-address=127.0.0.1:{metrics}"))
        .arg(format!("--health-probe-bind-address=127.0.0.1:{health}"))
        .arg(format!("--kube-client-qps={QPS}"))
        .arg(format!("--kube-client-burst={BURST}"));
    // It knows the machines of a cloud, and looks for its models' images and its own namespace.
    daemon.environment = vec![
        ("CLOUD_PROVIDER", "azure".to_owned()),
        (
            "PRESET_REGISTRY_NAME",
            "mcr.microsoft.com/aks/kaito".to_owned(),
        ),
        ("SYSTEM_NAMESPACE", "default".to_owned()),
    ];
    daemon
}

/// Returns a controller of a further kind, after writing its configuration and certificates.
pub fn controller(instance: &Instance, plan: &Plan, built: &Built) -> Result<Daemon> {
    let name = built.controller.name();
    let root = instance.dir().join(name);
    // Where one looks that cannot be told.
    let folder = root.join("k8s-webhook-server/serving-certs");
    copy_tls(&instance.certificates(), &folder)?;
    let configuration = built.controller.configuration(plan.ports, &folder);
    let file = root.join("config.json");
    files::write_json(&file, &configuration)?;
    let mut daemon = Daemon::new(name, &built.binary)
        .path("config", &file)
        .path("kubeconfig", instance.inner_kubeconfig());
    daemon.environment = vec![("TMPDIR", root.display().to_string())];
    Ok(daemon)
}

pub fn kwok(instance: &Instance, plan: &Plan) -> Daemon {
    let certificates = instance.certificates();
    Daemon::new("kwok", &plan.binaries.kwok)
        .path("kubeconfig", instance.inner_kubeconfig())
        .args([
            "--manage-all-nodes=false",
            "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake",
        ])
        .arg("--node-ip=127.0.0.1")
        .arg(format!("--node-port={}", plan.ports.kwok))
        .path("tls-cert-file", certificates.certificate(SERVER))
        .path("tls-private-key-file", certificates.key(SERVER))
        .arg(format!("--cidr={POD_CIDR}"))
        .arg("--enable-crds=Stage,Logs,ClusterLogs,Exec,ClusterExec,PortForward,ClusterPortForward")
        .arg("--node-lease-duration-seconds=40")
}

/// Returns a real node: the first process of namespaces that hold its daemons and containers. `unshare`, which is what
/// the supervisor sees, ends when all of these have.
pub fn real_node(instance: &Instance, node: Node) -> Daemon {
    let mut unshare = real_node::private_namespaces();
    if node.is_apart() {
        unshare.arg("--net");
    }
    let mut daemon = Daemon::new(node.name, Path::new(unshare.get_program()));
    daemon.arguments = unshare.get_args().map(ToOwned::to_owned).collect();
    daemon.ends_with_input = true;
    daemon
        .arg("--")
        .arg(instance.dir().join("xtask"))
        .args(["testbed", "node", "--node", node.name])
        .arg(instance.dir())
}

/// Returns Kueue, after writing the files it wants at paths nobody can configure.
pub fn kueue(instance: &Instance, plan: &Plan) -> Result<Daemon> {
    let root = instance.kueue_root();
    let seen = |path: &str| {
        if plan.kueue_in_root {
            PathBuf::from("/").join(path)
        } else {
            root.join(path)
        }
    };
    let certificates = instance.certificates();
    for folder in ["etc/kueue/metrics/certs", "visibility", "webhooks"] {
        copy_tls(&certificates, &root.join(folder))?;
    }
    let account = root.join("var/run/secrets/kubernetes.io/serviceaccount");
    files::create_dir(&account)?;
    files::write_private(&account.join("token"), KUEUE_TOKEN)?;
    files::write(&account.join("namespace"), "kueue-system")?;
    files::write(&account.join("ca.crt"), std::fs::read(certificates.ca())?)?;
    files::create_dir(&root.join("tmp"))?;

    kubeconfig::write(
        &root.join("kubeconfig"),
        plan.ports.api,
        &certificates,
        User::Admin,
    )?;
    let mut config = kueue_configuration(plan)?;
    for (key, value) in [
        ("namespace", json!("kueue-system")),
        (
            "health",
            json!({ "healthProbeBindAddress": format!("127.0.0.1:{}", plan.ports.kueue_health) }),
        ),
        (
            "metrics",
            json!({ "bindAddress": format!("127.0.0.1:{}", plan.ports.kueue_metrics) }),
        ),
        (
            "webhook",
            json!({ "host": "127.0.0.1", "port": plan.ports.webhooks, "certDir": seen("webhooks") }),
        ),
        (
            "visibilityServer",
            json!({ "bindAddress": "127.0.0.1", "bindPort": plan.ports.visibility }),
        ),
        ("leaderElection", json!({ "leaderElect": false })),
        ("internalCertManagement", json!({ "enable": false })),
        ("clientConnection", json!({ "qps": 200, "burst": 400 })),
    ] {
        config[key] = value;
    }
    files::write_json(&root.join("config.json"), &config)?;

    let mut daemon = if plan.kueue_in_root {
        let inside = root.join("manager");
        link_or_copy(&plan.binaries.kueue, &inside)?;
        let mut daemon = Daemon::new("kueue", Path::new("/manager"));
        daemon.root = Some(root.clone());
        daemon
    } else {
        let relocated = root.join("manager");
        relocate_kueue(&plan.binaries.kueue, &relocated)?;
        copy_tls(&certificates, &instance.dir().join(RELOCATED_CERTIFICATES))?;
        Daemon::new("kueue", &relocated)
    };
    daemon = daemon
        .path("config", seen("config.json"))
        .path("kubeconfig", seen("kubeconfig"));
    daemon.environment = vec![
        ("POD_NAMESPACE", "kueue-system".to_owned()),
        ("KUBERNETES_SERVICE_HOST", "127.0.0.1".to_owned()),
        ("KUBERNETES_SERVICE_PORT", plan.ports.api.to_string()),
    ];
    Ok(daemon)
}

/// Returns the ConfigMap in which an installation keeps what Kueue is told to do: but for ports and files, that is here
/// as there.
pub fn published_configuration(plan: &Plan) -> Result<Value> {
    Ok(json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": { "name": "kueue-manager-config", "namespace": "kueue-system" },
        "data": { "controller_manager_config.yaml": kueue_configuration(plan)?.to_string() },
    }))
}

/// Returns what Kueue is told to do, whatever the machine.
fn kueue_configuration(plan: &Plan) -> Result<Value> {
    let mut config = recommended_configuration()?;
    // Kueue's default, written out.
    let left_alone = ["kube-system", "kueue-system"];
    config["managedJobsNamespaceSelector"] = json!({ "matchExpressions": [
        { "key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": left_alone },
    ]});
    let frameworks = config["integrations"]["frameworks"].as_array_mut();
    let frameworks = frameworks.context("Kueue is told of no frameworks")?;
    frameworks.extend(
        plan.with
            .iter()
            .map(|built| json!(built.controller.framework())),
    );
    if plan.options.explain {
        config["featureGates"]["UnadmittedWorkloadsObservability"] = json!(true);
    }
    if plan.skips.contains(&Skip::Visibility) {
        config["featureGates"]["VisibilityOnDemand"] = json!(false);
    }
    for (field, value) in &plan.options.kueue {
        let value: Value = serde_saphyr::from_str(value)
            .with_context(|| format!("the value of {field} for Kueue is no YAML"))?;
        let keys = field.split('.');
        *keys.fold(&mut config, |object, key| &mut object[key]) = value;
    }
    Ok(config)
}

/// Returns the configuration of Kueue that `cluster-admins` recommends, so that what admins install is what is tested.
fn recommended_configuration() -> Result<Value> {
    let file = Path::new(checkout()).join("cluster-admins/kueue/values.yaml");
    let text = std::fs::read_to_string(&file)
        .with_context(|| format!("failed to read {}", file.display()))?;
    let values: Value = serde_saphyr::from_str(&text)
        .with_context(|| format!("failed to read {}", file.display()))?;
    let configuration = values
        .pointer("/managerConfig/controllerManagerConfigYaml")
        .and_then(Value::as_str)
        .with_context(|| format!("{} holds no configuration of Kueue", file.display()))?;
    serde_saphyr::from_str(configuration)
        .with_context(|| format!("the configuration in {} is no YAML", file.display()))
}

/// The folder of its metrics certificate, which is written in Kueue's code.
const KUEUE_CERTIFICATES: &str = "/etc/kueue/metrics/certs";
/// A folder in the instance, which is the daemons' working directory; just as long, and the slashes collapse.
const RELOCATED_CERTIFICATES: &str = ".////kueue/metrics-certs";

/// Copies Kueue with another folder for its metrics certificate, for a user who can neither write the true one nor
/// have a root directory of their own.
fn relocate_kueue(from: &Path, to: &Path) -> Result<()> {
    const { assert!(KUEUE_CERTIFICATES.len() == RELOCATED_CERTIFICATES.len()) };
    let mut binary =
        std::fs::read(from).with_context(|| format!("failed to read {}", from.display()))?;
    let folder = KUEUE_CERTIFICATES.as_bytes();
    let place = binary
        .windows(folder.len())
        .position(|window| window[0] == b'/' && window == folder)
        .context("this Kueue does not read its certificate where it used to; run with namespaces, or as root")?;
    binary[place..place + folder.len()].copy_from_slice(RELOCATED_CERTIFICATES.as_bytes());
    files::write(to, binary)?;
    std::fs::set_permissions(to, std::fs::Permissions::from_mode(0o755))
        .with_context(|| format!("failed to make {} executable", to.display()))
}

fn copy_tls(certificates: &Certificates, folder: &Path) -> Result<()> {
    files::create_dir(folder)?;
    files::write(
        &folder.join("tls.crt"),
        std::fs::read(certificates.certificate(KUEUE))?,
    )?;
    files::write_private(
        &folder.join("tls.key"),
        std::fs::read(certificates.key(KUEUE))?,
    )
}

fn link_or_copy(from: &Path, to: &Path) -> Result<()> {
    if std::fs::hard_link(from, to).is_err() {
        std::fs::copy(from, to)
            .with_context(|| format!("failed to copy {} to {}", from.display(), to.display()))?;
    }
    Ok(())
}

/// Writes the static tokens and a kubeconfig for every user.
pub fn write_users(instance: &Instance, plan: &Plan) -> Result<()> {
    let mut tokens = format!("{KUEUE_TOKEN},kueue,kueue,\"system:masters\"\n");
    for (name, groups) in USERS {
        let token = format!("{name}-token");
        let groups = if groups.is_empty() {
            String::new()
        } else {
            format!(",\"{groups}\"")
        };
        tokens.push_str(&format!("{token},{name},{name}{groups}\n"));
        let path = instance.users().join(format!("{name}.kubeconfig"));
        kubeconfig::write(
            &path,
            plan.port,
            &instance.certificates(),
            User::Token {
                name,
                token: &token,
            },
        )?;
    }
    files::write_private(&instance.tokens(), tokens)
}
