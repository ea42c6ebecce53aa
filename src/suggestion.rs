//! What a user can do next: a sentence, or a command.
//!
//! A command is a value until it is printed, and cannot be printed without the
//! [`Connection`] that was typed: so it does, pasted, what it says in the cluster
//! that was meant.

use crate::program::Program;
use crate::shell;

/// Something that a user can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suggestion {
    text: String,
    command: Option<Box<Command>>,
    note: &'static str,
}

/// A command of `kaiwo` or `kubectl`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    program: &'static str,
    words: Vec<Word>,
    /// What a shell does first, such as `read -rs VALUE && `.
    before: String,
    /// Whether it says its connection itself.
    is_connected: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Word {
    shown: String,
    /// What the program gets; unknown if a shell or the user fills it in.
    plain: Option<String>,
}

/// How the command that is running was told which cluster it talks to.
#[derive(Debug, Clone)]
pub struct Connection {
    /// How kaiwo itself was started.
    pub program: Program,
    /// `--kubeconfig`, `--context`, `--as`, `--as-group` and their values.
    pub flags: Vec<String>,
    /// Namespace that was typed.
    pub namespace: Option<String>,
    /// Returns whether the command of kaiwo's has the argument.
    pub has: fn(command: &str, argument: &str) -> bool,
}

impl Connection {
    /// What is said where nothing was typed.
    pub const NONE: Self = Self {
        program: Program::Kaiwo,
        flags: Vec::new(),
        namespace: None,
        has: |_, _| false,
    };

    /// Returns what a command for an admin says: the same context and namespace, but
    /// neither the user's own file nor whom the user acts as.
    #[must_use]
    pub fn for_admin(&self) -> Self {
        let flags = self.flags.chunks(2);
        let context = flags.filter(|flag| flag.first().is_some_and(|name| name == "--context"));
        Self {
            flags: context.flatten().cloned().collect(),
            ..self.clone()
        }
    }
}

/// Makes a command of kaiwo's. `form` has its words, each `{}` stands for one of
/// `values`, whatever is in it, and `{NAME}` for what the user fills in.
pub fn kaiwo(form: &'static str, values: &[&str]) -> Command {
    Command::new("kaiwo", form, values)
}

/// Makes a command of kubectl's, likewise.
pub fn kubectl(form: &'static str, values: &[&str]) -> Command {
    Command::new("kubectl", form, values)
}

/// Makes the command with which a value comes into a Secret unseen: the shell asks
/// for it.
pub fn create_secret(namespace: &str, secret: &str, key: &str) -> Command {
    kubectl("-n {} create secret generic {}", &[namespace, secret])
        .raw(format!("--from-literal={}=\"$VALUE\"", shell::quoted(key)))
        .before("read -r VALUE && ")
}

impl Command {
    fn new(program: &'static str, form: &'static str, values: &[&str]) -> Self {
        let command = Self {
            program,
            words: Vec::new(),
            before: String::new(),
            is_connected: false,
        };
        command.form(form, values)
    }

    /// Adds words, in the form of [`kaiwo`].
    #[must_use]
    pub fn form(mut self, form: &'static str, values: &[&str]) -> Self {
        let mut values = values.iter();
        let words = form.split_whitespace();
        self.words
            .extend(words.map(|word| Word::new(word, &mut values)));
        debug_assert_eq!(values.next(), None, "{form}");
        self
    }

    /// Adds words.
    #[must_use]
    pub fn args<W: Into<String>>(mut self, words: impl IntoIterator<Item = W>) -> Self {
        let words = words.into_iter().map(|word| Word::plain(word.into()));
        self.words.extend(words);
        self
    }

    /// Adds what is printed as it is: a word that the user fills in, or something for
    /// the shell.
    #[must_use]
    pub fn raw(mut self, text: impl Into<String>) -> Self {
        self.words.push(Word {
            shown: text.into(),
            plain: None,
        });
        self
    }

    /// Says what a shell does first.
    #[must_use]
    pub fn before(mut self, text: impl Into<String>) -> Self {
        self.before = text.into();
        self
    }

    /// Says that the words name their connection themselves.
    #[must_use]
    pub fn as_typed(mut self) -> Self {
        self.is_connected = true;
        self
    }

    /// Makes a suggestion of it: `see why: kaiwo why …`.
    pub fn to(self, aim: impl Into<String>) -> Suggestion {
        Suggestion {
            text: aim.into(),
            ..self.into()
        }
    }

    /// Makes a suggestion of it: `kaiwo delete …  # deletes it`.
    pub fn noted(self, note: &'static str) -> Suggestion {
        Suggestion {
            note,
            ..self.into()
        }
    }

