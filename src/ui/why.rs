//! Shows why a workload does not run, on one screen.

use k8s_openapi::jiff::Timestamp;
use serde::Serialize;
use unicode_width::UnicodeWidthStr;

use super::report::API_VERSION;
use super::span;
use super::table::Tone;
use crate::api::workload::Workload;
use crate::observe::status::Status;
use crate::observe::why::{Contest, Diagnosis, Finding, QuotaRow, Rival, Who};

/// Rivals of each sort that are named; the others are counted.
const NAMED: usize = 3;
/// Rows of quota that are shown.
const ROWS: usize = 3;
/// Findings that are shown in full; further ones with their sentence only.
const IN_FULL: usize = 2;

/// What is told about a workload.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// The workload.
    pub workload: &'a Workload,
    /// What keeps it.
    pub diagnosis: &'a Diagnosis,
    /// The time of the answer.
    pub now: Timestamp,
}

/// The answer for programs (`-o json`).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DiagnosisReport<'a> {
    api_version: &'static str,
    kind: &'static str,
    namespace: &'a str,
    workload: ObjectName<'a>,
    status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<Timestamp>,
    findings: &'a [Finding],
    #[serde(skip_serializing_if = "Option::is_none")]
    contest: Option<&'a Contest>,
    #[serde(skip_serializing_if = "<[&str]>::is_empty")]
    not_visible: &'a [&'static str],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ObjectName<'a> {
    api_version: &'a str,
    kind: &'static str,
    name: &'a str,
}

