//! Reads an answer of a model as it streams in. What servers send differs by
//! release and by vendor: what is known is read, what is not is passed over, and
//! only an answer of which nothing is known is an error.

use serde_json::Value;

use super::dialect::Dialect;
pub use super::framing::words;
use super::framing::{Frame, Framing};

/// A bit of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Text that goes on.
    Text(String),
    /// What a model thinks before it answers: `reasoning_content` (DeepSeek, vLLM
    /// up to 0.11), `reasoning` (vLLM since 0.12, which sent both until 0.15).
    Thought(String),
    /// The server says that something went wrong.
    Error(String),
}

/// What is known about an answer beside its text.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answer {
    /// Why it ended: `stop`, `length`; `None` while it has not.
    pub finish: Option<String>,
    /// Tokens of the question, if the server counts them.
    pub prompt_tokens: Option<u64>,
    /// Tokens of the answer, likewise.
    pub answer_tokens: Option<u64>,
    /// Whether the server has said that nothing more comes.
    pub is_complete: bool,
    /// The model's words for not answering.
    pub refusal: String,
    /// Functions that the model wants called instead.
    pub tools: Vec<String>,
    /// Whether text came.
    has_text: bool,
    /// Whether any message was one of an answer.
    is_understood: bool,
    framing: Framing,
}

impl Answer {
    /// Takes the next line of the body, and returns what it brings.
    pub fn take(&mut self, dialect: Dialect, line: &str) -> Vec<Piece> {
        match self.framing.take(line) {
            None => Vec::new(),
            Some(Frame::Done) => {
                self.is_complete = true;
                Vec::new()
            }
            Some(Frame::Failed(words)) => vec![Piece::Error(words)],
            Some(Frame::Body(value)) if dialect == Dialect::KaitoChat => self.take_result(&value),
            Some(Frame::Event(value) | Frame::Body(value)) => self.take_message(&value),
        }
    }

    /// Says that the body is at its end. After a reason for it, that is the
    /// answer's as well: some servers send no `[DONE]` (TGI's messages API).
    pub fn end(&mut self) -> Vec<Piece> {
        self.is_complete |= self.finish.is_some();
        match self.framing.rest() {
            Some(rest) if !self.is_understood => {
                vec![Piece::Error(format!("invalid answer: {rest}"))]
            }
            _ => Vec::new(),
        }
    }

