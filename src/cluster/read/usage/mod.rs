//! Reads what workloads have used, and how far their programs are.

pub mod accounts;
pub mod progress;
