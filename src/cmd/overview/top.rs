//! `kaiwo top`.

use crate::api::keys::{APP_INSTANCE_LABEL, APP_MANAGED_BY_LABEL, MANAGER};
use crate::api::pod::Pod;
use crate::api::resource::Resource;
use crate::cli::{NamedArgs, TopArgs};
use crate::cluster::client::pages::Selection;
use crate::cluster::read::prometheus::{self, PrometheusChoice};
use crate::error::{CommandError, ErrorClass};
use crate::settings::Format;
use crate::ui::Ui;
use crate::ui::overview::top::{Line, TopReport};

use crate::cmd::block_on;
use crate::cmd::help::cannot_write;
use crate::cmd::target::{self, FoundWorkload, Reached};

/// Shows what GPUs do. `output` is what the variable asks for, unless a flag
/// does.
pub fn run(args: &TopArgs, ui: Ui, output: Option<Format>) -> Result<(), CommandError> {
    let choice = choice(args.prometheus.as_deref())?;
    block_on(async {
        let (place, pods) = pods(args, ui).await?;
        let pods: Vec<Pod> = pods
            .into_iter()
            .filter(|pod| pod.gpus() > 0 && pod.node().is_some() && !pod.has_ended())
            .collect();
        // Where no GPU is held, nobody need be asked.
        let usage = match pods.is_empty() {
            true => Vec::new(),
            false => prometheus::usage(&place.cluster, choice.as_ref(), &place.namespace).await?,
        };
        let lines = pods.iter().map(|pod| Line {
            pod: pod.metadata.name.clone(),
            workload: args.workload.as_ref().map_or_else(
                || {
                    pod.metadata
                        .label(APP_INSTANCE_LABEL)
                        .unwrap_or_default()
                        .to_owned()
                },
                |workload| workload.name.clone(),
            ),
            node: pod.node().unwrap_or_default().to_owned(),
            gpus: pod.gpus(),
            usage: usage
                .iter()
                .find(|usage| usage.pod == pod.metadata.name)
                .cloned(),
        });
        let report = TopReport::new(&place.namespace, lines.collect());
        ui.show(&report, args.output.or(output), || report.text(ui))
            .map_err(cannot_write)?;
        if pods.is_empty() {
            ui.status(format!(
                "no pods with GPUs in namespace {}",
                place.namespace
            ));
        } else if usage.is_empty() {
            ui.warn("Prometheus has no data about these GPUs: does it scrape dcgm-exporter or AMD's device-metrics-exporter?");
        }
        Ok(())
    })
}

/// Reads which Prometheus was meant.
pub fn choice(typed: Option<&str>) -> Result<Option<PrometheusChoice>, CommandError> {
    let wrong = |error| CommandError::new(ErrorClass::Usage, format!("--prometheus: {error}"));
    typed.map(|text| text.parse().map_err(wrong)).transpose()
}

/// Returns the pods of the workload, else those of kaiwo's in the namespace.
async fn pods(args: &TopArgs, ui: Ui) -> Result<(Reached, Vec<Pod>), CommandError> {
    if let Some(workload) = &args.workload {
        let named = NamedArgs {
            workload: workload.clone(),
            namespace: args.namespace.clone(),
            connection: args.connection.clone(),
        };
        let target = FoundWorkload::find(&named, ui).await?;
        let snapshot = target.snapshot().await?;
        return Ok((target.place, snapshot.pods().to_vec()));
    }
    let namespace = target::namespace(args.namespace.as_ref(), &args.connection)?;
    let place = Reached::reach(&args.connection, namespace, ui).await?;
    let selection = Selection {
        labels: format!("{APP_MANAGED_BY_LABEL}={MANAGER}"),
        fields: "status.phase=Running".to_owned(),
    };
    let resource = Resource::known("v1", "Pod");
    let listed = place
        .cluster
        .list_selected(&resource, &place.namespace, &selection);
    let pods = listed.await?;
    Ok((place, pods))
}
