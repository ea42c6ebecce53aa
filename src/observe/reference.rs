//! How a user names a workload: `NAME` or `KIND/NAME`.

use std::fmt;
use std::str::FromStr;

use crate::kind::WorkloadKind;
use crate::names::is_dns_1123_subdomain;
use crate::secrecy::named;

/// `name`, or `kind/name` where several kinds share the name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkloadRef {
    /// Its kind, if the user says it.
    pub kind: Option<WorkloadKind>,
    /// Its name.
    pub name: String,
}

/// Short forms of kinds, as kubectl takes them.
const SHORT: [(&str, WorkloadKind); 6] = [
    ("cj", WorkloadKind::CronJob),
    ("deploy", WorkloadKind::Deployment),
    ("is", WorkloadKind::InferenceSet),
    ("isets", WorkloadKind::InferenceSet),
    ("wk", WorkloadKind::Workspace),
    ("wks", WorkloadKind::Workspace),
];

/// Returns the kind that a word means: `job`, `jobs`, `job.batch`, `deploy`.
///
/// # Errors
/// Which words mean one.
pub fn kind(word: &str) -> Result<WorkloadKind, String> {
    let lower = word.to_lowercase();
    let plain = lower
        .split_once('.')
        .map_or(lower.as_str(), |(kind, _)| kind);
    WorkloadKind::ALL
        .into_iter()
        .find(|kind| {
            let name = kind.name().to_lowercase();
            plain == name || plain.strip_suffix('s') == Some(&name)
        })
        .or_else(|| {
            let (_, kind) = SHORT.into_iter().find(|(short, _)| *short == plain)?;
            Some(kind)
        })
        .ok_or_else(|| {
            let known: Vec<String> = WorkloadKind::ALL
                .iter()
                .map(|kind| kind.name().to_lowercase())
                .collect();
            format!(
                "{} is no kind of workload: {}",
                named(word),
                known.join(", ")
            )
        })
}

impl FromStr for WorkloadRef {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, name) = match text.split_once('/') {
            Some((word, name)) => (Some(kind(word)?), name),
            None => (None, text),
        };
        if !is_dns_1123_subdomain(name) {
            return Err(format!(
                "{} cannot name a workload: a-z, 0-9, - and ., beginning and ending with a letter or digit",
                named(name)
            ));
        }
        Ok(Self {
            kind,
            name: name.to_owned(),
        })
    }
}

impl fmt::Display for WorkloadRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Some(kind) => write!(f, "{}/{}", kind.name().to_lowercase(), self.name),
            None => write!(f, "{}", self.name),
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
        for text in ["", "pod/x", "job/", "job/x/y", "A b", "-x"] {
            assert!(text.parse::<WorkloadRef>().is_err(), "{text}");
        }
    }
}
