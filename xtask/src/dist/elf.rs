//! What an executable says about itself: for which machine it is, and whether
//! it needs anything else to start.

use anyhow::{Context as _, Result, bail};

/// `e_machine` of x86-64, from the ELF specification's supplement.
pub const X86_64: u16 = 62;
/// `e_machine` of AArch64.
pub const AARCH64: u16 = 183;

/// Program header of the path of a dynamic linker.
const PT_INTERP: u32 = 3;
/// Program header of the dynamic section.
const PT_DYNAMIC: u32 = 2;
/// Dynamic entry that names a library.
const DT_NEEDED: u64 = 1;

/// An executable of 64 bits, little endian.
#[derive(Debug, PartialEq)]
pub struct Executable {
    /// For which machine it is.
    pub machine: u16,
    /// It starts by itself: it asks for no dynamic linker and no library. A
    /// position-independent one has a dynamic section all the same.
    pub is_static: bool,
}

impl Executable {
    /// Reads the headers of a file's content.
    ///
    /// # Errors
    ///
    /// If it is no ELF file of 64 bits, little endian, or is cut off.
    pub fn read(content: &[u8]) -> Result<Self> {
        // Magic number, 64 bits, little endian.
        if !content.starts_with(b"\x7fELF\x02\x01") {
            bail!("not an ELF file of 64 bits, little endian");
        }
        let headers = usize::try_from(u64_at(content, 0x20)?)?;
        let size = usize::from(u16_at(content, 0x36)?);
        let count = usize::from(u16_at(content, 0x38)?);
        let mut is_static = true;
        for number in 0..count {
            let header = headers + number * size;
            match u32_at(content, header)? {
                PT_INTERP => is_static = false,
                PT_DYNAMIC => {
                    let start = usize::try_from(u64_at(content, header + 8)?)?;
                    let length = usize::try_from(u64_at(content, header + 32)?)?;
                    for entry in (start..start + length).step_by(16) {
                        is_static &= u64_at(content, entry)? != DT_NEEDED;
                    }
                }
                _ => {}
            }
        }
        Ok(Self {
            machine: u16_at(content, 0x12)?,
            is_static,
        })
    }
}

fn bytes<const N: usize>(content: &[u8], at: usize) -> Result<[u8; N]> {
    content
        .get(at..at + N)
        .and_then(|slice| slice.try_into().ok())
        .context("the file is cut off")
}

fn u16_at(content: &[u8], at: usize) -> Result<u16> {
    Ok(u16::from_le_bytes(bytes(content, at)?))
}

fn u32_at(content: &[u8], at: usize) -> Result<u32> {
    Ok(u32::from_le_bytes(bytes(content, at)?))
}

fn u64_at(content: &[u8], at: usize) -> Result<u64> {
    Ok(u64::from_le_bytes(bytes(content, at)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An executable with these program headers, and a dynamic section of one
    /// entry with this tag at 0x200.
    fn executable(kinds: &[u32], tag: u64) -> Vec<u8> {
        let mut content = vec![0; 0x210];
        content[..6].copy_from_slice(b"\x7fELF\x02\x01");
        content[0x12..0x14].copy_from_slice(&AARCH64.to_le_bytes());
        content[0x20] = 0x40;
        content[0x36] = 56;
        content[0x38] = u8::try_from(kinds.len()).unwrap();
        for (number, kind) in kinds.iter().enumerate() {
            let header = 0x40 + number * 56;
            content[header..header + 4].copy_from_slice(&kind.to_le_bytes());
            content[header + 8..header + 16].copy_from_slice(&0x200_u64.to_le_bytes());
            content[header + 32] = 16;
        }
        content[0x200..0x208].copy_from_slice(&tag.to_le_bytes());
        content
    }

    #[test]
    fn a_linker_or_a_library_is_not_static() {
        let is_static = |kinds: &[u32], tag| {
            let read = Executable::read(&executable(kinds, tag)).unwrap();
            assert_eq!(read.machine, AARCH64);
            read.is_static
        };
        assert!(is_static(&[1], 0));
        assert!(is_static(&[1, PT_DYNAMIC], 5));
        assert!(!is_static(&[1, PT_INTERP], 0));
        assert!(!is_static(&[1, PT_DYNAMIC], DT_NEEDED));
    }

    #[test]
    fn what_is_cut_off_or_something_else_is_an_error() {
        let whole = executable(&[1, PT_DYNAMIC], 5);
        for length in [0, 5, 0x30, 0x50, 0x204] {
            assert!(Executable::read(&whole[..length]).is_err(), "{length}");
        }
        assert!(Executable::read(b"#!/bin/sh\n").is_err());
    }
}
