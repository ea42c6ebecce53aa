//! Models and data that are downloaded before a service starts, each as the one
//! text that a flag, a variable and a file share.

use std::fmt;
use std::str::FromStr;

use super::claim::ClaimMount;
use crate::names::check_mount_path;
use crate::schema::{self, Schema};
use crate::yaml::{deserialize_from_text, serialize_as_text};

/// Image that downloads, unless the user names another: KServe's, which has the
/// libraries of Hugging Face, S3 and Google Cloud Storage.
pub const IMAGE: &str = "docker.io/kserve/storage-initializer:v0.15.2";

/// Something to download, and the directory it goes to: `URL:/path`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preload {
    /// `hf://`, `s3://`, `gs://`, `https://` or `http://`.
    pub url: String,
    /// Absolute path of the directory in the containers.
    pub path: String,
}

/// Longest URL that is taken.
const LONGEST_URL: usize = 2048;

impl FromStr for Preload {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| format!("expected URL:/path: {why}");
        let (url, path) = text
            .rfind(":/")
            .filter(|at| !text[*at..].starts_with("://"))
            .map(|at| (&text[..at], &text[at + 1..]))
            .ok_or_else(|| wrong("the directory to load into is missing"))?;
        check_mount_path(path).map_err(|why| wrong(&why))?;
        check_url(url).map_err(|why| wrong(&why))?;
        Ok(Self {
            url: url.to_owned(),
            path: path.trim_end_matches('/').to_owned(),
        })
    }
}

/// Checks a URL as the container will read it.
fn check_url(url: &str) -> Result<(), String> {
    const SCHEMES: &str = "the URL must begin with hf://, s3://, gs:// or https://";
    let (scheme, rest) = url.split_once("://").ok_or(SCHEMES)?;
    if url.len() > LONGEST_URL || url.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err("invalid URL".to_owned());
    }
    let place = rest.split('/').next().unwrap_or_default();
    let word = |text: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        !text.is_empty() && !text.starts_with(['.', '-']) && text.chars().all(plain)
    };
    match scheme {
        "hf" => {
            let (model, revision) = match rest.split_once('@') {
                Some((model, revision)) => (model, Some(revision)),
                None => (rest, None),
            };
            let parts: Vec<&str> = model.split('/').collect();
            let revision = revision.is_none_or(|revision| revision.split('/').all(word));
            match parts[..] {
                [organisation, name] if word(organisation) && word(name) && revision => Ok(()),
                _ => Err("write a model as hf://ORG/MODEL or hf://ORG/MODEL@REVISION".to_owned()),
            }
        }
        "s3" | "gs" if word(place) => Ok(()),
        "s3" | "gs" => Err(format!("{scheme}:// must be followed by a bucket")),
        "https" | "http" if place.is_empty() => Err("the URL has no host".to_owned()),
        // It would stand in the open, in every manifest and log.
        "https" | "http" if place.contains('@') => {
            Err("everyone could read the password in the URL".to_owned())
        }
        "https" | "http" => {
            let path = rest.split(['?', '#']).next().unwrap_or_default();
            match path.rsplit_once('/') {
                Some((_, name)) if !name.is_empty() && name != "." && name != ".." => Ok(()),
                _ => Err("the URL has no file".to_owned()),
            }
        }
        _ => Err(SCHEMES.to_owned()),
    }
}

impl fmt::Display for Preload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.url, self.path)
    }
}

deserialize_from_text!(Preload);
serialize_as_text!(Preload);

impl Schema for Preload {
    fn schema() -> serde_json::Value {
        schema::text(
            "^(hf|s3|gs|https?)://[^ ]+:/[^:]+$",
            &["hf://org/model:/models", "s3://bucket/weights/:/models"],
        )
    }
}

/// Where something that is loaded ends up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PreloadTarget<'a> {
    /// In a claim that is mounted there, or above.
    Claim(&'a ClaimMount),
    /// Below the scratch directory.
    Scratch,
    /// In a part of the scratch volume that is mounted there.
    PartOfScratch,
}

/// Returns where what is loaded into `path` ends up.
pub fn place<'a>(path: &str, volumes: &'a [ClaimMount]) -> PreloadTarget<'a> {
    let mount = volumes
        .iter()
        .filter(|mount| is_at_or_below(path, &mount.path))
        .max_by_key(|mount| mount.path.len());
    match mount {
        Some(mount) => PreloadTarget::Claim(mount),
        None if is_at_or_below(path, "/scratch") => PreloadTarget::Scratch,
        None => PreloadTarget::PartOfScratch,
    }
}

