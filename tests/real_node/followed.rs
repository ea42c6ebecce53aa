//! A command that runs beside a test, and what it has written so far.

use std::io::BufReader;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::common::{HANG, Outcome};
use crate::testbed::reach::Running;

/// What a command has written so far, and how it ended.
pub struct Followed {
    process: Running,
    stdout: Arc<Mutex<String>>,
    readers: [JoinHandle<()>; 2],
    stderr: Arc<Mutex<String>>,
}

impl Followed {
    pub fn new(mut process: Running) -> Self {
        let stdout: Arc<Mutex<String>> = Arc::default();
        let stderr: Arc<Mutex<String>> = Arc::default();
        let out = BufReader::new(process.0.stdout.take().unwrap());
        let err = BufReader::new(process.0.stderr.take().unwrap());
        let readers = [collect(out, &stdout), collect(err, &stderr)];
        Self {
            process,
            stdout,
            readers,
            stderr,
        }
    }

    /// Returns how many lines it has printed.
    pub fn lines(&self) -> usize {
        self.stdout.lock().unwrap().lines().count()
    }

    /// Returns how many bytes it has printed.
    pub fn bytes(&self) -> usize {
        self.stdout.lock().unwrap().len()
    }

    /// Returns them.
    pub fn stdout(&self) -> String {
        self.stdout.lock().unwrap().clone()
    }

    /// Returns what it has said beside them.
    pub fn stderr(&self) -> String {
        self.stderr.lock().unwrap().clone()
    }

    /// Waits until it has ended.
    #[track_caller]
    pub fn ended(mut self) -> Outcome {
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.process.0.try_wait().unwrap() {
                break status;
            }
            let stderr = self.stderr();
            assert!(start.elapsed() < HANG, "it does not end: {stderr}");
            std::thread::sleep(Duration::from_millis(20));
        };
        let code = status.code().unwrap_or(-1);
        for reader in self.readers {
            reader.join().unwrap();
        }
        Outcome {
            code,
            stdout: self.stdout.lock().unwrap().clone(),
            stderr: self.stderr.lock().unwrap().clone(),
        }
    }
}

fn collect(
    mut from: impl std::io::BufRead + Send + 'static,
    into: &Arc<Mutex<String>>,
) -> JoinHandle<()> {
    let into = into.clone();
    std::thread::spawn(move || {
        let mut line = String::new();
        while from.read_line(&mut line).is_ok_and(|read| read > 0) {
            into.lock().unwrap().push_str(&line);
            line.clear();
        }
    })
}
