//! Judges the pods of a plan: whether the queue lets them in, and whether today's
//! nodes hold all of them.

use super::capacity::QueueCapacity;
use super::forecast::Forecast;
use super::places::{self, FlavorNodes};
use super::queue::{self, QueueChoice};
use super::topology;
use crate::api::Readable;
use crate::api::vendor::is_gpu_resource;
use crate::plan::facts::ClusterFacts;
use crate::plan::gang::{self, GangShortfall};
use crate::plan::sizes::Role;
use crate::plan::{Plan, Refusal, checks};

/// Adds to a plan how its queue stands to its pods, and what keeps them from
/// having a place at once. `checks_admission` says to ask whether they can be admitted
/// at all, where that has not been asked of these pods.
///
/// # Errors
/// [`Refusal`] if they never can.
pub fn judged(
    mut plan: Plan,
    facts: &ClusterFacts,
    checks_admission: bool,
) -> Result<Plan, Refusal> {
    let request = &plan.request;
    let choice = match &plan.local_queue {
        None => None,
        Some(queue) => Some(queue::choose(queue, facts, &request.namespace, true)?),
    };
    if let Some(choice) = &choice {
        plan.forecast = forecast(&plan, choice, facts, checks_admission)?;
    }
    let goes_away = choice
        .as_ref()
        .is_some_and(|choice| choice.sends_away(facts));
    plan.misfit = match goes_away || plan.request.kind.is_kaito() {
        true => None,
        false => misfit(&plan, choice.as_ref(), facts),
    };
    let warning = match goes_away {
        true => None,
        false => topology::warning(&plan, facts),
    };
    if let Some(level) = &mut plan.topology {
        level.warning = warning;
    }
    let nodes = facts.nodes.as_ref().and_then(Readable::known);
    let mounting = checks::mounting(plan.request.kind, &plan.pods);
    plan.kept_for = checks::kept_for(mounting, nodes.map(Vec::len));
    plan.kept_is_there = checks::kept_is_there(&plan.request, facts);
    plan.shared = checks::shared_claims(&plan, facts);
    plan.shared.extend(checks::kept_claim(&plan, facts)?);
    Ok(plan)
}

/// Returns how the queue stands; nothing where its ClusterQueue cannot be read.
fn forecast(
    plan: &Plan,
    choice: &QueueChoice,
    facts: &ClusterFacts,
    checks_admission: bool,
) -> Result<Option<Forecast>, Refusal> {
    let Some(queue) = &choice.cluster_queue else {
        return Ok(None);
    };
    let room = QueueCapacity::new(queue, facts).sized(plan.request.pods.sizes);
    let admitted = room.check(&plan.pods, None);
    if checks_admission && !plan.request.force {
        admitted.clone()?;
    }
    let refused = admitted.err().map(|refusal| refusal.message);
    let workers = plan.pods.first();
    let mut resources = workers
        .into_iter()
        .flat_map(|workers| workers.requests.keys());
    let gpus = resources.find(|resource| is_gpu_resource(resource));
    let counted = gpus.map_or("cpu", String::as_str);
    let forecast = Forecast::new(&room, &plan.flavors, counted, &plan.pods);
    let forecast = forecast.or_else(|| refused.as_ref().map(|_| Forecast::default()));
    Ok(forecast.map(|forecast| {
        let forecast = match &plan.request.array {
            Some(array) => forecast.of_array(&room, &plan.pods, array.slots),
            None => forecast,
        };
        Forecast {
            obstacle: choice.obstacle.clone().or(refused),
            ..forecast
        }
    }))
}

/// Returns why the nodes do not hold all pods at once, on the flavor where they
/// come nearest to it.
fn misfit(
    plan: &Plan,
    choice: Option<&QueueChoice>,
    facts: &ClusterFacts,
) -> Option<GangShortfall> {
    let nodes = places::nodes(facts)?;
    let queue = choice.and_then(|choice| choice.cluster_queue.as_ref());
    let mut roles = vec![Role::Worker(plan.request.pods.sizes)];
    roles.extend(plan.request.kind.is_ray().then_some(Role::Head));
    let mut sets = plan.pods.clone();
    if let (Some(scale), Some(workers)) = (plan.request.serving.autoscale, sets.first_mut()) {
        workers.count = scale.min;
    }
    let mut first = None;
    for place in FlavorNodes::list(&plan.flavors, queue, facts) {
        let misfit = gang::misfit(&place.groups(&sets, &roles, &nodes))?;
        first.get_or_insert(misfit);
    }
    first
}
