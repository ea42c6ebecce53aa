//! Runs the scripts of a copy in a container, over connections that may break.

use std::cell::Cell;
use std::time::Duration;

use tokio::time::{Instant, interval_at, sleep, timeout};

use super::scripts;
use crate::cluster::client::exec::{self, Ending, Execution, Input, Output, Said};
use crate::cluster::{Cluster, ClusterError};
use crate::error::{Classified, ErrorClass};
use crate::suggestion::Suggestion;
use crate::transfer::CopyError;
use crate::transfer::local::PartReader;

/// Time without a byte after which a connection that carries data counts as broken.
const STALL: Duration = Duration::from_secs(30);
/// Likewise, once all has been sent that a script reads.
const DIGESTION: Duration = Duration::from_secs(60);
/// Times in a row that a connection may break without anything having arrived.
const TRIES: u32 = 8;
/// The first pause, doubled each time up to the longest.
const PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// Bytes that are sent at once.
const PART: usize = 64 << 10;
/// Rounds in which what is left behind is looked for.
const SWEEPS: u32 = 5;

/// The container, and how what is run in it is marked.
#[derive(Debug, Clone)]
pub struct Container {
    /// Namespace of the pod.
    pub namespace: String,
    pub pod: String,
    pub container: String,
}

/// Who is told how a copy fares.
pub struct Voice<'a> {
    /// More bytes have arrived, or fewer.
    pub bytes: &'a dyn Fn(i64),
    /// Something is to be said.
    pub note: &'a dyn Fn(&str),
}

/// A container that is copied from or to.
pub struct Remote<'a> {
    cluster: &'a Cluster,
    place: Container,
    /// Stands in the command line of all that is run.
    mark: String,
    /// Whether something may have been left behind.
    is_dirty: Cell<bool>,
}

/// What a script reads.
pub enum Feed<'a> {
    Nothing,
    /// Nothing, from a stdin that is open as long as somebody is here.
    Open,
    Bytes(&'a [u8]),
    /// The rest of a file, and who is told of each part.
    File(PartReader, &'a dyn Fn(u64)),
}

/// How a script is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watch {
    /// Bytes have to come.
    Bytes,
    /// It may be silent as long as the connection lives.
    Life,
}

/// Why a script did not do what it was to do.
#[derive(Debug)]
pub enum Failure {
    /// The connection broke; it may work the next time.
    Broken(String),
    /// It never will.
    Final(Box<CopyFailed>),
}

/// An error that ends a copy.
#[derive(Debug, thiserror::Error)]
pub enum CopyFailed {
    #[error(transparent)]
    Copy(#[from] CopyError),
    #[error(transparent)]
    Cluster(#[from] ClusterError),
}

impl Classified for CopyFailed {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Copy(source) => source.class(),
            Self::Cluster(source) => source.class(),
        }
    }

    fn hints(&self) -> Vec<Suggestion> {
        match self {
            Self::Copy(source) => source.hints(),
            Self::Cluster(source) => source.hints(),
        }
    }

    fn object(&self) -> Option<String> {
        match self {
            Self::Copy(source) => source.object(),
            Self::Cluster(source) => source.object(),
        }
    }
}

impl From<CopyError> for Failure {
    fn from(error: CopyError) -> Self {
        Self::Final(Box::new(error.into()))
    }
}

/// How a script ended.
#[derive(Debug)]
pub struct Ran {
    /// Its exit code.
    pub code: u8,
    /// What it said on stderr.
    pub errors: String,
}

impl Ran {
    /// Makes an error of a script that failed.
    ///
    /// # Errors
    /// [`CopyError::Remote`] with what it said.
    pub fn succeeded(self, what: impl FnOnce() -> String) -> Result<(), CopyError> {
        match self.code {
            0 => Ok(()),
            _ => Err(self.failed(what())),
        }
    }

    /// Makes an error of it, with what it said.
    pub fn failed(&self, what: String) -> CopyError {
        let why = match self.errors.trim() {
            "" => format!("exit code {}", self.code),
            words => words.lines().take(3).collect::<Vec<_>>().join("; "),
        };
        CopyError::Remote { what, why }
    }
}

impl<'a> Remote<'a> {
    /// Copies from or to a container. `mark` is a word that nothing else has.
    pub fn new(cluster: &'a Cluster, place: Container, mark: String) -> Self {
        Self {
            cluster,
            place,
            mark,
            is_dirty: Cell::new(false),
        }
    }

