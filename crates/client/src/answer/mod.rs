//! Reads what a request is answered with: up to a limit, with the warnings that
//! come with it, and told apart from what proxies and login pages say.

mod body;
mod gateway;
mod warning;

use http::HeaderValue;
use http::header::{ACCEPT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use http::response::Parts;
use kube::Client;
use kube::client::Body;
use kube::core::Status;
use kube::core::response::StatusDetails;
use serde::de::{DeserializeOwned, IgnoredAny};

use super::causes;
use body::Content;
use kaiwo_base::answer::{self, Flaw, ListReader, MOST_TEXT, Page, Reading, Scan};
use kaiwo_base::printable;
use kaiwo_base::protobuf::{self, Encoded, FieldType, Message};
use kaiwo_base::quantity::ByteSize;

pub use body::up_to;
pub use gateway::GatewayAnswer;
pub use warning::Warnings;

/// Most bytes of an answer. The largest is a page of a listing: 500 objects, or 5,000, of
/// which etcd takes 1.5 MiB each, and which have a few KiB.
pub const LONGEST: ByteSize = ByteSize(64 << 20);
/// Most bytes that are read of a refusal.
pub const LONGEST_REFUSAL: ByteSize = ByteSize(16 << 20);
/// Most characters of it that are repeated.
const MOST_TOLD: usize = 2000;

/// What protobuf is called in headers (apimachinery `runtime.ContentTypeProtobuf`).
const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";
/// Asks for protobuf, or for JSON of whoever has none.
pub(crate) const PROTOBUF_OR_JSON: &str = "application/vnd.kubernetes.protobuf,application/json";

/// `meta.v1.Status`: how an API server refuses.
const STATUS: Message = &[
    (1, "metadata", FieldType::Object(protobuf::LIST_METADATA)),
    (2, "status", FieldType::Text),
    (3, "message", FieldType::Text),
    (4, "reason", FieldType::Text),
    (5, "details", FieldType::Object(STATUS_DETAILS)),
    (6, "code", FieldType::Number),
];

const STATUS_DETAILS: Message = &[
    (1, "name", FieldType::Text),
    (2, "group", FieldType::Text),
    (3, "kind", FieldType::Text),
    (
        4,
        "causes",
        FieldType::List(&FieldType::Object(STATUS_CAUSE)),
    ),
    (5, "retryAfterSeconds", FieldType::Number),
    (6, "uid", FieldType::Text),
];

const STATUS_CAUSE: Message = &[
    (1, "reason", FieldType::Text),
    (2, "message", FieldType::Text),
    (3, "field", FieldType::Text),
];

/// An answer that is too much to be one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Excess {
    /// Of bytes.
    #[error("it is larger than the limit of {0}")]
    Bytes(ByteSize),
    /// Of values in its JSON.
    #[error("it has more than {} values", answer::MOST_VALUES)]
    Values,
}

impl From<Excess> for kube::Error {
    fn from(excess: Excess) -> Self {
        Self::Service(Box::new(excess))
    }
}

/// Sends a request, and waits until the answer begins. kube leaves out of a
/// refusal how long to wait, which the API server says in a header where its
/// words are no `Status`.
pub(crate) async fn answered(
    client: &Client,
    request: http::Request<Vec<u8>>,
) -> kube::Result<http::Response<Body>> {
    let answer = client.send(request.map(Body::from)).await?;
    let code = answer.status();
    if code.is_success() {
        return Ok(answer);
    }
    let asked = answer.headers().get(RETRY_AFTER);
    let asked = asked.and_then(|seconds| seconds.to_str().ok()?.parse().ok());
    let (head, body) = answer.into_parts();
    let (bytes, _) = up_to(&head.headers, body, LONGEST_REFUSAL).await?;
    // Who asks for protobuf is refused in protobuf.
    let own: Option<Status> = match is_of(&head, PROTOBUF) {
        true => protobuf::read(&bytes, STATUS)
            .ok()
            .and_then(|status| serde_json::from_value(status).ok()),
        false => serde_json::from_slice(&bytes).ok(),
    };
    let mut status = match own.filter(|status| status.code != 0) {
        Some(status) => status,
        None => {
            let text = String::from_utf8_lossy(&bytes);
            if let Some(page) = GatewayAnswer::instead_of_refusal(code, &head.headers, &text) {
                return Err(page.into());
            }
            let mut status = Status::failure(&printable::beginning(&text, MOST_TOLD), "");
            status.code = code.as_u16();
            status
        }
    };
    shorten(&mut status.message);
    if let Some(seconds) = asked {
        let details = status.details.get_or_insert_with(|| StatusDetails {
            name: String::new(),
            group: String::new(),
            kind: String::new(),
            uid: String::new(),
            causes: Vec::new(),
            retry_after_seconds: 0,
        });
        details.retry_after_seconds = details.retry_after_seconds.max(seconds);
    }
    Err(kube::Error::Api(status.boxed()))
}

