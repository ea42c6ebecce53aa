//! Recognises templates that are written for the original kaiwo, in the syntax of Go.
//!
//! The two languages share their braces, so Tera alone would stop at the first dot
//! with a message about tokens. `docs/templates.md` shows how each construct is
//! written in Tera.

use super::raw_block::without_raw;

/// An action of a Go template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoAction {
    /// Its line, from 1.
    pub line: usize,
    /// The character of the line at which it begins, from 1.
    pub column: usize,
    /// The action as it stands there.
    pub written: String,
}

/// Words that begin an action in Go's templates and mean nothing in Tera's
/// `{{ … }}`.
const KEYWORDS: [&str; 10] = [
    "if", "else", "end", "range", "with", "define", "template", "block", "break", "continue",
];
/// Functions of Go and Sprig that are called before their arguments. `not` is a
/// word of Tera, too, and means Go's only before a name of Go.
const FUNCTIONS: [&str; 20] = [
    "and", "or", "eq", "ne", "lt", "le", "gt", "ge", "len", "index", "printf", "quote", "toYaml",
    "toJson", "default", "include", "required", "add", "sub", "mul",
];

/// Finds the actions of a Go template. Empty for a template of Tera.
pub fn find(text: &str) -> Vec<GoAction> {
    let text = without_raw(text);
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(start) = text[at..].find("{{").map(|start| at + start) {
        let Some(end) = text[start..].find("}}").map(|end| start + end + 2) else {
            break;
        };
        let inner = text[start + 2..end - 2].trim_matches('-').trim();
        if is_go(inner) {
            let before = &text[..start];
            let line = before.rfind('\n').map_or(0, |end| end + 1);
            found.push(GoAction {
                line: before.matches('\n').count() + 1,
                column: before[line..].chars().count() + 1,
                written: text[start..end].to_owned(),
            });
        }
        at = end;
    }
    found
}

/// Returns whether an action can only be Go's: it begins with a dot, a
/// variable, a keyword, or a function that is not followed by a parenthesis.
fn is_go(inner: &str) -> bool {
    let word = inner.split_whitespace().next().unwrap_or_default();
    let alone = word == inner;
    inner.starts_with(['.', '$'])
        || inner.starts_with("/*")
        || KEYWORDS.contains(&word)
        || (FUNCTIONS.contains(&word) && !alone)
        || names_a_field(inner)
}

/// Returns whether a word outside of quotes is a field or a variable of Go: a dot
/// or a dollar, and a letter.
fn names_a_field(inner: &str) -> bool {
    let mut quote = None;
    let outside: String = inner
        .chars()
        .map(|c| match quote {
            Some(open) => {
                quote = Some(open).filter(|open| *open != c);
                ' '
            }
            None => {
                quote = Some(c).filter(|c| "\"'`".contains(*c));
                c
            }
        })
        .collect();
    outside
        .split(|c: char| c.is_whitespace() || "()|,".contains(c))
        .filter_map(|word| word.strip_prefix(['.', '$']))
        .any(|name| name.starts_with(char::is_alphabetic))
}

#[cfg(test)]
mod tests;
