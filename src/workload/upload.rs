//! Files that travel with a workload, and how they are divided into
//! ConfigMaps.

use serde::{Serialize, Serializer};

use crate::digest;
use crate::secrecy::Confidential;

/// Most bytes of keys and values in one ConfigMap. The API server allows
/// 1 MiB (`ValidateConfigMap`, Kubernetes v1.36); the rest is left for
/// metadata.
pub const PART_LIMIT: usize = 1_000_000;

/// A file that appears in the container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadFile {
    /// Path below the mount, with `/` between its parts.
    pub path: String,
    /// Its bytes.
    pub content: Confidential<Vec<u8>>,
    /// Whether it can be executed there: mode 0755, else 0644.
    pub executable: bool,
}

impl UploadFile {
    /// Returns the file's mode, as a projected volume takes it.
    pub fn mode(&self) -> u32 {
        if self.executable { 0o755 } else { 0o644 }
    }
}

/// All files of one workload. Serialises as their digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    files: Vec<UploadFile>,
    /// Taken once: the files are megabytes, and every object of a submission
    /// names the digest that this is part of.
    digest: String,
}

impl Serialize for Upload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.digest)
    }
}

/// Files that one ConfigMap carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadPart<'a> {
    /// Digest of the files: their paths, modes and contents.
    pub digest: String,
    /// The files with their keys, in the order of their paths.
    pub files: Vec<(String, &'a UploadFile)>,
}

impl Upload {
    /// Takes the files in the order of their paths, whatever order they come
    /// in, so that one directory always makes the same ConfigMaps.
    pub fn new(mut files: Vec<UploadFile>) -> Self {
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let digest = digest_of(&files.iter().collect::<Vec<_>>());
        Self { files, digest }
    }

    /// Returns whether there is nothing to upload.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Returns the files.
    pub fn files(&self) -> &[UploadFile] {
        &self.files
    }

    /// Divides the files into parts of at most [`PART_LIMIT`] bytes. Each
    /// file must be smaller than that; `workload::directory` sees to it.
    pub fn parts(&self) -> Vec<UploadPart<'_>> {
        let mut parts: Vec<Vec<(String, &UploadFile)>> = Vec::new();
        let mut used = 0;
        for (index, file) in self.files.iter().enumerate() {
            let key = key_of(index, &file.path);
            let size = key.len() + file.content.expose().len();
            match parts.last_mut() {
                Some(part) if used + size <= PART_LIMIT => part.push((key, file)),
                _ => {
                    parts.push(vec![(key, file)]);
                    used = 0;
                }
            }
            used += size;
        }
        parts
            .into_iter()
            .map(|files| {
                let contents: Vec<&UploadFile> = files.iter().map(|(_, file)| *file).collect();
                UploadPart {
                    digest: digest_of(&contents),
                    files,
                }
            })
            .collect()
    }
}

/// Returns a valid ConfigMap key that no other file has, and that a person
/// who looks at the ConfigMap recognises.
fn key_of(index: usize, path: &str) -> String {
    let base = path.rsplit('/').next().unwrap_or(path);
    let readable: String = base
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || "-_.".contains(c) {
                c
            } else {
                '_'
            }
        })
        .take(100)
        .collect();
    format!("{index:04}-{readable}")
}

fn digest_of(files: &[&UploadFile]) -> String {
    let mut bytes = Vec::new();
    for file in files {
        // Lengths keep a path and the content after it apart.
        bytes.extend_from_slice(
            format!(
                "{}:{}:{:o}:{}:",
                file.path.len(),
                file.path,
                file.mode(),
                file.content.expose().len()
            )
            .as_bytes(),
        );
        bytes.extend_from_slice(file.content.expose());
    }
    digest::sha256(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn file(path: &str, size: usize) -> UploadFile {
        UploadFile {
            path: path.to_owned(),
            content: Confidential::new(vec![b'x'; size]),
            executable: false,
        }
    }

    #[test]
    fn order_does_not_matter_but_everything_else_does() {
        let upload = |files: &[UploadFile]| Upload::new(files.to_vec()).parts()[0].digest.clone();
        let (a, b) = (file("a", 1), file("b", 2));
        let base = upload(&[a.clone(), b.clone()]);
        assert_eq!(base, upload(&[b.clone(), a.clone()]));
        for other in [
            vec![file("a", 2), file("b", 1)],
            vec![
                UploadFile {
                    executable: true,
                    ..a.clone()
                },
                b.clone(),
            ],
            vec![file("aa", 1), b],
            vec![a],
        ] {
            assert_ne!(base, upload(&other));
        }
    }

    proptest! {
        // Megabytes a case: a few cases cover the boundaries between parts.
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn parts_hold_every_file_once_and_stay_small(sizes in proptest::collection::vec(0_usize..900_000, 0..20)) {
            let files: Vec<_> = sizes.iter().enumerate().map(|(i, size)| file(&format!("d/{i:02}"), *size)).collect();
            let upload = Upload::new(files.clone());
            let parts = upload.parts();
            let carried: Vec<UploadFile> = parts.iter().flat_map(|p| p.files.iter().map(|(_, f)| (*f).clone())).collect();
            prop_assert_eq!(carried, files);
            for part in &parts {
                prop_assert!(part.files.iter().map(|(key, f)| key.len() + f.content.expose().len()).sum::<usize>() <= PART_LIMIT);
                let mut keys: Vec<_> = part.files.iter().map(|(key, _)| key).collect();
                keys.dedup();
                prop_assert_eq!(keys.len(), part.files.len());
            }
        }
    }
}