/// Sends a request, and reads the answer to its end, which is JSON or, where that is
/// asked for, protobuf.
pub(crate) async fn read_encoded(
    client: &Client,
    request: http::Request<Vec<u8>>,
    warnings: &Warnings,
) -> kube::Result<Encoded> {
    let answer = whole(client, request, warnings).await?;
    if is_of(&answer.head, PROTOBUF) {
        return Ok(Encoded::Protobuf(answer.bytes));
    }
    let text = String::from_utf8(answer.json()?);
    text.map(Encoded::Json).map_err(kube::Error::FromUtf8)
}

/// Sends a request, and reads the answer to its end, which is JSON. What the API
/// server warns of where something is to change goes to `warnings`.
pub(crate) async fn read(
    client: &Client,
    request: http::Request<Vec<u8>>,
    warnings: &Warnings,
) -> kube::Result<Vec<u8>> {
    whole(client, request, warnings).await?.json()
}

/// An answer that was read to its end.
struct Whole {
    head: Parts,
    bytes: Vec<u8>,
    /// What was seen of it, unless it is protobuf.
    scan: Scan,
}

async fn whole(
    client: &Client,
    request: http::Request<Vec<u8>>,
    warnings: &Warnings,
) -> kube::Result<Whole> {
    let (head, body) = begun(client, request, warnings).await?;
    let is_protobuf = is_of(&head, PROTOBUF);
    let (mut content, mut scan) = (Content::default(), Scan::default());
    let take = async |piece: &[u8]| {
        if !is_protobuf {
            scan.take(piece);
        }
        content.add(piece).await;
        true
    };
    match body::pieces(&head.headers, body, LONGEST, take).await? {
        true => Ok(Whole {
            head,
            bytes: content.bytes,
            scan,
        }),
        false => Err(Excess::Bytes(LONGEST).into()),
    }
}

/// Sends a request, and reads a page of a listing in JSON while it comes.
pub(crate) async fn read_page<T: DeserializeOwned>(
    client: &Client,
    request: http::Request<Vec<u8>>,
    warnings: &Warnings,
    reading: Reading,
) -> kube::Result<Page<T>> {
    let (head, body) = begun(client, request, warnings).await?;
    let mut list = ListReader::new(reading);
    let take = async |piece: &[u8]| list.take(piece);
    let is_all = body::pieces(&head.headers, body, LONGEST, take).await?;
    if let Some(page) = GatewayAnswer::instead_of_json(&head, list.rest()) {
        return Err(page.into());
    }
    match is_all {
        _ if list.has_too_many_values() => Err(Excess::Values.into()),
        _ if list.holds_too_much() => Err(Excess::Bytes(MOST_TEXT).into()),
        true => list.finish().map_err(kube::Error::SerdeError),
        false => Err(Excess::Bytes(LONGEST).into()),
    }
}

/// Sends a request, and returns the beginning of its answer and what is to come.
async fn begun(
    client: &Client,
    mut request: http::Request<Vec<u8>>,
    warnings: &Warnings,
) -> kube::Result<(Parts, Body)> {
    let changes = !request.method().is_safe();
    if !changes {
        let headers = request.headers_mut();
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(body::COMPRESSION));
    }
    let answer = answered(client, request).await?;
    let (head, body) = answer.into_parts();
    if changes {
        warnings.take(&head.headers);
    }
    Ok((head, body))
}

