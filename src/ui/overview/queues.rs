//! Queues, drawn as bars.

use serde::Serialize;

use crate::observe::quota::{
    ClusterQueueLine, LocalQueueLine, Parts, QueueLine, Queues, QuotaLine,
};
use crate::observe::upstream::output;
use crate::printable;
use crate::ui::Ui;
use crate::ui::report::API_VERSION;
use crate::ui::table::{Tone, cut};

/// Cells of a bar where no terminal sets a limit, and the most where one does.
const BAR: usize = 32;
/// The fewest cells that still tell something.
const SHORTEST: usize = 8;

/// Queues for programs.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct QueueReport<'a> {
    api_version: &'static str,
    kind: &'static str,
    #[serde(flatten)]
    queues: &'a Queues,
}

impl<'a> QueueReport<'a> {
    /// Reports queues.
    pub fn new(queues: &'a Queues) -> Self {
        Self {
            api_version: API_VERSION,
            kind: "QueueList",
            queues,
        }
    }
}

/// Returns queues for people.
pub fn text(queues: &Queues, ui: Ui) -> String {
    let drawing = Drawing {
        room: ui.data_width(),
        painted: ui.paints_data(),
        widths: widths(queues),
    };
    let mut sections: Vec<String> = Vec::new();
    for queue in &queues.cluster_queues {
        let own = queues.local_queues.iter();
        let own = own.filter(|local| local.cluster_queue == queue.name);
        sections.push(drawing.cluster_queue(queue) + &drawing.local_queues(own, false));
    }
    // Those whose ClusterQueue may not be read, or is not there.
    let known = |local: &&LocalQueueLine| {
        let mut queues = queues.cluster_queues.iter();
        queues.any(|queue| queue.name == local.cluster_queue)
    };
    let others = queues.local_queues.iter().filter(|local| !known(local));
    let others = drawing.local_queues(others, true);
    if !others.is_empty() {
        sections.push(others);
    }
    let mut text = sections.join("\n");
    let quotas = || queues.cluster_queues.iter().flat_map(|queue| &queue.quotas);
    if quotas().any(|quota| quota.has_borrowed()) {
        text += "\n█ used  ▒ borrowed from the cohort  ▞ lent to it  ░ free\n";
    }
    text
}

fn widths(queues: &Queues) -> (usize, usize) {
    let quotas = || queues.cluster_queues.iter().flat_map(|queue| &queue.quotas);
    let flavor = quotas().map(|quota| quota.flavor.len()).max();
    let resource = quotas().map(|quota| quota.resource.len()).max();
    (flavor.unwrap_or(0), resource.unwrap_or(0))
}

struct Drawing {
    room: Option<usize>,
    painted: bool,
    /// Of the longest flavor and resource.
    widths: (usize, usize),
}

impl Drawing {
    fn paint(&self, tone: Tone, text: &str) -> String {
        match self.painted {
            true => tone.paint(text),
            false => text.to_owned(),
        }
    }

    fn line(&self, text: &str) -> String {
        let text = printable::line(text);
        match self.room {
            Some(room) => cut(&text, room) + "\n",
            None => format!("{text}\n"),
        }
    }

    /// `3 admitted, 2 pending`, and what is wrong.
    fn state(&self, state: &QueueLine) -> (String, String) {
        let counts = format!("{} admitted, {} pending", state.admitted, state.pending);
        let wrong = state.reason.as_deref().unwrap_or_default();
        (counts, output::on_one_line(wrong).into_owned())
    }

    fn cluster_queue(&self, queue: &ClusterQueueLine) -> String {
        let (counts, wrong) = self.state(&queue.state);
        let cohort = queue.cohort.as_ref();
        let cohort = cohort.map_or_else(String::new, |cohort| format!(" in cohort {cohort}"));
        let mut text = self.line(&format!("{}{cohort}: {counts}", queue.name));
        if !wrong.is_empty() {
            text += &self.paint(Tone::Bad, &self.line(&format!("  {wrong}")));
        }
        for quota in &queue.quotas {
            text += &self.quota(quota);
        }
        text
    }

    fn quota(&self, quota: &QuotaLine) -> String {
        let (flavor, resource) = self.widths;
        let names = format!(
            "  {:<flavor$}  {:<resource$}  ",
            quota.flavor, quota.resource
        );
        let mut amounts = format!("  {} of {}", quota.used, quota.nominal);
        for (amount, word) in [(quota.borrowed, "borrowed"), (quota.lent, "lent")] {
            if amount > Default::default() {
                amounts += &format!(", {amount} {word}");
            }
        }
        let taken = names.chars().count() + amounts.chars().count();
        let cells = match self.room {
            Some(room) => room.saturating_sub(taken).clamp(SHORTEST, BAR),
            None => BAR,
        };
        let bar = bar(quota, cells);
        let tone = match quota.used >= quota.nominal {
            true => Tone::Busy,
            false => Tone::Good,
        };
        format!("{names}{}{amounts}\n", self.paint(tone, &bar))
    }

    fn local_queues<'a>(
        &self,
        queues: impl Iterator<Item = &'a LocalQueueLine>,
        of_others: bool,
    ) -> String {
        let mut text = String::new();
        for queue in queues {
            let (counts, wrong) = self.state(&queue.state);
            let (begin, of) = match of_others {
                true => ("", format!(" of ClusterQueue {}", queue.cluster_queue)),
                false => ("  ", String::new()),
            };
            let place = format!("LocalQueue {} in namespace {}", queue.name, queue.namespace);
            text += &self.line(&format!("{begin}{place}{of}: {counts}"));
            if !wrong.is_empty() {
                text += &self.paint(Tone::Bad, &self.line(&format!("{begin}  {wrong}")));
            }
            if of_others {
                for used in &queue.used {
                    text += &self.line(&format!(
                        "  {}  {}  {} used",
                        used.flavor, used.resource, used.used
                    ));
                }
            }
        }
        text
    }
}

/// Draws what is used, borrowed, lent and free.
fn bar(quota: &QuotaLine, cells: usize) -> String {
    let Parts {
        used,
        borrowed,
        lent,
        free,
    } = quota.parts(cells);
    [("█", used), ("▒", borrowed), ("▞", lent), ("░", free)]
        .map(|(cell, times)| cell.repeat(times))
        .concat()
}

#[cfg(test)]
crate::schema::testing::report_schemas!(QueueReport<'static> => "QueueList");
