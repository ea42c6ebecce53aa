//! Reaches into pods: their logs, their ports, what they serve.

pub mod copy;
pub mod forward_target;
pub mod logs;
pub mod route;
pub mod tunnel;
