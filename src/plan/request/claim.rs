//! Claims to storage, each as the one text that a flag, a variable and a file
//! share: those that exist, and the one for `/scratch`.

use std::fmt;
use std::str::FromStr;

use serde_json::json;

use crate::names::{check_mount_path, is_dns_1123_subdomain};
use crate::quantity::Quantity;
use crate::schema::{self, Schema};
use crate::yaml::{deserialize_from_text, serialize_as_text};

/// A PersistentVolumeClaim and where it is mounted: `PVC:/path[:ro]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimMount {
    /// Name of the claim.
    pub claim: String,
    /// Absolute path in the containers.
    pub path: String,
    /// Whether it can only be read.
    pub read_only: bool,
}

impl FromStr for ClaimMount {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| format!("expected PVC:/path or PVC:/path:ro: {why}");
        let (claim, rest) = text
            .split_once(':')
            .ok_or_else(|| wrong("it has no colon"))?;
        let (path, read_only) = match rest.rsplit_once(':') {
            Some((path, "ro")) => (path, true),
            Some((path, "rw")) => (path, false),
            Some(_) => return Err(wrong("the path may only be followed by ro or rw")),
            None => (rest, false),
        };
        if claim.starts_with(['/', '.', '~', '$']) {
            return Err(wrong(
                "the first part must be a claim in the cluster, not a local directory (use -p to upload one)",
            ));
        }
        if !is_dns_1123_subdomain(claim) {
            return Err(wrong("the first part is not a valid claim name"));
        }
        check_mount_path(path).map_err(|why| wrong(&why))?;
        Ok(Self {
            claim: claim.to_owned(),
            path: path.trim_end_matches('/').to_owned(),
            read_only,
        })
    }
}
impl fmt::Display for ClaimMount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mode = if self.read_only { ":ro" } else { "" };
        write!(f, "{}:{}{mode}", self.claim, self.path)
    }
}

deserialize_from_text!(ClaimMount);
serialize_as_text!(ClaimMount);

impl Schema for ClaimMount {
    fn schema() -> serde_json::Value {
        let pattern = "^[a-z0-9][a-z0-9.-]*:/[^:]+(:ro|:rw)?$";
        schema::text(pattern, &["datasets:/data:ro", "weights:/weights"])
    }
}

/// A claim that lives as long as its pod: `SIZE[,CLASS]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storage {
    pub size: Quantity,
    /// StorageClass; the cluster's default if absent.
    pub class: Option<String>,
}

impl FromStr for Storage {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (size, class) = match text.split_once(',') {
            Some((size, class)) => (size, Some(class)),
            None => (text, None),
        };
        let size: Quantity = size.parse().map_err(|why: String| {
            let unit = why
                .split_once(": ")
                .map_or(String::new(), |(_, unit)| format!(": {unit}"));
            format!("expected a size such as 100Gi, or 100Gi,CLASS{unit}")
        })?;
        if size <= Quantity::default() {
            return Err("the size must be more than 0".to_owned());
        }
        match class {
            Some(class) if !is_dns_1123_subdomain(class) => {
                Err("the part after the comma is not a valid StorageClass name".to_owned())
            }
            class => Ok(Self {
                size,
                class: class.map(str::to_owned),
            }),
        }
    }
}
impl fmt::Display for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.class {
            Some(class) => write!(f, "{},{class}", self.size),
            None => write!(f, "{}", self.size),
        }
    }
}

deserialize_from_text!(Storage);
serialize_as_text!(Storage);

impl Schema for Storage {
    fn schema() -> serde_json::Value {
        let pattern = r"^\+?[0-9]*\.?[0-9]*(n|u|m|k|[MGTPE]|[KMGTPE]i|[eE][-+]?[0-9]+)?(,[a-z0-9][a-z0-9.-]*)?$";
        json!({"type": ["string", "number"], "exclusiveMinimum": 0, "pattern": pattern,
               "examples": ["100Gi", "100Gi,fast"]})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_and_where_they_are_mounted() {
        let mount: ClaimMount = "data:/data/".parse().unwrap();
        assert_eq!((mount.path.as_str(), mount.read_only), ("/data", false));
        assert!("data:/data:ro".parse::<ClaimMount>().unwrap().read_only);
        for text in [
            "data",
            "data:data",
            "Data:/data",
            "data:/a:b",
            "data:/../x",
            "data:/",
            "data:/workload",
            "data:/workload/app",
            "data:/scratch",
            "data:/dev/shm",
        ] {
            assert!(text.parse::<ClaimMount>().is_err(), "{text}");
        }
        assert!("data:/scratch/big".parse::<ClaimMount>().is_ok());
        for text in ["data:/data:ro", "data:/data"] {
            assert_eq!(text.parse::<ClaimMount>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn storage_and_its_class() {
        let storage: Storage = "100Gi,fast".parse().unwrap();
        assert_eq!(
            (storage.size, storage.class.as_deref()),
            (Quantity::gib(100), Some("fast"))
        );
        assert!("100Gi".parse::<Storage>().unwrap().class.is_none());
        for text in ["", "fast", "100Gi,", "0", "-1Gi", "100Gi,Fast!"] {
            assert!(text.parse::<Storage>().is_err(), "{text}");
        }
        for text in ["100Gi,fast", "100Gi"] {
            assert_eq!(text.parse::<Storage>().unwrap().to_string(), text);
        }
    }
}
