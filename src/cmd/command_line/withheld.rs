//! Finds the words of a command line that are not repeated, because they may be
//! secret, and says what a shell puts in their place.

use crate::secrecy::{may_be_secret, secret_in};
use crate::shell;
use crate::suggestion::Command;

/// One word of a command line.
#[derive(Debug)]
pub struct Word<'a> {
    /// As it was typed.
    pub typed: &'a str,
    /// As a shell is given it.
    pub text: String,
    /// The variable that holds what is left out, and that.
    pub withheld: Option<(String, &'a str)>,
}

impl Word<'_> {
    /// Adds it to a command.
    pub fn ending(self, command: Command) -> Command {
        match self.withheld {
            Some(_) => command.raw(self.text),
            None => command.args([self.typed]),
        }
    }
}

/// Flags of kaiwo whose values, `K=V`, are the user's own business.
const PRIVATE: [&str; 3] = ["--env", "-e", "--set"];

/// Flag whose value may hold a token in a form that nobody knows.
const NOTIFY: &str = "--notify";

/// Returns kaiwo's own words. `local` knows the variables of this machine.
pub fn options<'a>(words: &'a [String], local: impl Fn(&str) -> Option<String>) -> Vec<Word<'a>> {
    let mut retold: Vec<Word<'a>> = Vec::new();
    let mut before = "";
    for typed in words {
        let (flag, value) = match typed.split_once('=') {
            Some((flag, value)) if flag.starts_with("--") => (flag, value),
            _ if before.starts_with("--") || before == "-e" => (before, typed.as_str()),
            // -eK=V and -e=K=V.
            Some(_) if typed.starts_with("-e") => ("-e", typed[2..].trim_start_matches('=')),
            _ => ("", typed.as_str()),
        };
        let lead = &typed[..typed.len() - value.len()];
        let word = match value.split_once('=') {
            Some((name, secret)) if PRIVATE.contains(&flag) && !secret.is_empty() => {
                let plain = flag != "--set" && is_identifier(name);
                let mut variable = variable(name, secret, retold.iter());
                // The variable of that name has another use here, as PATH has.
                let is_other = |value: String| value != secret;
                if local(&variable).is_some_and(is_other) {
                    variable += "_VALUE";
                }
                let text = match plain && variable == name {
                    true => format!("{lead}{name}"),
                    false => format!("{lead}{}=\"${{{variable}:?}}\"", shell::quoted(name)),
                };
                Word {
                    typed,
                    text,
                    withheld: Some((variable, secret)),
                }
            }
            _ if may_be_secret(value) || flag == NOTIFY => {
                let variable = variable(flag, value, retold.iter());
                whole(typed, lead, variable, value)
            }
            _ => plain(typed),
        };
        before = typed;
        retold.push(word);
    }
    retold
}

/// Returns the words of a program's own, from the `--` on. `options` are those
/// before it.
pub fn command<'a>(words: &'a [String], options: &[Word<'a>]) -> Vec<Word<'a>> {
    let mut retold: Vec<Word<'_>> = Vec::new();
    let mut before = "";
    for typed in words {
        let word = match secret_in(before, typed) {
            Some((name, value)) => {
                let lead = &typed[..typed.len() - value.len()];
                let variable = variable(name, value, options.iter().chain(&retold));
                whole(typed, lead, variable, value)
            }
            None => plain(typed),
        };
        before = typed;
        retold.push(word);
    }
    retold
}

fn plain(typed: &str) -> Word<'_> {
    Word {
        typed,
        text: shell::quoted(typed),
        withheld: None,
    }
}

fn whole<'a>(typed: &'a str, lead: &str, variable: String, value: &'a str) -> Word<'a> {
    let lead = match lead {
        "" => String::new(),
        lead => shell::quoted(lead),
    };
    Word {
        typed,
        text: format!("{lead}\"${{{variable}:?}}\""),
        withheld: Some((variable, value)),
    }
}

