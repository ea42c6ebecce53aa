//! Tells somebody else that a wait has ended.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use http::Uri;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::time::timeout;

use crate::cluster::client::answer;
use crate::cluster::client::session;
use crate::cmd::command_line;
use crate::error::CommandError;
use crate::printable;
use crate::settings::Notify;
use crate::ui::Ui;
use crate::ui::document::json_line;
use crate::ui::report::ErrorReport;

use super::progress::Ended;

/// Most time for a server to take it, and for a command to end.
const PATIENCE: Duration = Duration::from_secs(10);
/// Most characters of the line.
const WIDEST: usize = 2000;
/// Variable in which a command gets the line.
const MESSAGE: &str = "KAIWO_MESSAGE";

/// Tells how a wait ended, and warns if that cannot be told.
pub(super) async fn tell(notify: Option<&Notify>, ended: Result<&Ended, &CommandError>, ui: Ui) {
    let Some(notify) = notify else {
        return;
    };
    let (line, event) = match ended {
        Ok(ended) => (ended.line.clone(), ended.event.clone()),
        Err(error) => {
            let report = ErrorReport::new(error, ui.connection());
            (error.error.to_string(), json_line(&report))
        }
    };
    let line: String = printable::line(&line).chars().take(WIDEST).collect();
    let told = async {
        match notify {
            Notify::Url(url) => post(url.expose(), event).await,
            Notify::Command(command) => run(command.expose(), &line, event).await,
        }
    };
    let late = || Err(format!("no answer within {} s", PATIENCE.as_secs()));
    if let Err(why) = timeout(PATIENCE, told).await.unwrap_or_else(|_| late()) {
        ui.warn(format!("cannot notify {notify}: {why}"));
    }
}

/// Sends an event to a URL.
async fn post(url: &str, event: String) -> Result<(), String> {
    let unusable = || "invalid URL".to_owned();
    let url: Uri = url.parse().map_err(|_| unusable())?;
    let path = url.path_and_query().map_or("", |path| path.as_str());
    let path = format!("/{}", path.trim_start_matches('/'));
    let request = http::Request::post(path)
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(event.into_bytes())
        .map_err(|_| unusable())?;
    let mut server = url.into_parts();
    server.path_and_query = Some(http::uri::PathAndQuery::from_static("/"));
    let server = Uri::from_parts(server).map_err(|_| unusable())?;
    let client = session::anonymous(&server, &command_line::proxies());
    let client = client.map_err(|error| error.to_string())?;
    answer::accepted(&client, request).await
}

/// Runs a command of the user's in a shell: the line is in a variable, the event on
/// stdin. What it prints goes where messages go.
async fn run(command: &str, line: &str, event: String) -> Result<(), String> {
    // Where data goes, nothing else does.
    let (shell, flag, script) = match cfg!(windows) {
        true => ("cmd", "/C", format!("({command}) 1>&2")),
        false => ("sh", "-c", format!("exec 1>&2\n{command}")),
    };
    let mut child = Command::new(shell)
        .args([flag, script.as_str()])
        .env(MESSAGE, line)
        // A kaiwo that it runs would notify in turn.
        .env_remove("KAIWO_NOTIFY")
        .stdin(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("{shell} cannot be started: {error}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        // Who does not read it has no use for it.
        _ = stdin.write_all(event.as_bytes()).await;
    }
    let status = child.wait().await.map_err(|error| error.to_string())?;
    match status.success() {
        true => Ok(()),
        false => Err(how(status)),
    }
}

fn how(status: ExitStatus) -> String {
    match status.code() {
        Some(code) => format!("exit code {code}"),
        None => "killed by a signal".to_owned(),
    }
}
