//! The reference by which a user names a workload: `NAME` or `KIND/NAME`.

use std::fmt;
use std::str::FromStr;

use crate::api::workload::Workload;
use crate::kind::{WorkloadKind, is_group_of, with_group};
use crate::names::{is_dns_1123_subdomain, is_slip};
use crate::secrecy::{may_be_secret, named};

/// `name`, or `kind/name` where several kinds share the name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WorkloadRef {
    /// Its kind, if the user says it.
    pub kind: Option<WorkloadKind>,
    /// A kind that kaiwo does not know by itself and Kueue may queue: `jobset`.
    pub other: Option<String>,
    pub name: String,
}

/// A kind that a user names: `job`, `jobs`, `job.batch`, `deploy`, `jobset`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KindRef {
    Known(WorkloadKind),
    /// One that kaiwo does not know by itself and Kueue may queue, in lower case.
    Other(String),
}

impl KindRef {
    /// Returns whether a workload is of this kind.
    pub fn includes(&self, workload: &Workload) -> bool {
        match self {
            Self::Known(kind) => workload.kind == *kind,
            Self::Other(typed) => {
                workload.kind == WorkloadKind::Queued
                    && is_named(typed, workload.object_version(), workload.kind_name())
            }
        }
    }
}

impl FromStr for KindRef {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let lower = word.to_lowercase();
        match WorkloadKind::meant(word) {
            Some(kind) => Ok(Self::Known(kind)),
            None if is_other(&lower) => Ok(Self::Other(lower)),
            None => Err(unknown_kind(word) + of_parts(&lower)),
        }
    }
}

/// Returns whether `typed`, in lower case, names `kind` of manifests: in the singular or
/// plural, with its group or without.
fn is_named(typed: &str, api_version: &str, kind: &str) -> bool {
    let (typed, group) = with_group(typed);
    let kind = kind.to_lowercase();
    (typed == kind || typed.strip_suffix('s') == Some(&kind)) && is_group_of(group, api_version)
}

/// Says that a word means no kind that kaiwo knows by itself.
pub fn unknown_kind(word: &str) -> String {
    let known = WorkloadKind::ALL.map(WorkloadKind::word).join(", ");
    format!("{} is not a kind of workload: {known}", named(word))
}

/// Says how what belongs to a workload is named.
fn of_parts(word: &str) -> &'static str {
    match with_group(word).0 {
        "po" => "; for a pod, name its workload, and the pod with --pod",
        "svc" | "service" | "services" | "ing" | "ingress" | "rs" | "replicaset"
        | "replicasets" => "; name the workload that it belongs to",
        _ => "",
    }
}

/// Returns whether a word, in lower case, may be a kind that Kueue queues: one that is
/// neither part of a workload nor a slip. A pod may be queued by itself.
fn is_other(word: &str) -> bool {
    let (plain, group) = with_group(word);
    let is_word = plain.len() > 2 && plain.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let is_slip = WorkloadKind::ALL
        .into_iter()
        .any(|kind| kind.is_in(group) && is_slip(plain, &kind.word()));
    is_word
        && !may_be_secret(word)
        && of_parts(word).is_empty()
        && !is_slip
        && is_dns_1123_subdomain(word)
}

impl WorkloadRef {
    /// Returns whether `kind`, as in manifests, is the one that was typed.
    pub fn is_of(&self, api_version: &str, kind: &str) -> bool {
        let typed = self.other.as_ref();
        typed.is_none_or(|typed| is_named(typed, api_version, kind))
    }

    /// Returns whether it may be a pod of some workload, rather than one that is queued
    /// by itself.
    pub fn is_pod(&self) -> bool {
        let typed = self.other.as_deref().map(with_group);
        typed.is_some_and(|(typed, _)| matches!(typed, "pod" | "pods"))
    }
}

impl FromStr for WorkloadRef {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (word, name) = match text.split_once('/') {
            Some((word, name)) => (Some(word), name),
            None => (None, text),
        };
        let (kind, other) = match word.map(str::parse).transpose()? {
            Some(KindRef::Known(kind)) => (Some(kind), None),
            Some(KindRef::Other(kind)) => (None, Some(kind)),
            None => (None, None),
        };
        if !is_dns_1123_subdomain(name) {
            return Err(format!(
                "invalid workload name {}: use a-z, 0-9, - and ., with a letter or digit at both ends",
                named(name)
            ));
        }
        Ok(Self {
            kind,
            other,
            name: name.to_owned(),
        })
    }
}

impl fmt::Display for WorkloadRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.kind, &self.other) {
            (Some(kind), _) => write!(f, "{}/{}", kind.word(), self.name),
            (None, Some(kind)) => write!(f, "{kind}/{}", self.name),
            (None, None) => write!(f, "{}", self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_named_as_kubectl_takes_them() {
        for (text, kind) in [
            ("x", None),
            ("job/x", Some(WorkloadKind::Job)),
            ("jobs/x", Some(WorkloadKind::Job)),
            ("job.batch/x", Some(WorkloadKind::Job)),
            ("RayJob/x", Some(WorkloadKind::RayJob)),
            ("rayservices.ray.io/x", Some(WorkloadKind::RayService)),
            ("deploy/x", Some(WorkloadKind::Deployment)),
            ("workspace.kaito.sh/x", Some(WorkloadKind::Workspace)),
        ] {
            let read: WorkloadRef = text.parse().unwrap();
            assert_eq!((read.kind, read.name.as_str()), (kind, "x"), "{text}");
        }
        for (text, is_job_set) in [
            ("jobsets.jobset.x-k8s.io/x", true),
            ("jobset.v1alpha2.jobset.x-k8s.io/x", true),
            ("JobSet/x", true),
            ("jobset.example.com/x", false),
            ("trainjob/x", false),
            ("job.batch.volcano.sh/x", false),
            ("pod/x", false),
        ] {
            let read: WorkloadRef = text.parse().unwrap();
            let word = text.split('/').next().unwrap().to_lowercase();
            assert_eq!((read.kind, read.other.as_deref()), (None, Some(&*word)));
            let is_of = read.is_of("jobset.x-k8s.io/v1alpha2", "JobSet");
            assert_eq!(
                (is_of, read.is_pod()),
                (is_job_set, text == "pod/x"),
                "{text}"
            );
        }
        for text in [
            "",
            "svc/x",
            "jbo/x",
            "jbo.batch/x",
            "rayjbo/x",
            "a b/x",
            "job/",
            "job/x/y",
            "A b",
            "-x",
            "jobset/Set1",
        ] {
            assert!(text.parse::<WorkloadRef>().is_err(), "{text}");
        }
    }
}
