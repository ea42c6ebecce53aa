//! The command line, as clap types. No logic and no I/O: what the words mean
//! is decided elsewhere.

mod chat;
mod connection;
mod cp;
mod delete;
mod deploy;
mod exec;
mod init;
mod list;
mod logs;
mod named;
mod overview;
mod port_forward;
mod program;
mod queueing;
mod resize;
mod status;
mod template;
mod wait;
mod why;

pub use chat::{ChatArgs, EndpointArgs};
pub use connection::ConnectionArgs;
pub use cp::CpArgs;
pub use delete::DeleteArgs;
pub use deploy::run::RunArgs;
pub use deploy::serve::ServeArgs;
pub use deploy::submit::SubmitArgs;
pub use deploy::workload::{SubmissionArgs, WorkloadArgs};
pub use exec::ExecArgs;
pub use init::InitArgs;
pub use list::ListArgs;
pub use logs::LogsArgs;
pub use named::NamedArgs;
pub use overview::doctor::DoctorArgs;
pub use overview::history::HistoryArgs;
pub use overview::models::ModelsArgs;
pub use overview::nodes::NodesArgs;
pub use overview::past::PastArgs;
pub use overview::queues::QueuesArgs;
pub use overview::top::TopArgs;
pub use overview::usage::UsageArgs;
pub use overview::version::VersionArgs;
pub use overview::volumes::VolumesArgs;
pub use port_forward::PortForwardArgs;
pub use program::{command, is_command};
pub use queueing::ChangeArgs;
pub use queueing::activity::{PauseArgs, ResumeArgs};
pub use queueing::priority::PriorityArgs;
pub use queueing::queue::MoveArgs;
pub use resize::ResizeArgs;
pub use status::StatusArgs;
pub use template::{ContextCommand, EjectArgs, TemplateCommand, TemplateKindArgs};
pub use wait::WaitArgs;
pub use why::WhyArgs;

use crate::settings::Format;
use clap::{ArgAction, Args, Parser, ValueEnum, ValueHint};

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
  kaiwo submit -p train/ -g 8 -d        print the manifests, contact no cluster
  kaiwo serve -i image -g 1 --port 80   a Deployment and its Service
  kaiwo list                            all workloads and their status
  kaiwo why alice-train                 why one is not running, who can fix it
  kaiwo help exit-codes                 what the exit codes mean
  kaiwo help agents                     how programs and agents use kaiwo"
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Subcommand,

    /// How to talk about it.
    #[command(flatten)]
    pub talk: TalkArgs,
}

