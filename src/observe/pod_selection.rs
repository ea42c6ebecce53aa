//! Selects the pods of a workload that a command is about.

use std::cmp::Reverse;

use super::kind::rules;
use super::kind::tasks::record;
use super::snapshot::Snapshot;
use crate::api::keys::{COMPLETION_INDEX_LABEL, RAY_CLUSTER_LABEL, RAY_NODE_TYPE_LABEL};
use crate::api::pod::{ContainerStatus, Pod};

/// What the user says about it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PodChoice {
    /// A pod, by its name or its short one.
    pub pod: Option<String>,
    /// Head and workers of a RayJob instead of its driver.
    pub workers: bool,
    /// All pods there are, those of earlier attempts too.
    pub all: bool,
    /// A container; the first one unless it says otherwise.
    pub container: Option<String>,
}

/// One pod that is meant, where only one can be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Single {
    /// The one that commands are run in: a Ray cluster's head, a Job's first
    /// pod, else one that is ready.
    #[default]
    Main,
    /// By its name or its short one.
    Pod(String),
    /// A Ray cluster's head.
    Head,
    /// A worker, counted from 0; of a Job, the pod of that index.
    Worker(usize),
}

/// Why there is no such pod.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PodChoiceError {
    /// No pod has that name.
    #[error("{workload} has no pod {wanted}")]
    NoPod {
        workload: String,
        /// What was asked for.
        wanted: String,
        /// Short names of the pods there are.
        known: Vec<String>,
    },
    /// No container has that name.
    #[error("pod {pod} has no container {wanted}")]
    NoContainer {
        pod: String,
        /// What was asked for.
        wanted: String,
        /// Its containers.
        known: Vec<String>,
    },
    /// The pod that is meant does not run.
    #[error("pod {pod} is not running ({state})")]
    NotRunning {
        workload: String,
        pod: String,
        /// How the pod stands.
        state: String,
    },
    /// Its pods are in another cluster.
    #[error("{workload} {verb} in cluster {cluster:?} (MultiKueue): its pods and logs {are}", verb = if *is_over { "ran" } else { "runs" }, are = if *is_over { "were deleted there when it ended" } else { "are there until it ends" })]
    Elsewhere {
        workload: String,
        /// Its namespace, which it also has there.
        namespace: String,
        /// The cluster, as MultiKueue calls it.
        cluster: String,
        /// Whether it has ended.
        is_over: bool,
    },
    /// No pod runs.
    #[error("no pod of {workload} is running ({standing})")]
    NoneRuns {
        workload: String,
        /// How it stands.
        standing: String,
    },
}

impl Snapshot {
    /// Returns the pods whose logs are meant, in the order of their names.
    ///
    /// # Errors
    /// [`PodChoiceError::NoPod`] if a pod is named that is not there, or
    /// [`PodChoiceError::Elsewhere`].
    pub fn chosen(&self, choice: &PodChoice) -> Result<Vec<&Pod>, PodChoiceError> {
        let matching = self.matching(choice)?;
        let rules = rules(&self.workload);
        let of_cluster = choice.workers && rules.has_driver();
        let mut chosen = match choice.all || choice.pod.is_some() || of_cluster {
            true => matching,
            false => rules.present_pods(matching),
        };
        chosen.sort_by_key(|pod| pod.place());
        Ok(chosen)
    }

    /// Returns the pods that do what is meant, those of earlier attempts too.
    ///
    /// # Errors
    /// As [`Snapshot::chosen`].
    pub fn matching(&self, choice: &PodChoice) -> Result<Vec<&Pod>, PodChoiceError> {
        if let Some(elsewhere) = self.elsewhere() {
            return Err(elsewhere);
        }
        if let Some(wanted) = &choice.pod {
            return self.named(wanted).map(|pod| vec![pod]);
        }
        let has_driver = rules(&self.workload).has_driver();
        let pods = self.pods().iter();
        Ok(pods
            .filter(|pod| !has_driver || choice.all || pod.is_of_ray() == choice.workers)
            .collect())
    }

