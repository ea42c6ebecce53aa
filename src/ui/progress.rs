//! A spinner for what takes longer than a moment.

use std::any::Any;
use std::borrow::Cow;
use std::cell::Cell;
use std::sync::Mutex;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Ui;
use crate::names::counted;
use crate::printable;

/// Time between two pictures.
const TICK: Duration = Duration::from_millis(100);

/// The spinner that is shown, so that somebody else may have the terminal.
static SHOWN: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// Shows a spinner while it lives.
#[derive(Debug)]
pub struct Spinner(ProgressBar);

/// Takes the spinner, if there is one, off the terminal until the returned
/// value is dropped.
pub fn lend() -> Box<dyn Any> {
    let shown = SHOWN
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    Box::new(shown.clone().map(Lent::new))
}

struct Lent(ProgressBar);

impl Lent {
    fn new(bar: ProgressBar) -> Self {
        bar.disable_steady_tick();
        // Clears the line, too.
        bar.set_draw_target(ProgressDrawTarget::hidden());
        Self(bar)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.0.set_draw_target(ProgressDrawTarget::stderr());
        self.0.enable_steady_tick(TICK);
    }
}

impl Spinner {
    /// Shows other words.
    pub fn say(&self, words: impl Into<Cow<'static, str>>) {
        self.0.set_message(clean(words));
    }

    pub(super) fn new(what: impl Into<Cow<'static, str>>, visible: bool) -> Self {
        let target = if visible {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(None, target);
        if visible {
            bar.set_style(
                ProgressStyle::with_template("{spinner} {msg} {elapsed}")
                    .unwrap_or_else(|_| ProgressStyle::default_spinner()),
            );
            bar.set_message(clean(what));
            bar.enable_steady_tick(TICK);
            remember(Some(bar.clone()));
        }
        Self(bar)
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        remember(None);
        self.0.finish_and_clear();
    }
}

/// Shows how many bytes are copied, and how fast; on a terminal only.
#[derive(Debug)]
pub struct CopyBar {
    ui: Ui,
    bar: ProgressBar,
    /// Whether all has arrived, and is being compared.
    compares: Cell<bool>,
}

/// Styles of the bar: while bytes arrive, and while they are compared.
const ARRIVING: &str = "{bar:24} {percent:>3}%  {binary_bytes} of {binary_total_bytes}  {binary_bytes_per_sec}  {eta} left";
const COMPARING: &str = "{bar:24} {percent:>3}%  {binary_bytes} of {binary_total_bytes}  comparing";

impl CopyBar {
    /// Shows nothing yet.
    pub fn new(ui: Ui) -> Self {
        Self {
            ui,
            bar: ProgressBar::hidden(),
            compares: Cell::new(false),
        }
    }

    /// Begins to show it, and says what is not copied.
    pub fn begin(&self, bytes: u64, skipped: &[String]) {
        for skipped in skipped {
            self.ui.warn(format!("skipped {skipped}"));
        }
        self.bar.set_length(bytes);
        if self.ui.is_watched() && !self.ui.quiet {
            self.show(ARRIVING);
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
            self.bar.enable_steady_tick(TICK);
        }
    }

    /// Says that more bytes have arrived, or fewer than was said.
    pub fn advance(&self, bytes: i64) {
        match u64::try_from(bytes) {
            Ok(more) => self.bar.inc(more),
            Err(_) => self.bar.dec(bytes.unsigned_abs()),
        }
        let compares = Some(self.bar.position()) >= self.bar.length();
        if self.compares.replace(compares) != compares {
            self.show(if compares { COMPARING } else { ARRIVING });
        }
    }

    fn show(&self, template: &str) {
        let style = ProgressStyle::with_template(template);
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        self.bar.set_style(style.progress_chars("█▌░"));
    }

    /// Says something beside it.
    pub fn note(&self, words: &str) {
        self.bar.suspend(|| self.ui.status(format!("→ {words}")));
    }

    /// Takes it off the terminal.
    pub fn end(&self) {
        self.bar.finish_and_clear();
    }

    /// Says what was copied, how fast, and how it was compared.
    pub fn summary(&self, files: usize, bytes: u64, time: Duration, compared: &str) {
        let files = counted(files, "file");
        let seconds = time.as_secs_f64().max(0.001);
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rate is rounded anyway"
        )]
        let rate = (bytes as f64 / seconds) as u64;
        self.ui.status(format!(
            "copied {files}, {}, in {seconds:.1} s ({}/s); {compared}",
            super::bytes(bytes),
            super::bytes(rate)
        ));
    }
}

/// Says what is waited for.
#[derive(Debug)]
pub struct WaitingNote {
    ui: Ui,
    said: String,
    shown: Option<Spinner>,
}

impl WaitingNote {
    pub(super) fn new(ui: Ui) -> Self {
        Self {
            ui,
            said: String::new(),
            shown: None,
        }
    }

    /// Says what is waited for now, if that is something new.
    pub fn say(&mut self, what: &str) {
        let is_new = self.said != what;
        self.said = what.to_owned();
        match &self.shown {
            _ if !self.ui.is_watched() => {
                if is_new {
                    self.ui.status(format!("→ {what}"));
                }
            }
            Some(shown) => shown.say(what.to_owned()),
            None if self.ui.quiet => {}
            None => self.shown = Some(Spinner::new(what.to_owned(), true)),
        }
    }

    /// Takes that off the terminal: it is over, or something else is said.
    pub fn end(&mut self) {
        self.shown = None;
    }
}

fn clean(words: impl Into<Cow<'static, str>>) -> String {
    printable::line(&words.into()).into_owned()
}

fn remember(bar: Option<ProgressBar>) {
    *SHOWN
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner()) = bar;
}
