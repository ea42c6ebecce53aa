//! The command line that was typed: what it says about the connection, and
//! how it would look with another flag.

mod withheld;

use std::io::IsTerminal;
use std::time::Duration;

use crate::cli::ConnectionArgs;
use crate::cluster::Target;
use crate::cluster::client::connection::Pod;
use crate::cluster::client::exec_plugin::Terminal;
use crate::cluster::client::proxy::ProxyVariables;
use crate::secrecy::may_be_secret;
use crate::settings::OutputFormat;
use crate::shell;
use crate::ui::Ui;

use withheld::Word;

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
    pub fn output(&self, variable: Option<&str>) -> Option<OutputFormat> {
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

    /// Returns it as a line for a shell, with `flags` instead of those that
    /// say what happens to the name, and before the command after `--`. Values
    /// that may be secret are left to the shell; [`CommandLine::asking`] says
    /// which.
    pub fn with(&self, flags: &[&str]) -> String {
        let mut line = vec!["kaiwo".to_owned()];
        let (options, command) = self.parts();
        let options = withheld::options(options, local);
        let command = withheld::command(command, &options);
        let mut options = options.into_iter();
        while let Some(Word { text, typed, .. }) = options.next() {
            let flag = typed.split('=').next().unwrap_or(typed);
            match NAME_FLAGS.iter().find(|(name, _)| *name == flag) {
                // A chosen name stays, unless another one is suggested.
                Some(("--name", _)) if !flags.contains(&"--name") => line.push(text),
                Some((_, takes_value)) => {
                    if *takes_value && !typed.contains('=') {
                        options.next();
                    }
                }
                None => line.push(text),
            }
        }
        line.extend(flags.iter().map(|flag| shell::quoted(flag)));
        line.extend(command.into_iter().map(|word| word.text));
        line.join(" ")
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
        ..optional_target(args)
    }
}

/// Returns the same for who does without an answer: a credential plugin has
/// nobody to ask, and a cluster that cannot be reached is not waited for.
pub fn optional_target(args: &ConnectionArgs) -> Target {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let either = |upper: &str| {
        let lower = || variable(&upper.to_ascii_lowercase());
        variable(upper).or_else(lower).unwrap_or_default()
    };
    Target {
        kubeconfig: args.kubeconfig.clone(),
        kubeconfig_variable: std::env::var_os("KUBECONFIG"),
        context: args.context.clone(),
        as_user: args.as_user.clone(),
        as_groups: args.as_group.clone(),
        request_timeout: args.request_timeout.map(Duration::from_secs),
        insecure_skip_tls_verify: args.insecure_skip_tls_verify,
        proxies: ProxyVariables {
            https: either("HTTPS_PROXY"),
            http: either("HTTP_PROXY"),
            no_proxy: either("NO_PROXY"),
        },
        pod: Pod {
            service_host: variable("KUBERNETES_SERVICE_HOST").unwrap_or_default(),
            service_port: variable("KUBERNETES_SERVICE_PORT").unwrap_or_default(),
            ..Pod::default()
        },
        ..Target::default()
    }
}

/// Commands that a suggestion may name and that ask a cluster. What repeats the
/// line that was typed has its flags already.
const ASKING: [&str; 12] = [
    "list",
    "status",
    "why",
    "logs",
    "wait",
    "exec",
    "port-forward",
    "delete",
    "queues",
    "top",
    "chat",
    "endpoint",
];

/// Makes every `kubectl` and `kaiwo` in a text talk to the cluster that was
/// typed, so that a command that is pasted does there what it says.
pub fn with_connection(text: &str, args: &ConnectionArgs) -> String {
    let mut flags = String::new();
    for (flag, value) in [
        (
            "--kubeconfig",
            args.kubeconfig
                .as_ref()
                .map(|file| file.display().to_string()),
        ),
        ("--context", args.context.clone()),
        ("--as", args.as_user.clone()),
    ] {
        // What is no name cannot be of use there, and may be secret.
        if let Some(value) = value.filter(|value| !may_be_secret(value)) {
            flags += &format!(" {flag} {}", shell::quoted(&value));
        }
    }
    for group in args.as_group.iter().filter(|group| !may_be_secret(group)) {
        flags += &format!(" --as-group {}", shell::quoted(group));
    }
    let mut text = text.replace("kubectl ", &format!("kubectl{flags} "));
    for command in ASKING {
        let bare = format!("kaiwo {command} ");
        text = text.replace(&bare, &format!("kaiwo {command}{flags} "));
    }
    // The flag has the name that follows it.
    let back = format!("kaiwo serve{flags} --rollback ");
    text.replace("kaiwo serve --rollback ", &back)
}

#[cfg(test)]
mod tests {
    use super::*;

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
            ("submit -o json", Some(OutputFormat::Json)),
            ("submti --output=json --what", Some(OutputFormat::Json)),
            ("submit -g many --output json", Some(OutputFormat::Json)),
            ("submit -do json", Some(OutputFormat::Json)),
            ("submit -ojson", Some(OutputFormat::Json)),
            ("submit -o=json", Some(OutputFormat::Json)),
            ("submit -o yaml", Some(OutputFormat::Yaml)),
            ("submit -o", None),
            ("submit -o jsno", None),
            ("submit -- -o json", Some(OutputFormat::Name)),
            ("submit --name x", Some(OutputFormat::Name)),
        ] {
            assert_eq!(line(text).output(Some("name")), found, "{text}");
        }
        assert_eq!(line("submit").output(None), None);
        assert_eq!(line("submit").output(Some("xml")), None);
    }

    #[test]
    fn kubectl_is_told_the_same_cluster() {
        let args = ConnectionArgs {
            context: Some("my prod".to_owned()),
            as_user: Some("bob".to_owned()),
            ..ConnectionArgs::default()
        };
        assert_eq!(
            with_connection("see: kubectl -n a get x", &args),
            "see: kubectl --context 'my prod' --as bob -n a get x"
        );
        assert_eq!(
            with_connection("go back: kaiwo serve --rollback x", &args),
            "go back: kaiwo serve --context 'my prod' --as bob --rollback x"
        );
        assert_eq!(
            with_connection("kubectl get x", &ConnectionArgs::default()),
            "kubectl get x"
        );
    }
}
