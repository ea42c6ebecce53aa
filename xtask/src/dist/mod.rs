//! `cargo xtask dist`: what a release offers for download.
//!
//! One static executable per architecture, under the names that `docs/install.md`
//! tells users to download, the packages that have it, a bill of materials and
//! `SHA256SUMS`, in `dist/`. What was built is tried before it counts: an executable that
//! wants a library, cannot look up a name, names a path of this machine or says another
//! version is an error. Packages depend on nothing but the executable and the checkout.

mod architecture;
mod archive;
mod check;
mod crates;
mod deb;
mod elf;
mod image;
mod managers;
mod product;
mod reproduction;
mod rpm;
mod trial;
mod weight;
mod wheel;

use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use sha2::{Digest as _, Sha256};

use crate::checkout;
use architecture::{ARCHITECTURES, Architecture};
use crates::Crates;
use elf::Headers;
use managers::Archive;
use product::{Executable, Product};

pub use check::packages;

/// The file of checksums.
const SUMS: &str = "SHA256SUMS";
/// The script that downloads and checks an executable.
const SCRIPT: &str = "install.sh";

/// Build what a release offers: static executables, packages, a bill of materials and
/// checksums, in `dist/`
#[derive(Debug, clap::Args)]
pub struct Dist {
    /// Fail if an architecture, or with --check a client, has to be left out, instead of
    /// saying so
    #[arg(long)]
    require_all: bool,
    /// Pack this executable, instead of building; one that is not static gets no image
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// Profile to build with
    #[arg(long, value_name = "NAME", default_value = "release")]
    profile: String,
    /// Repository that the release is downloaded from
    #[arg(
        long,
        value_name = "URL",
        default_value = "https://github.com/OWNER/kaiwo"
    )]
    repository: String,
    /// Further file of the release, such as kaiwo_darwin_arm64.tar.gz
    #[arg(long, value_name = "FILE")]
    add: Vec<PathBuf>,
    /// Build again in a copy of the checkout, and fail if a byte differs
    #[arg(long, conflicts_with = "binary")]
    reproduce: bool,
    /// Print what the bytes of this executable are, by section and crate, and build nothing
    #[arg(long, value_name = "FILE", exclusive = true)]
    weigh: Option<PathBuf>,
    /// Install and run everything with the real clients: pip, dpkg, cargo, krew,
    /// containerd, and the script
    #[arg(long)]
    check: bool,
}

impl Dist {
    /// Builds, tries, packs and lists everything.
    ///
    /// # Errors
    ///
    /// If a build fails, if what was built is not as it should be, or if nothing,
    /// or with `--require-all` not everything, can be built here.
    pub fn run(&self) -> Result<()> {
        if let Some(file) = &self.weigh {
            return weight::print(file);
        }
        let folder = Path::new(checkout()).join("dist");
        if folder.exists() {
            std::fs::remove_dir_all(&folder).context("cannot empty dist/")?;
        }
        std::fs::create_dir(&folder).context("cannot make dist/")?;
        let executables = match &self.binary {
            Some(file) => vec![given(file, &folder)?],
            None => self.built(&folder)?,
        };
        let product = product(&self.repository, &executables, &folder)?;
        let mut added = self.add.clone();
        for executable in &executables {
            match rpm::rpm(&product, executable, &folder)? {
                Some(name) => added.push(folder.join(name)),
                None => say("skipped: rpm: rpmbuild is not installed"),
            }
        }
        let files = pack(&product, &executables, &added, &folder)?;
        for file in files {
            let size = std::fs::metadata(folder.join(&file))?.len();
            say(&format!("dist/{file}: {}", mebibytes(size)));
        }
        match self.check {
            true => check::run(&product, &executables, &folder, self.require_all),
            false => Ok(()),
        }
    }

