//! The only room that writes to stdout and stderr. stdout carries data and
//! nothing else; everything a person reads goes to stderr.
//!
//! Whatever is said holds words of others: of the API server, of pods, of files.
//! It is made safe for terminals here ([`printable`]). Data is as it is in a pipe,
//! and is escaped on a terminal.

pub mod csv;
pub mod deletion;
pub mod document;
pub mod list;
pub mod live;
pub mod log;
pub mod overview;
pub mod page;
mod progress;
pub mod queueing;
pub mod report;
pub mod span;
pub mod status;
pub mod table;
pub mod terminal;
pub mod wait;
pub mod why;

pub use progress::{CopyBar, Spinner, WaitingNote, lend};

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

use crate::error::CommandError;
use crate::printable;
use crate::suggestion::{Connection, Suggestion};
use table::{Column, Table};

/// Where a command speaks.
#[derive(Debug, Clone, Copy)]
pub struct Ui {
    quiet: bool,
    verbose: bool,
    color: bool,
    data_color: bool,
    terminal: bool,
    data_terminal: bool,
    connection: &'static Connection,
}

impl Ui {
    /// Creates a voice that is silent about everything but errors if `quiet`,
    /// and adds details if `verbose`. `color` is the user's word, `None` leaves
    /// it to the terminal.
    pub fn new(quiet: bool, verbose: bool, color: Option<bool>) -> Self {
        let terminal = io::stderr().is_terminal();
        let data_terminal = io::stdout().is_terminal();
        Self {
            quiet,
            verbose,
            color: color.unwrap_or(terminal),
            data_color: color.unwrap_or(data_terminal),
            terminal,
            data_terminal,
            connection: const { &Connection::NONE },
        }
    }

    /// Has commands that are suggested talk to what was typed.
    #[must_use]
    pub fn connected(self, connection: Connection) -> Self {
        Self {
            // There is one for the life of the process.
            connection: Box::leak(Box::new(connection)),
            ..self
        }
    }

