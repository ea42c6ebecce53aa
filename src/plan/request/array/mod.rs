//! Arrays: many tasks of one command, in one Indexed Job.

pub mod record;
pub mod rows;
mod separated;
pub mod sweep;
pub mod tasks;

use serde::Serialize;

use crate::plan::Refusal;
use crate::plan::gpu::GpuLayout;
use record::{ArrayRecord, RowsRecord};
use rows::Rows;
use sweep::{Sweeps, variable};
use tasks::{AtLeast, MOST, TaskNumbers};

/// The parameter that is the number of the task: `{index}`.
pub const INDEX: &str = "index";
pub const INDEX_VARIABLE: &str = "KAIWO_INDEX";
/// Most tasks of which Kubernetes wants nothing more to be said (`completionsSoftLimit`,
/// batch/v1 validation, Kubernetes v1.36).
const SOFT_LIMIT: i64 = 100_000;
/// Most tasks at once, and most failed ones, beyond that
/// (`parallelismLimitForHighCompletions`, `maxFailedIndexesLimitForHighCompletions`).
const LIMIT_BEYOND: i64 = 10_000;
/// Most bytes of the numbers of tasks, and of their values: they are part of a word of
/// the command, which Linux limits to 128 KiB (`MAX_ARG_STRLEN`).
const MOST_NUMBERS: usize = 64 << 10;

/// What the tasks are given beside their numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Parameters {
    /// Nothing.
    #[default]
    None,
    /// A combination of values each.
    Sweep(Sweeps),
    /// A row of a table each.
    Rows(Rows),
}

impl Parameters {
    /// Returns their names.
    pub fn names(&self) -> Vec<&str> {
        match self {
            Self::None => Vec::new(),
            Self::Sweep(sweeps) => sweeps.0.iter().map(|sweep| sweep.name.as_str()).collect(),
            Self::Rows(rows) => rows.columns.iter().map(String::as_str).collect(),
        }
    }

    /// Returns how many tasks they make, if they say so.
    pub fn count(&self) -> Option<i64> {
        match self {
            Self::None => None,
            Self::Sweep(sweeps) => Some(sweeps.count()),
            Self::Rows(rows) => Some(rows.count),
        }
    }
}

/// Many tasks of one command.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Array {
    /// Their numbers.
    pub tasks: TaskNumbers,
    /// What they are given.
    pub parameters: Parameters,
    /// How many run at once.
    pub slots: i64,
    /// With how many the queue may start it, at least.
    pub at_least: i64,
    /// How many may fail before the rest is given up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_failed: Option<i64>,
    /// Whether its slots can be changed while it runs.
    #[serde(skip_serializing_if = "super::is_default")]
    pub grow: bool,
    /// Whether to run only those that failed in the array of the same name.
    #[serde(skip)]
    pub only_failed: bool,
}

/// What the flags say of an array.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ArrayFlags {
    /// `--array`, without its slots.
    pub tasks: Option<TaskNumbers>,
    /// What the tasks are given.
    pub parameters: Parameters,
    /// Its slots, or `--slots`.
    pub slots: Option<i64>,
    /// `--at-least`.
    pub at_least: Option<AtLeast>,
    /// `--max-failed`.
    pub max_failed: Option<i64>,
    /// `--grow`.
    pub grow: bool,
}

