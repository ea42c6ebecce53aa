//! Makes text from elsewhere safe to show: what API servers, webhooks, proxies,
//! models and files of others say must not steer a terminal, nor read there in
//! another order than it is written.
//!
//! Escape sequences (ECMA-48) vanish as a whole. Line breaks and tabs stay;
//! what else is white space or a control character becomes a space, and what
//! changes the order of text (Unicode 16, UAX #9) is shown as `�`.

use std::borrow::Cow;

/// What stands for a character that is not shown.
const REPLACED: char = '\u{fffd}';

/// Most characters of an escape sequence that ends with a letter. Longer ones
/// are none.
const LONGEST_SEQUENCE: usize = 64;

/// Returns a text of one or several lines as it can be shown.
pub fn text(text: &str) -> Cow<'_, str> {
    cleaned(text, Stream::default())
}

/// Returns a text as it can be shown on one line.
pub fn line(text: &str) -> Cow<'_, str> {
    match self::text(text) {
        clean if clean.contains(['\n', '\t']) => {
            Cow::Owned(clean.trim_end().replace(['\n', '\t'], " "))
        }
        clean => clean,
    }
}

/// Returns a text as it can be shown whose colours are kaiwo's own.
pub fn colored(text: &str) -> Cow<'_, str> {
    let stream = Stream {
        keeps_colors: true,
        ..Stream::default()
    };
    cleaned(text, stream)
}

/// Returns data as a terminal may show it: what is not to be shown is escaped as
/// JSON and double-quoted YAML have it.
pub fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match is_unsafe(c) {
            true => escaped += &format!("\\u{:04x}", u32::from(c)),
            false => escaped.push(c),
        }
    }
    Cow::Owned(escaped)
}

/// Returns the beginning of a text that may be pages long: of its first line
/// that says something, at most `most` characters.
pub fn beginning(text: &str, most: usize) -> String {
    let clean = self::text(text);
    let first = clean.lines().map(str::trim).find(|line| !line.is_empty());
    let first = first.unwrap_or_default();
    let short: String = first.chars().take(most).collect();
    match short.len() < clean.trim().len() {
        true => short + "…",
        false => short,
    }
}

fn cleaned(text: &str, mut stream: Stream) -> Cow<'_, str> {
    match text.contains(is_unsafe) {
        true => Cow::Owned(stream.push(text)),
        false => Cow::Borrowed(text),
    }
}

fn is_unsafe(c: char) -> bool {
    (c.is_control() && !matches!(c, '\n' | '\t')) || is_break(c) || reorders(c)
}

/// Returns whether it ends a line for some programs and not for others.
fn is_break(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}')
}

/// Returns whether it changes the order in which text is shown.
fn reorders(c: char) -> bool {
    matches!(
        c,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    )
}

/// Text that comes piece by piece: an escape sequence may be in two of them.
#[derive(Debug, Default)]
pub struct Stream {
    keeps_colors: bool,
    state: State,
    /// The sequence that has begun.
    sequence: String,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    /// After a carriage return, which is nothing before a line feed.
    Return,
    /// After ESC.
    Escape,
    /// In a sequence that a letter ends: CSI, or ESC and intermediate bytes.
    Sequence,
    /// In a text for the terminal: a title, a link, a picture. ST, BEL or a
    /// line break ends it.
    Hidden,
    /// In such a text, after ESC.
    HiddenEscape,
}

impl Stream {
    /// Takes the next piece, and returns what of it can be shown.
    pub fn push(&mut self, piece: &str) -> String {
        let mut shown = String::with_capacity(piece.len());
        for c in piece.chars() {
            self.take(c, &mut shown);
        }
        shown
    }

