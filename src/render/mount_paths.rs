//! The paths of files and scratch space in a container.

/// Where the files of a job appear.
pub const WORKLOAD_DIRECTORY: &str = "/workload";
/// Where a workload may write.
pub const SCRATCH_DIRECTORY: &str = "/scratch";
