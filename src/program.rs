//! The words that start kaiwo: `kaiwo`, or `kubectl kaiwo` as a plugin of kubectl.

use std::ffi::OsStr;
use std::path::Path;

/// How the process was started.
#[derive(Debug, Clone, Copy)]
pub enum Program {
    /// As `kaiwo`.
    Kaiwo,
    /// As `kubectl-kaiwo`, which is how kubectl starts a plugin and krew installs it.
    /// The function returns whether a word is a command of kaiwo's.
    Plugin(fn(&str) -> bool),
}

impl Program {
    /// Reads the first word of a process.
    pub fn called(argv0: Option<&OsStr>, is_command: fn(&str) -> bool) -> Self {
        match argv0.and_then(|path| Path::new(path).file_stem()) {
            Some(name) if name == "kubectl-kaiwo" => Self::Plugin(is_command),
            _ => Self::Kaiwo,
        }
    }

    /// Returns the words.
    pub fn words(self) -> &'static [&'static str] {
        match self {
            Self::Kaiwo => &["kaiwo"],
            Self::Plugin(_) => &["kubectl", "kaiwo"],
        }
    }

    /// Returns a text for people, with the words in each of its commands. A sentence about
    /// kaiwo stays: it is still the program's name.
    pub fn in_text(self, text: &str) -> String {
        let Self::Plugin(is_command) = self else {
            return text.to_owned();
        };
        let mut renamed = String::new();
        let mut rest = text;
        while let Some(at) = rest.find("kaiwo ") {
            let (before, found) = rest.split_at(at);
            renamed += before;
            let is_word = renamed.ends_with(|c: char| c.is_alphanumeric() || "-/._".contains(c));
            let after = found["kaiwo ".len()..].trim_start();
            let next = after.split(|c: char| !c.is_ascii_lowercase() && c != '-');
            let next = next.into_iter().next().unwrap_or_default();
            let is_typed = next.starts_with("--") || is_command(next);
            if is_typed && !is_word && !renamed.ends_with("kubectl ") {
                renamed += "kubectl ";
            }
            renamed += "kaiwo ";
            rest = &found["kaiwo ".len()..];
        }
        renamed + rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn called(argv0: &str) -> Program {
        Program::called(Some(OsStr::new(argv0)), |word| word == "list")
    }

    #[test]
    fn kubectl_starts_a_plugin_by_its_file() {
        for argv0 in [
            "kubectl-kaiwo",
            "/root/.krew/bin/kubectl-kaiwo",
            "kubectl-kaiwo.exe",
        ] {
            assert_eq!(called(argv0).words(), ["kubectl", "kaiwo"], "{argv0}");
        }
        for argv0 in ["kaiwo", "./kaiwo", "", "/opt/kubectl-kaiwo/kaiwo"] {
            assert_eq!(called(argv0).words(), ["kaiwo"], "{argv0}");
        }
        assert_eq!(Program::called(None, |_| true).words(), ["kaiwo"]);
    }

    #[test]
    fn commands_in_a_text_get_the_words_that_were_typed() {
        let plugin = called("kubectl-kaiwo");
        for (text, renamed) in [
            ("see: kaiwo list -A", "see: kubectl kaiwo list -A"),
            ("kaiwo   list  # all", "kubectl kaiwo   list  # all"),
            ("`kaiwo --help`", "`kubectl kaiwo --help`"),
            ("kubectl kaiwo list", "kubectl kaiwo list"),
            ("kaiwo lists workloads", "kaiwo lists workloads"),
            ("label my-kaiwo list", "label my-kaiwo list"),
            ("kaiwo ", "kaiwo "),
        ] {
            assert_eq!(plugin.in_text(text), renamed);
            assert_eq!(called("kaiwo").in_text(text), text);
        }
    }
}
