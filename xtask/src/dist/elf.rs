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
/// Section of symbols.
const SYMTAB: u32 = 2;
/// Section without bytes in the file.
const NOBITS: u32 = 8;
/// Dynamic entry that names a library.
const DT_NEEDED: u64 = 1;

/// An executable of 64 bits, little endian.
#[derive(Debug, PartialEq)]
pub struct Headers {
    /// For which machine it is.
    pub machine: u16,
    /// It starts by itself: it asks for no dynamic linker and no library. A
    /// position-independent one has a dynamic section all the same.
    pub is_static: bool,
}

impl Headers {
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

/// Returns the executable with one more section, which is not loaded: its bytes, the name
/// and a new table of sections come after everything else.
///
/// # Errors
///
/// If it has no table of sections, or has a section of this name already.
pub fn with_section(content: &[u8], name: &str, section: &[u8]) -> Result<Vec<u8>> {
    const HEADER: usize = 64;
    let table = usize::try_from(u64_at(content, 0x28)?)?;
    let count = usize::from(u16_at(content, 0x3C)?);
    let names = usize::from(u16_at(content, 0x3E)?);
    if usize::from(u16_at(content, 0x3A)?) != HEADER || names >= count {
        bail!("it has no table of sections");
    }
    let of_names = table + names * HEADER;
    let start = usize::try_from(u64_at(content, of_names + 0x18)?)?;
    let length = usize::try_from(u64_at(content, of_names + 0x20)?)?;
    let mut strings = content
        .get(start..start + length)
        .context("the file is cut off")?
        .to_vec();
    let mut known = strings.split(|byte| *byte == 0);
    if known.any(|known| known == name.as_bytes()) {
        bail!("it has a section {name} already");
    }
    let name_at = u32::try_from(strings.len())?;
    strings.extend(name.as_bytes());
    strings.push(0);

    let mut whole = content.to_vec();
    let section_at = u64::try_from(whole.len())?;
    whole.extend(section);
    let strings_at = u64::try_from(whole.len())?;
    whole.extend(&strings);
    whole.resize(whole.len().next_multiple_of(8), 0);
    let table_at = u64::try_from(whole.len())?;
    let headers = content.get(table..table + count * HEADER);
    whole.extend(headers.context("the file is cut off")?);
    // A section of the program's own data, without address or flags.
    let mut header = [0; HEADER];
    header[..4].copy_from_slice(&name_at.to_le_bytes());
    header[4] = 1;
    header[0x18..0x20].copy_from_slice(&section_at.to_le_bytes());
    header[0x20..0x28].copy_from_slice(&u64::try_from(section.len())?.to_le_bytes());
    header[0x30] = 1;
    whole.extend(header);

    let of_names = usize::try_from(table_at)? + names * HEADER;
    let strings_length = u64::try_from(strings.len())?;
    whole[of_names + 0x18..of_names + 0x20].copy_from_slice(&strings_at.to_le_bytes());
    whole[of_names + 0x20..of_names + 0x28].copy_from_slice(&strings_length.to_le_bytes());
    whole[0x28..0x30].copy_from_slice(&table_at.to_le_bytes());
    whole[0x3C..0x3E].copy_from_slice(&u16::try_from(count + 1)?.to_le_bytes());
    Ok(whole)
}

/// A symbol with a size.
#[derive(Debug, Clone, PartialEq)]
pub struct Symbol {
    /// Its mangled name.
    pub name: String,
    /// Bytes that it takes.
    pub size: u64,
}

/// A row of the table of sections.
struct Section {
    name: String,
    kind: u32,
    /// Where its bytes are; none for one that is only in memory.
    place: std::ops::Range<usize>,
    /// Number of the section that it refers to.
    link: usize,
}

fn table(content: &[u8]) -> Result<Vec<Section>> {
    let table = usize::try_from(u64_at(content, 0x28)?)?;
    let start =
        |header: usize| Ok::<_, anyhow::Error>(usize::try_from(u64_at(content, header + 0x18)?)?);
    let names = start(table + usize::from(u16_at(content, 0x3E)?) * 64)?;
    let mut sections = Vec::new();
    for number in 0..usize::from(u16_at(content, 0x3C)?) {
        let header = table + number * 64;
        let kind = u32_at(content, header + 4)?;
        let size = match kind {
            NOBITS => 0,
            _ => usize::try_from(u64_at(content, header + 0x20)?)?,
        };
        sections.push(Section {
            name: string(content, names + usize::try_from(u32_at(content, header)?)?)?,
            kind,
            place: start(header)?..start(header)? + size,
            link: usize::try_from(u32_at(content, header + 0x28)?)?,
        });
    }
    Ok(sections)
}

/// Returns the text that ends with a zero.
fn string(content: &[u8], at: usize) -> Result<String> {
    let rest = content.get(at..).context("the file is cut off")?;
    let end = rest.iter().position(|byte| *byte == 0);
    let text = &rest[..end.context("the file is cut off")?];
    Ok(String::from_utf8_lossy(text).into_owned())
}

/// Returns the content of a section, if there is one of this name.
pub fn section<'a>(content: &'a [u8], name: &str) -> Result<Option<&'a [u8]>> {
    let sections = table(content)?;
    let Some(section) = sections.into_iter().find(|it| it.name == name) else {
        return Ok(None);
    };
    let found = content.get(section.place);
    Ok(Some(found.context("the file is cut off")?))
}

/// Returns the sections with their sizes in the file, largest first.
pub fn sections(content: &[u8]) -> Result<Vec<(String, u64)>> {
    let mut sizes = Vec::new();
    for section in table(content)? {
        sizes.push((section.name, u64::try_from(section.place.len())?));
    }
    sizes.sort_by_key(|(_, size)| std::cmp::Reverse(*size));
    Ok(sizes)
}

/// Returns the symbols that have a size; none of an executable that is stripped.
pub fn symbols(content: &[u8]) -> Result<Vec<Symbol>> {
    let sections = table(content)?;
    let mut symbols = Vec::new();
    for section in sections.iter().filter(|it| it.kind == SYMTAB) {
        let names = sections.get(section.link).context("the file is cut off")?;
        for entry in section.place.clone().step_by(24) {
            let size = u64_at(content, entry + 16)?;
            let name = names.place.start + usize::try_from(u32_at(content, entry)?)?;
            if size > 0 {
                let name = string(content, name)?;
                symbols.push(Symbol { name, size });
            }
        }
    }
    Ok(symbols)
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
            let read = Headers::read(&executable(kinds, tag)).unwrap();
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
            assert!(Headers::read(&whole[..length]).is_err(), "{length}");
        }
        assert!(Headers::read(b"#!/bin/sh\n").is_err());
    }

    #[test]
    fn a_section_is_added_once_and_read_again() {
        let me = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let data = b"what it is built of";
        let with = with_section(&me, ".dep-v0", data).unwrap();
        assert_eq!(section(&with, ".dep-v0").unwrap(), Some(data.as_slice()));
        assert_eq!(section(&me, ".dep-v0").unwrap(), None);
        let text = section(&me, ".text").unwrap();
        assert_eq!(section(&with, ".text").unwrap(), text);
        let error = with_section(&with, ".dep-v0", data).unwrap_err();
        assert!(error.to_string().contains("already"));
        // What an executable needs to start is where it was.
        assert_eq!(with[..0x28], me[..0x28]);
    }
}
