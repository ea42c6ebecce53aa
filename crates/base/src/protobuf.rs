//! Reads protobuf as the JSON that it stands for, up to a limit and no more of it than
//! a schema names. Only kinds that Kubernetes defines itself have such a form, and the
//! API server writes it many times faster than JSON.

use k8s_openapi::jiff::Timestamp;
use serde::de::{DeserializeOwned, Error as _};
use serde_json::{Map, Value};

use super::answer::{MOST_VALUES, Reading};

/// What the API server's protobuf begins with, before `runtime.Unknown`
/// (apimachinery `serializer/protobuf`, v1.36).
const MAGIC: &[u8] = b"k8s\0";

/// The fields of a message that are read: number, name in JSON, form. Numbers never
/// change (Kubernetes' `generated.proto`).
pub type Message = &'static [(u64, &'static str, FieldType)];

/// How a field is written.
#[derive(Debug, Clone, Copy)]
pub enum FieldType {
    /// `string`.
    Text,
    /// `int32` or `int64`.
    Number,
    /// `bool`.
    Bool,
    /// `meta.v1.Time`: seconds since 1970, and nanoseconds; a text in JSON.
    Time,
    /// `resource.Quantity`; a text in JSON.
    Quantity,
    /// A message.
    Object(Message),
    /// A message whose fields are those of the one around it in JSON.
    Inline(Message),
    /// `repeated`.
    List(&'static FieldType),
    /// `map` with texts as keys.
    Map(&'static FieldType),
}

/// What a listing tells of itself, before its objects.
pub const LIST_HEAD: Message = &[(1, "metadata", FieldType::Object(LIST_METADATA))];
/// `meta.v1.ListMeta`.
pub const LIST_METADATA: Message = &[(3, "continue", FieldType::Text)];

/// An answer as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Encoded {
    /// JSON.
    Json(String),
    /// Protobuf.
    Protobuf(Vec<u8>),
}

impl Encoded {
    /// Reads it, of protobuf what `message` names.
    ///
    /// # Errors
    /// If it is malformed, or does not have the form of `T`.
    pub fn parse<T: DeserializeOwned>(
        &self,
        reading: Reading,
        message: Message,
    ) -> serde_json::Result<T> {
        match self {
            Self::Json(text) => reading.parse(text.as_bytes()),
            Self::Protobuf(bytes) => {
                let value = read(bytes, message).map_err(serde_json::Error::custom)?;
                reading.of_value(&value)
            }
        }
    }
}

/// What is wrong with protobuf.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// It does not begin as Kubernetes' protobuf does.
    #[error("it is not Kubernetes' protobuf")]
    Foreign,
    /// It ends in the middle of a field.
    #[error("it ends in the middle")]
    Cut,
    /// A field is not of its form.
    #[error("its field {0:?} has another form")]
    Field(&'static str),
    /// It holds more than [`MOST_VALUES`] values, of which each takes hundreds of bytes in
    /// memory, and as few as two here.
    #[error("it has more than {MOST_VALUES} values")]
    Excess,
}

/// Reads an object that the API server has written, of this message.
///
/// # Errors
/// If it is anything else.
pub fn read(bytes: &[u8], message: Message) -> Result<Value, Malformed> {
    let bytes = bytes.strip_prefix(MAGIC).ok_or(Malformed::Foreign)?;
    let mut reader = Reader { values: 0 };
    let mut object = Map::new();
    let mut rest = bytes;
    while let Some((number, content)) = next(&mut rest)? {
        // `raw` of `runtime.Unknown`, beside its type.
        if let (2, Content::Bytes(raw)) = (number, content) {
            reader.object(raw, message, &mut object)?;
        }
    }
    // A list without entries is not written, and JSON has an empty one.
    for (_, name, form) in message {
        if let FieldType::List(_) = form {
            object
                .entry(*name)
                .or_insert_with(|| Value::Array(Vec::new()));
        }
    }
    Ok(object.into())
}

/// What a field holds, as far as that can be told without its form.
#[derive(Debug, Clone, Copy)]
enum Content<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    /// Of a form that nothing read here has.
    Fixed,
}

/// Takes the next field off; `None` at the end.
fn next<'a>(bytes: &mut &'a [u8]) -> Result<Option<(u64, Content<'a>)>, Malformed> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let tag = varint(bytes)?;
    let content = match tag & 7 {
        0 => Content::Number(varint(bytes)?),
        1 => take(bytes, 8).map(|_| Content::Fixed)?,
        2 => {
            let length = varint(bytes)?;
            Content::Bytes(take(bytes, length)?)
        }
        5 => take(bytes, 4).map(|_| Content::Fixed)?,
        _ => return Err(Malformed::Foreign),
    };
    Ok(Some((tag >> 3, content)))
}

