//! Reads what programs print: which line says why one failed, and known mistakes
//! in it.

use std::borrow::Cow;

use crate::printable;

/// What a program's words tell of its surroundings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mistake {
    /// It wrote where nothing can be written (errno 30, `EROFS`).
    ReadOnly,
    /// It was built for another architecture (errno 8, `ENOEXEC`).
    Architecture,
}

impl Mistake {
    /// Returns what the words tell, if they tell one of these.
    pub fn read(text: &str) -> Option<Self> {
        let lower = text.to_lowercase();
        let any = |words: &[&str]| words.iter().any(|words| lower.contains(words));
        match () {
            () if any(&["read-only file system", "errno 30]"]) => Some(Self::ReadOnly),
            () if any(&["exec format error"]) => Some(Self::Architecture),
            () => None,
        }
    }
}

/// Returns a text without what only its writer can read: colours, UIDs, and the
/// long numbers of containers and digests, which become an ellipsis.
pub fn without_ids(text: &str) -> String {
    let plain = printable::text(text);
    let mut short = String::with_capacity(plain.len());
    let is_of_id = |c: char| c.is_ascii_hexdigit() || c == '-';
    let mut rest = &*plain;
    while let Some(start) = rest.find(is_of_id) {
        let run = &rest[start..];
        let end = run.find(|c| !is_of_id(c)).unwrap_or(run.len());
        let (run, after) = run.split_at(end);
        let is_alone = !rest[..start].ends_with(|c: char| c.is_ascii_alphanumeric())
            && !after.starts_with(|c: char| c.is_ascii_alphanumeric());
        short += &rest[..start];
        short += match is_alone && is_id(run) {
            true => "…",
            false => run,
        };
        rest = after;
    }
    short + rest
}

/// Returns whether it is a UUID, or 32 or more hexadecimal digits.
fn is_id(run: &str) -> bool {
    let groups: Vec<usize> = run.split('-').map(str::len).collect();
    groups == [8, 4, 4, 4, 12] || (groups.len() == 1 && run.len() >= 32)
}

/// Returns the line that says why a program failed: the exception at the end of
/// the last traceback. Not a launcher's own about the failure of what it launched.
pub fn exception(lines: &[String]) -> Option<&str> {
    let named = lines.iter().rev().map(|line| without_rank(line));
    let mut named = named.filter(|line| names_an_exception(line));
    named.find(|line| !line.contains("ChildFailedError"))
}

/// Returns whether a line begins with the name of an exception of Python's, as
/// the last line of a traceback does: `torch.cuda.OutOfMemoryError: CUDA out of
/// memory`.
fn names_an_exception(line: &str) -> bool {
    let name = line.split([':', '(']).next().unwrap_or_default();
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
    let ends = ["Error", "Exception", "Interrupt", "StopIteration"];
    !name.is_empty() && name.chars().all(is_name) && ends.iter().any(|end| name.ends_with(end))
}

/// Returns a line without the rank that torchrun puts before it, or the actor
/// that Ray does: `[rank0]: `, `(f pid=644) `.
fn without_rank(line: &str) -> &str {
    let line = line.trim_end();
    let after = |open: char, close: &str| {
        let (inside, rest) = line.strip_prefix(open)?.split_once(close)?;
        (inside.len() < 60).then_some(rest)
    };
    after('[', "]: ")
        .or_else(|| after('(', ") "))
        .map_or(line, str::trim_start)
}

/// Returns the lines of what a program printed that are worth showing, at most
/// `most`: first the one that says why it failed, then the last ones.
pub fn telling(text: &str, most: usize) -> Vec<String> {
    let lines: Vec<String> = text
        .lines()
        .map(|line| printable::text(line.trim_end()).into_owned())
        .filter(|line| !line.trim().is_empty())
        .collect();
    let said = exception(&lines).map(str::to_owned);
    let room = most - usize::from(said.is_some());
    let last = lines[lines.len().saturating_sub(room)..].iter();
    let last = last.filter(|line| {
        said.as_deref()
            .is_none_or(|said| without_rank(line) != said)
    });
    said.iter().chain(last).cloned().collect()
}

/// Returns the one line of a text that says most: of a traceback the exception,
/// after a heading (`Runtime env setup for app 'x' failed:`) what follows it.
pub fn gist(text: &str) -> String {
    let lines: Vec<String> = text
        .lines()
        .map(|line| without_ids(line.trim()))
        .filter(|line| !line.is_empty())
        .collect();
    let Some(first) = lines.first() else {
        return String::new();
    };
    let is_traceback = lines.iter().any(|line| is_of_traceback(line));
    let said = match (is_traceback, first.ends_with(':')) {
        (true, _) => exception(&lines).or(lines.last().map(|line| without_rank(line))),
        (false, true) => exception(&lines).or(lines.get(1).map(String::as_str)),
        (false, false) => None,
    };
    said.unwrap_or(first).to_owned()
}

/// Returns the gist of a text of several lines; a text of one line as it is.
pub fn on_one_line(text: &str) -> Cow<'_, str> {
    match text.trim_end().contains('\n') {
        true => Cow::Owned(gist(text)),
        false => Cow::Borrowed(text),
    }
}

