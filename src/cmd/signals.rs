//! Handles the signals that ask the process to end, in the same way for every
//! command.
//!
//! A thread of its own waits for them, because a command may be anywhere: in a
//! request, in a computation, in a read of a file that blocks. What runs under
//! [`until_ended`] is dropped, which gives back the terminal and ends what was
//! started. What has more to give back runs under [`carry_out`]. Who does not
//! react is ended by the thread.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::task::Poll;

use tokio::sync::watch;

use crate::cluster::submission::Submission;
use crate::error::CommandError;
use crate::suggestion::Suggestion;
use crate::ui::Ui;

/// What it means for the command that a signal ends it now.
#[derive(Debug, Clone)]
pub enum SignalEffect {
    /// A note says it.
    Note(&'static str),
    /// A workload goes on, and this is how to come back to it.
    GoesOn {
        workload: String,
        /// How to come back to it, and how to delete it.
        next: [Suggestion; 2],
    },
}

/// What has come, and who deals with it.
#[derive(Debug, Default)]
struct State {
    /// What an end means at the moment, where there is anything to say.
    effect: Option<SignalEffect>,
    /// Exit code that the first signal asks for.
    code: Option<u8>,
    /// Whether there was another.
    again: bool,
    /// How often Ctrl-C was pressed where that is no end.
    stops: u32,
    /// Whether something is dropped when the end comes.
    runs: bool,
    /// How much is to be given back first.
    held: u32,
    /// Whether Ctrl-C is no end.
    talks: bool,
}

static STATE: LazyLock<watch::Sender<State>> =
    LazyLock::new(|| watch::Sender::new(State::default()));
/// Whether the end of the process is told, which is done once.
static TOLD: Mutex<bool> = Mutex::new(false);

/// Begins to wait for signals. Where nothing deals with one, `tell` tells of the
/// end, which is the process's; also to programs, if nothing else can be under
/// way to them.
///
/// A signal that was ignored when kaiwo was started stays so: `nohup` means it.
pub fn watch(ui: Ui, tell: impl Fn(&CommandError, bool) + Send + Sync + 'static) {
    #[cfg(unix)]
    unix::watch(ui, std::sync::Arc::new(tell));
    // A Ctrl-C ends the process as it is.
    #[cfg(not(unix))]
    let _ = (ui, tell);
}

/// Tells of the end, unless that was done. Whoever comes second waits until it is told,
/// and does not end the process in the middle of it.
pub fn tell_once(tell: impl FnOnce()) {
    let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
    if !std::mem::replace(&mut *told, true) {
        tell();
    }
}

/// Says what an end means from now on, whoever tells of it: the command, or the
/// thread where the command does not react in time.
pub fn set_effect(effect: SignalEffect) {
    STATE.send_modify(|state| state.effect = Some(effect));
}

/// Creates the error that a signal ended the command.
fn interrupted(code: u8) -> CommandError {
    explained(CommandError::interrupted(code))
}

/// Adds what an interruption means that says nothing yet.
fn explained(mut error: CommandError) -> CommandError {
    if !error.is_bare_interruption() {
        return error;
    }
    match STATE.borrow().effect.clone() {
        None => {}
        Some(SignalEffect::Note(note)) => error.notes.push(note.to_owned()),
        Some(SignalEffect::GoesOn { workload, next }) => {
            let words = format!("{}; {workload} continues", error.error);
            error.error = error.error.context(words);
            error.hints.extend(next);
        }
    }
    error
}

/// Returns when a signal has asked the process to end, with the exit code that
/// says so.
pub async fn ended() -> u8 {
    end_of(&STATE).await
}

async fn end_of(all: &watch::Sender<State>) -> u8 {
    let mut state = all.subscribe();
    let mut told = pin!(async move {
        let code = state.wait_for(|state| state.code.is_some()).await;
        code.ok().and_then(|state| state.code).unwrap_or(1)
    });
    // Who waits is told one after the other. `until_ended` can be told first, and asks
    // then whether this has anything to say.
    poll_fn(|context| match all.borrow().code {
        Some(code) => Poll::Ready(code),
        None => told.as_mut().poll(context),
    })
    .await
}

/// Returns when a second one has.
async fn ended_again() {
    let mut state = STATE.subscribe();
    // The sender is there for ever.
    _ = state.wait_for(|state| state.again).await;
}

/// Runs a future until it ends, or a signal has asked for that and nothing is
/// held.
pub async fn until_ended<T>(
    future: impl Future<Output = Result<T, CommandError>>,
) -> Result<T, CommandError> {
    STATE.send_modify(|state| state.runs = true);
    let mut future = pin!(future);
    let result = loop {
        let mut state = STATE.subscribe();
        let end = state.wait_for(|state| state.code.is_some() && state.held == 0);
        let code = tokio::select! {
            biased;
            result = &mut future => break result,
            state = end => state.ok().and_then(|state| state.code).unwrap_or(1),
        };
        // It may have come after the future was asked, which has more to say.
        let asked = poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await;
        if let Poll::Ready(result) = asked {
            break result;
        }
        if STATE.borrow().held == 0 {
            break Err(interrupted(code));
        }
    };
    STATE.send_modify(|state| state.runs = false);
    result
}

/// Something is given back before the process ends, for as long as it lives.
struct Held(());

impl Held {
    fn new() -> Self {
        STATE.send_modify(|state| state.held += 1);
        Self(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        STATE.send_modify(|state| state.held -= 1);
    }
}

/// Carries out a submission. A signal has it cleared up, another ends that, too.
pub async fn carry_out<T>(
    submission: &Submission<'_>,
    steps: impl Future<Output = Result<T, CommandError>>,
    ui: Ui,
) -> Result<T, CommandError> {
    let _held = Held::new();
    let interrupt = async { CommandError::interrupted(ended().await) };
    let haste = async {
        ended().await;
        ui.tells()("interrupted: cleaning up; interrupt again to stop");
        ended_again().await;
    };
    let done = submission.carry_out(steps, interrupt, haste).await;
    let done = done.map_err(explained);
    // What was true before it is not after it.
    STATE.send_modify(|state| state.effect = None);
    done
}

/// Carries out what has something to give back, whatever ends it. A signal ends the
/// steps, a second one the giving back.
pub async fn giving_back<T>(
    steps: impl Future<Output = Result<T, CommandError>>,
    give_back: impl AsyncFnOnce(&Result<T, CommandError>),
) -> Result<T, CommandError> {
    let _held = Held::new();
    let result = tokio::select! {
        result = steps => result,
        code = ended() => Err(CommandError::interrupted(code)),
    };
    tokio::select! {
        () = give_back(&result) => {}
        () = ended_again() => {}
    }
    result
}

/// A conversation, which Ctrl-C does not end for as long as it lives.
#[derive(Debug)]
pub struct ChatInterrupts(watch::Receiver<State>);

impl ChatInterrupts {
    /// Begins.
    pub fn new() -> Self {
        STATE.send_modify(|state| state.talks = true);
        Self(STATE.subscribe())
    }

