//! `kaiwo models`.

use std::time::Duration;

use crate::cli::{ModelsArgs, ModelsFormat};
use crate::cluster::read::models::{self, ListedModels};
use crate::error::CommandError;
use crate::plan::kaito::offer::offers;
use crate::settings::OutputFormat;
use crate::ui::Ui;
use crate::ui::models::{Catalogue, ModelSource};
use crate::yaml;

use super::help::cannot_write;
use super::{block_on, command_line};

/// Most time for a cluster to say what it knows, unless `--request-timeout` is
/// given: the catalogue needs none.
const PATIENCE: Duration = Duration::from_secs(2);

/// Lists the models that can be served. `output` is what the variable asks
/// for, unless a flag does.
pub fn run(args: &ModelsArgs, ui: Ui, output: Option<OutputFormat>) -> Result<(), CommandError> {
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
    let format = args.output.or(match output {
        Some(OutputFormat::Json) => Some(ModelsFormat::Json),
        Some(OutputFormat::Yaml) => Some(ModelsFormat::Yaml),
        Some(OutputFormat::Name) => Some(ModelsFormat::Name),
        None => None,
    });
    let text = match format {
        Some(ModelsFormat::Json) => catalogue.json(),
        Some(ModelsFormat::Yaml) => yaml::to_string(&catalogue.report()),
        Some(ModelsFormat::Name) => catalogue.names(),
        Some(ModelsFormat::Wide) => catalogue.table(true),
        None => catalogue.table(false),
    };
    ui.data(&text).map_err(cannot_write)
}

/// Asks the cluster what its KAITO lists; the catalogue is as good without.
fn ask(args: &ModelsArgs, ui: Ui) -> Result<Option<ListedModels>, CommandError> {
    // A credential plugin that asked questions would outlast the deadline.
    let target = command_line::optional_target(&args.connection);
    let progress = ui.progress("asking the cluster");
    let within = target.request_timeout.unwrap_or(PATIENCE);
    let answer = block_on(async { Ok(models::listed(&target, within).await) })?;
    drop(progress);
    Ok(match answer {
        Ok(listed) => {
            ui.status(format!(
                "→ KAITO v0.12's catalogue, with what context {} lists",
                listed.context
            ));
            Some(listed)
        }
        Err(why) => {
            ui.status(format!(
                "→ KAITO v0.12's catalogue, without what a cluster lists: {why}"
            ));
            None
        }
    })
}
