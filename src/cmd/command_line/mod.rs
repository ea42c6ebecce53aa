//! The command line that was typed: what it says about the connection, and
//! how it would look with another flag.

mod withheld;

use std::io::IsTerminal;
use std::path::Path;

use clap::CommandFactory as _;

use crate::cli::{self, Cli, ConnectionArgs};
use crate::cluster::Target;
use crate::cluster::client::connection::PodEnvironment;
use crate::cluster::client::exec_plugin::Terminal;
use crate::cluster::client::proxy::ProxyVariables;
use crate::names::is_dns_1123_label;
use crate::program::Program;
use crate::secrecy::may_be_secret;
use crate::settings::Format;
use crate::suggestion::{Command, Connection, kaiwo};
use crate::time::Limit;
use crate::ui::Ui;

/// Flags that answer the question what to do about a name that is taken; a
/// suggestion has at most one of them, so the others have to go. With whether
/// they take a value of their own.
const NAME_FLAGS: [(&str, bool); 4] = [
    ("--replace", false),
    ("--generate-name", false),
    ("--force", false),
    ("--name", true),
];

/// The words of a command line of kaiwo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandLine {
    words: Vec<String>,
}

impl CommandLine {
    /// Returns what this process was started with.
    pub fn typed() -> Self {
        let words = std::env::args_os()
            .skip(1)
            .map(|word| word.to_string_lossy().into_owned());
        Self {
            words: words.collect(),
        }
    }

    /// Returns the words after the program's name.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// Returns the form of data that it asks for, else the one of `variable`.
    /// It need not be a line that can be understood: what is wrong with it is
    /// told in that form, too.
    pub fn output(&self, variable: Option<&str>) -> Option<Format> {
        let mut said = variable;
        let mut words = self.words.iter().map(String::as_str);
        while let Some(word) = words.next().filter(|word| *word != "--") {
            // Short flags without a value can stand before another: -do json.
            let short = word
                .strip_prefix('-')
                .and_then(|letters| letters.trim_start_matches(['d', 'v']).strip_prefix('o'));
            if word == "--json" {
                said = Some("json");
            }
            let value = word.strip_prefix("--output").or(short);
            match value {
                Some("") => said = words.next(),
                Some(value) => said = Some(value.trim_start_matches('=')),
                None => {}
            }
        }
        said?.parse().ok()
    }

    /// Returns it as a command, with `flags` instead of those that
    /// say what happens to the name, and before the command after `--`. Values
    /// that may be secret are left to the shell; [`CommandLine::asking`] says
    /// which.
    pub fn with(&self, flags: &[&str]) -> Command {
        let mut line = kaiwo("", &[]).as_typed();
        let (options, command) = self.parts();
        let options = withheld::options(options, local);
        let command = withheld::command(command, &options);
        let mut options = options.into_iter();
        while let Some(word) = options.next() {
            let typed = word.typed;
            let flag = typed.split('=').next().unwrap_or(typed);
            match NAME_FLAGS.iter().find(|(name, _)| *name == flag) {
                // A chosen name stays, unless another one is suggested.
                Some(("--name", _)) if !flags.contains(&"--name") => line = word.ending(line),
                Some((_, takes_value)) => {
                    if *takes_value && !typed.contains('=') {
                        options.next();
                    }
                }
                None => line = word.ending(line),
            }
        }
        let line = line.args(flags.iter().copied());
        command
            .into_iter()
            .fold(line, |line, word| word.ending(line))
    }

    /// Returns whether the image is named before `word`: what follows it may then be its
    /// own.
    pub fn has_image_before(&self, word: &str) -> bool {
        let (options, _) = self.parts();
        let before = options.split(|typed| typed == word).next();
        // Not -it, which asks for a terminal.
        let is_image = |typed: &String| typed == "-i" || typed.starts_with("--image");
        before.unwrap_or_default().iter().any(is_image)
    }

    /// Returns it with `word`, and what follows, after `--`.
    pub fn behind_dashes(&self, word: &str) -> Command {
        let (options, command) = self.parts();
        let at = options.iter().rposition(|typed| typed == word);
        let options = withheld::options(options, local);
        let command = withheld::command(command, &options);
        let mut line = kaiwo("", &[]).as_typed();
        for (index, option) in options.into_iter().enumerate() {
            if Some(index) == at {
                line = line.args(["--"]);
            }
            line = option.ending(line);
        }
        let rest = command.into_iter().skip(1);
        rest.fold(line, |line, word| word.ending(line))
    }

