//! What is followed on stdout: a terminal shows it again in the same place, a
//! pipe gets what is new.

use std::fmt::Display;
use std::io;

use super::Ui;
use crate::printable;

/// What was drawn last.
#[derive(Debug)]
pub struct LiveView {
    ui: Ui,
    is_drawn: bool,
    lines: usize,
    /// A line below it.
    note: String,
}

impl LiveView {
    /// Has drawn nothing yet.
    pub fn new(ui: Ui) -> Self {
        Self {
            ui,
            is_drawn: ui.data_height().is_some(),
            lines: 0,
            note: String::new(),
        }
    }

    /// Returns whether a terminal shows it.
    pub fn is_drawn(&self) -> bool {
        self.is_drawn
    }

    /// Says something beside it that holds until `passes`: below what is
    /// drawn, with the next drawing, else on stderr.
    pub fn note(&mut self, note: impl Display, passes: bool) {
        match (self.is_drawn, passes) {
            (false, _) => self.ui.status(format!("→ {note}")),
            (true, false) => self.note = format!("→ {note}\n"),
            (true, true) => self.note.clear(),
        }
    }

    /// Draws `text` over what was drawn before, as much of it as the terminal
    /// has lines; a pipe gets all of it. Returns whether anybody still looks.
    ///
    /// # Errors
    /// As [`Ui::data`].
    pub fn draw(&mut self, text: &str) -> io::Result<bool> {
        if !self.is_drawn {
            return match text.is_empty() {
                true => Ok(true),
                false => self.ui.stream(text),
            };
        }
        let room = self.ui.data_height().map_or(usize::MAX, |height| {
            height.max(4) - 2 - self.note.lines().count()
        });
        let all = text.lines().count();
        let mut shown: Vec<String> = text.lines().take(room).map(str::to_owned).collect();
        if all > room {
            shown.push(format!("… and {} more", all - room));
        }
        shown.extend(self.note.lines().map(str::to_owned));
        let mut drawn = String::new();
        if self.lines > 0 {
            drawn += &format!("\x1b[{}A\r", self.lines);
        }
        // A line that wrapped would be two, and leave one behind.
        drawn += "\x1b[?7l";
        for line in &shown {
            drawn += &printable::colored(line);
            drawn += "\x1b[K\n";
        }
        drawn += "\x1b[J\x1b[?7h";
        self.lines = shown.len();
        self.ui.bytes(drawn.as_bytes())
    }
}