    /// Returns when Ctrl-C is pressed.
    pub async fn stopped(&mut self) {
        let before = self.0.borrow().stops;
        _ = self.0.wait_for(|state| state.stops > before).await;
    }
}

impl Drop for ChatInterrupts {
    fn drop(&mut self) {
        STATE.send_modify(|state| state.talks = false);
    }
}

/// Tells when the terminal has another size.
pub struct Resized {
    #[cfg(unix)]
    signals: Option<tokio::signal::unix::Signal>,
}

impl Resized {
    /// Begins to look.
    pub fn new() -> Self {
        Self {
            #[cfg(unix)]
            signals: tokio::signal::unix::signal(tokio::signal::unix::SignalKind::window_change())
                .ok(),
        }
    }

    /// Returns after the next change.
    pub async fn next(&mut self) {
        #[cfg(unix)]
        if let Some(signals) = &mut self.signals {
            signals.recv().await;
            return;
        }
        std::future::pending().await
    }
}

#[cfg(unix)]
mod unix {
    use std::path::Path;
    use std::process::exit;
    use std::sync::{Arc, mpsc};
    use std::task::Poll;
    use std::thread;
    use std::time::Duration;

    use tokio::runtime::Builder;
    use tokio::signal::unix::{Signal, SignalKind, signal};
    use tokio::time::{Instant, sleep_until};

    use super::{CommandError, STATE, Ui, interrupted, tell_once};
    use crate::error::INTERRUPTED;
    use crate::file;
    use crate::ui::terminal;

