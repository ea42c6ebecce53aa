//! The `serveconfig` file: what Ray Serve runs. Ray itself ignores keys that it
//! does not know, wherever they stand, so that a slip goes unnoticed until
//! nothing scales; here it is an error, and a key that only is not known a warning.
//!
//! Source of the rules: `ray/serve/schema.py` and `config.py` of Ray 2.52; which of
//! them are facts, [`crate::vocabulary`] says.

mod imports;
mod keys;
mod limits;
mod types;

use std::path::Path;

use serde_json::Value;

pub use imports::check_imports;
pub use limits::{Demand, SERVE_PORT};

use super::WorkloadError;
use crate::suggestion::Suggestion;
use crate::yaml::{self, Located, place};
use types::{Deployment, ServeConfig};

/// Hint of every mistake that only a newer Ray could take.
pub const FORCE: &str = "--force submits it anyway, if your Ray supports it";

/// A mistake in the file.
fn wrong(file: &Path, line: u64, message: String, hint: impl Into<Suggestion>) -> WorkloadError {
    WorkloadError::Value {
        file: file.to_owned(),
        line,
        message,
        hint: hint.into(),
    }
}

/// Checks the keys, types, values and names of a configuration. Returns what is
/// only believed to be wrong, each with its line.
///
/// # Errors
/// [`WorkloadError`] with the line of the first mistake.
pub fn check(file: &Path, text: &str) -> Result<Vec<String>, WorkloadError> {
    let tree = yaml::parse(file, text).map_err(|error| unreadable(file, error))?;
    let mut warnings = keys::check(file, &tree)?;
    let config = read(file, text)?;
    check_values(file, &config, &mut warnings)?;
    check_applications(file, &config)?;
    let told = warnings.into_iter();
    Ok(told
        .map(|Located { value, line }| format!("{}: {value}", place(file, line)))
        .collect())
}

/// Checks what Ray would refuse, and what would answer nobody.
fn check_values(
    file: &Path,
    config: &ServeConfig,
    warnings: &mut Vec<Located<String>>,
) -> Result<(), WorkloadError> {
    const LOCATIONS: [&str; 3] = ["EveryNode", "HeadOnly", "Disabled"];
    const STRATEGIES: [&str; 4] = ["STRICT_PACK", "PACK", "STRICT_SPREAD", "SPREAD"];
    let location = config.proxy_location.as_ref();
    limits::choice(file, "proxy_location", location, &LOCATIONS, warnings)?;
    limits::http(file, config)?;
    limits::logging(file, config.logging_config.as_ref(), warnings)?;
    for Located { value, .. } in &config.applications {
        limits::logging(file, value.logging_config.as_ref(), warnings)?;
        for Located { value, .. } in value.deployments.iter().flatten() {
            limits::logging(file, value.logging_config.as_ref(), warnings)?;
            let strategy = value.placement_group_strategy.as_ref();
            let key = "placement_group_strategy";
            limits::choice(file, key, strategy, &STRATEGIES, warnings)?;
            if let Some(scaling) = &value.autoscaling_config {
                limits::bounds(file, value, scaling)?;
                let function = scaling.value.aggregation_function.as_ref();
                let known = ["mean", "max", "min"];
                limits::choice(file, "aggregation_function", function, &known, warnings)?;
            }
        }
    }
    Ok(())
}

/// Returns the port that Ray Serve listens on by a configuration, as far as it can
/// be read.
pub fn port(text: &str) -> u16 {
    let config = yaml::parse::<ServeConfig>(Path::new(""), text).ok();
    let port = config.and_then(|config| config.http_options?.port);
    port.and_then(|port| u16::try_from(port.value).ok())
        .unwrap_or(SERVE_PORT)
}

/// Returns what the deployments of a configuration ask of the pods, as far as it
/// can be read.
pub fn demands(text: &str) -> Vec<Demand> {
    let config = yaml::parse::<ServeConfig>(Path::new(""), text);
    config.map_or_else(|_| Vec::new(), |config| limits::demands(&config))
}