    /// Returns it as a line for a shell.
    pub fn line(&self, connection: &Connection) -> String {
        let words = self.connected(connection).into_iter();
        let words: Vec<String> = words.map(|word| word.shown).collect();
        format!("{}{}", self.before, words.join(" "))
    }

    /// Returns its words for a program that starts it, unless it takes a shell or a
    /// user's word.
    pub fn words(&self, connection: &Connection) -> Option<Vec<String>> {
        let words = self.connected(connection).into_iter();
        let words: Option<Vec<String>> = words.map(|word| word.plain).collect();
        words.filter(|_| self.before.is_empty())
    }

    fn connected(&self, connection: &Connection) -> Vec<Word> {
        let mut own = self.words.iter().cloned();
        let program = match self.program {
            "kaiwo" => connection.program.words(),
            other => &[other],
        };
        let mut all: Vec<Word> = program.iter().map(|it| Word::plain((*it).into())).collect();
        let mut flags = Vec::new();
        if self.program == "kaiwo"
            && let Some(first) = own.next()
        {
            let has = |argument| !self.is_connected && (connection.has)(&first.shown, argument);
            if has("context") {
                flags.clone_from(&connection.flags);
            }
            if let Some(namespace) = connection.namespace.as_ref()
                && has("namespace")
                && !self.says_namespace()
            {
                flags.extend(["-n".to_owned(), namespace.clone()]);
            }
            all.push(first);
        } else if !self.is_connected {
            flags.clone_from(&connection.flags);
        }
        all.extend(flags.into_iter().map(Word::plain));
        all.extend(own);
        all
    }

    fn says_namespace(&self) -> bool {
        let mut own = self.words.iter().take_while(|word| word.shown != "--");
        own.any(|word| matches!(word.shown.as_str(), "-n" | "-A"))
    }
}

impl Word {
    fn plain(word: String) -> Self {
        Self {
            shown: shown(&word),
            plain: Some(word),
        }
    }

    /// Puts values, or what stands for them, into a word of a form.
    fn new<'v>(form: &str, values: &mut impl Iterator<Item = &'v &'v str>) -> Self {
        let mut parts = form.split('{');
        let mut word = parts.next().unwrap_or_default().to_owned();
        let mut is_plain = true;
        for (hole, rest) in parts.filter_map(|part| part.split_once('}')) {
            word += match hole {
                "" => values.next().copied().unwrap_or_default(),
                hole => {
                    is_plain = false;
                    hole
                }
            };
            word += rest;
        }
        match is_plain {
            true => Self::plain(word),
            false => Self {
                shown: word,
                plain: None,
            },
        }
    }
}

/// Returns a word as a shell reads it: `jsonpath='{.spec}'`.
fn shown(word: &str) -> String {
    match word.split_once('=') {
        Some((name, value)) if !value.is_empty() && shell::quoted(name) == name => {
            format!("{name}={}", shell::quoted(value))
        }
        _ => shell::quoted(word),
    }
}

impl Suggestion {
    /// Returns it as it is printed.
    pub fn text(&self, connection: &Connection) -> String {
        let Some(command) = &self.command else {
            return connection.program.in_text(&self.text);
        };
        let mut text = command.line(connection);
        if !self.text.is_empty() {
            text = format!("{}: {text}", connection.program.in_text(&self.text));
        }
        if !self.note.is_empty() {
            text += &format!("  # {}", self.note);
        }
        text
    }

    /// Returns the sentence, or what its command is for; may be empty.
    pub fn aim(&self) -> &str {
        &self.text
    }

    /// Returns the command, if it is one.
    pub fn command(&self) -> Option<&Command> {
        self.command.as_deref()
    }
}

impl From<Command> for Suggestion {
    fn from(command: Command) -> Self {
        Self {
            text: String::new(),
            command: Some(Box::new(command)),
            note: "",
        }
    }
}

impl From<String> for Suggestion {
    fn from(text: String) -> Self {
        Self {
            text,
            command: None,
            note: "",
        }
    }
}

impl From<&str> for Suggestion {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl From<&String> for Suggestion {
    fn from(text: &String) -> Self {
        text.clone().into()
    }
}

/// Tests read suggestions as they are where nothing was typed.
#[cfg(test)]
pub mod comparison {
    use super::{Command, Connection, Suggestion};

    impl Suggestion {
        /// Returns it as it is printed where nothing was typed.
        pub fn plain(&self) -> String {
            self.text(&Connection::NONE)
        }
    }

