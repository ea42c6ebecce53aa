//! Types for the answers of an API server, whatever was asked for, and how they are
//! read: up to limits that no honest answer reaches.

mod list;

use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeOwned, Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_path_to_error::{Path, Segment};

pub use list::{ListReader, MOST_TEXT};

/// Most values in the JSON of an answer, about: a page of 500 objects has a few
/// hundred for each.
pub const MOST_VALUES: usize = 2_000_000;
/// Most objects on a page. 500 are asked for.
const MOST_ITEMS: usize = 10_000;
/// Most fields of an answer that are left blank.
const MOST_BLANKS: usize = 100;

/// The answer to a read, or that the user may not read this.
#[derive(Debug, Clone, PartialEq)]
pub enum Readable<T> {
    /// The API server answered.
    Known(T),
    /// The user may not read this.
    Forbidden,
}

impl<T: Default> Readable<T> {
    /// Makes nothing of what may not be read.
    pub fn or_default(self) -> T {
        match self {
            Self::Known(value) => value,
            Self::Forbidden => T::default(),
        }
    }
}

impl<T> Readable<T> {
    /// Returns the answer, if there is one.
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Forbidden => None,
        }
    }
}

/// A page of a listing.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(bound(deserialize = "T: Deserialize<'de>"))]
pub struct Page<T> {
    /// What is told about the listing.
    #[serde(default)]
    pub metadata: PageMetadata,
    /// Its objects.
    #[serde(deserialize_with = "few")]
    pub items: Vec<T>,
}

/// `metadata` of a listing.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct PageMetadata {
    /// Where the next page begins; empty on the last one.
    #[serde(rename = "continue", default)]
    pub next: String,
}

/// Reads a list that is no longer than a page.
fn few<'de, T: Deserialize<'de>, D: Deserializer<'de>>(list: D) -> Result<Vec<T>, D::Error> {
    struct Few<T>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>> Visitor<'de> for Few<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
            let mut items = Vec::new();
            while let Some(item) = list.next_element()? {
                if items.len() == MOST_ITEMS {
                    let message = format!("a page of more than {MOST_ITEMS} objects");
                    return Err(A::Error::custom(message));
                }
                items.push(item);
            }
            Ok(items)
        }

        // An empty list of metadata alone (API server v1.36).
        fn visit_unit<E>(self) -> Result<Vec<T>, E> {
            Ok(Vec::new())
        }
    }
    list.deserialize_any(Few(PhantomData))
}

/// What is wrong with JSON as a whole, seen without making anything of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// It ends in the middle.
    Cut,
    /// It holds more than [`MOST_VALUES`] values. A value takes three bytes, and hundreds
    /// of them in memory.
    Excess,
}

/// What was seen of JSON that comes piece by piece.
#[derive(Debug, Clone, Default)]
pub struct Scan {
    values: usize,
    /// Objects and lists that have not ended.
    open: usize,
    in_text: bool,
    is_escaped: bool,
    has_begun: bool,
}

/// What a byte does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// It begins an object or a list.
    Open,
    /// It ends one.
    Close,
    /// Anything else.
    Other,
}

impl Scan {
    /// Looks at the next piece.
    pub fn take(&mut self, json: &[u8]) {
        for byte in json {
            self.step(*byte);
        }
    }

    fn step(&mut self, byte: u8) -> Seen {
        self.has_begun |= !byte.is_ascii_whitespace();
        match (self.in_text, byte) {
            (true, _) if self.is_escaped => self.is_escaped = false,
            (true, b'\\') => self.is_escaped = true,
            (_, b'"') => self.in_text = !self.in_text,
            (false, b',') => self.values += 1,
            (false, b'[' | b'{') => {
                self.values += 1;
                self.open += 1;
                return Seen::Open;
            }
            (false, b']' | b'}') => {
                self.open = self.open.saturating_sub(1);
                return Seen::Close;
            }
            _ => {}
        }
        Seen::Other
    }

    /// Returns what is wrong with all of it as a whole.
    pub fn flaw(&self) -> Option<Flaw> {
        match self.values > MOST_VALUES {
            true => Some(Flaw::Excess),
            false => (self.in_text || self.open > 0 || !self.has_begun).then_some(Flaw::Cut),
        }
    }
}

/// How an answer is understood of which a field is not as it should be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Reading {
    /// It is not: what is decided by it could be wrong.
    #[default]
    Strict,
    /// Without that field, for who only looks.
    Blank,
}

impl Reading {
    /// Reads JSON.
    ///
    /// # Errors
    /// If it is not JSON, or does not have the form of `T`.
    pub fn parse<T: DeserializeOwned>(self, json: &[u8]) -> serde_json::Result<T> {
        read(json, &mut self.blanks())
    }

    /// Reads what was JSON.
    ///
    /// # Errors
    /// If it is not of the form of `T`.
    pub fn of_value<T: DeserializeOwned>(self, value: &Value) -> serde_json::Result<T> {
        match (self, T::deserialize(value)) {
            (Self::Blank, Err(error)) => {
                without_odd_fields(value.clone(), &mut self.blanks()).ok_or(error)
            }
            (_, read) => read,
        }
    }

