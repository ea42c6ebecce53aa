//! One workload in full, for people.

mod tasks;

use k8s_openapi::jiff::Timestamp;

use super::list::{BAR, tone};
use super::overview::top;
use super::table::{Cell, Column, Table, Tone};
use super::{Ui, span};
use crate::names::counted;
use crate::observe::description::{Attempts, Description, EvictionLine, GpuGroup, Queue};
use crate::observe::scaling::Scaling;
use crate::observe::upstream::output;
use crate::printable;

/// Width of the words before the facts.
const LABEL: usize = 12;

/// Returns a workload in full.
pub fn text(about: &Description, now: Timestamp, ui: Ui) -> String {
    let page = Page { now, ui };
    let mut text = page.head(about);
    for (title, section) in [
        ("Failed tasks", tasks::failed(&page, about)),
        ("Pods", page.pods(about)),
        ("Scaling", page.scaling(about)),
        ("Applications", page.applications(about)),
        ("Versions", page.versions(about)),
        ("Conditions", page.conditions(about)),
        ("Endpoints", page.endpoints(about)),
        ("Events", page.events(about)),
        (
            "Next",
            about
                .next
                .iter()
                .map(|it| printable::line(&it.line(ui.connection())).into_owned() + "\n")
                .collect(),
        ),
    ] {
        if !section.is_empty() {
            text += &format!("\n{}\n", page.bold(title));
            for line in section.lines() {
                text += &format!("  {line}\n");
            }
        }
    }
    text
}

struct Page {
    now: Timestamp,
    ui: Ui,
}

impl Page {
    fn bold(&self, text: &str) -> String {
        match self.ui.paints_data() {
            true => format!("\x1b[1m{text}\x1b[0m"),
            false => text.to_owned(),
        }
    }

    fn ago(&self, then: Option<Timestamp>) -> String {
        then.map_or_else(String::new, |then| {
            span::human(self.now.as_second() - then.as_second())
        })
    }

    fn head(&self, about: &Description) -> String {
        let mut text = String::new();
        let mut fact = |label: &str, value: String| {
            if !value.is_empty() {
                let value = printable::line(&value);
                text += &format!("{label:<LABEL$}{value}\n");
            }
        };
        let workload = &about.workload;
        fact("Name", workload.name.clone());
        fact("Kind", workload.kind.clone());
        fact("Namespace", workload.namespace.clone());
        let mut status = about.status.name().to_owned();
        if !about.reason.is_empty() {
            status += &format!(": {}", about.reason);
        }
        fact("Status", status);
        let cells = self.ui.data_width().map_or(0, |_| 2 * BAR);
        let progress = about.progress.as_ref();
        let progress = progress.map(|progress| progress.text(cells));
        fact("Progress", progress.unwrap_or_default());
        fact("User", about.user.clone().unwrap_or_default());
        fact("Version", about.version.clone().unwrap_or_default());
        fact("Image", about.images.join(", "));
        fact("Model", about.model.clone().unwrap_or_default());
        fact("Instance", about.instance_type.clone().unwrap_or_default());
        fact("GPUs", gpus(&about.gpus));
        fact(
            "Replicas",
            about.scaling.as_ref().map_or_else(String::new, replicas),
        );
        fact(
            "Queue",
            about.queue.as_ref().map_or_else(String::new, queue),
        );
        let cluster = about.queue.as_ref().and_then(|it| it.cluster.as_ref());
        let cluster = cluster.map(|cluster| {
            let logs = match about.status.is_final() {
                true => "its pods and logs were deleted there when it ended",
                false => "its pods and logs are there until it ends",
            };
            format!("{cluster} (MultiKueue); {logs}")
        });
        fact("Cluster", cluster.unwrap_or_default());
        fact(
            "Attempts",
            about.attempts.as_ref().map_or_else(String::new, attempts),
        );
        fact("Tasks", tasks::summary(about));
        fact("GPU utilization", about.gpu_use.clone().unwrap_or_default());
        fact("Nodes", about.nodes.join(", "));
        let uploads = about.uploads.map(|uploads| {
            let (count, bytes) = (uploads.count, super::bytes(uploads.bytes));
            format!("{}, {bytes}", counted(count, "ConfigMap"))
        });
        fact("Uploads", uploads.unwrap_or_default());
        fact("Age", self.ago(about.created_at));
        // A word in colour, after everything was laid out without.
        match self.ui.paints_data() {
            true => {
                let status = about.status;
                let plain = format!("{:<LABEL$}{}", "Status", status.name());
                let painted = tone(status).paint(status.name());
                text.replacen(&plain, &format!("{:<LABEL$}{painted}", "Status"), 1)
            }
            false => text,
        }
    }

