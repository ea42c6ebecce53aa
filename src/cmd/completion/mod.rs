//! `kaiwo completion`, and the question that its scripts ask.

mod answer;
mod attempt;

use crate::cli::Shell;
use crate::error::CommandError;
use crate::ui::Ui;

use super::help::cannot_write;

pub use answer::answer;

/// Prints the completion script of a shell.
///
/// The scripts know nothing but how to ask [`answer()`], so that they fit
/// every later kaiwo.
pub fn run(shell: Shell, ui: Ui) -> Result<(), CommandError> {
    let script = match shell {
        Shell::Bash => include_str!("../../../completions/kaiwo.bash"),
        Shell::Zsh => include_str!("../../../completions/_kaiwo"),
        Shell::Fish => include_str!("../../../completions/kaiwo.fish"),
        Shell::Elvish => include_str!("../../../completions/kaiwo.elv"),
        Shell::Powershell => include_str!("../../../completions/_kaiwo.ps1"),
    };
    ui.data(script).map_err(cannot_write)
}
