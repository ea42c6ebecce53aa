//! The binary without a cluster: what it prints, and how it ends.

#[cfg(target_os = "linux")]
pub mod bounds;
mod built_in_templates;
mod completion;
mod config;
mod cp;
mod dry_run;
#[cfg(unix)]
mod files;
mod go_templates;
mod help;
mod init;
mod kaito;
mod models;
#[cfg(unix)]
mod plugin;
mod precedence;
mod preload;
mod public_cases;
mod refusals;
mod run;
mod schema;
mod serve;
mod templates;
mod why;