    /// Returns the command that submits what was to be attached to: `script`, if there is
    /// one, with its directory.
    pub fn submitting(&self, script: Option<&Path>) -> Command {
        let (options, command) = self.parts();
        let options = withheld::options(options, local);
        let command = withheld::command(command, &options);
        let mut line = kaiwo("submit --follow", &[]).as_typed();
        if let Some(script) = script {
            let directory = script.parent().filter(|it| !it.as_os_str().is_empty());
            let directory = directory.unwrap_or(Path::new("."));
            line = line.args(["-p".to_owned(), directory.display().to_string()]);
        }
        let mut options = options.into_iter();
        while let Some(word) = options.next() {
            let typed = word.typed;
            let is_script = script.is_some_and(|script| script == Path::new(typed));
            match typed.split('=').next().unwrap_or(typed) {
                "run" | "-it" | "-ti" | "-t" | "--tty" => {}
                "--idle" | "--publish" if typed.contains('=') => {}
                "--idle" | "--publish" => _ = options.next(),
                _ if is_script => {}
                _ => line = word.ending(line),
            }
        }
        let name = script
            .and_then(Path::file_name)
            .map(|name| name.to_string_lossy());
        if let Some(name) = name {
            let program = if name.ends_with(".py") {
                "python"
            } else {
                "sh"
            };
            line = line.args(["--", program, &*name]);
        }
        let rest = command.into_iter().skip(usize::from(script.is_some()));
        rest.fold(line, |line, word| word.ending(line))
    }

    /// Returns the command that asks for the values which [`CommandLine::with`]
    /// leaves to the shell, unless the shell has them all.
    pub fn asking(&self) -> Option<String> {
        let (options, command) = self.parts();
        let options = withheld::options(options, local);
        let command = withheld::command(command, &options);
        let words = options.into_iter().chain(command);
        let mut names: Vec<String> = Vec::new();
        for (name, value) in words.filter_map(|word| word.withheld) {
            if local(&name).as_deref() != Some(value) && !names.contains(&name) {
                names.push(name);
            }
        }
        let reads = names.iter().map(|name| format!("read -r {name} && "));
        let export = format!("export {}", names.join(" "));
        (!names.is_empty()).then(|| reads.chain([export]).collect())
    }

    fn parts(&self) -> (&[String], &[String]) {
        let end = self.words.iter().position(|word| word == "--");
        self.words.split_at(end.unwrap_or(self.words.len()))
    }
}

