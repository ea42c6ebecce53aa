//! Says what will run and when, at the moment of submitting.

use crate::api::vendor::is_gpu_resource;
use crate::kind::WorkloadKind;
use crate::names::counted;
use crate::plan::Plan;
use crate::plan::kueue::forecast::{Forecast, Lack};
use crate::plan::request::array::Array;
use crate::plan::request::schedule::CLUSTERS_ZONE;

/// Returns the line that says what will run and when.
pub fn forecast(plan: &Plan) -> String {
    let request = &plan.request;
    let mut parts = vec![model_or_resources(plan)];
    parts.extend(replicas(plan));
    parts.extend(nodes(plan));
    if let Some(schedule) = &request.schedule {
        let zone = request.time_zone.as_deref().unwrap_or(CLUSTERS_ZONE);
        parts.push(format!("at {} ({zone})", schedule.as_str()));
    }
    if let Some(forecast) = &plan.forecast {
        parts.extend(quota(plan, forecast));
    }
    if request.schedule.is_none() {
        parts.extend(waiting(plan));
    }
    format!(
        "{} {}: {}",
        request.kind.name(),
        request.name,
        parts.join(" · ")
    )
}

/// Returns the line that says which sizes were chosen for this cluster, as flags.
pub fn sizes(plan: &Plan) -> Option<String> {
    let flags = plan.adapted_sizes();
    (!flags.is_empty()).then(|| {
        format!(
            "pods are smaller than usual, to fit nodes and quota: {}",
            flags.join(" ")
        )
    })
}

fn model_or_resources(plan: &Plan) -> String {
    let serving = &plan.request.serving;
    if let Some(model) = &serving.model {
        return match &serving.kaito.tuning {
            Some(tuning) => format!("tunes {model} with {}", tuning.method),
            None => format!("model {model}"),
        };
    }
    if let Some(array) = &plan.request.array {
        return tasks(plan, array);
    }
    let (total, resource, shape) = gpus(plan);
    if let Some(resource) = resource {
        let gpus = counted(total, "GPU");
        let most = serving.autoscale.map_or("", |_| "up to ");
        return format!("{most}{gpus} = {shape} {resource}");
    }
    let Some(workers) = plan.pods.first() else {
        return "no GPUs".to_owned();
    };
    let pods = match (workers.count, serving.autoscale) {
        // Their number comes after it.
        (_, Some(_)) => "pods of ".to_owned(),
        (1, None) => String::new(),
        (count, None) => format!("{count} pods of "),
    };
    let request = |resource: &str| {
        let request = workers.requests.get(resource);
        request.map(|request| request.shown(resource))
    };
    match (request("cpu"), request("memory")) {
        (Some(cpu), Some(memory)) => format!("no GPUs, {pods}{cpu} CPU and {memory}"),
        (Some(cpu), None) => format!("no GPUs, {pods}{cpu} CPU"),
        (None, Some(memory)) => format!("no GPUs, {pods}{memory}"),
        (None, None) => format!("no GPUs, {pods}no CPU or memory"),
    }
}

/// Returns how many tasks an array has, how many run at once, and what each requests.
fn tasks(plan: &Plan, array: &Array) -> String {
    let count = array.tasks.count();
    let (_, resource, _) = gpus(plan);
    let each = plan.pods.first().map(|task| &task.requests);
    let of = |resource: &str| {
        let request = each.and_then(|requests| requests.get(resource));
        request.map(|request| request.shown(resource))
    };
    let each = match resource {
        Some(resource) => format!("{} {resource}", of(resource).unwrap_or_default()),
        None => {
            let cpu = of("cpu").map(|cpu| format!("{cpu} CPU"));
            let parts: Vec<String> = cpu.into_iter().chain(of("memory")).collect();
            parts.join(" and ")
        }
    };
    let each = match each.is_empty() {
        true => String::new(),
        false => format!(" of {each}"),
    };
    let tasks = counted(count, "task");
    match array.slots < count {
        true => format!("{tasks}{each}, {} at once", array.slots),
        false => format!("{tasks}{each}"),
    }
}