/// Returns whether a line begins a traceback of Python's, or names a frame of one:
/// Ray leaves the beginning out.
fn is_of_traceback(line: &str) -> bool {
    let line = without_rank(line).trim_start();
    line.starts_with("Traceback (most recent call last)")
        || (line.starts_with("File \"") && line.contains(", line "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_and_ids_of_other_programs_are_left_out() {
        for (text, plain) in [
            (
                "\u{1b}[36m(f pid=644)\u{1b}[0m task 0",
                "(f pid=644) task 0",
            ),
            ("\u{1b}[1;31mred", "red"),
            ("ends in \u{1b}", "ends in "),
            ("back-off", "back-off"),
        ] {
            assert_eq!(printable::text(text), plain);
            assert_eq!(without_ids(text), plain);
        }
        for (text, short) in [
            (
                "Preempted (UID: 4af8b2f0-4dd1-4f4e-9b0a-0b6f3c0a9f11)",
                "Preempted (UID: …)",
            ),
            (
                "sandbox \"4af8b2f04dd14f4e9b0a0b6f3c0a9f114af8b2f04dd14f4e9b0a0b6f3c0a9f11\": no",
                "sandbox \"…\": no",
            ),
            (
                "pod alice-face-0 of 2026-01-02",
                "pod alice-face-0 of 2026-01-02",
            ),
            ("é-é deadbeef", "é-é deadbeef"),
        ] {
            assert_eq!(without_ids(text), short);
        }
    }

    #[test]
    fn the_last_word_of_a_traceback_comes_first() {
        // As Ray's driver printed it: stderr before what stdout had buffered.
        let ray = "Traceback (most recent call last):\n  File \"a.py\", line 3\nValueError: bad sample 3\n\u{1b}[36m(f pid=644)\u{1b}[0m task 0\n(f pid=644) task 1\ntask 2\ntask 3\n";
        assert_eq!(
            telling(ray, 4),
            [
                "ValueError: bad sample 3",
                "(f pid=644) task 1",
                "task 2",
                "task 3"
            ]
        );
        let torchrun = "[rank1]: Traceback (most recent call last):\n[rank1]: RuntimeError: loss is NaN\ntorch.distributed.elastic.multiprocessing.errors.ChildFailedError: \n  exitcode : 1\n=====\n";
        assert_eq!(
            telling(torchrun, 3),
            ["RuntimeError: loss is NaN", "  exitcode : 1", "====="]
        );
        assert_eq!(telling("a\n\nb\nc\n", 2), ["b", "c"]);
        assert_eq!(telling("KeyError: 'x'\n", 4), ["KeyError: 'x'"]);
        assert_eq!(telling("", 4), [] as [&str; 0]);
        // Nobody's last word.
        for line in [
            "Error",
            "an Error: no",
            "ErrorHandler: ready",
            "see Error: x",
        ] {
            let lines = [line.to_owned()];
            assert_eq!(exception(&lines).is_some(), line == "Error", "{line}");
        }
    }

    #[test]
    fn of_a_message_the_line_counts_that_says_something() {
        for (message, words) in [
            ("", ""),
            (
                "The deployments ['llm'] are UNHEALTHY.",
                "The deployments ['llm'] are UNHEALTHY.",
            ),
            (
                "Deploying app 'llm' failed with exception:\nTraceback (most recent call last):\n  File \"a.py\", line 1\nModuleNotFoundError: No module named 'vllm'\n\n",
                "ModuleNotFoundError: No module named 'vllm'",
            ),
            (
                "Runtime env setup for app 'llm' failed:\npip is not there\nmore",
                "pip is not there",
            ),
            ("failed:", "failed:"),
            // As a deployment of Ray Serve has it.
            (
                "The deployment failed to start 3 times in a row. See controller logs for details. Error:\n\u{1b}[36mray::ServeReplica:llm:Chat.initialize()\u{1b}[39m (pid=644)\n  File \"a.py\", line 1, in load\nMyOwnFault: no",
                "MyOwnFault: no",
            ),
            (
                "[rank1]: Traceback (most recent call last):\n[rank1]: MyOwnFault: no",
                "MyOwnFault: no",
            ),
            (
                "Traceback (most recent call last):\n  x\nMyOwnFault: no",
                "MyOwnFault: no",
            ),
        ] {
            assert_eq!(gist(message), words);
        }
    }

    #[test]
    fn known_mistakes_are_found() {
        for (text, mistake) in [
            (
                "OSError: [Errno 30] Read-only file system: 'outputs'",
                Some(Mistake::ReadOnly),
            ),
            (
                "sh: 1: cannot create train.log: Read-only file system",
                Some(Mistake::ReadOnly),
            ),
            (
                "exec /usr/bin/python: exec format error",
                Some(Mistake::Architecture),
            ),
            ("OSError: [Errno 28] No space left on device", None),
        ] {
            assert_eq!(Mistake::read(text), mistake, "{text}");
        }
    }
}
