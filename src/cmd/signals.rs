//! Signals that end a command that has something to give back first.

/// Returns when a signal asks the process to end, with the exit code that says
/// so.
#[cfg(unix)]
pub async fn ended() -> u8 {
    use tokio::signal::unix::{SignalKind, signal};

    async fn one(kind: SignalKind) -> u8 {
        match signal(kind) {
            Ok(mut signals) => {
                signals.recv().await;
                u8::try_from(128 + kind.as_raw_value()).unwrap_or(1)
            }
            Err(_) => std::future::pending().await,
        }
    }
    tokio::select! {
        code = one(SignalKind::interrupt()) => code,
        code = one(SignalKind::terminate()) => code,
        code = one(SignalKind::hangup()) => code,
    }
}

/// Returns when the user asks the process to end, with the exit code that says
/// so.
#[cfg(not(unix))]
pub async fn ended() -> u8 {
    match tokio::signal::ctrl_c().await {
        Ok(()) => 130,
        Err(_) => std::future::pending().await,
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
