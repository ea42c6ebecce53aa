//! Reads a listing while it comes.

use serde::de::{DeserializeOwned, Error as _, IgnoredAny};
use serde_json::Error;

use crate::quantity::ByteSize;

use super::{Flaw, MOST_ITEMS, Page, Reading, Scan, Seen, read};

/// Most bytes of one object, and of the text outside of the objects. etcd takes 1.5 MiB of an object
/// unless it is told otherwise.
pub const MOST_TEXT: ByteSize = ByteSize(16 << 20);
/// Depth of what is in the list of objects: `{"items":[`.
const IN_ITEMS: usize = 2;

/// A listing in JSON of which each object is read once it is there: no more than one of them
/// is held as text.
pub struct ListReader<T> {
    reading: Reading,
    scan: Scan,
    /// The list has begun, and has not ended.
    in_items: bool,
    items: Vec<T>,
    /// The object that has begun.
    object: Vec<u8>,
    /// Everything but the objects.
    rest: Vec<u8>,
    /// Fields and objects that may still be left blank.
    blanks: usize,
    /// What is in the list and begins here is no object.
    in_scalar: bool,
    /// Why the first object that cannot be read cannot.
    wrong: Option<Error>,
}

impl<T: DeserializeOwned> ListReader<T> {
    /// Has seen nothing yet.
    pub fn new(reading: Reading) -> Self {
        Self {
            reading,
            scan: Scan::default(),
            in_items: false,
            items: Vec::new(),
            object: Vec::new(),
            rest: Vec::new(),
            blanks: reading.blanks(),
            in_scalar: false,
            wrong: None,
        }
    }

    /// Looks at the next piece, and reads the objects that are complete. Returns whether
    /// there may be more.
    pub fn take(&mut self, json: &[u8]) -> bool {
        let mut from = 0;
        for (at, byte) in json.iter().enumerate() {
            let before = self.scan.open;
            match self.scan.step(*byte) {
                Seen::Open if self.in_items && before == IN_ITEMS => {
                    self.in_scalar = false;
                    from = at;
                }
                Seen::Close if self.in_items && before == IN_ITEMS + 1 => {
                    self.object.extend_from_slice(&json[from..=at]);
                    self.read_object();
                    from = at + 1;
                }
                Seen::Close if self.in_items && before == IN_ITEMS => {
                    self.in_items = false;
                    from = at;
                }
                Seen::Open if before + 1 == IN_ITEMS && *byte == b'[' => {
                    self.rest.extend_from_slice(&json[from..=at]);
                    self.in_items = self.is_items();
                    from = at + 1;
                }
                // Between objects.
                _ if self.in_items && before == IN_ITEMS => {
                    let is_between = *byte == b',' || byte.is_ascii_whitespace();
                    if !is_between && !self.in_scalar {
                        self.leave_out(Error::custom("the list has something else than objects"));
                    }
                    self.in_scalar = !is_between;
                    from = at + 1;
                }
                _ => {}
            }
        }
        let left = &json[from..];
        match self.in_items {
            true => self.object.extend_from_slice(left),
            false => self.rest.extend_from_slice(left),
        }
        !self.has_too_many_values() && !self.holds_too_much()
    }

    /// Returns whether one object, or the text outside of them, is longer than [`MOST_TEXT`].
    pub fn holds_too_much(&self) -> bool {
        self.rest.len().max(self.object.len()) as u64 > MOST_TEXT.0
    }

    /// Returns whether the list that begins at the end of the rest is that of the objects.
    fn is_items(&self) -> bool {
        let before = self.rest.strip_suffix(b"[").unwrap_or_default();
        let key = before.trim_ascii_end().strip_suffix(b":");
        key.is_some_and(|key| key.trim_ascii_end().ends_with(b"\"items\""))
    }

    fn read_object(&mut self) {
        if self.items.len() == MOST_ITEMS {
            let message = format!("a page of more than {MOST_ITEMS} objects");
            self.wrong.get_or_insert(Error::custom(message));
        }
        if self.wrong.is_none() && !self.has_too_many_values() {
            match read(&self.object, &mut self.blanks) {
                Ok(item) => self.items.push(item),
                Err(error) if error.is_data() => self.leave_out(error),
                Err(error) => self.wrong = Some(error),
            }
        }
        self.object.clear();
    }

    /// Leaves out what is no such object, unless there were too many, which are those of
    /// another API.
    fn leave_out(&mut self, error: Error) {
        match self.blanks.checked_sub(1) {
            Some(blanks) => self.blanks = blanks,
            None => _ = self.wrong.get_or_insert(error),
        }
    }

    /// Returns all but the objects, by which it is told what else an answer is.
    pub fn rest(&self) -> &[u8] {
        &self.rest
    }

    /// Returns whether there are more than [`super::MOST_VALUES`].
    pub fn has_too_many_values(&self) -> bool {
        self.scan.flaw() == Some(Flaw::Excess)
    }

