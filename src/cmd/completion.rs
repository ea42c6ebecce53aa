//! `kaiwo completion`.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::Cli;
use crate::error::CommandError;
use crate::ui::Ui;

use super::help::cannot_write;

/// Prints the completion script of a shell.
pub fn run(shell: Shell, ui: Ui) -> Result<(), CommandError> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "kaiwo", &mut script);
    ui.data(&String::from_utf8_lossy(&script))
        .map_err(cannot_write)
}