    /// Returns how many fields and objects may be left blank.
    fn blanks(self) -> usize {
        match self {
            Self::Strict => 0,
            Self::Blank => MOST_BLANKS,
        }
    }
}

/// Reads JSON, without up to `blanks` fields that cannot be read.
fn read<T: DeserializeOwned>(json: &[u8], blanks: &mut usize) -> serde_json::Result<T> {
    match serde_json::from_slice(json) {
        Err(error) if error.is_data() && *blanks > 0 => {
            let value = serde_json::from_slice(json)?;
            without_odd_fields(value, blanks).ok_or(error)
        }
        read => read,
    }
}

/// Reads JSON without the fields that cannot be read, each as far down as it can be
/// told; an object that lacks what it needs is left out of its list. No more than `blanks`
/// are left out, from which those are taken off that were.
fn without_odd_fields<T: DeserializeOwned>(mut value: Value, blanks: &mut usize) -> Option<T> {
    while *blanks > 0 {
        match serde_path_to_error::deserialize(&value) {
            Ok(read) => return Some(read),
            Err(error) if remove(&mut value, error.path()) => *blanks -= 1,
            Err(_) => break,
        }
    }
    None
}

/// Removes what is at a path; returns whether there was something.
fn remove(value: &mut Value, path: &Path) -> bool {
    let mut segments: Vec<&Segment> = path.iter().collect();
    // Which of several forms it should have is not known, only where.
    segments.retain(|segment| matches!(segment, Segment::Seq { .. } | Segment::Map { .. }));
    let Some((last, above)) = segments.split_last() else {
        return false;
    };
    let at = above.iter().try_fold(value, |at, segment| match segment {
        Segment::Seq { index } => at.get_mut(*index),
        Segment::Map { key } => at.get_mut(key),
        _ => None,
    });
    match (at, last) {
        (Some(Value::Array(items)), Segment::Seq { index }) if *index < items.len() => {
            items.remove(*index);
            true
        }
        (Some(Value::Object(fields)), Segment::Map { key }) => fields.remove(key).is_some(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    pub(super) struct Pod {
        name: String,
        #[serde(default)]
        node: String,
        #[serde(default)]
        gpus: Vec<u32>,
    }

    fn names(json: &str) -> Option<Vec<(String, String, usize)>> {
        let page: Page<Pod> = Reading::Blank.parse(json.as_bytes()).ok()?;
        let pods = page.items.into_iter();
        Some(
            pods.map(|pod| (pod.name, pod.node, pod.gpus.len()))
                .collect(),
        )
    }

    #[test]
    fn an_odd_field_is_left_blank() {
        let pod = |name: &str, node: &str, gpus| (name.to_owned(), node.to_owned(), gpus);
        let odd = r#"{"metadata": 7, "items": [
            {"name": "a", "node": {"x": 1}, "gpus": [1, "two", 3]},
            {"name": 5}, null, {"node": "n"}, {"name": "b", "node": "n"}]}"#;
        assert_eq!(names(odd), Some(vec![pod("a", "", 2), pod("b", "n", 0)]));
        assert_eq!(names(r#"{"items": null}"#), Some(Vec::new()));
        for hopeless in ["", "[", "7", r#"{"items": 7}"#, r#"{"metadata": {}}"#] {
            assert_eq!(names(hopeless), None, "{hopeless}");
        }
        assert!(Reading::Strict.parse::<Page<Pod>>(odd.as_bytes()).is_err());
        // As many odd ones as that are another API.
        let odd = format!(r#"{{"items": [{}{{}}]}}"#, "{},".repeat(MOST_BLANKS));
        assert_eq!(names(&odd), None);
    }

    #[test]
    fn a_page_is_as_long_as_pages_are() {
        let page = |count: usize| {
            let json = format!(r#"{{"items": [{}]}}"#, vec!["{}"; count].join(","));
            let page = Reading::Blank.parse::<Page<PageMetadata>>(json.as_bytes());
            page.map(|page| page.items.len())
        };
        assert_eq!(page(MOST_ITEMS).unwrap(), MOST_ITEMS);
        let refused = page(MOST_ITEMS + 1).unwrap_err();
        assert!(refused.to_string().contains("10000 objects"), "{refused}");
    }

    fn flaw(pieces: &[&[u8]]) -> Option<Flaw> {
        let mut scan = Scan::default();
        for piece in pieces {
            scan.take(piece);
        }
        scan.flaw()
    }

    #[test]
    fn a_bomb_is_known_by_its_values() {
        let list = |item: &str| format!("[{}]", vec![item; MOST_VALUES].join(","));
        assert_eq!(flaw(&[list("{}").as_bytes()]), Some(Flaw::Excess));
        assert_eq!(flaw(&[format!("[{:?}]", list("{}")).as_bytes()]), None);
    }

    #[test]
    fn what_ends_in_the_middle_is_cut() {
        let whole = r#"{"items":[{"a":"}\"]"},[]],"b":1} "#;
        for end in 0..=whole.len() {
            let (beginning, rest) = whole.as_bytes().split_at(end);
            assert_eq!(flaw(&[beginning, rest]), None, "{end}");
            let is_cut = end < whole.len() - 1;
            assert_eq!(flaw(&[beginning]), is_cut.then_some(Flaw::Cut), "{end}");
        }
    }
}