/// Returns with how many slots an array starts that does not get all.
fn fewer_slots(plan: &Plan, forecast: &Forecast) -> Option<String> {
    let array = plan.request.array.as_ref()?;
    let slots = forecast.slots.filter(|slots| *slots < array.slots)?;
    Some(format!(
        "starts now with {slots} of {} slots; Kueue adds none while it runs",
        array.slots
    ))
}

/// Returns how many GPUs the pods have, which, and in what shape.
pub(super) fn gpus(plan: &Plan) -> (i64, Option<&str>, String) {
    let mut shapes = Vec::new();
    let (mut total, mut resource) = (0_i64, None);
    for set in &plan.pods {
        let requests = set.requests.iter();
        for (name, each) in
            requests.filter(|(name, each)| is_gpu_resource(name) && each.whole() > 0)
        {
            shapes.push(format!("{} × {}", set.count, each.whole()));
            total = total.saturating_add(each.whole().saturating_mul(set.count));
            resource.get_or_insert(name.as_str());
        }
    }
    (total, resource, shapes.join(" + "))
}

/// Returns how many there are of what can be there several times.
fn replicas(plan: &Plan) -> Vec<String> {
    let (kind, count) = (plan.request.kind, plan.layout.replicas);
    let scaled = plan.request.serving.autoscale.map(|scale| {
        let pods = if kind.is_ray() { "workers" } else { "pods" };
        format!("{} to {} {pods}", scale.min, scale.max)
    });
    let served = (kind == WorkloadKind::InferenceSet).then(|| counted(count, "replica"));
    scaled.into_iter().chain(served).collect()
}

/// Returns which nodes it takes.
fn nodes(plan: &Plan) -> Vec<String> {
    let instance_type = plan.request.serving.instance_type.as_ref();
    let instance_type = instance_type.map(|instance| format!("on {instance}"));
    let selector = &plan.node_selector;
    let labels = (!selector.is_empty()).then(|| {
        let labels = selector.iter().map(|(key, value)| format!("{key}={value}"));
        let labels: Vec<String> = labels.collect();
        format!("on nodes with {}", labels.join(", "))
    });
    instance_type.into_iter().chain(labels).collect()
}

/// Returns what is free of the quota, and what is borrowed.
fn quota(plan: &Plan, forecast: &Forecast) -> Vec<String> {
    let (_, resource, _) = gpus(plan);
    let what = resource.map_or(" CPU", |_| "");
    let counted = resource.unwrap_or("cpu");
    let (free, nominal) = (
        forecast.free.shown(counted),
        forecast.nominal.shown(counted),
    );
    let free = format!("{free} of {nominal}{what} free");
    let loan = forecast.loan.as_ref().map(|loan| {
        format!(
            "borrows {}{what} from cohort {}",
            loan.amount.shown(counted),
            loan.cohort
        )
    });
    std::iter::once(free).chain(loan).collect()
}

/// Returns when it starts, and what it waits for.
fn waiting(plan: &Plan) -> Option<String> {
    let mut parts = Vec::new();
    if let Some(forecast) = &plan.forecast {
        if forecast.starts_now() && plan.misfit.is_none() {
            let fewer = fewer_slots(plan, forecast);
            return Some(fewer.unwrap_or_else(|| "starts now".to_owned()));
        }
        if let Some(obstacle) = &forecast.obstacle {
            parts.push(format!("waits: {obstacle}"));
        }
        if forecast.ahead > 0 {
            parts.push(format!("{} ahead", forecast.ahead));
        }
        parts.extend(
            forecast
                .lacking
                .as_ref()
                .filter(|_| forecast.obstacle.is_none())
                .map(lacking),
        );
    }
    let is_held_up = |it: &Forecast| it.obstacle.is_some();
    if plan.misfit.is_some() && !plan.forecast.as_ref().is_some_and(is_held_up) {
        parts.push("waits for nodes".to_owned());
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn lacking(lack: &Lack) -> String {
    let Lack {
        resource,
        amount,
        may_borrow,
    } = lack;
    let from = if *may_borrow {
        ", which the cohort can lend"
    } else {
        ""
    };
    // GPUs are what the line is about; anything else has to be named.
    let what = if is_gpu_resource(resource) {
        String::new()
    } else {
        format!(" {resource}")
    };
    format!("needs {} more{what}{from}", amount.shown(resource))
}