    /// Returns the running pod that is meant.
    ///
    /// # Errors
    /// [`PodChoiceError`] if it is not there, or none runs.
    pub fn running(&self, single: &Single) -> Result<&Pod, PodChoiceError> {
        if let Some(elsewhere) = self.elsewhere() {
            return Err(elsewhere);
        }
        let mut pods: Vec<&Pod> = self.pods().iter().filter(|pod| pod.runs()).collect();
        pods.sort_by_key(|pod| (pod.place(), Reverse(pod.metadata.creation_timestamp)));
        let missing = |wanted: &str| PodChoiceError::NoPod {
            workload: self.workload.display_name(),
            wanted: wanted.to_owned(),
            known: pods.iter().map(|pod| self.label(pod)).collect(),
        };
        if let Single::Pod(wanted) = single {
            let pod = self.named(wanted)?;
            return match pod.runs() {
                true => Ok(pod),
                false => Err(self.not_running(pod)),
            };
        }
        // Of one task that does not run, more is known.
        if pods.is_empty() && self.index.is_none() {
            let standing = self.standing();
            let status = standing.status;
            return Err(PodChoiceError::NoneRuns {
                workload: self.workload.display_name(),
                standing: match &standing.reason[..] {
                    "" => status.to_string(),
                    reason => format!("{status}: {reason}"),
                },
            });
        }
        match single {
            Single::Head => {
                let head = pods.iter().find(|pod| pod.is_head());
                head.copied().ok_or_else(|| missing("that is a Ray head"))
            }
            Single::Worker(number) => {
                let is_ray = pods.iter().any(|pod| pod.is_of_ray());
                let mut workers = pods
                    .iter()
                    .filter(|pod| !is_ray || (pod.is_of_ray() && !pod.is_head()));
                let by_index = workers
                    .clone()
                    .find(|pod| pod.index().is_some_and(|index| index == *number as u64));
                let has_indexes = pods.iter().any(|pod| pod.index().is_some());
                by_index
                    .or_else(|| workers.nth(*number).filter(|_| !has_indexes))
                    .copied()
                    .ok_or_else(|| match self.newest_of_index(*number as u64) {
                        Some(pod) => self.not_running(pod),
                        None => missing(&self.worker(*number)),
                    })
            }
            Single::Main | Single::Pod(_) => {
                let head = pods.iter().find(|pod| pod.is_head());
                let ready = pods.iter().find(|pod| pod.is_ready());
                // The pod that submits a RayJob is no place to be.
                let indexed = pods.iter().find(|pod| pod.index().is_some());
                let first = head.or(indexed).or(ready).or(pods.first());
                first.copied().ok_or_else(|| missing("that is running"))
            }
        }
    }

    /// Returns a pod's name without what all of them share; `driver…` for
    /// those that submit a RayJob.
    pub fn label(&self, pod: &Pod) -> String {
        let name = pod.name();
        let without = |prefix: &str| {
            let rest = name.strip_prefix(prefix)?.strip_prefix('-')?;
            (!rest.is_empty()).then(|| rest.to_owned())
        };
        let is_driver = rules(&self.workload).has_driver() && !pod.is_of_ray();
        let short = pod
            .metadata
            .label(RAY_CLUSTER_LABEL)
            .and_then(without)
            .or_else(|| without(&self.workload.metadata.name));
        match (is_driver, short) {
            (true, Some(short)) => format!("driver-{short}"),
            (_, short) => short.unwrap_or_else(|| name.to_owned()),
        }
    }

    /// Returns that its pods are in another cluster, if they are.
    fn elsewhere(&self) -> Option<PodChoiceError> {
        let cluster = self.cluster_name().filter(|_| self.pods().is_empty())?;
        let status = self.standing().status;
        Some(PodChoiceError::Elsewhere {
            workload: self.workload.display_name(),
            namespace: self.workload.metadata.namespace.clone(),
            cluster: cluster.to_owned(),
            is_over: rules(&self.workload).is_over(status),
        })
    }