impl Array {
    /// Creates an array of what the flags say.
    ///
    /// # Errors
    /// [`Refusal`] for what Kubernetes or Kueue do not accept.
    pub fn new(flags: ArrayFlags) -> Result<Self, Refusal> {
        let ArrayFlags {
            tasks,
            parameters,
            slots,
            at_least,
            max_failed,
            grow,
        } = flags;
        check_names(&parameters.names())?;
        check_size(&parameters)?;
        let tasks = tasks.unwrap_or_else(|| TaskNumbers::first(parameters.count().unwrap_or(1)));
        if let Some(count) = parameters.count()
            && tasks.largest() >= count
        {
            return Err(Refusal::new(format!(
                "--array has task {}, but the parameters are those of tasks 0 to {}",
                tasks.largest(),
                count - 1
            ))
            .hint(format!("try --array 0-{}, or remove --array", count - 1)));
        }
        let count = tasks.count();
        check_count(count, &tasks, slots, max_failed)?;
        if grow && slots.is_none() {
            return Err(Refusal::new(
                "--grow needs a number of slots: all of them must be free at the start",
            )
            .hint(format!("try --slots {}", count.min(8))));
        }
        let slots = slots
            .unwrap_or_else(|| usual_slots(count, max_failed))
            .min(count);
        let at_least = match at_least {
            Some(_) if grow => {
                return Err(Refusal::new(
                    "--grow and --at-least exclude each other: Kueue starts an array that can grow with all its slots",
                )
                .hint("remove --at-least, and start with few slots: --slots N"));
            }
            Some(AtLeast::All) => slots,
            Some(AtLeast::Slots(least)) if least > slots => {
                return Err(Refusal::new(format!(
                    "--at-least {least} is more than the {slots} tasks that run at once"
                ))
                .hint("try --at-least all"));
            }
            Some(AtLeast::Slots(least)) => least,
            None if grow => slots,
            None => 1,
        };
        Ok(Self {
            tasks,
            parameters,
            slots,
            at_least,
            max_failed,
            grow,
            only_failed: false,
        })
    }

    /// Returns the least number of slots that is written, where Kueue may start it with
    /// fewer (`ValidateJobUpdate`, Kueue v0.19: less than `parallelism`).
    pub fn min_parallelism(&self) -> Option<i64> {
        (self.at_least < self.slots).then_some(self.at_least)
    }

    /// Returns how many failed tasks Kueue takes for an array that is not ready.
    ///
    /// It counts an array as ready while as many tasks have succeeded or are ready as run
    /// at once (`PodsReady` in `jobs/job`, v0.19); `slots` are those. More failures than
    /// this have it evict the healthy ones.
    pub fn harmless_failures(&self, slots: i64) -> i64 {
        (self.tasks.count() - slots.min(self.slots)).max(0)
    }

    /// Returns whether failed tasks can have Kueue evict the healthy ones where at most
    /// `slots` run at once: unless as many have to fail as would be half of the array, or
    /// more than may.
    pub fn is_exposed(&self, slots: i64) -> bool {
        let harmless = self.harmless_failures(slots);
        let count = self.tasks.count();
        let may_fail = self.max_failed.unwrap_or(count - 1).min(count - 1);
        harmless < may_fail && harmless < (count / 2).max(1)
    }

    /// Checks that a task is one pod.
    ///
    /// # Errors
    /// [`Refusal`] with what would be.
    pub fn check(&self, layout: GpuLayout) -> Result<(), Refusal> {
        match layout.replicas {
            ..=1 => Ok(()),
            pods => Err(Refusal::new(format!(
                "a task of an array is one pod, but this would be {pods} pods with {} GPUs each",
                layout.gpus_per_replica
            ))
            .hint(format!(
                "-g is for each task: try -g {}",
                layout.gpus_per_replica
            ))
            .hint("submit multi-node tasks one by one, without --array and --sweep")),
        }
    }

    /// Returns what is written on the Job, by which its tasks are recognized.
    pub fn record(&self, rows: Option<&str>) -> ArrayRecord {
        ArrayRecord {
            tasks: self.tasks.clone(),
            sweep: match &self.parameters {
                Parameters::Sweep(sweeps) => Some(sweeps.clone()),
                _ => None,
            },
            rows: match &self.parameters {
                Parameters::Rows(table) => Some(RowsRecord {
                    columns: table.columns.clone(),
                    digest: table.digest.clone(),
                    config_map: rows.unwrap_or_default().to_owned(),
                }),
                _ => None,
            },
        }
    }
}

/// Returns whether a word in braces looks like the name of a parameter.
pub fn placeholder(name: &str) -> bool {
    name == INDEX || sweep::check_name(name).is_ok()
}

