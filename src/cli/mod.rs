//! The command line, as clap types. No logic and no I/O: what the words mean
//! is decided elsewhere.

mod chat;
mod connection;
mod delete;
mod deploy;
mod exec;
mod list;
mod logs;
mod models;
mod named;
mod port_forward;
mod queues;
mod status;
mod template;
mod top;
mod wait;
mod why;

pub use chat::{ChatArgs, EndpointArgs};
pub use connection::ConnectionArgs;
pub use delete::DeleteArgs;
pub use deploy::serve::ServeArgs;
pub use deploy::submit::SubmitArgs;
pub use deploy::workload::WorkloadArgs;
pub use exec::ExecArgs;
pub use list::{ListArgs, ListFormat};
pub use logs::LogsArgs;
pub use models::{ModelsArgs, ModelsFormat};
pub use named::NamedArgs;
pub use port_forward::PortForwardArgs;
pub use queues::QueuesArgs;
pub use status::{StatusArgs, StatusFormat};
pub use template::{ContextCommand, EjectArgs, TemplateCommand, TemplateKindArgs};
pub use top::TopArgs;
pub use wait::WaitArgs;
pub use why::WhyArgs;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum, ValueHint};

/// From a directory and a GPU count to a running AI workload on Kubernetes.
#[derive(Debug, Parser)]
#[command(
    name = "kaiwo",
    version,
    max_term_width = 80,
    disable_help_subcommand = true,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "\
Examples:
  kaiwo submit -p train/ -g 16 --ray    16 GPUs, two nodes of 8, as a RayJob
  kaiwo submit -p train/ -g 8           8 GPUs as a Job
  kaiwo submit -p train/ -g 8 -d        print the manifests, ask no cluster
  kaiwo serve -i image -g 1 --port 8000 a Deployment and its Service
  kaiwo list                            what became of them all
  kaiwo why alice-train                 why one does not run, and who mends that
  kaiwo help exit-codes                 what the exit codes mean"
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,

    /// How to talk about it.
    #[command(flatten)]
    pub talk: TalkArgs,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a directory or an image to its end, queued by Kueue
    Submit(Box<SubmitArgs>),
    /// Run a directory, an image or a model as a service
    Serve(Box<ServeArgs>),
    /// List workloads, and how they stand
    #[command(visible_alias = "ls")]
    List(Box<ListArgs>),
    /// Show one workload in full
    Status(Box<StatusArgs>),
    /// Say why a workload does not run, or why it failed
    Why(Box<WhyArgs>),
    /// Show what a workload writes, or follow it
    Logs(Box<LogsArgs>),
    /// Wait until a workload runs, is ready or has ended
    Wait(Box<WaitArgs>),
    /// Run a command where a workload runs
    Exec(Box<ExecArgs>),
    /// Bring ports of a workload here
    PortForward(Box<PortForwardArgs>),
    /// Delete workloads, and what kaiwo made for them
    Delete(Box<DeleteArgs>),
    /// Show what the queues have, and who waits
    Queues(Box<QueuesArgs>),
    /// Show what GPUs do
    Top(Box<TopArgs>),
    /// List the models that KAITO serves, and what each needs
    Models(ModelsArgs),
    /// Ask a model that is served
    Chat(Box<ChatArgs>),
    /// Print where a service is reached
    Endpoint(Box<EndpointArgs>),
    /// Print the completion script of a shell
    #[command(after_help = "\
Examples:
  source <(kaiwo completion bash)                       for this shell
  kaiwo completion zsh > ~/.zfunc/_kaiwo                for zsh, with fpath
  kaiwo completion fish > ~/.config/fish/completions/kaiwo.fish

Commands, flags, files and names from the cluster are completed. A cluster that
does not answer within a second is passed over in silence.")]
    Completion {
        /// bash, zsh, fish, elvish or powershell
        #[arg(hide_possible_values = true)]
        shell: Shell,
    },
    /// What the completion scripts call
    #[command(name = "__complete", hide = true)]
    Complete(CompleteArgs),
    /// Show settings
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Show the built-in templates, and what templates may use
    #[command(subcommand)]
    Template(Box<TemplateCommand>),
    /// Explain a command or a topic
    Help {
        /// A command, or: exit-codes
        #[arg(value_name = "COMMAND|TOPIC")]
        topic: Vec<String>,
    },
}

/// What is done with settings.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Show every setting, and which variable or file it comes from
    Show(ConfigShowArgs),
}

/// Flags of `kaiwo config show`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kaiwo config show              your own settings and variables
  kaiwo config show -p train/    those of a directory as well
  kaiwo config show -o json      for programs

Values of variables and of --set are hidden, and what looks like a secret.")]
pub struct ConfigShowArgs {
    /// Directory whose kaiwoconfig counts
    #[arg(short, long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub path: Option<std::path::PathBuf>,

    /// `json` for programs
    #[arg(short, long, value_name = "FORMAT", value_parser = ["json"], hide_possible_values = true)]
    pub output: Option<String>,
}

/// Shells that kaiwo completes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// GNU Bash, from 3.2.
    Bash,
    /// Z shell.
    Zsh,
    /// fish, from 3.0.
    Fish,
    /// Elvish, from 0.18.
    Elvish,
    /// PowerShell.
    Powershell,
}

/// What a completion script asks.
#[derive(Debug, Args)]
pub struct CompleteArgs {
    /// Which of the words is completed, counted from 0
    pub index: usize,

    /// Milliseconds until the answer has to be there
    #[arg(long, default_value_t = 1000)]
    pub within: u64,

    /// This is the process that asks the cluster
    #[arg(long)]
    pub ask: bool,

    /// Words after the program's name, up to the cursor and beyond
    #[arg(last = true)]
    pub words: Vec<std::ffi::OsString>,
}

/// How much is said, and how it looks.
#[derive(Debug, Clone, Args)]
pub struct TalkArgs {
    /// Say more on stderr: every request; twice: the HTTP client too
    #[arg(short, long, action = ArgAction::Count, global = true, help_heading = "Output")]
    pub verbose: u8,

    /// Say nothing on stderr but errors
    #[arg(
        long,
        global = true,
        conflicts_with = "verbose",
        help_heading = "Output"
    )]
    pub quiet: bool,

    /// Colours: auto, always or never [default: auto]
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        hide_possible_values = true,
        hide_default_value = true,
        help_heading = "Output"
    )]
    pub color: ColorChoice,
}

/// When colours are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ColorChoice {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}