    fn table(&self, columns: &[Column], rows: Vec<Vec<Cell>>) -> String {
        if rows.is_empty() {
            return String::new();
        }
        let room = self.ui.data_width().map(|width| width.saturating_sub(2));
        Table::new(columns, room, self.ui.paints_data()).lines(&rows)
    }

    fn pods(&self, about: &Description) -> String {
        let measured = about.pods.iter().any(|pod| pod.usage.is_some());
        let row = |pod: &crate::observe::description::PodLine| -> Vec<Cell> {
            let tone = match (pod.ready, &pod.reason) {
                (_, Some(_)) => Tone::Bad,
                (true, None) => Tone::Good,
                (false, None) => Tone::Plain,
            };
            let mut cells: Vec<Cell> = vec![
                pod.name.as_str().into(),
                Cell::new(pod.state.as_str(), tone),
                if pod.ready { "yes" } else { "no" }.into(),
                pod.node.as_deref().unwrap_or_default().into(),
                pod.gpus.to_string().into(),
                pod.restarts.to_string().into(),
                pod.reason.as_deref().unwrap_or_default().into(),
                self.ago(pod.created_at).into(),
            ];
            if measured {
                let [now, mean, memory] = top::cells(pod.usage.as_ref());
                cells.splice(5..5, [now, mean, memory]);
            }
            cells
        };
        let mut columns = vec![
            Column::words("NAME"),
            Column::words("STATE"),
            Column::words("READY"),
            Column::words("NODE"),
            Column::numbers("GPUS"),
            Column::numbers("RESTARTS"),
            Column::sentences("REASON"),
            Column::words("AGE"),
        ];
        if measured {
            columns.splice(5..5, ["UTIL", "10M", "MEMORY"].map(Column::numbers));
        }
        self.table(&columns, about.pods.iter().map(row).collect())
    }

    fn scaling(&self, about: &Description) -> String {
        let measures = about.scaling.iter().flat_map(|scaling| &scaling.metrics);
        let rows = measures.map(|measure| {
            vec![
                Cell::from(measure.name.as_str()),
                measure.current.as_deref().unwrap_or("unknown").into(),
                measure.target.as_str().into(),
            ]
        });
        self.table(
            &[
                Column::words("METRIC"),
                Column::numbers("CURRENT"),
                Column::numbers("TARGET"),
            ],
            rows.collect(),
        )
    }

    fn applications(&self, about: &Description) -> String {
        let mut rows: Vec<Vec<Cell>> = Vec::new();
        for application in &about.applications {
            let row = |name: String, status: &str, message: &str| -> Vec<Cell> {
                let tone = match status {
                    "RUNNING" | "HEALTHY" => Tone::Good,
                    "DEPLOY_FAILED" | "UNHEALTHY" => Tone::Bad,
                    _ => Tone::Busy,
                };
                vec![
                    name.into(),
                    Cell::new(status, tone),
                    application.cluster.as_str().into(),
                    message.into(),
                ]
            };
            rows.push(row(
                application.name.clone(),
                &application.status,
                &application.message,
            ));
            for deployment in &application.deployments {
                rows.push(row(
                    format!("  {}", deployment.name),
                    &deployment.status,
                    &deployment.message,
                ));
            }
        }
        self.table(
            &[
                Column::words("NAME"),
                Column::words("STATUS"),
                Column::words("CLUSTER"),
                Column::sentences("MESSAGE"),
            ],
            rows,
        )
    }

    fn versions(&self, about: &Description) -> String {
        let rows = about.versions.iter().map(|version| {
            vec![
                Cell::from(version.version.as_str()),
                if version.present { "yes" } else { "no" }.into(),
                version.images.join(", ").into(),
                self.ago(version.recorded_at).into(),
            ]
        });
        self.table(
            &[
                Column::words("VERSION"),
                Column::words("SERVED"),
                Column::sentences("IMAGE"),
                Column::words("AGE"),
            ],
            rows.collect(),
        )
    }

