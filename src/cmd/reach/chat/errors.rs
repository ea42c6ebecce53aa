//! Explains what goes wrong while a workload is asked, in words about that
//! workload.

use crate::chat::answer;
use crate::cluster::reach::route::RouteError;
use crate::error::{Classified as _, CommandError, ErrorClass};
use crate::suggestion::kaiwo;

/// The workload that is asked.
pub struct About<'a> {
    /// `kind/name`.
    pub workload: &'a str,
    pub namespace: &'a str,
    /// Seconds after which it is too slow.
    pub timeout: u64,
    /// Whether it was shown a key.
    pub has_key: bool,
}

impl About<'_> {
    /// Tells the workload's refusals from those of the cluster.
    pub fn explain(&self, error: RouteError) -> CommandError {
        let Self {
            workload,
            namespace,
            timeout,
            has_key,
        } = self;
        let class = error.class();
        let (code, said) = match &error {
            RouteError::Refused { code, message } => (*code, in_words(message)),
            RouteError::Silent(why) => {
                return CommandError::new(class, format!("{workload} is not answering: {why}"))
                    .hint(kaiwo("why {} -n {}", &[workload, namespace]).to("see why"));
            }
            RouteError::Slow(_) => {
                let message = format!("{workload} sent nothing for {timeout} s");
                return CommandError::new(class, message)
                    .hint("allow more time: --timeout TIME")
                    .hint(kaiwo("status {} -n {}", &[workload, namespace]).to("check its status"));
            }
            RouteError::Denied { said, .. } => {
                let notes = said.to_vec();
                return CommandError {
                    notes,
                    ..error.into()
                };
            }
            _ => return error.into(),
        };
        match class {
            ErrorClass::NotReady if code == 429 => {
                CommandError::new(class, format!("{workload} is busy: {said}"))
                    .hint("try again later, or add replicas")
            }
            ErrorClass::NotReady => {
                CommandError::new(class, format!("{workload} is not answering: {said}"))
                    .hint(kaiwo("why {} -n {}", &[workload, namespace]).to("see why"))
            }
            ErrorClass::Denied => CommandError::new(
                class,
                format!("{workload} rejected your credentials ({code}): {said}"),
            )
            .hint(match has_key {
                true => "check the API key",
                false => "pass an API key: --api-key-secret SECRET/KEY, or --api-key-env NAME",
            }),
            ErrorClass::Refused => CommandError::new(
                class,
                format!("{workload} rejected the request ({code}): {said}"),
            ),
            _ => CommandError::new(class, format!("{workload} failed ({code}): {said}"))
                .hint(kaiwo("logs {} -n {}", &[workload, namespace]).to("show its logs")),
        }
    }
}

/// Returns the words for people in an answer.
fn in_words(text: &str) -> String {
    serde_json::from_str(text).map_or_else(|_| text.to_owned(), |body| answer::words(&body))
}