impl Answer<'_> {
    /// Returns the answer for programs.
    pub fn report(&self) -> DiagnosisReport<'_> {
        let Self {
            workload,
            diagnosis,
            ..
        } = self;
        DiagnosisReport {
            api_version: API_VERSION,
            kind: "Diagnosis",
            namespace: &workload.metadata.namespace,
            workload: ObjectName {
                api_version: &workload.api_version,
                kind: workload.kind.name(),
                name: &workload.metadata.name,
            },
            status: diagnosis.standing.status,
            since: diagnosis.since,
            findings: &diagnosis.findings,
            contest: diagnosis.contest.as_ref(),
            not_visible: &diagnosis.unseen,
        }
    }

    /// Returns the answer for people, its lines broken at `width` if that is
    /// given.
    pub fn text(&self, width: Option<usize>, colour: bool) -> String {
        let mut page = Page {
            width,
            colour,
            lines: Vec::new(),
        };
        let diagnosis = self.diagnosis;
        page.line(0, self.tone(), &self.head());
        for (index, finding) in diagnosis.findings.iter().enumerate() {
            // One more sentence may follow the first, which says most.
            let sentence = capital(&finding.summary);
            page.gap();
            page.line(0, Tone::Plain, &sentence);
            if index < IN_FULL {
                for line in &finding.evidence {
                    page.line(2, Tone::Faint, line);
                }
            }
        }
        if let Some(contest) = &diagnosis.contest {
            self.contest(contest, &mut page);
        }
        let remedies: Vec<_> = diagnosis
            .findings
            .iter()
            .take(IN_FULL)
            .flat_map(|finding| &finding.remedies)
            .collect();
        if !remedies.is_empty() {
            page.gap();
            page.line(0, Tone::Plain, "What helps:");
            for remedy in remedies {
                let who = match remedy.who {
                    Who::You => "you: ",
                    Who::Admin => "an admin: ",
                    Who::Nobody => "",
                };
                page.line(2, Tone::Plain, &format!("- {who}{}", remedy.text));
                if let Some(command) = &remedy.command {
                    // Whole, so that it can be copied.
                    page.raw(&format!("    {}", page.paint(Tone::Good, command)));
                }
            }
        }
        if !diagnosis.unseen.is_empty() {
            page.gap();
            page.line(
                0,
                Tone::Faint,
                &format!(
                    "not visible to you: {}; an admin sees more",
                    diagnosis.unseen.join(", ")
                ),
            );
        }
        page.lines.join("\n") + "\n"
    }

    fn tone(&self) -> Tone {
        match self.diagnosis.standing.status {
            Status::Running | Status::Ready | Status::Succeeded => Tone::Good,
            Status::Failed | Status::Degraded => Tone::Bad,
            _ => Tone::Busy,
        }
    }

    fn head(&self) -> String {
        let Self {
            workload,
            diagnosis,
            ..
        } = self;
        let status = diagnosis.standing.status;
        let mut text = format!("{}: {status}", workload.display_name());
        if let Some(since) = diagnosis.since {
            let span = self.span(since);
            text += &match status {
                Status::Succeeded | Status::Failed => format!(" {span} ago"),
                _ => format!(" for {span}"),
            };
        }
        if let Some(contest) = &diagnosis.contest {
            if let Some(place) = contest.place {
                let of = contest.of.map_or(String::new(), |of| format!(" of {of}"));
                text += &format!(", {place}{of} in queue {}", contest.local_queue);
            } else {
                text += &format!(", in queue {}", contest.local_queue);
            }
        }
        if diagnosis.findings.is_empty() && !diagnosis.standing.reason.is_empty() {
            text += &format!(" ({})", diagnosis.standing.reason);
        }
        text
    }

    fn span(&self, since: Timestamp) -> String {
        span::human(self.now.as_second() - since.as_second())
    }

    fn contest(&self, contest: &Contest, page: &mut Page) {
        let rows: Vec<Vec<String>> = contest.quota.iter().take(ROWS).map(row).collect();
        if !rows.is_empty() {
            page.gap();
            let titles = ["FLAVOR", "RESOURCE", "REQUESTED", "FREE", "QUOTA", "MOST"];
            page.columns(&titles, &rows);
        }
        if !contest.ahead.is_empty() {
            let gpus: i64 = contest.ahead.iter().filter_map(|rival| rival.gpus).sum();
            let count = contest.ahead.len();
            page.line(
                0,
                Tone::Plain,
                &format!("Ahead of it: {count}, with {}", many(gpus)),
            );
            self.rivals(&contest.ahead, page, true);
        }
        if !contest.holders.is_empty() {
            page.line(
                0,
                Tone::Plain,
                &format!("Who holds the GPUs ({}):", contest.held()),
            );
            self.rivals(&contest.holders, page, false);
        }
        for rule in &contest.rules {
            page.line(0, Tone::Plain, &capital(rule));
        }
    }

    fn rivals(&self, rivals: &[Rival], page: &mut Page, waits: bool) {
        // Whoever is next to it matters more than the first of a hundred.
        let named = match waits {
            true => &rivals[rivals.len().saturating_sub(NAMED)..],
            false => &rivals[..rivals.len().min(NAMED)],
        };
        let left = rivals.len() - named.len();
        let own = &self.workload.metadata.namespace;
        let rows: Vec<Vec<String>> = named
            .iter()
            .map(|rival| {
                let place = rival
                    .place
                    .map_or(String::new(), |place| format!("{place}."));
                let name = match rival.namespace == *own {
                    true => rival.workload.clone(),
                    false => format!("{} in {}", rival.workload, rival.namespace),
                };
                let gpus = rival.gpus.map_or(String::new(), many);
                let user = rival.user.clone().unwrap_or_default();
                let since = rival.since.map_or(String::new(), |since| {
                    let verb = if waits { "waits" } else { "for" };
                    format!("{verb} {}", self.span(since))
                });
                let queue = rival
                    .cluster_queue
                    .as_ref()
                    .map_or(String::new(), |queue| format!("from {queue}"));
                let mut row = vec![name, gpus, user, since, queue];
                if waits {
                    row.insert(0, place);
                }
                row
            })
            .collect();
        page.columns(&[], &rows);
        if left > 0 {
            let hidden = rivals.iter().filter(|rival| !named.contains(rival));
            let gpus: i64 = hidden.filter_map(|rival| rival.gpus).sum();
            page.line(
                2,
                Tone::Faint,
                &format!("and {left} more, with {}", many(gpus)),
            );
        }
    }
}

