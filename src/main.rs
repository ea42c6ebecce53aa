//! The `kaiwo` binary: runs the command that was typed, and turns its outcome into an
//! exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    kaiwo::cmd::run(std::env::args_os().skip(1))
}
