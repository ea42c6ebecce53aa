//! `kaiwo endpoint`.

use serde::Serialize;

use crate::api::pod_template::TemplateContainer;
use crate::api::workload::Details;
use crate::cli::EndpointArgs;
use crate::cluster::read::endpoint;
use crate::error::CommandError;
use crate::kind::WorkloadKind;
use crate::observe::forward::Forward;
use crate::settings::Format;
use crate::suggestion::{Connection, kaiwo, kubectl};
use crate::ui::Ui;
use crate::ui::report::API_VERSION;

use super::block_on;
use super::help::cannot_write;
use super::target::{FoundWorkload, Reached};

/// Addresses for programs.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct EndpointReport {
    api_version: &'static str,
    kind: &'static str,
    workload: String,
    /// The Workspace of an InferenceSet that is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    part: Option<String>,
    namespace: String,
    service: String,
    port: i64,
    /// For pods in the cluster.
    cluster: String,
    /// For everybody.
    public: Vec<String>,
    /// Why there are not more of these yet.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pending: Vec<String>,
    /// Through the API server, for whoever may use `services/proxy`.
    proxy: String,
}

/// Prints where a workload is reached. `output` is what the variable asks for, unless
/// a flag does.
pub fn run(args: &EndpointArgs, ui: Ui, output: Option<Format>) -> Result<(), CommandError> {
    block_on(async {
        let target = FoundWorkload::find(&args.named, ui).await?;
        let workload = &target.found.workload;
        let Reached {
            cluster, served, ..
        } = &target.place;
        let endpoint = endpoint::to_ask(cluster, served, workload).await?;
        let proxy = endpoint.proxy_path("/");
        let report = EndpointReport {
            api_version: API_VERSION,
            kind: "Endpoint",
            workload: workload.display_name(),
            part: endpoint.part.clone(),
            namespace: endpoint.namespace.clone(),
            service: endpoint.service.clone(),
            port: endpoint.port.port,
            cluster: endpoint.cluster_url(),
            public: endpoint.public.clone(),
            pending: endpoint.pending.clone(),
            proxy: format!("{}{proxy}", cluster.server()),
        };
        if let Some(part) = &report.part {
            ui.status(format!("→ {part} of {}", report.workload));
        }
        let page = || {
            let containers = match &workload.details {
                Details::Deployment(spec, _) => &spec.template.spec.containers[..],
                _ => &[],
            };
            let path = asked(workload.kind, containers);
            let port = endpoint.port.of_pod(containers);
            lines(&report, &proxy, path, port, ui.connection())
        };
        ui.show(&report, args.output.or(output), page)
            .map_err(cannot_write)
    })
}

/// Returns a path, without the slash it begins with, at which a workload answers: of
/// KAITO's the models, of others what its pods are asked for to see whether they are
/// ready.
fn asked(kind: WorkloadKind, containers: &[TemplateContainer]) -> &str {
    if kind.is_kaito() {
        return "v1/models";
    }
    let mut probes = containers
        .iter()
        .filter_map(|container| container.readiness_probe.as_ref());
    let probed = probes.find_map(|probe| probe.http_get.as_ref());
    probed.map_or("", |get| get.path.trim_start_matches('/'))
}

/// `path` is what is asked for, and `pod_port` the port that `port-forward` brings
/// here, where it is known.
fn lines(
    report: &EndpointReport,
    proxy: &str,
    path: &str,
    pod_port: Option<u16>,
    connection: &Connection,
) -> String {
    let EndpointReport {
        workload,
        part,
        namespace,
        cluster,
        public,
        pending,
        ..
    } = report;
    let mut text = String::new();
    for url in public {
        text += &format!("public   {url}\n         curl {url}/{path}\n");
    }
    for why in pending {
        text += &format!("public   {why}\n");
    }
    text += &format!("cluster  {cluster}\n         curl {cluster}/{path}\n");
    let raw = kubectl("get --raw {}{}", &[proxy, path]).line(connection);
    text += &format!("proxy    {}\n         {raw}\n", report.proxy);
    let asked = part.as_ref().unwrap_or(workload);
    let here = kaiwo("port-forward {} -n {}", &[asked, namespace]).line(connection);
    text += &format!("local    {here}\n");
    let local = pod_port.map(|port| Forward::same(port).local);
    if let Some(local @ 1..) = local {
        text += &format!("         curl http://127.0.0.1:{local}/{path}\n");
    }
    text
}

#[cfg(test)]
crate::schema::testing::report_schemas!(EndpointReport => "Endpoint");
