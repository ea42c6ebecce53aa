//! Views of the objects of Kubernetes, Kueue, Ray and KAITO, with the few fields
//! that matter, and the names they go by.

pub mod access;
pub mod claim;
pub mod condition;
pub mod event;
pub mod keys;
pub mod kueue_configuration;
pub mod kueue_workload;
pub mod metadata;
pub mod node;
pub mod operator;
pub mod pod;
pub mod pod_template;
pub mod queue;
pub mod resource;
pub mod selector;
pub mod topology;
pub mod vendor;
pub mod workload;

pub use kaiwo_base::answer::{Page, Readable, Reading};
pub use kaiwo_base::protobuf::{self, Encoded};
