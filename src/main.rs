//! The `kaiwo` binary: parses the command line, runs the command, and turns
//! its outcome into an exit code.

use std::process::ExitCode;

use clap::Parser;
use kaiwo::cli::Cli;

fn main() -> ExitCode {
    kaiwo::cmd::run(Cli::try_parse())
}