/// The commands.
#[derive(Debug, clap::Subcommand)]
pub enum Subcommand {
    /// Write a workload directory to start from
    Init(InitArgs),
    /// Run a directory or image as a batch job, queued by Kueue
    Submit(Box<SubmitArgs>),
    /// Run a command on a GPU, attached to your terminal or pipe
    Run(Box<RunArgs>),
    /// Run a directory, an image or a model as a service
    Serve(Box<ServeArgs>),
    /// List workloads and their status
    #[command(visible_alias = "ls")]
    List(Box<ListArgs>),
    /// Show one workload in full
    Status(Box<StatusArgs>),
    /// Explain why a workload is not running or has failed
    Why(Box<WhyArgs>),
    /// Show or follow the logs of a workload
    Logs(Box<LogsArgs>),
    /// Wait until a workload runs, is ready or has ended
    Wait(Box<WaitArgs>),
    /// Run a command where a workload runs
    Exec(Box<ExecArgs>),
    /// Copy files from or to a workload
    Cp(Box<CpArgs>),
    /// Forward local ports to a workload
    PortForward(Box<PortForwardArgs>),
    /// Change how many tasks of an array run at once
    Resize(Box<ResizeArgs>),
    /// Delete workloads, and what kaiwo created for them
    Delete(Box<DeleteArgs>),
    /// Move a waiting workload to another queue
    Move(Box<MoveArgs>),
    /// Change the priority of a workload
    Priority(Box<PriorityArgs>),
    /// Take a workload out of its queue; it can be resumed
    Pause(Box<PauseArgs>),
    /// Return a paused workload to its queue
    Resume(Box<ResumeArgs>),
    /// Check that kaiwo works here, and show how to fix what does not
    Doctor(Box<DoctorArgs>),
    /// Show the versions of kaiwo and of what is on the cluster
    Version(Box<VersionArgs>),
    /// Show queue quotas and pending workloads
    Queues(Box<QueuesArgs>),
    /// Show the capacity of nodes, and who holds it
    Nodes(Box<NodesArgs>),
    /// List the claims to storage, and who mounts them
    Volumes(Box<VolumesArgs>),
    /// Show GPU utilization
    Top(Box<TopArgs>),
    /// Show what has ended: when, how long it waited and ran, exit codes
    History(Box<HistoryArgs>),
    /// Show GPU-hours by user, queue or namespace
    Usage(Box<UsageArgs>),
    /// List the models that KAITO serves, and the GPUs each needs
    Models(ModelsArgs),
    /// Ask a model that is served
    Chat(Box<ChatArgs>),
    /// Print the addresses of a service
    Endpoint(Box<EndpointArgs>),
    /// Print the completion script of a shell
    #[command(after_help = "\
Examples:
  source <(kaiwo completion bash)                       for this shell
  kaiwo completion zsh > ~/.zfunc/_kaiwo                for zsh, with fpath
  kaiwo completion fish > ~/.config/fish/completions/kaiwo.fish

Commands, flags, files and names from the cluster are completed. A cluster that
does not answer within a second is silently skipped.")]
    Completion {
        /// bash, zsh, fish, elvish or powershell
        #[arg(hide_possible_values = true)]
        shell: Shell,
    },
    /// What the completion scripts call
    #[command(name = "__complete", hide = true)]
    Complete(CompleteArgs),
    /// What renders a template beforehand
    #[command(name = "__render", hide = true)]
    Render,
    /// Show settings
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Show the built-in templates, and what templates can use
    #[command(subcommand)]
    Template(Box<TemplateCommand>),
    /// Explain a command or a topic
    Help {
        /// A command, or: exit-codes, agents
        #[arg(value_name = "COMMAND|TOPIC")]
        topic: Vec<String>,

        /// Write the manual pages of all commands into this directory
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, conflicts_with = "topic")]
        man: Option<std::path::PathBuf>,
    },
}

impl Subcommand {
    /// Returns which cluster and which namespace were typed.
    pub fn place(&self) -> Option<(&ConnectionArgs, Option<&str>)> {
        let named = match self {
            Self::Submit(args) => {
                let namespace = args.settings.0.namespace.as_deref();
                return Some((&args.submission.connection, namespace));
            }
            Self::Run(args) => {
                let namespace = args.settings.0.namespace.as_deref();
                return Some((&args.connection, namespace));
            }
            Self::Serve(args) => {
                let namespace = args.settings.0.namespace.as_deref();
                return Some((&args.submission.connection, namespace));
            }
            Self::List(args) => return Some((&args.connection, args.namespace.as_deref())),
            Self::Delete(args) => return Some((&args.connection, args.namespace.as_deref())),
            Self::Queues(args) => return Some((&args.connection, args.namespace.as_deref())),
            Self::Doctor(args) => return Some((&args.connection, args.namespace.as_deref())),
            Self::Top(args) => return Some((&args.connection, args.namespace.as_deref())),
            Self::Cp(args) => return Some((&args.connection, args.namespace.as_deref())),
            Self::Volumes(args) => return Some((&args.connection, args.namespace.as_deref())),
            Self::History(args) => {
                return Some((&args.past.connection, args.past.namespace.as_deref()));
            }
            Self::Usage(args) => {
                return Some((&args.past.connection, args.past.namespace.as_deref()));
            }
            Self::Nodes(args) => return Some((&args.connection, None)),
            Self::Version(args) => return Some((&args.connection, None)),
            Self::Models(args) => return Some((&args.connection, None)),
            Self::Status(args) => &args.named,
            Self::Why(args) => &args.named,
            Self::Logs(args) => &args.named,
            Self::Wait(args) => &args.named,
            Self::Resize(args) => &args.named,
            Self::Exec(args) => &args.named,
            Self::PortForward(args) => &args.named,
            Self::Chat(args) => &args.named,
            Self::Endpoint(args) => &args.named,
            Self::Move(args) => &args.change.named,
            Self::Priority(args) => &args.change.named,
            Self::Pause(args) => &args.change.named,
            Self::Resume(args) => &args.change.named,
            Self::Init(_)
            | Self::Completion { .. }
            | Self::Complete(_)
            | Self::Render
            | Self::Config(_)
            | Self::Template(_)
            | Self::Help { .. } => return None,
        };
        Some((&named.connection, named.namespace.as_deref()))
    }
}

