//! What is uploaded, in words, and whether it arrives whole.

use std::path::Path;

use crate::names::counted;
use crate::plan::request::WorkloadRequest;
use crate::quantity::ByteSize;
use crate::workload::upload::UploadFile;
use crate::workload::{ReadOnlyMount, WorkloadError};

/// Checks that what is larger than a ConfigMap is put together in the container; a
/// template of the user's own is checked once it is rendered.
pub(super) fn check_pieces(
    request: &WorkloadRequest,
    path: Option<&Path>,
) -> Result<(), WorkloadError> {
    let files = request.upload.in_pieces();
    let mount = match request.pods.read_only_workdir {
        true => ReadOnlyMount::Asked,
        false => ReadOnlyMount::OwnProgram,
    };
    let is_left_to_template = request.template.is_some() && mount == ReadOnlyMount::OwnProgram;
    if files.is_empty() || request.copies_uploads() || is_left_to_template {
        return Ok(());
    }
    Err(WorkloadError::FilesTooLarge {
        directory: path.unwrap_or(Path::new(".")).to_path_buf(),
        files,
        mount,
    })
}

/// Returns the words for what is uploaded besides the entrypoint.
pub(super) fn told(files: &[UploadFile]) -> String {
    let size = |file: &UploadFile| ByteSize(file.content.expose().len() as u64);
    let total = ByteSize(files.iter().map(|file| size(file).0).sum());
    let mut largest: Vec<&UploadFile> = files.iter().collect();
    largest.sort_by_key(|file| std::cmp::Reverse(size(file)));
    let rows: Vec<String> = largest
        .iter()
        .take(5)
        .map(|file| format!("{} ({})", file.path, size(file)))
        .collect();
    match files {
        [] => "uploads: only the entrypoint".to_owned(),
        files => format!(
            "uploads: {}, {total}; largest: {}",
            counted(files.len(), "file"),
            rows.join(", ")
        ),
    }
}
