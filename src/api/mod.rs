//! What the API server says: views of the few fields that matter of the objects
//! of Kubernetes, Kueue, Ray and KAITO, and the names they go by.

pub mod condition;
pub mod deployment;
pub mod event;
pub mod gpu_resource;
pub mod job;
pub mod kaito;
pub mod keys;
pub mod kueue_workload;
pub mod metadata;
pub mod node;
pub mod pod;
pub mod pod_template;
pub mod queue;
pub mod ray;
pub mod resource;
pub mod selector;
pub mod workload;

/// An answer, or the reason why there is none.
#[derive(Debug, Clone, PartialEq)]
pub enum Readable<T> {
    /// The API server answered.
    Known(T),
    /// The user may not read this.
    Forbidden,
}

impl<T> Readable<T> {
    /// Returns the answer, if there is one.
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Forbidden => None,
        }
    }
}
