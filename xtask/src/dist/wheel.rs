//! The wheel for `pip install kaiwo` and `uvx kaiwo`: the executable, and what the format
//! asks for beside it (Binary distribution format of the Python Packaging User Guide).

use std::fmt::Write as _;

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use super::archive::{Entry, Kind, zip};
use super::product::{Executable, Product};

/// Returns a wheel's file name and content.
pub fn wheel(product: &Product, executable: &Executable) -> Result<(String, Vec<u8>)> {
    let Product { about, licence, .. } = product;
    let version = python_version(&product.version);
    let platforms = platforms(executable);
    let info = format!("kaiwo-{version}.dist-info");
    let mut metadata = format!(
        "Metadata-Version: 2.4\nName: kaiwo\nVersion: {version}\nSummary: {about}\n\
         License-Expression: {licence}\nLicense-File: LICENSE\n"
    );
    for classifier in [
        "Environment :: Console",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Rust",
        "Topic :: System :: Distributed Computing",
    ] {
        writeln!(metadata, "Classifier: {classifier}")?;
    }
    write!(
        metadata,
        "Description-Content-Type: text/markdown\n\n{}",
        product.readme
    )?;
    let mut wheel =
        "Wheel-Version: 1.0\nGenerator: cargo-xtask-dist\nRoot-Is-Purelib: false\n".to_owned();
    for platform in &platforms {
        writeln!(wheel, "Tag: py3-none-{platform}")?;
    }
    let mut entries = vec![
        Entry::program(
            format!("kaiwo-{version}.data/scripts/kaiwo"),
            executable.content.as_slice(),
        ),
        Entry::file(format!("{info}/METADATA"), metadata),
        Entry::file(format!("{info}/WHEEL"), wheel),
        Entry::file(
            format!("{info}/licenses/LICENSE"),
            product.licence_text.as_str(),
        ),
    ];
    let mut record = String::new();
    for entry in &entries {
        if let Kind::File(content, _) = &entry.kind {
            let digest = URL_SAFE_NO_PAD.encode(Sha256::digest(content));
            writeln!(record, "{},sha256={digest},{}", entry.path, content.len())?;
        }
    }
    writeln!(record, "{info}/RECORD,,")?;
    entries.push(Entry::file(format!("{info}/RECORD"), record));
    let name = format!("kaiwo-{version}-py3-none-{}.whl", platforms.join("."));
    Ok((name, zip(&entries)?))
}

/// Returns the platforms that the executable runs on. A static one runs beside any C
/// library: the oldest glibc and musl that pip has a tag for. One that is not runs for
/// sure only where it was built, and package indexes refuse its tag.
fn platforms(executable: &Executable) -> Vec<String> {
    let machine = executable.architecture.machine;
    match executable.is_static {
        true => ["manylinux_2_17", "manylinux2014", "musllinux_1_1"]
            .map(|tag| format!("{tag}_{machine}"))
            .to_vec(),
        false => vec![format!("linux_{machine}")],
    }
}

/// Returns a version as Python spells it: 1.0.0-rc.1 is 1.0.0rc1.
fn python_version(version: &str) -> String {
    match version.split_once('-') {
        Some((release, before)) => format!(
            "{release}{}",
            before
                .replace('.', "")
                .replace("alpha", "a")
                .replace("beta", "b")
        ),
        None => version.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dist::product::tests::{executable, product};

    #[test]
    fn a_static_executable_is_for_every_linux() {
        let (name, _) = wheel(&product(), &executable(true)).unwrap();
        assert_eq!(
            name,
            "kaiwo-1.2.3-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.musllinux_1_1_x86_64.whl"
        );
        let (name, _) = wheel(&product(), &executable(false)).unwrap();
        assert_eq!(name, "kaiwo-1.2.3-py3-none-linux_x86_64.whl");
    }

    #[test]
    fn python_has_its_own_form_of_versions() {
        for (version, python) in [
            ("0.1.0", "0.1.0"),
            ("1.0.0-rc.1", "1.0.0rc1"),
            ("1.0.0-beta.2", "1.0.0b2"),
        ] {
            assert_eq!(python_version(version), python);
        }
    }
}