/// Returns the tasks at once where nothing is said. As many slots as tasks may fail stay
/// unused, so that those that run always count as ready ([`Array::harmless_failures`]).
fn usual_slots(count: i64, max_failed: Option<i64>) -> i64 {
    let spared = max_failed.filter(|most| *most <= count / 2).unwrap_or(0);
    let most = match count {
        ..=SOFT_LIMIT => SOFT_LIMIT,
        _ => LIMIT_BEYOND,
    };
    (count - spared).min(most)
}

fn check_names(names: &[&str]) -> Result<(), Refusal> {
    for (at, name) in names.iter().enumerate() {
        let mut before = names[..at].iter();
        if let Some(other) = before.find(|other| variable(other) == variable(name)) {
            return Err(Refusal::new(match other == name {
                true => format!("the parameter {name} is repeated"),
                false => format!(
                    "the parameters {other} and {name} would both be {}",
                    variable(name)
                ),
            })
            .hint("give all its values in one --sweep, or rename one of them"));
        }
    }
    Ok(())
}

fn check_size(parameters: &Parameters) -> Result<(), Refusal> {
    let Parameters::Sweep(sweeps) = parameters else {
        return Ok(());
    };
    let texts = sweeps.0.iter().map(|sweep| sweep.to_string().len());
    match texts.sum::<usize>() {
        ..=MOST_NUMBERS => Ok(()),
        bytes => Err(Refusal::new(format!(
            "the values of --sweep have {} KiB, and a command has room for {}",
            bytes >> 10,
            MOST_NUMBERS >> 10
        ))
        .hint("write them to a file: --sweep-file rows.csv")),
    }
}

