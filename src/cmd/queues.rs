//! `kaiwo queues`.

use crate::cli::{QueuesArgs, StatusFormat};
use crate::cluster::read::queues;
use crate::error::CommandError;
use crate::settings::OutputFormat;
use crate::ui::queues::{QueueReport, text};
use crate::ui::{Ui, report};
use crate::yaml;

use super::block_on;
use super::help::cannot_write;
use super::target::{self, Reached};

/// Shows what the queues have. `output` is what the variable asks for, unless
/// a flag does.
pub fn run(args: &QueuesArgs, ui: Ui, output: Option<OutputFormat>) -> Result<(), CommandError> {
    let namespace = match args.all_namespaces {
        true => String::new(),
        false => target::namespace(args.namespace.as_deref())?,
    };
    let result = block_on(async {
        let place = Reached::reach(&args.connection, namespace, ui).await?;
        let queues = queues::read(&place.cluster, &place.served, &place.namespace).await?;
        let text = match StatusFormat::chosen(args.output, output) {
            Some(StatusFormat::Json) => report::json(&QueueReport::new(&queues)),
            Some(StatusFormat::Yaml) => {
                // Plain data always serialises.
                let report = serde_json::to_value(QueueReport::new(&queues));
                yaml::to_string(&report.unwrap_or_default())
            }
            None => text(&queues, ui),
        };
        ui.data(&text).map_err(cannot_write)?;
        if queues.cluster_queues.is_empty() && queues.local_queues.is_empty() {
            ui.status("no queues here that you may read");
        }
        Ok(())
    });
    target::connected(result, &args.connection)
}
