//! `kaiwo chat`.

mod errors;
mod input;
mod key;

use std::time::Duration;

use serde::Serialize;
use tokio::time::{sleep, timeout};

use crate::chat::{Answer, ChatRole, Conversation, Dialect, Options, Piece};
use crate::cli::ChatArgs;
use crate::cluster::client::backoff::Pauses;
use crate::cluster::reach::route::{Lines, Route, RouteError};
use crate::cluster::read::endpoint;
use crate::error::{CommandError, ErrorClass};
use crate::observe::endpoint::Via;
use crate::printable;
use crate::settings::Format;
use crate::ui::Ui;
use crate::ui::document::document;
use crate::ui::report::API_VERSION;

use errors::About;
use input::{prompt, typed};
use key::{api_key, has_key};

use crate::cmd::help::cannot_write;
use crate::cmd::target::FoundWorkload;
use crate::cmd::{block_on, signals};
use crate::suggestion::kaiwo;

/// How often a server that is busy is asked, and the pauses in between.
const TRIES: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(4);

/// An answer for programs.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ChatReport<'a> {
    api_version: &'static str,
    kind: &'static str,
    workload: &'a str,
    /// The Workspace of an InferenceSet that answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    part: Option<&'a str>,
    namespace: &'a str,
    /// The pod that was asked through its port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pod: Option<&'a str>,
    api: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    model: &'a str,
    prompt: &'a str,
    answer: &'a str,
    /// What the model thought before.
    #[serde(skip_serializing_if = "str::is_empty")]
    reasoning: &'a str,
    /// Its words for not answering.
    #[serde(skip_serializing_if = "str::is_empty")]
    refusal: &'a str,
    /// Functions it wants called instead.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    tools: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    finish_reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer_tokens: Option<u64>,
}

/// Asks what a workload serves.
pub fn run(args: &ChatArgs, ui: Ui) -> Result<(), CommandError> {
    if has_key(args) && args.via == Some(Via::Service) {
        return Err(CommandError::new(
            ErrorClass::Usage,
            "an API key cannot be sent through a Service's proxy: the API server consumes the Authorization header",
        )
        .hint("omit --via, or use a port of a pod: --via pod"));
    }
    prompt(args).and_then(|prompt| {
        block_on(async {
            let target = FoundWorkload::find(&args.named, ui).await?;
            let mut chat = Chat::begin(args, ui, &target).await?;
            match prompt {
                Some(prompt) => chat.ask(&prompt).await,
                None => chat.converse().await,
            }
        })
    })
}

/// A conversation with one workload.
struct Chat<'a> {
    args: &'a ChatArgs,
    ui: Ui,
    route: Route<'a>,
    workload: String,
    /// The pod that was told of.
    told: Option<String>,
    dialect: Dialect,
    model: String,
    conversation: Conversation,
}

/// What came of asking once.
struct Said {
    answer: Answer,
    text: String,
    thought: String,
    /// Why the connection was lost, if it was.
    broke: Option<String>,
    /// Whether anybody still reads stdout.
    is_read: bool,
}

/// How asking ended.
enum Asked {
    /// With an answer, whole or stopped by the user.
    Answered,
    /// Nobody reads stdout any more.
    Unread,
}

impl<'a> Chat<'a> {
    async fn begin(
        args: &'a ChatArgs,
        ui: Ui,
        target: &'a FoundWorkload,
    ) -> Result<Self, CommandError> {
        let cluster = &target.place.cluster;
        let workload = target.found.workload.display_name();
        let endpoint =
            endpoint::to_ask(cluster, &target.place.served, &target.found.workload).await?;
        let key = api_key(args, target, &endpoint.namespace).await?;
        let mut chat = Self {
            args,
            ui,
            route: Route::new(cluster, endpoint, args.via, key),
            workload,
            told: None,
            dialect: args.api.unwrap_or(Dialect::OpenAi),
            model: args.model.clone().unwrap_or_default(),
            conversation: Conversation::new(args.system.as_deref()),
        };
        let progress = ui.progress("listing the models");
        let models = chat.introduce().await?;
        drop(progress);
        let others = match models.len() {
            0 | 1 => String::new(),
            count => format!(", one of {count}"),
        };
        let model = match chat.model.as_str() {
            "" => String::new(),
            model => format!(", model {model}{others}"),
        };
        let part = chat.route.endpoint.part.iter();
        let part: String = part.map(|part| format!(" at its {part}")).collect();
        let through = match chat.route.pod() {
            Some(pod) => format!(", through a port of pod {pod}"),
            None => String::new(),
        };
        ui.status(format!(
            "→ context {}, namespace {}, {}{part}{model} ({}){through}",
            cluster.context(),
            chat.namespace(),
            chat.workload,
            chat.dialect
        ));
        chat.told = chat.route.pod().map(str::to_owned);
        Ok(chat)
    }

