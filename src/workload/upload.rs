//! Files that travel with a workload, and how they are divided into
//! ConfigMaps.
//!
//! A file that no ConfigMap holds travels in pieces. The volume then has the files in
//! `files`, each with its first piece, the other pieces beside them, and a script
//! that appends these.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use serde::{Serialize, Serializer};

use crate::digest::Digest;
use crate::quantity::ByteSize;
use crate::secrecy::Confidential;
use crate::shell;

/// Most bytes of keys and values in one ConfigMap. The API server allows
/// 1 MiB (`ValidateConfigMap`, Kubernetes v1.36); the rest is left for
/// metadata.
pub const PART_LIMIT: usize = 1_000_000;
/// Most bytes of a file in one ConfigMap, which it shares with its key.
pub const PIECE_LIMIT: usize = PART_LIMIT - 200;
/// Most bytes of all files, whatever `--upload-limit` says: a 32nd of what etcd takes
/// by default (2 GiB, `--quota-backend-bytes`, etcd v3.6), for everybody.
pub const MOST_BYTES: ByteSize = ByteSize(64 << 20);

/// Directory of the files in a volume that has pieces.
const FILES: &str = "files";
/// Directory of the pieces beside it.
const PIECES: &str = "pieces";
/// Script that joins them, in the directory in which it is run.
pub const JOIN: &str = "join.sh";

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
    pub(super) fn mode(&self) -> u32 {
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
    /// Whether parts have the digests that 0.1.0 gave them.
    has_older_digests: bool,
}

impl Serialize for Upload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.digest)
    }
}

/// What one ConfigMap carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadPart<'a> {
    /// Digest of the entries: their names, modes and contents.
    pub digest: String,
    /// In the order of the files.
    pub entries: Vec<VolumeFile<'a>>,
}

/// A file of the volume: one that is uploaded, a piece of one, or the script.
#[derive(Clone, PartialEq, Eq)]
pub struct VolumeFile<'a> {
    /// Its key in the ConfigMap.
    pub key: String,
    /// Its path in the volume.
    pub path: Cow<'a, str>,
    /// Its bytes.
    pub content: Cow<'a, [u8]>,
    /// Its mode there.
    pub mode: u32,
}

impl fmt::Debug for VolumeFile<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} bytes)", self.path, self.content.len())
    }
}

impl Upload {
    /// Takes the files in the order of their paths, whatever order they come
    /// in, so that one directory always makes the same ConfigMaps.
    pub fn new(mut files: Vec<UploadFile>) -> Self {
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let mut digest = Digest::default();
        for file in &files {
            add(&mut digest, &file.path, file.mode(), file.content.expose());
        }
        let digest = digest.hexadecimal();
        Self {
            files,
            digest,
            has_older_digests: false,
        }
    }

    /// Gives its parts the digests of 0.1.0, if `is_known` knows one that only that gave:
    /// what was made from the same files stays as it is.
    pub fn recognise(&mut self, is_known: impl Fn(&str) -> bool) {
        let parts = self.parts();
        let older = self.parts_with(true);
        let mut pairs = parts.iter().zip(&older);
        let is_older =
            pairs.any(|(part, older)| part.digest != older.digest && is_known(&older.digest));
        self.has_older_digests = is_older;
    }

    /// Returns whether there is nothing to upload.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Returns the files.
    pub fn files(&self) -> &[UploadFile] {
        &self.files
    }

    /// Returns the files that travel in pieces, with their sizes.
    pub fn in_pieces(&self) -> Vec<(String, ByteSize)> {
        let large = self.files.iter().filter(|file| is_large(file));
        large
            .map(|file| {
                (
                    file.path.clone(),
                    ByteSize(file.content.expose().len() as u64),
                )
            })
            .collect()
    }

