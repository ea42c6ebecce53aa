//! Tells people and programs how a wait goes.

use k8s_openapi::jiff::Timestamp;

use crate::api::event::Event;
use crate::error::CommandError;
use crate::observe::wait::Verdict;
use crate::observe::{Snapshot, Standing};
use crate::ui::wait::{WaitEvent, line};
use crate::ui::{Progress, Ui, report};

use super::Wait;
use crate::cmd::help::cannot_write;

/// Tells how a wait goes.
pub struct ProgressVoice {
    name: String,
    ui: Ui,
    as_json: bool,
    /// Shown on a terminal, where it takes the place of lines.
    progress: Option<Progress>,
    said: String,
    told: String,
}

impl ProgressVoice {
    pub fn new(name: &str, ui: Ui, wait: &Wait) -> Self {
        // A log would run through it.
        let has_line = ui.is_watched() && !wait.follow;
        Self {
            name: name.to_owned(),
            ui,
            as_json: wait.as_json,
            progress: has_line.then(|| ui.progress("waiting")),
            said: String::new(),
            told: String::new(),
        }
    }

    /// Returns what was said last.
    pub fn said(&self) -> &str {
        &self.said
    }

    pub fn say(&mut self, words: &str) {
        if self.said == words {
            return;
        }
        words.clone_into(&mut self.said);
        let line = format!("{} {words}", self.name);
        match &self.progress {
            Some(progress) => progress.say(line),
            None => self.ui.status(line),
        }
    }

    pub fn tell(
        &mut self,
        snapshot: &Snapshot,
        standing: &Standing,
        events: &[Event],
        verdict: &Verdict,
    ) -> Result<(), CommandError> {
        let is_last = *verdict == Verdict::Reached;
        // What went wrong is told as an error.
        if !matches!(verdict, Verdict::Failed { .. }) {
            self.say(&line(snapshot, standing, events));
        }
        if is_last && self.progress.take().is_some() {
            self.ui.status(format!("{} {}", self.name, self.said));
        }
        let event = WaitEvent::new(snapshot, standing, Timestamp::now());
        let state = event.state();
        if self.as_json && (is_last || state != self.told) {
            let event = if is_last { event.last() } else { event };
            let line = report::json_line(&event);
            self.ui.data(&line).map_err(cannot_write)?;
        }
        self.told = state;
        Ok(())
    }
}
