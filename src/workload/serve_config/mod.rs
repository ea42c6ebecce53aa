//! The `serveconfig` file: what Ray Serve runs. Ray itself ignores keys that it
//! does not know, wherever they stand, so that a slip goes unnoticed until
//! nothing scales; here it is an error.
//!
//! Source of the rules: `ray/serve/schema.py` and `config.py` of Ray 2.52.

mod imports;

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

pub use imports::check_imports;

use super::WorkloadError;
use crate::names::nearest;
use crate::yaml::{self, Located};

type Options = BTreeMap<String, Value>;

/// `ServeDeploySchema`.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct ServeConfig {
    #[serde(default)]
    proxy_location: Option<String>,
    #[serde(default)]
    http_options: Option<HttpOptions>,
    #[serde(default)]
    grpc_options: Option<GrpcOptions>,
    #[serde(default)]
    logging_config: Option<LoggingConfig>,
    #[serde(default)]
    target_capacity: Option<f64>,
    applications: Vec<Located<Application>>,
}

/// `ServeApplicationSchema`.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Application {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    route_prefix: Option<Located<String>>,
    #[serde(default)]
    import_path: Option<Located<String>>,
    #[serde(default)]
    runtime_env: Option<Options>,
    #[serde(default)]
    host: Option<String>,
    #[serde(default)]
    port: Option<i64>,
    #[serde(default)]
    deployments: Option<Vec<Located<Deployment>>>,
    #[serde(default)]
    autoscaling_policy: Option<Options>,
    #[serde(default)]
    external_scaler_enabled: Option<bool>,
    #[serde(default)]
    args: Option<Options>,
    #[serde(default)]
    logging_config: Option<LoggingConfig>,
}

/// `DeploymentSchema`.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Deployment {
    name: String,
    #[serde(default)]
    num_replicas: Option<Value>,
    #[serde(default)]
    max_ongoing_requests: Option<i64>,
    #[serde(default)]
    max_queued_requests: Option<i64>,
    #[serde(default)]
    user_config: Option<Value>,
    #[serde(default)]
    autoscaling_config: Option<AutoscalingConfig>,
    #[serde(default)]
    graceful_shutdown_wait_loop_s: Option<f64>,
    #[serde(default)]
    graceful_shutdown_timeout_s: Option<f64>,
    #[serde(default)]
    health_check_period_s: Option<f64>,
    #[serde(default)]
    health_check_timeout_s: Option<f64>,
    #[serde(default)]
    ray_actor_options: Option<RayActorOptions>,
    #[serde(default)]
    placement_group_bundles: Option<Vec<BTreeMap<String, f64>>>,
    #[serde(default)]
    placement_group_strategy: Option<String>,
    #[serde(default)]
    max_replicas_per_node: Option<i64>,
    #[serde(default)]
    logging_config: Option<LoggingConfig>,
    #[serde(default)]
    request_router_config: Option<Options>,
}

/// `RayActorOptionsSchema`.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct RayActorOptions {
    #[serde(default)]
    runtime_env: Option<Options>,
    #[serde(default)]
    num_cpus: Option<f64>,
    #[serde(default)]
    num_gpus: Option<f64>,
    #[serde(default)]
    memory: Option<f64>,
    #[serde(default)]
    object_store_memory: Option<f64>,
    #[serde(default)]
    resources: Option<BTreeMap<String, f64>>,
    #[serde(default)]
    accelerator_type: Option<String>,
}

/// `AutoscalingConfig`.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct AutoscalingConfig {
    #[serde(default)]
    min_replicas: Option<i64>,
    #[serde(default)]
    initial_replicas: Option<i64>,
    #[serde(default)]
    max_replicas: Option<i64>,
    #[serde(default)]
    target_ongoing_requests: Option<f64>,
    #[serde(default)]
    metrics_interval_s: Option<f64>,
    #[serde(default)]
    look_back_period_s: Option<f64>,
    #[serde(default)]
    smoothing_factor: Option<f64>,
    #[serde(default)]
    upscale_smoothing_factor: Option<f64>,
    #[serde(default)]
    downscale_smoothing_factor: Option<f64>,
    #[serde(default)]
    upscaling_factor: Option<f64>,
    #[serde(default)]
    downscaling_factor: Option<f64>,
    #[serde(default)]
    downscale_delay_s: Option<f64>,
    #[serde(default)]
    downscale_to_zero_delay_s: Option<f64>,
    #[serde(default)]
    upscale_delay_s: Option<f64>,
    #[serde(default)]
    aggregation_function: Option<String>,
    #[serde(default)]
    policy: Option<Value>,
}

/// `LoggingConfig`.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct LoggingConfig {
    #[serde(default)]
    encoding: Option<String>,
    #[serde(default)]
    log_level: Option<Value>,
    #[serde(default)]
    logs_dir: Option<String>,
    #[serde(default)]
    enable_access_log: Option<bool>,
    #[serde(default)]
    additional_log_standard_attrs: Option<Vec<String>>,
}