    /// Builds for every architecture that can be built for here.
    fn built(&self, folder: &Path) -> Result<Vec<Executable>> {
        let mut executables = Vec::new();
        for architecture in &ARCHITECTURES {
            let compiler = match architecture.toolchain()? {
                Ok(compiler) => compiler,
                Err(missing) if self.require_all => {
                    bail!("cannot build for {}: {missing}", architecture.name)
                }
                Err(missing) => {
                    say(&format!("skipped: {}: {missing}", architecture.name));
                    continue;
                }
            };
            let file = architecture.file_name();
            say(&format!("building {file} with {compiler}"));
            let place = folder.join(&file);
            let source = Path::new(checkout());
            architecture.build(&compiler, &self.profile, source, &place)?;
            let content = std::fs::read(&place)?;
            if let Some(path) = architecture::named_path(&content, source)? {
                bail!("{file} names a path of this machine: {}", path.display());
            }
            if self.reproduce {
                reproduction::run(architecture, &compiler, &self.profile, &content)?;
            }
            let executable = with_crates(architecture, content, true)?;
            write(&place, &executable)?;
            let version = package_version()?;
            let tried = architecture.verify(&place, &version);
            say(&format!(
                "dist/{file}: {}",
                tried.with_context(|| file.clone())?
            ));
            executables.push(executable);
        }
        match executables.is_empty() {
            true => bail!("no architecture can be built for here"),
            false => Ok(executables),
        }
    }
}

/// Reads an executable that was built elsewhere, and puts it among the downloads.
fn given(file: &Path, folder: &Path) -> Result<Executable> {
    let name = file.display();
    let content = std::fs::read(file).with_context(|| format!("cannot read {name}"))?;
    let headers = Headers::read(&content).with_context(|| name.to_string())?;
    let architecture = Architecture::from_headers(&headers)?;
    if !headers.is_static {
        say(&format!(
            "{name} is not static: it needs this machine's C library, and gets no image"
        ));
    } else if let Some(path) = architecture::named_path(&content, Path::new(checkout()))? {
        say(&format!(
            "{name} names a path of this machine: {}",
            path.display()
        ));
    }
    let executable = with_crates(architecture, content, headers.is_static)?;
    let place = folder.join(architecture.file_name());
    write(&place, &executable)?;
    if let Some(runner) = architecture.runner() {
        trial::runs(&place, runner, &package_version()?)?;
    }
    Ok(executable)
}

/// Adds the list of crates to an executable, unless it has one.
fn with_crates(
    architecture: &'static Architecture,
    mut content: Vec<u8>,
    is_static: bool,
) -> Result<Executable> {
    if elf::section(&content, crates::SECTION)?.is_none() {
        let section = Crates::read(architecture.target)?.section()?;
        content = elf::with_section(&content, crates::SECTION, &section)?;
    }
    Ok(Executable {
        architecture,
        content,
        is_static,
    })
}

fn write(place: &Path, executable: &Executable) -> Result<()> {
    std::fs::write(place, &executable.content)?;
    std::fs::set_permissions(place, std::fs::Permissions::from_mode(0o755))?;
    Ok(())
}

fn package_version() -> Result<String> {
    Ok(Product::read("", None)?.version)
}

/// Reads what packages say; one of the executables in the folder writes the manual pages.
fn product(home: &str, executables: &[Executable], folder: &Path) -> Result<Product> {
    let mut runnable = executables.iter().filter_map(|executable| {
        let runner = executable.architecture.runner()?;
        Some((folder.join(executable.architecture.file_name()), runner))
    });
    let product = match runnable.next() {
        Some((file, runner)) => Product::read(home, Some((&file, runner)))?,
        None => Product::read(home, None)?,
    };
    if product.manual.is_empty() {
        say("no manual pages: none of the executables runs here");
    }
    Ok(product)
}

