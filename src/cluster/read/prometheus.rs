//! Asks the cluster's Prometheus what GPUs do.

use std::str::FromStr;
use std::time::Duration;

use futures_util::future::{join_all, try_join_all};
use http::Uri;
use serde::Deserialize;

use crate::api::resource::Resource;
use crate::cluster::client::answer;
use crate::cluster::client::pages::Selection;
use crate::cluster::client::proxy::ProxyVariables;
use crate::cluster::client::request::percent_encoded;
use crate::cluster::client::session;
use crate::cluster::reach::route::Route;
use crate::cluster::{Cluster, ClusterError};
use crate::error::{Classified, ErrorClass};
use crate::observe::account::Total;
use crate::observe::account::metrics::Questions;
use crate::observe::endpoint::{Endpoint, Service, ServicePort, Via};
use crate::observe::gpu_metrics::{self, PodUsage, Sample};
use crate::suggestion::Suggestion;

/// Most time for all of it unless the user says: the rest of a status needs none.
const PATIENCE: Duration = Duration::from_secs(5);
/// Likewise for what is asked about weeks.
const LONG_PATIENCE: Duration = Duration::from_secs(120);
/// The port of a Prometheus unless it says otherwise.
const PORT: i64 = 9090;

/// Labels by which the Services of Prometheus are known: of its operator, of
/// the charts kube-prometheus-stack (v47 to v80) and prometheus (v25), and of
/// kube-prometheus.
const KNOWN: [&str; 3] = [
    "operated-prometheus=true",
    "app=kube-prometheus-stack-prometheus",
    "app.kubernetes.io/name=prometheus",
];

/// Which Prometheus is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PrometheusChoice {
    /// A Service, through the API server: namespace, name and port.
    Service(String, String, i64),
    /// A URL, directly, without the cluster's credentials.
    Url(Uri),
}

impl PrometheusChoice {
    /// Returns where it is, for people.
    fn place(&self) -> String {
        match self {
            Self::Service(namespace, name, port) => format!("{namespace}/{name}:{port}"),
            Self::Url(url) => url.to_string(),
        }
    }
}

impl FromStr for PrometheusChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "expected http(s)://HOST:PORT or NAMESPACE/SERVICE[:PORT]".to_owned();
        if text.contains("://") {
            let url: Uri = text.trim_end_matches('/').parse().map_err(|_| wrong())?;
            let is_http = matches!(url.scheme_str(), Some("http" | "https"));
            return (is_http && url.host().is_some() && url.query().is_none())
                .then_some(Self::Url(url))
                .ok_or_else(wrong);
        }
        let (namespace, service) = text.split_once('/').ok_or_else(wrong)?;
        let (service, port) = match service.split_once(':') {
            Some((service, port)) => (service, port.parse().map_err(|_| wrong())?),
            None => (service, PORT),
        };
        let is_name = |name: &str| {
            !name.is_empty()
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        };
        (is_name(namespace) && is_name(service))
            .then(|| Self::Service(namespace.to_owned(), service.to_owned(), port))
            .ok_or_else(wrong)
    }
}

/// Why nobody can tell what GPUs do.
#[derive(Debug, thiserror::Error)]
pub enum PrometheusError {
    /// No Service looks like one.
    #[error("no Prometheus found among the cluster's Services")]
    NotFound,
    /// The user may not look for one.
    #[error("you may not look for a Prometheus among the Services of all namespaces")]
    NotAllowed,
    /// It gave no answer in time.
    #[error("Prometheus ({0}) did not answer in time")]
    Slow(String),
    /// It answered with an error, or something else.
    #[error("cannot query Prometheus ({place}): {why}")]
    Broken {
        /// Where it is.
        place: String,
        /// What is wrong.
        why: String,
    },
    /// The cluster cannot be asked.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
}

impl Classified for PrometheusError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::NotFound => ErrorClass::Refused,
            Self::NotAllowed => ErrorClass::Denied,
            Self::Slow(_) | Self::Broken { .. } => ErrorClass::Unreachable,
            Self::Cluster(source) => source.class(),
        }
    }

    fn hints(&self) -> Vec<Suggestion> {
        match self {
            Self::Cluster(source) => source.hints(),
            Self::Slow(_) => vec!["allow more time: --request-timeout 120".into()],
            _ => vec![
                "specify its address: --prometheus NAMESPACE/SERVICE:PORT, or --prometheus URL"
                    .into(),
            ],
        }
    }
}

/// Prometheus' answer to a query.
#[derive(Deserialize)]
struct Answer {
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    result: Vec<Sample>,
}

/// Asks what the GPUs of a namespace's pods do. Without a choice, Prometheus is
/// looked for.
///
/// # Errors
/// [`PrometheusError`] if nobody can tell.
pub async fn usage(
    cluster: &Cluster,
    choice: Option<&PrometheusChoice>,
    namespace: &str,
) -> Result<Vec<PodUsage>, PrometheusError> {
    let found;
    let choice = match choice {
        Some(choice) => choice,
        None => {
            found = find(cluster).await?;
            &found
        }
    };
    let questions = gpu_metrics::questions(namespace);
    let answers = answers(cluster, choice, questions, patience(cluster)).await?;
    Ok(gpu_metrics::by_pod(&answers))
}

