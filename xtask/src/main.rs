//! Project automation: `cargo xtask <task>`.

mod testbed;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about)]
struct Xtask {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// A real control plane on this machine, with Kueue, KubeRay and fake GPU nodes
    #[command(subcommand)]
    Testbed(testbed::Command),
}

fn main() -> ExitCode {
    let Task::Testbed(command) = Xtask::parse().task;
    match command.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
