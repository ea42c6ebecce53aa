//! The commands of a shell that tell a task of an array which it is: for any POSIX `sh`,
//! and with `sed` where a table is read.

use std::fmt::Write as _;

use crate::api::keys;
use crate::plan::request::array::sweep::{Sweeps, Values, variable};
use crate::plan::request::array::tasks::TaskNumbers;
use crate::plan::request::array::{Array, INDEX, INDEX_VARIABLE, Parameters};
use crate::shell::quoted;

/// Where a Job tells its pods their index (batch/v1, `JOB_COMPLETION_INDEX`).
const COMPLETION_INDEX: &str = "JOB_COMPLETION_INDEX";

/// Finds the number of a task among ranges such as `3 7 10-20:2`.
const IN_RANGES: &str = r#"kaiwo_at=$JOB_COMPLETION_INDEX
for kaiwo_range in RANGES; do
  kaiwo_first=${kaiwo_range%%-*} kaiwo_last=${kaiwo_range#*-} kaiwo_step=1
  case $kaiwo_last in *:*) kaiwo_step=${kaiwo_last#*:} kaiwo_last=${kaiwo_last%:*} ;; esac
  kaiwo_count=$(((kaiwo_last - kaiwo_first) / kaiwo_step + 1))
  [ "$kaiwo_at" -lt "$kaiwo_count" ] && break
  kaiwo_at=$((kaiwo_at - kaiwo_count))
done
KAIWO_INDEX=$((kaiwo_first + kaiwo_at * kaiwo_step))
"#;

/// Returns the commands that set and export the variables of a task. Their arguments are
/// the words of `command`, in which they put values for `{name}`.
pub(super) fn script(array: &Array, command: &[String]) -> String {
    let mut script = number(&array.tasks);
    match &array.parameters {
        Parameters::None => {}
        Parameters::Sweep(sweeps) => script += &combination(sweeps),
        Parameters::Rows(rows) => {
            let columns = (1..).zip(&rows.columns);
            let sets: Vec<String> = columns
                .map(|(at, name)| format!("{}=${{{at}}}", variable(name)))
                .collect();
            let (directory, file) = (keys::ARRAY_DIRECTORY, keys::ROWS_FILE);
            let _ = write!(
                script,
                "kaiwo_row=$(sed -n \"$((KAIWO_INDEX + 1))p\" {directory}/{file}) && [ -n \"$kaiwo_row\" ] || exit\n\
                 kaiwo_take() {{ {}; }}\n\
                 eval \"kaiwo_take $kaiwo_row\"\n",
                sets.join(" ")
            );
        }
    }
    let names = array.parameters.names();
    let variables = names.iter().map(|name| variable(name));
    let variables: Vec<String> = [INDEX_VARIABLE.to_owned()]
        .into_iter()
        .chain(variables)
        .collect();
    let _ = writeln!(script, "export {}", variables.join(" "));
    script + &filled(&names, command)
}

/// Returns the commands that set the number of the task.
fn number(tasks: &TaskNumbers) -> String {
    let text = tasks.to_string();
    let first = tasks.at(0).unwrap_or_default();
    let step = tasks.at(1).map_or(1, |second| second - first);
    match (text.contains(','), first, step) {
        (false, 0, 1) => format!("{INDEX_VARIABLE}=${COMPLETION_INDEX}\n"),
        (false, first, 1) => format!("{INDEX_VARIABLE}=$(({first} + {COMPLETION_INDEX}))\n"),
        (false, first, step) => {
            format!("{INDEX_VARIABLE}=$(({first} + {COMPLETION_INDEX} * {step}))\n")
        }
        (true, ..) => IN_RANGES.replace("RANGES", &text.replace(',', " ")),
    }
}

/// Returns the commands that set the values of a task.
fn combination(sweeps: &Sweeps) -> String {
    let mut script = String::new();
    let is_list = |values: &Values| matches!(values, Values::List(_));
    if sweeps.0.iter().any(|sweep| is_list(&sweep.values)) {
        script += "kaiwo_pick() { shift \"$1\"; kaiwo_picked=$2; }\n";
    }
    for (at, sweep) in sweeps.0.iter().enumerate() {
        let (variable, stride) = (variable(&sweep.name), sweeps.stride(at));
        let slow = match stride {
            1 => INDEX_VARIABLE.to_owned(),
            stride => format!("{INDEX_VARIABLE} / {stride}"),
        };
        let _ = match &sweep.values {
            Values::Range { first, count, step } => writeln!(
                script,
                "{variable}=$(({first} + {slow} % {count} * {step}))"
            ),
            Values::List(values) => {
                let words: Vec<String> = values.iter().map(|value| quoted(value)).collect();
                writeln!(
                    script,
                    "kaiwo_pick $(({slow} % {})) {}\n{variable}=$kaiwo_picked",
                    values.len(),
                    words.join(" ")
                )
            }
        };
    }
    script
}

/// Returns the command that puts the values into the words which name them, if some do.
fn filled(names: &[&str], command: &[String]) -> String {
    let places: Vec<(String, String)> = names
        .iter()
        .map(|name| (format!("{{{name}}}"), variable(name)))
        .chain([(format!("{{{INDEX}}}"), INDEX_VARIABLE.to_owned())])
        .collect();
    let names_one = |word: &String| places.iter().any(|(place, _)| word.contains(place));
    if !command.iter().any(names_one) {
        return String::new();
    }
    let words = (1..).zip(command).map(|(at, word)| match names_one(word) {
        false => format!("\"${{{at}}}\""),
        true => with_values(word, &places),
    });
    let words: Vec<String> = words.collect();
    format!("set -- {}\n", words.join(" "))
}

/// Writes a word for the shell, with its variables for what stands in braces.
fn with_values(word: &str, places: &[(String, String)]) -> String {
    let mut written = String::new();
    let mut rest = word;
    loop {
        let next = places.iter().filter_map(|(place, variable)| {
            Some((rest.find(place.as_str())?, place.len(), variable))
        });
        let Some((start, length, variable)) = next.min() else {
            break;
        };
        if start > 0 {
            written += &quoted(&rest[..start]);
        }
        let _ = write!(written, "\"${variable}\"");
        rest = &rest[start + length..];
    }
    if !rest.is_empty() {
        written += &quoted(rest);
    }
    written
}

#[cfg(test)]
#[expect(
    clippy::literal_string_with_formatting_args,
    reason = "variables of a shell"
)]
mod tests {
    use super::*;
    use crate::plan::request::array::ArrayFlags;
    use crate::plan::request::array::rows::Rows;