    /// Returns the page.
    ///
    /// # Errors
    /// If it is not JSON, ends in the middle, or is no page of such objects.
    pub fn finish(self) -> serde_json::Result<Page<T>> {
        let head: Page<IgnoredAny> = self.reading.parse(&self.rest)?;
        match self.wrong {
            Some(error) => Err(error),
            None => Ok(Page {
                metadata: head.metadata,
                items: self.items,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::MOST_BLANKS;
    use super::super::tests::Pod;
    use super::*;

    /// Reads pieces of this length.
    fn read_in_pieces(
        json: &str,
        length: usize,
        reading: Reading,
    ) -> Result<(Vec<Pod>, String), String> {
        let mut list = ListReader::new(reading);
        for piece in json.as_bytes().chunks(length) {
            assert!(list.take(piece));
        }
        let page = list.finish().map_err(|error| error.to_string())?;
        Ok((page.items, page.metadata.next))
    }

    #[test]
    fn a_listing_is_read_as_it_is_at_once() {
        let whole = [
            r#"{"kind":"PodList","metadata":{"continue":"n"},"items":[{"name":"a"},{"name":"b","node":"}]\"[{"}]}"#,
            r#"{"apiVersion":"v1", "items" : [ {"name": "a", "x": [{"items": [{}]}]} , {"name":"b"} ], "metadata": {"continue": "n", "items": [1]}}"#,
            r#"{"items":[],"metadata":{"continue":""}}"#,
            r#"{"items":null,"metadata":{}}"#,
            r#"{"items":[{"name":"a","node":7},null,{"node":"x"},[{"name":"c"}],"y z",{"name":"b"}]}"#,
            r#"{"items":7}"#,
            r#"{"metadata":{}}"#,
            r#"{"items":[{"name":"a"}]} more"#,
            r#"{"items":[{"name":"a"}]]"#,
            r#"{"items":{"name":"a"}}"#,
            r#"[{"name":"a"}]"#,
            "",
            "<html>{}</html>",
        ];
        for json in whole {
            for reading in [Reading::Strict, Reading::Blank] {
                let at_once = reading.parse::<Page<Pod>>(json.as_bytes());
                let at_once = at_once.map(|page| (page.items, page.metadata.next)).ok();
                for length in 1..=json.len().max(1) {
                    let read = read_in_pieces(json, length, reading).ok();
                    assert_eq!(read, at_once, "{json} by {length}, {reading:?}");
                }
            }
        }
    }

    #[test]
    fn what_is_cut_is_no_listing() {
        let whole = r#"{"items":[{"name":"a"},{"name":"b"}],"metadata":{}}"#;
        for end in 0..whole.len() {
            let error = read_in_pieces(&whole[..end], 7, Reading::Blank).unwrap_err();
            assert!(error.contains("EOF"), "{end}: {error}");
        }
    }

    #[test]
    fn odd_objects_are_few_and_pages_have_an_end() {
        let list =
            |object: &str, count| format!(r#"{{"items":[{}]}}"#, vec![object; count].join(","));
        for odd in ["null", "{}", "[]"] {
            let left_out = read_in_pieces(&list(odd, MOST_BLANKS), 99, Reading::Blank);
            assert_eq!(left_out, Ok((Vec::new(), String::new())), "{odd}");
            assert!(read_in_pieces(&list(odd, MOST_BLANKS + 1), 99, Reading::Blank).is_err());
            assert!(read_in_pieces(&list(odd, 1), 99, Reading::Strict).is_err());
        }
        let whole = list(r#"{"name":"a"}"#, MOST_ITEMS);
        let (items, _) = read_in_pieces(&whole, 5000, Reading::Strict).unwrap();
        assert_eq!(items.len(), MOST_ITEMS);
        let error = read_in_pieces(
            &list(r#"{"name":"a"}"#, MOST_ITEMS + 1),
            5000,
            Reading::Blank,
        );
        assert!(error.unwrap_err().contains("10000 objects"));
    }

    #[test]
    fn a_bomb_is_known_by_its_values() {
        let mut list = ListReader::<Pod>::new(Reading::Blank);
        assert!(list.take(br#"{"items":[{"name":["#));
        for _ in 0..999 {
            assert!(list.take(&b"{},".repeat(1000)));
        }
        assert!(!list.take(&b"{},".repeat(2000)));
        assert!(list.has_too_many_values());
    }

    #[test]
    fn what_is_no_object_is_not_held_for_ever() {
        for beginning in ["", r#"{"items":[{"name":""#, r#"{"items":7,"x":""#] {
            let mut list = ListReader::<Pod>::new(Reading::Blank);
            assert!(list.take(beginning.as_bytes()));
            let mut pieces = 1_u32;
            while list.take(&[b'0'; 1 << 20]) {
                pieces += 1;
            }
            assert!((15..=17).contains(&pieces), "{beginning}: {pieces}");
            assert!(!list.has_too_many_values());
        }
    }
}
