//! What is asked: a prompt, or lines as they are typed.

use std::io::{BufRead, IsTerminal};
use std::path::Path;

use tokio::sync::mpsc;

use crate::cli::ChatArgs;
use crate::error::{CommandError, ErrorClass};
use crate::file::{self, Reason};
use crate::suggestion::kaiwo;

/// Returns what to ask: what was typed, or all of stdin where that is no
/// terminal. `None` means a conversation.
pub fn prompt(args: &ChatArgs) -> Result<Option<String>, CommandError> {
    let text = match args.prompt.as_deref() {
        Some(text) if text != "-" => text.to_owned(),
        None if std::io::stdin().is_terminal() => return Ok(None),
        _ => {
            let unreadable = |why: Reason| {
                CommandError::new(
                    ErrorClass::Refused,
                    format!("cannot read the prompt from stdin: {why}"),
                )
            };
            let bytes = file::bounded(std::io::stdin().lock(), file::PROMPT).map_err(unreadable)?;
            file::text(Path::new("stdin"), bytes).map_err(|_| unreadable(Reason::NoText))?
        }
    };
    match text.trim() {
        "" => Err(CommandError::new(ErrorClass::Usage, "the prompt is empty")
            .hint(kaiwo("chat {NAME} {}", &["What is Kueue?"]).to("pass a prompt"))),
        text => Ok(Some(text.to_owned())),
    }
}

/// Returns what is typed, line by line, from a thread of its own: reading from
/// a terminal cannot be given up.
pub fn typed() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let Ok(line) = line else { return };
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    receiver
}
