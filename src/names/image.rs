//! Checks references of images as kubelets and container runtimes parse them.
//!
//! Source of the rules: `github.com/distribution/reference` v0.6 (`regexp.go`,
//! `normalize.go`), with which kubelet reads a Pod's `image`.

/// Most characters of a repository, its host included.
const LONGEST: usize = 255;
/// Most characters of a tag.
const LONGEST_TAG: usize = 128;

/// Why no kubelet can pull an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageError {
    /// Why not.
    pub reason: String,
    /// The reference that was probably meant.
    pub instead: Option<String>,
}

fn wrong(reason: &str, instead: Option<String>) -> ImageError {
    ImageError {
        reason: reason.to_owned(),
        // What is offered is one that can be pulled.
        instead: instead.filter(|text| check_image(text).is_ok()),
    }
}

/// Checks the reference of an image: `[host[:port]/]path[:tag][@digest]`.
///
/// # Errors
/// [`ImageError`] for what would end as `InvalidImageName`, after the wait in the
/// queue.
pub fn check_image(text: &str) -> Result<(), ImageError> {
    if text.is_empty() || text.contains(char::is_whitespace) {
        return Err(wrong("it is empty or contains white space", None));
    }
    if let Some((scheme, rest)) = text.split_once("://") {
        let reason = format!("an image must not begin with {scheme}://");
        return Err(wrong(&reason, Some(rest.trim_end_matches('/').to_owned())));
    }
    let (named, digest) = match text.split_once('@') {
        Some((named, digest)) => (named, Some(digest)),
        None => (text, None),
    };
    if digest.is_some_and(|digest| !is_digest(digest)) {
        return Err(wrong(
            "the part after @ is not a digest: sha256: and 64 characters of 0-9 and a-f",
            None,
        ));
    }
    let path_begins = named.rfind('/').map_or(0, |slash| slash + 1);
    let (repository, tag) = match named[path_begins..].split_once(':') {
        Some((last, tag)) => (&named[..path_begins + last.len()], Some(tag)),
        None => (named, None),
    };
    if tag.is_some_and(|tag| !is_tag(tag)) {
        let reason =
            "the part after the last : is not a tag: up to 128 letters, digits, _, - and .";
        let bare = tag
            .filter(|tag| tag.is_empty())
            .map(|_| repository.to_owned());
        return Err(wrong(reason, bare));
    }
    let (host, path) = match repository.split_once('/') {
        Some((first, rest)) if is_host_like(first) => (Some(first), rest),
        _ => (None, repository),
    };
    if host.is_some_and(|host| !is_host(host)) {
        return Err(wrong("the part before the first / is not a host", None));
    }
    if !path.split('/').all(is_part) {
        let lower = path.to_lowercase();
        let is_case = lower != path && lower.split('/').all(is_part);
        let reason = match is_case {
            true => "a repository must not contain capital letters",
            false => "a repository must consist of a-z, 0-9, ., _ and -, separated by /",
        };
        let meant = format!(
            "{}{lower}{}",
            &named[..repository.len() - path.len()],
            &text[repository.len()..]
        );
        return Err(wrong(reason, is_case.then_some(meant)));
    }
    if repository.len() > LONGEST {
        return Err(wrong("it must be at most 255 characters", None));
    }
    if host.is_none() && path.len() == 64 && path.bytes().all(is_hex) {
        return Err(wrong("it is the ID of an image, not a name", None));
    }
    Ok(())
}

/// Returns whether a first word is taken for a host: by a dot, a port, or the
/// name of one's own machine.
fn is_host_like(word: &str) -> bool {
    word.contains(['.', ':']) || word == "localhost"
}

fn is_host(text: &str) -> bool {
    let (name, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) => {
            let is_address = address.bytes().all(|b| b.is_ascii_hexdigit() || b == b':');
            let port = port.strip_prefix(':');
            return is_address && port.is_none_or(is_port);
        }
        None => match text.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (text, None),
        },
    };
    let is_word = |word: &str| {
        let inner = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        !word.is_empty()
            && word.bytes().all(inner)
            && !word.starts_with('-')
            && !word.ends_with('-')
    };
    name.split('.').all(is_word) && port.is_none_or(is_port)
}

fn is_port(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// Returns whether a word is one of a repository: letters and digits, between them
/// one `.`, one or two `_`, or any number of `-`.
fn is_part(word: &str) -> bool {
    let is_letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = word.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else {
        return false;
    };
    is_letter(*first)
        && is_letter(*last)
        && bytes
            .chunk_by(|one, other| is_letter(*one) == is_letter(*other))
            .filter(|run| !is_letter(run[0]))
            .all(|run| matches!(run, b"." | b"_" | b"__") || run.iter().all(|b| *b == b'-'))
}

fn is_tag(text: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    text.len() <= LONGEST_TAG
        && text.bytes().next().is_some_and(word)
        && text.bytes().all(|b| word(b) || matches!(b, b'.' | b'-'))
}

fn is_digest(text: &str) -> bool {
    match text.split_once(':') {
        Some(("sha256", hex)) => hex.len() == 64 && hex.bytes().all(is_hex),
        Some((algorithm, hex)) => {
            let words = |b: u8| b.is_ascii_alphanumeric() || b"+._-".contains(&b);
            !algorithm.is_empty()
                && algorithm.bytes().all(words)
                && hex.len() >= 32
                && hex.bytes().all(|b| b.is_ascii_hexdigit())
        }
        None => false,
    }
}

fn is_hex(b: u8) -> bool {
    b.is_ascii_digit() || (b'a'..=b'f').contains(&b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_that_kubelets_take() {
        let digest = format!("x@sha256:{}", "0a".repeat(32));
        for text in [
            "busybox",
            "org/img:1.10",
            "ghcr.io/org/img_a__b-c--d.e:v1_x",
            "localhost/img",
            "Registry.Example.COM:5000/a/b/c:Tag",
            "[2001:db8::1]:5000/img",
            digest.as_str(),
            "host:5000/img",
        ] {
            assert_eq!(check_image(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn references_that_none_can_pull() {
        for (text, said, instead) in [
            (
                "ghcr.io/MyOrg/Img",
                "not contain capital letters",
                Some("ghcr.io/myorg/img"),
            ),
            (
                "MyOrg/Img:V1",
                "not contain capital letters",
                Some("myorg/img:V1"),
            ),
            (
                "https://ghcr.io/org/img",
                "must not begin with https://",
                Some("ghcr.io/org/img"),
            ),
            ("img:", "not a tag", Some("img")),
            ("img:a/b:c d", "white space", None),
            ("", "empty", None),
            ("img:-x", "not a tag", None),
            ("img@sha256:abc", "not a digest", None),
            ("img@", "not a digest", None),
            ("org//img", "consist of a-z", None),
            ("/img", "consist of a-z", None),
            ("img/", "consist of a-z", None),
            ("org/im___g", "consist of a-z", None),
            ("org/-img", "consist of a-z", None),
            ("$IMAGE", "consist of a-z", None),
            ("host:port/img", "not a host", None),
            ("-a.b/img", "not a host", None),
        ] {
            let error = check_image(text).unwrap_err();
            assert!(error.reason.contains(said), "{text}: {}", error.reason);
            assert_eq!(error.instead.as_deref(), instead, "{text}");
        }
        assert!(check_image(&"0a".repeat(32)).is_err());
        assert!(check_image(&format!("a/{}", "b".repeat(255))).is_err());
    }
}