    fn take(&mut self, c: char, shown: &mut String) {
        self.state = match (self.state, c) {
            (State::Text | State::Return, c) => {
                if self.state == State::Return && c != '\n' {
                    shown.push(' ');
                }
                self.sequence.clear();
                self.begin(c, shown)
            }
            (State::Escape, '[') => State::Sequence,
            (State::Escape, ']' | 'P' | 'X' | '^' | '_') => State::Hidden,
            (State::Escape, ' '..='/') => State::Sequence,
            (State::Escape, '0'..='~') => State::Text,
            (State::Sequence, ' '..='?') if self.sequence.len() < LONGEST_SEQUENCE => {
                self.sequence.push(c);
                State::Sequence
            }
            (State::Sequence, '@'..='~') => {
                let is_color = |c: char| c.is_ascii_digit() || c == ';';
                if self.keeps_colors && c == 'm' && self.sequence.chars().all(is_color) {
                    *shown += &format!("\x1b[{}m", self.sequence);
                }
                State::Text
            }
            (State::Hidden, '\x07' | '\u{9c}') | (State::HiddenEscape, '\\') => State::Text,
            (State::Hidden | State::HiddenEscape, '\n') => {
                shown.push('\n');
                State::Text
            }
            (State::Hidden | State::HiddenEscape, '\x1b') => State::HiddenEscape,
            (State::Hidden, _) => State::Hidden,
            // It was no end, and so another sequence.
            (State::HiddenEscape, c) => {
                self.state = State::Escape;
                return self.take(c, shown);
            }
            // It is no sequence that anybody knows.
            (State::Escape | State::Sequence, c) => {
                self.sequence.clear();
                self.begin(c, shown)
            }
        };
    }

    /// Takes a character outside of every sequence.
    fn begin(&mut self, c: char, shown: &mut String) -> State {
        match c {
            '\x1b' => return State::Escape,
            '\u{9b}' => return State::Sequence,
            '\u{90}' | '\u{98}' | '\u{9d}'..='\u{9f}' => return State::Hidden,
            '\r' => return State::Return,
            c if reorders(c) => shown.push(REPLACED),
            c if is_unsafe(c) => shown.push(' '),
            c => shown.push(c),
        }
        State::Text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sequences_vanish_as_a_whole() {
        for (foreign, shown) in [
            ("a\x1b[31;1mred\x1b[0m b", "ared b"),
            ("a\u{9b}31mred", "ared"),
            ("no \x1b]0;PWN\x07\x1b[2Jway", "no way"),
            ("a\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\ b", "alink b"),
            ("a\x1bPq#0;2\x1b\\b\x1b(Bc\x1b7d\x1bcE", "abcdE"),
            ("a\u{9d}0;title\u{9c}b", "ab"),
            ("a\x1b]0;never ended\nb", "a\nb"),
            ("a\x1b[1\nb", "a\nb"),
            ("a\x1b]0;x\x1b[31mb", "ab"),
            ("a\x1b", "a"),
            ("größe\tα\nβ", "größe\tα\nβ"),
            ("a\r\nb\rc\0d\x08\x7f\u{85}e", "a\nb c d   e"),
            ("a\u{202e}b\u{2066}c\u{200f}d\u{61c}", "a�b�c�d�"),
            ("a\u{2028}b\u{2029}", "a b "),
            ("zero\u{200d}width", "zero\u{200d}width"),
        ] {
            assert_eq!(text(foreign), shown, "{foreign:?}");
        }
        assert_eq!(line("a\n\tb \x1b[1m\n"), "a  b");
        assert_eq!(
            colored("\x1b[31mx\x1b[0m\x1b[2J\x1b[?7l"),
            "\x1b[31mx\x1b[0m"
        );
        assert_eq!(
            escaped("\"\u{202e}\u{9b}\x7f\""),
            "\"\\u202e\\u009b\\u007f\""
        );
    }

    #[test]
    fn of_a_long_text_there_is_its_beginning() {
        assert_eq!(beginning("  \n one \n", 10), "one");
        assert_eq!(beginning("one\ntwo", 10), "one…");
        assert_eq!(beginning(&"x".repeat(11), 10), "xxxxxxxxxx…");
        assert_eq!(beginning("", 10), "");
    }

    proptest! {
        #[test]
        fn nothing_steers_a_terminal(foreign in "[a\u{0}-\u{1f}\u{7f}-\u{9f}\u{200e}-\u{202e}\u{2066}\\[\\]0-9;mPX\\\\]{0,40}", at in 0_usize..40) {
            let shown = text(&foreign).into_owned();
            prop_assert!(!shown.contains(is_unsafe), "{:?}", shown);
            prop_assert_eq!(text(&shown), &*shown);
            // Wherever it is cut, a stream shows the same, but for a return at its end.
            let at = foreign.char_indices().map(|(at, _)| at).nth(at).unwrap_or(foreign.len());
            let mut stream = Stream::default();
            let pieces = stream.push(&foreign[..at]) + &stream.push(&foreign[at..]);
            prop_assert_eq!(pieces, shown);
        }

        #[test]
        fn ordinary_text_stays(ordinary in "[ -~\n\tà-ÿα-ω一-三]{0,60}") {
            prop_assert_eq!(text(&ordinary), &*ordinary);
        }
    }
}
