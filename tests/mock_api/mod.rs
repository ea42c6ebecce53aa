//! The binary against a scripted API server: exact requests, and answers that
//! a real cluster gives only when something is broken.

mod chat;
mod completion;
mod delete;
mod exec;
mod inference_sets;
pub mod json;
mod kaito;
mod leftovers;
mod list;
mod logs;
mod models;
mod namesakes;
mod outages;
mod queues;
mod requests;
mod retries;
pub(crate) mod server;
#[cfg(unix)]
mod signals;
mod status;
mod store;
mod top;
pub(crate) mod trouble;
mod update;
mod wait;
mod why;
