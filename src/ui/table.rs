//! Tables whose rows are written as they come.
//!
//! The libraries for tables lay out all rows at once. A listing here is
//! written page by page: the first rows decide the widths, and a longer cell
//! below pushes its line, nothing else.

use std::borrow::Cow;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::observe::upstream::output;
use crate::printable;

/// Cells between two columns.
const GAP: usize = 2;
/// What a column that gives way keeps.
const LEAST: usize = 12;

/// A column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    title: &'static str,
    right: bool,
    gives_way: bool,
    least: usize,
    /// How soon it goes where the terminal is narrow, the largest first; 0 stays.
    goes: u8,
}

impl Column {
    /// A column of words.
    pub const fn words(title: &'static str) -> Self {
        Self {
            title,
            right: false,
            gives_way: false,
            least: 0,
            goes: 0,
        }
    }

    /// A column of numbers.
    pub const fn numbers(title: &'static str) -> Self {
        Self {
            title,
            right: true,
            gives_way: false,
            least: 0,
            goes: 0,
        }
    }

    /// A column of sentences, which are cut where the terminal ends.
    pub const fn sentences(title: &'static str) -> Self {
        Self {
            title,
            right: false,
            gives_way: true,
            least: 0,
            goes: 0,
        }
    }

    /// Lets the column go where the terminal is too narrow for all, those with the
    /// largest number first.
    pub const fn goes(mut self, turn: u8) -> Self {
        self.goes = turn;
        self
    }

    /// Makes room for words that may come later.
    pub fn with_room_for<'a>(mut self, words: impl IntoIterator<Item = &'a str>) -> Self {
        let words = words.into_iter().map(UnicodeWidthStr::width);
        self.least = words.max().unwrap_or(0).max(self.least);
        self
    }
}

/// How a cell looks on a terminal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Tone {
    /// As everything else.
    #[default]
    Plain,
    /// All is well.
    Good,
    /// Something is on its way.
    Busy,
    /// Something is wrong.
    Bad,
    /// It matters less.
    Faint,
}

impl Tone {
    /// Returns `text` as a terminal shows it in this tone.
    pub fn paint(self, text: &str) -> String {
        let code = match self {
            Self::Plain => return text.to_owned(),
            Self::Good => "32",
            Self::Busy => "33",
            Self::Bad => "31",
            Self::Faint => "2",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// A cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    /// A cell in a tone. Of a text of several lines it has the one that says
    /// most. What would break the table, or the terminal, is left out.
    pub fn new(text: impl Into<String>, tone: Tone) -> Self {
        let text = text.into();
        let text = printable::line(&output::on_one_line(&text)).into_owned();
        Self { text, tone }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::new(text, Tone::Plain)
    }
}

/// A table that is being written.
#[derive(Debug)]
pub struct Table {
    columns: Vec<Column>,
    /// Known once the first rows are.
    widths: Option<Vec<usize>>,
    room: Option<usize>,
    painted: bool,
}

impl Table {
    /// Begins a table in `room` cells, `None` for as many as it takes.
    pub fn new(columns: &[Column], room: Option<usize>, painted: bool) -> Self {
        Self {
            columns: columns.to_vec(),
            widths: None,
            room,
            painted,
        }
    }

    /// Says that no rows follow the next ones, so that room for others is wasted.
    pub fn is_all(&mut self) {
        for column in &mut self.columns {
            column.least = 0;
        }
    }

    /// Returns the next lines, the first time with the titles above them.
    pub fn lines(&mut self, rows: &[Vec<Cell>]) -> String {
        let mut text = String::new();
        if self.widths.is_none() {
            self.widths = Some(self.measure(rows));
            let titles: Vec<Cell> = self
                .columns
                .iter()
                .map(|column| Cell::new(column.title, Tone::Plain))
                .collect();
            text += &self.line(&titles);
        }
        for row in rows {
            text += &self.line(row);
        }
        text
    }

    fn measure(&self, rows: &[Vec<Cell>]) -> Vec<usize> {
        let mut widths: Vec<usize> = self
            .columns
            .iter()
            .enumerate()
            .map(|(index, column)| {
                let cells = rows.iter().filter_map(|row| row.get(index));
                cells
                    .map(|cell| cell.text.width())
                    .max()
                    .unwrap_or(0)
                    .max(column.title.width())
                    .max(column.least)
            })
            .collect();
        let Some(room) = self.room else { return widths };
        let least = |widths: &[usize]| -> usize {
            let shown = widths
                .iter()
                .zip(&self.columns)
                .filter(|(width, _)| **width > 0);
            shown
                .map(|(width, column)| {
                    GAP + if column.gives_way {
                        LEAST.min(*width)
                    } else {
                        *width
                    }
                })
                .sum()
        };
        while least(&widths) > room + GAP {
            let shown = (0..widths.len()).filter(|index| widths[*index] > 0);
            let next = shown.max_by_key(|index| self.columns[*index].goes);
            match next.filter(|index| self.columns[*index].goes > 0) {
                Some(index) => widths[index] = 0,
                None => break,
            }
        }
        let shown = widths.iter().filter(|width| **width > 0).count();
        let total = widths.iter().sum::<usize>() + GAP * shown.saturating_sub(1);
        let mut excess = total.saturating_sub(room);
        for (width, column) in widths.iter_mut().zip(&self.columns) {
            if column.gives_way {
                let given = excess.min(width.saturating_sub(LEAST));
                *width -= given;
                excess -= given;
            }
        }
        widths
    }

    fn line(&self, row: &[Cell]) -> String {
        let widths = self.widths.as_deref().unwrap_or_default();
        let mut line = String::new();
        // Spaces are owed until something follows them: none end a line.
        let mut owed = 0;
        for (index, (cell, column)) in row.iter().zip(&self.columns).enumerate() {
            let width = widths.get(index).copied().unwrap_or(0);
            // Every column is as wide as its title at least, unless it had to go.
            if width == 0 {
                continue;
            }
            let text = match (column.gives_way, self.room) {
                (true, Some(_)) => Cow::Owned(cut(&cell.text, width)),
                _ => Cow::Borrowed(&cell.text),
            };
            let fill = width.saturating_sub(text.width());
            let (before, after) = match column.right {
                true => (fill, 0),
                false => (0, fill),
            };
            owed += before;
            if !text.is_empty() {
                line.extend(std::iter::repeat_n(' ', owed));
                owed = 0;
                match self.painted {
                    true => line += &cell.tone.paint(&text),
                    false => line += &text,
                }
            }
            owed += after + GAP;
        }
        line.push('\n');
        line
    }
}

/// Cuts what is too wide, and shows that something is missing.
pub fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut taken = 0;
    let mut short = String::new();
    for c in text.chars() {
        taken += c.width().unwrap_or(0);
        if taken + 1 > width {
            break;
        }
        short.push(c);
    }
    short + "…"
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 3] = [
        Column::words("NAME"),
        Column::numbers("GPUS"),
        Column::sentences("REASON"),
    ];

