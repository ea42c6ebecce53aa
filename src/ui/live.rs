//! Text on a terminal that is drawn again in the same place.

use std::io;

use super::Ui;

/// What was drawn last.
#[derive(Debug, Default)]
pub struct Live {
    lines: usize,
}

impl Live {
    /// Draws `text` over what was drawn before, as much of it as the terminal
    /// has lines. Returns whether anybody still looks.
    ///
    /// # Errors
    /// As [`Ui::data`].
    pub fn draw(&mut self, text: &str, ui: Ui) -> io::Result<bool> {
        let room = ui
            .data_height()
            .map_or(usize::MAX, |height| height.max(3) - 2);
        let all = text.lines().count();
        let mut shown: Vec<String> = text.lines().take(room).map(str::to_owned).collect();
        if all > room {
            shown.push(format!("… and {} more", all - room));
        }
        let mut drawn = String::new();
        if self.lines > 0 {
            drawn += &format!("\x1b[{}A\r", self.lines);
        }
        // A line that wrapped would be two, and leave one behind.
        drawn += "\x1b[?7l";
        for line in &shown {
            drawn += line;
            drawn += "\x1b[K\n";
        }
        drawn += "\x1b[J\x1b[?7h";
        self.lines = shown.len();
        ui.stream(&drawn)
    }
}