fn row(row: &QuotaRow) -> Vec<String> {
    let text = |amount: Option<_>| amount.map_or(String::new(), |amount| format!("{amount}"));
    vec![
        row.flavor.clone(),
        row.resource.clone(),
        format!("{}", row.requested),
        text(row.free),
        text(row.nominal),
        text(row.most),
    ]
}

fn many(gpus: i64) -> String {
    match gpus {
        1 => "1 GPU".to_owned(),
        gpus => format!("{gpus} GPUs"),
    }
}

fn capital(sentence: &str) -> String {
    let mut rest = sentence.chars();
    match rest.next() {
        // Kinds, names and numbers are as they are.
        Some(first) if sentence.starts_with("it ") || sentence.starts_with("its ") => {
            format!("{}{}", first.to_uppercase(), rest.as_str())
        }
        Some(first)
            if sentence
                .split([' ', ','])
                .next()
                .is_some_and(|word| word.chars().all(|c| c.is_ascii_lowercase())) =>
        {
            format!("{}{}", first.to_uppercase(), rest.as_str())
        }
        _ => sentence.to_owned(),
    }
}

struct Page {
    width: Option<usize>,
    colour: bool,
    lines: Vec<String>,
}

impl Page {
    fn paint(&self, tone: Tone, text: &str) -> String {
        match self.colour {
            true => tone.paint(text),
            false => text.to_owned(),
        }
    }

    fn raw(&mut self, line: &str) {
        self.lines.push(line.trim_end().to_owned());
    }

    fn gap(&mut self) {
        self.lines.push(String::new());
    }

    /// Adds a line, broken between words where the terminal ends.
    fn line(&mut self, indent: usize, tone: Tone, text: &str) {
        // A terminal must not be told anything by what a pod printed.
        let text: String = text
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        let room = self.width.map(|width| width.saturating_sub(indent).max(20));
        let mut piece = String::new();
        let mut pieces = Vec::new();
        for word in text.split(' ') {
            let full = room
                .is_some_and(|room| !piece.is_empty() && piece.width() + 1 + word.width() > room);
            if full {
                pieces.push(std::mem::take(&mut piece));
                piece += "  ";
                piece += word;
                continue;
            }
            if !piece.is_empty() {
                piece.push(' ');
            }
            piece += word;
        }
        pieces.push(piece);
        for piece in pieces {
            let line = format!("{:indent$}{}", "", self.paint(tone, &piece));
            self.raw(&line);
        }
    }

    /// Adds rows in columns, numbers to the right.
    fn columns(&mut self, titles: &[&str], rows: &[Vec<String>]) {
        let count = rows.iter().map(Vec::len).max().unwrap_or_default();
        let widths: Vec<usize> = (0..count)
            .map(|column| {
                let title = titles.get(column).map_or(0, |title| title.width());
                let cells = rows.iter().filter_map(|row| row.get(column));
                cells.map(|cell| cell.width()).max().unwrap_or(0).max(title)
            })
            .collect();
        let is_number = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
        let line = |cells: Vec<&str>| {
            let mut line = String::from(" ");
            for (column, cell) in cells.iter().enumerate() {
                let width = widths[column];
                if width == 0 {
                    continue;
                }
                let pad = width.saturating_sub(cell.width());
                let right = rows
                    .iter()
                    .filter_map(|row| row.get(column))
                    .any(|cell| is_number(cell));
                line += &match right {
                    true => format!(" {:pad$}{cell} ", ""),
                    false => format!(" {cell}{:pad$} ", ""),
                };
            }
            line
        };
        if !titles.is_empty() {
            let head = line(titles.to_vec());
            let head = self.paint(Tone::Faint, head.trim_end());
            self.raw(&head);
        }
        for row in rows {
            let text = line(row.iter().map(String::as_str).collect());
            self.raw(&text);
        }
    }
}