    /// Divides the files into parts of at most [`PART_LIMIT`] bytes.
    pub fn parts(&self) -> Vec<UploadPart<'_>> {
        self.parts_with(self.has_older_digests)
    }

    fn parts_with(&self, older_digests: bool) -> Vec<UploadPart<'_>> {
        let mut parts: Vec<UploadPart<'_>> = Vec::new();
        let mut used = 0;
        for entry in self.entries() {
            let size = entry.key.len() + entry.content.len();
            match parts.last_mut() {
                Some(part) if used + size <= PART_LIMIT => part.entries.push(entry),
                _ => {
                    parts.push(UploadPart {
                        digest: String::new(),
                        entries: vec![entry],
                    });
                    used = 0;
                }
            }
            used += size;
        }
        let has_pieces = self.files.iter().any(is_large);
        for part in &mut parts {
            let mut digest = Digest::default();
            // What is in a ConfigMap, its name has to tell: its keys, which count from
            // the first file of all on.
            let tells_keys = has_pieces || !older_digests;
            for entry in &part.entries {
                let name = match tells_keys {
                    true => &*entry.key,
                    false => &*entry.path,
                };
                add(&mut digest, name, entry.mode, &entry.content);
            }
            part.digest = digest.hexadecimal();
        }
        parts
    }

    fn entries(&self) -> Vec<VolumeFile<'_>> {
        let has_pieces = self.files.iter().any(is_large);
        let mut entries = Vec::new();
        let mut script = String::new();
        for (index, file) in self.files.iter().enumerate() {
            let mut pieces = file.content.expose().chunks(PIECE_LIMIT);
            entries.push(VolumeFile {
                key: key_of(index, &file.path),
                path: match has_pieces {
                    true => format!("{FILES}/{}", file.path).into(),
                    false => file.path.as_str().into(),
                },
                content: pieces.next().unwrap_or_default().into(),
                mode: file.mode(),
            });
            for (number, piece) in (1..).zip(pieces) {
                entries.push(VolumeFile {
                    key: format!("{index:04}.{number:02}"),
                    path: format!("{PIECES}/{index:04}/{number:02}").into(),
                    content: piece.into(),
                    mode: 0o644,
                });
            }
            if is_large(file) {
                // What the directory is called here is not known to the workload.
                let _ = writeln!(
                    script,
                    "cat \"${{0%/*}}\"/{PIECES}/{index:04}/* >>{} || exit",
                    shell::quoted(&file.path)
                );
            }
        }
        entries.extend(has_pieces.then(|| VolumeFile {
            key: JOIN.to_owned(),
            path: JOIN.into(),
            content: script.into_bytes().into(),
            mode: 0o644,
        }));
        entries
    }
}