    /// How long a command may take to notice a signal, or to tell of its end: long
    /// enough for a busy machine. Who signals a second time waits no longer.
    const REACTION: Duration = Duration::from_secs(3);
    /// Time in which signals count as one: `timeout` signals a process and then
    /// its group, and a terminal that is closed both kernel and shell tell of.
    const SAME: Duration = Duration::from_secs(1);

    type Tell = Arc<dyn Fn(&CommandError, bool) + Send + Sync>;

    pub(super) fn watch(ui: Ui, tell: Tell) {
        let ignored = ignored(ui);
        let Ok(runtime) = Builder::new_current_thread().enable_all().build() else {
            return;
        };
        let mut signals = Vec::new();
        {
            let _entered = runtime.enter();
            for kind in [
                SignalKind::interrupt(),
                SignalKind::terminate(),
                SignalKind::hangup(),
            ] {
                let number = kind.as_raw_value();
                if ignored & (1 << (number - 1)) == 0
                    && let (Ok(code), Ok(signals_of)) = (u8::try_from(128 + number), signal(kind))
                {
                    signals.push((code, signals_of));
                }
            }
        }
        thread::spawn(move || runtime.block_on(attend(signals, tell)));
    }

    /// Returns the mask of the signals that are ignored. Only Linux tells it in
    /// a file; elsewhere `nohup` is known by stderr, which it redirects.
    fn ignored(ui: Ui) -> u64 {
        let status = file::found(Path::new("/proc/self/status"), file::WRITTEN);
        let status = status.unwrap_or_default();
        let mask = String::from_utf8_lossy(&status).lines().find_map(|line| {
            let mask = line.strip_prefix("SigIgn:")?;
            u64::from_str_radix(mask.trim(), 16).ok()
        });
        mask.unwrap_or_else(|| match ui.is_watched() {
            true => 0,
            false => 1 << (SignalKind::hangup().as_raw_value() - 1),
        })
    }

    async fn attend(mut signals: Vec<(u8, Signal)>, tell: Tell) -> ! {
        let (mut first, mut deadline) = (None, None);
        loop {
            let code = tokio::select! {
                code = next(&mut signals) => code,
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                    let (is_given_back, code) = {
                        let state = STATE.borrow();
                        (state.held > 0 && !state.again, state.code)
                    };
                    if !is_given_back {
                        end(code.unwrap_or(1), &tell, false);
                    }
                    deadline = None;
                    continue;
                }
            };
            let now = Instant::now();
            match first {
                _ if code == INTERRUPTED && STATE.borrow().talks => {
                    STATE.send_modify(|state| state.stops += 1);
                }
                None => {
                    first = Some(now);
                    STATE.send_modify(|state| state.code = Some(code));
                    if !STATE.borrow().runs {
                        end(code, &tell, true);
                    }
                    deadline = Some(now + REACTION);
                }
                Some(first) if now < first + SAME => {}
                Some(_) => {
                    STATE.send_modify(|state| state.again = true);
                    deadline = Some(match STATE.borrow().held {
                        1.. => now + REACTION,
                        0 => now,
                    });
                }
            }
        }
    }

    /// Returns the exit code that the next signal asks for.
    async fn next(signals: &mut [(u8, Signal)]) -> u8 {
        std::future::poll_fn(|context| {
            for (code, signal) in &mut *signals {
                if signal.poll_recv(context).is_ready() {
                    return Poll::Ready(*code);
                }
            }
            Poll::Pending
        })
        .await
    }

    /// Ends the process, whatever it is stuck in.
    fn end(code: u8, tell: &Tell, to_programs: bool) -> ! {
        terminal::restore();
        let (sender, told) = mpsc::channel();
        let tell = Arc::clone(tell);
        // Somebody may be writing to who does not read.
        thread::spawn(move || {
            tell_once(|| tell(&interrupted(code), to_programs));
            sender.send(())
        });
        _ = told.recv_timeout(REACTION);
        exit(code.into())
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn an_end_is_seen_by_whoever_asks_before_it_is_told() {
        let all = watch::Sender::new(State::default());
        let mut end = pin!(end_of(&all));
        assert_eq!(end.as_mut().now_or_never(), None);
        all.send_if_modified(|state| {
            state.code = Some(130);
            false
        });
        assert_eq!(end.now_or_never(), Some(130));
    }
}
