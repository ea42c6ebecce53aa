//! The control plane, seen by a test: kubectl-like access with generous
//! deadlines, and a namespace and queue of the test's own.

use std::time::{Duration, Instant};

use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind, TypeMeta};
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::common::{HANG, Outcome, Sandbox};
use futures_util::StreamExt as _;
use kaiwo::api::resource::Resource;

/// Key of the taint that keeps the pods of other tests off a test's nodes.
pub const OWN_TAINT: &str = "kaiwo.dev/test";

/// A namespace, a ClusterQueue and a sandbox that belong to one test.
pub struct Testbed {
    /// Name of the namespace, and of the ClusterQueue.
    pub name: String,
    /// Where the binary runs.
    pub sandbox: Sandbox,
    client: Client,
    runtime: tokio::runtime::Runtime,
}

/// Nodes of the testbed.
#[derive(Clone, Copy)]
pub enum Flavor {
    /// 4 nodes of 8 amd.com/gpu.
    Amd,
    /// 2 nodes of 4 amd.com/gpu.
    AmdSmall,
    /// 4 nodes of 8 nvidia.com/gpu.
    Nvidia,
}

impl Flavor {
    /// Name of the ResourceFlavor.
    pub fn name(self) -> &'static str {
        match self {
            Self::Amd => "amd-8",
            Self::AmdSmall => "amd-4",
            Self::Nvidia => "nvidia-8",
        }
    }

    /// The GPUs.
    pub fn resource(self) -> &'static str {
        match self {
            Self::Amd | Self::AmdSmall => "amd.com/gpu",
            Self::Nvidia => "nvidia.com/gpu",
        }
    }

    fn node_labels(self) -> Value {
        match self {
            Self::Amd => json!({"beta.amd.com/gpu.family.AI": "8"}),
            Self::AmdSmall => json!({"beta.amd.com/gpu.family.AI": "4"}),
            Self::Nvidia => json!({"nvidia.com/gpu.count": "8"}),
        }
    }
}

impl Testbed {
    /// Connects, and gives the test a name that nothing else in the cluster
    /// has. Nothing is created yet.
    pub fn new(test: &str) -> Self {
        let kubeconfig = std::env::var("KUBECONFIG")
            .expect("KUBECONFIG names the testbed: run `cargo xtask test`, or eval \"$(cargo xtask testbed env)\"");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let client = runtime.block_on(Client::try_default()).unwrap();
        let unique = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_nanos()
            % 1_000_000_000;
        Self {
            name: format!("{test}-{unique:x}"),
            sandbox: Sandbox::new().set("KUBECONFIG", kubeconfig),
            client,
            runtime,
        }
    }

    /// Connects, with a ClusterQueue of one flavor and so many GPUs.
    pub fn with_queue(test: &str, flavor: Flavor, gpus: i64) -> Self {
        let testbed = Self::new(test);
        testbed.cluster_queue(&[(flavor, gpus)], json!({}));
        testbed
    }

    /// Makes the test's ClusterQueue. `extra` is merged into its spec.
    pub fn cluster_queue(&self, flavors: &[(Flavor, i64)], extra: Value) {
        for (flavor, _) in flavors {
            self.apply(json!({
                "apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "ResourceFlavor",
                "metadata": {"name": flavor.name()},
                "spec": {"nodeLabels": flavor.node_labels()},
            }));
        }
        let quotas: Vec<Value> = flavors
            .iter()
            .map(|(flavor, gpus)| {
                json!({"name": flavor.name(), "resources": [
                    {"name": "cpu", "nominalQuota": 1000},
                    {"name": "memory", "nominalQuota": "16Ti"},
                    {"name": flavor.resource(), "nominalQuota": gpus},
                ]})
            })
            .collect();
        let mut spec = json!({
            "namespaceSelector": {},
            "resourceGroups": [{
                "coveredResources": ["cpu", "memory", flavors.first().map_or("amd.com/gpu", |f| f.0.resource())],
                "flavors": quotas,
            }],
        });
        for (key, value) in extra.as_object().unwrap() {
            spec[key] = value.clone();
        }
        self.apply(json!({
            "apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "ClusterQueue",
            "metadata": {"name": self.name}, "spec": spec,
        }));
    }

