//! Flags of `kaiwo chat` and `kaiwo endpoint`.

use clap::Args;

use super::NamedArgs;
use crate::chat::Dialect;
use crate::observe::endpoint::Via;
use crate::plan::request::pod::SecretKey;
use crate::settings::Format;
use crate::time::Limit;

/// Flags of `kaiwo chat`.
#[derive(Debug, Args)]
#[command(after_help = "\
Asks a Deployment, RayService, Workspace or InferenceSet through the API server;
it needs no public address. Without PROMPT, on a terminal, it continues until
/quit or Ctrl-D; in a pipe, the prompt is read from stdin.

Examples:
  kaiwo chat phi-4 'What is Kueue?'      one question, the answer on stdout
  kaiwo chat phi-4                       a conversation
  git diff | kaiwo chat phi-4 --system 'Review this change.'
  kaiwo chat phi-4 Hello --json          for programs
  kaiwo chat llm --api-key-secret llm-key/token    a server that asks for a key")]
pub struct ChatArgs {
    /// Prompt
    #[arg(value_name = "PROMPT", index = 2)]
    pub prompt: Option<String>,

    /// Which workload, and where.
    #[command(flatten)]
    pub named: NamedArgs,

    /// Instructions for the model
    #[arg(long, value_name = "TEXT", help_heading = "Prompt")]
    pub system: Option<String>,

    /// Sampling temperature; 0 is deterministic [default: the server's]
    #[arg(long, value_name = "T", value_parser = temperature, help_heading = "Prompt")]
    pub temperature: Option<f64>,

    /// Most tokens of an answer [default: the server's]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Prompt")]
    pub max_tokens: Option<u32>,

    /// Model, where several are served [default: the first]
    #[arg(short, long, help_heading = "Prompt")]
    pub model: Option<String>,

    /// API of the service: openai, tgi or kaito [default: detected]
    #[arg(long, value_name = "API", help_heading = "Connection to the service")]
    pub api: Option<Dialect>,

    /// Path prefix of the API, such as Ray Serve's route_prefix
    #[arg(long, value_name = "PATH", default_value = "", value_parser = base_path, hide_default_value = true, help_heading = "Connection to the service")]
    pub base_path: String,

    /// service: its Service's proxy; pod: a forwarded port [default: service,
    /// pod where that is not allowed, or with an API key]
    #[arg(long, value_name = "WAY", help_heading = "Connection to the service")]
    pub via: Option<Via>,

    /// Local variable with the API key
    #[arg(long, value_name = "NAME", help_heading = "Connection to the service")]
    pub api_key_env: Option<String>,

    /// Secret in the namespace with the API key
    #[arg(
        long,
        value_name = "SECRET/KEY",
        conflicts_with = "api_key_env",
        help_heading = "Connection to the service"
    )]
    pub api_key_secret: Option<SecretKey>,

    /// Longest wait for an answer to begin, and between its parts
    #[arg(
        long,
        value_name = "TIME",
        default_value = "5m",
        help_heading = "Connection to the service"
    )]
    pub timeout: Limit,

    /// Write each answer as JSON
    #[arg(long, help_heading = "Output")]
    pub json: bool,
}

/// Flags of `kaiwo endpoint`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kaiwo endpoint phi-4             addresses, and a curl line for each
  kaiwo endpoint phi-4 -o json     for programs")]
pub struct EndpointArgs {
    /// Which workload, and where.
    #[command(flatten)]
    pub named: NamedArgs,

    /// Output format
    #[arg(short, long, value_name = "FORMAT", value_parser = Format::parser(Format::REPORTS))]
    pub output: Option<Format>,
}

fn temperature(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if (0.0..=2.0).contains(&value) => Ok(value),
        _ => Err("a number from 0 to 2".to_owned()),
    }
}

fn base_path(text: &str) -> Result<String, String> {
    let path = text.trim_end_matches('/');
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/-_.~".contains(c);
    match path.starts_with('/') && path.chars().all(is_plain) && !path.contains("..") {
        true => Ok(path.to_owned()),
        false if path.is_empty() => Ok(String::new()),
        false => Err("a path such as /llm".to_owned()),
    }
}
