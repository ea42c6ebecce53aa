//! Passes on what a command in a container reads and writes.

use std::io::Read as _;

use tokio::sync::mpsc;
use tokio::time::{Instant, interval_at};

use crate::cluster::client::exec::{self, Closed, Ending, Input, Output, Said};
use crate::error::{CommandError, ErrorClass};
use crate::ui::Ui;
use crate::ui::terminal::{self, Raw};

use crate::cmd::help::cannot_write;
use crate::cmd::signals;

/// Parts of input that wait to be sent.
const PARTS: usize = 16;
/// Bytes of input that are sent at once.
const PART: usize = 32 << 10;

/// Lends the terminal to a command for as long as what is returned lives.
pub(super) fn raw(tty: bool) -> Result<Option<Raw>, CommandError> {
    let unusable = |error| {
        let words = format!("the terminal cannot be used: {error}; try without -t");
        CommandError::new(ErrorClass::Unclassified, words)
    };
    match tty {
        true => Raw::new().map(Some).map_err(unusable),
        false => Ok(None),
    }
}

/// Writes what the command says, and returns how it ended; nothing if nobody reads on.
pub(super) async fn show(output: &mut Output, ui: Ui) -> Result<Option<Ending>, CommandError> {
    loop {
        match output.next().await {
            Said::Stdout(bytes) => {
                if !ui.bytes(&bytes).map_err(cannot_write)? {
                    return Ok(None);
                }
            }
            Said::Stderr(bytes) => ui.pass_on(&bytes),
            Said::Ended(ending) => return Ok(Some(ending)),
        }
    }
}

/// Passes on input and the size of the terminal. Only returns if the command
/// takes no more; how it ended is another's to find out.
pub(super) async fn feed(
    mut input: Input,
    typed: Option<mpsc::Receiver<Vec<u8>>>,
    tty: bool,
    ui: Ui,
) {
    if let Err(Closed) = feed_all(&mut input, typed, tty, ui).await {
        std::future::pending().await
    }
}

async fn feed_all(
    input: &mut Input,
    mut typed: Option<mpsc::Receiver<Vec<u8>>>,
    tty: bool,
    ui: Ui,
) -> Result<(), Closed> {
    let mut ping = interval_at(Instant::now() + exec::PING, exec::PING);
    let mut resized = signals::Resized::new();
    if let (true, Some((width, height))) = (tty, terminal::size()) {
        input.resize(width, height).await?;
    }
    loop {
        tokio::select! {
            part = next(&mut typed) => match part {
                Some(part) => input.write(&part).await?,
                None => {
                    typed = None;
                    if !input.end().await? {
                        ui.warn("this cluster cannot signal the end of input to the command");
                    }
                }
            },
            () = resized.next(), if tty => {
                if let Some((width, height)) = terminal::size() {
                    input.resize(width, height).await?;
                }
            }
            _ = ping.tick() => input.ping().await?,
        }
    }
}

async fn next(typed: &mut Option<mpsc::Receiver<Vec<u8>>>) -> Option<Vec<u8>> {
    match typed {
        Some(typed) => typed.recv().await,
        None => std::future::pending().await,
    }
}

/// Reads stdin on a thread of its own, which the end of the process does not
/// wait for.
pub(super) fn read_stdin() -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel(PARTS);
    std::thread::spawn(move || {
        let mut stdin = std::io::stdin().lock();
        let mut part = vec![0; PART];
        loop {
            match stdin.read(&mut part) {
                Ok(read @ 1..) => {
                    if sender.blocking_send(part[..read].to_vec()).is_err() {
                        return;
                    }
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Ok(0) | Err(_) => return,
            }
        }
    });
    receiver
}
