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

use super::progress::Progress;
use super::toolchain::Go;
use super::{Platform, files, source_tree};

/// Changes when what is kept beside a binary changes.
const FORMAT: &str = "1";

/// How often a build is tried that fails for want of a module.
const ATTEMPTS: u32 = 3;

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

const CONTROL_PLANE: [Component; 5] = [
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

/// What a real node needs besides.
const REAL_NODE: [Component; 3] = [
    Component {
        name: "node",
        module: "k8s.io/kubernetes",
        package: ".",
        manifests: &[],
    },
    Component {
        name: "dns",
        module: "github.com/coredns/coredns",
        package: ".",
        manifests: &[],
    },
    Component {
        name: "still",
        // Of nothing but Go's own library.
        module: "",
        package: ".",
        manifests: &[],
    },
];

/// Where the binaries of a real node lie.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NodeBinaries {
    /// The kubelet and kube-proxy.
    pub node: PathBuf,
    pub dns: PathBuf,
    /// A program that waits to be ended, for images.
    pub still: PathBuf,
}

impl NodeBinaries {
    /// Returns the binaries of the modules under `sources`, after building those the cache has not.
    pub fn ensure(sources: &Path, cache: &Path, progress: &Progress) -> Result<Self> {
        let sources = (sources, Platform::Current);
        let [node, dns, still] = ensure(&REAL_NODE, "the real node", sources, cache, progress)?;
        Ok(Self { node, dns, still })
    }
}

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
    pub fn ensure(
        sources: &Path,
        platform: Platform,
        cache: &Path,
        progress: &Progress,
    ) -> Result<Self> {
        let [etcd, kube, kueue, kuberay, kwok] = ensure(
            &CONTROL_PLANE,
            "the control plane",
            (sources, platform),
            cache,
            progress,
        )?;
        Ok(Self {
            etcd,
            kube,
            kueue,
            kuberay,
            kwok,
        })
    }
}

/// Returns where the components' binaries are, after building those the cache has not.
fn ensure<const N: usize>(
    components: &'static [Component; N],
    what: &str,
    (sources, platform): (&Path, Platform),
    cache: &Path,
    progress: &Progress,
) -> Result<[PathBuf; N]> {
    files::create_dir(&cache.join("built"))?;
    let source = |component: &Component| component.source(sources, platform);
    let folders = components
        .iter()
        .map(|component| {
            let key = component.key(&source(component))?;
            Ok(cache.join("built").join(key))
        })
        .collect::<Result<Vec<_>>>()?;
    let missing = |folder: &PathBuf| !folder.join("manifests.json").exists();
    if folders.iter().any(missing) {
        let _lock = lock(&cache.join("build.lock"), "another build", progress)?;
        // Who held the lock may just have built them.
        let wanted: Vec<_> = components
            .iter()
            .zip(&folders)
            .filter(|(_, folder)| missing(folder))
            .collect();
        if !wanted.is_empty() {
            let go = Go::find(cache, progress)?;
            progress.note(&format!(
                "building {what} from source: minutes the first time, then it is cached"
            ));
            for (number, (component, folder)) in wanted.iter().enumerate() {
                let step = format!(
                    "build {} ({} of {})",
                    component.name,
                    number + 1,
                    wanted.len()
                );
                let running = progress.running(&step);
                component.build(&go, &source(component), folder)?;
                drop(running);
                progress.done(&step);
            }
        }
    }
    Ok(std::array::from_fn(|i| folders[i].join(components[i].name)))
}

impl Component {
    /// Returns the folder of the module that pins this component.
    fn source(&self, sources: &Path, platform: Platform) -> PathBuf {
        match (platform, self.name) {
            (Platform::Previous, "kueue") => sources.join("previous").join(self.name),
            _ => sources.join(self.name),
        }
    }

    /// Returns the source tree that stands in for the pinned module, if one is named.
    fn tree(&self) -> Result<Option<PathBuf>> {
        match self.name {
            "kuberay" => source_tree::kuberay(),
            _ => Ok(None),
        }
    }

    /// Returns the name of the folder that holds exactly this build of the module in `folder`.
    fn key(&self, folder: &Path) -> Result<String> {
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

    /// Builds into a temporary folder and renames it: a folder that exists is complete.
    fn build(&self, go: &Go, source: &Path, folder: &Path) -> Result<()> {
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
    fn every_component_is_pinned_and_only_kueue_to_two_releases() {
        for component in CONTROL_PLANE.iter().chain(&REAL_NODE) {
            if component.module.is_empty() {
                continue;
            }
            let pinned = |platform| {
                let source = component.source(&sources(), platform);
                required_version(&source.join("go.mod"), component.module).unwrap()
            };
            let (current, previous) = (pinned(Platform::Current), pinned(Platform::Previous));
            assert!(current.starts_with('v'), "{}: {current}", component.name);
            assert_eq!(current != previous, component.name == "kueue", "{previous}");
        }
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

    #[test]
    fn several_documents_are_several_objects() {
        let documents = parse_yaml("kind: A\n---\nkind: B\n").unwrap();
        assert_eq!(documents.len(), 2);
    }
}