/// Returns the value that a variable has here.
fn local(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Returns how this process was started.
pub fn program() -> Program {
    Program::called(std::env::args_os().next().as_deref(), cli::is_command)
}

/// Returns which cluster is meant, and as whom. While it cannot be reached, it
/// is tried again, which `ui` says.
pub fn target(args: &ConnectionArgs, ui: Ui) -> Target {
    let terminal = Terminal {
        can_ask: std::io::stdin().is_terminal(),
        is_watched: ui.is_watched(),
        pass_on: ui.passes_on(),
        lend: crate::ui::lend,
    };
    Target {
        terminal,
        absence: Some(ui.tells()),
        warning: Some(ui.warns()),
        ..optional_target(args)
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Returns the proxies that the variables name.
pub fn proxies() -> ProxyVariables {
    let either = |upper: &str| {
        let lower = || variable(&upper.to_ascii_lowercase());
        variable(upper).or_else(lower).unwrap_or_default()
    };
    ProxyVariables {
        https: either("HTTPS_PROXY"),
        http: either("HTTP_PROXY"),
        no_proxy: either("NO_PROXY"),
    }
}

/// Returns the same for who does without an answer: a credential plugin has
/// nobody to ask, and a cluster that cannot be reached is not waited for.
pub fn optional_target(args: &ConnectionArgs) -> Target {
    Target {
        kubeconfig: args.kubeconfig.clone(),
        kubeconfig_variable: std::env::var_os("KUBECONFIG"),
        context: args.context.clone(),
        as_user: args.as_user.clone(),
        as_groups: args.as_group.clone(),
        request_timeout: args.request_timeout.map(Limit::duration),
        insecure_skip_tls_verify: args.insecure_skip_tls_verify,
        proxies: proxies(),
        pod: PodEnvironment {
            service_host: variable("KUBERNETES_SERVICE_HOST").unwrap_or_default(),
            service_port: variable("KUBERNETES_SERVICE_PORT").unwrap_or_default(),
            ..PodEnvironment::default()
        },
        ..Target::default()
    }
}

/// Returns what commands that are suggested talk to: what was typed. What is no name
/// is of no use there, and may be secret.
pub fn connection(typed: Option<(&ConnectionArgs, Option<&str>)>) -> Connection {
    let Some((args, namespace)) = typed else {
        return Connection {
            program: program(),
            ..Connection::NONE
        };
    };
    let kubeconfig = args.kubeconfig.as_ref();
    let mut flags = Vec::new();
    for (flag, values) in [
        (
            "--kubeconfig",
            kubeconfig.map(|file| file.display().to_string()).as_slice(),
        ),
        ("--context", args.context.as_slice()),
        ("--as", args.as_user.as_slice()),
        ("--as-group", &args.as_group),
    ] {
        for value in values.iter().filter(|value| !may_be_secret(value)) {
            flags.extend([flag.to_owned(), value.clone()]);
        }
    }
    let namespace = namespace.filter(|name| is_dns_1123_label(name));
    Connection {
        program: program(),
        flags,
        namespace: namespace.map(str::to_owned),
        has: |command, argument| {
            let cli = Cli::command();
            let command = cli.find_subcommand(command);
            let mut arguments = command.into_iter().flat_map(clap::Command::get_arguments);
            arguments.any(|known| known.get_id() == argument)
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suggestion::kubectl;

    fn line(text: &str) -> CommandLine {
        CommandLine {
            words: text.split(' ').map(str::to_owned).collect(),
        }
    }

    #[test]
    fn a_flag_is_added_before_the_command_and_replaces_its_like() {
        let typed = line("submit -p train --name x --replace=false -- python --name y");
        assert_eq!(
            typed.with(&["--replace"]),
            "kaiwo submit -p train --name x --replace -- python --name y"
        );
        assert_eq!(
            typed.with(&["--name", "x-2"]),
            "kaiwo submit -p train --name x-2 -- python --name y"
        );
        assert_eq!(
            line("submit --name=x").with(&["--name", "x-2"]),
            "kaiwo submit --name x-2"
        );
    }

    #[test]
    fn the_form_of_data_is_found_in_any_line() {
        for (text, found) in [
            ("submit -o json", Some(Format::Json)),
            ("submti --output=json --what", Some(Format::Json)),
            ("submit -g many --output json", Some(Format::Json)),
            ("submit -do json", Some(Format::Json)),
            ("submit -ojson", Some(Format::Json)),
            ("submit -o=json", Some(Format::Json)),
            ("submit -o yaml", Some(Format::Yaml)),
            ("submit -o", None),
            ("submit -o jsno", None),
            ("submit -- -o json", Some(Format::Name)),
            ("submit --name x", Some(Format::Name)),
        ] {
            assert_eq!(line(text).output(Some("name")), found, "{text}");
        }
        assert_eq!(line("submit").output(None), None);
        assert_eq!(line("submit").output(Some("xml")), None);
    }

    #[test]
    fn what_was_typed_is_typed_again() {
        let args = ConnectionArgs {
            context: Some("my prod".to_owned()),
            as_user: Some("bob".to_owned()),
            as_group: vec!["a".to_owned(), "hf_abcdefghijklmnop".to_owned()],
            ..ConnectionArgs::default()
        };
        let typed = connection(Some((&args, Some("team"))));
        let flags = "--context 'my prod' --as bob --as-group a";
        for (command, line) in [
            (kubectl("get x", &[]), format!("kubectl {flags} get x")),
            (kaiwo("why x", &[]), format!("kaiwo why {flags} -n team x")),
            (kaiwo("nodes", &[]), format!("kaiwo nodes {flags}")),
            (kaiwo("models", &[]), format!("kaiwo models {flags}")),
            (
                kaiwo("serve -p {DIR}", &[]),
                format!("kaiwo serve {flags} -n team -p DIR"),
            ),
            (
                kaiwo("template show job", &[]),
                "kaiwo template show job".to_owned(),
            ),
            (kaiwo("--help", &[]), "kaiwo --help".to_owned()),
        ] {
            assert_eq!(command.line(&typed), line);
        }
        let secret = connection(Some((&args, Some("no name"))));
        assert_eq!(secret.namespace, None);
    }
}
