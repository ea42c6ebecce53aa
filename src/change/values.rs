//! Values of a version that count as secret, as a Secret beside its record holds them.

use std::collections::BTreeMap;
use std::fmt;

use k8s_openapi::ByteString;
use serde_json::{Value, json};

use crate::secrecy::HIDDEN;

/// Key in the Secret.
const KEY: &str = "values.json";

/// The values, by their places in the record.
#[derive(Clone, PartialEq, Eq)]
pub struct Values(pub(super) BTreeMap<String, String>);

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()?;
        f.write_str(HIDDEN)
    }
}

impl Values {
    /// Reads a Secret, if it holds values of a version.
    pub fn read(secret: &Value) -> Option<Self> {
        let bytes: ByteString = serde_json::from_value(secret["data"][KEY].clone()).ok()?;
        serde_json::from_slice(&bytes.0).ok().map(Self)
    }

    /// Returns how many bytes they take.
    pub(super) fn len(&self) -> usize {
        json!(self.0).to_string().len()
    }

    /// Returns the Secret that holds them.
    pub(super) fn secret(&self, metadata: Value) -> Value {
        json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": metadata,
            "type": "Opaque",
            "immutable": true,
            "data": {KEY: ByteString(json!(self.0).to_string().into_bytes())},
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_gives_back_what_it_was_given_and_nothing_shows_it() {
        let values = Values([("/0/a".to_owned(), "canary ä".to_owned())].into());
        let secret = values.secret(json!({"name": "w-1"}));
        assert_eq!(Values::read(&secret), Some(values.clone()));
        assert_eq!(Values::read(&json!({"data": {"other": "eA=="}})), None);
        assert_eq!(format!("{values:?}"), "{\"/0/a\"}…");
    }
}
