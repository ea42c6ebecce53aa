//! The description of a kind of workload.

use super::Goal;

/// Who runs workloads of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// Kubernetes itself.
    Kubernetes,
    KubeRay,
    Kaito,
}

/// What becomes of a workload when another one of its name is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeMode {
    /// It has to make room.
    Replaced,
    /// It is changed.
    InPlace,
    /// It is changed, and the version before is kept to be returned to.
    InPlaceWithVersions,
}

/// An object that an operator creates for a workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OperatorObject {
    /// Group and version.
    pub api_version: &'static str,
    pub kind: &'static str,
    /// What follows the workload's name.
    pub suffix: &'static str,
}

impl OperatorObject {
    /// Returns an object of this kind.
    pub const fn new(api_version: &'static str, kind: &'static str, suffix: &'static str) -> Self {
        Self {
            api_version,
            kind,
            suffix,
        }
    }
}

/// What an operator creates under names that follow from the workload's own. Names that
/// end in random letters or in a time meet no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OperatorObjects {
    pub objects: &'static [OperatorObject],
    /// What the user is told if such a name is taken.
    pub words: &'static str,
}

impl OperatorObjects {
    /// None.
    pub const NONE: Self = Self {
        objects: &[],
        words: "",
    };
}

/// What is true of every workload of a kind.
#[derive(Debug)]
pub struct Descriptor {
    /// Kind, as in manifests.
    pub name: &'static str,
    /// Plural, as in paths.
    pub plural: &'static str,
    /// Short names, as the API declares them.
    pub short_names: &'static [&'static str],
    /// Groups and versions that kaiwo writes, best first.
    pub api_versions: &'static [&'static str],
    /// Who runs it.
    pub operator: Operator,
    /// What an admin can do so that a cluster serves it; `None` where all do.
    pub is_served_by: Option<&'static str>,
    /// Whether a feature gate of its operator decides if it is served with its group and
    /// version.
    pub is_feature_gated: bool,
    /// Its name in `integrations.frameworks` of Kueue's configuration (v0.18):
    /// the group and the kind, but those of `apps` without their group. `None`
    /// for what Kueue does not queue.
    pub kueue_framework: Option<&'static str>,
    /// Whether Kueue's Workload of it is labelled with its UID, and not with those
    /// of its Jobs or pods.
    pub workload_has_its_uid: bool,
    /// Whether it runs to an end, and is queued for that.
    pub is_batch: bool,
    /// Whether it starts Jobs again and again, which are workloads themselves.
    pub is_recurring: bool,
    /// Whether it can end well at all.
    pub may_end: bool,
    /// What it is waited for unless something else is said.
    pub goal: Goal,
    /// What serving again does.
    pub change: ChangeMode,
    /// Whether a HorizontalPodAutoscaler can scale it.
    pub is_scalable: bool,
    /// The Service through which it is asked: what its name adds to the
    /// workload's, and the name of the port.
    pub service: Option<(&'static str, &'static str)>,
    /// Beginning of the command that makes it.
    pub command: &'static str,
    /// Most characters of a name, by the number of pods.
    pub longest_name: fn(i64) -> usize,
    /// Objects that its operator names after it, and takes for its own if they exist.
    pub named_after_it: OperatorObjects,
    /// Name of the built-in template; empty if kaiwo does not create the kind.
    pub template: &'static str,
    /// Paths of the pod templates; `*` stands for every item of a list.
    pub pod_templates: &'static [&'static [&'static str]],
}
