//! Reads an answer of a model as it streams in.

use serde::Deserialize;
use serde_json::Value;

use super::dialect::Dialect;

/// A bit of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Text that goes on.
    Text(String),
    /// What a model thinks before it answers (vLLM's and DeepSeek's
    /// `reasoning_content`).
    Thought(String),
    /// The server says that something went wrong.
    Error(String),
}

/// What is known about an answer beside its text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// Why it ended: `stop`, `length`; `None` while it has not.
    pub finish: Option<String>,
    /// Tokens of the question, if the server counts them.
    pub prompt_tokens: Option<u64>,
    /// Tokens of the answer, likewise.
    pub answer_tokens: Option<u64>,
    /// Whether the server has said that nothing more comes.
    pub is_complete: bool,
}

#[derive(Deserialize)]
struct Chunk {
    #[serde(default)]
    choices: Vec<Choice>,
    usage: Option<Usage>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    delta: Delta,
    finish_reason: Option<String>,
}

#[derive(Default, Deserialize)]
struct Delta {
    content: Option<String>,
    #[serde(alias = "reasoning")]
    reasoning_content: Option<String>,
}

#[derive(Deserialize)]
struct Usage {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
}

impl Answer {
    /// Takes the next line of the body, and returns what it brings.
    pub fn take(&mut self, dialect: Dialect, line: &str) -> Vec<Piece> {
        let line = line.trim();
        if dialect == Dialect::KaitoChat {
            return self.take_result(line);
        }
        // Server-sent events: comments and other fields say nothing here.
        let Some(data) = line.strip_prefix("data:").map(str::trim_start) else {
            // Some servers answer in one piece whatever is asked of them.
            return match line.starts_with('{') {
                true => self.take_whole(line),
                false => Vec::new(),
            };
        };
        match dialect {
            _ if data == "[DONE]" => {
                self.is_complete = true;
                Vec::new()
            }
            Dialect::Tgi => self.take_token(data),
            _ => self.take_chunk(data),
        }
    }

    /// A chunk of OpenAI's `chat.completion.chunk`.
    fn take_chunk(&mut self, data: &str) -> Vec<Piece> {
        let Ok(chunk) = serde_json::from_str::<Chunk>(data) else {
            return vec![Piece::Error(format!("cannot understand {data:?}"))];
        };
        if let Some(error) = &chunk.error {
            return vec![Piece::Error(words(error))];
        }
        if let Some(usage) = chunk.usage {
            self.prompt_tokens = usage.prompt_tokens;
            self.answer_tokens = usage.completion_tokens;
        }
        let mut pieces = Vec::new();
        for choice in chunk.choices.into_iter().take(1) {
            if let Some(thought) = choice
                .delta
                .reasoning_content
                .filter(|text| !text.is_empty())
            {
                pieces.push(Piece::Thought(thought));
            }
            if let Some(text) = choice.delta.content.filter(|text| !text.is_empty()) {
                pieces.push(Piece::Text(text));
            }
            self.finish = choice.finish_reason.or(self.finish.take());
        }
        pieces
    }

    /// A token of TGI's `/generate_stream`; the last one has the whole text.
    fn take_token(&mut self, data: &str) -> Vec<Piece> {
        let Ok(value) = serde_json::from_str::<Value>(data) else {
            return vec![Piece::Error(format!("cannot understand {data:?}"))];
        };
        if !value["error"].is_null() {
            return vec![Piece::Error(words(&value["error"]))];
        }
        if !value["generated_text"].is_null() {
            let details = &value["details"];
            self.is_complete = true;
            self.finish = details["finish_reason"].as_str().map(str::to_owned);
            self.answer_tokens = details["generated_tokens"].as_u64();
        }
        match value["token"]["text"].as_str() {
            Some(text) if value["token"]["special"] != true => vec![Piece::Text(text.to_owned())],
            _ => Vec::new(),
        }
    }

    /// The answer of KAITO's `/chat`.
    fn take_result(&mut self, line: &str) -> Vec<Piece> {
        let Ok(value) = serde_json::from_str::<Value>(line) else {
            return match line {
                "" => Vec::new(),
                line => vec![Piece::Error(format!("cannot understand {line:?}"))],
            };
        };
        self.is_complete = true;
        match value["Result"].as_str() {
            Some(text) => vec![Piece::Text(text.to_owned())],
            None => vec![Piece::Error(words(&value))],
        }
    }

    fn take_whole(&mut self, line: &str) -> Vec<Piece> {
        let Ok(value) = serde_json::from_str::<Value>(line) else {
            return Vec::new();
        };
        if !value["error"].is_null() {
            return vec![Piece::Error(words(&value["error"]))];
        }
        let choice = &value["choices"][0];
        self.is_complete = true;
        self.finish = choice["finish_reason"].as_str().map(str::to_owned);
        self.prompt_tokens = value["usage"]["prompt_tokens"].as_u64();
        self.answer_tokens = value["usage"]["completion_tokens"].as_u64();
        let text = choice["message"]["content"]
            .as_str()
            .or_else(|| value["generated_text"].as_str());
        text.map(|text| Piece::Text(text.to_owned()))
            .into_iter()
            .collect()
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
        assert_eq!(
            answer,
            Answer {
                finish: Some("stop".to_owned()),
                prompt_tokens: Some(3),
                answer_tokens: Some(2),
                is_complete: true,
            }
        );
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
        ] {
            let (_, _, rest) = read(dialect, &[line]);
            assert_eq!(rest, [Piece::Error(expected.to_owned())]);
        }
    }
}