    /// Returns what to know of an answer that came to its end, beside its text.
    pub fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        if !self.refusal.is_empty() {
            remarks.push(format!("the model refused: {}", self.refusal));
        }
        if !self.tools.is_empty() {
            remarks.push(format!(
                "the model wants to call a function, which kaiwo does not support: {}",
                self.tools.join(", ")
            ));
        }
        match self.finish.as_deref() {
            Some("length") => remarks
                .push("the answer was cut off at the token limit: see --max-tokens".to_owned()),
            Some("stop" | "eos" | "eos_token" | "stop_sequence") | None => {}
            Some("tool_calls" | "function_call") if !self.tools.is_empty() => {}
            Some(other) => remarks.push(format!("the server ended the answer: {other}")),
        }
        if !self.has_text && remarks.is_empty() {
            remarks.push("the answer is empty".to_owned());
        }
        remarks
    }

    /// Takes a message of OpenAI's API, streamed (`chat.completion.chunk`) or
    /// whole, or of TGI's.
    fn take_message(&mut self, value: &Value) -> Vec<Piece> {
        // TGI's `/` answers with a list.
        let value = match value.as_array() {
            Some(list) => list.first().unwrap_or(&Value::Null),
            None => value,
        };
        if let Some(words) = failure(value) {
            return vec![Piece::Error(words)];
        }
        let known = ["choices", "usage", "token", "generated_text"];
        self.is_understood |= known.iter().any(|key| value.get(key).is_some());
        let usage = &value["usage"];
        self.prompt_tokens = usage["prompt_tokens"].as_u64().or(self.prompt_tokens);
        self.answer_tokens = usage["completion_tokens"].as_u64().or(self.answer_tokens);
        let choices = value["choices"].as_array().into_iter().flatten();
        let mut first = choices.filter(|choice| choice["index"].as_u64().unwrap_or(0) == 0);
        match first.next() {
            Some(choice) => self.take_choice(choice),
            None => self.take_token(value),
        }
    }

    fn take_choice(&mut self, choice: &Value) -> Vec<Piece> {
        if let Some(words) = failure(choice) {
            return vec![Piece::Error(words)];
        }
        let is_whole = choice["message"].is_object();
        let said = &choice[if is_whole { "message" } else { "delta" }];
        self.is_complete |= is_whole;
        let mut pieces = Vec::new();
        let thoughts = [&said["reasoning_content"], &said["reasoning"]];
        let thought = thoughts.into_iter().map(text).find(|text| !text.is_empty());
        pieces.extend(thought.map(Piece::Thought));
        // `text` is that of the older completions.
        let contents = [&said["content"], &choice["text"]];
        let content = contents.into_iter().map(text).find(|text| !text.is_empty());
        pieces.extend(content.map(|text| self.text(text)));
        self.refusal += &text(&said["refusal"]);
        let calls = said["tool_calls"].as_array().into_iter().flatten();
        let functions = calls
            .map(|call| &call["function"])
            .chain([&said["function_call"]]);
        // Only the first part of a call has its name.
        let names = functions.filter_map(|function| function["name"].as_str());
        self.tools
            .extend(names.filter(|name| !name.is_empty()).map(str::to_owned));
        if let Some(finish) = choice["finish_reason"].as_str().filter(|f| !f.is_empty()) {
            self.finish = Some(finish.to_owned());
        }
        pieces
    }

    /// A token of TGI's `/generate_stream`; the last one has the whole text.
    fn take_token(&mut self, value: &Value) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let token = &value["token"];
        if let Some(token_text) = token["text"].as_str()
            && token["special"] != true
        {
            pieces.push(self.text(token_text.to_owned()));
        }
        if let Some(whole) = value["generated_text"].as_str() {
            let details = &value["details"];
            self.is_complete = true;
            self.finish = details["finish_reason"].as_str().map(str::to_owned);
            self.answer_tokens = details["generated_tokens"].as_u64();
            if !self.has_text && token.is_null() && !whole.is_empty() {
                pieces.push(self.text(whole.to_owned()));
            }
        }
        pieces
    }

    /// The answer of KAITO's `/chat`.
    fn take_result(&mut self, value: &Value) -> Vec<Piece> {
        self.is_understood = true;
        self.is_complete = true;
        vec![match value["Result"].as_str() {
            Some(text) => self.text(text.to_owned()),
            None => Piece::Error(words(value)),
        }]
    }

    fn text(&mut self, text: String) -> Piece {
        self.has_text |= !text.trim().is_empty();
        Piece::Text(text)
    }
}

/// Returns a text, or those of a list of parts: `{"type": "text", "text": …}`.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().map(|part| text(&part["text"])).collect(),
        _ => String::new(),
    }
}

