//! Flags of the commands about the whole cluster.

pub mod doctor;
pub mod models;
pub mod nodes;
pub mod queues;
pub mod top;
pub mod volumes;
