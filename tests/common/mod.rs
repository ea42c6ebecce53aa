//! Runs the real binary in an environment of its own.

pub mod commands;
pub mod mutation;
pub mod prometheus;
pub mod relay;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{LazyLock, mpsc};
use std::time::{Duration, Instant};

/// How long something takes that hangs: much longer than anything here, however
/// busy the machine is. A test that reaches it has failed.
pub const HANG: Duration = Duration::from_secs(600);

/// A temporary directory that is its test's home and working directory.
#[derive(Debug)]
pub struct Sandbox {
    directory: tempfile::TempDir,
    variables: Vec<(String, String)>,
}

/// What a run of the binary printed, and how it ended.
#[derive(Debug, Clone)]
#[must_use]
pub struct Outcome {
    /// Exit code; -1 if a signal ended it.
    pub code: i32,
    /// Everything on stdout.
    pub stdout: String,
    /// Everything on stderr.
    pub stderr: String,
}

impl Sandbox {
    /// Creates an empty home of the user `alice`.
    pub fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            variables: Vec::new(),
        }
    }

    /// Sets a variable for every run.
    pub fn set(mut self, name: &str, value: impl AsRef<str>) -> Self {
        self.variables
            .push((name.to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Returns a path below the home.
    pub fn path(&self, relative: &str) -> PathBuf {
        self.directory.path().join(relative)
    }

    /// Writes a file, with the directories above it.
    pub fn write(&self, relative: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    /// Writes a program. It is copied by another process: a descriptor of ours, open
    /// for writing, could be inherited by what a test beside this one starts, and
    /// would have the kernel refuse to run the program.
    #[cfg(unix)]
    pub fn program(&self, relative: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let written = self.write(&format!("{relative}.text"), content);
        let path = self.path(relative);
        let mut install = Command::new("install");
        let installed = install.args(["-m", "755"]).args([&written, &path]).status();
        assert!(installed.unwrap().success());
        fs::remove_file(written).unwrap();
        path
    }

    /// Returns a command of the binary that inherits nothing.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command
            .args(arguments)
            .env_clear()
            .env("HOME", self.directory.path())
            .env("USER", "alice")
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("COLUMNS", "80")
            .env("KUBECONFIG", "/nonexistent/kubeconfig")
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .current_dir(self.directory.path())
            .stdin(Stdio::null());
        command
    }

    /// Returns a command line for bash, in the same environment.
    pub fn shell(&self, line: &str) -> Command {
        let kaiwo = self.command(&[]);
        let mut bash = Command::new("bash");
        bash.args(["-c", line]).env_clear().stdin(Stdio::null());
        bash.envs(
            kaiwo
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
        bash
    }

    /// Runs `kaiwo` with these arguments.
    pub fn kaiwo(&self, arguments: &[&str]) -> Outcome {
        Outcome::of(finish(&mut self.command(arguments)))
    }
}

/// Runs a command to its end. One that hangs is killed, and the test fails.
#[track_caller]
pub fn finish(command: &mut Command) -> Output {
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let id = child.id().to_string();
    let (ended, wait) = mpsc::channel::<()>();
    let watchdog = std::thread::spawn(move || {
        let hangs = wait.recv_timeout(HANG) == Err(mpsc::RecvTimeoutError::Timeout);
        if hangs {
            let _ = Command::new("kill").args(["-KILL", &id]).status();
        }
        hangs
    });
    let output = child.wait_with_output().unwrap();
    drop(ended);
    assert!(!watchdog.join().unwrap(), "{command:?} hangs: {output:?}");
    output
}

/// Waits until something is so, and fails if that hangs.
#[track_caller]
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < HANG, "waited {HANG:?} for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Tries with a limit of one second, then with longer ones, until what has to
/// happen before the limit has happened. Returns the seconds and the outcome.
///
/// For what shows itself only when a limit has passed: a busy machine needs longer
/// to get that far, and an idle one is not to wait for it.
pub fn before_a_limit(
    mut run: impl FnMut(u64) -> Outcome,
    has_happened: impl Fn(&Outcome) -> bool,
) -> (u64, Outcome) {
    const LAST: u64 = 100;
    let mut seconds = 1;
    loop {
        let outcome = run(seconds);
        // The last one may show what is wrong.
        if seconds == LAST || has_happened(&outcome) {
            return (seconds, outcome);
        }
        seconds *= 10;
    }
}

impl Outcome {
    /// Takes what a finished process left.
    pub fn of(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Checks the exit code, and shows everything if it is another.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(
            self.code, code,
            "\nstdout:\n{}\nstderr:\n{}",
            self.stdout, self.stderr
        );
        self
    }

    /// Checks that stderr holds a text.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(
            self.stderr.contains(text),
            "stderr lacks {text:?}:\n{}",
            self.stderr
        );
        self
    }

    /// Checks that stderr does not hold a text.
    #[track_caller]
    pub fn never_says(self, text: &str) -> Self {
        assert!(
            !self.stderr.contains(text),
            "stderr has {text:?}:\n{}",
            self.stderr
        );
        self
    }

    /// Reads stdout as a stream of YAML documents.
    #[track_caller]
    pub fn documents(&self) -> Vec<serde_json::Value> {
        kaiwo::yaml::parse_documents(Path::new("stdout"), &self.stdout)
            .unwrap_or_else(|error| panic!("{error}:\n{}", self.stdout))
    }

    /// Reads stdout as YAML documents and returns the one of this kind.
    #[track_caller]
    pub fn document(&self, kind: &str) -> serde_json::Value {
        self.documents()
            .into_iter()
            .find(|document| document["kind"] == kind)
            .unwrap_or_else(|| panic!("no {kind} in:\n{}", self.stdout))
    }
}

/// Returns the binary under test, by a name that only this process uses: a build
/// that ends meanwhile, in another terminal, replaces the file that cargo names.
pub fn binary() -> &'static str {
    static OWN: LazyLock<String> = LazyLock::new(|| {
        let place = Path::new(env!("CARGO_TARGET_TMPDIR"));
        for entry in fs::read_dir(place).unwrap().flatten() {
            let name = entry.file_name();
            let of = name.to_str().and_then(|name| name.strip_prefix("of-"));
            // What has ended cannot remove its own.
            let ended = |of| cfg!(target_os = "linux") && !Path::new("/proc").join(of).exists();
            if of.is_some_and(ended) {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
        let directory = place.join(format!("of-{}", std::process::id()));
        let own = directory.join("kaiwo");
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir(&directory).unwrap();
        fs::hard_link(env!("CARGO_BIN_EXE_kaiwo"), &own).unwrap();
        own.into_os_string().into_string().unwrap()
    });
    &OWN
}

/// Returns a path in the checkout.
pub fn checkout(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(relative)
}

/// Says which test was left out, or part of it, and why. `cargo xtask test`
/// repeats these lines at its end.
pub fn skip(why: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    // Past the capture of passing tests' output, and in one piece.
    let line = format!("skipped: {test}: {why}\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
}