/// Writes everything that is made of the executables, and returns the names of all files.
fn pack(
    product: &Product,
    executables: &[Executable],
    added: &[PathBuf],
    folder: &Path,
) -> Result<Vec<String>> {
    let mut files = Vec::new();
    let mut put = |name: &str, content: &[u8]| -> Result<()> {
        files.push(name.to_owned());
        std::fs::write(folder.join(name), content).with_context(|| name.to_owned())
    };
    for executable in executables {
        let name = executable.architecture.file_name();
        write(&folder.join(&name), executable)?;
        for (name, content) in [
            managers::archive(product, executable)?,
            wheel::wheel(product, executable)?,
            deb::deb(product, executable)?,
        ] {
            put(&name, &content)?;
        }
        put(&name, &std::fs::read(folder.join(&name))?)?;
    }
    match image::image(product, executables)? {
        Some(image) => put(image::FILE, &image)?,
        None => say("skipped: image: the executable is not static"),
    }
    let crates = Crates::read(ARCHITECTURES[0].target)?;
    put(crates::FILE, crates.bill(product)?.as_bytes())?;
    say(&format!("{} names {} crates", crates::FILE, crates.count()));
    for file in added {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let content = std::fs::read(file).with_context(|| file.display().to_string())?;
        put(&name, &content)?;
    }
    let release = product.download("");
    let script = include_str!("install.sh")
        .replace("@VERSION@", &product.version)
        .replace("@RELEASE@", release.trim_end_matches('/'));
    put(SCRIPT, script.as_bytes())?;

    files.sort();
    let sum = |name: &String| -> Result<(String, String)> {
        let content = std::fs::read(folder.join(name))?;
        Ok((name.clone(), hex(&Sha256::digest(&content))))
    };
    let mut sums = files.iter().map(sum).collect::<Result<Vec<_>>>()?;
    let archives = sums
        .iter()
        .filter_map(|(name, sum)| Archive::named(name, sum));
    let archives: Vec<Archive> = archives.collect();
    for (name, text) in [
        (managers::KREW, managers::krew(product, &archives)),
        (managers::BREW, managers::brew(product, &archives)),
    ] {
        std::fs::write(folder.join(name), &text)?;
        sums.push((name.to_owned(), hex(&Sha256::digest(text))));
        files.push(name.to_owned());
    }
    sums.sort();
    let mut list = String::new();
    for (name, sum) in sums {
        writeln!(list, "{sum}  {name}")?;
    }
    std::fs::write(folder.join(SUMS), list)?;
    files.push(SUMS.to_owned());
    files.sort();
    Ok(files)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn mebibytes(size: u64) -> String {
    let tenths = size * 10 / (1 << 20);
    format!("{}.{} MiB", tenths / 10, tenths % 10)
}

fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guide_names_what_is_built() {
        let guide = std::fs::read_to_string(Path::new(checkout()).join("docs/install.md")).unwrap();
        for architecture in &ARCHITECTURES {
            assert!(
                guide.contains(&architecture.file_name()),
                "{}",
                architecture.name
            );
            assert!(architecture.target.starts_with(architecture.machine));
        }
        for name in [
            SUMS,
            SCRIPT,
            image::FILE,
            crates::FILE,
            managers::KREW,
            managers::BREW,
        ] {
            assert!(guide.contains(name), "{name}");
        }
    }

    #[test]
    fn two_runs_pack_the_same_bytes() {
        let product = product::tests::product();
        let executables = [product::tests::executable(true)];
        let packed = |name: &str| {
            let folder = std::env::temp_dir().join(format!("xtask-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&folder).unwrap();
            let files = pack(&product, &executables, &[], &folder).unwrap();
            let list = std::fs::read_to_string(folder.join(SUMS)).unwrap();
            std::fs::remove_dir_all(&folder).unwrap();
            (files, list)
        };
        let (files, list) = packed("first");
        assert_eq!((files.clone(), list.clone()), packed("second"));
        for name in files.iter().filter(|name| *name != SUMS) {
            assert!(list.contains(&format!("  {name}\n")), "{name}");
        }
    }
}
