//! The tasks of an array, for people.

use super::super::table::{Cell, Column};
use super::Page;
use crate::names::counted;
use crate::observe::description::Description;
use crate::observe::kind::tasks::{FailedTask, Tasks};

/// Failed tasks that are shown at most.
const SHOWN: usize = 20;

/// Returns how many are done, and how many run at once.
pub(super) fn summary(about: &Description) -> String {
    let Some(tasks) = &about.tasks else {
        return String::new();
    };
    let mut parts = vec![format!("{} of {} succeeded", tasks.succeeded, tasks.count)];
    if tasks.failed > 0 {
        parts.push(format!("{} failed", tasks.failed));
    }
    if tasks.active > 0 {
        parts.push(format!("{} active", tasks.active));
    }
    format!("{}; {}", parts.join(", "), slots(tasks))
}

fn slots(tasks: &Tasks) -> String {
    match tasks.requested_slots {
        Some(requested) if tasks.active > 0 && tasks.grows => format!(
            "{} of {requested} slots, and the others wait until the queue has quota for all of them",
            tasks.slots
        ),
        // What has ended keeps what Kueue wrote.
        Some(requested) if tasks.active > 0 => format!(
            "admitted with {} of {requested} slots, and Kueue adds none while it runs",
            tasks.slots
        ),
        Some(requested) => format!("{} of {requested} slots", tasks.slots),
        None if tasks.grows => {
            format!(
                "{} (kaiwo resize changes them)",
                counted(tasks.slots, "slot")
            )
        }
        None => counted(tasks.slots, "slot"),
    }
}

/// Returns the table of those that failed.
pub(super) fn failed(page: &Page, about: &Description) -> String {
    let Some(tasks) = &about.tasks else {
        return String::new();
    };
    let shown = &tasks.failed_tasks[..tasks.failed_tasks.len().min(SHOWN)];
    let columns = [
        Column::numbers("TASK"),
        Column::words("PARAMETERS"),
        Column::numbers("EXIT"),
        Column::sentences("REASON"),
        Column::words("POD"),
    ];
    let rows = shown.iter().map(row).collect();
    let mut text = page.table(&columns, rows);
    let more = tasks.failed_tasks.len() - shown.len();
    if more > 0 {
        text += &format!("and {more} more; -o json lists all of them\n");
    }
    text
}

fn row(task: &FailedTask) -> Vec<Cell> {
    let parameters = task.parameters.iter();
    let parameters: Vec<String> = parameters
        .filter_map(|(name, value)| Some(format!("{name}={}", value.as_str()?)))
        .collect();
    let code = task.exit_code.map(|code| code.to_string());
    vec![
        task.task.to_string().into(),
        parameters.join(" ").into(),
        code.unwrap_or_default().into(),
        task.reason.as_deref().unwrap_or_default().into(),
        task.pod.as_deref().unwrap_or("gone").into(),
    ]
}
