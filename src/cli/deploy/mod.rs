//! Flags of the commands that make workloads: `submit` and `serve`.

pub mod run;
pub mod serve;
pub mod submit;
pub mod workload;
