//! Checks a request as a whole, before and after the cluster has answered.

use super::Refusal;
use super::facts::ClusterFacts;
use super::request::WorkloadRequest;
use super::request::preload::{PreloadTarget, is_at_or_below, place};
use crate::api::Readable;
use crate::names::nearest;

/// Checks that everything can be loaded to where it shall be.
///
/// # Errors
/// [`Refusal`] about what is in the way.
pub fn preloads(request: &WorkloadRequest) -> Result<(), Refusal> {
    for preload in &request.serving.preloads {
        let path = &preload.path;
        if let PreloadTarget::Claim(mount) = place(path, &request.pods.volumes)
            && mount.read_only
        {
            return Err(Refusal::new(format!(
                "nothing can be loaded into {path}: claim {} is mounted there to be read only",
                mount.claim
            ))
            .hint(format!(
                "let it be written: --volume {}:{}",
                mount.claim, mount.path
            )));
        }
        let mut secrets = request.environment.mounts.iter();
        if let Some(secret) = secrets.find(|secret| is_at_or_below(path, &secret.path)) {
            return Err(Refusal::new(format!(
                "nothing can be loaded into {path}: secret {} is mounted as the file {}",
                secret.secret, secret.path
            ))
            .hint("load it into another directory"));
        }
    }
    Ok(())
}

/// Checks that the claims which are mounted exist, as far as that can be seen:
/// pods that mount another would wait for it, and hold up an update.
///
/// # Errors
/// [`Refusal`] with those there are.
pub fn claims(request: &WorkloadRequest, facts: &ClusterFacts) -> Result<(), Refusal> {
    let Some(known) = facts.claims.as_ref().and_then(Readable::known) else {
        return Ok(());
    };
    let mut wanted = request.pods.volumes.iter().map(|mount| &mount.claim);
    let Some(missing) = wanted.find(|claim| !known.contains(claim)) else {
        return Ok(());
    };
    if request.force {
        return Ok(());
    }
    let namespace = &request.namespace;
    let refusal = Refusal::new(format!(
        "no PersistentVolumeClaim {missing:?} in namespace {namespace:?}"
    ))
    .about(format!("persistentvolumeclaim/{missing}"));
    let refusal = match nearest(missing, known.clone()) {
        Some(near) => refusal.hint(format!("did you mean --volume {near}:/path?")),
        None => refusal,
    };
    let refusal = match known[..] {
        [] => refusal.hint(format!(
            "the namespace has none; make it with: kubectl -n {namespace} apply -f claim.yaml"
        )),
        _ => refusal.hint(format!("claims: {}", known.join(", "))),
    };
    Err(refusal.hint("--force goes ahead, should it be made later"))
}