/// Returns whether an answer says that it is of a type.
fn is_of(head: &Parts, name: &str) -> bool {
    let kind = head.headers.get(CONTENT_TYPE);
    kind.is_some_and(|kind| kind.to_str().is_ok_and(|kind| kind.contains(name)))
}

impl Whole {
    /// Returns its bytes if they can be JSON.
    fn json(self) -> kube::Result<Vec<u8>> {
        let Self { head, bytes, scan } = self;
        if let Some(page) = GatewayAnswer::instead_of_json(&head, &bytes) {
            return Err(page.into());
        }
        match scan.flaw() {
            Some(Flaw::Excess) => Err(Excess::Values.into()),
            // A log may be anything.
            Some(Flaw::Cut) if is_of(&head, "json") => {
                let cut = serde_json::from_slice::<IgnoredAny>(&bytes);
                cut.map(|_| bytes).map_err(kube::Error::SerdeError)
            }
            Some(Flaw::Cut) | None => Ok(bytes),
        }
    }
}

/// Reads JSON of a server that is no API server.
///
/// # Errors
/// Why it cannot be had or read, or is too much.
pub async fn foreign<T: DeserializeOwned>(
    client: &Client,
    request: http::Request<Vec<u8>>,
) -> Result<T, String> {
    let bytes = read(client, request, &Warnings::default()).await;
    let bytes = bytes.map_err(|error| causes::first(&error))?;
    serde_json::from_slice(&bytes).map_err(|error| error.to_string())
}

/// Sends something to a server that is no API server, and reads no more of the answer
/// than whether it was taken.
///
/// # Errors
/// Why it was not; nothing that was sent is repeated.
pub async fn accepted(client: &Client, request: http::Request<Vec<u8>>) -> Result<(), String> {
    let request = request.map(Body::from);
    let answer = client.send(request).await;
    let status = answer.map_err(|error| causes::first(&error))?.status();
    match status.is_success() {
        true => Ok(()),
        false => Err(format!("the server answered {status}")),
    }
}

/// Returns the words of a refusal for people: the title of a page, or the text
/// itself, unless that is pages long.
pub fn words(text: &str) -> String {
    match gateway::title(text) {
        Some(title) => title,
        None => {
            let mut text = text.trim().to_owned();
            shorten(&mut text);
            text
        }
    }
}

/// Cuts a message of pages, and says how much is missing.
fn shorten(message: &mut String) {
    let total = message.chars().count();
    if let Some((end, _)) = message.char_indices().nth(MOST_TOLD) {
        message.truncate(end);
        *message += &format!("… ({} characters more)", total - MOST_TOLD);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation::texts;
    use http::{HeaderMap, HeaderValue, StatusCode};
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]

        #[test]
        fn pages_and_warnings_of_any_form(text in texts(include_str!("../../tests/corpus/page")), code in 300_u16..600) {
            let code = StatusCode::from_u16(code).unwrap();
            let mut headers = HeaderMap::new();
            if let Ok(value) = HeaderValue::from_bytes(text.as_bytes()) {
                headers.append(http::header::WARNING, value.clone());
                headers.append(http::header::SERVER, value.clone());
                headers.append(http::header::LOCATION, value);
            }
            let warnings = Warnings::default();
            warnings.take(&headers);
            prop_assert!(warnings.told().iter().all(|text| !text.contains('\n')));
            if let Some(page) = GatewayAnswer::instead_of_refusal(code, &headers, &text) {
                let told = page.to_string();
                prop_assert!(told.len() < 2000 && !told.contains(['\n', '\x1b', '\u{202e}']), "{}", told);
            }
        }
    }

    #[test]
    fn a_message_of_pages_is_cut() {
        let mut message = "ä".repeat(MOST_TOLD);
        shorten(&mut message);
        assert_eq!(message.chars().count(), MOST_TOLD);
        message += "more";
        shorten(&mut message);
        assert!(message.ends_with("ä… (4 characters more)"), "{message}");
    }
}