    fn row(name: &str, gpus: &str, reason: &str) -> Vec<Cell> {
        vec![name.into(), gpus.into(), reason.into()]
    }

    #[test]
    fn columns_are_as_wide_as_the_first_rows() {
        let mut table = Table::new(&COLUMNS, None, false);
        assert_eq!(
            table.lines(&[row("a-job", "8", ""), row("b", "16", "waits")]),
            "NAME   GPUS  REASON\na-job     8\nb        16  waits\n"
        );
        assert_eq!(
            table.lines(&[row("a-longer-name", "8", "x\ny")]),
            "a-longer-name     8  x\n"
        );
    }

    #[test]
    fn words_that_may_come_later_have_their_room() {
        let columns = [
            Column::words("A").with_room_for(["one", "three"]),
            Column::words("B"),
        ];
        let mut table = Table::new(&columns, None, false);
        assert_eq!(
            table.lines(&[vec!["x".into(), "y".into()]]),
            "A      B\nx      y\n"
        );
        assert_eq!(table.lines(&[vec!["three".into(), "".into()]]), "three\n");
        let mut table = Table::new(&columns, None, false);
        table.is_all();
        assert_eq!(table.lines(&[vec!["x".into(), "y".into()]]), "A  B\nx  y\n");
    }

    #[test]
    fn sentences_end_where_the_terminal_does() {
        let mut table = Table::new(&COLUMNS, Some(30), false);
        let text = table.lines(&[row("job", "8", "a reason that is far too long for it")]);
        assert_eq!(text, "NAME  GPUS  REASON\njob      8  a reason that is …\n");
        assert!(text.lines().all(|line| line.width() <= 30));
    }

    #[test]
    fn columns_go_where_a_terminal_is_narrow() {
        let columns = [
            Column::words("NAME"),
            Column::words("USER").goes(2),
            Column::sentences("REASON").goes(3),
            Column::numbers("AGE").goes(1),
        ];
        let row = [
            "a-long-name-of-it",
            "alice",
            "there is a reason for it",
            "2m",
        ];
        let rows = [row.map(Cell::from).to_vec()];
        let lines = |room| Table::new(&columns, Some(room), false).lines(&rows);
        assert!(lines(80).contains("there is a reason for it"));
        assert!(lines(43).contains("there is a …"), "{}", lines(43));
        assert_eq!(
            lines(30),
            "NAME               USER   AGE\na-long-name-of-it  alice   2m\n"
        );
        assert_eq!(
            lines(22),
            "NAME               AGE\na-long-name-of-it   2m\n"
        );
        assert_eq!(lines(5), "NAME\na-long-name-of-it\n");
    }

    #[test]
    fn wide_characters_count_twice() {
        assert_eq!(cut("日本語です", 6), "日本…");
        assert_eq!(cut("short", 6), "short");
    }
}
