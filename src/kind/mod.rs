//! The kinds of workload, and what is true of each whatever its state: a row of
//! facts a kind, in a file of its own. What a kind's status means is told by
//! `observe::kind`.

mod cron_job;
mod deployment;
mod descriptor;
mod goal;
mod inference_set;
mod job;
mod queued;
mod ray_job;
mod ray_service;
mod workspace;

pub use descriptor::{ChangeMode, Descriptor, Operator, OperatorObject, OperatorObjects};
pub use goal::Goal;

/// Versions of KAITO's API that kaiwo writes, best first.
pub const KAITO_VERSIONS: [&str; 2] = ["kaito.sh/v1beta1", "kaito.sh/v1alpha1"];

/// Kinds of workload that kaiwo knows, by the names of their APIs.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub enum WorkloadKind {
    /// `batch/v1` Job.
    Job,
    /// `ray.io/v1` RayJob.
    RayJob,
    /// `batch/v1` CronJob, whose Jobs Kueue queues.
    CronJob,
    /// `apps/v1` Deployment.
    Deployment,
    /// `ray.io/v1` RayService.
    RayService,
    /// `kaito.sh` Workspace.
    Workspace,
    /// `kaito.sh` InferenceSet: several Workspaces of one model.
    InferenceSet,
    /// Anything else that Kueue queues, by its `kueue.x-k8s.io` Workload.
    Queued,
}

impl WorkloadKind {
    /// All kinds that kaiwo knows by themselves, in the order in which they are
    /// listed: all but [`Self::Queued`].
    pub const ALL: [Self; 7] = [
        Self::Job,
        Self::RayJob,
        Self::CronJob,
        Self::Deployment,
        Self::RayService,
        Self::Workspace,
        Self::InferenceSet,
    ];

    /// Returns what is true of every workload of this kind.
    pub const fn descriptor(self) -> &'static Descriptor {
        match self {
            Self::Job => &job::DESCRIPTOR,
            Self::RayJob => &ray_job::DESCRIPTOR,
            Self::CronJob => &cron_job::DESCRIPTOR,
            Self::Deployment => &deployment::DESCRIPTOR,
            Self::RayService => &ray_service::DESCRIPTOR,
            Self::Workspace => &workspace::DESCRIPTOR,
            Self::InferenceSet => &inference_set::DESCRIPTOR,
            Self::Queued => &queued::DESCRIPTOR,
        }
    }

    /// Returns the group and version its manifests carry.
    pub const fn api_version(self) -> &'static str {
        self.descriptor().api_versions[0]
    }

    /// Returns the group of its API; empty for the core group.
    pub fn group(self) -> &'static str {
        let version = self.api_version();
        version.split_once('/').map_or("", |(group, _)| group)
    }

    /// Returns whether kaiwo creates workloads of this kind.
    pub fn is_created(self) -> bool {
        !self.descriptor().template.is_empty()
    }

    /// Returns the kind, as in manifests.
    pub const fn name(self) -> &'static str {
        self.descriptor().name
    }

    /// Returns whether it runs to an end, and is queued for that.
    pub fn is_batch(self) -> bool {
        self.descriptor().is_batch
    }

    /// Returns whether a Ray cluster runs it.
    pub fn is_ray(self) -> bool {
        self.descriptor().operator == Operator::KubeRay
    }

    /// Returns whether KAITO serves it.
    pub fn is_kaito(self) -> bool {
        self.descriptor().operator == Operator::Kaito
    }

    /// Returns whether serving again changes the object there is.
    pub fn updates_in_place(self) -> bool {
        self.descriptor().change != ChangeMode::Replaced
    }

    /// Returns whether the version before a change is kept, to be returned to.
    pub fn keeps_versions(self) -> bool {
        self.descriptor().change == ChangeMode::InPlaceWithVersions
    }

    /// Returns the kind of this name, as in manifests.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Returns the kind that a word means: `job`, `jobs`, `job.batch`, `deploy`. A
    /// Job of another group, such as Volcano's, is another kind.
    pub fn meant(word: &str) -> Option<Self> {
        let lower = word.to_lowercase();
        let (plain, group) = with_group(&lower);
        Self::ALL.into_iter().find(|kind| {
            let Descriptor {
                plural,
                short_names,
                ..
            } = kind.descriptor();
            let is_named = plain == kind.word() || plain == *plural || short_names.contains(&plain);
            is_named && kind.is_in(group)
        })
    }

    /// Returns whether it is of the group that was typed, if one was.
    pub fn is_in(self, group: Option<&str>) -> bool {
        let mut versions = self.descriptor().api_versions.iter();
        versions.any(|version| is_group_of(group, version))
    }

    /// Returns the word for it on a command line: `rayjob`.
    pub fn word(self) -> String {
        self.name().to_lowercase()
    }

    /// Returns the beginning of the command that makes this kind.
    pub fn command(self) -> &'static str {
        self.descriptor().command
    }

    /// Returns the most characters a name of this kind may have, if it has this
    /// many pods.
    pub fn longest_name(self, pods: i64) -> usize {
        (self.descriptor().longest_name)(pods)
    }
}

/// Splits what kubectl takes for a kind into the kind and its group: `job.batch`.
pub fn with_group(word: &str) -> (&str, Option<&str>) {
    match word.split_once('.') {
        Some((kind, group)) => (kind, Some(group)),
        None => (word, None),
    }
}

/// Returns whether `api_version` is of the group that was typed, with a version in
/// front of it or without, if one was.
pub fn is_group_of(typed: Option<&str>, api_version: &str) -> bool {
    let (group, version) = match api_version.split_once('/') {
        Some((group, version)) => (group, version),
        None => ("", api_version),
    };
    typed.is_none_or(|typed| typed == group || typed == format!("{version}.{group}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_means_one_kind() {
        for kind in WorkloadKind::ALL {
            let Descriptor {
                name,
                plural,
                short_names,
                ..
            } = kind.descriptor();
            for word in short_names.iter().chain([name, plural]) {
                assert_eq!(WorkloadKind::meant(word), Some(kind), "{word}");
            }
            assert_eq!(WorkloadKind::named(name), Some(kind));
        }
        assert_eq!(WorkloadKind::meant("pods"), None);
        let job = Some(WorkloadKind::Job);
        assert_eq!(WorkloadKind::meant("jobs.v1.batch"), job);
        assert_eq!(WorkloadKind::meant("job.batch.volcano.sh"), None);
    }
}
