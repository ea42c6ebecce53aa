//! What is written on the Job of an array about its tasks, so that they are recognized.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::rows;
use super::sweep::Sweeps;
use super::tasks::TaskNumbers;

/// What is written on the Job of an array, in an annotation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ArrayRecord {
    pub tasks: TaskNumbers,
    /// Parameters whose combinations they are given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sweep: Option<Sweeps>,
    /// The table whose rows they are given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<RowsRecord>,
}

/// The table of an array.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RowsRecord {
    /// Names of the parameters.
    pub columns: Vec<String>,
    /// Digest of the table.
    pub digest: String,
    /// Name of the ConfigMap that has it.
    pub config_map: String,
}

impl ArrayRecord {
    /// Reads the annotation; nothing if it is none of this version's.
    pub fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// Returns whether the tasks of `other` are given the same parameters by their
    /// numbers.
    pub fn has_parameters_of(&self, other: &Self) -> bool {
        let digest = |record: &Self| record.rows.as_ref().map(|rows| rows.digest.clone());
        self.sweep == other.sweep && digest(self) == digest(other)
    }

    /// Returns what the task of a number is given; `rows` is the table, where it is
    /// known.
    pub fn parameters(&self, task: i64, rows: Option<&str>) -> Map<String, Value> {
        if let Some(sweeps) = &self.sweep {
            let values = sweeps.at(task).into_iter();
            return values
                .map(|(name, value)| (name.to_owned(), json!(value)))
                .collect();
        }
        let (Some(table), Some(rows)) = (&self.rows, rows) else {
            return Map::new();
        };
        let line = usize::try_from(task)
            .ok()
            .and_then(|at| rows.lines().nth(at));
        let values = line.map(rows::values).unwrap_or_default();
        let names = table.columns.iter().cloned();
        names.zip(values.into_iter().map(Value::from)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::request::array::rows::Rows;
    use crate::plan::request::array::{Array, ArrayFlags, Parameters};

    #[test]
    fn what_is_written_on_the_job_leads_to_the_parameters() {
        let sweep = Array::new(ArrayFlags {
            parameters: Parameters::Sweep("lr=1e-3,1e-4;seed=1..5".parse().unwrap()),
            ..ArrayFlags::default()
        })
        .unwrap();
        assert_eq!(sweep.tasks.count(), 10);
        let record = sweep.record(None);
        let text = serde_json::to_string(&record).unwrap();
        assert_eq!(
            text,
            r#"{"tasks":"0-9","sweep":["lr=1e-3,1e-4","seed=1..5"]}"#
        );
        let read = ArrayRecord::read(&text).unwrap();
        assert_eq!(read, record);
        assert_eq!(
            serde_json::to_string(&read.parameters(7, None)).unwrap(),
            r#"{"lr":"1e-4","seed":"3"}"#
        );
        let rows = Rows::parse("r.csv".as_ref(), "lr,name\n1,a b\n2,c\n").unwrap();
        let text = rows.text.expose().clone();
        let table = Array::new(ArrayFlags {
            parameters: Parameters::Rows(rows),
            ..ArrayFlags::default()
        })
        .unwrap();
        let record = table.record(Some("x-123"));
        assert!(!record.has_parameters_of(&read) && record.has_parameters_of(&record));
        assert_eq!(
            serde_json::to_string(&record.parameters(0, Some(&text))).unwrap(),
            r#"{"lr":"1","name":"a b"}"#
        );
        assert!(record.parameters(0, None).is_empty());
    }
}
