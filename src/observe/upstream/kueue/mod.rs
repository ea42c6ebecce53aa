//! Kueue's words about a Workload.

mod eviction;
mod quota_blocker;

pub use eviction::{Deactivation, Eviction, Preemptor, eviction, preemptor};
pub use quota_blocker::{QuotaBlocker, is_of_twin, quota_blockers};
