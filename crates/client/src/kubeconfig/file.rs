//! One kubeconfig as it lies on the disk.

use std::path::Path;

use serde_json::Value;

use super::KubeconfigError;
use super::entry::{ClusterEntry, Context, Fields, UserEntry};
use kaiwo_base::file;
use kaiwo_base::secrecy;
use kaiwo_base::yaml;

/// What one file says.
#[derive(Debug, Default)]
pub(crate) struct File {
    pub(crate) current_context: String,
    pub(crate) clusters: Vec<(String, ClusterEntry)>,
    pub(crate) users: Vec<(String, UserEntry)>,
    pub(crate) contexts: Vec<(String, Context)>,
}

/// Reads a file; `None` if there is none.
pub(crate) fn read(path: &Path) -> Result<Option<File>, KubeconfigError> {
    let wrong = |message: String| KubeconfigError::new(Some(path), message);
    let bytes = match file::named(path, file::KUBECONFIG) {
        Ok(bytes) => bytes,
        Err(error) if error.is_missing() => return Ok(None),
        Err(error) => return Err(wrong(error.reason.to_string()).hint(error.reason.hint(path))),
    };
    let text = decode(&bytes).ok_or_else(|| wrong("it is not text".to_owned()))?;
    let mended = || {
        format!(
            "show its content: kubectl config view --kubeconfig {}",
            secrecy::path(path)
        )
    };
    let document = match serde_json::from_str(&text) {
        Ok(document) => document,
        Err(_) => yaml::parse_first(&text).map_err(|line| {
            let line = match line {
                0 => String::new(),
                line => format!(" (line {line})"),
            };
            wrong(format!("it is neither YAML nor JSON{line}")).hint(mended())
        })?,
    };
    let folder = path.parent().unwrap_or(Path::new(""));
    parse(&document, folder)
        .map(Some)
        .map_err(|message| wrong(message).hint(mended()))
}

/// Returns the text of a file by its byte order mark, UTF-8 without one.
fn decode(bytes: &[u8]) -> Option<String> {
    let wide = |bytes: &[u8], join: fn([u8; 2]) -> u16| {
        let units = bytes.chunks_exact(2).map(|pair| join([pair[0], pair[1]]));
        String::from_utf16(&units.collect::<Vec<u16>>()).ok()
    };
    match bytes {
        [0xff, 0xfe, rest @ ..] => wide(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => wide(rest, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8(rest.to_vec()).ok(),
        bytes => String::from_utf8(bytes.to_vec()).ok(),
    }
}

fn parse(document: &Value, folder: &Path) -> Result<File, String> {
    let file = Fields::new("the file", document)?;
    for (field, expected) in [("apiVersion", "v1"), ("kind", "Config")] {
        if !matches!(file.text(field)?.as_str(), "" | "__internal") && file.text(field)? != expected
        {
            return Err(format!(
                "it is not a kubeconfig: its {field} is not {expected}"
            ));
        }
    }
    Ok(File {
        current_context: file.text("current-context")?,
        clusters: named(&file, "clusters", "cluster", |fields| {
            ClusterEntry::parse(fields, folder)
        })?,
        users: named(&file, "users", "user", |fields| {
            UserEntry::parse(fields, folder)
        })?,
        contexts: named(&file, "contexts", "context", Context::parse)?,
    })
}

/// Reads a list of entries with names. One name twice in one file is an
/// error, as it is to kubectl.
fn named<T>(
    file: &Fields<'_>,
    list: &str,
    field: &str,
    parse: impl Fn(&Fields<'_>) -> Result<T, String>,
) -> Result<Vec<(String, T)>, String> {
    let mut entries: Vec<(String, T)> = Vec::new();
    for (at, item) in file.list(list)?.iter().enumerate() {
        let item = Fields::new(&format!("{list}[{at}]"), item)?;
        let name = item.text("name")?;
        if entries.iter().any(|(known, _)| *known == name) {
            return Err(format!("{list} has two entries named {name:?}"));
        }
        let place = format!("{field} {name:?}");
        let entry = parse(&item.inner(&place, field)?)?;
        entries.push((name, entry));
    }
    Ok(entries)
}