fn check_count(
    count: i64,
    tasks: &TaskNumbers,
    slots: Option<i64>,
    max_failed: Option<i64>,
) -> Result<(), Refusal> {
    if let Some(slots) = slots.filter(|slots| *slots < 1) {
        return Err(Refusal::new(format!(
            "invalid number of slots {slots}: at least 1 task must run at once"
        ))
        .hint("try --slots 1"));
    }
    if let Some(failed) = max_failed.filter(|failed| *failed < 0) {
        return Err(
            Refusal::new(format!("invalid --max-failed {failed}: must be 0 or more"))
                .hint("try --max-failed 0"),
        );
    }
    if let Some(slots) = slots.filter(|slots| *slots > SOFT_LIMIT) {
        return Err(Refusal::new(format!(
            "{slots} tasks at once are too many: Kubernetes accepts {SOFT_LIMIT}"
        ))
        .hint(format!("try --slots {SOFT_LIMIT}")));
    }
    if count > MOST {
        return Err(Refusal::new(format!(
            "the parameters have more than {MOST} combinations, and an array has at most as many tasks"
        ))
        .hint("choose the values of each task: --sweep-file rows.csv"));
    }
    if count > SOFT_LIMIT {
        let wanted = format!(
            "Kubernetes accepts more than {SOFT_LIMIT} tasks only with at most {LIMIT_BEYOND} failed ones and {LIMIT_BEYOND} at once"
        );
        if max_failed.is_none_or(|failed| failed > LIMIT_BEYOND) {
            return Err(Refusal::new(format!("{count} tasks: {wanted}"))
                .hint(format!("add --max-failed {LIMIT_BEYOND}, or less")));
        }
        if slots.is_some_and(|slots| slots > LIMIT_BEYOND) {
            return Err(Refusal::new(format!("{count} tasks: {wanted}"))
                .hint(format!("try --slots {LIMIT_BEYOND}")));
        }
    }
    if tasks.to_string().len() > MOST_NUMBERS {
        return Err(Refusal::new(format!(
            "the numbers of {count} tasks are too many to list: {} KiB, and a command has room for {}",
            tasks.to_string().len() >> 10,
            MOST_NUMBERS >> 10
        ))
        .hint("number them in ranges, such as 0-99 or 0-990:10"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(tasks: &str) -> ArrayFlags {
        ArrayFlags {
            tasks: Some(tasks.parse().unwrap()),
            ..ArrayFlags::default()
        }
    }

    #[test]
    fn an_array_starts_with_what_fits_unless_it_is_told() {
        let array = |flags| Array::new(flags).unwrap();
        let plain = array(flags("0-99"));
        assert_eq!((plain.slots, plain.at_least), (100, 1));
        assert_eq!(plain.min_parallelism(), Some(1));
        let all = array(ArrayFlags {
            slots: Some(10),
            at_least: Some(AtLeast::All),
            ..flags("0-99")
        });
        assert_eq!((all.slots, all.min_parallelism()), (10, None));
        assert_eq!(array(flags("3")).min_parallelism(), None);
        // No more slots than tasks.
        let few = array(ArrayFlags {
            slots: Some(10),
            ..flags("0-2")
        });
        assert_eq!(few.slots, 3);
        let grows = array(ArrayFlags {
            slots: Some(2),
            grow: true,
            ..flags("0-9")
        });
        assert_eq!(grows.min_parallelism(), None);
    }

    #[test]
    fn what_kubernetes_or_kueue_do_not_accept_is_refused() {
        for (flags, why) in [
            (flags("0-100000"), "only with at most 10000 failed"),
            (
                ArrayFlags {
                    slots: Some(20_000),
                    max_failed: Some(5),
                    ..flags("0-100000")
                },
                "10000 at once",
            ),
            (
                ArrayFlags {
                    slots: Some(5),
                    at_least: Some(AtLeast::Slots(6)),
                    ..flags("0-9")
                },
                "more than the 5 tasks",
            ),
            (
                ArrayFlags {
                    grow: true,
                    slots: Some(5),
                    at_least: Some(AtLeast::Slots(2)),
                    ..flags("0-9")
                },
                "exclude each other",
            ),
            (
                ArrayFlags {
                    grow: true,
                    ..flags("0-9")
                },
                "needs a number of slots",
            ),
            (
                ArrayFlags {
                    parameters: Parameters::Sweep(
                        format!("a={}", "value,".repeat(20_000) + "x")
                            .parse()
                            .unwrap(),
                    ),
                    ..flags("0")
                },
                "a command has room for 64",
            ),
            (
                ArrayFlags {
                    parameters: Parameters::Sweep("a=1..3".parse().unwrap()),
                    ..flags("0-3")
                },
                "tasks 0 to 2",
            ),
            (
                ArrayFlags {
                    tasks: None,
                    parameters: Parameters::Sweep("a-b=1;a.b=2".parse().unwrap()),
                    ..flags("0")
                },
                "would both be KAIWO_PARAM_A_B",
            ),
        ] {
            let refusal = Array::new(flags).unwrap_err();
            assert!(refusal.message.contains(why), "{refusal}");
            assert!(!refusal.hints.is_empty());
        }
        let many = ArrayFlags {
            max_failed: Some(100),
            ..flags("0-199999")
        };
        assert_eq!(Array::new(many).unwrap().slots, 10_000);
    }

    #[test]
    fn combinations_beyond_all_numbers_are_refused() {
        let refusal = Array::new(ArrayFlags {
            parameters: Parameters::Sweep(
                "a=1..99999;b=1..99999;c=1..99999;d=1..99999"
                    .parse()
                    .unwrap(),
            ),
            max_failed: Some(5),
            ..ArrayFlags::default()
        })
        .unwrap_err();
        let why = "more than 10000000 combinations";
        assert!(refusal.message.contains(why), "{refusal}");
    }

    #[test]
    fn slots_that_are_spared_protect_the_healthy_tasks() {
        let array = |slots, max_failed| {
            Array::new(ArrayFlags {
                slots,
                max_failed,
                ..flags("0-99")
            })
            .unwrap()
        };
        assert!(array(None, None).is_exposed(100));
        assert_eq!(array(None, None).harmless_failures(100), 0);
        // The queue has quota for fewer.
        assert!(!array(None, None).is_exposed(8));
        assert!(!array(Some(10), None).is_exposed(100));
        let spared = array(None, Some(5));
        assert_eq!(spared.slots, 95);
        assert!(!spared.is_exposed(100));
        assert!(array(Some(98), Some(5)).is_exposed(100));
        let one = Array::new(flags("7")).unwrap();
        assert!(!one.is_exposed(1));
    }
}