    /// Returns what commands that are suggested talk to.
    pub fn connection(&self) -> &'static Connection {
        self.connection
    }

    /// Says something about what happens.
    pub fn status(&self, text: impl Display) {
        if !self.quiet {
            write_stderr(&format!("{}\n", printable::text(&text.to_string())));
        }
    }

    /// Says what can be done next.
    pub fn suggest(&self, suggestion: &Suggestion) {
        self.status(format!("  {}", suggestion.text(self.connection)));
    }

    /// Writes what a person is to answer, without a line's end.
    pub fn prompt(&self, text: &str) {
        write_stderr(text);
    }

    /// Shows a part of a text beside the data, which follows what is before it.
    pub fn aside(&self, text: &str, before: &mut printable::Stream) {
        if !self.quiet {
            write_stderr(&self.paint("2", &before.push(text)));
        }
    }

    /// Says something for those who want to know more.
    pub fn detail(&self, text: impl Display) {
        if self.verbose {
            self.status(text);
        }
    }

    /// Says something that the user should know and may have missed.
    pub fn warn(&self, text: impl Display) {
        if !self.quiet {
            let text = text.to_string();
            let text = printable::text(&text);
            write_stderr(&format!("{}: {text}\n", self.paint("33;1", "warning")));
        }
    }

    /// Writes data for programs to stdout. A reader who has gone, such as
    /// `head`, is no error.
    ///
    /// # Errors
    /// Any other failure to write, for instance a full disk.
    pub fn data(&self, text: &str) -> io::Result<()> {
        self.stream(text).map(|_| ())
    }

    /// Writes a part of data that comes bit by bit to stdout, and returns
    /// whether anybody still reads it.
    ///
    /// # Errors
    /// As [`Ui::data`].
    pub fn stream(&self, text: &str) -> io::Result<bool> {
        match self.data_terminal {
            true => self.bytes(printable::escaped(text).as_bytes()),
            false => self.bytes(text.as_bytes()),
        }
    }

    /// Writes a text for people to stdout, painted where [`Ui::paints_data`].
    ///
    /// # Errors
    /// As [`Ui::data`].
    pub fn page(&self, text: &str) -> io::Result<()> {
        self.pages(text).map(|_| ())
    }

    /// Writes a part of such a text, and returns whether anybody still reads it.
    ///
    /// # Errors
    /// As [`Ui::data`].
    pub fn pages(&self, text: &str) -> io::Result<bool> {
        let text = match self.data_color {
            true => printable::colored(text),
            false => printable::text(text),
        };
        self.bytes(text.as_bytes())
    }

    /// Writes a part of somebody else's text to stdout: on a terminal as it can
    /// be shown, else as it is. Returns whether anybody still reads it.
    ///
    /// # Errors
    /// As [`Ui::data`].
    pub fn quote(&self, text: &str, before: &mut printable::Stream) -> io::Result<bool> {
        match self.data_terminal {
            true => self.bytes(before.push(text).as_bytes()),
            false => self.bytes(text.as_bytes()),
        }
    }

    /// Writes a part of data that may be no text to stdout, and returns whether
    /// anybody still reads it.
    ///
    /// # Errors
    /// As [`Ui::data`].
    pub fn bytes(&self, bytes: &[u8]) -> io::Result<bool> {
        let mut stdout = io::stdout().lock();
        match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Returns stdout, for those who want to know whether anybody reads it.
    ///
    /// # Errors
    /// If it is closed.
    #[cfg(unix)]
    pub fn data_end(&self) -> io::Result<std::os::fd::OwnedFd> {
        use std::os::fd::AsFd as _;
        io::stdout().as_fd().try_clone_to_owned()
    }

    /// Begins a table on stdout.
    pub fn table(&self, columns: &[Column]) -> Table {
        Table::new(columns, self.data_width(), self.data_color)
    }

    /// Returns how wide the terminal is that shows stdout, if one does.
    pub fn data_width(&self) -> Option<usize> {
        let (terminal_size::Width(width), _) = terminal_size::terminal_size_of(io::stdout())?;
        Some(width.into())
    }

    /// Returns how high that terminal is.
    pub fn data_height(&self) -> Option<usize> {
        let (_, terminal_size::Height(height)) = terminal_size::terminal_size_of(io::stdout())?;
        Some(height.into())
    }

    /// Returns whether data on stdout may be coloured.
    pub fn paints_data(&self) -> bool {
        self.data_color
    }

    /// Tells an error: what, why, and what fixes it.
    pub fn error(&self, error: &CommandError) {
        let mut text = String::new();
        let mut add = |begin: &str, words: &str| {
            text += &format!("{begin} {}\n", printable::text(words));
        };
        let head = |code, word| format!("{}:", self.paint(code, word));
        add(&head("31;1", "error"), &error.error.to_string());
        for cause in error.causes() {
            add("  because", &cause);
        }
        for note in &error.notes {
            add(&head("1", "note"), note);
        }
        for hint in &error.hints {
            add(&head("36;1", "help"), &hint.text(self.connection));
        }
        write_stderr(&text);
    }

    /// Shows a spinner beside `what` for as long as the returned guard lives,
    /// on a terminal only.
    pub fn progress(&self, what: &'static str) -> Spinner {
        Spinner::new(what, self.terminal && !self.quiet)
    }

    /// Returns a voice for what is waited for: a line that changes on a
    /// terminal, else a line for each change.
    pub fn waiting(&self) -> WaitingNote {
        WaitingNote::new(*self)
    }

    /// Returns whether a terminal shows what is written to stderr.
    pub fn is_watched(&self) -> bool {
        self.terminal
    }

    /// Returns whether somebody can be asked.
    pub fn can_ask(&self) -> bool {
        self.terminal && io::stdin().is_terminal()
    }

    /// Asks on the terminal, and returns the answer; nothing if it is empty.
    pub fn question(&self, question: &str) -> Option<String> {
        write_stderr(question);
        let mut answer = String::new();
        io::stdin().read_line(&mut answer).ok()?;
        let answer = answer.trim();
        (!answer.is_empty()).then(|| answer.to_owned())
    }

    /// Asks on the terminal, and returns whether the answer is yes. Everything
    /// else is no.
    pub fn ask(&self, question: impl Display) -> bool {
        let question = question.to_string();
        write_stderr(&format!("{} [y/N] ", printable::text(&question)));
        let mut answer = String::new();
        let read = io::stdin().read_line(&mut answer);
        read.is_ok() && matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
    }

    /// Writes what somebody else says on stderr, as it is.
    pub fn pass_on(&self, bytes: &[u8]) {
        let _ = io::stderr().lock().write_all(bytes);
    }

    /// Returns what passes on the words of a program that kaiwo runs: to
    /// stderr as they are, unless all is to be quiet.
    pub fn passes_on(&self) -> fn(&[u8]) {
        match self.quiet {
            true => |_| {},
            false => |words| _ = io::stderr().lock().write_all(words),
        }
    }

    /// Returns what says something beside whatever is drawn, unless all is to be
    /// quiet.
    pub fn tells(&self) -> fn(&str) {
        match self.quiet {
            true => |_| {},
            false => |words| {
                let _lent = lend();
                write_stderr(&format!("{}\n", printable::text(words)));
            },
        }
    }

    /// Returns what warns beside whatever is drawn, unless all is to be quiet.
    pub fn warns(&self) -> fn(&str) {
        fn warn(words: &str, begin: &str) {
            let _lent = lend();
            write_stderr(&format!("{begin}: {}\n", printable::text(words)));
        }
        match (self.quiet, self.color) {
            (true, _) => |_| {},
            (false, false) => |words| warn(words, "warning"),
            (false, true) => |words| warn(words, "\x1b[33;1mwarning\x1b[0m"),
        }
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.color {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

/// Returns so many bytes in words: `12.5 KiB`.
fn bytes(bytes: u64) -> String {
    // Far below what an f64 holds exactly.
    #[expect(clippy::cast_precision_loss, reason = "sizes of uploads and memory")]
    let mut amount = bytes as f64;
    let mut units = ["B", "KiB", "MiB", "GiB", "TiB"].into_iter();
    let mut unit = units.next().unwrap_or_default();
    for larger in units {
        if amount < 1024.0 {
            break;
        }
        amount /= 1024.0;
        unit = larger;
    }
    match unit {
        "B" => format!("{bytes} B"),
        unit => format!("{amount:.1} {unit}"),
    }
}

/// Writes to stderr. If that is closed there is nobody left to tell.
fn write_stderr(text: &str) {
    let text = match terminal::is_raw() {
        true => &text.replace('\n', "\r\n"),
        false => text,
    };
    let _ = io::stderr().lock().write_all(text.as_bytes());
}
