//! Values of a version that count as secret, as a Secret beside its record holds them.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use serde_json::{Value, json};

use crate::secrecy::redaction::Taken;

/// Key in the Secret.
const KEY: &str = "values.json";

/// The values, by their places in the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedValues(pub(super) Taken);

impl RecordedValues {
    /// Reads a Secret, if it holds values of a version.
    pub fn read(secret: &Value) -> Option<Self> {
        let bytes: ByteString = serde_json::from_value(secret["data"][KEY].clone()).ok()?;
        serde_json::from_slice(&bytes.0).ok().map(Self)
    }

    fn text(&self) -> String {
        let values = self.0.iter();
        let values: BTreeMap<_, _> = values.map(|(at, value)| (at, value.expose())).collect();
        json!(values).to_string()
    }

    /// Returns how many bytes they take.
    pub(super) fn len(&self) -> usize {
        self.text().len()
    }

    /// Returns the Secret that holds them.
    pub(super) fn secret(&self, metadata: Value) -> Value {
        json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": metadata,
            "type": "Opaque",
            "immutable": true,
            "data": {KEY: ByteString(self.text().into_bytes())},
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secrecy::Confidential;

    #[test]
    fn a_secret_gives_back_what_it_was_given_and_nothing_shows_it() {
        let values =
            RecordedValues([("/0/a".to_owned(), Confidential::new("canary ä".to_owned()))].into());
        let secret = values.secret(json!({"name": "w-1"}));
        assert_eq!(RecordedValues::read(&secret), Some(values.clone()));
        assert_eq!(
            RecordedValues::read(&json!({"data": {"other": "eA=="}})),
            None
        );
        assert_eq!(format!("{values:?}"), "RecordedValues({\"/0/a\": …})");
    }
}
