//! What a person sees while something takes its time, on stderr.

use std::io::{IsTerminal as _, Write as _};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// One line per step with its seconds; on a terminal the running step counts them.
#[derive(Debug)]
pub struct Progress {
    start: Instant,
    live: bool,
}

impl Progress {
    pub fn new() -> Self {
        Self {
            start: Instant::now(),
            live: std::io::stderr().is_terminal(),
        }
    }

    /// Says something that is not a step.
    pub fn note(&self, text: &str) {
        line(text);
    }

    /// Reports a step that has ended.
    pub fn done(&self, step: &str) {
        line(&format!(
            "{:6.1}s  {step}",
            self.start.elapsed().as_secs_f64()
        ));
    }

    /// Announces a long step and counts its seconds until the result is dropped.
    pub fn running(&self, step: &str) -> Running {
        let begun = Instant::now();
        if !self.live {
            line(&format!("        {step} ..."));
            return Running { counter: None };
        }
        let (stop, stopped) = mpsc::channel::<()>();
        let step = step.to_owned();
        let counter = std::thread::spawn(move || {
            loop {
                let _ = write!(
                    std::io::stderr(),
                    "\r\x1b[K{:6}s  {step} ...",
                    begun.elapsed().as_secs()
                );
                if stopped.recv_timeout(Duration::from_secs(1))
                    != Err(mpsc::RecvTimeoutError::Timeout)
                {
                    let _ = write!(std::io::stderr(), "\r\x1b[K");
                    return;
                }
            }
        });
        Running {
            counter: Some((stop, counter)),
        }
    }
}

/// A step under way.
#[derive(Debug)]
pub struct Running {
    counter: Option<(mpsc::Sender<()>, JoinHandle<()>)>,
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some((stop, counter)) = self.counter.take() {
            drop(stop);
            let _ = counter.join();
        }
    }
}

fn line(text: &str) {
    // A closed stderr is no reason to stop.
    let _ = writeln!(std::io::stderr(), "{text}");
}
