//! Shows whether kaiwo would work, and what fixes what does not.

use serde::Serialize;

use crate::observe::doctor::{Check, CommandRights, Component, Report, State, Subject};
use crate::suggestion::Connection;
use crate::ui::page::{RemedyReport, TextPage, remedies};
use crate::ui::report::API_VERSION;
use crate::ui::table::Tone;

/// What was checked, and where.
#[derive(Debug, Clone, Copy)]
pub struct Examination<'a> {
    /// The results.
    pub report: &'a Report,
    /// Context of the kubeconfig, if it has one.
    pub context: Option<&'a str>,
    /// The namespace, once it is known.
    pub namespace: Option<&'a str>,
    /// As whom the API server knows the user.
    pub user: Option<&'a str>,
    /// What its commands talk to.
    pub connection: &'a Connection,
}

/// The report for programs (`-o json`).
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DoctorReport<'a> {
    api_version: &'static str,
    kind: &'static str,
    works: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    checks: Vec<CheckReport<'a>>,
    #[serde(skip_serializing_if = "<[Component]>::is_empty")]
    components: &'a [Component],
    #[serde(skip_serializing_if = "<[CommandRights]>::is_empty")]
    rights: &'a [CommandRights],
    #[serde(skip_serializing_if = "<[&str]>::is_empty")]
    not_visible: &'a [&'static str],
}

#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct CheckReport<'a> {
    subject: Subject,
    state: State,
    summary: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    evidence: &'a [String],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    remedies: Vec<RemedyReport<'a>>,
}

impl Examination<'_> {
    /// Returns the report for programs.
    pub fn report(&self) -> DoctorReport<'_> {
        let check = |check| CheckReport::new(check, self.connection);
        DoctorReport {
            api_version: API_VERSION,
            kind: "DoctorReport",
            works: self.report.works(),
            context: self.context,
            namespace: self.namespace,
            user: self.user,
            checks: self.report.checks.iter().map(check).collect(),
            components: &self.report.components,
            rights: &self.report.rights,
            not_visible: &self.report.unseen,
        }
    }

    /// Returns it for people, its lines broken at `width` if that is given.
    pub fn text(&self, width: Option<usize>, colour: bool) -> String {
        let mut page = TextPage::new(width, colour);
        let checks = &self.report.checks;
        let widest = |of: fn(&Check) -> &'static str| checks.iter().map(|it| of(it).len()).max();
        let states = widest(|it| it.state.word()).unwrap_or_default();
        let titles = widest(|it| it.subject.title()).unwrap_or_default();
        for check in checks {
            let (word, title) = (check.state.word(), check.subject.title());
            let word = page.paint(tone(check.state), &format!("{word:states$}"));
            page.entry(
                &format!("{word}  {title:titles$}  "),
                states + titles + 4,
                &check.summary,
            );
            for line in &check.evidence {
                page.line(states + 4, Tone::Faint, line);
            }
            for remedy in &check.remedies {
                page.remedy(states + 4, remedy, self.connection);
            }
        }
        page.unseen(&self.report.unseen);
        page.text()
    }
}

fn tone(state: State) -> Tone {
    match state {
        State::Ok => Tone::Good,
        State::Absent | State::Unknown => Tone::Faint,
        State::Warning => Tone::Busy,
        State::Problem => Tone::Bad,
    }
}

impl<'a> CheckReport<'a> {
    fn new(check: &'a Check, connection: &Connection) -> Self {
        Self {
            subject: check.subject,
            state: check.state,
            summary: &check.summary,
            evidence: &check.evidence,
            remedies: remedies(&check.remedies, connection),
        }
    }
}

#[cfg(test)]
crate::schema::testing::report_schemas!(DoctorReport<'static> => "DoctorReport");
