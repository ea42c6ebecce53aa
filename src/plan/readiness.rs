//! Compares how long pods may take to load with how long Kueue lets them hold
//! their quota until they are ready.

use serde::Deserialize;
use serde_json::Value;

use super::request::array::Array;
use crate::api::kueue_configuration::ReadinessWindow;
use crate::api::pod_template::Probe;

/// How many seconds the pods of a service may take to start by the probes that the
/// built-in templates give them.
pub const STARTUP_SECONDS: i64 = 3_600;

/// Returns how many seconds the pods of a manifest may take to start, where their
/// probes say that: of any kind, and of a template of the user's own.
pub fn startup_seconds(manifest: &Value) -> Option<i64> {
    match manifest {
        Value::Object(fields) => {
            let own = fields.get("startupProbe");
            let own = own.and_then(|probe| Probe::deserialize(probe).ok());
            let below = fields.values().filter_map(startup_seconds).max();
            own.map(|probe| probe.seconds()).max(below)
        }
        Value::Array(items) => items.iter().filter_map(startup_seconds).max(),
        _ => None,
    }
}

/// Returns what there is to know if Kueue does not wait for as long as pods may
/// load.
pub fn warning(allowed: i64, window: ReadinessWindow) -> Option<String> {
    let (field, seconds, when) = match window.recovery {
        _ if window.start < allowed => ("timeout", window.start, "that are not ready after"),
        Some(recovery) if recovery < allowed => (
            "recoveryTimeout",
            recovery,
            "that were ready once and then take more than",
        ),
        _ => return None,
    };
    let tries = match window.tries {
        Some(tries) => format!(", at most {tries} times"),
        None => String::new(),
    };
    let source = match window.is_default {
        true => " (by default, from v0.19 on)",
        false => "",
    };
    Some(format!(
        "Kueue evicts pods {when} {} min{source}, but the startup probe lets them load for {} min: a slow model starts over{tries}. Ask an admin to raise waitForPodsReady.{field} in Kueue's configuration",
        seconds / 60,
        allowed / 60,
    ))
}

/// Returns what there is to know if failed tasks of an array can have Kueue evict the
/// healthy ones, where at most `slots` run at once.
pub fn array_warning(array: &Array, slots: i64, window: ReadinessWindow) -> Option<String> {
    let seconds = window.recovery?;
    let harmless = array.harmless_failures(slots);
    let count = array.tasks.count();
    let failed = match harmless {
        0 => "a task fails".to_owned(),
        harmless => format!("more than {harmless} tasks fail"),
    };
    let source = match window.is_default {
        true => ", by default from v0.19 on",
        false => "",
    };
    let after = match seconds {
        ..60 => format!("{seconds} s"),
        _ => format!("{} min", seconds / 60),
    };
    let safe = count / 2;
    let instead = match safe {
        0 => String::new(),
        safe => format!(
            "; with --slots {safe} that takes {} failures",
            count - safe + 1
        ),
    };
    Some(format!(
        "if {failed} before {} have succeeded, Kueue evicts the healthy ones after {after} (waitForPodsReady.recoveryTimeout{source}), because it counts failed tasks as not ready{instead}",
        slots.min(array.slots)
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::plan::request::array::ArrayFlags;

    fn window(start: i64, recovery: Option<i64>) -> ReadinessWindow {
        ReadinessWindow {
            start,
            recovery,
            tries: Some(5),
            is_default: false,
        }
    }

    #[test]
    fn probes_are_found_in_pods_of_any_kind() {
        let pod = json!({"spec": {"containers": [
            {"startupProbe": {"periodSeconds": 10, "failureThreshold": 360}}, {"name": "b"},
        ]}});
        for manifest in [
            json!({"kind": "Deployment", "spec": {"template": pod}}),
            json!({"kind": "CronJob", "spec": {"jobTemplate": {"spec": {"template": pod}}}}),
            json!({"kind": "RayService", "spec": {"rayClusterConfig": {"workerGroupSpecs": [{"template": pod}]}}}),
        ] {
            assert_eq!(startup_seconds(&manifest), Some(3_600), "{manifest}");
        }
        assert_eq!(startup_seconds(&json!({"spec": {"template": {}}})), None);
    }

    #[test]
    fn an_array_that_failed_tasks_would_have_evicted_is_told() {
        let array = Array::new(ArrayFlags {
            tasks: Some("0-3".parse().unwrap()),
            ..ArrayFlags::default()
        })
        .unwrap();
        let warning = |slots, recovery| array_warning(&array, slots, window(5_400, recovery));
        assert_eq!(
            warning(4, Some(60)).unwrap(),
            "if a task fails before 4 have succeeded, Kueue evicts the healthy ones after 1 min \
             (waitForPodsReady.recoveryTimeout), because it counts failed tasks as not ready; \
             with --slots 2 that takes 3 failures"
        );
        assert!(
            warning(3, Some(60))
                .unwrap()
                .starts_with("if more than 1 tasks fail before 3")
        );
        assert_eq!(warning(4, None), None);
    }

    #[test]
    fn a_window_that_is_shorter_than_the_probe_is_told() {
        assert_eq!(warning(3_600, window(5_400, Some(3_600))), None);
        assert_eq!(warning(3_600, window(5_400, None)), None);
        let short = warning(3_600, window(1_800, Some(900))).unwrap();
        assert!(short.contains("not ready after 30 min, but"), "{short}");
        assert!(
            short.contains("for 60 min") && short.contains("at most 5 times"),
            "{short}"
        );
        let again = warning(3_600, window(5_400, Some(900))).unwrap();
        assert!(
            again.contains("more than 15 min") && again.contains("recoveryTimeout"),
            "{again}"
        );
        let by_default = ReadinessWindow {
            is_default: true,
            ..window(1_800, None)
        };
        assert!(warning(3_600, by_default).unwrap().contains("by default"));
    }
}
