//! Compiles a component from its pinned module, and keeps the manifests that it ships.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use sha2::{Digest as _, Sha256};

use super::components::{Component, Kind, Manifests, parse_yaml, required_version};
use super::source_tree;
use super::toolchain::Go;
use crate::testbed::files;

/// Changes when what is kept beside a binary changes.
const FORMAT: &str = "1";

/// How often a build is tried that fails for want of a module.
const ATTEMPTS: u32 = 3;

impl Component {
    /// Returns the source tree that stands in for the pinned module, if one is named.
    fn tree(&self) -> Result<Option<PathBuf>> {
        match self.name {
            "kuberay" => source_tree::kuberay(),
            _ => Ok(None),
        }
    }

    /// Returns the name of the folder that holds exactly this build of the module in `folder`.
    pub fn key(&self, folder: &Path) -> Result<String> {
        let mut hash = Sha256::new();
        for part in [FORMAT, std::env::consts::ARCH, self.package] {
            hash.update(part);
            hash.update([0]);
        }
        hash.update(self.linker_flags(folder)?);
        for (_, place) in self.manifests {
            hash.update([0]);
            hash.update(place);
        }
        for file in ["go.mod", "go.sum", "main.go"] {
            let path = folder.join(file);
            hash.update([0]);
            match std::fs::read(&path) {
                Ok(content) => hash.update(content),
                Err(_) if file == "main.go" && self.package != "." => {}
                Err(error) => {
                    return Err(error)
                        .with_context(|| format!("failed to read {}", path.display()));
                }
            }
        }
        for (place, file) in self.patches(folder)? {
            let content = std::fs::read(&file)
                .with_context(|| format!("failed to read {}", file.display()))?;
            hash.update([0]);
            hash.update(place.as_os_str().as_encoded_bytes());
            hash.update([0]);
            hash.update(content);
        }
        if let Some(tree) = self.tree()? {
            hash.update(source_tree::digest(&tree)?);
        }
        let digest = hash.finalize();
        Ok(format!(
            "{}-{}",
            self.name,
            digest
                .iter()
                .take(8)
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>()
        ))
    }

    fn linker_flags(&self, folder: &Path) -> Result<String> {
        let mut flags = "-s -w".to_owned();
        if self.module == "k8s.io/kubernetes" {
            // Without these the daemons call themselves v0.0.0, and clients judge a server by its version.
            let version = required_version(&folder.join("go.mod"), self.module)?;
            let mut parts = version.trim_start_matches('v').split('.');
            let (major, minor) = (
                parts.next().unwrap_or_default(),
                parts.next().unwrap_or_default(),
            );
            for (name, value) in [
                ("gitVersion", version.as_str()),
                ("gitMajor", major),
                ("gitMinor", minor),
            ] {
                flags.push_str(&format!(" -X k8s.io/component-base/version.{name}={value}"));
            }
        }
        Ok(flags)
    }

    /// Has Go fetch the modules that the package is compiled from. What cannot be fetched is
    /// reported when it is built.
    pub fn fetch(&self, go: &Go, source: &Path) {
        let list = ["list", "-deps", self.package];
        let _ = go.command(source).args(list).output();
    }

    /// Builds into a temporary folder and renames it: a folder that exists is complete.
    pub fn build(&self, go: &Go, source: &Path, folder: &Path) -> Result<()> {
        let temporary = folder.with_extension("tmp");
        files::remove(&temporary)?;
        files::create_dir(&temporary)?;
        let log = folder.with_extension("log");
        let patched = folder.with_extension("src");
        let tree = self.tree()?;
        let go_mod = match &tree {
            Some(tree) => Some(self.replace(source, &patched, tree)?),
            None => self.patch(go, source, &patched)?,
        };
        for attempt in 1.. {
            let output =
                File::create(&log).with_context(|| format!("failed to write {}", log.display()))?;
            let mut command = go.command(source);
            command.args(["build", "-ldflags", &self.linker_flags(source)?]);
            if let Some(go_mod) = &go_mod {
                // Another release has other requirements.
                if tree.is_some() {
                    command.arg("-mod=mod");
                }
                command.arg("-modfile").arg(go_mod);
            }
            let status = command
                .arg("-o")
                .args([&temporary.join(self.name), Path::new(self.package)])
                .stdout(output.try_clone()?)
                .stderr(output)
                .status()
                .context("failed to run go")?;
            if status.success() {
                break;
            }
            // A module that could not be had at once may be had later.
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            if attempt == ATTEMPTS || !said.contains("Get \"http") {
                bail!(
                    "failed to build {} ({status})\n{}",
                    self.name,
                    files::tail(&log)
                );
            }
        }
        files::remove(&patched)?;
        let manifests = self.collect(go, source, tree)?;
        files::write_json(&temporary.join("manifests.json"), &manifests)?;
        std::fs::rename(&temporary, folder)
            .with_context(|| format!("failed to write {}", folder.display()))?;
        files::remove(&log)
    }

    /// Returns the files that stand in for the module's own: where they belong in it, and where they are.
    fn patches(&self, source: &Path) -> Result<Vec<(PathBuf, PathBuf)>> {
        let root = source.join("patched");
        let mut found = Vec::new();
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop().filter(|folder| folder.is_dir()) {
            for entry in std::fs::read_dir(&folder)? {
                let path = entry?.path();
                match path.is_dir() {
                    true => folders.push(path),
                    false => found.push((path.strip_prefix(&root)?.to_owned(), path)),
                }
            }
        }
        found.sort();
        Ok(found)
    }

