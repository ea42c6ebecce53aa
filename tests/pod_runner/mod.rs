//! Runs pods without a kubelet. The testbed's nodes run nothing, so what a
//! pod would see is checked here: the pod runner takes a Pod as the API
//! server has it, does what kubelet and a container runtime would do with it,
//! and really runs its command.
//!
//! ```text
//! Pod ──┬─ volumes      laid out by kubelet's rules, at their real paths
//!       ├─ environment  values, references, $(NAME)
//!       └─ sandbox      namespaces, a root of the host's programs, the command
//! ```
//!
//! The image is the host's `/usr`; init containers and sidecars do not run,
//! and there is no network. What the runner does not know, it refuses.

mod dry_run;
mod environment;
pub mod expansion;
pub mod manifest;
pub mod place;
mod ray;
mod sandbox;
pub mod scenarios;
mod self_test;
mod volumes;

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use sandbox::{Mount, PROGRAMS, Sandboxed};
use volumes::Volume;

/// Looks up a ConfigMap or Secret by kind and name.
pub type Objects<'a> = &'a dyn Fn(&str, &str) -> Option<Value>;

/// Search path of most images.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Why a pod's container does not start, in kubelet's words where it has any.
#[derive(Debug)]
pub struct PodError(pub String);

impl fmt::Display for PodError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<std::io::Error> for PodError {
    fn from(error: std::io::Error) -> Self {
        Self(error.to_string())
    }
}

/// A node for pods.
pub struct PodRunner<'a> {
    objects: Objects<'a>,
    programs: Vec<(String, String)>,
    user: Option<u32>,
}

/// How a container ended, and what it left.
#[derive(Debug)]
#[must_use]
pub struct PodRun {
    /// Exit code.
    pub code: i32,
    /// Everything on stdout.
    pub stdout: Vec<u8>,
    /// Everything on stderr.
    pub stderr: Vec<u8>,
    mounts: Vec<Mount>,
    // Holds what the mounts show.
    _volumes: tempfile::TempDir,
}

/// Returns whether this machine can run pods. If not, says so where it is
/// seen although the test passes.
#[must_use]
pub fn available() -> bool {
    let Some(reason) = sandbox::unavailable() else {
        return true;
    };
    skip(reason);
    false
}

/// Returns whether pods can run as another user than root.
#[must_use]
pub fn can_change_user() -> bool {
    let Some(reason) = sandbox::probe(Some(1000)) else {
        return true;
    };
    skip(&format!("no pod can run as another user: {reason}"));
    false
}

/// Returns whether pods find a program of the host, as an image would have.
#[must_use]
pub fn has_program(name: &str) -> bool {
    let found = PATH
        .split(':')
        .any(|directory| Path::new(directory).join(name).exists());
    if !found {
        skip(&format!("this machine has no {name}"));
    }
    found
}

/// Says which test was left out, or part of it, and why.
pub fn skip(reason: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    // Past the capture of passing tests' output, and in one piece.
    let line = format!("\nSKIPPED {test}: {reason}\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
}

impl<'a> PodRunner<'a> {
    /// Creates a node that reads ConfigMaps and Secrets through `objects`.
    pub fn new(objects: Objects<'a>) -> Self {
        Self {
            objects,
            programs: Vec::new(),
            user: None,
        }
    }

    /// Puts a program into the image.
    pub fn program(mut self, name: &str, script: &str) -> Self {
        self.programs.push((name.to_owned(), script.to_owned()));
        self
    }

    /// Runs containers as a user without any rights, as some images do.
    pub fn user(mut self, id: u32) -> Self {
        self.user = Some(id);
        self
    }

    /// Runs the pod's first container.
    pub fn run(&self, pod: &Value) -> Result<PodRun, PodError> {
        let container = &pod["spec"]["containers"][0];
        let environment = self.environment(pod, container)?;
        let command = environment::command_line(container, &environment)?;
        self.run_in(pod, container, environment, command)
    }

    /// Runs another command as a process of the pod's first container, which is Ray's.
    pub fn exec(&self, pod: &Value, command: &[&str]) -> Result<PodRun, PodError> {
        let container = &pod["spec"]["containers"][0];
        let environment = self.environment(pod, container)?;
        let command = ray::started(container, command);
        self.run_in(pod, container, environment, command)
    }

    fn environment(
        &self,
        pod: &Value,
        container: &Value,
    ) -> Result<BTreeMap<String, String>, PodError> {
        let path = match self.programs.is_empty() {
            true => PATH.to_owned(),
            false => format!("{PROGRAMS}:{PATH}"),
        };
        environment::of_container(pod, container, self.objects, &path)
    }

    fn run_in(
        &self,
        pod: &Value,
        container: &Value,
        environment: BTreeMap<String, String>,
        command: Vec<String>,
    ) -> Result<PodRun, PodError> {
        let staging = tempfile::tempdir()?;
        let mut mounts = self.image(&staging.path().join("image"))?;
        let volumes = volumes::lay_out(pod, self.objects, &staging.path().join("volumes"))?;
        for mount in array(&container["volumeMounts"]) {
            mounts.push(mounted(mount, &volumes)?);
        }
        // Outer before inner, as runtimes do.
        mounts.sort_by_key(|mount| mount.target().split('/').count());

        let directory = container["workingDir"].as_str().unwrap_or("/").to_owned();
        check_program(&command[0], &directory, &environment, &mounts)?;
        let sandboxed = Sandboxed {
            hostname: environment::hostname(pod),
            mounts,
            directory,
            environment: environment
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect(),
            command,
            user: self.user,
        };
        let ended = sandboxed.run()?;
        Ok(PodRun {
            code: ended.code,
            stdout: ended.stdout,
            stderr: ended.stderr,
            mounts: sandboxed.mounts,
            _volumes: staging,
        })
    }

    fn image(&self, directory: &Path) -> Result<Vec<Mount>, PodError> {
        if self.programs.is_empty() {
            return Ok(Vec::new());
        }
        fs::create_dir_all(directory)?;
        for (name, script) in &self.programs {
            fs::write(directory.join(name), script)?;
            fs::set_permissions(directory.join(name), fs::Permissions::from_mode(0o755))?;
        }
        Ok(vec![Mount::Bind {
            source: directory.to_path_buf(),
            target: PROGRAMS.to_owned(),
            read_only: true,
        }])
    }
}

impl PodRun {
    /// Returns stdout as text.
    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Checks the exit code, and shows everything if it is another.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        let stderr = String::from_utf8_lossy(&self.stderr);
        assert_eq!(
            self.code,
            code,
            "\nstdout:\n{}\nstderr:\n{stderr}",
            self.stdout()
        );
        self
    }

    /// Reads a file that the container left in a volume on disk.
    #[track_caller]
    pub fn file(&self, path: &str) -> Vec<u8> {
        let host = on_host(path, &self.mounts);
        fs::read(&host).unwrap_or_else(|error| panic!("the pod left no {path}: {error}"))
    }
}

