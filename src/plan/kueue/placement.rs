//! Seeks a place for the pods of a workload among the flavors of a resource
//! group, as Kueue does: one flavor for each pod set, and pod sets that share a
//! flavor counted together (`flavorassigner.go`, v0.19).

use std::collections::BTreeMap;

use super::cohort::FlavorResource;
use crate::api::kueue_workload::WorkloadPodSet as QueuedPodSet;
use crate::api::pod_template::PodTemplateSpec;
use crate::api::queue::{FlavorQuotas, ResourceGroup};
use crate::api::vendor::is_gpu_resource;
use crate::plan::facts::ClusterFacts;
use crate::plan::request::toleration::{Toleration, untolerated};
use crate::quantity::Quantity;
use serde::Deserialize;
use serde_json::Value;

/// The resource that counts pods, which no pod requests.
const PODS: &str = "pods";

/// Pods that are alike, for which Kueue seeks a flavor together.
#[derive(Debug, Clone, PartialEq)]
pub struct PodSet {
    /// Number of pods.
    pub count: i64,
    /// Requests of one pod, by resource.
    pub requests: BTreeMap<String, Quantity>,
    /// Labels the nodes must have.
    pub node_selector: BTreeMap<String, String>,
    /// Taints the pods tolerate.
    pub tolerations: Vec<Toleration>,
}

impl PodSet {
    /// Reads the pods that a template makes.
    pub fn of_template(spec: &Value) -> Self {
        let pairs = |value: &Value| -> Vec<(String, String)> {
            let text = |value: &Value| match value {
                Value::String(text) => text.clone(),
                value => value.to_string(),
            };
            let fields = value.as_object().into_iter().flatten();
            fields
                .map(|(key, value)| (key.clone(), text(value)))
                .collect()
        };
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let tolerations = spec["tolerations"].as_array().into_iter().flatten();
        Self {
            count: 1,
            requests: PodTemplateSpec::deserialize(spec)
                .map(|spec| spec.requests())
                .unwrap_or_default(),
            node_selector: pairs(&spec["nodeSelector"]).into_iter().collect(),
            tolerations: tolerations
                .map(|toleration| Toleration {
                    key: text(&toleration["key"]).unwrap_or_default(),
                    value: text(&toleration["value"]),
                    effect: text(&toleration["effect"]),
                })
                .collect(),
        }
    }

    /// Reads the pods of a set in Kueue's Workload.
    pub fn of_queued(set: &QueuedPodSet) -> Self {
        let spec = &set.template.spec;
        let said = |text: &String| (!text.is_empty()).then(|| text.clone());
        let tolerations = spec.tolerations.iter().map(|toleration| Toleration {
            key: toleration.key.clone(),
            value: said(&toleration.value),
            effect: said(&toleration.effect),
        });
        Self {
            count: set.count,
            requests: spec.requests(),
            node_selector: spec.node_selector.clone(),
            tolerations: tolerations.collect(),
        }
    }

    /// Adds to each pod what each pod of `other` requests.
    pub fn add(&mut self, other: &Self) {
        for (resource, amount) in &other.requests {
            let sum = self.requests.entry(resource.clone()).or_default();
            *sum = *sum + *amount;
        }
    }

    /// Returns what all pods of the set request of `resource`.
    pub fn demand(&self, resource: &str) -> Quantity {
        match resource {
            PODS => Quantity::units(self.count),
            _ => self.requests.get(resource).copied().unwrap_or_default() * self.count,
        }
    }

    /// Returns why Kueue does not try a flavor for these pods. It minds only
    /// those labels of the nodes that the flavor itself has.
    pub fn closed_to(&self, flavor: &str, facts: &ClusterFacts) -> Option<String> {
        let known = facts.flavors.known()?;
        let spec = &known
            .iter()
            .find(|known| known.metadata.name == flavor)?
            .spec;
        let other = self.node_selector.iter().find(|(key, value)| {
            let own = spec.node_labels.get(*key);
            own.is_some_and(|own| own != *value)
        });
        if let Some((key, value)) = other {
            return Some(format!("flavor {flavor:?} has no nodes with {key}={value}"));
        }
        let taint = untolerated(&spec.node_taints, &self.tolerations, &spec.tolerations)?;
        Some(format!(
            "flavor {flavor:?} has the taint {taint}, which the pods do not tolerate"
        ))
    }
}

/// Pods that find no place.
#[derive(Debug, Clone, PartialEq)]
pub enum Miss {
    /// No flavor takes them, whatever its quota: why, flavor by flavor.
    Closed(Vec<String>),
    /// A flavor has too little.
    Short(Shortage),
}

/// Too little of a resource in a flavor.
#[derive(Debug, Clone, PartialEq)]
pub struct Shortage {
    /// The ResourceFlavor.
    pub flavor: String,
    pub resource: String,
    /// What the pods request, with those that have found a place there.
    pub demand: Quantity,
    /// What there is.
    pub limit: Quantity,
    /// Whether pods of other sets take part of it.
    pub shared: bool,
}

