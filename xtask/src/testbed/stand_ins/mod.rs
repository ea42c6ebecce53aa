//! Servers that answer in place of what no pod runs: Ray's dashboards, models, metrics.

mod http;
pub mod metrics;
pub mod model_servers;
pub mod prometheus;
pub mod ray_dashboard;