/// Takes a number off: seven bits a byte, the lowest first, of which the last has no
/// eighth bit.
fn varint(bytes: &mut &[u8]) -> Result<u64, Malformed> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first().ok_or(Malformed::Cut)?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(Malformed::Foreign)
}

fn take<'a>(bytes: &mut &'a [u8], length: u64) -> Result<&'a [u8], Malformed> {
    let length = usize::try_from(length).map_err(|_| Malformed::Cut)?;
    let (taken, rest) = bytes.split_at_checked(length).ok_or(Malformed::Cut)?;
    *bytes = rest;
    Ok(taken)
}

struct Reader {
    /// Values that were made so far.
    values: usize,
}

impl Reader {
    /// Adds the fields of a message to `object`.
    fn object(
        &mut self,
        mut bytes: &[u8],
        message: Message,
        object: &mut Map<String, Value>,
    ) -> Result<(), Malformed> {
        while let Some((number, content)) = next(&mut bytes)? {
            let known = message.iter().find(|(known, ..)| *known == number);
            let Some((_, name, form)) = known else {
                continue;
            };
            let other_form = || Malformed::Field(name);
            match (form, content) {
                (FieldType::Inline(message), Content::Bytes(bytes)) => {
                    self.object(bytes, message, object)?;
                }
                (FieldType::List(form), _) => {
                    let value = self.value(form, content, name)?;
                    let list = object
                        .entry(*name)
                        .or_insert_with(|| Value::Array(Vec::new()));
                    list.as_array_mut().ok_or_else(other_form)?.push(value);
                }
                (FieldType::Map(form), Content::Bytes(bytes)) => {
                    let (key, value) = self.entry(bytes, form, name)?;
                    let map = object
                        .entry(*name)
                        .or_insert_with(|| Value::Object(Map::new()));
                    map.as_object_mut()
                        .ok_or_else(other_form)?
                        .insert(key, value);
                }
                _ => {
                    let value = self.value(form, content, name)?;
                    object.insert((*name).to_owned(), value);
                }
            }
        }
        Ok(())
    }

    /// Makes a value of a field.
    fn value(
        &mut self,
        form: &FieldType,
        content: Content,
        name: &'static str,
    ) -> Result<Value, Malformed> {
        self.values += 1;
        if self.values > MOST_VALUES {
            return Err(Malformed::Excess);
        }
        let other_form = Malformed::Field(name);
        match (form, content) {
            (FieldType::Number, Content::Number(number)) => Ok(number.cast_signed().into()),
            (FieldType::Bool, Content::Number(number)) => Ok((number != 0).into()),
            (FieldType::Text, Content::Bytes(bytes)) => {
                let text = str::from_utf8(bytes).map_err(|_| other_form)?;
                Ok(text.into())
            }
            (FieldType::Object(message), Content::Bytes(bytes)) => {
                let mut object = Map::new();
                self.object(bytes, message, &mut object)?;
                Ok(object.into())
            }
            (FieldType::Quantity, Content::Bytes(mut bytes)) => {
                let mut text = Value::from("");
                while let Some((number, content)) = next(&mut bytes)? {
                    if number == 1 {
                        text = self.value(&FieldType::Text, content, name)?;
                    }
                }
                Ok(text)
            }
            (FieldType::Time, Content::Bytes(bytes)) => time(bytes, name),
            _ => Err(other_form),
        }
    }

    /// Makes an entry of a map of a message that holds its key and its value.
    fn entry(
        &mut self,
        mut bytes: &[u8],
        form: &FieldType,
        name: &'static str,
    ) -> Result<(String, Value), Malformed> {
        let (mut key, mut value) = (String::new(), Value::from(""));
        while let Some((number, content)) = next(&mut bytes)? {
            match (number, content) {
                (1, Content::Bytes(bytes)) => {
                    let text = str::from_utf8(bytes).map_err(|_| Malformed::Field(name))?;
                    text.clone_into(&mut key);
                }
                (2, content) => value = self.value(form, content, name)?,
                _ => {}
            }
        }
        Ok((key, value))
    }
}

