//! What runs, as templates see it.

use serde::Serialize;

use super::directory;
use crate::kind::WorkloadKind;
use crate::plan::Plan;
use crate::plan::request::session::Session;
use crate::plan::request::{Run, WorkloadRequest};
use crate::render::environment::{EnvVarContext, literal};
use crate::render::preload::PreloadContext;
use crate::workload::entrypoint::{FILE_NAME, Script};
use crate::workload::serve_config;

/// Where the Service that KAITO makes sends its requests (v0.1 to v0.12).
const KAITO_PORT: u16 = 5000;

/// What runs.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct TemplateWorkload {
    /// Whether it is a job, which ends.
    pub is_job: bool,
    /// The command as one line of shell, for Ray; nothing without one.
    pub entrypoint: Option<String>,
    /// The command word by word; empty for the image's own.
    pub command: Vec<String>,
    /// Arguments of the image's own command; empty for its own arguments.
    pub args: Vec<String>,
    /// Version of Ray, or nothing.
    pub ray_version: Option<String>,
    /// Group and version of the workload's kind.
    #[serde(rename = "APIVersion")]
    pub api_version: String,
    /// Configuration of Ray Serve, or nothing.
    pub serveconfig: Option<String>,
    /// Port that the containers of a service listen on, or nothing.
    pub port: Option<u16>,
    /// Port of its Service, or nothing.
    pub service_port: Option<u16>,
    /// Path of its probes, or nothing.
    pub health_path: Option<String>,
    /// What is downloaded before it starts, or nothing.
    pub preload: Option<PreloadContext>,
    /// How someone is attached to it, or nothing.
    pub session: Option<SessionContext>,
    /// Whether a load balancer makes it public.
    pub public: bool,
    /// Host under which an Ingress leads to it, or nothing.
    pub ingress: Option<IngressContext>,
}

impl TemplateWorkload {
    pub(super) fn new(plan: &Plan, variables: &[EnvVarContext]) -> Self {
        let request = &plan.request;
        let serving = &request.serving;
        let (command, args) = match command(request) {
            words if request.gives_arguments() => (Vec::new(), words),
            words => (words, Vec::new()),
        };
        Self {
            is_job: request.kind.is_batch(),
            entrypoint: (!command.is_empty()).then(|| command.join(" ")),
            command: command.iter().map(|word| literal(word)).collect(),
            args: args.iter().map(|word| literal(word)).collect(),
            ray_version: request.ray_version.clone(),
            api_version: plan.api_version.clone(),
            serveconfig: serving.serve_config.clone(),
            port: port(request),
            service_port: serving.service_port.or(serving.port),
            health_path: serving.health_path.clone(),
            preload: PreloadContext::new(plan, variables),
            session: request.session.as_ref().map(session),
            public: serving.public,
            ingress: serving.ingress.as_ref().map(|ingress| IngressContext {
                host: ingress.host.clone(),
                class: ingress.class.clone(),
                tls_secret: ingress.tls_secret.clone(),
            }),
        }
    }
}

/// How someone is attached to a command.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct SessionContext {
    /// Whether it has a terminal.
    pub tty: bool,
    /// Whether it reads what is piped to kaiwo.
    pub piped: bool,
    /// Seconds in which someone must attach.
    pub patience_seconds: i64,
    /// Whether it is also ended when no one is attached for that long later.
    pub ends_idle: bool,
}

/// A host of an Ingress.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct IngressContext {
    pub host: String,
    /// The IngressClass, or nothing for the default.
    pub class: Option<String>,
    /// Secret with its certificate, or nothing without TLS.
    #[serde(rename = "TLSSecret")]
    pub tls_secret: Option<String>,
}

fn session(session: &Session) -> SessionContext {
    SessionContext {
        tty: session.tty,
        piped: session.piped,
        patience_seconds: session.patience().0,
        ends_idle: session.idle.is_some(),
    }
}

fn port(request: &WorkloadRequest) -> Option<u16> {
    match request.kind {
        kind if kind.is_kaito() => Some(KAITO_PORT),
        // KubeRay's Service leads to the port called `serve`, and so do its probes.
        WorkloadKind::RayService => {
            let config = request.serving.serve_config.as_deref();
            Some(serve_config::port(config.unwrap_or_default()))
        }
        _ => request.serving.port,
    }
}

/// Returns what the container runs, word by word.
pub(super) fn command(request: &WorkloadRequest) -> Vec<String> {
    let script = format!("{}/{FILE_NAME}", directory(request.kind));
    match &request.run {
        Run::Image => Vec::new(),
        Run::Script(Script::Direct) => vec![script],
        Run::Script(Script::Shell) => vec!["sh".to_owned(), script],
        Run::Command(words) => words.clone(),
    }
}
