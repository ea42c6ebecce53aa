//! Builds the control plane from its pinned Go modules, once per content.
//!
//! What a component is built from decides the name of its folder in the cache, so an edited `go.mod` builds anew and
//! an old checkout finds its old binaries. Beside each binary lie the manifests its module ships, already as JSON: a
//! start from the cache needs neither Go nor a YAML parser's time.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::files;
use super::progress::Progress;
use super::toolchain::Go;

/// Changes when what is kept beside a binary changes.
const FORMAT: &str = "1";

/// One Go module under `testbed/` and what it gives.
struct Component {
    name: &'static str,
    /// The module that is built; its version is looked up in `go.mod`.
    module: &'static str,
    package: &'static str,
    manifests: &'static [(Kind, &'static str)],
}

/// What a manifest is for.
#[derive(Clone, Copy)]
enum Kind {
    Crd,
    Role,
    Webhook,
    Stage,
}

const COMPONENTS: [Component; 5] = [
    Component {
        name: "etcd",
        module: "go.etcd.io/etcd/server/v3",
        package: "go.etcd.io/etcd/server/v3",
        manifests: &[],
    },
    Component {
        name: "kube",
        module: "k8s.io/kubernetes",
        package: ".",
        manifests: &[],
    },
    Component {
        name: "kueue",
        module: "sigs.k8s.io/kueue",
        package: "sigs.k8s.io/kueue/cmd/kueue",
        manifests: &[
            (Kind::Crd, "config/components/crd/bases"),
            (Kind::Role, "config/components/rbac"),
            (Kind::Webhook, "config/components/webhook/manifests.yaml"),
        ],
    },
    Component {
        name: "kuberay",
        module: "github.com/ray-project/kuberay/ray-operator",
        package: "github.com/ray-project/kuberay/ray-operator",
        manifests: &[(Kind::Crd, "config/crd/bases")],
    },
    Component {
        name: "kwok",
        module: "sigs.k8s.io/kwok",
        package: "sigs.k8s.io/kwok/cmd/kwok",
        manifests: &[
            (Kind::Crd, "kustomize/crd/bases"),
            (
                Kind::Stage,
                "kustomize/stage/node/fast/node-initialize.yaml",
            ),
            (Kind::Stage, "kustomize/stage/pod/fast/pod-ready.yaml"),
            (Kind::Stage, "kustomize/stage/pod/fast/pod-complete.yaml"),
            (Kind::Stage, "kustomize/stage/pod/fast/pod-delete.yaml"),
        ],
    },
];

/// Where each binary and its manifests lie.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Binaries {
    pub etcd: PathBuf,
    pub kube: PathBuf,
    pub kueue: PathBuf,
    pub kuberay: PathBuf,
    pub kwok: PathBuf,
}

/// The objects a component's module ships.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Manifests {
    pub crds: Vec<Value>,
    pub roles: Vec<Value>,
    pub webhooks: Vec<Value>,
    pub stages: Vec<Value>,
}

impl Manifests {
    /// Reads what was kept beside `binary`.
    pub fn beside(binary: &Path) -> Result<Self> {
        files::read_json(&binary.with_file_name("manifests.json"))
    }

    fn of(kind: Kind, manifests: &mut Self) -> &mut Vec<Value> {
        match kind {
            Kind::Crd => &mut manifests.crds,
            Kind::Role => &mut manifests.roles,
            Kind::Webhook => &mut manifests.webhooks,
            Kind::Stage => &mut manifests.stages,
        }
    }
}

impl Binaries {
    /// Returns the binaries of the modules under `sources`, after building those the cache has not.
    pub fn ensure(sources: &Path, cache: &Path, progress: &Progress) -> Result<Self> {
        files::create_dir(&cache.join("built"))?;
        let folders = COMPONENTS
            .iter()
            .map(|component| Ok(cache.join("built").join(component.key(sources)?)))
            .collect::<Result<Vec<_>>>()?;
        let missing = |folder: &PathBuf| !folder.join("manifests.json").exists();
        if folders.iter().any(missing) {
            let _lock = lock(&cache.join("build.lock"), "another build", progress)?;
            // Who held the lock may just have built them.
            let wanted: Vec<_> = COMPONENTS
                .iter()
                .zip(&folders)
                .filter(|(_, folder)| missing(folder))
                .collect();
            if !wanted.is_empty() {
                let go = Go::find(cache, progress)?;
                progress.note("building the control plane from source: minutes the first time, then it is cached");
                for (number, (component, folder)) in wanted.iter().enumerate() {
                    let step = format!(
                        "build {} ({} of {})",
                        component.name,
                        number + 1,
                        wanted.len()
                    );
                    let running = progress.running(&step);
                    component.build(&go, &sources.join(component.name), folder)?;
                    drop(running);
                    progress.done(&step);
                }
            }
        }
        let [etcd, kube, kueue, kuberay, kwok] =
            std::array::from_fn(|i| folders[i].join(COMPONENTS[i].name));
        Ok(Self {
            etcd,
            kube,
            kueue,
            kuberay,
            kwok,
        })
    }
}

