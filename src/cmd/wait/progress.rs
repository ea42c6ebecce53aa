//! Tells people and programs how a wait goes.

use std::collections::HashSet;

use k8s_openapi::jiff::Timestamp;

use crate::error::CommandError;
use crate::observe::kind::tasks;
use crate::observe::log::progress::Progress as ProgramProgress;
use crate::observe::trouble::without_restarts;
use crate::observe::wait::WaitVerdict;
use crate::observe::{Snapshot, Standing, Status};
use crate::ui::document::json_line;
use crate::ui::wait::{WaitEvent, line};
use crate::ui::{Spinner, Ui};

use super::Wait;
use crate::cmd::help::cannot_write;

/// Returns how many tenths of an array that runs are done, and how many tasks failed.
fn tenths(snapshot: &Snapshot) -> Option<(i64, i64)> {
    let (spec, status) = tasks::job(&snapshot.workload)?;
    let (done, failed) = (
        status.completed_indexes.count(),
        status.failed_indexes.count(),
    );
    (done + failed > 0).then(|| (done * 10 / spec.tasks().max(1), failed))
}

/// How a wait ended well, as it was told.
pub struct Ended {
    /// To people, on one line.
    pub line: String,
    /// To programs: the last event.
    pub event: String,
}

/// Tells how a wait goes.
pub struct ProgressVoice {
    name: String,
    ui: Ui,
    as_json: bool,
    /// Shown on a terminal, where it takes the place of lines.
    progress: Option<Spinner>,
    said: String,
    /// Whether something else stands in its place.
    is_noted: bool,
    /// What was said since the workload came into its present status.
    heard: HashSet<String>,
    status: Option<Status>,
    /// How far an array was when that was said last.
    tenths: Option<(i64, i64)>,
    told: String,
    last: String,
}

impl ProgressVoice {
    /// Begins to report on the workload of this name.
    pub fn new(name: &str, ui: Ui, wait: &Wait) -> Self {
        // A log would run through it.
        let has_line = ui.is_watched() && !wait.follow;
        Self {
            name: name.to_owned(),
            ui,
            as_json: wait.as_json,
            progress: has_line.then(|| ui.progress("waiting")),
            said: String::new(),
            is_noted: false,
            heard: HashSet::new(),
            status: None,
            tenths: None,
            told: String::new(),
            last: String::new(),
        }
    }

    /// Returns how it ended.
    pub fn ended(self) -> Ended {
        Ended {
            line: format!("{} {}", self.name, self.said),
            event: self.last,
        }
    }

    /// Returns what was said last.
    pub fn said(&self) -> &str {
        &self.said
    }

    /// Says what the workload does now, unless that was said last.
    pub fn say(&mut self, words: &str) {
        if self.said == words && !std::mem::take(&mut self.is_noted) {
            return;
        }
        words.clone_into(&mut self.said);
        let line = format!("{} {words}", self.name);
        match &self.progress {
            Some(progress) => progress.say(line),
            None => self.ui.status(line),
        }
    }

    /// Says something that is not how the workload fares.
    pub fn note(&mut self, words: &str) {
        match &self.progress {
            Some(progress) => {
                progress.say(words.to_owned());
                self.is_noted = true;
            }
            None => self.ui.status(format!("→ {words}")),
        }
    }

    /// Says what was not said yet since the workload came into this status: of what
    /// alternates, each is news once. Places in a queue are news each time.
    fn say_once(&mut self, status: Status, words: &str) {
        if self.status.replace(status) != Some(status) || status.is_waiting() {
            self.heard.clear();
        }
        let is_news = self.heard.insert(without_restarts(words));
        if is_news || self.progress.is_some() {
            self.say(words);
        } else {
            words.clone_into(&mut self.said);
        }
    }

    /// Says how far an array is: on a terminal each change, else each tenth of it and
    /// each failure.
    fn say_progress(&mut self, status: Status, words: &str, tenths: (i64, i64)) {
        if self.progress.is_none() && self.status == Some(status) && self.tenths == Some(tenths) {
            words.clone_into(&mut self.said);
            return;
        }
        self.tenths = Some(tenths);
        self.status = Some(status);
        self.say(words);
    }

    /// Returns whether somebody wants to know how far the program is: programs, and
    /// who looks at a line that changes.
    pub fn shows_progress(&self) -> bool {
        self.as_json || self.progress.is_some()
    }

    /// Reports a look at the workload, also to programs that read stdout.
    ///
    /// # Errors
    /// [`CommandError`] if stdout cannot be written.
    pub fn tell(
        &mut self,
        snapshot: &Snapshot,
        progress: Option<&ProgramProgress>,
        standing: &Standing,
        verdict: &WaitVerdict,
    ) -> Result<(), CommandError> {
        let is_last = *verdict == WaitVerdict::Reached;
        // What went wrong is told as an error.
        if !matches!(verdict, WaitVerdict::Failed { .. }) {
            let mut words = line(snapshot, standing);
            // A line for each change would be one for each step.
            if let Some(progress) = progress.filter(|_| self.progress.is_some()) {
                words += &format!(", {}", progress.text(0));
            }
            match tenths(snapshot) {
                Some(tenths) => self.say_progress(standing.status, &words, tenths),
                None => self.say_once(standing.status, &words),
            }
        }
        if is_last && self.progress.take().is_some() {
            self.ui.status(format!("{} {}", self.name, self.said));
        }
        let event = WaitEvent::new(snapshot, standing, Timestamp::now()).at(progress);
        let state = event.state();
        if is_last || (self.as_json && state != self.told) {
            let event = if is_last { event.last() } else { event };
            self.last = json_line(&event);
            if self.as_json {
                self.ui.data(&self.last).map_err(cannot_write)?;
            }
        }
        self.told = state;
        Ok(())
    }
}