/// Returns whether `path` is `directory` or in it.
pub fn is_at_or_below(path: &str, directory: &str) -> bool {
    path.strip_prefix(directory)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Beginnings of the names of variables that those need who download: tokens,
/// regions, proxies. The others are none of their business.
const VARIABLES: [&str; 8] = [
    "AWS_",
    "CLOUDSDK_",
    "GCS_",
    "GOOGLE_",
    "HF_",
    "HUGGING_FACE_",
    "REQUESTS_CA_BUNDLE",
    "S3_",
];

/// Returns whether a variable is handed to those who download.
pub fn needs_variable(name: &str) -> bool {
    // A server that shall not ask the Hub finds what was loaded before.
    name != "HF_HUB_OFFLINE"
        && (VARIABLES.iter().any(|start| name.starts_with(start))
            || name.to_ascii_lowercase().ends_with("_proxy"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_and_where_they_go() {
        for (text, url, path) in [
            ("hf://org/model:/models", "hf://org/model", "/models"),
            ("hf://o.r/m-1@v1/x:/m/", "hf://o.r/m-1@v1/x", "/m"),
            ("s3://bucket/a b:/m", "", ""),
            ("s3://bucket/weights/:/m", "s3://bucket/weights/", "/m"),
            ("gs://bucket:/scratch/m", "gs://bucket", "/scratch/m"),
            (
                "https://host:8443/a.bin?x=1:/m",
                "https://host:8443/a.bin?x=1",
                "/m",
            ),
        ] {
            match text.parse::<Preload>() {
                Ok(preload) => assert_eq!((&*preload.url, &*preload.path), (url, path)),
                Err(why) => assert_eq!(url, "", "{why}"),
            }
        }
    }

    #[test]
    fn what_cannot_be_loaded() {
        for (text, said) in [
            ("hf://org/model", "the directory to load into is missing"),
            (
                "org/model:/models",
                "the URL must begin with hf://, s3://, gs:// or https://",
            ),
            ("ftp://host/file:/models", "the URL must begin with hf://"),
            ("hf://model:/models", "a model as hf://ORG/MODEL"),
            ("hf://org/model/file:/models", "a model as hf://ORG/MODEL"),
            ("hf://org/model@:/models", "a model as hf://ORG/MODEL"),
            ("hf://org/--help:/models", "a model as hf://ORG/MODEL"),
            ("s3:///key:/models", "s3:// must be followed by a bucket"),
            ("https:///file:/models", "the URL has no host"),
            ("https://host/:/models", "the URL has no file"),
            ("https://host:/models", "the URL has no file"),
            (
                "https://a:b@host/file:/models",
                "everyone could read the password",
            ),
            ("hf://org/model:/workload", "/workload"),
            ("hf://org/model:/a/../b", "the path must not contain"),
        ] {
            let why = text.parse::<Preload>().unwrap_err();
            assert!(why.starts_with("expected URL:/path: "), "{why}");
            assert!(why.contains(said), "{why}");
        }
    }

    #[test]
    fn claims_come_before_scratch() {
        let volumes: Vec<ClaimMount> = ["a:/models", "b:/models/big:ro"]
            .iter()
            .map(|text| text.parse().unwrap())
            .collect();
        assert_eq!(
            place("/models", &volumes),
            PreloadTarget::Claim(&volumes[0])
        );
        assert_eq!(
            place("/models/x", &volumes),
            PreloadTarget::Claim(&volumes[0])
        );
        assert_eq!(
            place("/models/big/x", &volumes),
            PreloadTarget::Claim(&volumes[1])
        );
        assert_eq!(place("/modelsx", &volumes), PreloadTarget::PartOfScratch);
        assert_eq!(place("/scratch/x", &volumes), PreloadTarget::Scratch);
    }

    #[test]
    fn only_what_downloading_takes_is_handed_over() {
        for name in [
            "HF_TOKEN",
            "HF_HOME",
            "AWS_SECRET_ACCESS_KEY",
            "https_proxy",
            "NO_PROXY",
        ] {
            assert!(needs_variable(name), "{name}");
        }
        for name in ["HF_HUB_OFFLINE", "DATABASE_PASSWORD", "NUM_GPUS"] {
            assert!(!needs_variable(name), "{name}");
        }
    }
}