/// What is done with settings.
#[derive(Debug, clap::Subcommand)]
pub enum ConfigCommand {
    /// Show every setting, and which variable or file it comes from
    Show(ConfigShowArgs),
}

/// Flags of `kaiwo config show`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  kaiwo config show              your settings and variables
  kaiwo config show -p train/    also those of a directory
  kaiwo config show -o json      for programs

Values of variables and of --set, and values that look secret, are hidden.")]
pub struct ConfigShowArgs {
    /// Directory with a kaiwoconfig
    #[arg(short, long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub path: Option<std::path::PathBuf>,

    /// Output format
    #[arg(short, long, value_name = "FORMAT", value_parser = Format::parser(Format::REPORTS))]
    pub output: Option<Format>,
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
    /// More detail on stderr: -v logs requests, -vv also the HTTP client
    #[arg(short, long, action = ArgAction::Count, global = true, help_heading = "Output")]
    pub verbose: u8,

    /// Only print errors on stderr
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

#[cfg(test)]
mod tests {
    use clap::error::ErrorKind;
    use clap::{Arg, CommandFactory};

    use super::*;

    /// Returns every argument, with the words that lead to it.
    fn arguments<'a>(command: &'a clap::Command, path: &[String]) -> Vec<(Vec<String>, &'a Arg)> {
        let own = command.get_arguments().map(|flag| (path.to_vec(), flag));
        let below = command.get_subcommands().flat_map(|below| {
            let path = [path, &[below.get_name().to_owned()]].concat();
            arguments(below, &path)
        });
        own.chain(below).collect()
    }

    #[test]
    fn every_time_is_written_in_the_same_way() {
        let mut command = Cli::command();
        command.build();
        let mut found = 0;
        for (path, flag) in arguments(&command, &["kaiwo".to_owned()]) {
            let names = flag.get_value_names().unwrap_or_default();
            assert!(
                names.iter().all(|name| name != "SECONDS"),
                "{path:?} {flag}"
            );
            if names.iter().all(|name| name != "TIME") {
                continue;
            }
            found += 1;
            let typed = |time: &str| {
                let flag = format!("--{}", flag.get_long().unwrap());
                let words = path.iter().cloned().chain([flag, time.to_owned()]);
                Cli::try_parse_from(words).err().map(|error| error.kind())
            };
            for time in ["30", "30s", "10m", "2h", "1d", "1h30m"] {
                assert_ne!(
                    typed(time),
                    Some(ErrorKind::ValueValidation),
                    "{path:?} {flag} {time}"
                );
            }
            for time in ["soon", "10x", "1.5h"] {
                assert_eq!(
                    typed(time),
                    Some(ErrorKind::ValueValidation),
                    "{path:?} {flag} {time}"
                );
            }
        }
        assert!(found > 20, "{found}");
    }
}
