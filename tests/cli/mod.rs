//! The binary without a cluster: what it prints, and how it ends.

mod completion;
mod config;
mod dry_run;
mod help;
mod kaito;
mod precedence;
mod refusals;
mod schema;
mod serve;
mod templates;