    /// Runs the script as the container does, and returns what its command prints.
    #[cfg(unix)]
    fn run(script: &str, index: i64, command: &[&str]) -> Vec<String> {
        let shells = ["dash", "bash", "busybox"];
        let mut printed: Vec<String> = Vec::new();
        for shell in shells {
            let mut process = std::process::Command::new(shell);
            if shell == "busybox" {
                process.arg("sh");
            }
            let process = process
                .args(["-c", "eval \"$0\" || exit; printf '<%s>' \"$KAIWO_INDEX\" \"$KAIWO_PARAM_LR\" \"$KAIWO_PARAM_SEED\" \"$@\"", script])
                .args(command)
                .env(COMPLETION_INDEX, index.to_string())
                .output();
            // Not every machine has all of them.
            let Ok(output) = process else { continue };
            let errors = String::from_utf8(output.stderr).unwrap();
            assert_eq!(errors, "", "{shell}: {script}");
            printed.push(String::from_utf8(output.stdout).unwrap());
        }
        printed.dedup();
        printed
    }

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[cfg(unix)]
    #[test]
    fn a_task_knows_its_number_in_any_shell() {
        for text in ["0-9", "5-9", "0-90:10", "3,7,9", "5,10-20:2,1-3", "4"] {
            let tasks: TaskNumbers = text.parse().unwrap();
            let array = Array::new(ArrayFlags {
                tasks: Some(tasks.clone()),
                ..ArrayFlags::default()
            })
            .unwrap();
            let script = script(&array, &[]);
            for (index, number) in (0..).zip(tasks.numbers()) {
                assert_eq!(
                    run(&script, index, &[]),
                    [format!("<{number}><><>")],
                    "{text}"
                );
            }
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_task_has_the_values_of_its_combination() {
        let awkward = "lr=1e-3,it's a \"$HOME\" `x` \\ *,-n;seed=-1..3..2";
        let sweeps: Sweeps = awkward.parse().unwrap();
        let array = Array::new(ArrayFlags {
            parameters: Parameters::Sweep(sweeps.clone()),
            ..ArrayFlags::default()
        })
        .unwrap();
        let command = ["train", "{lr}", "a'{seed}-{index}{lr}\n$x", "{other}", "{}"];
        let script = script(&array, &words(&command));
        for task in 0..sweeps.count() {
            let values = sweeps.at(task);
            let (lr, seed) = (&values[0].1, &values[1].1);
            let expected = format!(
                "<{task}><{lr}><{seed}><train><{lr}><a'{seed}-{task}{lr}\n$x><{{other}}><{{}}>"
            );
            assert_eq!(run(&script, task, &command), [expected]);
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_task_has_the_values_of_its_row() {
        let table = "lr,seed\n1e-3,1\n\"it's \"\"$HOME\"\" `x` \\ *\",\n,-n\n";
        let rows = Rows::parse("rows.csv".as_ref(), table).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rows");
        std::fs::write(&file, rows.text.expose()).unwrap();
        let array = Array::new(ArrayFlags {
            parameters: Parameters::Rows(rows),
            ..ArrayFlags::default()
        })
        .unwrap();
        let script = script(&array, &words(&["--lr={lr}"]));
        let mounted = format!("{}/{}", keys::ARRAY_DIRECTORY, keys::ROWS_FILE);
        let script = script.replace(&mounted, file.to_str().unwrap());
        for (task, lr, seed) in [
            (0, "1e-3", "1"),
            (1, "it's \"$HOME\" `x` \\ *", ""),
            (2, "", "-n"),
        ] {
            let expected = format!("<{task}><{lr}><{seed}><--lr={lr}>");
            assert_eq!(run(&script, task, &["--lr={lr}"]), [expected]);
        }
    }

    #[test]
    fn a_large_sweep_of_numbers_is_arithmetic() {
        let array = Array::new(ArrayFlags {
            parameters: Parameters::Sweep("seed=1..50000;lr=1e-3,1e-4".parse().unwrap()),
            ..ArrayFlags::default()
        })
        .unwrap();
        let script = script(&array, &[]);
        assert!(script.len() < 400, "{script}");
        assert!(
            script.contains("KAIWO_PARAM_SEED=$((1 + KAIWO_INDEX / 2 % 50000 * 1))"),
            "{script}"
        );
    }
}