impl Shortage {
    /// Returns what there is too little of.
    pub fn flavor_resource(&self) -> FlavorResource<'_> {
        FlavorResource {
            flavor: &self.flavor,
            resource: &self.resource,
        }
    }
}

impl Miss {
    /// Returns whether this tells more than `other`: the flavor that comes
    /// nearest, before any that is closed.
    fn is_nearer_than(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Short(a), Self::Short(b)) => {
                (a.shared && !b.shared)
                    || (a.shared == b.shared && a.resource == b.resource && a.limit > b.limit)
            }
            (Self::Short(_), Self::Closed(_)) => true,
            _ => false,
        }
    }
}

/// One resource group, being filled with pod sets.
pub struct Search<'a> {
    group: &'a ResourceGroup,
    sets: &'a [PodSet],
    /// The only flavor for the first set, if it is bound to one.
    on: Option<&'a str>,
    facts: &'a ClusterFacts,
    /// How much there is; `None` is without limit.
    limit: &'a dyn Fn(FlavorResource) -> Option<Quantity>,
    /// What the pod sets before have taken, by flavor and resource.
    taken: BTreeMap<(&'a str, &'a str), Quantity>,
}

impl<'a> Search<'a> {
    /// Begins with nothing taken. `on` is the only flavor for the first set,
    /// and `limit` says how much there is; `None` is without limit.
    pub fn new(
        group: &'a ResourceGroup,
        sets: &'a [PodSet],
        on: Option<&'a str>,
        facts: &'a ClusterFacts,
        limit: &'a dyn Fn(FlavorResource) -> Option<Quantity>,
    ) -> Self {
        Self {
            group,
            sets,
            on,
            facts,
            limit,
            taken: BTreeMap::new(),
        }
    }

    /// Finds a flavor for every pod set.
    ///
    /// # Errors
    /// The [`Miss`] that comes nearest.
    pub fn run(mut self) -> Result<(), Miss> {
        self.place(0)
    }

    /// Seeks flavors for the pod sets from `index` on. Kueue, too, goes on to
    /// another flavor for the first where the second then finds none.
    fn place(&mut self, index: usize) -> Result<(), Miss> {
        let (sets, group) = (self.sets, self.group);
        let Some(set) = sets.get(index) else {
            return Ok(());
        };
        let mut demands: Vec<(&'a str, Quantity)> = group
            .covered_resources
            .iter()
            .map(|resource| (resource.as_str(), set.demand(resource)))
            .filter(|(_, demand)| *demand > Quantity::default())
            .collect();
        // Of what is too little, the GPUs are told of first: the rest follows them.
        demands.sort_by_key(|(resource, _)| !is_gpu_resource(resource));
        if demands.is_empty() {
            return self.place(index + 1);
        }
        let mut closed = Vec::new();
        let mut nearest: Option<Miss> = None;
        for flavor in &group.flavors {
            if index == 0 && self.on.is_some_and(|on| on != flavor.name) {
                continue;
            }
            if let Some(reason) = set.closed_to(&flavor.name, self.facts) {
                closed.push(reason);
                continue;
            }
            match self.take(flavor, &demands, index) {
                Ok(()) => return Ok(()),
                Err(miss)
                    if nearest
                        .as_ref()
                        .is_none_or(|best| miss.is_nearer_than(best)) =>
                {
                    nearest = Some(miss);
                }
                Err(_) => {}
            }
        }
        Err(nearest.unwrap_or(Miss::Closed(closed)))
    }

    /// Takes what a pod set demands from one flavor, and goes on with the next
    /// set; gives it back if that fails.
    fn take(
        &mut self,
        flavor: &'a FlavorQuotas,
        demands: &[(&'a str, Quantity)],
        index: usize,
    ) -> Result<(), Miss> {
        for (resource, demand) in demands {
            let before = self.taken.get(&(flavor.name.as_str(), resource));
            let sum = before.copied().unwrap_or_default() + *demand;
            let of = FlavorResource {
                flavor: &flavor.name,
                resource,
            };
            if let Some(limit) = (self.limit)(of).filter(|limit| sum > *limit) {
                return Err(Miss::Short(Shortage {
                    flavor: flavor.name.clone(),
                    resource: (*resource).to_owned(),
                    demand: sum,
                    limit,
                    shared: before.is_some_and(|before| *before > Quantity::default()),
                }));
            }
        }
        let before = self.taken.clone();
        for (resource, demand) in demands {
            let sum = self.taken.entry((&flavor.name, resource)).or_default();
            *sum = *sum + *demand;
        }
        let rest = self.place(index + 1);
        if rest.is_err() {
            self.taken = before;
        }
        rest
    }
}
