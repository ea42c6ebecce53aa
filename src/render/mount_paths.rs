//! The paths of files and scratch space in a container.

/// Where the files of a job appear.
pub const WORKLOAD_DIRECTORY: &str = "/workload";
/// Where a workload may write.
pub const SCRATCH_DIRECTORY: &str = "/scratch";
/// Tells the program by which signal it is ended; there is none before.
pub const SIGNAL_FILE: &str = "/kaiwo/run/signal";
