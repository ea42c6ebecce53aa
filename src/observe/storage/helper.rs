//! The pod through which the claim of an ended workload is reached.

use serde_json::{Value, json};

use super::mounts::MountedClaim;
use crate::api::keys;

/// Most seconds that it lives, whatever happens to who started it.
const DEADLINE: i64 = 6 * 3600;
/// Waits as long as something is copied, and five minutes more. The brackets keep its own
/// command line from being taken for a copy.
const WAIT: &str = r#"n=0
while [ "$n" -lt 20 ]; do
  sleep 15
  n=$((n+1))
  for d in /proc/[0-9]*; do
    case $(tr '\000' ' ' <"$d/cmdline" 2>/dev/null) in *kaiwo-c[p]-*) n=0 ;; esac
  done
done"#;
/// Most characters of a pod's name that can be a label and a host name, too.
const LONGEST_NAME: usize = 63;
/// What holds a pod back until Kueue has admitted it (Kueue v0.19,
/// `podconstants.SchedulingGateName`).
const KUEUE_GATE: &str = "kueue.x-k8s.io/";

/// What the pod is to be.
#[derive(Debug, Clone)]
pub struct Helper<'a> {
    /// The workload whose claim it is.
    pub workload: &'a str,
    pub namespace: &'a str,
    /// Distinguishes it from others.
    pub id: &'a str,
    /// The image, which needs a shell.
    pub image: &'a str,
    /// The claim, and where it is mounted.
    pub mount: &'a MountedClaim,
    /// Whether files are written.
    pub writes: bool,
    /// The specification of the workload's own pods, if that is known.
    pub spec: Option<&'a Value>,
    /// A node on which the claim was mounted.
    pub node: Option<&'a str>,
    /// The LocalQueue, where pods need one.
    pub queue: Option<&'a str>,
}

impl Helper<'_> {
    /// Returns its name.
    pub fn name(&self) -> String {
        let end = format!("-cp-{}", self.id);
        let room = LONGEST_NAME - end.len();
        let begin = &self.workload[..self.workload.len().min(room)];
        format!(
            "{}{end}",
            begin.trim_end_matches(['-', '.']).replace('.', "-")
        )
    }

    /// Returns the manifest. What decides where the workload's pods may run, and as whom,
    /// is as it was there.
    pub fn manifest(&self) -> Value {
        let mut labels = json!({
            keys::APP_MANAGED_BY_LABEL: keys::MANAGER,
            keys::APP_COMPONENT_LABEL: keys::COPY,
        });
        if let Some(queue) = self.queue {
            labels[keys::QUEUE_NAME_LABEL] = json!(queue);
        }
        let mut container = json!({
            "name": "files",
            "image": self.image,
            "command": ["sh", "-c", WAIT],
            "resources": {
                "requests": {"cpu": "100m", "memory": "128Mi"},
                "limits": {"cpu": "1", "memory": "512Mi"},
            },
            "volumeMounts": [{
                "name": "files",
                "mountPath": self.mount.path,
                "readOnly": !self.writes,
            }],
        });
        let mut spec = json!({
            "restartPolicy": "Never",
            "activeDeadlineSeconds": DEADLINE,
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": false,
            "enableServiceLinks": false,
            "volumes": [{
                "name": "files",
                "persistentVolumeClaim": {"claimName": self.mount.claim},
            }],
        });
        let own = self.spec.unwrap_or(&Value::Null);
        for field in [
            "nodeSelector",
            "tolerations",
            "imagePullSecrets",
            "securityContext",
            "schedulerName",
            "runtimeClassName",
        ] {
            if let Some(value) = own.get(field) {
                spec[field] = value.clone();
            }
        }
        for field in ["securityContext", "imagePullPolicy"] {
            if let Some(value) = own.pointer(&format!("/containers/0/{field}")) {
                container[field] = value.clone();
            }
        }
        if let Some(node) = self.node {
            spec["affinity"] = json!({"nodeAffinity": {
                "preferredDuringSchedulingIgnoredDuringExecution": [{
                    "weight": 100,
                    "preference": {"matchExpressions": [
                        {"key": "kubernetes.io/hostname", "operator": "In", "values": [node]},
                    ]},
                }],
            }});
        }
        spec["containers"] = json!([container]);
        json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": self.name(),
                "namespace": self.namespace,
                "labels": labels,
                "annotations": {keys::COPIES_ANNOTATION: self.workload},
            },
            "spec": spec,
        })
    }
}

/// Returns whether Kueue would hold back a pod, by what the API server answers to its
/// rehearsal.
pub fn is_held_back(answer: &Value) -> bool {
    let gates = answer.pointer("/spec/schedulingGates");
    let gates = gates.and_then(Value::as_array);
    gates.into_iter().flatten().any(|gate| {
        let name = gate["name"].as_str();
        name.is_some_and(|name| name.starts_with(KUEUE_GATE))
    })
}

/// Returns whether Kueue has put it into the namespace's default queue, likewise.
pub fn is_queued(answer: &Value) -> bool {
    answer["metadata"]["labels"][keys::QUEUE_NAME_LABEL].is_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_small_and_where_the_workload_was() {
        let mount = MountedClaim {
            claim: "x-scratch".to_owned(),
            path: "/scratch".to_owned(),
            read_only: false,
        };
        let own = json!({
            "tolerations": [{"key": "gpu"}],
            "serviceAccountName": "trainer",
            "containers": [{"securityContext": {"runAsUser": 1000}, "image": "other"}],
        });
        let long = "a.very-".repeat(12);
        let mut helper = Helper {
            workload: "x",
            namespace: "ml",
            id: "abc",
            image: "image",
            mount: &mount,
            writes: false,
            spec: Some(&own),
            node: Some("gpu-1"),
            queue: None,
        };
        let pod = helper.manifest();
        assert_eq!(pod["metadata"]["name"], "x-cp-abc");
        let spec = &pod["spec"];
        assert_eq!(spec["automountServiceAccountToken"], false);
        assert_eq!(spec["serviceAccountName"], Value::Null);
        assert_eq!(spec["tolerations"], own["tolerations"]);
        let container = &spec["containers"][0];
        assert_eq!(container["volumeMounts"][0]["readOnly"], true);
        assert_eq!(container["securityContext"]["runAsUser"], 1000);
        assert_eq!(container["image"], "image");
        // No Service and no Deployment takes it for one of its pods.
        assert_eq!(
            pod["metadata"]["labels"][keys::APP_INSTANCE_LABEL],
            Value::Null
        );
        assert_eq!(
            pod["metadata"]["labels"][keys::QUEUE_NAME_LABEL],
            Value::Null
        );
        helper.queue = Some("q");
        helper.writes = true;
        helper.workload = &long;
        let pod = helper.manifest();
        assert_eq!(pod["metadata"]["labels"][keys::QUEUE_NAME_LABEL], "q");
        assert!(
            crate::names::is_dns_1123_label(&helper.name()),
            "{}",
            helper.name()
        );
        assert_eq!(
            pod["spec"]["containers"][0]["volumeMounts"][0]["readOnly"],
            false
        );
    }

    #[test]
    fn kueues_gate_is_known() {
        let gated = |name: &str| json!({"spec": {"schedulingGates": [{"name": name}]}});
        assert!(is_held_back(&gated("kueue.x-k8s.io/admission")));
        assert!(!is_held_back(&gated("example.com/other")));
        assert!(!is_held_back(&json!({"spec": {}})));
        let queued = json!({"metadata": {"labels": {"kueue.x-k8s.io/queue-name": "default"}}});
        assert!(is_queued(&queued) && !is_queued(&gated("x")));
    }
}
