//! Kubeconfigs: which files count, how they are merged, and what a context
//! chooses. The rules are those of client-go v0.36 (`tools/clientcmd`), so
//! that what kubectl takes, kaiwo takes. No message repeats a value of a file:
//! it may be a secret.

pub mod content;
mod entry;
mod file;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use kaiwo_base::secrecy::{named, path};

pub use entry::{ClusterEntry, Context, ExecConfig, InteractiveMode, UserEntry};

/// A kubeconfig that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}{message}", place(.file.as_deref()))]
pub struct KubeconfigError {
    /// The file, where it is a matter of one.
    pub file: Option<PathBuf>,
    /// What is missing or wrong.
    pub message: String,
    /// What the user can do, best first.
    pub hints: Vec<String>,
}

fn place(file: Option<&Path>) -> String {
    match file {
        Some(file) => format!("cannot use kubeconfig {}: ", path(file)),
        None => "no usable kubeconfig: ".to_owned(),
    }
}

impl KubeconfigError {
    pub(crate) fn new(file: Option<&Path>, message: impl Into<String>) -> Self {
        Self {
            file: file.map(Path::to_path_buf),
            message: message.into(),
            hints: Vec::new(),
        }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

/// Something of a kubeconfig, and the file it comes from.
#[derive(Debug, Clone)]
pub struct FromFile<T> {
    /// Its name.
    pub name: String,
    /// What it says.
    pub entry: T,
    /// The file.
    pub file: PathBuf,
}

/// All kubeconfigs that count, as one.
#[derive(Debug, Default)]
pub struct Kubeconfig {
    files: Vec<PathBuf>,
    current: Option<(String, PathBuf)>,
    clusters: BTreeMap<String, FromFile<ClusterEntry>>,
    users: BTreeMap<String, FromFile<UserEntry>>,
    contexts: BTreeMap<String, FromFile<Context>>,
}

/// What a context chooses.
#[derive(Debug)]
pub struct ContextChoice {
    /// The context.
    pub context: FromFile<Context>,
    /// Its cluster.
    pub cluster: FromFile<ClusterEntry>,
    /// Its user; one without any credentials if the context names none, or
    /// one that is not there, as client-go does.
    pub user: FromFile<UserEntry>,
}

/// Returns the files that kubectl would read, whether they exist or not: the
/// one named, else those of the variable `KUBECONFIG`, else the one in the
/// home directory.
pub fn files(explicit: Option<&Path>, variable: Option<&std::ffi::OsStr>) -> Vec<PathBuf> {
    if let Some(file) = explicit {
        return vec![file.to_owned()];
    }
    match variable.filter(|value| !value.is_empty()) {
        Some(value) => {
            let mut files: Vec<PathBuf> = Vec::new();
            for file in std::env::split_paths(value) {
                if file != Path::new("") && !files.contains(&file) {
                    files.push(file);
                }
            }
            files
        }
        None => std::env::home_dir()
            .map(|home| home.join(".kube/config"))
            .into_iter()
            .collect(),
    }
}

impl Kubeconfig {
    /// Reads those of `files` that exist. Of two entries with one name, and of
    /// two current contexts, the one of the first file counts.
    ///
    /// # Errors
    /// [`KubeconfigError`] for the first file that cannot be read or
    /// understood.
    pub fn read(files: &[PathBuf]) -> Result<Self, KubeconfigError> {
        let mut merged = Self::default();
        for path in files {
            let Some(file) = file::read(path)? else {
                continue;
            };
            merged.files.push(path.clone());
            if merged.current.is_none() && !file.current_context.is_empty() {
                merged.current = Some((file.current_context, path.clone()));
            }
            merge(&mut merged.clusters, file.clusters, path);
            merge(&mut merged.users, file.users, path);
            merge(&mut merged.contexts, file.contexts, path);
        }
        Ok(merged)
    }

    /// Returns whether it says nothing, as where there is no file at all.
    pub fn is_empty(&self) -> bool {
        self.clusters.is_empty()
            && self.users.is_empty()
            && self.contexts.is_empty()
            && self.current.is_none()
    }

    /// Returns all contexts in the order of their names.
    pub fn contexts(&self) -> impl Iterator<Item = &FromFile<Context>> {
        self.contexts.values()
    }

    /// Returns what the named context chooses, or the current one.
    ///
    /// # Errors
    /// [`KubeconfigError`] if there is no such context, or no such cluster.
    pub fn choose(mut self, context: Option<&str>) -> Result<ContextChoice, KubeconfigError> {
        let whole = match &self.files[..] {
            [file] => Some(file.clone()),
            _ => None,
        };
        let (name, file) = match (context.filter(|name| !name.is_empty()), &self.current) {
            (Some(name), _) => (name.to_owned(), whole),
            (None, Some((name, file))) => (name.clone(), Some(file.clone())),
            (None, None) => {
                return Err(
                    KubeconfigError::new(whole.as_deref(), "it has no current context")
                        .hint(self.contexts_to_choose()),
                );
            }
        };
        let Some(context) = self.contexts.remove(&name) else {
            let known: Vec<&str> = self.contexts.keys().map(String::as_str).collect();
            let known = match known[..] {
                [] => "it has none".to_owned(),
                _ => format!("it has: {}", known.join(", ")),
            };
            return Err(KubeconfigError::new(
                file.as_deref(),
                format!("it has no context {}; {known}", named(&name)),
            )
            .hint(self.contexts_to_choose()));
        };
        let Some(cluster) = self.clusters.remove(&context.entry.cluster) else {
            let message = match context.entry.cluster.as_str() {
                "" => format!("context {name:?} has no cluster"),
                missing => format!("cluster {missing:?} of context {name:?} does not exist"),
            };
            return Err(
                KubeconfigError::new(Some(&context.file), message).hint(self.contexts_to_choose())
            );
        };
        let user = self
            .users
            .remove(&context.entry.user)
            .unwrap_or_else(|| FromFile {
                name: context.entry.user.clone(),
                entry: UserEntry::default(),
                file: context.file.clone(),
            });
        Ok(ContextChoice {
            context,
            cluster,
            user,
        })
    }

    fn contexts_to_choose(&self) -> String {
        match self.contexts.keys().next() {
            Some(name) => format!("choose a complete context: --context {name}"),
            None => "choose another one with --kubeconfig FILE".to_owned(),
        }
    }
}

impl ContextChoice {
    /// Returns a choice that no file offers: `name` is its context, and
    /// `folder` where it comes from.
    pub(crate) fn without_file(
        name: &str,
        folder: &Path,
        cluster: ClusterEntry,
        user: UserEntry,
    ) -> Self {
        fn found<T>(name: &str, entry: T, folder: &Path) -> FromFile<T> {
            FromFile {
                name: name.to_owned(),
                entry,
                file: folder.to_path_buf(),
            }
        }
        Self {
            context: found(name, Context::default(), folder),
            cluster: found(name, cluster, folder),
            user: found(name, user, folder),
        }
    }
}

fn merge<T>(into: &mut BTreeMap<String, FromFile<T>>, entries: Vec<(String, T)>, file: &Path) {
    for (name, entry) in entries {
        into.entry(name.clone()).or_insert_with(|| FromFile {
            name,
            entry,
            file: file.to_path_buf(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret as _;

    fn read(texts: &[&str]) -> Result<Kubeconfig, KubeconfigError> {
        let home = tempfile::tempdir().unwrap();
        let files: Vec<PathBuf> = (0..)
            .zip(texts)
            .map(|(at, text)| {
                let file = home.path().join(format!("{at}"));
                std::fs::write(&file, text).unwrap();
                file
            })
            .collect();
        Kubeconfig::read(&files)
    }

    #[test]
    fn the_first_file_wins_entry_by_entry() {
        let merged = read(&[
            "current-context: one\nusers: [{name: red, user: {username: a}}]",
            "current-context: two\ncontexts: [{name: one, context: {cluster: c, user: red}}]\n\
             clusters: [{name: c, cluster: {server: s}}]\n\
             users: [{name: red, user: {username: b, password: p}}]",
        ])
        .unwrap();
        let choice = merged.choose(None).unwrap();
        assert_eq!(choice.context.name, "one");
        assert_eq!(choice.user.entry.username, "a");
        assert_eq!(
            choice.user.entry.password.expose_secret(),
            "",
            "nothing of a later file is mixed in"
        );
    }

    #[test]
    fn messages_hold_no_values() {
        for text in [
            "users: [{name: x, user: {token: 987654321}}]",
            "users: [{name: x, user: {token: [sekret]}}]",
            "users: [{name: x, user: {token: 'sekret}}]",
            "users: [{name: x, user: {token: sekret}}, {name: x, user: {token: sekret}}]",
            "users: [{name: x, user: {client-key-data: sekret!}}]",
            "users: [{name: x, user: sekret}]",
            "users: {sekret: x}",
            "sekret",
            "kind: Pod\napiVersion: v1\nsekret: x",
            "users: [{name: x, user: {token: !!int sekret}}]",
            "users: *sekret",
            "{\"users\": [{\"name\": \"x\", \"user\": {\"token\": \"sekret\"}}]",
        ] {
            let error = read(&[text]).expect_err(text);
            let told = format!("{error} {:?} {error:?}", error.hints);
            assert!(
                !told.contains("sekret") && !told.contains("987654321"),
                "{told}"
            );
        }
    }

    #[test]
    fn the_variable_counts_unless_it_is_empty() {
        let files = |variable: &str| super::files(None, Some(variable.as_ref()));
        let paths = |names: &[&str]| -> Vec<PathBuf> { names.iter().map(PathBuf::from).collect() };
        if cfg!(unix) {
            assert_eq!(files("a::b:a"), paths(&["a", "b"]));
            assert_eq!(
                files(":"),
                paths(&[]),
                "as client-go: set, and without a file"
            );
        }
        assert_eq!(files(""), super::files(None, None));
        assert_eq!(
            super::files(Some(Path::new("x")), Some("a".as_ref())),
            paths(&["x"])
        );
    }
}
