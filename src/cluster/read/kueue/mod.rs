//! Reads what Kueue has: queues, what they hold, and what a change of it would do.

pub mod queueing;
pub mod queues;
pub mod workloads;
