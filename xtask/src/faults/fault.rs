//! What can go wrong with a request, and with which exit codes a run may end that met it.

use serde_json::json;

/// A fault, and what it is done to.
#[derive(Clone, Debug)]
pub struct Injection {
    pub fault: Fault,
    /// Number of the request, from 1.
    pub at: usize,
    pub reach: Reach,
}

/// Which requests are met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// The one.
    Once,
    /// It, and all that come later and ask the same of the same object.
    Alike,
    /// It, and all that come later.
    Onward,
}

impl Reach {
    pub const ALL: [Self; 3] = [Self::Once, Self::Alike, Self::Onward];

    pub fn word(self) -> &'static str {
        match self {
            Self::Once => "once",
            Self::Alike => "alike",
            Self::Onward => "onward",
        }
    }
}

/// What goes wrong.
#[derive(Clone, Debug)]
pub enum Fault {
    /// kaiwo is killed before the API server has the request.
    KillBefore,
    /// kaiwo is killed after it was carried out, before the answer comes.
    KillAfter,
    /// The connection is reset.
    Reset,
    /// The connection is closed, and nobody listens.
    Refused,
    /// No answer comes.
    Hang,
    /// The answer comes a byte at a time.
    SlowBody,
    /// The connection breaks in the middle of the answer.
    CutBody,
    /// The request is carried out, the answer dropped.
    LostAnswer,
    /// Half of the answer comes as if it were all.
    Truncated,
    /// Something else is answered.
    Answered(Answer),
    /// What is answered is changed at random; this seeds it.
    Mutated(u64),
}

/// What is answered in place of the API server's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub code: u16,
    reason: &'static str,
    message: &'static str,
    form: Form,
    pub retry_after: Option<u64>,
    /// Whether the API server carries out the request nevertheless.
    pub is_carried_out: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// As API servers say no.
    Status,
    /// As it is.
    Json,
    Html,
}

impl Answer {
    const fn no(code: u16, reason: &'static str, message: &'static str) -> Self {
        Self {
            code,
            reason,
            message,
            form: Form::Status,
            retry_after: None,
            is_carried_out: false,
        }
    }

    const fn odd(message: &'static str, form: Form) -> Self {
        Self {
            form,
            is_carried_out: true,
            ..Self::no(200, "", message)
        }
    }

    pub fn body(&self) -> String {
        match self.form {
            Form::Status => json!({
                "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                "message": self.message, "reason": self.reason, "code": self.code,
            })
            .to_string(),
            Form::Json | Form::Html => self.message.to_owned(),
        }
    }

    pub fn media_type(&self) -> &'static str {
        match self.form {
            Form::Status | Form::Json => "application/json",
            Form::Html => "text/html",
        }
    }
}

const PAGE: &str = "<!doctype html><html><head><title>Sign in</title></head><body><h1>Sign in to continue</h1></body></html>";
const OTHER: &str = r#"{"kind":"Pod","apiVersion":"v1","metadata":{"name":"another","namespace":"elsewhere","uid":"0"},"spec":{"containers":[]},"status":{}}"#;

/// A fault by its name, with what may come of it.
pub struct Kind {
    pub word: &'static str,
    pub fault: Fault,
    /// Exit codes of a run that met it, besides 0 and 6.
    pub codes: &'static [i32],
    /// Whether a run that met it was told what is not so, and cannot know better.
    pub is_lie: bool,
}

impl Kind {
    fn new(word: &'static str, fault: Fault, codes: &'static [i32]) -> Self {
        Self {
            word,
            fault,
            codes,
            is_lie: false,
        }
    }

    pub fn is_kill(&self) -> bool {
        matches!(self.fault, Fault::KillBefore | Fault::KillAfter)
    }

    /// Returns whether this can be met by more than one request.
    pub fn lasts(&self) -> bool {
        !self.is_kill()
    }
}

/// Returns the kills.
pub fn kills() -> Vec<Kind> {
    vec![
        Kind::new("kill before", Fault::KillBefore, &[]),
        Kind::new("kill after", Fault::KillAfter, &[]),
    ]
}

/// Returns every other fault.
pub fn faults() -> Vec<Kind> {
    let no = |word, answer, codes| Kind::new(word, Fault::Answered(answer), codes);
    let lie = |kind: Kind| Kind {
        is_lie: true,
        ..kind
    };
    let too_many = Answer {
        retry_after: Some(1),
        ..Answer::no(429, "TooManyRequests", "too many requests")
    };
    let late = Answer {
        is_carried_out: true,
        ..Answer::no(
            504,
            "Timeout",
            "request did not complete within the allotted timeout",
        )
    };
    let etcd = "etcdserver: leader changed";
    let login = Answer {
        is_carried_out: false,
        ..Answer::odd(PAGE, Form::Html)
    };
    vec![
        Kind::new("reset", Fault::Reset, &[7]),
        Kind::new("refused", Fault::Refused, &[7]),
        Kind::new("hang", Fault::Hang, &[7]),
        Kind::new("slow body", Fault::SlowBody, &[7]),
        Kind::new("cut body", Fault::CutBody, &[7]),
        Kind::new("lost answer", Fault::LostAnswer, &[7]),
        no("401", Answer::no(401, "Unauthorized", "Unauthorized"), &[4]),
        no(
            "403",
            Answer::no(
                403,
                "Forbidden",
                "it is forbidden: User \"alice\" cannot do this here",
            ),
            // What may not be read can leave a question that only a flag answers.
            &[3, 4, 5],
        ),
        no(
            "403, quota",
            Answer::no(403, "Forbidden", "it is forbidden: exceeded quota"),
            &[3, 4],
        ),
        lie(no("404", Answer::no(404, "NotFound", "not found"), &[3, 5])),
        no(
            "409",
            Answer::no(409, "Conflict", "the object has been modified"),
            &[5, 7],
        ),
        no(
            "410",
            Answer::no(410, "Expired", "too old resource version"),
            &[7],
        ),
        no("429", too_many, &[7]),
        no("500", Answer::no(500, "InternalError", etcd), &[7]),
        no(
            "503",
            Answer::no(503, "ServiceUnavailable", "apiserver is shutting down"),
            &[7],
        ),
        no("504", Answer::no(504, "Timeout", "gateway timeout"), &[7]),
        no("504, carried out", late, &[7]),
        no("HTML page", login, &[4, 7]),
        Kind::new("truncated JSON", Fault::Truncated, &[1, 7]),
        no("empty body", Answer::odd("", Form::Json), &[1, 7]),
        lie(no(
            "another object",
            Answer::odd(OTHER, Form::Json),
            &[1, 7],
        )),
        lie(no("null", Answer::odd("null", Form::Json), &[1, 7])),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_has_a_name_of_its_own() {
        let words: Vec<&str> = kills()
            .iter()
            .chain(&faults())
            .map(|kind| kind.word)
            .collect();
        let mut unique = words.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(words.len(), unique.len());
        assert_eq!(words.len(), 24);
    }

    #[test]
    fn refusals_are_as_an_api_server_says_them() {
        for kind in faults() {
            if let Fault::Answered(answer) = kind.fault
                && answer.form == Form::Status
            {
                let status: serde_json::Value = serde_json::from_str(&answer.body()).unwrap();
                assert_eq!(status["code"], answer.code);
                assert_eq!(status["kind"], "Status");
            }
        }
    }
}