/// Checks names, routes and paths.
fn check_applications(file: &Path, config: &ServeConfig) -> Result<(), WorkloadError> {
    let (mut names, mut routes) = (Vec::new(), Vec::new());
    for Located { value, line } in &config.applications {
        let name = value.name.as_deref().unwrap_or("default");
        if name.is_empty() || names.contains(&name) {
            let message = match name {
                "" => "an application has no name".to_owned(),
                name => format!("two applications are called {name:?}"),
            };
            return Err(wrong(file, *line, message, "give each its own name"));
        }
        names.push(name);
        if let Some(Located { value: route, line }) = &value.route_prefix {
            check_route(file, *line, route)?;
            if routes.contains(&route) {
                let message = format!("two applications have the route_prefix {route:?}");
                return Err(wrong(file, *line, message, "give each its own route"));
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
    yaml::parse(file, text).map_err(|error| unreadable(file, error))
}

fn unreadable(file: &Path, error: yaml::YamlError) -> WorkloadError {
    let known = "https://docs.ray.io/en/latest/serve/production-guide/config.html";
    wrong(
        file,
        error.line,
        error.message,
        format!("known keys: {known}"),
    )
}

fn check_route(file: &Path, line: u64, route: &str) -> Result<(), WorkloadError> {
    let fine = route == "/"
        || (route.starts_with('/') && !route.ends_with('/') && !route.contains(['{', '}']));
    match fine {
        true => Ok(()),
        false => Err(wrong(
            file,
            line,
            format!("invalid route_prefix {route:?}"),
            "begin it with / and do not end it with /; a single / matches every request",
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
            format!("invalid import_path {:?}", path.value),
            "use MODULE:NAME, such as app:deployment",
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
            "use a number of 1 or more, or auto",
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
    use crate::suggestion::comparison::joined;

    fn checked(text: &str) -> Result<Vec<String>, String> {
        check(Path::new("serveconfig"), text)
            .map_err(|error| format!("{error}; {}", joined(&error.hints(), "; ")))
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
        assert_eq!(checked(text), Ok(Vec::new()));
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
            (format!("{app}  route_prefix: chat\n"), "serveconfig:4: invalid route_prefix \"chat\""),
            (format!("{app}- name: a\n  import_path: b:c\n"), "two applications are called \"a\""),
            (
                "applications:\n- {name: a, import_path: x:y, route_prefix: /}\n- {name: b, import_path: x:y, route_prefix: /}\n".to_owned(),
                "serveconfig:3: two applications have the route_prefix \"/\"",
            ),
            ("applications:\n- name: a\n".to_owned(), "application \"a\" has no import_path"),
            ("applications:\n- import_path: app\n".to_owned(), "serveconfig:2: invalid import_path \"app\""),
            ("applications:\n- import_path: a:b:c\n".to_owned(), "invalid import_path"),
            (
                format!("{app}  deployments:\n  - {{name: x, num_replicas: 0}}\n"),
                "num_replicas of \"x\" is 0",
            ),
            (
                format!("{app}  deployments:\n  - {{name: x, num_replicas: 2, autoscaling_config: {{}}}}\n"),
                "has num_replicas and autoscaling_config",
            ),
            (format!("{app}  args: [1]\n"), "serveconfig:4: expected a mapping"),
            (format!("proxy_location: Everynode\n{app}"), "serveconfig:1: invalid proxy_location \"Everynode\"; did you mean EveryNode?"),
            (format!("proxy_location: Disabled\n{app}"), "serveconfig:1: proxy_location Disabled starts no proxy"),
            (format!("http_options: {{port: 70000}}\n{app}"), "serveconfig:1: http_options.port 70000 is not a valid port"),
            (format!("http_options: {{port: 8265}}\n{app}"), "http_options.port 8265 is used by Ray itself"),
            (format!("http_options: {{host: 127.0.0.1}}\n{app}"), "is not reachable from outside the pod; use host: 0.0.0.0"),
            (format!("logging_config: {{encoding: Json}}\n{app}"), "did you mean JSON?"),
            (
                format!("{app}  deployments:\n  - {{name: x, placement_group_strategy: PACKED}}\n"),
                "serveconfig:5: invalid placement_group_strategy \"PACKED\"; did you mean PACK?",
            ),
            (
                format!("{app}  deployments:\n  - name: x\n    autoscaling_config: {{min_replicas: 4, max_replicas: 2}}\n"),
                "serveconfig:6: min_replicas of \"x\" is 4, max_replicas 2; use max_replicas: 4",
            ),
            (
                format!("{app}  deployments:\n  - {{name: x, autoscaling_config: {{min_replicas: 4}}}}\n"),
                "but max_replicas is 1 by default",
            ),
            (
                format!("{app}  deployments:\n  - {{name: x, autoscaling_config: {{initial_replicas: 4, max_replicas: 3}}}}\n"),
                "initial_replicas of \"x\" is 4, not between 1 and 3",
            ),
        ] {
            let wrong = checked(&text).unwrap_err();
            assert!(wrong.contains(said), "{wrong}\n{text}");
        }
    }
    #[test]
    fn what_another_release_may_know_is_a_warning() {
        let app = "applications:\n- name: a\n  import_path: app:x\n";
        let deployment = format!("{app}  deployments:\n  - name: x\n");
        for (text, said) in [
            (
                format!(
                    "{deployment}    autoscaling_config:\n      target_num_ongoing_requests_per_replica: 5\n"
                ),
                "serveconfig:7: Ray Serve dropped target_num_ongoing_requests_per_replica for target_ongoing_requests, in 2.33 or near it",
            ),
            (
                format!("{deployment}    max_concurrent_queries: 5\n"),
                "serveconfig:6: Ray Serve dropped max_concurrent_queries",
            ),
            (
                format!("{deployment}    min_replicas: 5\n"),
                "serveconfig:6: Ray Serve ignores min_replicas here: it belongs below autoscaling_config",
            ),
            (
                format!("{deployment}    gang_scheduling: {{gang_size: 2}}\n"),
                "serveconfig:6: Ray Serve 2.52 has no key \"gang_scheduling\" here; a newer one may",
            ),
            (
                format!("proxy_location: PerZone\n{app}"),
                "serveconfig:1: Ray Serve 2.52 has no proxy_location \"PerZone\"; a newer one may (it has EveryNode, HeadOnly, Disabled)",
            ),
            (
                format!("{deployment}    placement_group_strategy: GANG\n"),
                "serveconfig:6: Ray Serve 2.52 has no placement_group_strategy \"GANG\"",
            ),
        ] {
            let warnings = checked(&text).unwrap();
            assert_eq!(warnings.len(), 1, "{text}");
            assert!(warnings[0].starts_with(said), "{warnings:?}");
        }
    }

    #[test]
    fn what_it_asks_of_the_pods_is_found() {
        let text = "http_options: {port: 9000}\napplications:\n- name: a\n  import_path: app:x\n  \
                    args: {llm_configs: [{engine_kwargs: {tensor_parallel_size: 16}}]}\n  deployments:\n  \
                    - {name: x, ray_actor_options: {num_gpus: 2}}\n  \
                    - {name: y, placement_group_bundles: [{GPU: 4}, {GPU: 4, CPU: 1}]}\n  \
                    - {name: z, placement_group_bundles: [{GPU: 4}, {GPU: 4}], placement_group_strategy: STRICT_PACK}\n  \
                    - {name: w, user_config: {engine: {tensor-parallel-size: '4'}}}\n";
        let found: Vec<_> = demands(text)
            .into_iter()
            .map(|demand| (demand.deployment, demand.gpus, demand.may_span, demand.line))
            .collect();
        assert_eq!(
            found,
            [
                ("x".to_owned(), 2.0, false, 7),
                ("y".to_owned(), 4.0, false, 8),
                ("z".to_owned(), 8.0, false, 9),
                ("w".to_owned(), 4.0, true, 10),
                ("a".to_owned(), 16.0, true, 3),
            ]
        );
        assert_eq!((port(text), port("applications: []")), (9000, 8000));
    }
}