    /// Connects, and makes the test's namespace.
    pub fn with_namespace(test: &str) -> Self {
        let testbed = Self::new(test);
        testbed.namespace();
        testbed
    }

    /// Gives a user of the test's own rights in its namespace, and returns the
    /// name; it begins with that of the test, so that no test lends rights to
    /// another.
    pub fn user(&self, name: &str, rules: &[Value]) -> String {
        let user = format!("{}-{name}", self.name);
        self.apply(json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
            "metadata": {"name": name}, "rules": rules,
        }));
        self.grant(&user, "Role", name);
        user
    }

    /// Binds a Role or ClusterRole to a user in the test's namespace, and waits
    /// until it counts.
    #[track_caller]
    pub fn grant(&self, user: &str, kind: &str, role: &str) {
        self.bind("RoleBinding", &format!("{user}-{role}"), user, kind, role);
        self.wait_for_rights(user, kind, role, &self.name);
    }

    /// Binds a ClusterRole to a user in all namespaces, and waits until it
    /// counts. It goes with the test.
    #[track_caller]
    pub fn grant_everywhere(&self, user: &str, role: &str) {
        self.bind("ClusterRoleBinding", &self.name, user, "ClusterRole", role);
        self.wait_for_rights(user, "ClusterRole", role, "");
    }

    fn bind(&self, binding: &str, name: &str, user: &str, kind: &str, role: &str) {
        let group = "rbac.authorization.k8s.io";
        self.apply(json!({
            "apiVersion": format!("{group}/v1"), "kind": binding, "metadata": {"name": name},
            "roleRef": {"apiGroup": group, "kind": kind, "name": role},
            "subjects": [{"apiGroup": group, "kind": "User", "name": user}],
        }));
    }

    /// Waits until a user may do something of each rule of a role: the API
    /// server learns of roles and bindings when it gets to it, and of one
    /// before the other. No namespace means all of them.
    #[track_caller]
    fn wait_for_rights(&self, user: &str, kind: &str, role: &str, namespace: &str) {
        let rules = self.wait(&format!("{kind} {role} to have rules"), || {
            let rules = self.find(kind, role)?["rules"].as_array()?.clone();
            (!rules.is_empty()).then_some(rules)
        });
        for rule in rules {
            // Some are about paths.
            let (Some(resource), Some(verb)) =
                (rule["resources"][0].as_str(), rule["verbs"][0].as_str())
            else {
                continue;
            };
            let group = rule["apiGroups"][0].as_str().unwrap_or_default();
            let name = rule["resourceNames"][0].as_str().unwrap_or_default();
            let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
            let attributes = json!({
                "namespace": namespace, "verb": verb, "group": group, "resource": resource,
                "subresource": subresource, "name": name,
            });
            self.wait(&format!("{user} to be allowed {attributes}"), || {
                self.may(user, &attributes).then_some(())
            });
        }
    }

    /// Asks the API server whether a user has a right.
    fn may(&self, user: &str, attributes: &Value) -> bool {
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
            "spec": {"user": user, "resourceAttributes": attributes},
        });
        let request = http::Request::post("/apis/authorization.k8s.io/v1/subjectaccessreviews")
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(serde_json::to_vec(&review).unwrap())
            .unwrap();
        let answer = self.runtime.block_on(send(&self.client, request));
        answer.unwrap()["status"]["allowed"] == true
    }

    /// Makes the test's namespace.
    pub fn namespace(&self) {
        self.apply(
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.name}}),
        );
    }

    /// Returns the taint of nodes that only the test's own pods may use.
    pub fn own_taint(&self) -> Value {
        json!({"key": OWN_TAINT, "value": self.name, "effect": "NoSchedule"})
    }

    /// Makes a node that pretends to offer `resources`, with these taints from
    /// the beginning, and waits until it takes pods.
    #[track_caller]
    pub fn fake_node(&self, name: &str, labels: &Value, resources: &Value, taints: &Value) {
        self.apply(json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": {
                "name": name, "labels": labels, "annotations": {"kwok.x-k8s.io/node": "fake"},
            },
            "spec": {"taints": taints},
        }));
        let status = json!({
            "apiVersion": "v1", "kind": "Node", "metadata": {"name": name},
            "status": {"allocatable": resources, "capacity": resources},
        });
        self.runtime
            .block_on(self.api("Node", false).patch_status(
                name,
                &PatchParams::apply("test").force(),
                &Patch::Apply(status),
            ))
            .unwrap();
        self.wait_for_condition("Node", name, "Ready");
        // Until it is ready, it has one more.
        self.wait(&format!("node {name} to have its own taints only"), || {
            let node = self.find("Node", name)?;
            let has = node["spec"]["taints"].as_array().map_or(0, Vec::len);
            (has == taints.as_array().unwrap().len()).then_some(())
        });
    }

    /// Ends the first container of a running pod with this code.
    pub fn finish_pod(&self, name: &str, code: i64) {
        let pod = self.find("Pod", name).unwrap();
        let status = &pod["status"]["containerStatuses"][0];
        let ended = json!({"terminated": {"exitCode": code, "reason": "Error"}});
        let ended = json!({
            "name": status["name"], "image": status["image"], "imageID": "", "restartCount": 0,
            "ready": false, "state": ended,
        });
        let phase = if code == 0 { "Succeeded" } else { "Failed" };
        let patch = json!({"status": {"phase": phase, "containerStatuses": [ended]}});
        let api = self.api("Pod", true);
        self.runtime
            .block_on(api.patch_status(name, &PatchParams::default(), &Patch::Merge(patch)))
            .unwrap();
    }

    /// Makes a LocalQueue in the test's namespace. `extra` is merged into its
    /// spec.
    pub fn local_queue(&self, name: &str, cluster_queue: &str, extra: Value) {
        let mut spec = json!({"clusterQueue": cluster_queue});
        for (key, value) in extra.as_object().unwrap() {
            spec[key] = value.clone();
        }
        self.apply(json!({
            "apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "LocalQueue",
            "metadata": {"name": name, "namespace": self.name}, "spec": spec,
        }));
    }

    /// Runs `kaiwo submit` with the test's namespace and queue.
    pub fn submit(&self, arguments: &[&str]) -> Outcome {
        self.sandbox.kaiwo(&self.submit_arguments(arguments))
    }

    /// Returns the arguments of [`Testbed::submit`].
    pub fn submit_arguments<'a>(&'a self, arguments: &[&'a str]) -> Vec<&'a str> {
        [&["submit", "-n", &self.name, "-q", &self.name], arguments].concat()
    }

    /// Reads a path of the API.
    #[track_caller]
    pub fn get(&self, path: &str) -> Value {
        let request = http::Request::get(path).body(Vec::new()).unwrap();
        let answer = self.runtime.block_on(send(&self.client, request));
        answer.unwrap_or_else(|error| panic!("{path}: {error:?}"))
    }

    /// Asks the API server, strict as kaiwo asks it, whether it would create
    /// each of `documents`, which are changes of `original`. Returns
    /// for each of them nothing, or the status and what is wrong.
    pub fn rehearse(
        &self,
        original: &Value,
        documents: impl IntoIterator<Item = Value>,
    ) -> Vec<Option<(u16, String)>> {
        let text = |field: &str| original[field].as_str().unwrap();
        let resource = Resource::find(text("apiVersion"), text("kind")).unwrap();
        let path = resource.collection_path(&self.name);
        let uri = format!("{path}?dryRun=All&fieldValidation=Strict");
        let answers = futures_util::stream::iter(documents).map(|document| {
            let request = http::Request::post(&uri)
                .header(http::header::CONTENT_TYPE, "application/json")
                .body(serde_json::to_vec(&document).unwrap())
                .unwrap();
            async { send(&self.client, request).await.err() }
        });
        self.runtime.block_on(answers.buffered(8).collect())
    }

    fn api(&self, kind: &str, namespaced: bool) -> Api<DynamicObject> {
        self.api_in(&self.name, kind, namespaced)
    }

    fn api_in(&self, namespace: &str, kind: &str, namespaced: bool) -> Api<DynamicObject> {
        let (api_version, plural) = match kind {
            "Namespace" => ("v1", "namespaces"),
            "Node" => ("v1", "nodes"),
            "Pod" => ("v1", "pods"),
            "ConfigMap" => ("v1", "configmaps"),
            "Secret" => ("v1", "secrets"),
            "ServiceAccount" => ("v1", "serviceaccounts"),
            "Service" => ("v1", "services"),
            "Job" => ("batch/v1", "jobs"),
            "CronJob" => ("batch/v1", "cronjobs"),
            "RayJob" => ("ray.io/v1", "rayjobs"),
            "RayService" => ("ray.io/v1", "rayservices"),
            "RayCluster" => ("ray.io/v1", "rayclusters"),
            "Deployment" => ("apps/v1", "deployments"),
            "ReplicaSet" => ("apps/v1", "replicasets"),
            "Ingress" => ("networking.k8s.io/v1", "ingresses"),
            "HorizontalPodAutoscaler" => ("autoscaling/v2", "horizontalpodautoscalers"),
            "PodDisruptionBudget" => ("policy/v1", "poddisruptionbudgets"),
            "PersistentVolume" => ("v1", "persistentvolumes"),
            "EndpointSlice" => ("discovery.k8s.io/v1", "endpointslices"),
            "Workspace" => ("kaito.sh/v1beta1", "workspaces"),
            "ClusterLogs" => ("kwok.x-k8s.io/v1alpha1", "clusterlogs"),
            "InferenceSet" => ("kaito.sh/v1beta1", "inferencesets"),
            "CustomResourceDefinition" => ("apiextensions.k8s.io/v1", "customresourcedefinitions"),
            "LocalQueue" => ("kueue.x-k8s.io/v1beta2", "localqueues"),
            "Cohort" => ("kueue.x-k8s.io/v1beta2", "cohorts"),
            "ClusterQueue" => ("kueue.x-k8s.io/v1beta2", "clusterqueues"),
            "ResourceFlavor" => ("kueue.x-k8s.io/v1beta2", "resourceflavors"),
            "Workload" => ("kueue.x-k8s.io/v1beta2", "workloads"),
            "WorkloadPriorityClass" => ("kueue.x-k8s.io/v1beta2", "workloadpriorityclasses"),
            "AdmissionCheck" => ("kueue.x-k8s.io/v1beta2", "admissionchecks"),
            "PersistentVolumeClaim" => ("v1", "persistentvolumeclaims"),
            "MutatingWebhookConfiguration" => (
                "admissionregistration.k8s.io/v1",
                "mutatingwebhookconfigurations",
            ),
            "MutatingAdmissionPolicy" => (
                "admissionregistration.k8s.io/v1",
                "mutatingadmissionpolicies",
            ),
            "MutatingAdmissionPolicyBinding" => (
                "admissionregistration.k8s.io/v1",
                "mutatingadmissionpolicybindings",
            ),
            "ClusterExec" => ("kwok.x-k8s.io/v1alpha1", "clusterexecs"),
            "ClusterPortForward" => ("kwok.x-k8s.io/v1alpha1", "clusterportforwards"),
            "RuntimeClass" => ("node.k8s.io/v1", "runtimeclasses"),
            "Lease" => ("coordination.k8s.io/v1", "leases"),
            "ResourceQuota" => ("v1", "resourcequotas"),
            "Role" => ("rbac.authorization.k8s.io/v1", "roles"),
            "ClusterRole" => ("rbac.authorization.k8s.io/v1", "clusterroles"),
            "ClusterRoleBinding" => ("rbac.authorization.k8s.io/v1", "clusterrolebindings"),
            "RoleBinding" => ("rbac.authorization.k8s.io/v1", "rolebindings"),
            other => panic!("no path is known for {other}"),
        };
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let resource =
            ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural);
        match namespaced {
            true => Api::namespaced_with(self.client.clone(), namespace, &resource),
            false => Api::all_with(self.client.clone(), &resource),
        }
    }

    fn namespaced(kind: &str) -> bool {
        !matches!(
            kind,
            "Namespace"
                | "Node"
                | "PersistentVolume"
                | "RuntimeClass"
                | "ClusterQueue"
                | "ClusterLogs"
                | "Cohort"
                | "ResourceFlavor"
                | "WorkloadPriorityClass"
                | "AdmissionCheck"
                | "MutatingWebhookConfiguration"
                | "MutatingAdmissionPolicy"
                | "MutatingAdmissionPolicyBinding"
                | "ClusterExec"
                | "ClusterPortForward"
                | "ClusterRole"
                | "ClusterRoleBinding"
                | "CustomResourceDefinition"
        )
    }

    /// Applies an object, in the test's namespace unless it names another.
    pub fn apply(&self, object: Value) {
        let kind = object["kind"].as_str().unwrap().to_owned();
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        let namespace = object["metadata"]["namespace"]
            .as_str()
            .unwrap_or(&self.name);
        let api = self.api_in(namespace, &kind, Self::namespaced(&kind));
        self.runtime
            .block_on(api.patch(
                &name,
                &PatchParams::apply("test").force(),
                &Patch::Apply(object),
            ))
            .unwrap();
    }

    /// Merges `patch` into an object of the test's namespace.
    pub fn merge(&self, kind: &str, name: &str, patch: &Value) {
        let api = self.api(kind, Self::namespaced(kind));
        self.runtime
            .block_on(api.patch(name, &PatchParams::default(), &Patch::Merge(patch)))
            .unwrap();
    }

    /// Merges `status` into the one of an object, as its controller does.
    pub fn merge_status(&self, kind: &str, name: &str, status: &Value) {
        let patch = Patch::Merge(json!({"status": status}));
        let api = self.api(kind, Self::namespaced(kind));
        self.runtime
            .block_on(api.patch_status(name, &PatchParams::default(), &patch))
            .unwrap();
    }

    /// Asks the API server whether it would take an object, strictly.
    pub fn would_apply(&self, object: Value) -> kube::Result<()> {
        let kind = object["kind"].as_str().unwrap().to_owned();
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        let api = self.api(&kind, Self::namespaced(&kind));
        let mut parameters = PatchParams::apply("test").force().validation_strict();
        parameters.dry_run = true;
        self.runtime
            .block_on(api.patch(&name, &parameters, &Patch::Apply(object)))
            .map(drop)
    }

    /// Creates an object in the test's namespace.
    pub fn create(&self, object: Value) -> Value {
        let types: TypeMeta = serde_json::from_value(object.clone()).unwrap();
        let object: DynamicObject = serde_json::from_value(object).unwrap();
        let api = self.api(&types.kind, true);
        let created = self
            .runtime
            .block_on(api.create(&PostParams::default(), &object))
            .unwrap();
        serde_json::to_value(created).unwrap()
    }

    /// Asks for the eviction of a pod; returns the status and what is wrong, if
    /// it is refused.
    pub fn evict(&self, pod: &str) -> Option<(u16, String)> {
        let eviction = json!({
            "apiVersion": "policy/v1", "kind": "Eviction",
            "metadata": {"name": pod, "namespace": self.name},
        });
        // A client that tries again would do so for minutes: 429 is the answer.
        let client = self.runtime.block_on(async {
            let mut config = kube::Config::infer().await.unwrap();
            config.default_retry = false;
            Client::try_from(config).unwrap()
        });
        let path = format!("/api/v1/namespaces/{}/pods/{pod}/eviction", self.name);
        let request = http::Request::post(path)
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(serde_json::to_vec(&eviction).unwrap())
            .unwrap();
        self.runtime.block_on(send(&client, request)).err()
    }

    /// Returns an object, if there is one.
    pub fn find(&self, kind: &str, name: &str) -> Option<Value> {
        let api = self.api(kind, Self::namespaced(kind));
        let found = self.runtime.block_on(api.get_opt(name)).unwrap()?;
        Some(serde_json::to_value(found).unwrap())
    }

    /// Returns all objects of a kind in the test's namespace.
    pub fn list(&self, kind: &str) -> Vec<Value> {
        let api = self.api(kind, Self::namespaced(kind));
        let found = self
            .runtime
            .block_on(api.list(&kube::api::ListParams::default()))
            .unwrap();
        found
            .items
            .into_iter()
            .map(|object| serde_json::to_value(object).unwrap())
            .collect()
    }

    /// Deletes an object in the background.
    pub fn delete(&self, kind: &str, name: &str) {
        let api = self.api(kind, Self::namespaced(kind));
        self.runtime
            .block_on(api.delete(name, &DeleteParams::background()))
            .map(drop)
            .unwrap();
    }

    /// Deletes an object of another namespace in the background.
    pub fn delete_in(&self, namespace: &str, kind: &str, name: &str) {
        let api = self.api_in(namespace, kind, true);
        self.runtime
            .block_on(api.delete(name, &DeleteParams::background()))
            .map(drop)
            .unwrap();
    }

    /// Waits until `look` sees something, and returns that.
    #[track_caller]
    pub fn wait<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let start = Instant::now();
        loop {
            if let Some(seen) = look() {
                return seen;
            }
            assert!(
                start.elapsed() < HANG,
                "waited {HANG:?} for {what}; {}",
                self.tell()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Waits until the text at `pointer` of an object is `expected`.
    #[track_caller]
    pub fn wait_for(&self, kind: &str, name: &str, pointer: &str, expected: &str) -> Value {
        self.wait(
            &format!("{kind} {name} to have {expected} at {pointer}"),
            || {
                self.find(kind, name).filter(|object| {
                    object.pointer(pointer).and_then(Value::as_str) == Some(expected)
                })
            },
        )
    }

    /// Waits until a condition of an object is true.
    #[track_caller]
    pub fn wait_for_condition(&self, kind: &str, name: &str, condition: &str) -> Value {
        self.wait(&format!("{kind} {name} to be {condition}"), || {
            self.find(kind, name)
                .filter(|object| has_condition(object, condition))
        })
    }

    /// Tells what is in the namespace, for a failed test.
    fn tell(&self) -> String {
        let mut lines = vec![format!("in namespace {}:", self.name)];
        for kind in [
            "Workload",
            "CronJob",
            "Job",
            "RayJob",
            "Deployment",
            "RayService",
            "RayCluster",
            "Pod",
        ] {
            for object in self.list(kind) {
                lines.push(format!(
                    "{kind} {} {}",
                    object["metadata"]["name"], object["status"]
                ));
            }
        }
        lines.join("\n")
    }
}

impl Drop for Testbed {
    fn drop(&mut self) {
        // What one test leaves would count against the nodes of the next.
        // A failed test keeps its namespace for a look at it.
        if !std::thread::panicking() {
            for (kind, namespaced) in [
                ("Namespace", false),
                ("ClusterQueue", false),
                ("ClusterRoleBinding", false),
            ] {
                let api = self.api(kind, namespaced);
                let _ = self
                    .runtime
                    .block_on(api.delete(&self.name, &DeleteParams::background()));
            }
        }
    }
}

/// Sends a request. Returns the answer, or the status and what is wrong.
async fn send(client: &Client, request: http::Request<Vec<u8>>) -> Result<Value, (u16, String)> {
    match client.request(request).await {
        Ok(answer) => Ok(answer),
        Err(kube::Error::Api(status)) => Err((status.code, status.message)),
        Err(error) => panic!("{error:?}"),
    }
}

/// Returns a condition of an object.
pub fn condition<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    let conditions = object["status"]["conditions"].as_array()?;
    conditions
        .iter()
        .find(|condition| condition["type"] == name)
}

/// Returns whether a condition of an object is true.
pub fn has_condition(object: &Value, name: &str) -> bool {
    condition(object, name).is_some_and(|condition| condition["status"] == "True")
}
