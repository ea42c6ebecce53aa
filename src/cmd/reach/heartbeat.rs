//! Tells a session of `kaiwo run` that someone is attached, and hears from it whether the
//! connection still leads there.

use std::convert::Infallible;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use crate::api::pod::Pod;
use crate::cluster::Cluster;
use crate::cluster::client::exec::{self, Closed, Ending, Execution, Said};

/// Time between two beats.
const BEAT: Duration = Duration::from_secs(5);
/// Most time for a connection, and for the answer to a beat.
const ANSWER: Duration = Duration::from_secs(12);
/// Time without an answer after which the connection is lost, however often a new one was
/// tried.
const LOST: Duration = Duration::from_secs(30);
/// Pause between two tries.
const PAUSE: Duration = Duration::from_secs(1);
/// Takes the beats, and answers each.
const LISTENER: &str =
    "while read -r beat; do echo \"$beat\" >/kaiwo/run/beat && echo \"$beat\"; done";

/// Beats until nothing has answered for too long, and returns why.
pub(super) async fn beat(cluster: &Cluster, pod: &Pod, container: &str) -> String {
    let mut answered = Instant::now();
    loop {
        let Err(why) = one_connection(cluster, pod, container, &mut answered).await;
        tracing::info!("heartbeat of {}: {why}", pod.name());
        if answered.elapsed() >= LOST {
            return why;
        }
        sleep(PAUSE).await;
    }
}

/// Beats for as long as a connection answers.
async fn one_connection(
    cluster: &Cluster,
    pod: &Pod,
    container: &str,
    answered: &mut Instant,
) -> Result<Infallible, String> {
    let command = ["sh", "-c", LISTENER].map(str::to_owned);
    let execution = Execution {
        namespace: &pod.metadata.namespace,
        pod: pod.name(),
        container,
        command: &command,
        stdin: true,
        tty: false,
    };
    let silent = || format!("no answer for {} s", ANSWER.as_secs());
    let started = timeout(ANSWER, exec::start(cluster, &execution)).await;
    let started = started.map_err(|_| silent())?;
    let (mut input, mut output) = started.map_err(|error| error.to_string())?;
    let mut beats = interval(BEAT);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut heard = Instant::now();
    loop {
        tokio::select! {
            _ = beats.tick() => {
                if heard.elapsed() >= ANSWER {
                    return Err(silent());
                }
                // Whoever else is attached has other numbers.
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                let line = format!("{}\n", now.as_nanos());
                // What is not taken is a connection that leads nowhere.
                match timeout(ANSWER, input.write(line.as_bytes())).await {
                    Ok(Ok(())) => {}
                    Ok(Err(Closed)) => return Err("the connection was closed".to_owned()),
                    Err(_) => return Err(silent()),
                }
            }
            said = output.next() => match said {
                Said::Stdout(_) => {
                    heard = Instant::now();
                    *answered = heard;
                }
                Said::Stderr(_) => {}
                Said::Ended(Ending::Lost(why) | Ending::Failed(why)) => return Err(why),
                Said::Ended(Ending::Code(_)) => return Err("it has ended".to_owned()),
            }
        }
    }
}