/// Returns a time as JSON has it; null for one that is not set, which is all zeros.
fn time(mut bytes: &[u8], name: &'static str) -> Result<Value, Malformed> {
    let (mut seconds, mut nanoseconds) = (0, 0);
    while let Some((number, content)) = next(&mut bytes)? {
        match (number, content) {
            (1, Content::Number(number)) => seconds = number.cast_signed(),
            (2, Content::Number(number)) => nanoseconds = number.cast_signed(),
            _ => {}
        }
    }
    if (seconds, nanoseconds) == (0, 0) {
        return Ok(Value::Null);
    }
    let time = i32::try_from(nanoseconds)
        .ok()
        .and_then(|nanoseconds| Timestamp::new(seconds, nanoseconds).ok());
    let time = time.ok_or(Malformed::Field(name))?;
    Ok(time.to_string().into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const INNER: Message = &[(1, "name", FieldType::Text)];
    const MESSAGE: Message = &[
        (1, "text", FieldType::Text),
        (2, "count", FieldType::Number),
        (3, "on", FieldType::Bool),
        (4, "at", FieldType::Time),
        (5, "object", FieldType::Object(INNER)),
        (6, "inline", FieldType::Inline(INNER)),
        (7, "list", FieldType::List(&FieldType::Object(INNER))),
        (8, "amounts", FieldType::Map(&FieldType::Quantity)),
        (1000, "far", FieldType::Number),
    ];

    /// Writes a field that holds bytes.
    fn field(number: u8, content: &[u8]) -> Vec<u8> {
        let length = u8::try_from(content.len()).unwrap();
        [&[number << 3 | 2, length], content].concat()
    }

    fn answer(fields: &[Vec<u8>]) -> Vec<u8> {
        let raw = fields.concat();
        [MAGIC, &field(1, b"\x0a\x02v1"), &field(2, &raw)].concat()
    }

    #[test]
    fn every_form_is_read_as_its_json() {
        let name = |text: &str| field(1, text.as_bytes());
        let amount = |key: &str, text: &str| {
            let entry = [name(key), field(2, &name(text))].concat();
            field(8, &entry)
        };
        let fields = [
            name("text"),
            // -1 takes ten bytes.
            vec![
                0x10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01,
            ],
            vec![0x18, 1],
            field(4, &[0x08, 0x80, 0x94, 0xeb, 0xdc, 0x03]),
            field(5, &name("in")),
            field(6, &name("beside")),
            field(7, &name("a")),
            amount("cpu", "4"),
            // Nobody says that the entries of a list stand together.
            field(7, &[]),
            amount("memory", "32Gi"),
            vec![0xc0, 0x3e, 7],
            // Fields that nothing is known of: of each form that there is.
            vec![0x48, 1],
            vec![0x49, 0, 0, 0, 0, 0, 0, 0, 0],
            vec![0x4d, 0, 0, 0, 0],
            field(9, b"x"),
        ];
        let read = read(&answer(&fields), MESSAGE).unwrap();
        let expected = json!({
            "text": "text", "count": -1, "on": true, "at": "2001-09-09T01:46:40Z",
            "object": {"name": "in"}, "name": "beside", "list": [{"name": "a"}, {}],
            "amounts": {"cpu": "4", "memory": "32Gi"}, "far": 7,
        });
        assert_eq!(read, expected);
    }

    #[test]
    fn what_is_not_of_its_form_is_an_error() {
        for (fields, error) in [
            (vec![0x0a, 5, b'x'], Malformed::Cut),
            (vec![0x0a], Malformed::Cut),
            (vec![0x08, 1], Malformed::Field("text")),
            (vec![0x0a, 1, 0xff], Malformed::Field("text")),
            (vec![0x2a, 2, 0x08, 1], Malformed::Field("name")),
            (vec![0x0b], Malformed::Foreign),
            (vec![0xff; 11], Malformed::Foreign),
        ] {
            let answer = answer(std::slice::from_ref(&fields));
            assert_eq!(read(&answer, MESSAGE), Err(error), "{fields:?}");
        }
        assert_eq!(read(b"{}", MESSAGE), Err(Malformed::Foreign));
        assert_eq!(read(b"k8s\0", MESSAGE), Ok(json!({"list": []})));
    }

    #[test]
    fn what_unfolds_to_gigabytes_is_not_read() {
        let raw = [0x3a, 0].repeat(MOST_VALUES + 1);
        let mut length = raw.len();
        let mut answer = [MAGIC, &[0x12]].concat();
        while length >= 0x80 {
            answer.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
            length >>= 7;
        }
        answer.push(u8::try_from(length).unwrap());
        answer.extend(raw);
        assert_eq!(read(&answer, MESSAGE), Err(Malformed::Excess));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let whole = [MAGIC, &field(2, &bytes)].concat();
            for answer in [bytes, whole] {
                _ = read(&answer, MESSAGE);
            }
        }
    }
}
