//! Changes texts at random, as files and answers are changed that are broken or
//! meant to break.

use proptest::prelude::*;

/// What stands between two texts of a corpus.
const BETWEEN: &str = "\n---8<---\n";
/// Pieces that mean something to some parser.
const PIECES: [&str; 30] = [
    "{",
    "}",
    "[",
    "]",
    "\"",
    "'",
    "\n",
    "\r\n",
    ": ",
    "- ",
    "&a ",
    "*a",
    "!!int ",
    "---\n",
    "|\n",
    "\0",
    "\u{202e}",
    "\u{feff}",
    "99999999999999999999",
    "-1",
    "1e9",
    "null",
    "{{",
    "%}",
    "\\",
    "data: ",
    "é",
    "\t",
    ",",
    "<<: ",
];

/// A change: its kind, where it is, how long, and with what.
type Change = (u8, usize, usize, usize);

/// Returns the texts of a corpus, each as it is or changed in a few places.
pub fn texts(corpus: &'static str) -> impl Strategy<Value = String> {
    let texts: Vec<&str> = corpus.split(BETWEEN).collect();
    let changes = proptest::collection::vec(any::<Change>(), 0..6);
    (proptest::sample::select(texts), changes)
        .prop_map(|(text, changes)| changes.into_iter().fold(text.to_owned(), changed))
}

fn changed(text: String, (kind, at, length, piece): Change) -> String {
    let chars: Vec<char> = text.chars().collect();
    let at = at % (chars.len() + 1);
    let end = at + length % 40.min(chars.len() - at + 1);
    let (before, part, after) = (&chars[..at], &chars[at..end], &chars[end..]);
    let piece: Vec<char> = PIECES[piece % PIECES.len()].chars().collect();
    let middle = match kind % 5 {
        0 => Vec::new(),
        1 => [part, part].concat(),
        2 => [&piece, part].concat(),
        3 => piece,
        _ => return before.iter().collect(),
    };
    [before, &middle, after].concat().into_iter().collect()
}
