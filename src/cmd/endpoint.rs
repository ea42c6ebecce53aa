//! `kaiwo endpoint`.

use serde::Serialize;

use crate::cli::EndpointArgs;
use crate::cluster::endpoint;
use crate::error::CommandError;
use crate::ui::Ui;
use crate::ui::report::{self, API_VERSION};

use super::block_on;
use super::help::cannot_write;
use super::target::{self, Target};

/// Addresses for programs.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct EndpointReport {
    api_version: &'static str,
    kind: &'static str,
    workload: String,
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
        let target = Target::find(&args.named, ui).await?;
        let workload = &target.found.workload;
        let endpoint = endpoint::of(&target.place.cluster, workload).await?;
        let proxy = endpoint.proxy_path("/");
        let report = EndpointReport {
            api_version: API_VERSION,
            kind: "Endpoint",
            workload: workload.display_name(),
            namespace: endpoint.namespace.clone(),
            service: endpoint.service.clone(),
            port: endpoint.port,
            cluster: endpoint.cluster_url(),
            public: endpoint.public.clone(),
            proxy: format!("{}{proxy}", target.place.cluster.server()),
        };
        let text = match args.output {
            Some(_) => report::json(&report),
            None => lines(&report, &proxy),
        };
        ui.data(&text).map_err(cannot_write)
    });
    target::connected(result, &args.named.connection)
}

fn lines(report: &EndpointReport, proxy: &str) -> String {
    let EndpointReport {
        workload,
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
    text += &format!("here     kaiwo port-forward {workload} -n {namespace}\n");
    text
}
