//! Shows why a workload does not run, on one screen.

use k8s_openapi::jiff::Timestamp;
use serde::Serialize;

use super::page::{RemedyReport, TextPage, remedies};
use super::report::API_VERSION;
use super::span;
use super::table::Tone;
use crate::api::workload::Workload;
use crate::names::counted;
use crate::observe::status::Status;
use crate::observe::upstream::output;
use crate::observe::why::{Cause, Contest, Diagnosis, Finding, QuotaRow, Rival};
use crate::suggestion::Connection;

/// Rivals of each sort that are named; the others are counted.
const NAMED: usize = 3;
/// Rows of quota that are shown.
const ROWS: usize = 3;
/// Findings that are shown in full; further ones with their sentence only.
const IN_FULL: usize = 2;

/// What is told about a workload.
#[derive(Debug, Clone, Copy)]
pub struct Explanation<'a> {
    pub workload: &'a Workload,
    /// What keeps it.
    pub diagnosis: &'a Diagnosis,
    /// The time of the answer.
    pub now: Timestamp,
    /// What its commands talk to.
    pub connection: &'a Connection,
}

/// The answer for programs (`-o json`).
#[cfg_attr(test, derive(schemars::JsonSchema))]
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
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster: Option<&'a str>,
    findings: Vec<FindingReport<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    contest: Option<&'a Contest>,
    #[serde(skip_serializing_if = "<[&str]>::is_empty")]
    not_visible: &'a [&'static str],
}

#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct FindingReport<'a> {
    cause: Cause,
    summary: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    evidence: &'a [String],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    remedies: Vec<RemedyReport<'a>>,
}

impl<'a> FindingReport<'a> {
    fn new(finding: &'a Finding, connection: &Connection) -> Self {
        Self {
            cause: finding.cause,
            summary: &finding.summary,
            evidence: &finding.evidence,
            remedies: remedies(&finding.remedies, connection),
        }
    }
}

#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ObjectName<'a> {
    api_version: &'a str,
    kind: &'a str,
    name: &'a str,
}

impl Explanation<'_> {
    /// Returns the answer for programs.
    pub fn report(&self) -> DiagnosisReport<'_> {
        let Self {
            workload,
            diagnosis,
            ..
        } = self;
        let findings = diagnosis.findings.iter();
        let findings = findings.map(|finding| FindingReport::new(finding, self.connection));
        DiagnosisReport {
            api_version: API_VERSION,
            kind: "Diagnosis",
            namespace: &workload.metadata.namespace,
            workload: ObjectName {
                api_version: workload.object_version(),
                kind: workload.kind_name(),
                name: workload.name(),
            },
            status: diagnosis.standing.status,
            since: diagnosis.since,
            cluster: diagnosis.cluster.as_deref(),
            findings: findings.collect(),
            contest: diagnosis.contest.as_ref(),
            not_visible: &diagnosis.unseen,
        }
    }

    /// Returns the answer for people, its lines broken at `width` if that is
    /// given.
    pub fn text(&self, width: Option<usize>, colour: bool) -> String {
        let mut page = TextPage::new(width, colour);
        let diagnosis = self.diagnosis;
        page.line(0, self.tone(), &self.head());
        for (index, finding) in diagnosis.findings.iter().enumerate() {
            // One more sentence may follow the first, which says most.
            let sentence = capital(&finding.summary);
            page.gap();
            page.line(0, Tone::Plain, &sentence);
            if index < IN_FULL {
                for line in &finding.evidence {
                    page.line(2, Tone::Faint, &output::on_one_line(line));
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
            page.line(0, Tone::Plain, "Next steps:");
            for remedy in remedies {
                page.remedy(2, remedy, self.connection);
            }
        }
        page.unseen(&diagnosis.unseen);
        page.text()
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
        if let Some(cluster) = &diagnosis.cluster {
            text += &format!(", in cluster {cluster}");
        }
        if diagnosis.findings.is_empty() && !diagnosis.standing.reason.is_empty() {
            text += &format!(" ({})", diagnosis.standing.reason);
        }
        text
    }

    fn span(&self, since: Timestamp) -> String {
        span::human(self.now.as_second() - since.as_second())
    }

    fn contest(&self, contest: &Contest, page: &mut TextPage) {
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
                &format!("Ahead of it: {count}, with {}", counted(gpus, "GPU")),
            );
            self.rivals(&contest.ahead, page, true);
        }
        if !contest.holders.is_empty() {
            page.line(
                0,
                Tone::Plain,
                &format!("GPUs held by others ({}):", contest.held()),
            );
            self.rivals(&contest.holders, page, false);
        }
        for rule in &contest.rules {
            page.line(0, Tone::Plain, &capital(rule));
        }
    }

    fn rivals(&self, rivals: &[Rival], page: &mut TextPage, waits: bool) {
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
                let gpus = rival
                    .gpus
                    .map_or(String::new(), |gpus| counted(gpus, "GPU"));
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
                &format!("and {left} more, with {}", counted(gpus, "GPU")),
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

#[cfg(test)]
crate::schema::testing::report_schemas!(DiagnosisReport<'static> => "Diagnosis");
