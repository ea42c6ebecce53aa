//! Reads what users bring when the built-in templates do not do: a template of
//! their own, and values for it.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Map, Value};

use super::WorkloadError;
use crate::file;
use crate::secrecy::{Confidential, exposed};
use crate::yaml;

/// A template of the user's own. Serialises as its text: where it lies is of
/// no matter to what is submitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomTemplate {
    /// The file, for messages.
    pub file: PathBuf,
    pub text: String,
}

impl Serialize for CustomTemplate {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

/// Values that templates see as `Custom`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct CustomConfig(#[serde(serialize_with = "exposed")] Confidential<Map<String, Value>>);

impl CustomConfig {
    /// Reads the file of `--custom-config`: a YAML mapping.
    ///
    /// # Errors
    /// [`WorkloadError`] if it cannot be read, or is anything else.
    pub fn read(path: &Path) -> Result<Self, WorkloadError> {
        let text = file::text(path, file::named(path, file::WRITTEN)?)?;
        let mut documents = yaml::parse_as_written(path, &text)?.into_iter();
        let wrong = |message: &str| WorkloadError::Value {
            file: path.to_path_buf(),
            line: 0,
            message: message.to_owned(),
            hint: "use a mapping; templates see its keys as Custom.KEY".into(),
        };
        match (documents.next(), documents.next()) {
            (None, _) => Ok(Self::default()),
            (Some(Value::Object(values)), None) => Ok(Self(Confidential::new(values))),
            (Some(_), None) => Err(wrong("the custom config is not a mapping")),
            (Some(_), Some(_)) => Err(wrong("the custom config has more than one document")),
        }
    }

    /// Lays one value over what is there. `path` names it with dots between
    /// the keys; mappings that are missing on the way are made. `text` is
    /// taken as JSON if it is that, and as text otherwise, and so is a number that
    /// would be written otherwise: `1.10`, a version.
    ///
    /// # Errors
    /// Why it cannot be, in words.
    pub fn set(&mut self, path: &str, text: &str) -> Result<(), String> {
        let mut keys = path.split('.').peekable();
        let mut values = self.0.expose_mut();
        let mut above = String::new();
        while let Some(key) = keys.next() {
            if key.is_empty() {
                return Err("a key between the dots is empty".to_owned());
            }
            if keys.peek().is_none() {
                let value = match serde_json::from_str(text) {
                    Ok(Value::Number(number)) if !yaml::is_as_written(&number, text) => {
                        Value::from(text)
                    }
                    Ok(value) => value,
                    Err(_) => Value::from(text),
                };
                values.insert(key.to_owned(), value);
                return Ok(());
            }
            above = match above.as_str() {
                "" => key.to_owned(),
                above => format!("{above}.{key}"),
            };
            let next = values
                .entry(key)
                .or_insert_with(|| Value::Object(Map::new()));
            values = next.as_object_mut().ok_or_else(|| {
                format!("{above} is not a mapping, so nothing can be set below it")
            })?;
        }
        Ok(())
    }

    /// Returns whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.0.expose().is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn with(values: Value, sets: &[(&str, &str)]) -> Result<Value, String> {
        let mut config = CustomConfig(Confidential::new(values.as_object().unwrap().clone()));
        for (path, text) in sets {
            config.set(path, text)?;
        }
        Ok(Value::Object(config.0.into_exposed()))
    }

    #[test]
    fn values_are_laid_over_what_is_there() {
        let values = json!({"model": {"name": "a", "size": 7}, "seed": 1});
        let sets = [
            ("model.name", "b"),
            ("model.tags", r#"["x", 1]"#),
            ("new.deep.key", "true"),
            ("seed", "\"1\""),
            ("text", "a: b"),
            ("tag", "1.10"),
            ("rate", "1.5"),
            ("count", "3"),
            ("exponent", "1e3"),
            ("id", "12345678901234567890123"),
        ];
        assert_eq!(
            with(values, &sets).unwrap(),
            json!({
                "model": {"name": "b", "size": 7, "tags": ["x", 1]},
                "new": {"deep": {"key": true}}, "seed": "1", "text": "a: b",
                "tag": "1.10", "rate": 1.5, "count": 3, "exponent": "1e3",
                "id": "12345678901234567890123",
            })
        );
    }

    #[test]
    fn a_path_that_leads_nowhere_is_refused() {
        let values = || json!({"a": {"list": [1]}});
        assert_eq!(
            with(values(), &[("a.list.0", "x")]).unwrap_err(),
            "a.list is not a mapping, so nothing can be set below it"
        );
        for path in ["", ".a", "a..b", "a."] {
            assert!(with(values(), &[(path, "x")]).is_err(), "{path:?}");
        }
    }
}