    /// Returns the word that begins each record of a list.
    pub fn mark(&self) -> &str {
        &self.mark
    }

    /// Returns which container it is.
    pub fn place(&self) -> &Container {
        &self.place
    }

    /// Runs a script once. `take` gets what it writes.
    ///
    /// # Errors
    /// Why it did not end well: a broken connection may be tried again.
    pub async fn run(
        &self,
        script: &str,
        arguments: &[&str],
        mut feed: Feed<'_>,
        watch: Watch,
        mut take: impl FnMut(&[u8]) -> Result<(), CopyError>,
    ) -> Result<Ran, Failure> {
        let words = ["sh", "-c", script, &self.mark].into_iter();
        let command: Vec<String> = words
            .chain(arguments.iter().copied())
            .map(str::to_owned)
            .collect();
        let execution = Execution {
            namespace: &self.place.namespace,
            pod: &self.place.pod,
            container: &self.place.container,
            command: &command,
            stdin: !matches!(feed, Feed::Nothing),
            tty: false,
        };
        let started = exec::start(self.cluster, &execution).await;
        let (mut input, mut output) = started.map_err(|error| self.unstarted(error))?;
        let is_sent = Cell::new(matches!(feed, Feed::Nothing | Feed::Open).then(Instant::now));
        // Dropped in the middle, something stays there.
        self.is_dirty.set(true);
        let fed = feed_all(&mut input, &mut feed, &is_sent);
        let read = read_all(&mut output, watch, &is_sent, &mut take);
        let ended = tokio::select! {
            biased;
            ended = read => ended,
            failed = fed => Err(failed),
        };
        if ended.is_ok() {
            self.is_dirty.set(false);
        }
        ended
    }

    /// Says what it means that a script was not started.
    fn unstarted(&self, error: ClusterError) -> Failure {
        match error.class() {
            ErrorClass::Unreachable => Failure::Broken(error.to_string()),
            _ => Failure::Final(Box::new(error.into())),
        }
    }

    /// Does something as often as the connection breaks, until it breaks too often
    /// without anything having `arrived`.
    ///
    /// # Errors
    /// [`CopyFailed`]; [`CopyError::Lost`] among them.
    pub async fn persist<T>(
        &self,
        voice: &Voice<'_>,
        arrived: &Cell<u64>,
        mut attempt: impl AsyncFnMut() -> Result<T, Failure>,
    ) -> Result<T, CopyFailed> {
        let (mut tries, mut pause) = (0, PAUSE);
        let mut before = arrived.get();
        loop {
            let why = match attempt().await {
                Ok(done) => return Ok(done),
                Err(Failure::Final(error)) => return Err(*error),
                Err(Failure::Broken(why)) => why,
            };
            if arrived.get() > before {
                (tries, pause) = (0, PAUSE);
            }
            before = arrived.get();
            tries += 1;
            if tries >= TRIES {
                return Err(CopyError::Lost { tries, why }.into());
            }
            (voice.note)(&format!("the connection broke ({why}); continuing"));
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
            let _ = self.sweep().await;
        }
    }

    /// Runs a script that reads `names`, as often as the connection breaks, and returns
    /// what it wrote.
    ///
    /// # Errors
    /// As [`Remote::persist`].
    pub async fn ask(
        &self,
        voice: &Voice<'_>,
        script: &str,
        arguments: &[&str],
        names: &[u8],
    ) -> Result<(Ran, Vec<u8>), CopyFailed> {
        let length = names.len().to_string();
        let mut all = arguments.to_vec();
        if !names.is_empty() {
            all.insert(1, &length);
        }
        let all = &all;
        self.persist(voice, &Cell::new(0), async || {
            let mut written = Vec::new();
            let feed = match names.is_empty() {
                true => Feed::Nothing,
                false => Feed::Bytes(names),
            };
            let ran = self.run(script, all, feed, Watch::Life, |bytes| {
                written.extend_from_slice(bytes);
                Ok(())
            });
            let ran = ran.await?;
            Ok((ran, written))
        })
        .await
    }

