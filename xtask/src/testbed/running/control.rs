//! The door by which a command has a program of a running testbed stopped, or started again: a socket of whoever runs
//! that program, with one request per connection.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use serde::{Deserialize, Serialize};

/// Whose socket has the programs of the control plane.
pub const SUPERVISOR: &str = "supervisor";

/// What is to become of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    Stop,
    Start,
    Restart,
}

impl Action {
    pub fn stops(self) -> bool {
        self != Self::Start
    }

    pub fn starts(self) -> bool {
        self != Self::Stop
    }
}

/// One program, and what is to become of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    pub action: Action,
    pub program: String,
}

type Answer = Result<(), String>;

/// Serves the requests to `whom`, one at a time, in a thread that ends with the process.
pub fn serve(
    dir: &Path,
    whom: &str,
    perform: impl Fn(Request) -> Result<()> + Send + 'static,
) -> Result<()> {
    let listener = in_folder(dir, whom, UnixListener::bind)
        .with_context(|| format!("failed to listen in {}", dir.display()))?;
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            if let Err(error) = answer(&stream, &perform) {
                eprintln!("a request was not answered: {error:#}");
            }
        }
    });
    Ok(())
}

fn answer(stream: &UnixStream, perform: impl Fn(Request) -> Result<()>) -> Result<()> {
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    let answer: Answer =
        perform(serde_json::from_str(&line)?).map_err(|error| format!("{error:#}"));
    write_line(stream, &answer)
}

/// Has `whom` do something, and waits until that is done.
pub fn ask(dir: &Path, whom: &str, request: &Request) -> Result<()> {
    let stream = in_folder(dir, whom, UnixStream::connect)
        .with_context(|| format!("{whom} of this testbed does not listen"))?;
    write_line(&stream, request)?;
    let mut line = String::new();
    BufReader::new(&stream).read_line(&mut line)?;
    let answer: Answer =
        serde_json::from_str(&line).with_context(|| format!("{whom} ended before it answered"))?;
    answer.map_err(|error| anyhow!(error))
}

fn write_line(mut stream: &UnixStream, value: &impl Serialize) -> Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    Ok(stream.write_all(&line)?)
}

/// Opens the socket of `whom` by way of its folder's descriptor: the kernel takes short paths of sockets only.
pub(super) fn in_folder<T>(
    dir: &Path,
    whom: &str,
    open: impl FnOnce(PathBuf) -> std::io::Result<T>,
) -> std::io::Result<T> {
    let folder = File::open(dir)?;
    open(format!("/proc/self/fd/{}/{whom}.sock", folder.as_raw_fd()).into())
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;
    use crate::testbed::files;

    #[test]
    fn a_request_is_answered_when_it_is_done() {
        let folder = "long".repeat(30);
        let dir =
            std::env::temp_dir().join(format!("xtask-control-{}-{folder}", std::process::id()));
        files::create_dir(&dir).unwrap();
        let request = |program: &str| Request {
            action: Action::Restart,
            program: program.to_owned(),
        };
        assert!(ask(&dir, "one", &request("known")).is_err());
        serve(&dir, "one", |request| match request.program.as_str() {
            "known" => Ok(()),
            other => bail!("there is no {other}"),
        })
        .unwrap();
        ask(&dir, "one", &request("known")).unwrap();
        let error = ask(&dir, "one", &request("other")).unwrap_err();
        assert_eq!(error.to_string(), "there is no other");
        files::remove(&dir).unwrap();
    }
}