    /// Finds out which API is spoken and which model answers, and returns all
    /// models.
    async fn introduce(&mut self) -> Result<Vec<String>, CommandError> {
        let spoken = match self.args.api {
            Some(dialect) => vec![dialect],
            None => Dialect::ALL.to_vec(),
        };
        for dialect in spoken {
            let path = format!("{}{}", self.args.base_path, dialect.landmark());
            let known = match self.route.get(&path, self.patience()).await {
                Ok(known) => known,
                // It has no such path, or something else than JSON there.
                Err(
                    RouteError::Refused {
                        code: 404 | 405, ..
                    }
                    | RouteError::NotJson,
                ) => continue,
                Err(error) => return Err(self.explain(error)),
            };
            if !dialect.is_known_by(&known) {
                continue;
            }
            self.dialect = dialect;
            let models = dialect.models(&known);
            if self.model.is_empty() {
                self.model = models.first().cloned().unwrap_or_default();
            } else if dialect == Dialect::OpenAi && !models.contains(&self.model) {
                return Err(CommandError::new(
                    ErrorClass::Refused,
                    format!("{} does not serve model {:?}", self.workload, self.model),
                )
                .hint(format!("it serves: {}", models.join(", "))));
            }
            return Ok(models);
        }
        // With an API that was named, the server need not be asked.
        if self.args.api.is_some() && (self.dialect != Dialect::OpenAi || !self.model.is_empty()) {
            return Ok(Vec::new());
        }
        Err(CommandError::new(
            ErrorClass::Refused,
            format!(
                "cannot tell whether {} speaks OpenAI's, TGI's or KAITO's API",
                self.workload
            ),
        )
        .hint("if the API is below a path, specify it: --base-path /llm")
        .hint("if you know the API, specify it: --api openai --model NAME"))
    }

    /// Asks one question, and prints the answer as it comes.
    async fn ask(&mut self, prompt: &str) -> Result<(), CommandError> {
        self.answer(prompt).await.map(|_| ())
    }

    /// Goes on until the user has enough. What goes wrong with one question
    /// does not end it.
    async fn converse(&mut self) -> Result<(), CommandError> {
        self.ui
            .status("  /clear clears the conversation, /quit or Ctrl-D ends it");
        let mut lines = typed();
        let mut conversation = signals::ChatInterrupts::new();
        loop {
            self.ui.prompt("> ");
            let line = tokio::select! {
                line = lines.recv() => line,
                () = conversation.stopped() => None,
            };
            match line.as_deref().map(str::trim) {
                None | Some("/quit" | "/exit") => {
                    self.ui.prompt("\n");
                    return Ok(());
                }
                Some("") => {}
                Some("/clear") => {
                    self.conversation.clear();
                    self.ui.status("  forgotten");
                }
                Some(command) if command.starts_with('/') => {
                    self.ui.status("  /clear, /quit");
                }
                Some(prompt) => {
                    let asked = tokio::select! {
                        asked = self.answer(prompt) => asked,
                        // It stops the answer, not the conversation.
                        () = conversation.stopped() => {
                            self.ui.prompt("\n");
                            self.conversation.take_back();
                            Ok(Asked::Answered)
                        }
                    };
                    match asked {
                        Ok(Asked::Answered) => {}
                        Ok(Asked::Unread) => return Ok(()),
                        Err(error) => {
                            self.conversation.take_back();
                            self.ui.error(&error);
                        }
                    }
                }
            }
        }
    }

    async fn answer(&mut self, prompt: &str) -> Result<Asked, CommandError> {
        self.conversation.say(ChatRole::User, prompt);
        let mut said = self.listen().await?;
        // A connection that was lost before a word came is worth another try.
        if said.text.is_empty() && said.broke.is_some() && !said.answer.is_complete {
            said = self.listen().await?;
        }
        if !said.is_read {
            return Ok(Asked::Unread);
        }
        let Said {
            ref answer,
            ref text,
            ..
        } = said;
        if text.is_empty() {
            self.end_thought(&said.thought);
        }
        let ends_line = text.is_empty() || text.ends_with('\n');
        if !self.args.json && !ends_line {
            self.ui.data("\n").map_err(cannot_write)?;
        }
        if !answer.is_complete {
            let message = format!(
                "the answer broke off after {} characters",
                text.chars().count()
            );
            let mut error = CommandError::new(ErrorClass::Unclassified, message).hint(
                kaiwo("status {} -n {}", &[&self.workload, self.namespace()])
                    .to("check its status"),
            );
            error.notes.extend(said.broke);
            return Err(error);
        }
        for remark in answer.remarks() {
            self.ui.warn(remark);
        }
        if self.args.json {
            self.ui
                .data(&self.report(prompt, &said))
                .map_err(cannot_write)?;
        }
        self.conversation.say(ChatRole::Assistant, said.text);
        Ok(Asked::Answered)
    }

