//! `kaiwo why`.

use k8s_openapi::jiff::Timestamp;

use crate::cli::WhyArgs;
use crate::cluster::read::evidence;
use crate::error::CommandError;
use crate::observe::why::diagnose;
use crate::settings::Format;
use crate::ui::Ui;
use crate::ui::why::Explanation;

use super::block_on;
use super::help::cannot_write;
use super::target::{FoundWorkload, Reached};

/// Says why a workload does not run.
pub fn run(args: &WhyArgs, ui: Ui, output: Option<Format>) -> Result<u8, CommandError> {
    block_on(async {
        let progress = ui.progress("contacting the cluster");
        let target = FoundWorkload::find(&args.named, ui).await?;
        let snapshot = target.snapshot().await?;
        let Reached {
            cluster, served, ..
        } = &target.place;
        let evidence = evidence::evidence(cluster, served, &target.found, snapshot).await?;
        drop(progress);
        let diagnosis = diagnose(&evidence);
        let answer = Explanation {
            workload: &evidence.snapshot.workload,
            diagnosis: &diagnosis,
            now: Timestamp::now(),
            connection: ui.connection(),
        };
        ui.show(&answer.report(), args.output.or(output), || {
            answer.text(ui.data_width(), ui.paints_data())
        })
        .map_err(cannot_write)?;
        Ok(0)
    })
}
