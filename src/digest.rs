//! Digests that tell whether two things are the same.

use sha2::Sha256;

/// A SHA-256 of what is added to it.
#[derive(Default)]
pub struct Digest(Sha256);

impl Digest {
    /// Adds `bytes`.
    pub fn add(&mut self, bytes: &[u8]) {
        sha2::Digest::update(&mut self.0, bytes);
    }

    /// Returns it in lower-case hexadecimal.
    pub fn hexadecimal(self) -> String {
        let bytes = sha2::Digest::finalize(self.0);
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Returns the SHA-256 of `bytes` in lower-case hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    let mut digest = Digest::default();
    digest.add(bytes);
    digest.hexadecimal()
}

/// Returns the first `length` characters of the SHA-256 of `bytes`.
pub fn short(bytes: &[u8], length: usize) -> String {
    sha256(bytes)[..length].to_owned()
}
