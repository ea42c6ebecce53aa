//! Files that travel inside of a workload, in one text: a compressed archive in base64.

use std::io::{self, Write as _};

use flate2::Compression;
use flate2::write::GzEncoder;
use k8s_openapi::ByteString;
use serde_json::Value;
use tar::{Builder, EntryType, Header};

use super::upload::{Upload, UploadFile};
use crate::secrecy::Confidential;

/// The files of an upload as one text. The same files always make the same text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackedFiles(Confidential<String>);

impl PackedFiles {
    /// Packs the files of an upload; `None` if a name does not fit into an archive.
    pub fn new(upload: &Upload) -> Option<Self> {
        let archive = compressed(upload.files()).ok()?;
        // k8s-openapi's type for such fields writes them as the API takes them.
        match serde_json::to_value(ByteString(archive)) {
            Ok(Value::String(text)) => Some(Self(Confidential::new(text))),
            _ => None,
        }
    }

    /// Returns the text.
    pub fn text(&self) -> &str {
        self.0.expose()
    }

    /// Returns the bytes of the text.
    pub fn size(&self) -> u64 {
        self.text().len() as u64
    }

    /// Returns the bytes of the archive, before it became a text.
    pub fn compressed_size(&self) -> u64 {
        let padding = self.text().bytes().rev().take_while(|byte| *byte == b'=');
        self.size() / 4 * 3 - padding.count() as u64
    }
}

fn compressed(files: &[UploadFile]) -> io::Result<Vec<u8>> {
    let encoder = GzEncoder::new(Vec::new(), Compression::best());
    let mut builder = Builder::new(encoder);
    for file in files {
        let content = file.content.expose();
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Regular);
        header.set_mode(file.mode());
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(content.len() as u64);
        builder.append_data(&mut header, &file.path, content.as_slice())?;
    }
    let mut encoder = builder.into_inner()?;
    encoder.flush()?;
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn file(path: &str, content: &[u8], executable: bool) -> UploadFile {
        UploadFile {
            path: path.to_owned(),
            content: Confidential::new(content.to_vec()),
            executable,
        }
    }

    /// Does in a directory what the container's command does.
    #[cfg(unix)]
    fn unpacked(packed: &PackedFiles, tool: &str) -> Vec<UploadFile> {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("text"), packed.text()).unwrap();
        let here = folder.path().join("workload");
        std::fs::create_dir(&here).unwrap();
        let script = "base64 -d <../text >../files && tar -xzmf ../files";
        let done = std::process::Command::new(tool)
            .args(["-c", script])
            .current_dir(&here)
            .status();
        assert!(done.unwrap().success());
        let mut found = Vec::new();
        let mut folders = vec![here.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let entry = entry.unwrap();
                if entry.file_type().unwrap().is_dir() {
                    folders.push(entry.path());
                    continue;
                }
                let path = entry.path();
                let mode = entry.metadata().unwrap().permissions().mode();
                let name = path.strip_prefix(&here).unwrap().to_str().unwrap();
                let content = std::fs::read(&path).unwrap();
                found.push(file(name, &content, mode & 0o111 != 0));
            }
        }
        found.sort_by(|a, b| a.path.cmp(&b.path));
        found
    }

    #[test]
    fn the_same_files_make_the_same_text() {
        let files = [file("b", b"2", true), file("a", b"1", false)];
        let pack = |files: &[UploadFile]| PackedFiles::new(&Upload::new(files.to_vec())).unwrap();
        let packed = pack(&files);
        let mut turned = files.to_vec();
        turned.reverse();
        assert_eq!(packed, pack(&turned));
        assert_ne!(packed, pack(&files[..1]));
        assert!(!format!("{packed:?}").contains(packed.text()));
        assert!(packed.compressed_size() < packed.size());
    }

    #[cfg(unix)]
    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]
        #[test]
        fn what_is_packed_is_unpacked(
            files in proptest::collection::vec((0_usize..70_000, any::<bool>(), any::<u8>()), 1..6),
            names in proptest::collection::vec("[ -.0-9A-Z_a-zé\"'$*☃\\n\\\\]{1,60}", 6),
        ) {
            let files = files.into_iter().zip(names).enumerate().map(|(index, ((size, executable, seed), name))| {
                let content: Vec<u8> = (0..size).map(|at| (at as u8).wrapping_mul(seed) ^ (at >> 8) as u8).collect();
                file(&format!("-d {index}/deep/{name}x"), &content, executable)
            });
            let upload = Upload::new(files.collect());
            let packed = PackedFiles::new(&upload).unwrap();
            prop_assert!(unpacked(&packed, "sh") == upload.files());
        }
    }
}