fn is_large(file: &UploadFile) -> bool {
    file.content.expose().len() > PIECE_LIMIT
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

/// Adds a file to a digest. Lengths keep a path and the content after it apart.
fn add(digest: &mut Digest, path: &str, mode: u32, content: &[u8]) {
    let head = format!("{}:{path}:{mode:o}:{}:", path.len(), content.len());
    digest.add(head.as_bytes());
    digest.add(content);
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

    /// Lays out a volume, and does in a directory what the container's command does.
    #[cfg(unix)]
    fn rejoined(upload: &Upload) -> Vec<UploadFile> {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let volume = folder.path().join("a volume");
        for entry in upload.parts().iter().flat_map(|part| &part.entries) {
            let file = volume.join(&*entry.path);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(&file, &entry.content).unwrap();
            std::fs::set_permissions(&file, PermissionsExt::from_mode(entry.mode)).unwrap();
        }
        let here = folder.path().join("workload");
        std::fs::create_dir(&here).unwrap();
        let joined = std::process::Command::new("sh")
            .args(["-c", "cp -R \"$0/files/.\" . && sh \"$0/join.sh\""])
            .arg(&volume)
            .current_dir(&here)
            .status();
        assert!(joined.unwrap().success());
        let files = upload.files.iter().map(|file| {
            let there = here.join(&file.path);
            let mode = there.metadata().unwrap().permissions().mode();
            UploadFile {
                path: file.path.clone(),
                content: Confidential::new(std::fs::read(there).unwrap()),
                executable: mode & 0o111 != 0,
            }
        });
        files.collect()
    }

    #[test]
    fn without_large_files_the_volume_is_as_it_was() {
        let upload = Upload::new(vec![file("d/a", PIECE_LIMIT), file("b", 0)]);
        assert_eq!(upload.in_pieces(), []);
        let parts = upload.parts();
        let paths = parts.iter().flat_map(|part| &part.entries);
        let paths: Vec<_> = paths.map(|entry| (&entry.key[..], &*entry.path)).collect();
        assert_eq!(paths, [("0000-b", "b"), ("0001-a", "d/a")]);
        assert_eq!(
            upload.parts_with(true)[0].digest,
            "20933eaade5f684c427371880c4a42b9655934256630fe67fc93424ba68924da"
        );
    }

    #[test]
    fn a_name_stands_for_one_content_only() {
        let large = |path| file(path, PIECE_LIMIT + 1);
        let uploads = [
            vec![large("b"), large("c")],
            vec![file("a", 10), large("b"), large("c")],
            vec![large("c"), large("d")],
            vec![file("a", 10), file("b", 800_000), file("c", 800_000)],
            vec![file("b", 800_000), file("c", 800_000)],
        ];
        let uploads = uploads.map(Upload::new);
        let parts: Vec<_> = uploads.iter().flat_map(Upload::parts).collect();
        // What 0.1.0 created is still there.
        let older: Vec<_> = uploads.iter().flat_map(|it| it.parts_with(true)).collect();
        for one in &parts {
            let all = parts.iter().chain(&older);
            for other in all.filter(|other| other.digest == one.digest) {
                let keys = |part: &UploadPart<'_>| -> Vec<String> {
                    part.entries.iter().map(|entry| entry.key.clone()).collect()
                };
                assert_eq!(keys(one), keys(other));
            }
        }
    }

    #[test]
    fn names_of_0_1_0_are_recognised() {
        let half = |path| file(path, 800_000);
        let mut upload = Upload::new(vec![half("a"), half("b")]);
        let digests = |upload: &Upload| -> Vec<String> {
            let parts = upload.parts();
            parts.iter().map(|part| part.digest.clone()).collect()
        };
        let now = digests(&upload);
        let older = upload.parts_with(true);
        let before: Vec<String> = older.into_iter().map(|part| part.digest).collect();
        assert!(now.iter().all(|digest| !before.contains(digest)));
        upload.recognise(|digest| now.iter().any(|known| known == digest));
        assert_eq!(digests(&upload), now);
        upload.recognise(|digest| before.iter().any(|known| known == digest));
        assert_eq!(digests(&upload), before);
    }

    proptest! {
        // Megabytes a case: a few cases cover the boundaries between parts.
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn parts_hold_every_file_once_and_stay_small(sizes in proptest::collection::vec(0_usize..900_000, 0..20)) {
            let files: Vec<_> = sizes.iter().enumerate().map(|(i, size)| file(&format!("d/{i:02}"), *size)).collect();
            let upload = Upload::new(files.clone());
            let parts = upload.parts();
            let entries = parts.iter().flat_map(|part| &part.entries);
            let carried: Vec<_> = entries.map(|entry| (&*entry.path, entry.content.len())).collect();
            let files: Vec<_> = files.iter().map(|file| (&file.path[..], file.content.expose().len())).collect();
            prop_assert_eq!(carried, files);
            prop_assert!(parts.iter().all(is_small));
        }
    }

    /// Whether a part fits, and has no key twice.
    fn is_small(part: &UploadPart<'_>) -> bool {
        let mut keys: Vec<_> = part.entries.iter().map(|entry| &entry.key).collect();
        keys.sort();
        keys.dedup();
        let bytes = part
            .entries
            .iter()
            .map(|entry| entry.key.len() + entry.content.len());
        keys.len() == part.entries.len() && bytes.sum::<usize>() <= PART_LIMIT
    }

    #[cfg(unix)]
    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]
        #[test]
        fn pieces_rejoin(
            mut sizes in proptest::collection::vec((0_usize..3_500_000, any::<bool>()), 0..4),
            names in proptest::collection::vec("[ -.0-9A-Z_a-zé\"'$*☃\\n\\\\]{1,20}", 4),
            seed in any::<u8>(),
        ) {
            sizes.insert(0, (PIECE_LIMIT + 1 + usize::from(seed), true));
            let files = sizes.into_iter().zip(names).enumerate().map(|(index, ((size, executable), name))| UploadFile {
                path: format!("-d {index}/{name}x"),
                content: Confidential::new((0..size).map(|at| (at as u8).wrapping_mul(seed | 1) ^ (at >> 8) as u8 ^ (at >> 16) as u8).collect()),
                executable,
            });
            let upload = Upload::new(files.collect());
            prop_assert!(upload.parts().iter().all(is_small));
            prop_assert!(rejoined(&upload) == upload.files);
        }
    }
}
