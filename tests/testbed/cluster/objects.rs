//! Objects, as a test reads, writes and deletes them.

use futures_util::StreamExt as _;
use kaiwo::api::resource::Resource;
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind, TypeMeta};
use kube::{Api, Client};
use serde_json::{Value, json};

use super::{Testbed, kinds};

impl Testbed {
    /// Reads a path of the API.
    #[track_caller]
    pub fn get(&self, path: &str) -> Value {
        let request = http::Request::get(path).body(Vec::new()).unwrap();
        let answer = self.runtime.block_on(send(&self.client, request));
        answer.unwrap_or_else(|error| panic!("{path}: {error:?}"))
    }

    /// Reads a path of the API in a form of its own, as it comes.
    #[track_caller]
    pub fn bytes(&self, path: &str, accept: &str) -> Vec<u8> {
        let request = http::Request::get(path).header(http::header::ACCEPT, accept);
        let request = request.body(kube::client::Body::empty()).unwrap();
        self.runtime.block_on(async {
            let answer = self.client.send(request).await.unwrap();
            assert!(answer.status().is_success(), "{path}: {}", answer.status());
            answer.into_body().collect_bytes().await.unwrap().to_vec()
        })
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

    pub(super) fn api(&self, kind: &str, namespaced: bool) -> Api<DynamicObject> {
        self.api_in(&self.name, kind, namespaced)
    }

    fn api_in(&self, namespace: &str, kind: &str, namespaced: bool) -> Api<DynamicObject> {
        let (api_version, plural) = kinds::place(kind);
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let resource =
            ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural);
        match namespaced {
            true => Api::namespaced_with(self.client.clone(), namespace, &resource),
            false => Api::all_with(self.client.clone(), &resource),
        }
    }

    /// Applies an object, in the test's namespace unless it names another.
    pub fn apply(&self, object: Value) {
        let kind = object["kind"].as_str().unwrap().to_owned();
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        let namespace = object["metadata"]["namespace"]
            .as_str()
            .unwrap_or(&self.name);
        let api = self.api_in(namespace, &kind, kinds::namespaced(&kind));
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
        let api = self.api(kind, kinds::namespaced(kind));
        self.runtime
            .block_on(api.patch(name, &PatchParams::default(), &Patch::Merge(patch)))
            .unwrap();
    }

    /// Merges `status` into the one of an object, as its controller does.
    pub fn merge_status(&self, kind: &str, name: &str, status: &Value) {
        let patch = Patch::Merge(json!({"status": status}));
        let api = self.api(kind, kinds::namespaced(kind));
        self.runtime
            .block_on(api.patch_status(name, &PatchParams::default(), &patch))
            .unwrap();
    }

    /// Asks the API server whether it would take an object, strictly.
    pub fn would_apply(&self, object: Value) -> kube::Result<()> {
        let kind = object["kind"].as_str().unwrap().to_owned();
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        let api = self.api(&kind, kinds::namespaced(&kind));
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
        let api = self.api(kind, kinds::namespaced(kind));
        let found = self.runtime.block_on(api.get_opt(name)).unwrap()?;
        Some(serde_json::to_value(found).unwrap())
    }

    /// Returns all objects of a kind in the test's namespace.
    pub fn list(&self, kind: &str) -> Vec<Value> {
        let api = self.api(kind, kinds::namespaced(kind));
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
        let api = self.api(kind, kinds::namespaced(kind));
        self.runtime
            .block_on(api.delete(name, &DeleteParams::background()))
            .map(drop)
            .unwrap();
    }

    /// Deletes an object without waiting for anything that it does, as by force.
    pub fn delete_now(&self, kind: &str, name: &str) {
        let api = self.api(kind, kinds::namespaced(kind));
        self.runtime
            .block_on(api.delete(name, &DeleteParams::background().grace_period(0)))
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
}

/// Sends a request. Returns the answer, or the status and what is wrong.
pub(super) async fn send(
    client: &Client,
    request: http::Request<Vec<u8>>,
) -> Result<Value, (u16, String)> {
    match client.request(request).await {
        Ok(answer) => Ok(answer),
        Err(kube::Error::Api(status)) => Err((status.code, status.message)),
        Err(error) => panic!("{error:?}"),
    }
}
