//! The bytes of an answer, up to a limit, whether or not they are compressed.

use std::io::{self, Write as _};

use flate2::write::GzDecoder;
use http::HeaderMap;
use http::header::CONTENT_ENCODING;
use http_body_util::BodyExt as _;
use kaiwo_base::quantity::ByteSize;
use kube::client::Body;
use serde::de::Error as _;
use tokio::sync::Semaphore;

/// How an answer may be compressed. An API server does so from 128 KiB on (apiserver
/// `defaultGzipThresholdBytes`, v1.36), and knows no other way.
pub(super) const COMPRESSION: &str = "gzip";
/// Bytes of an answer that may be read while others are. A larger one waits for its
/// turn, and grows by as many at a time: several pages of a listing are under way at
/// once, and together take little more memory than the largest.
const SMALL: usize = 4 << 20;
static LARGE: Semaphore = Semaphore::const_new(1);
/// Bytes that are taken at once. Compressed ones can become a thousand times as many, which
/// is the most that is held beyond a limit.
const STEP: usize = 16 << 10;

/// Shows `take` a body piece by piece, to its end, to `most` bytes of its content, or until
/// that says that it is enough. Returns whether that was all.
///
/// # Errors
/// [`kube::Error`] if it breaks off, or its compression is not what `head` says.
pub(super) async fn pieces(
    head: &HeaderMap,
    mut body: Body,
    most: ByteSize,
    mut take: impl AsyncFnMut(&[u8]) -> bool,
) -> kube::Result<bool> {
    let mut left = usize::try_from(most.0).unwrap_or(usize::MAX);
    let mut fits = |data: &[u8]| {
        let taken = data.len().min(left);
        left -= taken;
        taken
    };
    let mut decoder = is_compressed(head).then(|| GzDecoder::new(Vec::new()));
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else {
            continue;
        };
        for step in data.chunks(STEP) {
            let content = match &mut decoder {
                None => step,
                Some(decoder) => {
                    decoder.get_mut().clear();
                    decoder.write_all(step).map_err(garbled)?;
                    decoder.get_ref()
                }
            };
            let taken = fits(content);
            if !take(&content[..taken]).await || taken < content.len() {
                return Ok(false);
            }
        }
    }
    let Some(mut decoder) = decoder else {
        return Ok(true);
    };
    decoder.get_mut().clear();
    let rest = decoder.finish().map_err(garbled)?;
    let taken = fits(&rest);
    Ok(take(&rest[..taken]).await && taken == rest.len())
}

/// Reads a body to its end, or to `most` bytes of its content. Returns whether that was
/// all.
///
/// # Errors
/// [`kube::Error`] if it breaks off, or its compression is not what `head` says.
pub async fn up_to(head: &HeaderMap, body: Body, most: ByteSize) -> kube::Result<(Vec<u8>, bool)> {
    let mut content = Content::default();
    let take = async |piece: &[u8]| {
        content.add(piece).await;
        true
    };
    let is_all = pieces(head, body, most, take).await?;
    Ok((content.bytes, is_all))
}

fn is_compressed(head: &HeaderMap) -> bool {
    let encoding = head.get(CONTENT_ENCODING);
    encoding.is_some_and(|encoding| encoding.as_bytes().eq_ignore_ascii_case(b"gzip"))
}

fn garbled(error: io::Error) -> kube::Error {
    let words = format!("its compression is broken: {error}");
    kube::Error::SerdeError(serde_json::Error::custom(words))
}

/// What was read of an answer.
#[derive(Default)]
pub(super) struct Content {
    pub(super) bytes: Vec<u8>,
    /// Kept once it is large, so that no other grows beside it.
    is_alone: Option<Turn>,
}

/// The turn of a large answer.
type Turn = Result<tokio::sync::SemaphorePermit<'static>, tokio::sync::AcquireError>;

impl Content {
    /// Adds what comes next.
    pub(super) async fn add(&mut self, data: &[u8]) {
        let bytes = &mut self.bytes;
        if bytes.len() + data.len() > SMALL {
            if self.is_alone.is_none() {
                self.is_alone = Some(LARGE.acquire().await);
            }
            if bytes.capacity() - bytes.len() < data.len() {
                bytes.reserve_exact(data.len().max(SMALL));
            }
        }
        bytes.extend_from_slice(data);
    }
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use http::HeaderValue;

    use super::*;

    fn compressed(content: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    fn read(encoding: &'static str, body: &[u8], most: u64) -> Result<(Vec<u8>, bool), String> {
        let mut head = HeaderMap::new();
        head.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let read = up_to(&head, Body::from(body.to_vec()), ByteSize(most));
        let read = runtime.unwrap().block_on(read);
        read.map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_compressed_is_read_as_what_is_not() {
        let content: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
        let body = compressed(&content);
        assert_eq!(read("gzip", &body, 1 << 20), Ok((content.clone(), true)));
        assert_eq!(read("GZIP", &body, 1 << 20), Ok((content.clone(), true)));
        let whole = read("identity", &content, 400_000);
        assert_eq!(whole, Ok((content.clone(), true)));
        for (encoding, body) in [("gzip", &body), ("identity", &content)] {
            let (beginning, is_all) = read(encoding, body, 399_999).unwrap();
            assert_eq!((beginning.len(), is_all), (399_999, false));
        }
        assert_eq!(read("gzip", &compressed(b""), 9), Ok((Vec::new(), true)));
    }

    #[test]
    fn what_grows_without_end_is_not_followed() {
        let body = compressed(&vec![b' '; 64 << 20]);
        assert!(body.len() < 400_000, "{}", body.len());
        let (read, is_all) = read("gzip", &body, 1 << 20).unwrap();
        assert_eq!((read.len(), is_all), (1 << 20, false));
        assert!(read.capacity() < 8 << 20, "{}", read.capacity());
    }

    #[test]
    fn a_compression_that_is_broken_is_told() {
        let whole = compressed(&[b'x'; 5_000]);
        let mut changed = whole.clone();
        let last = changed.len() - 6;
        changed[last] ^= 1;
        for body in [&whole[..whole.len() - 3], &whole[..4], b"{}", b"", &changed] {
            let error = read("gzip", body, 1 << 20).unwrap_err();
            assert!(error.contains("its compression is broken"), "{error}");
        }
        let more = [&whole[..], b"more"].concat();
        assert!(read("gzip", &more, 1 << 20).is_err());
    }
}
