//! The commands that reach into what runs.

pub mod attach;
pub mod chat;
pub mod cp;
pub mod exec;
mod heartbeat;
pub mod logs;
pub mod port_forward;
mod selection;
mod streams;
