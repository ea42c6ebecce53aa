//! `kaiwo nodes`.

use crate::api::Readable;
use crate::cli::NodesArgs;
use crate::cluster::Cluster;
use crate::cluster::read::facts;
use crate::error::{CommandError, ErrorClass};
use crate::names::nearest;
use crate::observe::nodes::NodeLine;
use crate::plan::facts::NodeFacts;
use crate::settings::Format;
use crate::suggestion::kaiwo;
use crate::ui::Ui;
use crate::ui::overview::nodes::NodeReport;

use crate::cmd::help::cannot_write;
use crate::cmd::{block_on, command_line};

/// Shows what nodes have. `output` is what the variable asks for, unless a flag does.
pub fn run(args: &NodesArgs, ui: Ui, output: Option<Format>) -> Result<(), CommandError> {
    block_on(async {
        let target = command_line::target(&args.connection, ui);
        let cluster = Cluster::connect(&target).await?;
        let selector = args.selector.as_deref().unwrap_or_default();
        let NodeFacts { nodes, occupation } = facts::of_nodes(&cluster, selector).await?;
        let Some(Readable::Known(nodes)) = nodes else {
            return Err(CommandError::new(
                ErrorClass::Denied,
                "you may not list the nodes of this cluster",
            )
            .hint(kaiwo("queues", &[]).to("show the quota of the queues")));
        };
        let occupation = occupation.as_ref().and_then(Readable::known);
        let mut lines: Vec<NodeLine> = nodes
            .iter()
            .map(|node| NodeLine::new(node, occupation))
            .collect();
        if let Some(wanted) = &args.node {
            let names: Vec<String> = lines.iter().map(|line| line.name.clone()).collect();
            lines.retain(|line| line.name == *wanted);
            if lines.is_empty() {
                return Err(missing(wanted, names));
            }
        } else if !args.all {
            lines.retain(|line| line.gpus.is_some());
        }
        lines.sort_by(|a, b| a.name.cmp(&b.name));
        let (count, is_one) = (lines.len(), args.node.is_some());
        let nodes = NodeReport::new(lines);
        ui.show(&nodes, args.output.or(output), || nodes.text(is_one, ui))
            .map_err(cannot_write)?;
        if count == 0 {
            ui.status("no nodes with GPUs; --all also shows those without");
        }
        if occupation.is_none() {
            ui.status("free capacity is unknown: you may not read the pods of all namespaces");
        }
        Ok(())
    })
}

fn missing(wanted: &str, names: Vec<String>) -> CommandError {
    let error = CommandError::new(
        ErrorClass::Refused,
        format!("node {wanted:?} does not exist"),
    );
    match nearest(wanted, names) {
        Some(near) => error.hint(format!("did you mean {near}?")),
        None => error.hint(kaiwo("nodes --all", &[]).to("list the nodes")),
    }
}
