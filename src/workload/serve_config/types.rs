//! The types of a `serveconfig`. What Ray does not know is no matter here: keys are
//! looked at one by one, in [`super::keys`].

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::yaml::Located;

/// A mapping whose keys are the user's.
pub(super) type Options = BTreeMap<String, Value>;

/// `ServeDeploySchema`.
#[derive(Debug, PartialEq, Deserialize)]
pub(super) struct ServeConfig {
    #[serde(default)]
    pub proxy_location: Option<Located<String>>,
    #[serde(default)]
    pub http_options: Option<HttpOptions>,
    #[serde(default)]
    pub grpc_options: Option<GrpcOptions>,
    #[serde(default)]
    pub logging_config: Option<LoggingConfig>,
    #[serde(default)]
    pub target_capacity: Option<f64>,
    pub applications: Vec<Located<Application>>,
}

/// `ServeApplicationSchema`.
#[derive(Debug, PartialEq, Deserialize)]
pub(super) struct Application {
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default)]
    pub route_prefix: Option<Located<String>>,
    #[serde(default)]
    pub import_path: Option<Located<String>>,
    #[serde(default)]
    pub runtime_env: Option<Options>,
    #[serde(default)]
    pub host: Option<String>,
    #[serde(default)]
    pub port: Option<i64>,
    #[serde(default)]
    pub deployments: Option<Vec<Located<Deployment>>>,
    #[serde(default)]
    pub autoscaling_policy: Option<Options>,
    #[serde(default)]
    pub external_scaler_enabled: Option<bool>,
    #[serde(default)]
    pub args: Option<Options>,
    #[serde(default)]
    pub logging_config: Option<LoggingConfig>,
}

/// `DeploymentSchema`.
#[derive(Debug, PartialEq, Deserialize)]
pub(super) struct Deployment {
    pub name: String,
    #[serde(default)]
    pub num_replicas: Option<Value>,
    #[serde(default)]
    pub max_ongoing_requests: Option<i64>,
    #[serde(default)]
    pub max_queued_requests: Option<i64>,
    #[serde(default)]
    pub user_config: Option<Value>,
    #[serde(default)]
    pub autoscaling_config: Option<Located<AutoscalingConfig>>,
    #[serde(default)]
    pub graceful_shutdown_wait_loop_s: Option<f64>,
    #[serde(default)]
    pub graceful_shutdown_timeout_s: Option<f64>,
    #[serde(default)]
    pub health_check_period_s: Option<f64>,
    #[serde(default)]
    pub health_check_timeout_s: Option<f64>,
    #[serde(default)]
    pub ray_actor_options: Option<RayActorOptions>,
    #[serde(default)]
    pub placement_group_bundles: Option<Vec<BTreeMap<String, f64>>>,
    #[serde(default)]
    pub placement_group_strategy: Option<Located<String>>,
    #[serde(default)]
    pub max_replicas_per_node: Option<i64>,
    #[serde(default)]
    pub logging_config: Option<LoggingConfig>,
    #[serde(default)]
    pub request_router_config: Option<Options>,
}

/// `RayActorOptionsSchema`.
#[derive(Debug, PartialEq, Deserialize)]
pub(super) struct RayActorOptions {
    #[serde(default)]
    pub runtime_env: Option<Options>,
    #[serde(default)]
    pub num_cpus: Option<f64>,
    #[serde(default)]
    pub num_gpus: Option<f64>,
    #[serde(default)]
    pub memory: Option<f64>,
    #[serde(default)]
    pub object_store_memory: Option<f64>,
    #[serde(default)]
    pub resources: Option<BTreeMap<String, f64>>,
    #[serde(default)]
    pub accelerator_type: Option<String>,
}

/// `AutoscalingConfig`.
#[derive(Debug, PartialEq, Deserialize)]
pub(super) struct AutoscalingConfig {
    #[serde(default)]
    pub min_replicas: Option<i64>,
    #[serde(default)]
    pub initial_replicas: Option<i64>,
    #[serde(default)]
    pub max_replicas: Option<i64>,
    #[serde(default)]
    pub target_ongoing_requests: Option<f64>,
    #[serde(default)]
    pub metrics_interval_s: Option<f64>,
    #[serde(default)]
    pub look_back_period_s: Option<f64>,
    #[serde(default)]
    pub smoothing_factor: Option<f64>,
    #[serde(default)]
    pub upscale_smoothing_factor: Option<f64>,
    #[serde(default)]
    pub downscale_smoothing_factor: Option<f64>,
    #[serde(default)]
    pub upscaling_factor: Option<f64>,
    #[serde(default)]
    pub downscaling_factor: Option<f64>,
    #[serde(default)]
    pub downscale_delay_s: Option<f64>,
    #[serde(default)]
    pub downscale_to_zero_delay_s: Option<f64>,
    #[serde(default)]
    pub upscale_delay_s: Option<f64>,
    #[serde(default)]
    pub aggregation_function: Option<Located<String>>,
    #[serde(default)]
    pub policy: Option<Value>,
}

/// `LoggingConfig`.
#[derive(Debug, PartialEq, Deserialize)]
pub(super) struct LoggingConfig {
    #[serde(default)]
    pub encoding: Option<Located<String>>,
    #[serde(default)]
    pub log_level: Option<Value>,
    #[serde(default)]
    pub logs_dir: Option<String>,
    #[serde(default)]
    pub enable_access_log: Option<bool>,
    #[serde(default)]
    pub additional_log_standard_attrs: Option<Vec<String>>,
}

/// `HTTPOptionsSchema`.
#[derive(Debug, PartialEq, Deserialize)]
pub(super) struct HttpOptions {
    #[serde(default)]
    pub host: Option<Located<String>>,
    #[serde(default)]
    pub port: Option<Located<i64>>,
    #[serde(default)]
    pub root_path: Option<String>,
    #[serde(default)]
    pub request_timeout_s: Option<f64>,
    #[serde(default)]
    pub keep_alive_timeout_s: Option<i64>,
    #[serde(default)]
    pub ssl_keyfile: Option<String>,
    #[serde(default)]
    pub ssl_certfile: Option<String>,
    #[serde(default)]
    pub ssl_keyfile_password: Option<String>,
    #[serde(default)]
    pub ssl_ca_certs: Option<String>,
}

/// `gRPCOptionsSchema`.
#[derive(Debug, PartialEq, Deserialize)]
pub(super) struct GrpcOptions {
    #[serde(default)]
    pub port: Option<i64>,
    #[serde(default)]
    pub grpc_servicer_functions: Option<Vec<String>>,
    #[serde(default)]
    pub request_timeout_s: Option<f64>,
}
