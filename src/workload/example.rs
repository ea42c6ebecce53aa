//! The examples of `workloads/`, which are in the binary.

use super::new_files::NewFile;

/// Path below `workloads/`, and content.
static FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/examples.rs"));

/// Files of which a directory has at least one if it can be submitted or served.
const WORKLOAD: [&str; 3] = ["entrypoint", "serveconfig", "kaiwoconfig"];

/// Returns the names of the examples that are directories to submit or serve; others
/// are a command only.
pub fn names() -> Vec<&'static str> {
    let parts = FILES.iter().filter_map(|(path, _)| path.split_once('/'));
    let mut names: Vec<&str> = parts
        .filter(|(_, file)| WORKLOAD.contains(file))
        .map(|(name, _)| name)
        .collect();
    names.dedup();
    names
}

/// Returns the files of an example, whose texts name `directory` in the place of the
/// example's own; nothing if there is no such example.
pub fn files(name: &str, directory: &str) -> Option<Vec<NewFile>> {
    if !names().contains(&name) {
        return None;
    }
    let own = format!("workloads/{name}");
    let files = FILES.iter().filter_map(|(path, content)| {
        let (of, path) = path.split_once('/')?;
        (of == name).then(|| NewFile {
            path: path.to_owned(),
            content: match std::str::from_utf8(content) {
                Ok(text) => text.replace(&own, directory).into_bytes(),
                Err(_) => content.to_vec(),
            },
        })
    });
    Some(files.collect())
}
