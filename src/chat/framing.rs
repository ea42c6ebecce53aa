//! Tells the messages of a body apart: server-sent events, or JSON in one piece,
//! on one line or several. Servers answer in one piece whatever is asked of them,
//! and put into a stream what no specification has.

use serde_json::Value;

/// Most bytes that are kept of what is not understood yet.
const MOST_KEPT: usize = 16 << 20;
/// Characters of a body that nobody understands, for the error about it.
const SHOWN: usize = 200;

/// What a line completes.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Frame {
    /// A message of a stream that goes on.
    Event(Value),
    /// JSON that is no event.
    Body(Value),
    /// The server says that something went wrong.
    Failed(String),
    /// Nothing more comes.
    Done,
}

/// The lines so far that are no whole message.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Framing {
    /// Data of an event that goes on in the next line.
    data: String,
    /// Whether the event is called `error`.
    is_error: bool,
    /// Lines that are no event.
    body: String,
}

impl Framing {
    /// Takes a line, and returns what it completes.
    pub fn take(&mut self, line: &str) -> Option<Frame> {
        let line = line.trim();
        if line.is_empty() {
            return self.end_event();
        }
        // JSON that began goes on, whatever its lines look like.
        if !self.body.starts_with(['{', '['])
            && let Some((field, value)) = line.split_once(':')
            && field.bytes().all(|b| b.is_ascii_alphabetic())
        {
            return self.field(field, value.trim());
        }
        push(&mut self.body, line);
        // Only such a line can be the last of it.
        let parsed = line.ends_with(['}', ']']).then(|| parse(&self.body));
        let value = parsed.flatten()?;
        self.body.clear();
        Some(Frame::Body(value))
    }

    /// Takes a field of an event. Comments have no name; what else says nothing
    /// here, `id` and `retry`, is passed over.
    fn field(&mut self, field: &str, value: &str) -> Option<Frame> {
        match (field, value) {
            ("event", name) => {
                self.is_error = name == "error";
                None
            }
            // llama.cpp's and others' line in place of `data`.
            ("error", text) => Some(Frame::Failed(in_words(text))),
            ("data", "[DONE]") => Some(Frame::Done),
            ("data", "" | "null") => None,
            ("data", text) => {
                push(&mut self.data, text);
                let value = parse(&self.data)?;
                self.data.clear();
                Some(match self.is_error {
                    true => Frame::Failed(words(&value)),
                    false => Frame::Event(value),
                })
            }
            _ => None,
        }
    }

    /// Ends an event. Its data may be no JSON, which only an error's may.
    fn end_event(&mut self) -> Option<Frame> {
        let failed = std::mem::take(&mut self.is_error) && !self.data.is_empty();
        match failed {
            true => Some(Frame::Failed(std::mem::take(&mut self.data))),
            false => {
                // Whatever it was, the next event is another.
                if !self.data.is_empty() {
                    let data = std::mem::take(&mut self.data);
                    push(&mut self.body, &data);
                }
                None
            }
        }
    }

    /// Returns the beginning of what was never understood.
    pub fn rest(&self) -> Option<String> {
        let text = match self.body.is_empty() {
            true => &self.data,
            false => &self.body,
        };
        let words: Vec<&str> = text.split_whitespace().collect();
        let text = words.join(" ");
        let shown: String = text.chars().take(SHOWN).collect();
        match (shown.is_empty(), shown.len() < text.len()) {
            (true, _) => None,
            (false, true) => Some(shown + "…"),
            (false, false) => Some(shown),
        }
    }
}

/// Returns the words for people in an error, whatever its form: OpenAI's
/// object, TGI's text, FastAPI's `detail`.
pub fn words(error: &Value) -> String {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    text(error)
        .or_else(|| text(&error["message"]))
        .or_else(|| text(&error["error"]))
        .or_else(|| text(&error["error"]["message"]))
        .or_else(|| text(&error["detail"]))
        .unwrap_or_else(|| error.to_string())
}

fn push(kept: &mut String, line: &str) {
    if kept.len() + line.len() < MOST_KEPT {
        if !kept.is_empty() {
            kept.push('\n');
        }
        kept.push_str(line);
    }
}

fn parse(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok()
}

fn in_words(text: &str) -> String {
    parse(text).map_or_else(|| text.to_owned(), |value| words(&value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(lines: &[&str]) -> (Vec<Frame>, Option<String>) {
        let mut framing = Framing::default();
        let frames = lines.iter().filter_map(|line| framing.take(line)).collect();
        (frames, framing.rest())
    }

    #[test]
    fn messages_are_told_apart() {
        let value = json!({"a": 1});
        let event = || Frame::Event(value.clone());
        let failed = |words: &str| Frame::Failed(words.to_owned());
        for (lines, frames) in [
            (&[": ping", "data: {\"a\": 1}", ""][..], vec![event()]),
            // Data goes on in the next line (HTML, server-sent events).
            (&["data: {\"a\":", "data: 1}", ""], vec![event()]),
            (
                &["id: 7", "retry: 10", "event: message", "data:{\"a\":1}"],
                vec![event()],
            ),
            (
                &["data:", "data: null", "", "data: [DONE]"],
                vec![Frame::Done],
            ),
            (&["{", "  \"a\": 1", "}"], vec![Frame::Body(value.clone())]),
            (
                &["{", "  \"a\":", "", "1 }"],
                vec![Frame::Body(value.clone())],
            ),
            (
                &["error: {\"message\": \"no\"}", "", "data: [DONE]"],
                vec![failed("no"), Frame::Done],
            ),
            (&["error: out of memory"], vec![failed("out of memory")]),
            (
                &["event: error", "data: {\"error\": \"no\"}"],
                vec![failed("no")],
            ),
            (
                &["event: error", "data: it is over", ""],
                vec![failed("it is over")],
            ),
            // The name is one event's.
            (&["event: error", "", "data: {\"a\":1}"], vec![event()]),
        ] {
            assert_eq!(read(lines), (frames, None), "{lines:?}");
        }
    }

    #[test]
    fn what_is_not_understood_is_kept_for_the_error() {
        for (lines, rest) in [
            (
                &["<html>", "<p>Hello  there</p>"][..],
                "<html> <p>Hello there</p>",
            ),
            (&["data: {\"choi", "", ""], "{\"choi"),
            (&["{\"a\": 1"], "{\"a\": 1"),
        ] {
            assert_eq!(read(lines), (Vec::new(), Some(rest.to_owned())));
        }
        let (_, rest) = read(&["x".repeat(500).as_str()]);
        assert_eq!(rest.unwrap(), "x".repeat(200) + "…");
    }
}
