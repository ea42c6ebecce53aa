//! A table of parameters: `--sweep-file rows.csv`, whose rows are tasks.
//!
//! It travels as a line for each row, the words of a shell command, so that any `sh`
//! reads them whatever is in them.

use std::path::Path;

use serde::{Serialize, Serializer};

use super::separated::fields;
use super::sweep::{check_name, variable};
use crate::digest;
use crate::plan::Refusal;
use crate::quantity::ByteSize;
use crate::secrecy::{self, Confidential};
use crate::shell::quoted;
use crate::workload::upload::PART_LIMIT;

/// The table, as it travels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rows {
    /// Names of the parameters, in the order of the columns.
    pub columns: Vec<String>,
    /// Number of rows.
    pub count: i64,
    /// A line for each.
    pub text: Confidential<String>,
    pub digest: String,
}

impl Serialize for Rows {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.digest)
    }
}

impl Rows {
    /// Reads a file whose first line names the columns, with tabs between them if its
    /// name ends with `.tsv`, else commas.
    ///
    /// # Errors
    /// [`Refusal`] with the line.
    pub fn parse(file: &Path, text: &str) -> Result<Self, Refusal> {
        let shown = secrecy::path(file);
        let wrong = |line: usize, why: String| {
            let place = format!("{shown}:{line}");
            Refusal::new(format!("{place}: {why}")).about(place)
        };
        let separator = match file.extension() {
            Some(extension) if extension.eq_ignore_ascii_case("tsv") => '\t',
            _ => ',',
        };
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut lines = (1..)
            .zip(text.lines())
            .filter(|(_, line)| !line.trim().is_empty());
        let record = |(number, line): (usize, &str)| {
            let fields = fields(line, separator).map_err(|why| {
                wrong(number, why.to_owned()).hint(
                    "keep each row on one line, and double a quote within quotes: \"a \"\"b\"\"\"",
                )
            })?;
            Ok::<_, Refusal>((number, fields))
        };
        let example = "begin with the names of the parameters, such as lr,seed";
        let (first, columns) = match lines.next() {
            Some(line) => record(line)?,
            None => return Err(wrong(1, "the file is empty".to_owned()).hint(example)),
        };
        check_columns(&columns).map_err(|why| {
            let refusal = wrong(first, why).hint(example);
            match columns.iter().any(|name| name.contains([';', '\t', ','])) {
                true => {
                    refusal.hint("separate columns with commas, or with tabs in a file called .tsv")
                }
                false => refusal,
            }
        })?;
        let mut rows = String::new();
        let mut count = 0;
        for line in lines {
            let (number, fields) = record(line)?;
            if fields.len() != columns.len() {
                let (has, needs) = (fields.len(), columns.len());
                return Err(wrong(
                    number,
                    format!("{has} values, but the first line names {needs} parameters"),
                )
                .hint("quote a value that contains the separator: \"a,b\""));
            }
            let words: Vec<String> = fields.iter().map(|field| quoted(field)).collect();
            rows += &words.join(" ");
            rows.push('\n');
            count += 1;
        }
        if count == 0 {
            return Err(wrong(first, "no rows follow the names".to_owned())
                .hint("add a line of values for each task"));
        }
        if rows.len() > PART_LIMIT {
            return Err(Refusal::new(format!(
                "{shown} has {} of values, more than a ConfigMap holds ({})",
                ByteSize(rows.len() as u64),
                ByteSize(PART_LIMIT as u64)
            ))
            .about(shown.clone())
            .hint("divide it into several files, and submit each of them")
            .hint(
                "or put it into the directory, and read the row KAIWO_INDEX of it: --array 0-99",
            ));
        }
        let digest = digest::sha256(format!("{}\n{rows}", columns.join(",")).as_bytes());
        Ok(Self {
            columns,
            count,
            text: Confidential::new(rows),
            digest,
        })
    }
}

fn check_columns(columns: &[String]) -> Result<(), String> {
    let mut variables: Vec<String> = Vec::new();
    for column in columns {
        check_name(column)?;
        let variable = variable(column);
        if variables.contains(&variable) {
            return Err(format!("the parameter {column} is repeated"));
        }
        variables.push(variable);
    }
    Ok(())
}

/// Reads a line that [`Rows::parse`] has written.
pub fn values(line: &str) -> Vec<String> {
    let mut values = Vec::new();
    let mut value: Option<String> = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' => values.extend(value.take()),
            '\'' => {
                let inside = chars.by_ref().take_while(|c| *c != '\'');
                value.get_or_insert_default().extend(inside);
            }
            '\\' => value.get_or_insert_default().extend(chars.next()),
            c => value.get_or_insert_default().push(c),
        }
    }
    values.extend(value);
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rows(text: &str) -> Result<Rows, Refusal> {
        Rows::parse(Path::new("rows.csv"), text)
    }

    #[test]
    fn rows_are_lines_of_words() {
        let table = rows(
            "\u{feff}lr, seed,name\r\n1e-3,1,plain\r\n\r\n1e-4,2,\"a, \"\"b\"\" it's\"\n,,x y\n",
        )
        .unwrap();
        assert_eq!(table.columns, ["lr", "seed", "name"]);
        assert_eq!(table.count, 3);
        assert_eq!(
            table.text.expose(),
            "1e-3 1 plain\n1e-4 2 'a, \"b\" it'\\''s'\n'' '' 'x y'\n"
        );
        let tabs = Rows::parse(Path::new("rows.TSV"), "a\tb\n1,2\t3\n").unwrap();
        assert_eq!(tabs.text.expose(), "1,2 3\n");
    }

    #[test]
    fn what_is_no_table_is_refused_with_its_line() {
        for (text, message) in [
            ("", "rows.csv:1: the file is empty"),
            ("a,b\n", "rows.csv:1: no rows follow the names"),
            ("a,a\n1,2\n", "rows.csv:1: the parameter a is repeated"),
            ("a b\n1\n", "rows.csv:1: invalid parameter name"),
            (
                "a,b\n\n1\n",
                "rows.csv:3: 1 values, but the first line names 2 parameters",
            ),
            ("a\n\"1\n", "rows.csv:2: a quote is not closed on its line"),
            ("a\n\"1\"2\n", "rows.csv:2: text follows a closing quote"),
        ] {
            let refusal = rows(text).unwrap_err();
            assert!(refusal.message.starts_with(message), "{refusal}");
        }
        let large = format!("a\n{}", "0123456789\n".repeat(100_000));
        let refusal = rows(&large).unwrap_err();
        assert!(
            refusal.message.contains("more than a ConfigMap holds"),
            "{refusal}"
        );
    }

    proptest! {
        #[test]
        fn values_are_read_as_they_were(values in proptest::collection::vec("[^\u{0}-\u{1f}\u{7f}-\u{9f}\u{2028}\u{2029}]{0,12}", 1..4)) {
            let quoted: Vec<String> = values.iter().map(|value| format!("\"{}\"", value.replace('"', "\"\""))).collect();
            let names: Vec<String> = (0..values.len()).map(|at| format!("p{at}")).collect();
            let table = rows(&format!("{}\n{}\n", names.join(","), quoted.join(","))).unwrap();
            let line = table.text.expose().lines().next().unwrap();
            prop_assert_eq!(super::values(line), values);
        }
    }
}
