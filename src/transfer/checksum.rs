//! Checksums, by what the image has for them.

use std::collections::HashMap;

use sha2::{Digest as _, Sha256};

use super::entry::RelPath;
use super::listing::PathListing;

/// How files are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// `sha256sum`.
    Sha256,
    /// `cksum` of POSIX: CRC-32 over content and length.
    Cksum,
    /// The size alone.
    Size,
}

/// Takes the checksum of what passes.
#[derive(Debug, Clone)]
pub enum Hasher {
    /// See [`Method::Sha256`].
    Sha256(Box<Sha256>),
    /// See [`Method::Cksum`].
    Cksum {
        /// Up to here.
        crc: u32,
        /// Bytes so far.
        length: u64,
    },
    /// See [`Method::Size`].
    Size(u64),
}

impl Method {
    /// Returns the best that the image has.
    pub fn best(listing: &PathListing) -> Self {
        match () {
            () if listing.has("sha256sum") => Self::Sha256,
            () if listing.has("cksum") => Self::Cksum,
            () => Self::Size,
        }
    }

    /// Returns the program, which takes names or stdin.
    pub fn program(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256sum",
            Self::Cksum => "cksum",
            Self::Size => "wc -c",
        }
    }

    /// Returns how files were compared.
    pub fn words(self) -> &'static str {
        match self {
            Self::Sha256 => "SHA-256 compared",
            Self::Cksum => "CRC-32 compared: the image has no sha256sum",
            Self::Size => "only sizes compared: the image has neither sha256sum nor cksum",
        }
    }

    /// Begins.
    pub fn hasher(self) -> Hasher {
        match self {
            Self::Sha256 => Hasher::Sha256(Box::default()),
            Self::Cksum => Hasher::Cksum { crc: 0, length: 0 },
            Self::Size => Hasher::Size(0),
        }
    }

    /// Returns the checksum of a text.
    pub fn sum(self, bytes: &[u8]) -> String {
        let mut hasher = self.hasher();
        hasher.update(bytes);
        hasher.finish()
    }

    /// Returns whether the program writes a name as it is, on a line of its own.
    pub fn writes_plainly(name: &RelPath) -> bool {
        !name.bytes().iter().any(|byte| b"\n\r\\".contains(byte))
    }

    /// Reads what the program wrote about many files.
    pub fn read(self, bytes: &[u8]) -> HashMap<RelPath, String> {
        let lines = bytes.split(|byte| *byte == b'\n');
        lines.filter_map(|line| self.line(line)).collect()
    }

    /// Reads what it wrote about its stdin.
    pub fn read_stdin(self, bytes: &[u8]) -> Option<String> {
        let text = std::str::from_utf8(bytes).ok()?;
        let mut words = text.split_whitespace();
        let first = words.next()?.to_owned();
        match self {
            Self::Cksum => Some(format!("{first} {}", words.next()?)),
            Self::Sha256 | Self::Size => Some(first),
        }
    }

    fn line(self, line: &[u8]) -> Option<(RelPath, String)> {
        let (sum, name) = match self {
            Self::Sha256 => {
                let (sum, rest) = line.split_at_checked(64)?;
                let name = rest.strip_prefix(b"  ").or(rest.strip_prefix(b" *"))?;
                (sum.to_vec(), name)
            }
            Self::Cksum => {
                let first = line.iter().position(|byte| *byte == b' ')?;
                let rest = &line[first + 1..];
                let second = first + 1 + rest.iter().position(|byte| *byte == b' ')?;
                (line[..second].to_vec(), &line[second + 1..])
            }
            Self::Size => {
                let line = line.trim_ascii_start();
                let end = line.iter().position(|byte| *byte == b' ')?;
                (line[..end].to_vec(), &line[end + 1..])
            }
        };
        // The total of `wc` has no such name.
        let name = name.starts_with(b"./").then_some(name)?;
        Some((RelPath::new(name)?, String::from_utf8(sum).ok()?))
    }
}

impl Hasher {
    /// Takes more.
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(sha) => sha.update(bytes),
            Self::Cksum { crc, length } => {
                *crc = bytes.iter().fold(*crc, |crc, byte| step(crc, *byte));
                *length += bytes.len() as u64;
            }
            Self::Size(size) => *size += bytes.len() as u64,
        }
    }

    /// Returns the checksum, as the program writes it.
    pub fn finish(self) -> String {
        match self {
            Self::Sha256(sha) => {
                let digest = sha.finalize();
                digest.iter().map(|byte| format!("{byte:02x}")).collect()
            }
            Self::Cksum { crc, length } => {
                let mut crc = crc;
                let mut rest = length;
                while rest != 0 {
                    crc = step(crc, (rest & 0xff) as u8);
                    rest >>= 8;
                }
                format!("{} {length}", !crc)
            }
            Self::Size(size) => size.to_string(),
        }
    }
}

/// One byte of the CRC of `cksum` (POSIX.1-2017, polynomial 0x04c11db7).
fn step(crc: u32, byte: u8) -> u32 {
    TABLE[((crc >> 24) as u8 ^ byte) as usize] ^ (crc << 8)
}

static TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let mut crc = (at as u32) << 24;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000_0000 == 0 {
                crc << 1
            } else {
                (crc << 1) ^ 0x04c1_1db7
            };
            bit += 1;
        }
        table[at] = crc;
        at += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_the_programs() {
        // As coreutils 9.7 and busybox 1.37 print them.
        assert_eq!(Method::Cksum.sum(b"hello\n"), "3015617425 6");
        assert_eq!(Method::Cksum.sum(b""), "4294967295 0");
        assert_eq!(
            Method::Sha256.sum(b"hello\n"),
            "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"
        );
        assert_eq!(Method::Size.sum(b"hello\n"), "6");
        let mut parts = Method::Cksum.hasher();
        parts.update(b"hel");
        parts.update(b"lo\n");
        assert_eq!(parts.finish(), "3015617425 6");
    }

    #[test]
    fn lines_of_the_programs_are_read() {
        let path = |text: &str| RelPath::new(text.as_bytes()).unwrap();
        let sum = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";
        let read = Method::Sha256.read(format!("{sum}  ./a b\n{sum} *./c\nx\n").as_bytes());
        assert_eq!(read.len(), 2);
        assert_eq!(read[&path("a b")], sum);
        let read = Method::Cksum.read(b"3015617425 6 ./a b\n");
        assert_eq!(read[&path("a b")], "3015617425 6");
        let read = Method::Size.read(b"   6 ./a b\n  12 ./c\n  18 total\n");
        assert_eq!(read[&path("a b")], "6");
        assert_eq!(read.len(), 2);
        assert_eq!(
            Method::Cksum.read_stdin(b"3015617425 6\n").as_deref(),
            Some("3015617425 6")
        );
        assert_eq!(Method::Size.read_stdin(b"  6\n").as_deref(), Some("6"));
        let plain = |name: &str| Method::writes_plainly(&path(name));
        assert!(plain("ä b") && !plain("a\nb") && !plain("a\\b"));
    }
}
