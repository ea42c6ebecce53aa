//! Predicts what Kueue will do with a workload: its queue, flavors, quota and
//! cohort.

pub mod capacity;
pub mod cohort;
pub mod counted;
pub mod fitting;
pub mod flavor;
pub mod forecast;
pub mod multikueue;
pub mod placement;
mod places;
pub mod queue;
pub mod sizing;
pub mod topology;