fn mounted(mount: &Value, volumes: &BTreeMap<String, Volume>) -> Result<Mount, PodError> {
    let (name, target) = (text(&mount["name"]), text(&mount["mountPath"]).to_owned());
    let volume = volumes
        .get(name)
        .ok_or_else(|| PodError(format!("cannot find volume {name:?} to mount")))?;
    let (directory, must_be_read_only) = match volume {
        Volume::Memory(limit) => {
            return Ok(Mount::Memory {
                limit: *limit,
                target,
            });
        }
        Volume::Writable(directory) => (directory, false),
        Volume::ReadOnly(directory) => (directory, true),
    };
    let source = match mount["subPath"].as_str() {
        None | Some("") => directory.clone(),
        Some(sub_path) => volumes::sub_path(directory, sub_path)?,
    };
    let read_only = must_be_read_only || mount["readOnly"] == true;
    Ok(Mount::Bind {
        source,
        target,
        read_only,
    })
}

/// Refuses what no runtime can start. The C library would give a file
/// without a shebang to a shell; the kernel, which a runtime asks, does not.
fn check_program(
    program: &str,
    directory: &str,
    environment: &BTreeMap<String, String>,
    mounts: &[Mount],
) -> Result<(), PodError> {
    let failed = |why: &str| {
        Err(PodError(format!(
            "failed to create containerd task: exec: {program:?}: {why}"
        )))
    };
    if program.contains('=') {
        return failed("the pod runner starts commands by env(1), which takes this for a variable");
    }
    let candidates: Vec<PathBuf> = if program.contains('/') {
        vec![on_host(
            &format!(
                "{}/{program}",
                if program.starts_with('/') {
                    ""
                } else {
                    directory
                }
            ),
            mounts,
        )]
    } else {
        environment["PATH"]
            .split(':')
            .map(|directory| on_host(&format!("{directory}/{program}"), mounts))
            .collect()
    };
    let Some(file) = candidates.iter().find(|file| file.is_file()) else {
        return failed("no such file or directory");
    };
    if file.metadata()?.permissions().mode() & 0o111 == 0 {
        return failed("permission denied");
    }
    let mut start = Vec::new();
    fs::File::open(file)?.take(4).read_to_end(&mut start)?;
    match start.starts_with(b"#!") || start.starts_with(b"\x7fELF") {
        true => Ok(()),
        false => failed("exec format error"),
    }
}

/// Returns where on the host a path of the container lies.
fn on_host(path: &str, mounts: &[Mount]) -> PathBuf {
    let inner = mounts.iter().rev().find_map(|mount| match mount {
        Mount::Bind { source, target, .. } => {
            let below = Path::new(path).strip_prefix("/").ok()?;
            let below = below.strip_prefix(target.trim_start_matches('/')).ok()?;
            Some(if below.as_os_str().is_empty() {
                source.clone()
            } else {
                source.join(below)
            })
        }
        Mount::Memory { .. } => None,
    });
    inner.unwrap_or_else(|| PathBuf::from(path))
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn name_of(object: &Value) -> &str {
    text(&object["metadata"]["name"])
}

/// Returns the keys of a ConfigMap or Secret.
fn keys_of(object: &Value) -> Vec<String> {
    ["data", "binaryData"]
        .iter()
        .filter_map(|field| object[*field].as_object())
        .flat_map(|map| map.keys().cloned())
        .collect()
}

/// Returns the bytes of a key of a ConfigMap or Secret.
fn bytes_of(object: &Value, key: &str) -> Result<Option<Vec<u8>>, PodError> {
    let (plain, encoded) = match object["kind"] == "Secret" {
        true => (&Value::Null, &object["data"][key]),
        false => (&object["data"][key], &object["binaryData"][key]),
    };
    if let Some(plain) = plain.as_str() {
        return Ok(Some(plain.as_bytes().to_vec()));
    }
    if encoded.is_null() {
        return Ok(None);
    }
    serde_json::from_value::<k8s_openapi::ByteString>(encoded.clone())
        .map(|bytes| Some(bytes.0))
        .map_err(|error| PodError(format!("{}: {key}: {error}", name_of(object))))
}