    fn named(&self, wanted: &str) -> Result<&Pod, PodChoiceError> {
        let pods = self.pods();
        let known = || pods.iter().map(|pod| self.label(pod));
        pods.iter()
            .find(|pod| pod.name() == wanted)
            .or_else(|| pods.iter().find(|pod| self.label(pod) == wanted))
            .ok_or_else(|| PodChoiceError::NoPod {
                workload: self.workload.display_name(),
                wanted: wanted.to_owned(),
                known: known().collect(),
            })
    }

    /// Returns the pod that has an index of a Job now, whether it runs or not.
    fn newest_of_index(&self, index: u64) -> Option<&Pod> {
        let pods = self.pods().iter();
        pods.filter(|pod| pod.index() == Some(index))
            .max_by_key(|pod| pod.metadata.creation_timestamp)
    }

    /// Returns what a worker is called: of an array, it is a task.
    fn worker(&self, number: usize) -> String {
        let index = i64::try_from(number).ok();
        let task = record(&self.workload).and_then(|it| it.tasks.at(index?));
        match task {
            Some(task) => format!("of task {task}"),
            None => format!("that is worker {number}"),
        }
    }

    fn not_running(&self, pod: &Pod) -> PodChoiceError {
        PodChoiceError::NotRunning {
            workload: self.workload.display_name(),
            pod: pod.name().to_owned(),
            state: pod.state(),
        }
    }
}

impl Pod {
    /// Returns its name.
    pub fn name(&self) -> &str {
        &self.metadata.name
    }

    /// Returns whether it runs and stays.
    pub fn runs(&self) -> bool {
        self.status.phase == "Running" && !self.is_terminating()
    }

    /// Returns whether it is a Ray cluster's head.
    pub fn is_head(&self) -> bool {
        self.metadata.label(RAY_NODE_TYPE_LABEL) == Some("head")
    }

    /// Returns whether it is of a Ray cluster.
    pub fn is_of_ray(&self) -> bool {
        self.metadata.label(RAY_CLUSTER_LABEL).is_some()
    }

    /// Returns its index in an Indexed Job.
    pub fn index(&self) -> Option<u64> {
        self.metadata.label(COMPLETION_INDEX_LABEL)?.parse().ok()
    }

    /// Returns the name of the container that is meant.
    ///
    /// # Errors
    /// [`PodChoiceError::NoContainer`] if there is none of that name.
    pub fn container(&self, wanted: Option<&str>) -> Result<&str, PodChoiceError> {
        let mut names = self.spec.all().map(|container| container.name.as_str());
        match wanted {
            None => names.next(),
            Some(wanted) => names.clone().find(|name| *name == wanted),
        }
        .ok_or_else(|| PodChoiceError::NoContainer {
            pod: self.name().to_owned(),
            wanted: wanted.unwrap_or_default().to_owned(),
            known: names.map(str::to_owned).collect(),
        })
    }

    /// Returns the UID of the Job that it is of; empty outside of Jobs.
    pub fn job(&self) -> &str {
        let mut owners = self.metadata.owner_references.iter();
        owners
            .find(|owner| owner.kind == "Job")
            .map_or("", |owner| owner.uid.as_str())
    }

    /// Returns what it is sorted by: heads first, then by index and name.
    fn place(&self) -> (bool, Option<u64>, String) {
        (!self.is_head(), self.index(), self.name().to_owned())
    }
}

impl ContainerStatus {
    /// Returns whether it has a log: it runs, or has run.
    pub fn has_begun(&self) -> bool {
        let (now, before) = (&self.state, &self.last_state);
        now.running.is_some() || now.terminated.is_some() || before.terminated.is_some()
    }
}

#[cfg(test)]
mod tests;