    /// Lays the module out in `copy` with the files that stand in for its own, and returns the `go.mod` that leads
    /// there; nothing if there are no such files.
    fn patch(&self, go: &Go, source: &Path, copy: &Path) -> Result<Option<PathBuf>> {
        let patches = self.patches(source)?;
        if patches.is_empty() {
            return Ok(None);
        }
        files::remove(copy)?;
        let module = copy.join("module");
        files::copy_tree(&self.folder(go, source)?, &module)?;
        for (place, file) in patches {
            let replaced = module.join(&place);
            if !replaced.exists() {
                bail!(
                    "{} has no {} that ours could stand in for",
                    self.module,
                    place.display()
                );
            }
            files::remove(&replaced)?;
            files::copy(&file, &replaced)?;
        }
        self.replace(source, copy, &module).map(Some)
    }

    /// Returns a `go.mod` in `copy` that takes the module from another folder.
    fn replace(&self, source: &Path, copy: &Path, module: &Path) -> Result<PathBuf> {
        let module = module.to_str().context("the path of a module is no text")?;
        let replacement = format!("replace {} => {}", self.module, go_string(module));
        source_tree::replaced(source, copy, &replacement)
    }

    /// Returns the module's folder in Go's cache, after having it fetched.
    fn folder(&self, go: &Go, source: &Path) -> Result<PathBuf> {
        let fetch = ["mod", "download", self.module];
        let fetched = go.command(source).args(fetch).output();
        let fetched = fetched.context("failed to run go")?;
        if !fetched.status.success() {
            bail!(
                "failed to fetch {}: {}",
                self.module,
                String::from_utf8_lossy(&fetched.stderr).trim()
            );
        }
        let output = go
            .command(source)
            .args(["list", "-m", "-f", "{{.Dir}}", self.module])
            .output()?;
        if !output.status.success() {
            bail!(
                "failed to find {}: {}",
                self.module,
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        Ok(PathBuf::from(String::from_utf8(output.stdout)?.trim()))
    }

    /// Reads the manifests out of the module's folder: `tree`, or that in Go's cache.
    fn collect(&self, go: &Go, source: &Path, tree: Option<PathBuf>) -> Result<Manifests> {
        let mut manifests = Manifests::default();
        if self.manifests.is_empty() {
            return Ok(manifests);
        }
        let module = match tree {
            Some(tree) => tree,
            None => self.folder(go, source)?,
        };
        for (kind, place) in self.manifests {
            for path in yaml_files(&module.join(place))? {
                let text = std::fs::read_to_string(&path)
                    .with_context(|| format!("failed to read {}", path.display()))?;
                let documents = parse_yaml(&text)
                    .with_context(|| format!("failed to read {}", path.display()))?;
                // Among the roles lie bindings for service accounts that do not exist here.
                let wanted = documents.into_iter().filter(|object| {
                    object.is_object()
                        && (!matches!(kind, Kind::Role) || object["kind"] == "ClusterRole")
                });
                Manifests::list(*kind, &mut manifests).extend(wanted);
            }
        }
        Ok(manifests)
    }
}

/// Returns a file itself, or the YAML files of a directory except kustomize's own, sorted.
fn yaml_files(place: &Path) -> Result<Vec<PathBuf>> {
    if !place.is_dir() {
        return Ok(vec![place.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in
        std::fs::read_dir(place).with_context(|| format!("failed to read {}", place.display()))?
    {
        let path = entry?.path();
        let kustomize = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with("kustomiz"));
        if path
            .extension()
            .is_some_and(|extension| extension == "yaml")
            && !kustomize
        {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Writes a text as Go does, which `go.mod` takes where a path has spaces or
/// other signs of its own (`golang.org/x/mod/modfile`).
fn go_string(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted += &format!("\\u{:04x}", u32::from(c)),
            c => quoted.push(c),
        }
    }
    quoted + "\""
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testbed::build::components::{CONTROL_PLANE, REAL_NODE};

    fn sources() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../testbed")
    }

    fn copy_of_kube(name: &str) -> PathBuf {
        let copy = std::env::temp_dir().join(format!("xtask-{name}-{}", std::process::id()));
        files::create_dir(&copy.join("kube")).unwrap();
        for file in ["go.mod", "go.sum", "main.go"] {
            std::fs::copy(
                sources().join("kube").join(file),
                copy.join("kube").join(file),
            )
            .unwrap();
        }
        copy
    }

    #[test]
    fn an_edit_is_another_build() {
        let kube = &CONTROL_PLANE[1];
        let copy = copy_of_kube("edit");
        let key = |root: &Path| kube.key(&root.join("kube")).unwrap();
        let before = key(&copy);
        assert_eq!(before, key(&sources()));
        let main = copy.join("kube/main.go");
        let edited = std::fs::read_to_string(&main).unwrap() + "// edited\n";
        std::fs::write(&main, edited).unwrap();
        assert_ne!(before, key(&copy));
        files::remove(&copy).unwrap();
    }

    #[test]
    fn a_path_is_quoted_as_go_quotes() {
        assert_eq!(go_string("/home/a b/ü"), r#""/home/a b/ü""#);
        assert_eq!(go_string("C:\\a\"b\n"), r#""C:\\a\"b\u000a""#);
    }

    #[test]
    fn the_daemons_know_their_version() {
        for component in [&CONTROL_PLANE[1], &REAL_NODE[0]] {
            let folder = sources().join(component.name);
            let flags = component.linker_flags(&folder).unwrap();
            assert!(flags.contains("gitMajor=1 "), "{flags}");
            assert!(flags.contains("gitVersion=v1."), "{flags}");
        }
    }
}
