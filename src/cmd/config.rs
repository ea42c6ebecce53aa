//! `kaiwo config show`.

use std::path::Path;

use serde::Serialize;

use crate::cli::ConfigShowArgs;
use crate::error::CommandError;
use crate::plan::request::pod::SecretKey;
use crate::secrecy;
use crate::settings::{Format, ShownSetting};
use crate::ui::Ui;
use crate::ui::report::API_VERSION;
use crate::workload::directory::DEFAULT_LIMIT;

use super::help::cannot_write;
use super::sources;
use crate::request::{DEFAULT_NAMESPACE, DEFAULT_QUEUE};

/// The settings for programs.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SettingsReport {
    api_version: &'static str,
    kind: &'static str,
    settings: Vec<Row>,
}

#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Serialize)]
struct Row {
    key: String,
    value: serde_json::Value,
    from: String,
}

/// Shows every setting with its origin. `output` is what the variable asks for,
/// unless a flag does.
pub fn show(args: &ConfigShowArgs, ui: Ui, output: Option<Format>) -> Result<(), CommandError> {
    let merged = sources::as_said(args.path.as_deref())?;
    let mut rows: Vec<Row> = merged.entries().into_iter().map(row).collect();
    for (key, value) in [
        ("namespace", serde_json::json!(DEFAULT_NAMESPACE)),
        ("queue", serde_json::json!(DEFAULT_QUEUE)),
        ("uploadLimit", serde_json::json!(DEFAULT_LIMIT)),
    ] {
        if !rows.iter().any(|row| row.key == key) {
            rows.push(Row {
                key: key.to_owned(),
                value,
                from: "default".to_owned(),
            });
        }
    }
    let report = SettingsReport {
        api_version: API_VERSION,
        kind: "Settings",
        settings: rows,
    };
    ui.show(&report, args.output.or(output), || table(&report.settings))
        .map_err(cannot_write)
}

fn row(entry: ShownSetting<'_>) -> Row {
    let hidden = serde_json::json!("(hidden)");
    Row {
        value: match may_be_secret(&entry) {
            true => hidden,
            false => entry.value.into_exposed(),
        },
        key: match entry.key.split_once('.') {
            Some((setting, name)) if !secrecy::is_name(name) => format!("{setting}.(hidden)"),
            _ => entry.key,
        },
        from: entry.origin.to_string(),
    }
}

/// Returns whether a value may be secret: those of variables and of templates,
/// and what stands where something else belongs.
fn may_be_secret(entry: &ShownSetting<'_>) -> bool {
    // Items of lists are read, and can hold no text of any kind.
    let looks_so = |item: &serde_json::Value| item.as_str().is_some_and(secrecy::may_be_secret);
    let (key, text) = (entry.key.as_str(), entry.value.expose().as_str());
    let (setting, name) = key.split_once('.').unwrap_or((key, "-"));
    if !secrecy::is_name(name) {
        return true;
    }
    match setting {
        "env" | "set" => true,
        // It shows no more than may be seen.
        "notify" => false,
        "secret" => text.is_none_or(|text| text.parse::<SecretKey>().is_err()),
        _ => match entry.value.expose() {
            serde_json::Value::Array(items) => items.iter().any(looks_so),
            _ => text.is_some_and(|text| secrecy::path(Path::new(text)) != text),
        },
    }
}

fn table(rows: &[Row]) -> String {
    let shown = |row: &Row| match &row.value {
        serde_json::Value::String(text) => text.clone(),
        value => value.to_string(),
    };
    let cells: Vec<[String; 3]> =
        std::iter::once(["KEY".to_owned(), "VALUE".to_owned(), "FROM".to_owned()])
            .chain(
                rows.iter()
                    .map(|row| [row.key.clone(), shown(row), row.from.clone()]),
            )
            .collect();
    let width = |column: usize| {
        cells
            .iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let (keys, values) = (width(0), width(1));
    cells
        .iter()
        .map(|[key, value, from]| format!("{key:<keys$}  {value:<values$}  {from}\n"))
        .collect()
}

#[cfg(test)]
crate::schema::testing::report_schemas!(SettingsReport => "Settings");
