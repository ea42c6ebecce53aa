//! The APIs that language models are served with.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use serde_json::{Value, json};

/// Who says something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ChatRole {
    /// The instructions above it all.
    System,
    /// The person.
    User,
    /// The model.
    Assistant,
}

/// Something that was said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChatMessage {
    /// By whom.
    pub role: ChatRole,
    /// What.
    pub content: String,
}

/// All that was said so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conversation {
    turns: Vec<ChatMessage>,
}

impl Conversation {
    /// Begins one, under instructions if there are some.
    pub fn new(system: Option<&str>) -> Self {
        let mut conversation = Self::default();
        if let Some(system) = system {
            conversation.say(ChatRole::System, system);
        }
        conversation
    }

    /// Adds what somebody says.
    pub fn say(&mut self, role: ChatRole, content: impl Into<String>) {
        self.turns.push(ChatMessage {
            role,
            content: content.into(),
        });
    }

    /// Takes back what was said last.
    pub fn take_back(&mut self) {
        self.turns.pop();
    }

    /// Forgets everything but the instructions.
    pub fn clear(&mut self) {
        self.turns.retain(|turn| turn.role == ChatRole::System);
    }

    /// Returns everything as one text, for models that only go on with a text.
    /// The first question alone is sent as it is.
    fn as_text(&self) -> String {
        if let [turn] = self.turns.as_slice() {
            return turn.content.clone();
        }
        let line = |turn: &ChatMessage| match turn.role {
            ChatRole::System => turn.content.clone(),
            ChatRole::User => format!("User: {}", turn.content),
            ChatRole::Assistant => format!("Assistant: {}", turn.content),
        };
        let lines: Vec<String> = self.turns.iter().map(line).collect();
        format!("{}\nAssistant:", lines.join("\n"))
    }
}

/// How the model is to answer.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Options {
    /// 0 for the likeliest words, more for stranger ones.
    pub temperature: Option<f64>,
    /// Most tokens of the answer.
    pub max_tokens: Option<u32>,
}

/// An API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// OpenAI's chat completions: vLLM, Ray Serve's LLMs, KAITO since v0.4,
    /// TGI since v1.4.
    OpenAi,
    /// `/generate` of Text Generation Inference.
    Tgi,
    /// `/chat` of KAITO's own server up to v0.8, which does not stream.
    KaitoChat,
}

impl Dialect {
    /// All of them, in the order in which a server is asked for them.
    pub const ALL: [Self; 3] = [Self::OpenAi, Self::Tgi, Self::KaitoChat];

    /// Returns the word for it in flags and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Tgi => "tgi",
            Self::KaitoChat => "kaito",
        }
    }

    /// Returns a path that only servers of this API know, read with GET.
    pub fn landmark(self) -> &'static str {
        match self {
            Self::OpenAi => "/v1/models",
            Self::Tgi => "/info",
            Self::KaitoChat => "/openapi.json",
        }
    }

    /// Returns whether the answer under [`Dialect::landmark`] is of this API.
    pub fn is_known_by(self, answer: &Value) -> bool {
        match self {
            Self::OpenAi => answer["data"].is_array(),
            Self::Tgi => answer["model_id"].is_string(),
            Self::KaitoChat => answer["paths"]["/chat"].is_object(),
        }
    }

    /// Returns the names of the models that answer under
    /// [`Dialect::landmark`] tells of; KAITO's own server tells none.
    pub fn models(self, answer: &Value) -> Vec<String> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        match self {
            Self::OpenAi => {
                let models = answer["data"].as_array().into_iter().flatten();
                models.filter_map(|model| text(&model["id"])).collect()
            }
            Self::Tgi => text(&answer["model_id"]).into_iter().collect(),
            Self::KaitoChat => Vec::new(),
        }
    }

    /// Returns the path and the body of the request for an answer.
    pub fn request(
        self,
        model: &str,
        conversation: &Conversation,
        options: Options,
    ) -> (&'static str, Value) {
        let Options {
            temperature,
            max_tokens,
        } = options;
        let mut body;
        match self {
            Self::OpenAi => {
                body = json!({
                    "model": model,
                    "messages": conversation.turns,
                    "stream": true,
                    "stream_options": {"include_usage": true},
                });
                set(&mut body, "temperature", temperature);
                set(&mut body, "max_tokens", max_tokens);
                ("/v1/chat/completions", body)
            }
            Self::Tgi => {
                body = json!({"inputs": conversation.as_text(), "parameters": {"details": true}});
                let parameters = &mut body["parameters"];
                // It takes no temperature of 0, which means the likeliest words.
                match temperature {
                    Some(temperature) if temperature > 0.0 => {
                        parameters["temperature"] = temperature.into();
                        parameters["do_sample"] = true.into();
                    }
                    _ => parameters["do_sample"] = false.into(),
                }
                set(parameters, "max_new_tokens", max_tokens);
                ("/generate_stream", body)
            }
            Self::KaitoChat => {
                body = json!({
                    "prompt": conversation.as_text(),
                    "return_full_text": false,
                    "generate_kwargs": {},
                });
                let arguments = &mut body["generate_kwargs"];
                match temperature {
                    Some(temperature) if temperature > 0.0 => {
                        arguments["temperature"] = temperature.into();
                        arguments["do_sample"] = true.into();
                    }
                    _ => arguments["do_sample"] = false.into(),
                }
                // Its default of 200 counts the prompt as well.
                set(arguments, "max_new_tokens", max_tokens);
                ("/chat", body)
            }
        }
    }
}

