//! `kaiwo history`.

use k8s_openapi::jiff::Timestamp;

use super::past;
use crate::cli::HistoryArgs;
use crate::cluster::read::usage::accounts::accounts;
use crate::cmd::block_on;
use crate::cmd::help::cannot_write;
use crate::error::CommandError;
use crate::observe::account::Period;
use crate::observe::status::{FinalStatus, Standing};
use crate::settings::Format;
use crate::ui::Ui;
use crate::ui::document::document;
use crate::ui::overview::history::HistoryReport;

/// Shows what has ended. `output` is what the variable asks for, unless a flag does.
pub fn run(args: &HistoryArgs, ui: Ui, output: Option<Format>) -> Result<(), CommandError> {
    let HistoryArgs {
        status,
        past: typed,
    } = args;
    block_on(async {
        let place = past::reach(typed, ui).await?;
        let period = past::period(typed);
        // What it ran counts from its beginning.
        let all = Period {
            from: Timestamp::UNIX_EPOCH,
            ..period
        };
        let (cluster, served) = (&place.cluster, &place.served);
        let since = Some(period.from);
        let mut accounts = accounts(cluster, served, &place.namespace, all, since).await?;
        if !accounts.is_allowed {
            return Err(past::denied(&place, typed));
        }
        past::narrow(&mut accounts, typed);
        accounts.all.retain(|account| {
            let is_meant = |outcome: &Standing| {
                status.is_empty() || status.contains(&FinalStatus(outcome.status))
            };
            let is_recent = account.ended_at.is_some_and(|end| period.contains(end));
            is_recent && account.outcome.as_ref().is_some_and(is_meant)
        });
        let report = HistoryReport::new(&accounts.all, period);
        let format = typed.output.or(output);
        let written = match (document(&report, format), format) {
            (Some(text), _) => ui.data(&text),
            (None, Some(Format::Csv)) => ui.data(&report.csv()),
            (None, _) => ui.page(&report.text(typed.all_namespaces, ui)),
        };
        written.map_err(cannot_write)?;
        past::tell_hidden(&accounts, ui);
        if accounts.all.is_empty() {
            ui.status(format!(
                "nothing has ended since then {}",
                past::place(&place)
            ));
        } else if report.is_partial() && !accounts.hidden.contains(&"Workloads") {
            ui.status("≥ and ≤: the Workload is gone, and its Job knows only the last attempt");
        }
        Ok(())
    })
}
