//! What an executable's bytes are: by section, and, if it has symbols, by crate.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::elf::{self, Symbol};
use super::say;

/// Crates that are named; the others are one line.
const NAMED: usize = 16;

/// Prints the table for a file.
pub fn print(file: &Path) -> Result<()> {
    let content = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    for (name, size) in elf::sections(&content)? {
        if size >= 50_000 {
            say(&format!("{:>9.2} MB  {name}", megabytes(size)));
        }
    }
    let symbols = elf::symbols(&content)?;
    if symbols.is_empty() {
        say("no symbols: build with CARGO_PROFILE_RELEASE_STRIP=none for the crates");
        return Ok(());
    }
    let sizes = by_crate(&symbols);
    let mut rest = 0;
    say("");
    for (number, (name, size)) in sizes.iter().enumerate() {
        match number < NAMED {
            true => say(&format!("{:>9.2} MB  {name}", megabytes(*size))),
            false => rest += size,
        }
    }
    let others = sizes.len().saturating_sub(NAMED);
    say(&format!("{:>9.2} MB  {others} others", megabytes(rest)));
    Ok(())
}

fn megabytes(size: u64) -> f64 {
    // Precise up to 2^52, and a table of two digits.
    f64::from(u32::try_from(size).unwrap_or(u32::MAX)) / 1e6
}

/// Adds up the sizes of code and data by crate, largest first. Code that is generic counts
/// for the crate of the type that it is for: what serde generates for a type of
/// `k8s-openapi` is there because of that type.
fn by_crate(symbols: &[Symbol]) -> Vec<(String, u64)> {
    let mut sizes: BTreeMap<String, u64> = BTreeMap::new();
    for symbol in symbols {
        *sizes.entry(crate_of(&symbol.name)).or_default() += symbol.size;
    }
    let mut sizes: Vec<(String, u64)> = sizes.into_iter().collect();
    sizes.sort_by_key(|(_, size)| std::cmp::Reverse(*size));
    sizes
}

/// Returns the crate in a mangled name: the first one that is named, in the parts of a path
/// that each begin with their length (`_ZN`), or in a type in angle brackets.
fn crate_of(symbol: &str) -> String {
    let part = symbol.strip_prefix("_ZN").and_then(|rest| {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let length: usize = rest[..digits].parse().ok()?;
        rest.get(digits..digits + length)
    });
    let Some(part) = part else {
        return match symbol.starts_with("ring_core") || symbol.contains("_ring_") {
            true => "ring".to_owned(),
            false => "C and the runtime".to_owned(),
        };
    };
    let mut text = part.replace("$LT$", "<").replace("$GT$", ">");
    for (code, sign) in [("$RF$", "&"), ("$u20$", " "), ("$u7b$", "{"), ("..", "::")] {
        text = text.replace(code, sign);
    }
    let type_ = text.trim_start_matches(|c: char| !c.is_ascii_alphabetic());
    let name = type_.strip_prefix("mut ").unwrap_or(type_);
    let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let name = &name[..end.unwrap_or(name.len())];
    match name {
        "" => "generic".to_owned(),
        // A type without a crate, such as a letter for a generic one.
        name if name.len() == 1 => "generic".to_owned(),
        name => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_symbol_is_of_the_crate_that_it_names_first() {
        for (symbol, name) in [
            ("_ZN5kaiwo3cmd3run17h0123456789abcdefE", "kaiwo"),
            (
                "_ZN30_$LT$k8s_openapi..api..core..v1$GT$3new17hE",
                "k8s_openapi",
            ),
            ("_ZN12_$LT$T$GT$3new17hE", "generic"),
            ("memcpy", "C and the runtime"),
            ("ring_core_0_17_14__aes_hw_encrypt", "ring"),
        ] {
            assert_eq!(crate_of(symbol), name, "{symbol}");
        }
    }

    #[test]
    fn this_test_has_sections_and_symbols() {
        let me = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let sections = elf::sections(&me).unwrap();
        assert!(
            sections
                .iter()
                .any(|(name, size)| name == ".text" && *size > 100_000)
        );
        let sizes = by_crate(&elf::symbols(&me).unwrap());
        assert!(sizes.iter().any(|(name, _)| name == "xtask"), "{sizes:?}");
    }
}