fn set(body: &mut Value, key: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        body[key] = value.into();
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OpenAi => "OpenAI",
            Self::Tgi => "TGI",
            Self::KaitoChat => "KAITO /chat",
        })
    }
}

impl FromStr for Dialect {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter();
        known
            .clone()
            .find(|dialect| dialect.name() == text)
            .ok_or_else(|| {
                let names: Vec<&str> = known.map(Self::name).collect();
                format!("expected one of: {}", names.join(", "))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conversation() -> Conversation {
        let mut conversation = Conversation::new(Some("Be brief."));
        conversation.say(ChatRole::User, "Hi");
        conversation.say(ChatRole::Assistant, "Hello");
        conversation.say(ChatRole::User, "Why?");
        conversation
    }

    #[test]
    fn each_api_gets_the_whole_conversation() {
        let options = Options {
            temperature: Some(0.5),
            max_tokens: Some(64),
        };
        let (path, body) = Dialect::OpenAi.request("phi-4", &conversation(), options);
        assert_eq!(path, "/v1/chat/completions");
        assert_eq!(
            body,
            json!({
                "model": "phi-4", "stream": true, "stream_options": {"include_usage": true},
                "temperature": 0.5, "max_tokens": 64,
                "messages": [
                    {"role": "system", "content": "Be brief."},
                    {"role": "user", "content": "Hi"},
                    {"role": "assistant", "content": "Hello"},
                    {"role": "user", "content": "Why?"},
                ],
            })
        );
        let text = "Be brief.\nUser: Hi\nAssistant: Hello\nUser: Why?\nAssistant:";
        let (path, body) = Dialect::Tgi.request("", &conversation(), options);
        assert_eq!(path, "/generate_stream");
        assert_eq!(
            body,
            json!({"inputs": text, "parameters": {
                "details": true, "do_sample": true, "temperature": 0.5, "max_new_tokens": 64,
            }})
        );
        let (path, body) = Dialect::KaitoChat.request("", &conversation(), Options::default());
        assert_eq!(path, "/chat");
        assert_eq!(
            body,
            json!({"prompt": text, "return_full_text": false, "generate_kwargs": {"do_sample": false}})
        );
    }

    #[test]
    fn a_first_question_goes_as_it_is() {
        let mut conversation = Conversation::new(None);
        conversation.say(ChatRole::User, "What sport should I play?");
        let (_, body) = Dialect::KaitoChat.request("", &conversation, Options::default());
        assert_eq!(body["prompt"], "What sport should I play?");
    }

    #[test]
    fn servers_are_known_by_what_they_answer() {
        let openai = json!({"object": "list", "data": [{"id": "a"}, {"id": "b"}]});
        assert!(Dialect::OpenAi.is_known_by(&openai));
        assert_eq!(Dialect::OpenAi.models(&openai), ["a", "b"]);
        let tgi = json!({"model_id": "org/x", "version": "3"});
        assert!(Dialect::Tgi.is_known_by(&tgi) && !Dialect::OpenAi.is_known_by(&tgi));
        assert_eq!(Dialect::Tgi.models(&tgi), ["org/x"]);
        let kaito = json!({"paths": {"/chat": {"post": {}}}});
        assert!(Dialect::KaitoChat.is_known_by(&kaito) && !Dialect::Tgi.is_known_by(&kaito));
    }
}
