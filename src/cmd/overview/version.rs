//! `kaiwo version`.

use crate::cli::VersionArgs;
use crate::cluster::read::doctor;
use crate::cluster::{Cluster, Target};
use crate::cmd::help::cannot_write;
use crate::cmd::{block_on, command_line};
use crate::error::CommandError;
use crate::settings::Format;
use crate::ui::Ui;
use crate::ui::overview::version::{ClusterVersions, VersionReport};

/// Shows the versions of kaiwo and of what is on the cluster; a cluster that does not
/// answer is reported, not an error. `output` is what the variable asks for, unless a
/// flag does.
pub fn run(args: &VersionArgs, ui: Ui, output: Option<Format>) -> Result<(), CommandError> {
    block_on(async {
        let progress = ui.progress("contacting the cluster");
        let cluster = read(args, ui).await;
        drop(progress);
        let report = VersionReport::new(cluster.as_ref(), ui.connection());
        ui.show(&report, args.output.or(output), || report.text(ui))
            .map_err(cannot_write)?;
        if let Err(error) = &cluster {
            ui.status(format!("no versions of a cluster: {:#}", error.error));
        }
        Ok(())
    })
}

async fn read(args: &VersionArgs, ui: Ui) -> Result<ClusterVersions, CommandError> {
    let target = Target {
        // Who asks for versions does not wait until a cluster is there.
        absence: None,
        ..command_line::target(&args.connection, ui)
    };
    let cluster = Cluster::connect(&target).await?;
    Ok(ClusterVersions {
        components: doctor::components(&cluster).await?,
        context: cluster.context().to_owned(),
        server: cluster.server().to_owned(),
    })
}
