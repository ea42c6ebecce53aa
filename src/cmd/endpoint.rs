//! `kaiwo endpoint`.

use serde::Serialize;

use crate::api::workload::Details;
use crate::cli::EndpointArgs;
use crate::cluster::read::endpoint;
use crate::error::CommandError;
use crate::observe::forward::Forward;
use crate::ui::Ui;
use crate::ui::report::{self, API_VERSION};

use super::block_on;
use super::help::cannot_write;
use super::target::{self, FoundWorkload, Reached};

/// Addresses for programs.
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
    /// Through the API server, for whoever may use `services/proxy`.
    proxy: String,
}

/// Prints where a workload is reached.
pub fn run(args: &EndpointArgs, ui: Ui) -> Result<(), CommandError> {
    let result = block_on(async {
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
            proxy: format!("{}{proxy}", cluster.server()),
        };
        if let Some(part) = &report.part {
            ui.status(format!("→ {part} of {}", report.workload));
        }
        let text = match args.output {
            Some(_) => report::json(&report),
            None => {
                let containers = match &workload.details {
                    Details::Deployment(spec, _) => &spec.template.spec.containers[..],
                    _ => &[],
                };
                lines(&report, &proxy, endpoint.port.of_pod(containers))
            }
        };
        ui.data(&text).map_err(cannot_write)
    });
    target::connected(result, &args.named.connection)
}

/// `pod_port` is the one that `port-forward` brings here, where it is known.
fn lines(report: &EndpointReport, proxy: &str, pod_port: Option<u16>) -> String {
    let EndpointReport {
        workload,
        part,
        namespace,
        cluster,
        public,
        ..
    } = report;
    let mut text = String::new();
    for url in public {
        text += &format!("public   {url}\n         curl {url}/v1/models\n");
    }
    text += &format!("cluster  {cluster}\n         curl {cluster}/v1/models\n");
    text += &format!(
        "proxy    {}\n         kubectl get --raw {proxy}v1/models\n",
        report.proxy
    );
    let asked = part.as_ref().unwrap_or(workload);
    text += &format!("here     kaiwo port-forward {asked} -n {namespace}\n");
    let local = pod_port.map(|port| Forward::same(port).local);
    if let Some(local @ 1..) = local {
        text += &format!("         curl http://127.0.0.1:{local}/v1/models\n");
    }
    text
}