impl Component {
    /// Returns the name of the folder that holds exactly this build.
    fn key(&self, sources: &Path) -> Result<String> {
        let folder = sources.join(self.name);
        let mut hash = Sha256::new();
        for part in [FORMAT, std::env::consts::ARCH, self.package] {
            hash.update(part);
            hash.update([0]);
        }
        hash.update(self.linker_flags(&folder)?);
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
        for (place, file) in self.patches(&folder)? {
            let content = std::fs::read(&file)
                .with_context(|| format!("failed to read {}", file.display()))?;
            hash.update([0]);
            hash.update(place.as_os_str().as_encoded_bytes());
            hash.update([0]);
            hash.update(content);
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
        if self.name == "kube" {
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

    /// Builds into a temporary folder and renames it: a folder that exists is complete.
    fn build(&self, go: &Go, source: &Path, folder: &Path) -> Result<()> {
        let temporary = folder.with_extension("tmp");
        files::remove(&temporary)?;
        files::create_dir(&temporary)?;
        let log = folder.with_extension("log");
        let output =
            File::create(&log).with_context(|| format!("failed to write {}", log.display()))?;
        let mut command = go.command(source);
        command.args(["build", "-ldflags", &self.linker_flags(source)?]);
        let patched = folder.with_extension("src");
        if let Some(go_mod) = self.patch(go, source, &patched)? {
            command.arg("-modfile").arg(go_mod);
        }
        let status = command
            .arg("-o")
            .args([&temporary.join(self.name), Path::new(self.package)])
            .stdout(output.try_clone()?)
            .stderr(output)
            .status()
            .context("failed to run go")?;
        if !status.success() {
            bail!(
                "failed to build {} ({status})\n{}",
                self.name,
                files::tail(&log)
            );
        }
        files::remove(&patched)?;
        let manifests = self.collect(go, source)?;
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
        let mut text = std::fs::read_to_string(source.join("go.mod"))?;
        let module = module.to_str().context("the path of a module is no text")?;
        text += &format!("\nreplace {} => {}\n", self.module, go_string(module));
        let go_mod = copy.join("go.mod");
        files::write(&go_mod, text)?;
        files::write(&copy.join("go.sum"), std::fs::read(source.join("go.sum"))?)?;
        Ok(Some(go_mod))
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

    /// Reads the manifests out of the module's folder in Go's cache.
    fn collect(&self, go: &Go, source: &Path) -> Result<Manifests> {
        let mut manifests = Manifests::default();
        if self.manifests.is_empty() {
            return Ok(manifests);
        }
        let module = self.folder(go, source)?;
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
                Manifests::of(*kind, &mut manifests).extend(wanted);
            }
        }
        Ok(manifests)
    }
}

/// Returns the documents of a YAML text; CRDs of megabytes are expected, so there is no budget.
pub fn parse_yaml(text: &str) -> Result<Vec<Value>> {
    Ok(serde_saphyr::from_multiple_with_options(
        text,
        serde_saphyr::options! { budget: None },
    )?)
}

/// Takes a lock that other runs of xtask wait for; it ends with the returned file.
pub fn lock(path: &Path, holder: &str, progress: &Progress) -> Result<File> {
    let file = File::create(path).with_context(|| format!("failed to write {}", path.display()))?;
    if file.try_lock().is_err() {
        progress.note(&format!("waiting for {holder} to end"));
        file.lock()
            .with_context(|| format!("failed to lock {}", path.display()))?;
    }
    Ok(file)
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

/// Returns the version `go.mod` requires of a module.
fn required_version(go_mod: &Path, module: &str) -> Result<String> {
    let text = std::fs::read_to_string(go_mod)
        .with_context(|| format!("failed to read {}", go_mod.display()))?;
    text.lines()
        .map(|line| line.trim().trim_start_matches("require "))
        .find_map(|line| {
            line.strip_prefix(module)?
                .strip_prefix(' ')?
                .split_whitespace()
                .next()
        })
        .map(ToOwned::to_owned)
        .with_context(|| format!("{} does not require {module}", go_mod.display()))
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
        let kube = &COMPONENTS[1];
        let copy = copy_of_kube("edit");
        let before = kube.key(&copy).unwrap();
        assert_eq!(before, kube.key(&sources()).unwrap());
        let main = copy.join("kube/main.go");
        let edited = std::fs::read_to_string(&main).unwrap() + "// edited\n";
        std::fs::write(&main, edited).unwrap();
        assert_ne!(before, kube.key(&copy).unwrap());
        files::remove(&copy).unwrap();
    }

    #[test]
    fn a_path_is_quoted_as_go_quotes() {
        assert_eq!(go_string("/home/a b/ü"), r#""/home/a b/ü""#);
        assert_eq!(go_string("C:\\a\"b\n"), r#""C:\\a\"b\u000a""#);
    }

    #[test]
    fn every_component_is_pinned() {
        for component in &COMPONENTS {
            let version = required_version(
                &sources().join(component.name).join("go.mod"),
                component.module,
            )
            .unwrap();
            assert!(version.starts_with('v'), "{}: {version}", component.name);
        }
    }

    #[test]
    fn the_daemons_know_their_version() {
        let flags = COMPONENTS[1].linker_flags(&sources().join("kube")).unwrap();
        assert!(flags.contains("gitMajor=1 "), "{flags}");
        assert!(flags.contains("gitVersion=v1."), "{flags}");
    }

    #[test]
    fn several_documents_are_several_objects() {
        let documents = parse_yaml("kind: A\n---\nkind: B\n").unwrap();
        assert_eq!(documents.len(), 2);
    }
}