    /// Asks, and passes on the answer as it comes.
    async fn listen(&mut self) -> Result<Said, CommandError> {
        let mut progress = Some(self.ui.progress("waiting for the answer"));
        let mut lines = self.open().await?;
        self.tell_pod();
        let mut said = Said {
            answer: Answer::default(),
            text: String::new(),
            thought: String::new(),
            broke: None,
            is_read: true,
        };
        let [mut shown, mut thought] = [(); 2].map(|()| printable::Stream::default());
        loop {
            let mut is_end = false;
            let pieces = match timeout(self.patience(), lines.next()).await {
                Ok(Some(Ok(line))) => said.answer.take(self.dialect, &line),
                // It said why it ends, and only the connection goes on.
                Err(_) if said.answer.finish.is_none() => {
                    return Err(self.explain(RouteError::Slow(self.patience().as_secs())));
                }
                end => {
                    is_end = true;
                    said.broke = end.ok().flatten().and_then(Result::err);
                    said.answer.end()
                }
            };
            for piece in pieces {
                match piece {
                    Piece::Text(more) => {
                        progress = None;
                        if said.text.is_empty() {
                            self.end_thought(&said.thought);
                        }
                        said.text += &more;
                        if !self.args.json
                            && !self.ui.quote(&more, &mut shown).map_err(cannot_write)?
                        {
                            said.is_read = false;
                            return Ok(said);
                        }
                    }
                    Piece::Thought(more) => {
                        progress = None;
                        if !self.args.json {
                            self.ui.aside(&more, &mut thought);
                        }
                        said.thought += &more;
                    }
                    Piece::Error(words) => {
                        drop(progress);
                        let message = format!("{} failed: {words}", self.workload);
                        return Err(CommandError::new(ErrorClass::Unclassified, message));
                    }
                }
            }
            // Not every server ends the connection, and not every way tells.
            if is_end || said.answer.is_complete {
                return Ok(said);
            }
        }
    }

    /// Ends the line of what the model thought.
    fn end_thought(&self, thought: &str) {
        if !self.args.json && !thought.is_empty() && !thought.ends_with('\n') {
            self.ui.aside("\n", &mut printable::Stream::default());
        }
    }

    /// Says which pod answers from now on, if that has changed.
    fn tell_pod(&mut self) {
        let pod = self.route.pod();
        if pod != self.told.as_deref() {
            if let Some(pod) = pod {
                self.ui.status(format!("→ through a port of pod {pod}"));
            }
            self.told = pod.map(str::to_owned);
        }
    }

    /// Sends the conversation, and waits a little for a server that is busy.
    async fn open(&mut self) -> Result<Lines, CommandError> {
        let options = Options {
            temperature: self.args.temperature,
            max_tokens: self.args.max_tokens,
        };
        let (path, body) = self
            .dialect
            .request(&self.model, &self.conversation, options);
        let path = format!("{}{path}", self.args.base_path);
        let patience = self.patience();
        let mut pauses = Pauses::new(FIRST_PAUSE, LONGEST_PAUSE);
        for _ in 1..TRIES {
            match self.route.post(&path, &body, patience).await {
                // Its queue is full (vLLM, TGI); a moment later it may not be.
                Err(error) if error.code() == Some(429) => {
                    let pause = pauses.advance();
                    self.ui
                        .detail(format!("  busy, retrying in {:.1} s", pause.as_secs_f64()));
                    sleep(pause).await;
                }
                answer => return answer.map_err(|error| self.explain(error)),
            }
        }
        let answer = self.route.post(&path, &body, patience).await;
        answer.map_err(|error| self.explain(error))
    }

    fn patience(&self) -> Duration {
        self.args.timeout.duration()
    }

    fn report(&self, prompt: &str, said: &Said) -> String {
        let answer = &said.answer;
        let report = ChatReport {
            api_version: API_VERSION,
            kind: "ChatAnswer",
            workload: &self.workload,
            part: self.route.endpoint.part.as_deref(),
            namespace: self.namespace(),
            pod: self.route.pod(),
            api: self.dialect.name(),
            model: &self.model,
            prompt,
            answer: &said.text,
            reasoning: &said.thought,
            refusal: &answer.refusal,
            tools: &answer.tools,
            finish_reason: answer.finish.as_deref(),
            prompt_tokens: answer.prompt_tokens,
            answer_tokens: answer.answer_tokens,
        };
        document(&report, Some(Format::Json)).unwrap_or_default()
    }

    fn namespace(&self) -> &str {
        &self.route.endpoint.namespace
    }

    /// Says what went wrong in words about the workload.
    fn explain(&self, error: RouteError) -> CommandError {
        let about = About {
            workload: &self.workload,
            namespace: self.namespace(),
            timeout: self.patience().as_secs(),
            has_key: has_key(self.args),
        };
        about.explain(error)
    }
}

#[cfg(test)]
crate::schema::testing::report_schemas!(ChatReport<'static> => "ChatAnswer");
