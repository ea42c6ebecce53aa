//! Digests that tell whether two things are the same.

use sha2::{Digest, Sha256};

/// Returns the SHA-256 of `bytes` in lower-case hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Returns the first `length` characters of the SHA-256 of `bytes`.
pub fn short(bytes: &[u8], length: usize) -> String {
    sha256(bytes)[..length].to_owned()
}
