//! Compares manifests with what is there: what changes of an object, whether it
//! can change in place, and what that takes. Nothing here talks to a cluster.

pub mod companions;
pub mod comparison;
pub mod content;
pub mod drift;
pub mod existing;
pub mod in_place;
pub mod metadata;
pub mod queueing;
pub mod rbac;
pub mod record;
pub mod rollback;
pub mod values;
pub mod version;
