//! Adds GPU time up: by user, queue or namespace.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::{Account, Bound, GpuTime, Source};

/// What is added up.
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename_all = "camelCase"))]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum By {
    /// Who submitted.
    #[default]
    User,
    /// The LocalQueue.
    Queue,
    /// The namespace.
    Namespace,
}

impl By {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::User, Self::Queue, Self::Namespace];

    /// Returns the word on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Queue => "queue",
            Self::Namespace => "namespace",
        }
    }
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for By {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut all = Self::ALL.into_iter();
        let words = Self::ALL.map(Self::word).join(", ");
        all.find(|by| by.word() == text)
            .ok_or_else(|| format!("expected one of {words}"))
    }
}

impl Serialize for By {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

/// GPU time of a user, queue or namespace.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Total {
    /// Of a queue in one of several namespaces, which.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Whose; nothing if no label says it.
    pub name: Option<String>,
    /// GPU-hours.
    #[serde(rename = "gpuHours")]
    pub gpu_time: GpuTime,
    /// How exact they are.
    pub bound: Bound,
    /// Workloads that ran, where they are counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workloads: Option<usize>,
    /// What tells this.
    pub sources: BTreeSet<Source>,
}

impl Total {
    /// Returns a total that Prometheus tells: its samples, no workloads.
    pub fn measured(name: Option<String>, gpu_time: GpuTime) -> Self {
        Self {
            name,
            gpu_time,
            bound: gpu_time.bound,
            sources: BTreeSet::from([Source::Prometheus]),
            ..Self::default()
        }
    }

    /// Returns the sum of all.
    pub fn of_all(totals: &[Self]) -> Self {
        let mut sum = Self::default();
        for total in totals {
            sum.gpu_time = sum.gpu_time.and(total.gpu_time);
            if let Some(workloads) = total.workloads {
                *sum.workloads.get_or_insert(0) += workloads;
            }
            sum.sources.extend(&total.sources);
        }
        sum.bound = sum.gpu_time.bound;
        sum
    }
}

/// Adds up what ran in the period; with `namespaces`, queues of each by itself.
pub fn totals(accounts: &[Account], by: By, namespaces: bool) -> Vec<Total> {
    let mut totals: BTreeMap<(Option<String>, Option<String>), Total> = BTreeMap::new();
    let ran = accounts.iter().filter(|account| account.ran_in_period);
    for account in ran {
        let name = match by {
            By::User => account.user.clone(),
            By::Queue => account.queue.clone(),
            By::Namespace => Some(account.namespace.clone()),
        };
        let namespace = (by == By::Queue && namespaces).then(|| account.namespace.clone());
        let total = totals
            .entry((namespace.clone(), name.clone()))
            .or_insert_with(|| Total {
                namespace,
                name,
                workloads: Some(0),
                ..Total::default()
            });
        total.gpu_time = total.gpu_time.and(account.gpu_time);
        total.bound = total.gpu_time.bound;
        total.workloads = total.workloads.map(|count| count + 1);
        total.sources.insert(account.source);
    }
    totals.into_values().collect()
}
