//! The commands that reach into what runs.

pub mod chat;
pub mod cp;
pub mod exec;
pub mod logs;
pub mod port_forward;
