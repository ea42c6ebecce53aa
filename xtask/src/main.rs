//! Project automation: `cargo xtask <task>`.

mod audit;
mod bench;
mod cargo;
mod demo;
mod dist;
mod faults;
mod layers;
mod schemas;
mod site;
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
    Demo(demo::DemoArgs),
    Audit(audit::Audit),
    Site(site::Site),
    /// Run all tests, cheapest layers first, and say which ran
    Test(layers::TestArgs),
    Bench(bench::Bench),
    Dist(dist::Dist),
    Schemas(schemas::Schemas),
    Faults(faults::Faults),
    /// A real control plane on this machine, with Kueue, KubeRay and fake GPU nodes
    #[command(subcommand)]
    Testbed(testbed::Command),
}

fn main() -> ExitCode {
    let result = match Xtask::parse().task {
        Task::Demo(demo) => demo.run(),
        Task::Audit(audit) => audit.run(),
        Task::Site(site) => site.run(),
        Task::Test(args) => layers::run(&args),
        Task::Bench(bench) => bench.run(),
        Task::Dist(dist) => dist.run(),
        Task::Schemas(schemas) => schemas.run(),
        Task::Faults(faults) => faults.run(),
        Task::Testbed(command) => command.run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Returns the root of the checkout that this was built from.
fn checkout() -> &'static str {
    concat!(env!("CARGO_MANIFEST_DIR"), "/..")
}
