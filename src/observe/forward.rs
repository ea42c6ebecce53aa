//! Ports of a workload that are brought to one's own machine.

use std::str::FromStr;

use super::endpoint::Service;
use crate::api::pod::Pod;
use crate::kind::WorkloadKind;

/// Port of Ray's dashboard (Ray `DEFAULT_DASHBOARD_PORT`).
pub const DASHBOARD: u16 = 8265;
/// Port of Ray Serve (Ray `DEFAULT_HTTP_PORT`).
const SERVE: u16 = 8000;
/// Lower ports take the rights of root.
const FIRST_FREE: u16 = 1024;

/// A port here, and the pod's port that it leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forward {
    /// The port here; 0 for any that is free.
    pub local: u16,
    /// The port of the pod.
    pub remote: u16,
}

impl Forward {
    /// The same port on both sides; a free one here where that would take the
    /// rights of root.
    pub fn same(port: u16) -> Self {
        Self {
            local: if port < FIRST_FREE { 0 } else { port },
            remote: port,
        }
    }
}

impl FromStr for Forward {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "expected a port such as 8000, 9000:8000 or :8000".to_owned();
        let number = |text: &str| {
            let number = text.parse::<u16>().ok().filter(|number| *number > 0);
            number.ok_or_else(wrong)
        };
        match text.split_once(':') {
            None => number(text).map(|port| Self {
                local: port,
                remote: port,
            }),
            Some(("", remote)) => Ok(Self {
                local: 0,
                remote: number(remote)?,
            }),
            Some((local, remote)) => Ok(Self {
                local: number(local)?,
                remote: number(remote)?,
            }),
        }
    }
}

/// Returns what a workload serves; `service` is what stands in front of it.
pub fn served(kind: WorkloadKind, service: Option<&Service>, pod: Option<&Pod>) -> Vec<Forward> {
    let ports = service.map_or(&[][..], |service| &service.spec.ports);
    let served: Vec<Forward> = ports
        .iter()
        .filter(|port| matches!(port.protocol.as_str(), "" | "TCP"))
        .filter_map(|port| port.of_pod(pod.into_iter().flat_map(|pod| pod.spec.all())))
        .map(Forward::same)
        .collect();
    match (served.is_empty(), kind) {
        (true, WorkloadKind::RayService) => vec![Forward::same(SERVE)],
        (true, WorkloadKind::RayJob) => vec![Forward::same(DASHBOARD)],
        _ => served,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ports_are_written_as_for_kubectl() {
        for (text, local, remote) in [
            ("8000", 8000, 8000),
            ("9000:8000", 9000, 8000),
            (":8000", 0, 8000),
            ("80", 80, 80),
        ] {
            assert_eq!(text.parse(), Ok(Forward { local, remote }), "{text}");
        }
        for text in ["", ":", "0", "8000:", "a", "70000", "1:2:3", "-1"] {
            assert!(text.parse::<Forward>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_served_is_what_the_service_leads_to() {
        let service: Service = serde_json::from_value(json!({"spec": {"ports": [
            {"port": 80, "targetPort": 5000},
            {"port": 8080, "targetPort": "http"},
            {"port": 53, "protocol": "UDP"},
            {"port": 443},
            {"port": 9, "targetPort": "unknown"},
        ]}}))
        .unwrap();
        let pod: Pod = serde_json::from_value(json!({"spec": {"containers": [
            {"name": "a", "ports": [{"name": "http", "containerPort": 8081}]},
        ]}}))
        .unwrap();
        let forward = |local, remote| Forward { local, remote };
        assert_eq!(
            served(WorkloadKind::Deployment, Some(&service), Some(&pod)),
            [forward(5000, 5000), forward(8081, 8081), forward(0, 443)]
        );
        assert_eq!(
            served(WorkloadKind::RayService, None, None),
            [forward(8000, 8000)]
        );
        assert_eq!(
            served(WorkloadKind::RayJob, None, None),
            [forward(8265, 8265)]
        );
        assert_eq!(served(WorkloadKind::Job, None, None), []);
    }
}
