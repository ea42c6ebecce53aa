//! Reads why the API server refuses an object, as the controllers repeat it in
//! events and conditions (Kubernetes v1.36: `Error creating: pods "x-" is
//! forbidden: exceeded quota: …`; KubeRay v1.6: `Failed to create head Pod x, …`).

use super::output;

/// Who refuses, and what for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejection<'a> {
    /// A ResourceQuota has no room.
    Quota,
    /// A ResourceQuota wants to know how much it is (`failed quota: q: must specify x`).
    Unsized,
    /// The namespace is being deleted.
    Terminating,
    /// There is no such ServiceAccount.
    ServiceAccount(&'a str),
    /// A policy: PodSecurity, an admission webhook, a ValidatingAdmissionPolicy.
    Policy,
    /// Anything else, a LimitRange for instance.
    Other,
}

impl<'a> Rejection<'a> {
    /// Reads a message.
    pub fn read(message: &'a str) -> Self {
        let account = message
            .split_once("serviceaccount \"")
            .and_then(|(_, rest)| rest.split_once("\" not found"));
        let any = |words: &[&str]| words.iter().any(|words| message.contains(words));
        match account {
            Some((name, _)) => Self::ServiceAccount(name),
            None if message.contains("exceeded quota") => Self::Quota,
            None if message.contains("failed quota: ") => Self::Unsized,
            None if message.contains("because it is being terminated") => Self::Terminating,
            None if any(&[
                "admission webhook",
                "PodSecurity",
                "ValidatingAdmissionPolicy",
            ]) =>
            {
                Self::Policy
            }
            None => Self::Other,
        }
    }
}

/// Returns the admission webhook that refuses.
pub fn webhook(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once("admission webhook \"")?;
    rest.split_once('"').map(|(name, _)| name)
}

/// Returns the words of a refusal without what stands before them in all.
pub fn reason(message: &str) -> String {
    let mut lines = message
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty());
    let mut line = lines.next().unwrap_or_default().to_owned();
    if line.ends_with(':')
        && let Some(denied) = lines.next()
    {
        line += &format!(" {denied}");
    }
    let said = line.split_once(" is forbidden: ");
    let said = said.or_else(|| line.split_once(" is invalid: "));
    let said = said.map_or(line.as_str(), |(_, said)| said);
    let said = said.strip_prefix("Error creating: ").unwrap_or(said);
    let account = match Rejection::read(said) {
        Rejection::ServiceAccount(name) => Some(format!("there is no service account {name}")),
        _ => None,
    };
    account.unwrap_or_else(|| output::without_ids(said))
}

/// Returns whether an event of a controller says that a pod, or what would make
/// pods, is refused: `FailedCreate` of Kubernetes, `FailedToCreateHeadPod` and
/// alike of KubeRay.
pub fn is_refusal(reason: &str) -> bool {
    reason == "FailedCreate" || reason.starts_with("FailedToCreate")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_told_apart_and_shortened() {
        for (message, refusal, words) in [
            (
                "Error creating: pods \"x-0-\" is forbidden: exceeded quota: team, requested: pods=1, used: pods=1, limited: pods=1",
                Rejection::Quota,
                "exceeded quota: team, requested: pods=1, used: pods=1, limited: pods=1",
            ),
            (
                "Error creating: pods \"x-\" is forbidden: error looking up service account ml/a: serviceaccount \"a\" not found",
                Rejection::ServiceAccount("a"),
                "there is no service account a",
            ),
            (
                "Failed to create head Pod ml/x-head, pods \"x-head\" is forbidden: violates PodSecurity \"restricted:latest\": runAsNonRoot != true",
                Rejection::Policy,
                "violates PodSecurity \"restricted:latest\": runAsNonRoot != true",
            ),
            (
                "Error creating: admission webhook \"v.example.com\" denied the request: no",
                Rejection::Policy,
                "admission webhook \"v.example.com\" denied the request: no",
            ),
            (
                "Error creating: admission webhook \"v.example.com\" denied the request: \n\nresource Pod/ml/x was blocked due to the following policies\n\nlimits:\n  check: no",
                Rejection::Policy,
                "admission webhook \"v.example.com\" denied the request: resource Pod/ml/x was blocked due to the following policies",
            ),
            (
                "pods \"x\" is forbidden: maximum memory usage per Container is 1Gi, but limit is 2Gi",
                Rejection::Other,
                "maximum memory usage per Container is 1Gi, but limit is 2Gi",
            ),
            ("", Rejection::Other, ""),
        ] {
            assert_eq!(Rejection::read(message), refusal, "{message}");
            assert_eq!(reason(message), words);
        }
        assert!(is_refusal("FailedCreate") && is_refusal("FailedToCreateHeadPod"));
        assert!(!is_refusal("FailedCreatePodSandBox"));
    }
}
