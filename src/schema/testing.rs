//! The JSON that programs read, as JSON Schema: `docs/schemas/v1`. The forms come from the
//! types, the descriptions from the tables of `docs/json.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

/// Fields of a type with two uses that one of them never has.
const NEVER: [(&str, &str); 2] = [
    ("Diagnosis", "contest.ahead[].clusterQueue"),
    ("Diagnosis", "contest.holders[].place"),
];

/// Declares the test that the schemas of these reports are committed and current.
macro_rules! report_schemas {
    ($($report:ty => $kind:literal),+ $(,)?) => {
        #[test]
        fn schemas_are_current() {
            $($crate::schema::testing::is_current::<$report>($kind);)+
        }
    };
}
pub(crate) use report_schemas;

/// Compares with the committed schema;
/// `KAIWO_BLESS=1 cargo test --lib schemas_are_current` writes it.
pub fn is_current<T: JsonSchema>(kind: &str) {
    let text = serde_json::to_string_pretty(&schema::<T>(kind)).unwrap() + "\n";
    let file = checkout(&format!("docs/schemas/v1/{kind}.schema.json"));
    if std::env::var_os("KAIWO_BLESS").is_some() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, &text).unwrap();
    }
    let committed = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        committed == text,
        "{} is not current: KAIWO_BLESS=1 cargo test --lib schemas_are_current",
        file.display()
    );
}

fn checkout(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Returns the schema of a report. It takes whatever later releases of v1 write:
/// further fields, and further words, which are therefore examples.
fn schema<T: JsonSchema>(kind: &str) -> Value {
    let mut settings = SchemaSettings::draft2020_12().for_serialize();
    settings.inline_subschemas = true;
    let generated = settings.into_generator().into_root_schema_for::<T>();
    let mut form = generated.to_value();
    let tables = Tables::read();
    let mut seen = BTreeSet::new();
    tables.describe(&mut form, kind, "", &mut seen);
    let rows: BTreeSet<String> = tables.rows[kind].keys().cloned().collect();
    let (lacking, superfluous) = (&seen - &rows, &rows - &seen);
    assert!(
        lacking.is_empty() && superfluous.is_empty(),
        "docs/json.md, {kind}: lacks {lacking:?}; there is no {superfluous:?}"
    );
    form["properties"]["apiVersion"] = json!({
        "const": "kaiwo/v1",
        "description": "Version of this JSON",
    });
    form["properties"]["kind"] = json!({"const": kind, "description": "Kind of this document"});
    form["title"] = json!(kind);
    form["description"] = json!(tables.from[kind]);
    form
}

/// What `docs/json.md` says: fields with their meaning, and where a kind comes from.
struct Tables {
    rows: BTreeMap<String, BTreeMap<String, String>>,
    from: BTreeMap<String, String>,
}

impl Tables {
    fn read() -> Self {
        let text = std::fs::read_to_string(checkout("docs/json.md")).unwrap();
        let (mut rows, mut from) = (BTreeMap::<_, BTreeMap<_, _>>::new(), BTreeMap::new());
        let mut kind = String::new();
        for line in text.lines() {
            if let Some(heading) = line.strip_prefix("## ") {
                kind = heading.trim_matches('`').to_owned();
            } else if line.starts_with("From ") {
                let sentence = line.split(". ").next().unwrap_or(line);
                from.entry(kind.clone()).or_insert_with(|| plain(sentence));
            }
            let cells: Vec<&str> = line.split(" | ").collect();
            if let [field, _, _, meaning] = cells[..]
                && let Some(field) = field.strip_prefix("| `")
            {
                let field = field.trim_end_matches('`').to_owned();
                let meaning = plain(meaning.trim_end_matches(" |"));
                rows.entry(kind.clone()).or_default().insert(field, meaning);
            }
        }
        Self { rows, from }
    }

    /// Gives the fields below `place` their descriptions, and settles their forms.
    fn describe(&self, form: &mut Value, kind: &str, place: &str, seen: &mut BTreeSet<String>) {
        settle(form);
        let required = form.get("required").cloned().unwrap_or_default();
        let required: Vec<&str> = required
            .as_array()
            .map(|names| names.iter().filter_map(Value::as_str).collect())
            .unwrap_or_default();
        let mut properties = form.get_mut("properties").and_then(Value::as_object_mut);
        if let Some(properties) = &mut properties {
            properties
                .retain(|name, _| !NEVER.contains(&(kind, format!("{place}{name}").as_str())));
        }
        for (name, field) in properties.into_iter().flatten() {
            let place = format!("{place}{name}");
            let meaning = self.rows.get(kind).and_then(|rows| rows.get(&place));
            seen.insert(place.clone());
            if !required.contains(&name.as_str()) {
                never_null(field);
            }
            // A report in a report has a section of its own.
            match name.as_str() {
                "error" => self.describe(field, "Error", "", &mut BTreeSet::new()),
                _ => self.describe(field, kind, &format!("{place}."), seen),
            }
            if let Value::Bool(_) = field {
                *field = json!({});
            }
            field["description"] = json!(meaning);
        }
        if let Some(items) = form.get_mut("items") {
            let place = format!("{}[].", place.trim_end_matches('.'));
            self.describe(items, kind, &place, seen);
        }
    }
}

/// Returns a text of Markdown without its links and marks of code.
fn plain(text: &str) -> String {
    let links = regex::Regex::new(r"\[([^\]]*)\]\([^)]*\)").unwrap();
    let text = links.replace_all(text, "$1").replace('`', "");
    text.trim().trim_end_matches('.').to_owned()
}

/// A field that has no value is omitted.
fn never_null(form: &mut Value) {
    if let Some(Value::Array(types)) = form.get_mut("type") {
        types.retain(|it| it != "null");
        if let [one] = &types[..] {
            form["type"] = one.clone();
        }
    }
    if let Some(Value::Array(forms)) = form.get_mut("anyOf") {
        forms.retain(|it| it["type"] != "null");
        if let [one] = &forms[..] {
            *form = one.clone();
        }
    }
}

/// Removes the comments of the code and the sizes of Rust's numbers, and turns lists of
/// words into examples.
fn settle(form: &mut Value) {
    let Some(object) = form.as_object_mut() else {
        return;
    };
    object.remove("description");
    object.remove("title");
    if object
        .get("format")
        .is_some_and(|format| format != "date-time")
    {
        object.remove("format");
    }
    let words = words(object);
    if !words.is_empty() {
        *object = Map::from_iter([
            ("type".to_owned(), json!("string")),
            ("examples".to_owned(), json!(words)),
        ]);
    }
}

/// Returns the words of a form that is a list of words.
fn words(object: &Map<String, Value>) -> Vec<Value> {
    let own = |form: &Value| match (form.get("const"), form.get("enum")) {
        (Some(word), _) => vec![word.clone()],
        (None, Some(Value::Array(words))) => words.clone(),
        _ => Vec::new(),
    };
    match object.get("oneOf").or_else(|| object.get("anyOf")) {
        Some(Value::Array(forms)) if forms.iter().all(|it| !own(it).is_empty()) => {
            forms.iter().flat_map(own).collect()
        }
        _ => own(&Value::Object(object.clone())),
    }
}