/// `HTTPOptionsSchema`.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct HttpOptions {
    #[serde(default)]
    host: Option<String>,
    #[serde(default)]
    port: Option<i64>,
    #[serde(default)]
    root_path: Option<String>,
    #[serde(default)]
    request_timeout_s: Option<f64>,
    #[serde(default)]
    keep_alive_timeout_s: Option<i64>,
    #[serde(default)]
    ssl_keyfile: Option<String>,
    #[serde(default)]
    ssl_certfile: Option<String>,
    #[serde(default)]
    ssl_keyfile_password: Option<String>,
    #[serde(default)]
    ssl_ca_certs: Option<String>,
}

/// `gRPCOptionsSchema`.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct GrpcOptions {
    #[serde(default)]
    port: Option<i64>,
    #[serde(default)]
    grpc_servicer_functions: Option<Vec<String>>,
    #[serde(default)]
    request_timeout_s: Option<f64>,
}

/// Hint of every mistake that only a newer Ray could take.
pub const FORCE: &str = "--force sends it as it is, should your Ray know better";

/// All keys, for the one that was meant.
const KEYS: &str = "proxy_location http_options grpc_options logging_config target_capacity applications name \
    route_prefix import_path runtime_env host port deployments autoscaling_policy \
    external_scaler_enabled args num_replicas max_ongoing_requests max_queued_requests \
    user_config autoscaling_config graceful_shutdown_wait_loop_s graceful_shutdown_timeout_s \
    health_check_period_s health_check_timeout_s ray_actor_options placement_group_bundles \
    placement_group_strategy max_replicas_per_node request_router_config num_cpus num_gpus \
    memory object_store_memory resources accelerator_type min_replicas initial_replicas \
    max_replicas target_ongoing_requests metrics_interval_s look_back_period_s \
    smoothing_factor upscale_smoothing_factor downscale_smoothing_factor upscaling_factor \
    downscaling_factor downscale_delay_s downscale_to_zero_delay_s upscale_delay_s \
    aggregation_function policy encoding log_level logs_dir enable_access_log \
    additional_log_standard_attrs root_path request_timeout_s keep_alive_timeout_s ssl_keyfile \
    ssl_certfile ssl_keyfile_password ssl_ca_certs grpc_servicer_functions";

/// A mistake in the file.
fn wrong(file: &Path, line: u64, message: String, hint: impl Into<String>) -> WorkloadError {
    WorkloadError::Value {
        file: file.to_owned(),
        line,
        message,
        hint: hint.into(),
    }
}

/// Checks the keys, types and names of a configuration.
///
/// # Errors
/// [`WorkloadError`] with the line of the first mistake.
pub fn check(file: &Path, text: &str) -> Result<(), WorkloadError> {
    let config = read(file, text)?;
    let (mut names, mut routes) = (Vec::new(), Vec::new());
    for Located { value, line } in &config.applications {
        let name = value.name.as_deref().unwrap_or("default");
        if name.is_empty() || names.contains(&name) {
            let message = match name {
                "" => "an application has no name".to_owned(),
                name => format!("two applications are called {name:?}"),
            };
            return Err(wrong(file, *line, message, "give each a name of its own"));
        }
        names.push(name);
        if let Some(Located { value: route, line }) = &value.route_prefix {
            check_route(file, *line, route)?;
            if routes.contains(&route) {
                let message = format!("two applications have the route_prefix {route:?}");
                return Err(wrong(file, *line, message, "give each a route of its own"));
            }
            routes.push(route);
        }
        match &value.import_path {
            Some(path) => check_path(file, path)?,
            None => {
                let message = format!("application {name:?} has no import_path");
                return Err(wrong(
                    file,
                    *line,
                    message,
                    "add import_path: app:deployment",
                ));
            }
        }
        for deployment in value.deployments.iter().flatten() {
            check_deployment(file, deployment)?;
        }
    }
    Ok(())
}

fn read(file: &Path, text: &str) -> Result<ServeConfig, WorkloadError> {
    yaml::parse(file, text).map_err(|error| {
        let key = error.message.strip_prefix("unknown field ");
        let key = key.and_then(|rest| rest.split('`').nth(1));
        let message = match key {
            Some(key) => format!("Ray Serve knows no key `{key}` here"),
            None => error.message.clone(),
        };
        let known = KEYS.split_whitespace().map(str::to_owned);
        let hint = match key.and_then(|key| nearest(key, known)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => {
                "what it knows: https://docs.ray.io/en/latest/serve/production-guide/config.html"
                    .to_owned()
            }
        };
        wrong(file, error.line, message, hint)
    })
}

