//! Notices when nobody reads stdout any more.

use crate::ui::Ui;

/// Returns when the reader of stdout has gone, such as `head` after its lines:
/// a command that waits for more to write would not notice. Never returns
/// where stdout is no pipe.
#[cfg(unix)]
pub async fn gone(ui: Ui) {
    use tokio::io::Interest;
    use tokio::net::unix::pipe::Sender;

    // Only its errors are waited for: nothing is written here, so it may block.
    // Files cannot be waited for, and need not be.
    if let Ok(pipe) = ui.data_end().and_then(Sender::from_owned_fd_unchecked)
        && pipe.ready(Interest::ERROR).await.is_ok()
    {
        return;
    }
    std::future::pending().await
}

/// Never returns: a closed pipe is noticed when something is written.
#[cfg(not(unix))]
pub async fn gone(_: Ui) {
    std::future::pending().await
}
