//! A page of sentences, small tables, and what fixes something.

use std::borrow::Cow;

use serde::Serialize;
use unicode_width::UnicodeWidthStr;

use super::table::Tone;
use crate::observe::why::{Remedy, Who};
use crate::printable;
use crate::suggestion::Connection;

/// What fixes something, for programs.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RemedyReport<'a> {
    who: Who,
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<String>,
    /// The words of the command, if it needs no shell and no word of the user's.
    #[serde(skip_serializing_if = "Option::is_none")]
    words: Option<Vec<String>>,
}

impl<'a> RemedyReport<'a> {
    fn new(remedy: &'a Remedy, connection: &Connection) -> Self {
        let command = remedy.command.as_ref();
        let connection = connection_of(remedy, connection);
        Self {
            who: remedy.who,
            text: &remedy.text,
            command: command.map(|command| command.line(&connection)),
            words: command.and_then(|command| command.words(&connection)),
        }
    }
}

/// Reports all of these.
pub fn remedies<'a>(remedies: &'a [Remedy], connection: &Connection) -> Vec<RemedyReport<'a>> {
    let each = remedies.iter();
    each.map(|remedy| RemedyReport::new(remedy, connection))
        .collect()
}

/// Returns what the command of a remedy says about its connection.
fn connection_of<'c>(remedy: &Remedy, typed: &'c Connection) -> Cow<'c, Connection> {
    match remedy.who {
        Who::Admin => Cow::Owned(typed.for_admin()),
        Who::You | Who::Nobody => Cow::Borrowed(typed),
    }
}

/// A page.
#[derive(Debug)]
pub struct TextPage {
    width: Option<usize>,
    colour: bool,
    lines: Vec<String>,
}

impl TextPage {
    /// Begins a page whose lines are broken at `width`, if that is given.
    pub fn new(width: Option<usize>, colour: bool) -> Self {
        Self {
            width,
            colour,
            lines: Vec::new(),
        }
    }

    /// Returns all of it.
    pub fn text(&self) -> String {
        self.lines.join("\n") + "\n"
    }

    /// Returns `text` in this tone.
    pub fn paint(&self, tone: Tone, text: &str) -> String {
        match self.colour {
            true => tone.paint(text),
            false => text.to_owned(),
        }
    }

    /// Adds a line as it is.
    pub fn raw(&mut self, line: &str) {
        self.lines.push(line.trim_end().to_owned());
    }

    /// Adds an empty line.
    pub fn gap(&mut self) {
        self.lines.push(String::new());
    }

    /// Adds a line, broken between words where the terminal ends.
    pub fn line(&mut self, indent: usize, tone: Tone, text: &str) {
        for piece in self.broken(indent, text) {
            let line = format!("{:indent$}{}", "", self.paint(tone, &piece));
            self.raw(&line);
        }
    }

    /// Adds a line of which the first `indent` columns are there already, as `head`.
    pub fn entry(&mut self, head: &str, indent: usize, text: &str) {
        for (index, piece) in self.broken(indent, text).into_iter().enumerate() {
            let line = match index {
                0 => format!("{head}{piece}"),
                _ => format!("{:indent$}{piece}", ""),
            };
            self.raw(&line);
        }
    }

    /// Adds what fixes something: who does it, and the command, whole, so that it can
    /// be copied.
    pub fn remedy(&mut self, indent: usize, remedy: &Remedy, connection: &Connection) {
        let who = match remedy.who {
            Who::You => "you: ",
            Who::Admin => "an admin: ",
            Who::Nobody => "",
        };
        self.line(indent, Tone::Plain, &format!("- {who}{}", remedy.text));
        if let Some(command) = &remedy.command {
            let command = command.line(&connection_of(remedy, connection));
            let command = self.paint(Tone::Good, &printable::line(&command));
            self.raw(&format!("{:indent$}  {command}", ""));
        }
    }

    /// Adds at the end what the user may not read.
    pub fn unseen(&mut self, unseen: &[&str]) {
        if !unseen.is_empty() {
            let unseen = unseen.join(", ");
            self.gap();
            let text = format!("not visible to you: {unseen}; an admin can see more");
            self.line(0, Tone::Faint, &text);
        }
    }

    fn broken(&self, indent: usize, text: &str) -> Vec<String> {
        let text = printable::line(text);
        let room = self.width.map(|width| width.saturating_sub(indent).max(20));
        let mut piece = String::new();
        let mut pieces = Vec::new();
        for word in text.split(' ') {
            let full = room
                .is_some_and(|room| !piece.is_empty() && piece.width() + 1 + word.width() > room);
            if full {
                pieces.push(std::mem::take(&mut piece));
                piece += "  ";
                piece += word;
                continue;
            }
            if !piece.is_empty() {
                piece.push(' ');
            }
            piece += word;
        }
        pieces.push(piece);
        pieces
    }

    /// Adds rows in columns, numbers to the right.
    pub fn columns(&mut self, titles: &[&str], rows: &[Vec<String>]) {
        let count = rows.iter().map(Vec::len).max().unwrap_or_default();
        let widths: Vec<usize> = (0..count)
            .map(|column| {
                let title = titles.get(column).map_or(0, |title| title.width());
                let cells = rows.iter().filter_map(|row| row.get(column));
                cells.map(|cell| cell.width()).max().unwrap_or(0).max(title)
            })
            .collect();
        let is_number = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
        let line = |cells: Vec<&str>| {
            let mut line = String::from(" ");
            for (column, cell) in cells.iter().enumerate() {
                let width = widths[column];
                if width == 0 {
                    continue;
                }
                let pad = width.saturating_sub(cell.width());
                let right = rows
                    .iter()
                    .filter_map(|row| row.get(column))
                    .any(|cell| is_number(cell));
                line += &match right {
                    true => format!(" {:pad$}{cell} ", ""),
                    false => format!(" {cell}{:pad$} ", ""),
                };
            }
            line
        };
        if !titles.is_empty() {
            let head = line(titles.to_vec());
            let head = self.paint(Tone::Faint, head.trim_end());
            self.raw(&head);
        }
        for row in rows {
            let text = line(row.iter().map(String::as_str).collect());
            self.raw(&printable::line(&text));
        }
    }
}
