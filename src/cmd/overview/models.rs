//! `kaiwo models`.

use std::time::Duration;

use crate::cli::ModelsArgs;
use crate::cluster::read::models::{self, ListedModels};
use crate::error::CommandError;
use crate::plan::kaito::offer::offers;
use crate::settings::Format;
use crate::ui::Ui;
use crate::ui::document::document;
use crate::ui::overview::models::{Catalogue, ModelSource};

use crate::cmd::help::cannot_write;
use crate::cmd::{block_on, command_line};

/// Most time for a cluster to say what it knows, unless `--request-timeout` is
/// given: the catalogue needs none.
const PATIENCE: Duration = Duration::from_secs(2);

/// Lists the models that can be served. `output` is what the variable asks
/// for, unless a flag does.
pub fn run(args: &ModelsArgs, ui: Ui, output: Option<Format>) -> Result<(), CommandError> {
    let listed = match args.offline {
        true => None,
        false => ask(args, ui)?,
    };
    let models = listed.as_ref().map(|listed| listed.models.as_slice());
    let filter = args.filter.as_deref();
    let offers = offers(filter, args.instance_type.as_deref(), models)?;
    let catalogue = Catalogue {
        offers: &offers,
        counted: args.instance_type.is_some(),
        source: listed.as_ref().map(|listed| ModelSource {
            context: &listed.context,
            namespace: &listed.namespace,
        }),
    };
    let format = args.output.or(output);
    let written = match document(&catalogue.report(), format) {
        Some(text) => ui.data(&text),
        None if format == Some(Format::Name) => ui.data(&catalogue.names()),
        None => ui.page(&catalogue.table(format == Some(Format::Wide))),
    };
    written.map_err(cannot_write)
}

/// Asks the cluster what its KAITO lists; the catalogue is as good without.
fn ask(args: &ModelsArgs, ui: Ui) -> Result<Option<ListedModels>, CommandError> {
    // A credential plugin that asked questions would outlast the deadline.
    let target = command_line::optional_target(&args.connection);
    let progress = ui.progress("contacting the cluster");
    let within = target.request_timeout.unwrap_or(PATIENCE);
    let answer = block_on(async { Ok(models::listed(&target, within).await) })?;
    drop(progress);
    Ok(match answer {
        Ok(listed) => {
            ui.status(format!(
                "→ KAITO v0.12's catalogue, compared with context {}",
                listed.context
            ));
            Some(listed)
        }
        Err(why) => {
            ui.status(format!(
                "→ KAITO v0.12's catalogue, not compared with a cluster: {why}"
            ));
            None
        }
    })
}
