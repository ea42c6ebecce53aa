//! The terminal, lent to a command elsewhere.

#[cfg(unix)]
pub use unix::{Raw, is_raw, restore};

/// Returns the size of the terminal, in columns and rows.
pub fn size() -> Option<(u16, u16)> {
    let (width, height) = terminal_size::terminal_size()?;
    Some((width.0, height.0))
}

#[cfg(unix)]
mod unix {
    use std::io;
    use std::sync::{Mutex, Once, PoisonError};

    use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

    /// How the terminal was before; there is one terminal.
    static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);
    static HOOK: Once = Once::new();

    /// Has the terminal pass on every key for as long as it lives.
    #[derive(Debug)]
    pub struct Raw(());

    impl Raw {
        /// Begins.
        ///
        /// # Errors
        /// If stdin is no terminal.
        pub fn new() -> io::Result<Self> {
            let before = tcgetattr(io::stdin())?;
            let mut raw = before.clone();
            raw.make_raw();
            HOOK.call_once(|| {
                // A panic may abort, and then nothing is dropped.
                let next = std::panic::take_hook();
                std::panic::set_hook(Box::new(move |panic| {
                    restore();
                    next(panic);
                }));
            });
            *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = Some(before);
            tcsetattr(io::stdin(), OptionalActions::Now, &raw)?;
            Ok(Self(()))
        }
    }

    impl Drop for Raw {
        fn drop(&mut self) {
            restore();
        }
    }

    /// Returns whether the terminal is lent, and a line's end has to say where the next
    /// one begins.
    pub fn is_raw() -> bool {
        let before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner);
        before.is_some()
    }

    /// Gives the terminal back as it was.
    pub fn restore() {
        let before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(before) = before {
            // What it has printed stays in order, what was typed ahead stays.
            let _ = tcsetattr(io::stdin(), OptionalActions::Drain, &before);
        }
    }
}

/// Returns whether the terminal is lent.
#[cfg(not(unix))]
pub fn is_raw() -> bool {
    false
}

/// Has the terminal pass on every key for as long as it lives.
#[cfg(not(unix))]
#[derive(Debug)]
pub struct Raw(());

#[cfg(not(unix))]
impl Raw {
    /// Begins.
    ///
    /// # Errors
    /// Always: there is no such terminal here.
    pub fn new() -> std::io::Result<Self> {
        Err(std::io::ErrorKind::Unsupported.into())
    }
}
