//! The table of settings, as it is documented and as JSON Schema.

use serde_json::{Value, json};

use crate::schema::{camel_case, document, object};

use super::Settings;

/// Files that hold settings: their names, and where they are.
pub const SETTINGS_FILES: [(&str, &str); 2] = [
    (
        "kaiwoconfig",
        "Settings of a workload, in its directory. They win over the user's own.",
    ),
    (
        "config",
        "Settings of a user, in ~/.config/kaiwo/config.yaml.",
    ),
];

/// One row of the table.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// Name of the field, and with hyphens that of the flag.
    pub field: &'static str,
    /// Other keys in files: those of the original kaiwo.
    pub aliases: &'static [&'static str],
    pub variable: &'static str,
    /// What it means.
    pub description: &'static str,
    /// What may stand in a file.
    pub schema: Value,
}

impl Setting {
    /// Returns its key in files.
    pub fn key(&self) -> String {
        camel_case(self.field)
    }
}

impl Settings {
    /// Returns the JSON Schema of one of [`SETTINGS_FILES`].
    pub fn schema((name, description): (&str, &str)) -> Value {
        let table = Self::table();
        let fields = table.iter().flat_map(|setting| {
            let Setting {
                field,
                description,
                schema,
                ..
            } = setting;
            let own = (*field, *description, false, schema.clone());
            let aliases = setting.aliases.iter().map(move |alias| {
                let mut schema = schema.clone();
                schema["deprecated"] = json!(true);
                (*alias, *description, false, schema)
            });
            std::iter::once(own).chain(aliases)
        });
        document(&format!("{name} of kaiwo"), description, object(fields))
    }
}