/// Returns the server's words if a message is an error instead of an answer:
/// OpenAI's `error`, vLLM's older `object: error`, FastAPI's `detail`.
fn failure(value: &Value) -> Option<String> {
    let is_said = match &value["error"] {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        _ => true,
    };
    if is_said {
        return Some(words(&value["error"]));
    }
    let is_instead = value["object"] == "error"
        || (value.get("detail").is_some() && value.get("choices").is_none());
    is_instead.then(|| words(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(dialect: Dialect, lines: &[&str]) -> (String, Answer, Vec<Piece>) {
        let mut answer = Answer::default();
        let mut text = String::new();
        let mut rest = Vec::new();
        for line in lines {
            for piece in answer.take(dialect, line) {
                match piece {
                    Piece::Text(more) => text += &more,
                    other => rest.push(other),
                }
            }
        }
        (text, answer, rest)
    }

    #[test]
    fn openai_streams_chunks() {
        let (text, answer, rest) = read(
            Dialect::OpenAi,
            &[
                ": keep-alive",
                r#"data: {"choices":[{"delta":{"role":"assistant","content":""}}]}"#,
                "",
                r#"data: {"choices":[{"delta":{"reasoning_content":"hm"}}]}"#,
                r#"data: {"choices":[{"delta":{"content":"Hel"}}]}"#,
                r#"data: {"choices":[{"delta":{"content":"lo"},"finish_reason":"stop"}]}"#,
                r#"data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}"#,
                "data: [DONE]",
            ],
        );
        assert_eq!(text, "Hello");
        assert_eq!(rest, [Piece::Thought("hm".to_owned())]);
        assert_eq!(answer.finish.as_deref(), Some("stop"));
        assert_eq!(answer.prompt_tokens, Some(3));
        assert_eq!(answer.answer_tokens, Some(2));
        assert!(answer.is_complete);
        assert_eq!(answer.remarks(), [""; 0]);
    }

    /// What vLLM 0.12 to 0.15, gateways and others send beside what is specified.
    #[test]
    fn what_is_not_known_is_passed_over() {
        let thought = || vec![Piece::Thought("hm".to_owned())];
        for (line, rest) in [
            (
                r#"data: {"choices":[{"delta":{"reasoning":"hm","reasoning_content":"hm"}}]}"#,
                thought(),
            ),
            (
                r#"data: {"choices":[{"delta":{"reasoning":null,"reasoning_content":"hm"}}]}"#,
                thought(),
            ),
            (
                r#"data: {"choices":[{"delta":{"reasoning":"hm","reasoning_content":""}}]}"#,
                thought(),
            ),
            (
                r#"data: {"choices":[{"delta":{"reasoning":null,"reasoning_content":null}}]}"#,
                vec![],
            ),
            (
                r#"data: {"choices":[{"delta":null,"finish_reason":null}]}"#,
                vec![],
            ),
            (
                r#"data: {"choices":null,"usage":{"prompt_tokens":3,"completion_tokens":2}}"#,
                vec![],
            ),
            (r#"data: {"choices":[null]}"#, vec![]),
            (
                r#"data: {"choices":[{"delta":{"content":7}}],"usage":"none","error":null}"#,
                vec![],
            ),
            (
                r#"data: {"choices":[{"index":1,"delta":{"content":"other"}}]}"#,
                vec![],
            ),
            ("data:", vec![]),
            ("data: null", vec![]),
            ("null", vec![]),
        ] {
            let hello =
                r#"data: {"choices":[{"delta":{"content":[{"type":"text","text":"Hello"}]}}]}"#;
            let (text, answer, said) =
                read(Dialect::OpenAi, &[line, "", hello, "", "data: [DONE]"]);
            assert_eq!((text.as_str(), said), ("Hello", rest), "{line}");
            assert!(answer.is_complete);
        }
    }

    #[test]
    fn an_answer_in_one_piece_is_read_on_any_number_of_lines() {
        let whole = r#"{
  "choices": [{
    "message": {"role": "assistant", "content": "Hello", "reasoning_content": null},
    "finish_reason": "stop"
  }],
  "usage": {"prompt_tokens": 3, "completion_tokens": 2}
}"#;
        for body in [whole.to_owned(), whole.replace('\n', " ")] {
            let lines: Vec<&str> = body.lines().collect();
            let (text, answer, rest) = read(Dialect::OpenAi, &lines);
            assert_eq!((text.as_str(), rest), ("Hello", vec![]));
            assert_eq!((answer.is_complete, answer.prompt_tokens), (true, Some(3)));
        }
        let (text, answer, _) = read(Dialect::KaitoChat, &["{", "\"Result\": \"Hello\"", "}"]);
        assert_eq!((text.as_str(), answer.is_complete), ("Hello", true));
        let (text, answer, _) = read(Dialect::Tgi, &[r#"[{"generated_text":"Hello"}]"#]);
        assert_eq!((text.as_str(), answer.is_complete), ("Hello", true));
    }

    #[test]
    fn a_reason_and_an_end_complete_an_answer() {
        let hello = r#"data: {"choices":[{"delta":{"content":"Hel"},"finish_reason":"stop"}]}"#;
        let (_, mut answer, _) = read(Dialect::OpenAi, &[hello]);
        // Tokens are counted after it.
        assert!(!answer.is_complete);
        assert_eq!(answer.end(), []);
        assert!(answer.is_complete);
        let (_, mut answer, _) = read(Dialect::OpenAi, &[&hello.replace("\"stop\"", "null")]);
        assert_eq!((answer.end(), answer.is_complete), (vec![], false));
    }

    #[test]
    fn what_nobody_understands_is_shown() {
        for (lines, shown) in [
            (
                &["<html><body>Sign in</body>"][..],
                "<html><body>Sign in</body>",
            ),
            (&["data: {\"choi"], "{\"choi"),
        ] {
            let (_, mut answer, _) = read(Dialect::OpenAi, lines);
            let expected = format!("invalid answer: {shown}");
            assert_eq!(answer.end(), [Piece::Error(expected)]);
        }
    }

    #[test]
    fn silence_is_told() {
        let end = |delta: &str, finish: &str| {
            let line =
                format!(r#"data: {{"choices":[{{"delta":{delta},"finish_reason":"{finish}"}}]}}"#);
            read(Dialect::OpenAi, &[&line, "", "data: [DONE]"])
                .1
                .remarks()
        };
        for (delta, finish, remark) in [
            (r#"{"content":""}"#, "stop", "the answer is empty"),
            ("null", "stop", "the answer is empty"),
            (
                r#"{"content":"a"}"#,
                "length",
                "off at the token limit: see --max-tokens",
            ),
            (
                r#"{"content":"a"}"#,
                "content_filter",
                "the server ended the answer: content_filter",
            ),
            (
                r#"{"refusal":"I cannot."}"#,
                "stop",
                "the model refused: I cannot.",
            ),
            (
                r#"{"tool_calls":[{"function":{"name":"weather","arguments":"{}"}}]}"#,
                "tool_calls",
                "which kaiwo does not support: weather",
            ),
        ] {
            let remarks = end(delta, finish);
            assert_eq!(remarks.len(), 1, "{remarks:?}");
            assert!(remarks[0].ends_with(remark), "{remarks:?}");
        }
        assert_eq!(end(r#"{"content":"a"}"#, "eos_token"), [""; 0]);
    }

    #[test]
    fn an_answer_that_breaks_off_is_not_complete() {
        let (text, answer, _) = read(
            Dialect::OpenAi,
            &[r#"data: {"choices":[{"delta":{"content":"Hel"}}]}"#],
        );
        assert_eq!((text.as_str(), answer.is_complete), ("Hel", false));
    }

    #[test]
    fn tgi_streams_tokens() {
        let (text, answer, _) = read(
            Dialect::Tgi,
            &[
                r#"data:{"token":{"text":"Hel","special":false},"generated_text":null}"#,
                r#"data:{"token":{"text":"lo","special":false},"generated_text":null}"#,
                r#"data:{"token":{"text":"</s>","special":true},"generated_text":"Hello","details":{"finish_reason":"eos_token","generated_tokens":3}}"#,
            ],
        );
        assert_eq!(text, "Hello");
        assert!(answer.is_complete);
        assert_eq!(answer.finish.as_deref(), Some("eos_token"));
        assert_eq!(answer.answer_tokens, Some(3));
    }

    #[test]
    fn kaito_answers_at_once() {
        let (text, answer, _) = read(Dialect::KaitoChat, &[r#"{"Result":"Hello"}"#]);
        assert_eq!((text.as_str(), answer.is_complete), ("Hello", true));
    }

    #[test]
    fn errors_are_told_in_the_servers_words() {
        for (dialect, line, expected) in [
            (
                Dialect::OpenAi,
                r#"data: {"error":{"message":"too long","code":400}}"#,
                "too long",
            ),
            (
                Dialect::Tgi,
                r#"data:{"error":"Model is overloaded","error_type":"overloaded"}"#,
                "Model is overloaded",
            ),
            (
                Dialect::KaitoChat,
                r#"{"detail":"prompt is missing"}"#,
                "prompt is missing",
            ),
            (
                Dialect::OpenAi,
                r#"error: {"message":"no slot"}"#,
                "no slot",
            ),
            (
                Dialect::OpenAi,
                r#"data: {"object":"error","message":"too long"}"#,
                "too long",
            ),
            (
                Dialect::OpenAi,
                r#"data: {"choices":[{"error":{"message":"upstream is gone"}}]}"#,
                "upstream is gone",
            ),
        ] {
            let (_, _, rest) = read(dialect, &[line]);
            assert_eq!(rest, [Piece::Error(expected.to_owned())]);
        }
    }
}
