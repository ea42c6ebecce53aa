//! Whether somebody still reads stdout.

/// Returns when the reader of stdout has gone, such as `head` after its lines:
/// a command that waits for more to write would not notice. Never returns
/// where stdout is no pipe.
#[cfg(unix)]
pub async fn gone() {
    use std::os::fd::AsFd as _;

    use tokio::io::Interest;
    use tokio::net::unix::pipe::Sender;

    // Only its errors are waited for: nothing is written here, so it may block.
    // Files cannot be waited for, and need not be.
    let stdout = std::io::stdout().as_fd().try_clone_to_owned();
    if let Ok(pipe) = stdout.and_then(Sender::from_owned_fd_unchecked)
        && pipe.ready(Interest::ERROR).await.is_ok()
    {
        return;
    }
    std::future::pending().await
}

/// Never returns: a closed pipe is noticed when something is written.
#[cfg(not(unix))]
pub async fn gone() {
    std::future::pending().await
}