    /// Returns suggestions as one text.
    pub fn joined(suggestions: &[Suggestion], with: &str) -> String {
        let texts: Vec<String> = suggestions.iter().map(Suggestion::plain).collect();
        texts.join(with)
    }

    impl PartialEq<&str> for Suggestion {
        fn eq(&self, other: &&str) -> bool {
            self.plain() == *other
        }
    }

    impl PartialEq<String> for Suggestion {
        fn eq(&self, other: &String) -> bool {
            self.plain() == *other
        }
    }

    impl PartialEq<&str> for Command {
        fn eq(&self, other: &&str) -> bool {
            self.line(&Connection::NONE) == *other
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed() -> Connection {
        let flags = ["--context", "my prod", "--as", "bob"];
        Connection {
            program: Program::Kaiwo,
            flags: flags.map(str::to_owned).to_vec(),
            namespace: Some("team".to_owned()),
            has: |command, argument| match command {
                "nodes" => argument == "context",
                "template" => false,
                _ => true,
            },
        }
    }

    #[test]
    fn commands_talk_to_the_cluster_that_was_typed() {
        for (command, line) in [
            (
                kubectl("-n {} get {}", &["a", "job/x y"]),
                "kubectl --context 'my prod' --as bob -n a get 'job/x y'",
            ),
            (
                kaiwo("why {}", &["job/x"]),
                "kaiwo why --context 'my prod' --as bob -n team job/x",
            ),
            (
                kaiwo("serve --rollback {} -n {}", &["job/x", "ml"]),
                "kaiwo serve --context 'my prod' --as bob --rollback job/x -n ml",
            ),
            (
                kaiwo("list -A", &[]),
                "kaiwo list --context 'my prod' --as bob -A",
            ),
            (
                kaiwo("exec {} -- ls -n", &["x"]),
                "kaiwo exec --context 'my prod' --as bob -n team x -- ls -n",
            ),
            (
                kaiwo("nodes", &[]),
                "kaiwo nodes --context 'my prod' --as bob",
            ),
            (kaiwo("template show job", &[]), "kaiwo template show job"),
            (
                kaiwo("list --context other", &[]).as_typed(),
                "kaiwo list --context other",
            ),
        ] {
            assert_eq!(command.line(&typed()), line);
        }
    }

    #[test]
    fn a_plugin_suggests_itself() {
        let plugin = Connection {
            program: Program::Plugin(|word| word == "list"),
            ..typed()
        };
        assert_eq!(
            kaiwo("why x", &[]).line(&plugin),
            "kubectl kaiwo why --context 'my prod' --as bob -n team x"
        );
        assert_eq!(
            kaiwo("list", &[]).words(&plugin).unwrap()[..3],
            ["kubectl", "kaiwo", "list"]
        );
        assert_eq!(
            Suggestion::from("run kaiwo list").text(&plugin),
            "run kubectl kaiwo list"
        );
    }

    #[test]
    fn an_admin_has_a_kubeconfig_and_a_name_of_their_own() {
        let mut connection = typed();
        let file = ["--kubeconfig", "/home/me/config"].map(str::to_owned);
        connection.flags.splice(0..0, file);
        for (command, line) in [
            (
                kubectl("create namespace {}", &["a"]),
                "kubectl --context 'my prod' create namespace a",
            ),
            (
                kaiwo("queues", &[]),
                "kaiwo queues --context 'my prod' -n team",
            ),
        ] {
            assert_eq!(command.line(&connection.for_admin()), line);
        }
    }

    #[test]
    fn words_are_for_programs_and_lines_for_shells() {
        let get = kubectl("get {} -o jsonpath={}", &["job/a b", "{.spec}"]).to("see it");
        assert_eq!(
            get.text(&Connection::NONE),
            "see it: kubectl get 'job/a b' -o jsonpath='{.spec}'"
        );
        let words = get.command().unwrap().words(&Connection::NONE);
        let plain = ["kubectl", "get", "job/a b", "-o", "jsonpath={.spec}"];
        assert_eq!(words.unwrap(), plain);
        for (command, line) in [
            (
                kubectl("apply -f -", &[]).before("echo '{}' | "),
                "echo '{}' | kubectl apply -f -",
            ),
            (
                kubectl(
                    "create secret generic {} --from-literal={}={TOKEN}",
                    &["a", "b"],
                ),
                "kubectl create secret generic a --from-literal=b=TOKEN",
            ),
            (
                kaiwo("logs x", &[]).raw("| grep y"),
                "kaiwo logs x | grep y",
            ),
        ] {
            assert_eq!(command.line(&Connection::NONE), line);
            assert_eq!(command.words(&Connection::NONE), None, "{line}");
        }
    }
}
