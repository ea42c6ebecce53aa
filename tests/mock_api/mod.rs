//! The binary against a scripted API server: exact requests, and answers that
//! a real cluster gives only when something is broken.

mod agents;
mod answers;
mod any_kind;
mod arrays;
mod chat;
mod completion;
mod cp;
mod delete;
mod doctor;
mod drift;
mod exec;
mod history;
#[cfg(unix)]
mod hostile;
mod inference_sets;
#[cfg(unix)]
mod interrupted;
pub mod json;
mod judgement;
mod kaito;
pub(crate) mod kaito_life;
mod kept_apart;
mod leftovers;
mod list;
mod logs;
mod models;
mod namesakes;
mod newcomer;
mod nodes;
mod notify;
mod older;
mod outages;
mod progress;
mod protobuf;
mod queue_plans;
mod queueing;
mod queues;
mod reports;
mod requests;
mod retries;
mod rights;
mod run;
mod secret_from;
pub(crate) mod server;
#[cfg(unix)]
mod signals;
mod sizes;
mod status;
mod store;
mod top;
mod topology;
pub(crate) mod trouble;
mod update;
mod version;
mod versions;
mod volumes;
mod wait;
mod why;
