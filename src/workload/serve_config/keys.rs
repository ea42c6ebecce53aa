//! The keys of a `serveconfig`, place by place.

use std::path::Path;

use super::wrong;
use crate::secrecy::named;
use crate::vocabulary::{RAY_SERVE, Verdict};
use crate::workload::WorkloadError;
use crate::yaml::{Located, Tree};

/// What may stand in one place: keys, and the places that some of them open.
struct Place {
    keys: &'static [&'static str],
    below: &'static [(&'static str, &'static Place)],
}

static CONFIG: Place = Place {
    keys: &[
        "proxy_location",
        "http_options",
        "grpc_options",
        "logging_config",
        "target_capacity",
        "applications",
    ],
    below: &[
        ("http_options", &HTTP),
        ("grpc_options", &GRPC),
        ("logging_config", &LOGGING),
        ("applications", &APPLICATION),
    ],
};

static APPLICATION: Place = Place {
    keys: &[
        "name",
        "route_prefix",
        "import_path",
        "runtime_env",
        "host",
        "port",
        "deployments",
        "autoscaling_policy",
        "external_scaler_enabled",
        "args",
        "logging_config",
    ],
    below: &[("deployments", &DEPLOYMENT), ("logging_config", &LOGGING)],
};

static DEPLOYMENT: Place = Place {
    keys: &[
        "name",
        "num_replicas",
        "max_ongoing_requests",
        "max_queued_requests",
        "user_config",
        "autoscaling_config",
        "graceful_shutdown_wait_loop_s",
        "graceful_shutdown_timeout_s",
        "health_check_period_s",
        "health_check_timeout_s",
        "ray_actor_options",
        "placement_group_bundles",
        "placement_group_strategy",
        "max_replicas_per_node",
        "logging_config",
        "request_router_config",
    ],
    below: &[
        ("autoscaling_config", &AUTOSCALING),
        ("ray_actor_options", &ACTOR),
        ("logging_config", &LOGGING),
    ],
};

static ACTOR: Place = Place {
    keys: &[
        "runtime_env",
        "num_cpus",
        "num_gpus",
        "memory",
        "object_store_memory",
        "resources",
        "accelerator_type",
    ],
    below: &[],
};

static AUTOSCALING: Place = Place {
    keys: &[
        "min_replicas",
        "initial_replicas",
        "max_replicas",
        "target_ongoing_requests",
        "metrics_interval_s",
        "look_back_period_s",
        "smoothing_factor",
        "upscale_smoothing_factor",
        "downscale_smoothing_factor",
        "upscaling_factor",
        "downscaling_factor",
        "downscale_delay_s",
        "downscale_to_zero_delay_s",
        "upscale_delay_s",
        "aggregation_function",
        "policy",
    ],
    below: &[],
};

static LOGGING: Place = Place {
    keys: &[
        "encoding",
        "log_level",
        "logs_dir",
        "enable_access_log",
        "additional_log_standard_attrs",
    ],
    below: &[],
};

static HTTP: Place = Place {
    keys: &[
        "host",
        "port",
        "root_path",
        "request_timeout_s",
        "keep_alive_timeout_s",
        "ssl_keyfile",
        "ssl_certfile",
        "ssl_keyfile_password",
        "ssl_ca_certs",
    ],
    below: &[],
};

static GRPC: Place = Place {
    keys: &["port", "grpc_servicer_functions", "request_timeout_s"],
    below: &[],
};

/// Every place by the key that opens it, for a key that stands in another.
static PLACES: [(&str, &Place); 8] = [
    ("applications", &APPLICATION),
    ("deployments", &DEPLOYMENT),
    ("ray_actor_options", &ACTOR),
    ("autoscaling_config", &AUTOSCALING),
    ("logging_config", &LOGGING),
    ("http_options", &HTTP),
    ("grpc_options", &GRPC),
    ("the top", &CONFIG),
];

/// Checks the keys of a whole configuration. Returns warnings about those that
/// are only not known, with their lines.
///
/// # Errors
/// [`WorkloadError`] with the line of a key that is another but for a slip.
pub(super) fn check(file: &Path, config: &Tree) -> Result<Vec<Located<String>>, WorkloadError> {
    let mut warnings = Vec::new();
    walk(file, config, &CONFIG, &mut warnings)?;
    Ok(warnings)
}

fn walk(
    file: &Path,
    tree: &Tree,
    place: &Place,
    warnings: &mut Vec<Located<String>>,
) -> Result<(), WorkloadError> {
    let fields = match tree {
        Tree::Mapping(fields) => fields,
        Tree::List(items) => {
            return items
                .iter()
                .try_for_each(|item| walk(file, item, place, warnings));
        }
        Tree::Scalar => return Ok(()),
    };
    for (Located { value: key, line }, value) in fields {
        let mut warn = |value: String| warnings.push(Located { value, line: *line });
        match RAY_SERVE.judge(key, place.keys) {
            Verdict::Known => {
                if let Some((_, below)) = place.below.iter().find(|(known, _)| known == key) {
                    walk(file, value, below, warnings)?;
                }
            }
            Verdict::Slip(near) => {
                let message = format!("Ray Serve has no key `{key}` here");
                return Err(wrong(
                    file,
                    *line,
                    message,
                    format!("did you mean `{near}`?"),
                ));
            }
            Verdict::Dropped(said) => warn(said),
            Verdict::Unknown => {
                let elsewhere = PLACES
                    .iter()
                    .find(|(_, other)| other.keys.contains(&key.as_str()));
                warn(match elsewhere {
                    Some((place, _)) => {
                        format!("Ray Serve ignores {key} here: it belongs below {place}")
                    }
                    None => format!(
                        "{}; Ray Serve ignores unknown keys",
                        RAY_SERVE.unknown(&format!("key {} here", named(key)))
                    ),
                });
            }
        }
    }
    Ok(())
}