fn check_route(file: &Path, line: u64, route: &str) -> Result<(), WorkloadError> {
    let fine = route == "/"
        || (route.starts_with('/') && !route.ends_with('/') && !route.contains(['{', '}']));
    match fine {
        true => Ok(()),
        false => Err(wrong(
            file,
            line,
            format!("{route:?} is no route_prefix"),
            "begin it with /, and end it without; / alone takes every request",
        )),
    }
}

fn check_path(file: &Path, path: &Located<String>) -> Result<(), WorkloadError> {
    let separator = if path.value.contains(':') { ':' } else { '.' };
    let parts: Vec<&str> = path.value.split(separator).collect();
    let enough = match separator {
        ':' => parts.len() == 2,
        _ => parts.len() > 1,
    };
    match enough && parts.iter().all(|part| !part.is_empty()) {
        true => Ok(()),
        false => Err(wrong(
            file,
            path.line,
            format!("{:?} is no import_path", path.value),
            "name a module and what is in it: app:deployment",
        )),
    }
}

fn check_deployment(
    file: &Path,
    Located { value, line }: &Located<Deployment>,
) -> Result<(), WorkloadError> {
    let is_auto = value.num_replicas.as_ref().is_some_and(|n| n == "auto");
    let is_count = |n: &Value| n.as_i64().is_some_and(|n| n > 0);
    match &value.num_replicas {
        Some(count) if !is_auto && !count.is_null() && !is_count(count) => Err(wrong(
            file,
            *line,
            format!("num_replicas of {:?} is {count}", value.name),
            "write a number from 1, or auto",
        )),
        Some(count) if is_count(count) && value.autoscaling_config.is_some() => Err(wrong(
            file,
            *line,
            format!(
                "deployment {:?} has num_replicas and autoscaling_config",
                value.name
            ),
            "keep one of them",
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Classified;

    fn checked(text: &str) -> Result<(), String> {
        check(Path::new("serveconfig"), text)
            .map_err(|error| format!("{error}; {}", error.hints().join("; ")))
    }

    #[test]
    fn a_whole_configuration_is_taken() {
        let text = "proxy_location: EveryNode\nhttp_options: {host: 0.0.0.0, port: 8000}\n\
                    grpc_options: {port: 9000, grpc_servicer_functions: [a.b]}\n\
                    logging_config: {log_level: INFO, encoding: JSON}\n\
                    applications:\n- name: llm\n  route_prefix: /llm\n  import_path: app:deployment\n  \
                    runtime_env: {env_vars: {A: b}}\n  args: {model: x, deep: {y: [1]}}\n  deployments:\n  \
                    - name: Chat\n    num_replicas: auto\n    max_ongoing_requests: 10\n    \
                    autoscaling_config: {min_replicas: 1, max_replicas: 2, target_ongoing_requests: 5}\n    \
                    ray_actor_options: {num_gpus: 1, num_cpus: 0.5, resources: {x: 1}}\n  \
                    - {name: Other, num_replicas: 2, user_config: {a: 1}}\n";
        assert_eq!(checked(text), Ok(()));
    }

    #[test]
    fn mistakes_name_their_line_and_the_likely_word() {
        let app = "applications:\n- name: a\n  import_path: app:x\n";
        for (text, said) in [
            (
                format!("{app}  deployment: []\n"),
                "serveconfig:4: ",
            ),
            (
                format!("{app}  deployments:\n  - name: x\n    num_replica: 2\n"),
                "serveconfig:6: ",
            ),
            (
                format!("{app}  deployments:\n  - name: x\n    autoscaling_config: {{max_replica: 2}}\n"),
                "did you mean `max_replicas`?",
            ),
            (format!("{app}  route_prefix: chat\n"), "serveconfig:4: \"chat\" is no route_prefix"),
            (format!("{app}- name: a\n  import_path: b:c\n"), "two applications are called \"a\""),
            (
                "applications:\n- {name: a, import_path: x:y, route_prefix: /}\n- {name: b, import_path: x:y, route_prefix: /}\n".to_owned(),
                "serveconfig:3: two applications have the route_prefix \"/\"",
            ),
            ("applications:\n- name: a\n".to_owned(), "application \"a\" has no import_path"),
            ("applications:\n- import_path: app\n".to_owned(), "serveconfig:2: \"app\" is no import_path"),
            ("applications:\n- import_path: a:b:c\n".to_owned(), "is no import_path"),
            (
                format!("{app}  deployments:\n  - {{name: x, num_replicas: 0}}\n"),
                "num_replicas of \"x\" is 0",
            ),
            (
                format!("{app}  deployments:\n  - {{name: x, num_replicas: 2, autoscaling_config: {{}}}}\n"),
                "has num_replicas and autoscaling_config",
            ),
            (format!("{app}  args: [1]\n"), "serveconfig:4: a mapping is expected"),
        ] {
            let wrong = checked(&text).unwrap_err();
            assert!(wrong.contains(said), "{wrong}\n{text}");
        }
    }
}
