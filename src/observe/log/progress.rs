//! How far a program is by its own account: a line such as
//! `::kaiwo progress=42 eta=2h loss=1.2` in its output. The last one counts.

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::api::pod::Pod;
use crate::api::workload::Workload;
use crate::observe::kind::rules;
use crate::observe::status::Status;

/// What such a line begins with.
const MARK: &str = "::kaiwo ";
/// Further values that are kept, and characters of each.
const MOST: usize = 8;
const LONGEST: usize = 40;

/// How far a program is.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// Percent, from 0 to 100.
    pub percent: f64,
    /// Time that it still needs, in its own words: `2h`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eta: Option<String>,
    /// What else the line says, in its order.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "as_map")]
    #[cfg_attr(
        test,
        schemars(with = "Option<std::collections::BTreeMap<String, Value>>")
    )]
    pub metrics: Vec<(String, String)>,
}

/// The log in which it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPlace {
    pub pod: String,
    pub container: String,
}

impl Progress {
    /// Reads the last line of a log that tells it.
    pub fn last(log: &str) -> Option<Self> {
        // A bar that a program draws ends with a carriage return.
        log.rsplit(['\n', '\r']).find_map(Self::read)
    }

    fn read(line: &str) -> Option<Self> {
        let (before, words) = line.split_once(MARK)?;
        // Ray puts the worker's name before its lines.
        if !(before.is_empty() || before.ends_with([' ', ')', ']', '\t'])) {
            return None;
        }
        let mut percent = None;
        let mut eta = None;
        let mut metrics = Vec::new();
        for word in words.split_whitespace() {
            let Some((key, value)) = word.split_once('=') else {
                continue;
            };
            let value: String = value.chars().take(LONGEST).collect();
            match key {
                "progress" => percent = read_percent(&value),
                "eta" if !value.is_empty() => eta = Some(value),
                "" | "eta" => {}
                key if metrics.len() < MOST => {
                    metrics.push((key.chars().take(LONGEST).collect(), value));
                }
                _ => {}
            }
        }
        Some(Self {
            percent: percent?,
            eta,
            metrics,
        })
    }

    /// Returns it for people: `42% eta 2h loss=1.2`, behind a bar of so many cells.
    pub fn text(&self, cells: usize) -> String {
        let mut text = match cells {
            0 => String::new(),
            cells => format!("{} ", bar(self.percent, cells)),
        };
        text += &format!("{:.0}%", self.percent.floor());
        if let Some(eta) = &self.eta {
            text += &format!(" eta {eta}");
        }
        for (key, value) in &self.metrics {
            text += &format!(" {key}={value}");
        }
        text
    }
}

/// Reads `42`, `42.5%` or `120/300`.
fn read_percent(text: &str) -> Option<f64> {
    let number = |text: &str| text.parse::<f64>().ok();
    let percent = match text.split_once('/') {
        Some((done, all)) => 100.0 * number(done)? / number(all).filter(|all| *all > 0.0)?,
        None => number(text.strip_suffix('%').unwrap_or(text))?,
    };
    percent.is_finite().then(|| percent.clamp(0.0, 100.0))
}

fn bar(percent: f64, cells: usize) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "between 0 and the cells of a bar"
    )]
    let full = (percent / 100.0 * cells as f64).floor() as usize;
    let full = full.min(cells);
    format!("{}{}", "█".repeat(full), "░".repeat(cells - full))
}

fn as_map<S: Serializer>(metrics: &[(String, String)], serializer: S) -> Result<S::Ok, S::Error> {
    let value = |text: &String| {
        let number = text
            .parse::<f64>()
            .ok()
            .and_then(serde_json::Number::from_f64);
        number.map_or_else(|| Value::String(text.clone()), Value::Number)
    };
    let pairs = metrics.iter();
    let map: Map<String, Value> = pairs
        .map(|(key, text)| (key.clone(), value(text)))
        .collect();
    map.serialize(serializer)
}

/// Returns in which log a job tells how far it is, if it has come so far that it
/// can: that of its first pod.
pub fn log_place(workload: &Workload, status: Status, pods: &[Pod]) -> Option<LogPlace> {
    let tells = matches!(status, Status::Running | Status::Failed);
    if !tells || !workload.kind.is_batch() || workload.kind.descriptor().is_recurring {
        return None;
    }
    let rules = rules(workload);
    let own = pods.iter();
    let own = own.filter(|pod| !rules.has_driver() || !pod.is_of_ray());
    let mut present = rules.present_pods(own.collect());
    present.sort_by_key(|pod| (pod.index(), pod.name()));
    present.into_iter().find_map(|pod| {
        let container = pod.container(None).ok()?;
        pod.container_status(container)?
            .has_begun()
            .then(|| LogPlace {
                pod: pod.name().to_owned(),
                container: container.to_owned(),
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_counts() {
        let log = "::kaiwo progress=1\nstep 2\n(train pid=7) ::kaiwo progress=42.7 eta=2h loss=1.2 lr=a=b\r\nother\n";
        let progress = Progress::last(log).unwrap();
        assert_eq!(progress.text(0), "42% eta 2h loss=1.2 lr=a=b");
        assert_eq!(progress.text(5), "██░░░ 42% eta 2h loss=1.2 lr=a=b");
        let json = serde_json::to_string(&progress).unwrap();
        assert_eq!(
            json,
            r#"{"percent":42.7,"eta":"2h","metrics":{"loss":1.2,"lr":"a=b"}}"#
        );
        let percent = |line: &str| Progress::last(line).map(|progress| progress.percent);
        for (line, expected) in [
            ("::kaiwo progress=120/300", Some(40.0)),
            ("10%\r::kaiwo progress=50%\rnext", Some(50.0)),
            ("::kaiwo progress=1e9", Some(100.0)),
            ("::kaiwo progress=-1", Some(0.0)),
            ("::kaiwo progress=NaN", None),
            ("::kaiwo progress=3/0", None),
            ("::kaiwo progress=", None),
            ("::kaiwo loss=1", None),
            ("std::kaiwo progress=1", None),
            ("", None),
        ] {
            assert_eq!(percent(line), expected, "{line}");
        }
        let many: String = (0..99)
            .map(|it| format!(" k{it}={}", "v".repeat(99)))
            .collect();
        let many = Progress::last(&format!("::kaiwo progress=1{many}")).unwrap();
        assert_eq!(many.metrics.len(), MOST);
        assert_eq!(many.metrics[0].1.len(), LONGEST);
    }
}
