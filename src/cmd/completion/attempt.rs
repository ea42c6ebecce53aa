//! Asks for completions in a process of its own, which can be ended at any
//! moment.
//!
//! Credential plugins block, ask on the terminal and write to stderr as they
//! like; here they have no terminal to ask on, nobody reads their stderr, and
//! their time is limited.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

/// Part of the time that remains which the process may use; the rest is for
/// starting and ending it, and for the shell.
const SHARE: f64 = 0.8;

/// Runs this program again with `--ask` and returns its answer: empty if it
/// fails, or has not ended shortly before `deadline`.
pub fn ask(index: usize, words: &[String], deadline: Instant) -> String {
    let remaining = deadline.saturating_duration_since(Instant::now());
    let within = remaining.mul_f64(SHARE);
    let Ok(program) = std::env::current_exe() else {
        return String::new();
    };
    let mut command = Command::new(program);
    command
        .arg("__complete")
        .arg(index.to_string())
        .arg("--ask")
        .arg("--within")
        .arg(within.as_millis().to_string())
        .arg("--")
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let Ok(mut child) = command.spawn() else {
        return String::new();
    };
    let (sender, receiver) = mpsc::channel();
    if let Some(mut stdout) = child.stdout.take() {
        thread::spawn(move || {
            let mut answer = String::new();
            // Half an answer is of no use, nor is one that is no text.
            let answer = match stdout.read_to_string(&mut answer) {
                Ok(_) => answer,
                Err(_) => String::new(),
            };
            // Nobody listens any more once it is too late.
            let _ = sender.send(answer);
        });
    }
    let patience = remaining.mul_f64((1.0 + SHARE) / 2.0);
    match receiver.recv_timeout(patience) {
        Ok(answer) => answer,
        Err(_) => {
            end(&mut child);
            String::new()
        }
    }
}

/// Ends a process and what it started, such as a plugin.
fn end(child: &mut Child) {
    #[cfg(unix)]
    {
        use rustix::process::{Pid, Signal, kill_process_group};
        // Gone already is as good.
        let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
    }
    let _ = child.kill();
}
