//! Debian's package: the executable, also as a plugin of kubectl, its manual pages,
//! completion and licence.

use anyhow::Result;

use super::archive::{Entry, Kind, ar, gzip, tar, with_directories};
use super::product::{Executable, Product};

/// Returns a package's file name and content.
pub fn deb(product: &Product, executable: &Executable) -> Result<(String, Vec<u8>)> {
    let version = debian_version(&product.version);
    let name = executable.architecture.name;
    let files = with_directories(&files(product, executable)?);
    let size: usize = files
        .iter()
        .map(|entry| match &entry.kind {
            Kind::File(content, _) => content.len().div_ceil(1024),
            _ => 1,
        })
        .sum();
    let depends = match executable.is_static {
        true => "",
        false => "Depends: libc6\n",
    };
    let control = format!(
        "Package: kaiwo\nVersion: {version}\nArchitecture: {name}\n\
         Maintainer: {maintainer}\nInstalled-Size: {size}\n{depends}\
         Suggests: kubectl\nSection: net\nPriority: optional\nHomepage: {home}\n\
         Description: {about}\n \
         kaiwo submits batch jobs and services that need GPUs to Kubernetes, queued by\n \
         Kueue, and shows where they are and why they wait.\n",
        maintainer = product.maintainer,
        home = product.home,
        about = product.about,
    );
    let content = ar(&[
        ("debian-binary", b"2.0\n".to_vec()),
        (
            "control.tar.gz",
            gzip(&tar("./", &[Entry::file("control", control)])?)?,
        ),
        ("data.tar.gz", gzip(&tar("./", &files)?)?),
    ]);
    Ok((format!("kaiwo_{version}_{name}.deb"), content))
}

/// Returns the files of a package for a whole machine, as Debian's and RPM's have them.
pub fn files(product: &Product, executable: &Executable) -> Result<Vec<Entry>> {
    let mut files = vec![
        Entry::program("usr/bin/kaiwo", executable.content.as_slice()),
        Entry {
            path: "usr/bin/kubectl-kaiwo".to_owned(),
            kind: Kind::Link("kaiwo".to_owned()),
        },
        Entry::program(
            "usr/bin/kubectl_complete-kaiwo",
            product.completion("kubectl_complete-kaiwo")?,
        ),
        Entry::file(
            "usr/share/bash-completion/completions/kaiwo",
            product.completion("kaiwo.bash")?,
        ),
        Entry::file(
            "usr/share/zsh/vendor-completions/_kaiwo",
            product.completion("_kaiwo")?,
        ),
        Entry::file(
            "usr/share/fish/vendor_completions.d/kaiwo.fish",
            product.completion("kaiwo.fish")?,
        ),
        Entry::file(
            "usr/share/doc/kaiwo/copyright",
            product.licence_text.as_str(),
        ),
    ];
    for (name, page) in &product.manual {
        files.push(Entry::file(
            format!("usr/share/man/man1/{name}.gz"),
            gzip(page)?,
        ));
    }
    Ok(files)
}

/// Returns a version that sorts before its release as Debian sorts: 1.0.0~rc.1.
pub fn debian_version(version: &str) -> String {
    version.replacen('-', "~", 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dist::product::tests::{executable, product};

    #[test]
    fn a_package_has_manual_completion_licence_and_plugin() {
        let files = files(&product(), &executable(true)).unwrap();
        let has = |path: &str| files.iter().any(|entry| entry.path == path);
        for path in [
            "usr/bin/kaiwo",
            "usr/bin/kubectl-kaiwo",
            "usr/share/man/man1/kaiwo.1.gz",
            "usr/share/doc/kaiwo/copyright",
            "usr/share/bash-completion/completions/kaiwo",
        ] {
            assert!(has(path), "{path}");
        }
        let (name, content) = deb(&product(), &executable(true)).unwrap();
        assert_eq!(name, "kaiwo_1.2.3_amd64.deb");
        assert!(content.starts_with(b"!<arch>\ndebian-binary "));
        assert_eq!(debian_version("1.0.0-rc.1"), "1.0.0~rc.1");
    }
}