/// Asks how long pods have had GPUs, and returns where that is from, GPU time and
/// for which part of the period there is any. Without a choice, Prometheus is looked
/// for.
///
/// # Errors
/// [`PrometheusError`] if nobody can tell.
pub async fn gpu_time(
    cluster: &Cluster,
    choice: Option<&PrometheusChoice>,
    questions: &Questions,
) -> Result<(String, Vec<Total>, f64), PrometheusError> {
    let found;
    let choice = match choice {
        Some(choice) => choice,
        None => {
            found = find(cluster).await?;
            &found
        }
    };
    let patience = cluster.asked_timeout().unwrap_or(LONG_PATIENCE);
    let asked = [questions.held.clone(), questions.known.clone()];
    let [held, known] = answers(cluster, choice, asked, patience).await?;
    let (totals, known) = questions.answered(&held, &known);
    Ok((choice.place(), totals, known))
}

/// Asks all questions at once.
async fn answers<const N: usize>(
    cluster: &Cluster,
    choice: &PrometheusChoice,
    questions: [String; N],
    patience: Duration,
) -> Result<[Vec<Sample>; N], PrometheusError> {
    let place = choice.place();
    let answers = try_join_all(questions.iter().map(|question| {
        let path = format!("/api/v1/query?query={}", percent_encoded(question));
        ask(cluster, choice, path, patience)
    }));
    let answers = match tokio::time::timeout(patience, answers).await {
        Ok(answers) => answers.map_err(|why| PrometheusError::Broken { place, why })?,
        Err(_) => return Err(PrometheusError::Slow(place)),
    };
    match answers.try_into() {
        Ok(answers) => Ok(answers),
        Err(_) => unreachable!("every question has its answer"),
    }
}

/// Returns where a Prometheus is that is found and answers.
///
/// # Errors
/// [`PrometheusError`] if none is found, or it does not answer.
pub async fn place(cluster: &Cluster, namespace: &str) -> Result<String, PrometheusError> {
    let choice = find(cluster).await?;
    usage(cluster, Some(&choice), namespace).await?;
    Ok(choice.place())
}

fn patience(cluster: &Cluster) -> Duration {
    cluster.asked_timeout().unwrap_or(PATIENCE)
}

async fn ask(
    cluster: &Cluster,
    choice: &PrometheusChoice,
    path: String,
    patience: Duration,
) -> Result<Vec<Sample>, String> {
    let answered: Answer = match choice {
        PrometheusChoice::Service(namespace, service, port) => {
            let endpoint = Endpoint {
                namespace: namespace.clone(),
                service: service.clone(),
                port: ServicePort {
                    port: *port,
                    ..ServicePort::default()
                },
                ..Endpoint::default()
            };
            let mut route = Route::new(cluster, endpoint, Some(Via::Service), None);
            // The deadline of all questions comes before it.
            let answer = route.get(&path, 2 * patience).await;
            let answer = answer.map_err(|error| error.to_string())?;
            serde_json::from_value(answer).map_err(|error| error.to_string())?
        }
        PrometheusChoice::Url(url) => {
            let request = http::Request::get(path).body(Vec::new());
            let request = request.map_err(|error| error.to_string())?;
            let client = session::anonymous(url, &ProxyVariables::default());
            let client = client.map_err(|error| error.to_string())?;
            answer::foreign(&client, request).await?
        }
    };
    Ok(answered.data.result)
}

/// Looks for Prometheus among the Services of all namespaces.
async fn find(cluster: &Cluster) -> Result<PrometheusChoice, PrometheusError> {
    let services = Resource::known("v1", "Service");
    let listed = join_all(KNOWN.map(async |labels| {
        let selection = Selection::labels(labels);
        cluster
            .list_selected::<Service>(&services, "", &selection)
            .await
    }));
    for listed in listed.await {
        let listed = match listed {
            Err(error) if error.is_forbidden() => return Err(PrometheusError::NotAllowed),
            listed => listed?,
        };
        let choice = listed.into_iter().find_map(|service| {
            let ports = &service.spec.ports;
            let port = ports
                .iter()
                .find(|port| port.port == PORT || port.name.contains("web"))
                .or_else(|| ports.iter().find(|port| port.name == "http"))?;
            let metadata = service.metadata;
            Some(PrometheusChoice::Service(
                metadata.namespace,
                metadata.name,
                port.port,
            ))
        });
        if let Some(choice) = choice {
            return Ok(choice);
        }
    }
    Err(PrometheusError::NotFound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prometheus_is_a_service_or_a_url() {
        let service = |port| {
            Ok(PrometheusChoice::Service(
                "monitoring".to_owned(),
                "prometheus".to_owned(),
                port,
            ))
        };
        assert_eq!("monitoring/prometheus".parse(), service(9090));
        assert_eq!("monitoring/prometheus:80".parse(), service(80));
        for text in ["http://localhost:9090/", "https://prometheus.example/base"] {
            assert!(
                matches!(text.parse(), Ok(PrometheusChoice::Url(_))),
                "{text}"
            );
        }
        for text in [
            "",
            "prometheus",
            "ftp://x",
            "a/b:c",
            "a/",
            "a/b/c",
            "http://x?y=z",
        ] {
            assert!(text.parse::<PrometheusChoice>().is_err(), "{text}");
        }
    }
}
