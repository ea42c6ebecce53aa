//! The kinds of workload, and what is true of each whatever its state.

/// Versions of KAITO's API that kaiwo writes, best first.
pub const KAITO_VERSIONS: [&str; 2] = ["kaito.sh/v1beta1", "kaito.sh/v1alpha1"];

/// Kinds of workload that kaiwo makes, by the names of their APIs.
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
}

impl WorkloadKind {
    /// Returns the group and version its manifests carry.
    pub fn api_version(self) -> &'static str {
        match self {
            Self::Job | Self::CronJob => "batch/v1",
            Self::Deployment => "apps/v1",
            Self::RayJob | Self::RayService => "ray.io/v1",
            Self::Workspace | Self::InferenceSet => KAITO_VERSIONS[0],
        }
    }

    /// Returns the kind, as in manifests.
    pub fn name(self) -> &'static str {
        match self {
            Self::Job => "Job",
            Self::RayJob => "RayJob",
            Self::CronJob => "CronJob",
            Self::Deployment => "Deployment",
            Self::RayService => "RayService",
            Self::Workspace => "Workspace",
            Self::InferenceSet => "InferenceSet",
        }
    }

    /// All kinds.
    pub const ALL: [Self; 7] = [
        Self::Job,
        Self::RayJob,
        Self::CronJob,
        Self::Deployment,
        Self::RayService,
        Self::Workspace,
        Self::InferenceSet,
    ];

    /// Returns whether it runs to an end, and is queued for that.
    pub fn is_batch(self) -> bool {
        matches!(self, Self::Job | Self::RayJob | Self::CronJob)
    }

    /// Returns whether a Ray cluster runs it.
    pub fn is_ray(self) -> bool {
        matches!(self, Self::RayJob | Self::RayService)
    }

    /// Returns whether KAITO serves it.
    pub fn is_kaito(self) -> bool {
        matches!(self, Self::Workspace | Self::InferenceSet)
    }

    /// Returns whether serving again changes the object there is. Of a
    /// Workspace, KAITO admits such changes and ignores them (v0.12); of an
    /// InferenceSet it carries out those of the number of replicas.
    pub fn updates_in_place(self) -> bool {
        matches!(
            self,
            Self::Deployment | Self::RayService | Self::InferenceSet
        )
    }

    /// Returns whether the version before a change is kept, to be returned to.
    pub fn keeps_versions(self) -> bool {
        matches!(self, Self::Deployment | Self::RayService)
    }

    /// Returns the kind of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Returns the beginning of the command that makes this kind.
    pub fn command(self) -> &'static str {
        match self {
            Self::Job => "kaiwo submit, without --ray and --schedule",
            Self::RayJob => "kaiwo submit --ray",
            Self::CronJob => "kaiwo submit --schedule CRON",
            Self::Deployment => "kaiwo serve, without --ray and --kaito",
            Self::RayService => "kaiwo serve --ray",
            Self::Workspace => "kaiwo serve --kaito",
            Self::InferenceSet => "kaiwo serve -m MODEL --replicas N",
        }
    }

    /// Returns the most characters a name of this kind may have.
    ///
    /// Job: 63, because the name becomes a label of its pods, less `-<index>`
    /// for `pods` > 1, because an Indexed Job's pods use it as host name.
    /// CronJob: 52, because its Jobs get a suffix of 11.
    /// RayJob and RayService: 47, KubeRay's own limit since v1.4.0, checked by
    /// its operator only after admission.
    /// Deployment: 63, because its Service has its name.
    /// Workspace: 52, because KAITO's StatefulSet makes a label of the name and
    /// a hash of 10.
    /// InferenceSet: 46, because its Workspaces get a suffix of 6.
    pub fn longest_name(self, pods: i64) -> usize {
        match self {
            Self::Job if pods > 1 => 63 - 1 - (pods - 1).to_string().len(),
            Self::Job | Self::Deployment => 63,
            Self::CronJob | Self::Workspace => 52,
            Self::RayJob | Self::RayService => 47,
            Self::InferenceSet => 46,
        }
    }
}
