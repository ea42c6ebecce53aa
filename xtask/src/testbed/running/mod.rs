//! Starts a testbed's programs, watches over them and ends them.

pub mod control;
pub mod daemons;
pub mod loopback;
pub mod namespaces;
pub mod process;
pub mod programs;
pub mod relay;
pub mod supervisor;