/// Returns a name for the variable that holds `value`, which no other value has.
fn variable<'o>(name: &str, value: &str, others: impl Iterator<Item = &'o Word<'o>>) -> String {
    let letters: String = name
        .trim_start_matches('-')
        .chars()
        .map(|c| match c.is_ascii_alphanumeric() {
            true => c,
            false => '_',
        })
        .collect();
    let wanted = match (letters.as_str(), is_identifier(name)) {
        (_, true) => letters,
        ("", _) => "VALUE".to_owned(),
        (letters, _) if letters.starts_with(|c: char| c.is_ascii_digit()) => {
            format!("_{}", letters.to_ascii_uppercase())
        }
        (letters, _) => letters.to_ascii_uppercase(),
    };
    let others: Vec<_> = others.filter_map(|word| word.withheld.as_ref()).collect();
    let is_taken = |name: &str| {
        let mut others = others.iter();
        others.any(|(other, held)| other == name && *held != value)
    };
    let mut found = wanted.clone();
    let mut number = 2;
    while is_taken(&found) {
        found = format!("{wanted}_{number}");
        number += 1;
    }
    found
}

fn is_identifier(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
#[expect(
    clippy::literal_string_with_formatting_args,
    reason = "variables of a shell"
)]
mod tests {
    use super::*;

    type Retell = fn(&[String]) -> Vec<Word<'_>>;

    fn told(words: &[&str], retell: Retell) -> (String, Vec<String>) {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let retold = retell(&words);
        let held = retold.iter().filter_map(|word| word.withheld.clone());
        let held = held
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let texts: Vec<String> = retold.into_iter().map(|word| word.text).collect();
        (texts.join(" "), held)
    }

    fn of_kaiwo(words: &[String]) -> Vec<Word<'_>> {
        options(words, |name| (name == "PATH").then(|| "/bin".to_owned()))
    }

    #[test]
    fn values_of_kaiwo_s_own_flags_are_left_to_the_shell() {
        for (words, line, held) in [
            (&["--env", "A=x"][..], "--env A", &["A=x"][..]),
            (&["--env=A=x=y"], "--env=A", &["A=x=y"]),
            (&["--env", "A"], "--env A", &[]),
            (&["-e", "A=x"], "-e A", &["A=x"]),
            (&["-eA=x"], "-eA", &["A=x"]),
            (&["--env", "A="], "--env A=", &[]),
            (&["--env", "a.b=x"], "--env a.b=\"${A_B:?}\"", &["A_B=x"]),
            (
                &["--env", "PATH=/x"],
                "--env PATH=\"${PATH_VALUE:?}\"",
                &["PATH_VALUE=/x"],
            ),
            (
                &["--set", "hf.token=x", "--set=hf_token=y"],
                "--set hf.token=\"${HF_TOKEN:?}\" --set=hf_token=\"${hf_token:?}\"",
                &["HF_TOKEN=x", "hf_token=y"],
            ),
            (
                &[
                    "--preload",
                    "https://h/a?sig=x:/a",
                    "--preload",
                    "https://h/b?sig=y:/b",
                ],
                "--preload \"${PRELOAD:?}\" --preload \"${PRELOAD_2:?}\"",
                &[
                    "PRELOAD=https://h/a?sig=x:/a",
                    "PRELOAD_2=https://h/b?sig=y:/b",
                ],
            ),
            (
                &[
                    "submit",
                    "-p",
                    "my dir",
                    "--secret",
                    "A=hf-token/HF_TOKEN",
                    "--name=x",
                ],
                "submit -p 'my dir' --secret A=hf-token/HF_TOKEN --name=x",
                &[],
            ),
        ] {
            let (told, withheld) = told(words, of_kaiwo);
            assert_eq!(told, line);
            assert_eq!(withheld, held);
        }
    }

    #[test]
    fn what_seems_secret_to_a_program_is_too() {
        for (words, line) in [
            (
                &["--", "python", "a.py", "--lr", "3"][..],
                "-- python a.py --lr 3",
            ),
            (&["--hf-token", "x"], "--hf-token \"${HF_TOKEN:?}\""),
            (&["--token=x"], "--token=\"${TOKEN:?}\""),
            (
                &["env", "API_KEY=x", "run"],
                "env API_KEY=\"${API_KEY:?}\" run",
            ),
            (&["login", "hf_abcdef"], "login \"${login:?}\""),
            (
                &["sh", "-c", "A_TOKEN=x run"],
                "sh -c A_TOKEN=\"${A_TOKEN:?}\"",
            ),
            (&["sh", "-c", "run --token x"], "sh -c \"${C:?}\""),
            (&["sh", "-c", "echo ${HOME}"], "sh -c 'echo ${HOME}'"),
        ] {
            assert_eq!(told(words, |words| command(words, &[])).0, line);
        }
    }
}
