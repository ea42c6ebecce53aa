//! Asks the API server who the user is and what the user may do.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::access::{AccessVerdict, Identity, Right, Rules};
use crate::cluster::{Cluster, ClusterError};
use crate::observe::doctor::rights::{self, Granted};

/// A review with its answer.
#[derive(Deserialize)]
struct Reviewed<T> {
    status: Option<T>,
}

/// Returns the user, if the API server says it (Kubernetes v1.28 and later).
///
/// # Errors
/// [`ClusterError`] if it cannot be asked.
pub async fn user(cluster: &Cluster) -> Result<Option<String>, ClusterError> {
    let answer = review::<Identity>(
        cluster,
        "authentication.k8s.io/v1",
        "SelfSubjectReview",
        // It asks for nothing in particular.
        Value::Null,
    )
    .await?;
    let user = answer.map(|identity| identity.user_info.username);
    Ok(user.filter(|user| !user.is_empty()))
}

/// Returns what the user may do in a namespace, by the rules that the API server lists.
///
/// # Errors
/// [`ClusterError`] if it cannot be asked.
pub async fn rules(cluster: &Cluster, namespace: &str) -> Result<Option<Rules>, ClusterError> {
    let spec = json!({"namespace": namespace});
    review(
        cluster,
        "authorization.k8s.io/v1",
        "SelfSubjectRulesReview",
        spec,
    )
    .await
}

/// Completes the rules: where an authorizer could not list its own, each right that
/// they leave open is asked for.
///
/// # Errors
/// [`ClusterError`] if the API server cannot be asked.
pub async fn granted(
    cluster: &Cluster,
    namespace: &str,
    rules: Option<Rules>,
    served: &[(String, Vec<String>)],
) -> Result<Option<Granted>, ClusterError> {
    let Some(rules) = rules else {
        return Ok(None);
    };
    let open: Vec<Right> = match rules.incomplete {
        false => Vec::new(),
        true => rights::needed(|group| rights::is_served(group, served))
            .into_iter()
            .filter(|right| !rules.grant(*right))
            .collect(),
    };
    let verdicts = verdicts(cluster, namespace, open).await?;
    Ok(Some(Granted { rules, verdicts }))
}

/// Asks for each of these rights in a namespace; without those that the API server does
/// not tell.
///
/// # Errors
/// [`ClusterError`] if it cannot be asked.
pub async fn verdicts(
    cluster: &Cluster,
    namespace: &str,
    rights: Vec<Right>,
) -> Result<BTreeMap<Right, bool>, ClusterError> {
    let asked = rights.into_iter().map(async |right| {
        let (resource, subresource) = right
            .resource
            .split_once('/')
            .unwrap_or((right.resource, ""));
        let spec = json!({"resourceAttributes": {
            "namespace": namespace, "verb": right.verb, "group": right.group,
            "resource": resource, "subresource": subresource,
        }});
        let kind = "SelfSubjectAccessReview";
        let answer = review::<AccessVerdict>(cluster, "authorization.k8s.io/v1", kind, spec).await;
        answer.map(|verdict| verdict.map(|verdict| (right, verdict.allowed)))
    });
    let mut verdicts = BTreeMap::new();
    for answer in join_all(asked).await {
        verdicts.extend(answer?);
    }
    Ok(verdicts)
}

/// Asks for a review; nothing where the API server has none, or does not allow it.
async fn review<T: serde::de::DeserializeOwned>(
    cluster: &Cluster,
    api_version: &str,
    kind: &str,
    spec: Value,
) -> Result<Option<T>, ClusterError> {
    let path = format!("/apis/{api_version}/{}s", kind.to_ascii_lowercase());
    let mut question = json!({"apiVersion": api_version, "kind": kind});
    if !spec.is_null() {
        question["spec"] = spec;
    }
    match cluster.ask::<Reviewed<T>>(&path, &question).await {
        Ok(reviewed) => Ok(reviewed.status),
        Err(error) if error.is_forbidden() || error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}
