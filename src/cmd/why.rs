//! `kaiwo why`.

use k8s_openapi::jiff::Timestamp;

use crate::cli::WhyArgs;
use crate::cluster::read::evidence;
use crate::error::CommandError;
use crate::observe::why::diagnose;
use crate::settings::OutputFormat;
use crate::ui::why::Answer;
use crate::ui::{Ui, report};

use super::block_on;
use super::command_line::with_connection;
use super::help::cannot_write;
use super::target::{self, FoundWorkload, Reached};

/// Says why a workload does not run.
pub fn run(args: &WhyArgs, ui: Ui, output: Option<OutputFormat>) -> Result<u8, CommandError> {
    let connection = &args.named.connection;
    let result = block_on(async {
        let progress = ui.progress("asking the cluster");
        let target = FoundWorkload::find(&args.named, ui).await?;
        let snapshot = target.snapshot().await?;
        let Reached {
            cluster, served, ..
        } = &target.place;
        let evidence = evidence::evidence(cluster, served, &target.found, snapshot).await?;
        drop(progress);
        let mut diagnosis = diagnose(&evidence);
        for finding in &mut diagnosis.findings {
            for remedy in &mut finding.remedies {
                let command = remedy.command.take();
                remedy.command = command.map(|command| with_connection(&command, connection));
            }
        }
        let answer = Answer {
            workload: &evidence.snapshot.workload,
            diagnosis: &diagnosis,
            now: Timestamp::now(),
        };
        let text = match output {
            Some(OutputFormat::Json) => report::json(&answer.report()),
            _ => answer.text(ui.data_width(), ui.paints_data()),
        };
        ui.data(&text).map_err(cannot_write)?;
        Ok(0)
    });
    target::connected(result, connection)
}
