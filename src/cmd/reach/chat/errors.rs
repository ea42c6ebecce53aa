//! Explains what goes wrong while a workload is asked, in words about that
//! workload.

use crate::chat::answer;
use crate::cluster::reach::route::RouteError;
use crate::error::{Classified as _, CommandError, ErrorClass};

/// The workload that is asked.
pub struct About<'a> {
    /// `kind/name`.
    pub workload: &'a str,
    /// It as arguments of a command.
    pub named: String,
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
            named,
            timeout,
            has_key,
        } = self;
        let class = error.class();
        let (code, said) = match &error {
            RouteError::Refused { code, message } => (*code, in_words(message)),
            RouteError::Silent(why) => {
                return CommandError::new(class, format!("{workload} does not answer: {why}"))
                    .hint(format!("find out with: kaiwo why {named}"));
            }
            RouteError::Slow(_) => {
                let message = format!("{workload} said nothing for {timeout} s");
                return CommandError::new(class, message)
                    .hint("give it longer: --timeout SECONDS")
                    .hint(format!("see how it fares with: kaiwo status {named}"));
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
                    .hint("ask again later, or give it more replicas")
            }
            ErrorClass::NotReady => {
                CommandError::new(class, format!("{workload} does not answer: {said}"))
                    .hint(format!("find out with: kaiwo why {named}"))
            }
            ErrorClass::Denied => CommandError::new(
                class,
                format!("{workload} does not let you in ({code}): {said}"),
            )
            .hint(match has_key {
                true => "is it the right API key?",
                false => "show it its API key: --api-key-secret SECRET/KEY, or --api-key-env NAME",
            }),
            ErrorClass::Refused => CommandError::new(
                class,
                format!("{workload} refuses the question ({code}): {said}"),
            ),
            _ => CommandError::new(class, format!("{workload} failed ({code}): {said}"))
                .hint(format!("see its output with: kaiwo logs {named}")),
        }
    }
}

/// Returns the words for people in an answer.
fn in_words(text: &str) -> String {
    serde_json::from_str(text).map_or_else(|_| text.to_owned(), |body| answer::words(&body))
}
