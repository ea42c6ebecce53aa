//! The init containers that download what a service starts with.

use serde::Serialize;

use super::environment::{EnvVarContext, is_common, literal};
use super::mount_paths::SCRATCH_DIRECTORY;
use crate::digest;
use crate::plan::Plan;
use crate::plan::request::preload::{self, IMAGE, PreloadTarget};
use crate::secrecy::Confidential;

/// What the containers run, for any `sh`.
const SCRIPT: &str = include_str!("../../templates/preload.sh");

/// What is downloaded first.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct PreloadContext {
    /// Image of the init containers.
    pub image: String,
    /// Variables for downloading: tokens, regions, proxies.
    pub env_vars: Vec<EnvVarContext>,
    /// The init containers.
    pub containers: Vec<PreloadContainer>,
    /// Volumes of the init containers.
    pub mounts: Vec<MountContext>,
    /// Parts of the scratch volume that the other containers mount, too.
    pub shared_mounts: Vec<MountContext>,
}

/// An init container.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct PreloadContainer {
    pub name: String,
    /// What it runs, word by word.
    pub command: Vec<String>,
}

/// A volume that is mounted, or a part of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct MountContext {
    /// Name of the volume.
    pub name: String,
    /// Path in the container.
    pub mount_path: String,
    /// The part of the volume, or nothing for all of it.
    pub sub_path: Option<String>,
    /// Whether it can only be read.
    pub read_only: bool,
}

impl PreloadContext {
    /// Returns what is downloaded for a plan, if something is. `variables` are
    /// those of its containers.
    pub fn new(plan: &Plan, variables: &[EnvVarContext]) -> Option<Self> {
        let request = &plan.request;
        let serving = &request.serving;
        if serving.preloads.is_empty() {
            return None;
        }
        let mount = |name: &str, path: &str| MountContext {
            name: name.to_owned(),
            mount_path: path.to_owned(),
            sub_path: None,
            read_only: false,
        };
        let mut mounts = vec![mount("scratch", SCRATCH_DIRECTORY)];
        let mut shared_mounts = Vec::new();
        for preload in &serving.preloads {
            let found = match preload::place(&preload.path, &request.pods.volumes) {
                PreloadTarget::Scratch => continue,
                PreloadTarget::Claim(claim) => {
                    let index = request.pods.volumes.iter().position(|own| own == claim);
                    mount(&format!("volume-{}", index.unwrap_or(0)), &claim.path)
                }
                PreloadTarget::PartOfScratch => {
                    let part = digest::short(preload.path.as_bytes(), 8);
                    let found = MountContext {
                        sub_path: Some(format!("preload-{part}")),
                        ..mount("scratch", &preload.path)
                    };
                    if !shared_mounts.contains(&found) {
                        shared_mounts.push(found.clone());
                    }
                    found
                }
            };
            if !mounts.contains(&found) {
                mounts.push(found);
            }
        }
        let env_vars: Vec<EnvVarContext> = variables
            .iter()
            .filter(|variable| is_common(variable) || preload::needs_variable(&variable.name))
            .cloned()
            .collect();
        for (index, secret) in request.environment.mounts.iter().enumerate() {
            let path = Some(Confidential::new(literal(&secret.path)));
            if env_vars.iter().any(|variable| variable.value == path) {
                let file = secret.path.rsplit('/').next().unwrap_or_default();
                mounts.push(MountContext {
                    sub_path: Some(file.to_owned()),
                    read_only: true,
                    ..mount(&format!("secret-{index}"), &secret.path)
                });
            }
        }
        Some(Self {
            image: serving.preload_image.clone().unwrap_or(IMAGE.to_owned()),
            env_vars,
            containers: serving
                .preloads
                .iter()
                .enumerate()
                .map(|(index, preload)| PreloadContainer {
                    name: format!("preload-{index}"),
                    command: command(&preload.url, &preload.path),
                })
                .collect(),
            mounts,
            shared_mounts,
        })
    }
}

/// Returns the words of an init container. URL and path are words of their own,
/// which no shell takes apart.
fn command(url: &str, path: &str) -> Vec<String> {
    let mark = format!(".kaiwo-preload-{}", digest::short(url.as_bytes(), 8));
    ["sh", "-c", SCRIPT, "preload", url, path, &mark]
        .map(literal)
        .to_vec()
}
