//! Lines of `NAME=VALUE`, as docker's `--env-file` and `.env` files have them. A value
//! is taken as it is written: quotes around it are not part of it, and nothing in it
//! stands for another variable.

use std::path::Path;

use super::WorkloadError;
use crate::names::is_variable_name;
use crate::yaml::Located;

/// One line: a name, and its value.
pub type Pair = (Located<String>, String);

/// Returns whether a text looks like such lines: the first line with something in it
/// is one.
pub fn is_dotenv(text: &str) -> bool {
    let mut lines = text.lines().map(str::trim);
    let first = lines.find(|line| !line.is_empty() && !line.starts_with('#'));
    first.is_some_and(|line| {
        let line = line.strip_prefix("export ").unwrap_or(line);
        let name = line.split_once('=').map(|(name, _)| name.trim_end());
        name.is_some_and(is_variable_name)
    })
}

/// Reads the lines.
///
/// # Errors
/// [`WorkloadError`] with the line that is none, or whose quotes do not end.
pub fn parse(file: &Path, text: &str) -> Result<Vec<Pair>, WorkloadError> {
    let wrong = |line: u64, message: &str, hint: &str| WorkloadError::Value {
        file: file.to_path_buf(),
        line,
        message: message.to_owned(),
        hint: hint.into(),
    };
    let mut pairs = Vec::new();
    let mut lines = (1_u64..).zip(text.lines());
    while let Some((number, line)) = lines.next() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line).trim_start();
        let Some((name, rest)) = line.split_once('=') else {
            return Err(wrong(
                number,
                "expected NAME=VALUE",
                "use NAME=VALUE, or # for a comment; for SECRET/KEY use --secret",
            ));
        };
        let rest = rest.trim_start();
        let value = match rest.chars().next() {
            Some(quote @ ('\'' | '"')) => {
                let mut whole = rest[1..].to_owned();
                while !ends(&whole, quote) {
                    let Some((_, more)) = lines.next() else {
                        return Err(wrong(
                            number,
                            "unterminated quotes",
                            "close them, or remove the quotes",
                        ));
                    };
                    whole += "\n";
                    whole += more;
                }
                unquoted(&whole, quote)
            }
            // After white space a # begins a comment.
            _ => {
                let end = rest.find(" #").or_else(|| rest.find("\t#"));
                rest[..end.unwrap_or(rest.len())].trim_end().to_owned()
            }
        };
        let name = Located {
            value: name.trim_end().to_owned(),
            line: number,
        };
        pairs.push((name, value));
    }
    Ok(pairs)
}

/// Returns whether quotes end in a text; in double ones `\"` is part of the value.
fn ends(text: &str, quote: char) -> bool {
    end_of(text, quote).is_some()
}

fn end_of(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    text.char_indices().find_map(|(at, c)| {
        if escaped {
            escaped = false;
            return None;
        }
        escaped = c == '\\' && quote == '"';
        (c == quote).then_some(at)
    })
}

fn unquoted(text: &str, quote: char) -> String {
    let inside = &text[..end_of(text, quote).unwrap_or(text.len())];
    if quote == '\'' {
        return inside.to_owned();
    }
    let mut value = String::with_capacity(inside.len());
    let mut chars = inside.chars();
    while let Some(c) = chars.next() {
        match (c, c == '\\') {
            (_, false) => value.push(c),
            (_, true) => match chars.next() {
                Some('n') => value.push('\n'),
                Some('t') => value.push('\t'),
                Some('r') => value.push('\r'),
                Some(c @ ('"' | '\\' | '$' | '`')) => value.push(c),
                other => {
                    value.push('\\');
                    value.extend(other);
                }
            },
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, String)> {
        let pairs = parse(Path::new(".env"), text).unwrap();
        let pairs = pairs.into_iter();
        pairs.map(|(name, value)| (name.value, value)).collect()
    }

    #[test]
    fn values_are_what_is_written() {
        for (line, name, value) in [
            ("A=1", "A", "1"),
            ("export A=1", "A", "1"),
            ("A = two words  # comment", "A", "two words"),
            ("A=a#b", "A", "a#b"),
            ("A=", "A", ""),
            ("A=x=y", "A", "x=y"),
            ("A='$HOME # x'", "A", "$HOME # x"),
            (
                "A=\"line\\nnext \\\"q\\\" \\$x\" # c",
                "A",
                "line\nnext \"q\" $x",
            ),
            ("A=\"one\ntwo\"", "A", "one\ntwo"),
            ("A=${B}", "A", "${B}"),
        ] {
            assert_eq!(read(line), [(name.to_owned(), value.to_owned())], "{line}");
        }
        assert_eq!(read("# c\n\nA=1\r\nB=2\n").len(), 2);
    }

    #[test]
    fn what_is_no_pair_is_named_by_its_line() {
        for (text, number, words) in [
            ("A=1\njust words", 2, "expected NAME=VALUE"),
            ("A=1\n\nB='open\nC=3", 3, "unterminated quotes"),
        ] {
            let error = parse(Path::new(".env"), text).unwrap_err();
            let WorkloadError::Value { line, message, .. } = error else {
                panic!("{error}");
            };
            assert_eq!(line, number);
            assert!(message.contains(words), "{message}");
        }
        assert!(is_dotenv("# x\nexport A=1\n"));
        for text in [
            "",
            "envVars:\n- name: A\n  value: b=c",
            "- a=b",
            "envVars: []",
        ] {
            assert!(!is_dotenv(text), "{text}");
        }
    }
}
