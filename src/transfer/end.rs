//! The two ends of a copy: `NAME:/path`, or a path on this machine.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::error::CopyError;
use crate::observe::{WorkloadRef, workload_ref};
use crate::secrecy;

/// One end of a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CopyEnd {
    /// A path where a workload runs.
    Remote(WorkloadRef, String),
    /// A path here.
    Local(PathBuf),
}

/// What is copied where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Direction {
    /// From a workload.
    Download {
        workload: WorkloadRef,
        /// The path where it runs.
        from: String,
        /// The path here.
        to: PathBuf,
    },
    /// To a workload.
    Upload {
        /// The path here.
        from: PathBuf,
        workload: WorkloadRef,
        /// The path where it runs.
        to: String,
    },
}

impl FromStr for CopyEnd {
    type Err = String;

    /// What has a slash or a dot before its first colon, other than that of a kind, is
    /// a path here, as for `scp`.
    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("the path is empty".to_owned());
        }
        if text == "-" {
            let words = "files are not copied through a pipe: use kaiwo exec NAME -- cat FILE; \
                         for a file of this name, use ./-";
            return Err(words.to_owned());
        }
        let is_here = text.starts_with(['/', '.', '~']);
        let Some((name, path)) = text.split_once(':').filter(|_| !is_here) else {
            return Ok(Self::Local(PathBuf::from(text)));
        };
        // A drive of Windows.
        if name.len() == 1 && path.starts_with('\\') {
            return Ok(Self::Local(PathBuf::from(text)));
        }
        let known = |workload: WorkloadRef| match &workload.other {
            Some(word) => Err(workload_ref::unknown_kind(word)),
            None => Ok(workload),
        };
        let workload = name.parse().and_then(known).map_err(|why: String| {
            format!(
                "{why}; for a local file, use ./{}",
                secrecy::path(Path::new(text))
            )
        })?;
        if path.is_empty() {
            return Err(format!(
                "the path is missing after {name}: use NAME:/path, or NAME:. for the working directory"
            ));
        }
        if path.contains('\0') {
            return Err("the path has a NUL character".to_owned());
        }
        Ok(Self::Remote(workload, path.to_owned()))
    }
}

impl Direction {
    /// Returns what two ends mean.
    ///
    /// # Errors
    /// [`CopyError::Ends`] unless one is here and the other where a workload runs.
    pub fn between(from: &CopyEnd, to: &CopyEnd) -> Result<Self, CopyError> {
        match (from.clone(), to.clone()) {
            (CopyEnd::Remote(workload, from), CopyEnd::Local(to)) => {
                Ok(Self::Download { workload, from, to })
            }
            (CopyEnd::Local(from), CopyEnd::Remote(workload, to)) => {
                Ok(Self::Upload { from, workload, to })
            }
            (CopyEnd::Local(_), CopyEnd::Local(_)) => {
                Err(CopyError::Ends("both paths are on this machine"))
            }
            (CopyEnd::Remote(..), CopyEnd::Remote(..)) => {
                Err(CopyError::Ends("both paths are in workloads"))
            }
        }
    }

    /// Returns the workload.
    pub fn workload(&self) -> &WorkloadRef {
        match self {
            Self::Download { workload, .. } | Self::Upload { workload, .. } => workload,
        }
    }

    /// Returns the path where it runs.
    pub fn remote_path(&self) -> &str {
        match self {
            Self::Download { from, .. } => from,
            Self::Upload { to, .. } => to,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_told_apart() {
        for (text, remote) in [
            ("x:/out", Some(("x", "/out"))),
            ("job/x:/out", Some(("job/x", "/out"))),
            ("x:out/a:b", Some(("x", "out/a:b"))),
            ("x:.", Some(("x", "."))),
            ("./x:/out", None),
            ("/a:b", None),
            ("~/x:y", None),
            ("out", None),
            ("out/run", None),
            ("c:\\out", None),
        ] {
            let end: CopyEnd = text.parse().unwrap();
            match (&end, remote) {
                (CopyEnd::Remote(workload, path), Some(expected)) => {
                    assert_eq!((workload.to_string().as_str(), path.as_str()), expected);
                }
                (CopyEnd::Local(path), None) => assert_eq!(path.to_str(), Some(text)),
                _ => panic!("{text}: {end:?}"),
            }
        }
        for text in ["", "-", "x:", "ns/pod:/x", "A b:/x"] {
            assert!(text.parse::<CopyEnd>().is_err(), "{text}");
        }
    }

    #[test]
    fn one_end_is_here() {
        let end = |text: &str| text.parse::<CopyEnd>().unwrap();
        assert!(Direction::between(&end("x:/a"), &end("b")).is_ok());
        assert!(Direction::between(&end("a"), &end("x:/b")).is_ok());
        assert!(Direction::between(&end("a"), &end("b")).is_err());
        assert!(Direction::between(&end("x:/a"), &end("y:/b")).is_err());
    }
}
