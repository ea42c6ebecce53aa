//! Asks before something that cannot be undone.

use crate::error::{CommandError, ErrorClass};
use crate::ui::Ui;

use super::command_line::CommandLine;

/// Returns whether who runs this agrees.
///
/// # Errors
/// [`CommandError`] if nobody can be asked.
pub fn agreed(ui: Ui, question: &str) -> Result<bool, CommandError> {
    if !ui.can_ask() {
        let typed = CommandLine::typed();
        return Err(CommandError::new(
            ErrorClass::Usage,
            "confirmation required, but stdin is not a terminal",
        )
        .hint(typed.with(&["-y"]).noted("skips the confirmation"))
        .hint(typed.with(&["--dry-run"]).noted("shows what would change")));
    }
    let agrees = ui.ask(question);
    if !agrees {
        ui.status("nothing was changed");
    }
    Ok(agrees)
}