    fn conditions(&self, about: &Description) -> String {
        let rows = about.conditions.iter().map(|condition| {
            vec![
                Cell::from(condition.of),
                condition.kind.as_str().into(),
                condition.status.as_str().into(),
                self.ago(condition.since).into(),
                match condition.message.as_str() {
                    "" => condition.reason.as_str(),
                    message => message,
                }
                .into(),
            ]
        });
        self.table(
            &[
                Column::words("OF"),
                Column::words("TYPE"),
                Column::words("STATUS"),
                Column::words("SINCE"),
                Column::sentences("MESSAGE"),
            ],
            rows.collect(),
        )
    }

    fn endpoints(&self, about: &Description) -> String {
        let lines = about.endpoints.iter().map(|address| {
            let to = match address.to {
                "cluster" => "in the cluster",
                "dashboard" => "Ray's dashboard, in the cluster",
                other => other,
            };
            let url = address.pending.as_ref().unwrap_or(&address.url);
            format!("{}  ({to})\n", printable::line(url))
        });
        lines.collect()
    }

    fn events(&self, about: &Description) -> String {
        let rows = about.events.iter().map(|event| {
            let tone = match event.kind.as_str() {
                "Warning" => Tone::Bad,
                _ => Tone::Plain,
            };
            let times = match event.times {
                1 => String::new(),
                times => format!(" ({times} times)"),
            };
            vec![
                Cell::from(format!("{} ago", self.ago(event.last))),
                event.object.as_str().into(),
                Cell::new(event.reason.as_str(), tone),
                format!("{}{times}", output::on_one_line(&event.message)).into(),
            ]
        });
        self.table(
            &[
                Column::words("WHEN"),
                Column::words("OBJECT"),
                Column::words("REASON"),
                Column::sentences("MESSAGE"),
            ],
            rows.collect(),
        )
    }
}

/// `16 = 2 × 8 amd.com/gpu`
fn gpus(groups: &[GpuGroup]) -> String {
    let total: i64 = groups.iter().map(|group| group.pods * group.per_pod).sum();
    let parts: Vec<String> = groups
        .iter()
        .map(|group| format!("{} × {} {}", group.pods, group.per_pod, group.resource))
        .collect();
    match parts.is_empty() {
        true => String::new(),
        false => format!("{total} = {}", parts.join(" + ")),
    }
}

/// `3 of 1 to 4, 4 wanted`
fn replicas(scaling: &Scaling) -> String {
    let Scaling {
        min,
        max,
        current,
        wanted,
        ..
    } = scaling;
    let mut text = format!("{current} of {min} to {max}");
    if let Some(wanted) = wanted
        && wanted != current
    {
        text += &format!(", {wanted} wanted");
    }
    if scaling.beyond_max {
        text += ", and the load requires more";
    }
    if let Some(problem) = &scaling.problem {
        text += &format!("; not scaled: {problem}");
    }
    text
}

/// `3: preempted 2 times; before ran 1m (Kueue), pods 20s, 40s (events)`
fn attempts(attempts: &Attempts) -> String {
    let evictions: Vec<String> = attempts.evictions.iter().map(EvictionLine::words).collect();
    let mut text = format!("{}: {}", attempts.count, evictions.join(", "));
    if let Some(seconds) = attempts.earlier_seconds {
        text += &format!("; ran {} before, according to Kueue", span::human(seconds));
    }
    let pods = attempts.pods.iter();
    let pods: Vec<String> = pods
        .map(|pod| span::human(pod.deleted_at.as_second() - pod.created_at.as_second()))
        .collect();
    if !pods.is_empty() {
        text += &format!("; earlier pods {}, according to events", pods.join(", "));
    }
    text
}

/// `team of ClusterQueue gpus, 3rd of 7`
fn queue(queue: &Queue) -> String {
    let mut text = queue.name.clone();
    if let Some(cluster_queue) = &queue.cluster_queue {
        text += &format!(" of ClusterQueue {cluster_queue}");
    }
    if !queue.flavors.is_empty() {
        text += &format!(", flavor {}", queue.flavors.join(", "));
    }
    if let Some(position) = queue.position {
        text += &format!(", at {} of {}", position.place, position.of);
    }
    text
}
