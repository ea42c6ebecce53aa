//! The type of values that may be secret.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

use super::HIDDEN;

/// A value that may be secret: of a variable, in a manifest, in a file. Messages and
/// debug output cannot show it, and what contains it does not serialise unless a field
/// names [`exposed`].
///
/// It has no `Display`:
///
/// ```compile_fail
/// let token = kaiwo_base::secrecy::Confidential::new("token".to_owned());
/// format!("{token}");
/// ```
///
/// And no `Serialize`:
///
/// ```compile_fail
/// let token = kaiwo_base::secrecy::Confidential::new("token".to_owned());
/// serde_json::to_string(&token);
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Confidential<T>(T);

impl<T> Confidential<T> {
    /// Takes a value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// Returns the value, for where it belongs: the object that is sent, the pod.
    pub const fn expose(&self) -> &T {
        &self.0
    }

    /// Returns the value, to change it.
    pub const fn expose_mut(&mut self) -> &mut T {
        &mut self.0
    }

    /// Returns the value and gives up its protection.
    pub fn into_exposed(self) -> T {
        self.0
    }
}

impl<T> From<T> for Confidential<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T> fmt::Debug for Confidential<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

/// Serialises a value as it is: `#[serde(serialize_with = "exposed")]`.
///
/// # Errors
/// Those of the serializer.
pub fn exposed<V: Expose, S: Serializer>(value: &V, serializer: S) -> Result<S::Ok, S::Error> {
    value.exposed().serialize(serializer)
}

/// What [`exposed`] takes: one value, or perhaps one.
pub trait Expose {
    /// Returns what is serialised.
    fn exposed(&self) -> impl Serialize;
}

impl<T: Serialize> Expose for Confidential<T> {
    fn exposed(&self) -> impl Serialize {
        &self.0
    }
}

impl<T: Serialize> Expose for Option<Confidential<T>> {
    fn exposed(&self) -> impl Serialize {
        self.as_ref().map(|value| &value.0)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Debug, Serialize, Deserialize)]
    struct Variable {
        name: String,
        #[serde(serialize_with = "exposed")]
        value: Option<Confidential<String>>,
    }

    #[test]
    fn a_value_is_read_and_serialised_and_never_shown() {
        let object = json!({"name": "TOKEN", "value": "canary"});
        let variable: Variable = serde_json::from_value(object.clone()).unwrap();
        assert_eq!(
            format!("{variable:?}"),
            "Variable { name: \"TOKEN\", value: Some(…) }"
        );
        assert_eq!(json!(variable), object);
        let mut value = variable.value.unwrap();
        value.expose_mut().push('!');
        assert_eq!(value.into_exposed(), "canary!");
    }
}
