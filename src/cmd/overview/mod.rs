//! Commands about the whole cluster.

pub mod doctor;
pub mod history;
pub mod models;
pub mod nodes;
mod past;
pub mod queues;
pub mod top;
pub mod usage;
pub mod version;
pub mod volumes;
