//! What Kueue is told to do (`config.kueue.x-k8s.io` Configuration; `v1beta1` and
//! `v1beta2` agree in these fields).

use std::collections::BTreeMap;

use k8s_openapi::jiff::SignedDuration;
use serde::Deserialize;

use super::selector::LabelSelector;

/// Kueue's configuration.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct KueueConfiguration {
    /// Kinds it manages.
    pub integrations: Integrations,
    /// Namespaces whose workloads it manages.
    pub managed_jobs_namespace_selector: Option<LabelSelector>,
    /// Whether pods have to get ready, and how soon.
    pub wait_for_pods_ready: Option<WaitForPodsReady>,
    /// Whether it shares by weight what queues of a cohort borrow.
    pub fair_sharing: Option<FairSharing>,
    /// Resources that it does not count.
    pub resources: CountedResources,
    /// Features that are switched on or off.
    pub feature_gates: BTreeMap<String, bool>,
}

/// `integrations`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Integrations {
    /// Kinds: `batch/job`.
    pub frameworks: Vec<String>,
}

/// `fairSharing`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct FairSharing {
    /// Switches it on in `v1beta1`; gone in `v1beta2`.
    pub enable: Option<bool>,
}

/// `resources`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CountedResources {
    /// How names of resources begin that no quota is needed for.
    pub exclude_resource_prefixes: Vec<String>,
}

/// `waitForPodsReady`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WaitForPodsReady {
    /// Switches it on in `v1beta1`; gone in `v1beta2`.
    pub enable: Option<bool>,
    /// How soon after their start, as Go writes it: `30m`.
    pub timeout: Option<String>,
    /// How soon again once one has been lost.
    pub recovery_timeout: Option<String>,
    /// What happens to those that were not.
    pub requeuing_strategy: Option<RequeuingStrategy>,
}

/// `waitForPodsReady.requeuingStrategy`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RequeuingStrategy {
    /// How often a Workload is queued again; for ever if nothing is said.
    pub backoff_limit_count: Option<i64>,
}

/// How long Kueue lets pods hold their quota without being ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadinessWindow {
    /// Seconds from their admission on.
    pub start: i64,
    /// Seconds after one has been lost; `None` if that is not minded.
    pub recovery: Option<i64>,
    /// How often they are queued again; `None` for ever.
    pub tries: Option<i64>,
    /// Whether the configuration says nothing of it: this is the default of
    /// v0.19, and before there was none.
    pub is_default: bool,
}

/// `DefaultWaitForPodsReadyTimeout` (v0.19, `apis/config/v1beta2/defaults.go`).
const DEFAULT_TIMEOUT: i64 = 30 * 60;

impl KueueConfiguration {
    /// Returns how long pods may take to get ready; `None` where that is not
    /// minded.
    pub fn readiness(&self) -> Option<ReadinessWindow> {
        if self.feature_gates.get("DisableWaitForPodsReady") == Some(&true) {
            return None;
        }
        let given = self.wait_for_pods_ready.as_ref();
        if given.is_some_and(|given| given.enable == Some(false)) {
            return None;
        }
        let written = |field: fn(&WaitForPodsReady) -> &Option<String>| {
            let text = field(given?).as_ref()?;
            text.parse::<SignedDuration>()
                .ok()
                .map(|span| span.as_secs())
        };
        let start = written(|given| &given.timeout).filter(|seconds| *seconds > 0);
        let start_or_default = start.unwrap_or(DEFAULT_TIMEOUT);
        let recovery = written(|given| &given.recovery_timeout).unwrap_or(start_or_default);
        Some(ReadinessWindow {
            start: start_or_default,
            recovery: Some(recovery).filter(|seconds| *seconds > 0),
            tries: given.and_then(|given| given.requeuing_strategy.as_ref()?.backoff_limit_count),
            is_default: start.is_none(),
        })
    }

    /// Returns whether it shares by weight what queues of a cohort borrow.
    pub fn shares_fairly(&self) -> bool {
        let given = self.fair_sharing.as_ref();
        given.is_some_and(|given| given.enable.unwrap_or(true))
    }

    /// Returns whether quota is needed for a resource.
    pub fn counts(&self, resource: &str) -> bool {
        let mut prefixes = self.resources.exclude_resource_prefixes.iter();
        !prefixes.any(|prefix| resource.starts_with(prefix.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(configuration: Value) -> KueueConfiguration {
        serde_json::from_value(configuration).unwrap()
    }

    #[test]
    fn what_is_not_said_of_readiness_is_the_default_of_v0_19() {
        let window = |start, recovery, tries, is_default| {
            Some(ReadinessWindow {
                start,
                recovery,
                tries,
                is_default,
            })
        };
        for (said, expected) in [
            (json!({}), window(1_800, Some(1_800), None, true)),
            (
                json!({"waitForPodsReady": {"timeout": "1h30m", "recoveryTimeout": "15m0s",
                    "requeuingStrategy": {"backoffLimitCount": 5}}}),
                window(5_400, Some(900), Some(5), false),
            ),
            (
                json!({"waitForPodsReady": {"timeout": "90s", "recoveryTimeout": "0s"}}),
                window(90, None, None, false),
            ),
            (json!({"waitForPodsReady": {"enable": false}}), None),
            (
                json!({"featureGates": {"DisableWaitForPodsReady": true}}),
                None,
            ),
        ] {
            assert_eq!(read(said.clone()).readiness(), expected, "{said}");
        }
    }

    #[test]
    fn excluded_resources_need_no_quota() {
        let configuration =
            read(json!({"resources": {"excludeResourcePrefixes": ["example.com/"]}}));
        assert!(!configuration.counts("example.com/fpga"));
        assert!(configuration.counts("amd.com/gpu"));
    }
}
