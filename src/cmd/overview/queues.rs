//! `kaiwo queues`.

use crate::cli::QueuesArgs;
use crate::cluster::read::kueue::queues;
use crate::error::{CommandError, ErrorClass};
use crate::names::nearest;
use crate::settings::Format;
use crate::ui::Ui;
use crate::ui::overview::queues::{QueueReport, text};

use crate::cmd::block_on;
use crate::cmd::help::cannot_write;
use crate::cmd::target::{self, Reached};

/// Shows what the queues have. `output` is what the variable asks for, unless
/// a flag does.
pub fn run(args: &QueuesArgs, ui: Ui, output: Option<Format>) -> Result<(), CommandError> {
    let namespace = match args.all_namespaces {
        true => String::new(),
        false => target::namespace(args.namespace.as_ref(), &args.connection)?,
    };
    block_on(async {
        let place = Reached::reach(&args.connection, namespace, ui).await?;
        let mut queues = queues::read(&place.cluster, &place.served, &place.namespace).await?;
        if let Some(wanted) = &args.queue {
            let known = queues.names();
            if !queues.retain_named(wanted) {
                return Err(missing(wanted, known));
            }
        }
        let report = QueueReport::new(&queues);
        ui.show(&report, args.output.or(output), || text(&queues, ui))
            .map_err(cannot_write)?;
        if queues.cluster_queues.is_empty() && queues.local_queues.is_empty() {
            ui.status("no queues that you may read");
        }
        Ok(())
    })
}

fn missing(wanted: &str, known: Vec<String>) -> CommandError {
    let error = CommandError::new(
        ErrorClass::Refused,
        format!("queue {wanted:?} does not exist"),
    );
    match nearest(wanted, known.clone()) {
        Some(near) => error.hint(format!("did you mean {near}?")),
        None if known.is_empty() => error,
        None => error.hint(format!("available: {}", known.join(", "))),
    }
}