    /// Ends what broken connections have left in the container. Returns whether nothing
    /// is left.
    pub async fn sweep(&self) -> bool {
        if !self.is_dirty.get() {
            return true;
        }
        let middle = self.mark.len() / 2;
        let (first, second) = self.mark.split_at(middle);
        for _ in 0..SWEEPS {
            let plain = Self {
                mark: "kaiwo-cp".to_owned(),
                is_dirty: Cell::new(false),
                place: self.place.clone(),
                cluster: self.cluster,
            };
            let (mut written, halves) = (Vec::new(), [first, second]);
            let swept = plain.run(
                scripts::SWEEP,
                &halves,
                Feed::Nothing,
                Watch::Bytes,
                |bytes| {
                    written.extend_from_slice(bytes);
                    Ok(())
                },
            );
            match swept.await {
                Ok(_) if written == b"0\n" => {
                    self.is_dirty.set(false);
                    return true;
                }
                Ok(_) => {}
                Err(_) => return false,
            }
            sleep(Duration::from_millis(100)).await;
        }
        false
    }
}

/// Passes on what is to be read, then signs of life. Only returns if that fails.
async fn feed_all(
    input: &mut Input,
    feed: &mut Feed<'_>,
    is_sent: &Cell<Option<Instant>>,
) -> Failure {
    let mut ping = interval_at(Instant::now() + exec::PING, exec::PING);
    let mut at = 0;
    loop {
        let part = match feed {
            Feed::Nothing | Feed::Open => None,
            Feed::Bytes(bytes) => {
                let part = &bytes[at..bytes.len().min(at + PART)];
                at += part.len();
                (!part.is_empty()).then(|| part.to_vec())
            }
            Feed::File(reading, _) => match reading.next_part() {
                Ok(part) => part,
                Err(error) => return error.into(),
            },
        };
        let Some(part) = part else { break };
        match timeout(STALL, input.write(&part)).await {
            Ok(Ok(())) => {
                if let Feed::File(_, sent) = feed {
                    sent(part.len() as u64);
                }
            }
            // Why it takes no more, its output tells.
            Ok(Err(_)) => std::future::pending().await,
            Err(_) => return Failure::Broken(silence(STALL)),
        }
    }
    if is_sent.get().is_none() {
        is_sent.set(Some(Instant::now()));
    }
    loop {
        ping.tick().await;
        if input.ping().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Takes what a script writes, up to its end.
async fn read_all(
    output: &mut Output,
    watch: Watch,
    is_sent: &Cell<Option<Instant>>,
    take: &mut impl FnMut(&[u8]) -> Result<(), CopyError>,
) -> Result<Ran, Failure> {
    let mut errors = Vec::new();
    let has_input = is_sent.get().is_none();
    loop {
        let said = match (watch, has_input) {
            (Watch::Bytes, false) => timeout(STALL, output.next()).await,
            (Watch::Bytes, true) => next_while_fed(output, is_sent).await,
            (Watch::Life, _) => Ok(output.next().await),
        };
        let Ok(said) = said else {
            return Err(Failure::Broken(silence(STALL)));
        };
        match said {
            Said::Stdout(bytes) => take(&bytes)?,
            Said::Stderr(bytes) => errors.extend_from_slice(&bytes),
            Said::Ended(Ending::Code(code)) => {
                let errors = String::from_utf8_lossy(&errors).into_owned();
                return Ok(Ran { code, errors });
            }
            Said::Ended(Ending::Lost(why)) => return Err(Failure::Broken(why)),
            Said::Ended(Ending::Failed(why)) if is_shell_missing(&why) => {
                return Err(CopyError::NoShell(why).into());
            }
            Said::Ended(Ending::Failed(why)) => return Err(Failure::Broken(why)),
        }
    }
}

/// Waits for what comes next: while input is sent without limit, as sending has its own.
async fn next_while_fed(
    output: &mut Output,
    is_sent: &Cell<Option<Instant>>,
) -> Result<Said, tokio::time::error::Elapsed> {
    let begun = Instant::now();
    let mut next = std::pin::pin!(output.next());
    loop {
        if let Ok(said) = timeout(Duration::from_secs(1), &mut next).await {
            return Ok(said);
        }
        if let Some(since) = is_sent.get()
            && since.max(begun).elapsed() > DIGESTION
        {
            return timeout(Duration::ZERO, next).await;
        }
    }
}

fn silence(time: Duration) -> String {
    format!("no data for {} s", time.as_secs())
}

/// Returns whether a runtime says that there is no `sh` (runc, crun).
fn is_shell_missing(message: &str) -> bool {
    message.contains("executable file not found") || message.contains("no such file or directory")
}
