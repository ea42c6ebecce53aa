//! Which claims hold files of workloads, and who mounts them.

pub mod helper;
pub mod mounts;
pub mod volumes;
