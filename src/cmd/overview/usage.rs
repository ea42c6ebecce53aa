//! `kaiwo usage`.

use super::{past, top};
use crate::cli::UsageArgs;
use crate::cluster::read::prometheus;
use crate::cluster::read::usage::accounts::accounts;
use crate::cmd::block_on;
use crate::cmd::help::cannot_write;
use crate::cmd::target::Reached;
use crate::error::{CommandError, ErrorClass};
use crate::observe::account::metrics::Questions;
use crate::observe::account::{By, Period, totals};
use crate::settings::Format;
use crate::ui::Ui;
use crate::ui::document::document;
use crate::ui::overview::gpu_hours::UsageReport;

/// Shows GPU-hours. `output` is what the variable asks for, unless a flag does.
pub fn run(args: &UsageArgs, ui: Ui, output: Option<Format>) -> Result<(), CommandError> {
    let typed = &args.past;
    let asked = args.prometheus.as_deref();
    let choice = top::choice(asked.filter(|place| !place.is_empty()))?;
    if asked.is_some() && typed.user.is_some() && args.by != By::User {
        return Err(CommandError::new(
            ErrorClass::Usage,
            "Prometheus cannot select a user and group by something else",
        )
        .hint("remove --by, or --user"));
    }
    block_on(async {
        let place = past::reach(typed, ui).await?;
        let period = past::period(typed);
        let mut measured = asked.is_some();
        let mut report = None;
        if !measured {
            let (cluster, served) = (&place.cluster, &place.served);
            let mut accounts = accounts(cluster, served, &place.namespace, period, None).await?;
            if accounts.is_allowed {
                past::narrow(&mut accounts, typed);
                past::tell_hidden(&accounts, ui);
                let totals = totals(&accounts.all, args.by, typed.all_namespaces);
                report = Some(UsageReport::new(args.by, period, totals, None));
            } else {
                let words = past::denied(&place, typed).error.to_string();
                ui.status(format!("{words}; using Prometheus"));
                measured = true;
            }
        }
        let report = match report {
            Some(report) => report,
            None => measure(args, &place, choice.as_ref(), period, ui).await?,
        };
        let format = typed.output.or(output);
        let written = match (document(&report, format), format) {
            (Some(text), _) => ui.data(&text),
            (None, Some(Format::Csv)) => ui.data(&report.csv()),
            (None, _) => ui.page(&report.text(ui)),
        };
        written.map_err(cannot_write)?;
        if report.is_empty() {
            ui.status(format!(
                "nothing has run since then {}",
                past::place(&place)
            ));
        }
        for words in report.legend() {
            ui.status(words);
        }
        if !measured {
            ui.status("deleted workloads are not counted; with --prometheus they are");
        }
        Ok(())
    })
}

/// Asks Prometheus.
async fn measure(
    args: &UsageArgs,
    place: &Reached,
    choice: Option<&prometheus::PrometheusChoice>,
    period: Period,
    ui: Ui,
) -> Result<UsageReport, CommandError> {
    let questions = Questions::new(args.by, &place.namespace, period);
    let asked = prometheus::gpu_time(&place.cluster, choice, &questions);
    let (at, mut totals, coverage) = asked.await?;
    if let Some(user) = &args.past.user {
        totals.retain(|total| total.name.as_ref() == Some(user));
    }
    if coverage == 0.0 {
        ui.warn(format!("Prometheus ({at}) has no metrics of GPUs in this period: does it scrape dcgm-exporter or AMD's device-metrics-exporter?"));
    } else if coverage < 0.99 {
        let percent = coverage * 100.0;
        ui.warn(format!(
            "Prometheus ({at}) has metrics for {percent:.0} % of this period"
        ));
    }
    let unknown = !totals.is_empty() && totals.iter().all(|total| total.name.is_none());
    if unknown {
        ui.warn(format!("Prometheus ({at}) does not know the labels of pods: kube-state-metrics keeps them with --metric-labels-allowlist=pods=[kaiwo-cli/username,kueue.x-k8s.io/local-queue-name]"));
    }
    Ok(UsageReport::new(args.by, period, totals, Some(coverage)))
}
