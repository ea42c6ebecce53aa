//! Every text of a request is tried: a field that is new, or that nothing fills
//! in, fails here until it has a spot, or a reason to have none.

use std::collections::{BTreeMap, BTreeSet};

use super::request::request;
use super::spot::{PLACEHOLDER, SPOTS, WORKLOADS};

/// Texts that no hostile value can be in, and why.
const NO_SPOT: [(&str, &str); 6] = [
    (
        "schedule//Schedule",
        "numbers, names and signs of cron alone",
    ),
    ("template/file", "names the file in messages"),
    ("template/text", "is what renders, not what is rendered"),
    ("pods/tolerations/[]/effect", "is one of three words"),
    (
        "serving/kaito/adapters/[]/strength",
        "is a number from 0 to 1",
    ),
    ("upload/digest", "is a digest"),
];
/// Fields that no request here has, and why.
const UNSET: [(&str, &str); 18] = [
    (
        "gpu_node_label_key",
        "names what is read, and is not written",
    ),
    ("gpus/replicas", "is a number"),
    ("gpus/gpus_per_replica", "is a number"),
    ("gpus/parallelism", "is a number"),
    ("pods/cpus_per_gpu", "is a number"),
    ("pods/memory_per_gpu", "is a number"),
    ("pods/grace", "is a number"),
    ("pods/sizes/cpus", "is a number"),
    ("pods/sizes/memory", "is a number"),
    ("pods/sizes/shm", "is a number"),
    ("pods/sizes/head_cpus", "is a number"),
    ("pods/sizes/head_memory", "is a number"),
    ("pods/topology_levels", "is searched, and not written"),
    ("lifetime/ttl", "is a number"),
    ("lifetime/max_runtime", "is a number"),
    ("serving/kaito/context", "is a number"),
    (
        "array",
        "has numbers, and values that the tests of the shell's commands try",
    ),
    (
        "session",
        "has switches, a time, and a text that only the digest has",
    ),
];

/// What a request says in one place.
#[derive(Default)]
struct Seen {
    texts: BTreeMap<String, BTreeSet<String>>,
    /// Fields that say nothing, and fields that say something.
    unset: BTreeSet<String>,
    set: BTreeSet<String>,
}

/// Takes the text at the beginning of `line` apart: it, and what follows.
fn quoted(line: &str) -> Option<(&str, &str)> {
    let inner = line.strip_prefix('"')?;
    let mut escaped = false;
    let end = inner.find(|c| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    })?;
    Some((&inner[..end], &inner[end + 1..]))
}

impl Seen {
    /// Reads what `{:#?}` writes: a line for each field, text, or bracket.
    fn read(&mut self, debug: &str) {
        let mut path: Vec<String> = Vec::new();
        for line in debug.lines() {
            let content = line.trim_start();
            let depth = (line.len() - content.len()) / 4;
            path.truncate(depth);
            let content = content.trim_end_matches(',');
            if content.starts_with([')', ']', '}']) {
                continue;
            }
            let (label, rest) = match (quoted(content), content.split_once(": ")) {
                (Some((key, rest)), _) if rest.starts_with(": ") => {
                    self.text(&path, "{}", key);
                    ("*".to_owned(), &rest[2..])
                }
                (None, Some((field, rest))) => (field.to_owned(), rest),
                _ => (String::new(), content),
            };
            let place = joined(&path, &label);
            if rest == "None" || rest == "[]" || rest == "{}" {
                self.unset.insert(place);
                continue;
            }
            self.set.insert(place);
            match quoted(rest) {
                Some((text, _)) => self.text(&path, &label, text),
                None => path.push(match rest.chars().last() {
                    Some('[') => format!("{label}/[]"),
                    Some('(') if rest != "Some(" => format!("{label}/{}", &rest[..rest.len() - 1]),
                    _ => label,
                }),
            }
        }
    }

    fn text(&mut self, path: &[String], label: &str, text: &str) {
        let texts = self.texts.entry(joined(path, label)).or_default();
        texts.insert(text.to_owned());
    }
}

/// Returns the whole path of a field, without what has no name.
fn joined(path: &[String], label: &str) -> String {
    let parts = path.iter().map(String::as_str).chain([label]);
    let parts: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
    parts.join("/")
}

#[test]
fn every_text_of_a_request_is_tried() {
    let mut seen = Seen::default();
    for workload in WORKLOADS {
        for spot in SPOTS {
            if let Some(request) = request(spot, workload, PLACEHOLDER) {
                seen.read(&format!("{request:#?}"));
            }
        }
    }
    let untried: BTreeSet<&str> = seen
        .texts
        .iter()
        .filter(|(_, texts)| !texts.iter().any(|text| text.contains(PLACEHOLDER)))
        .map(|(path, _)| path.as_str())
        .collect();
    let exempt: BTreeSet<&str> = NO_SPOT.iter().map(|(path, _)| *path).collect();
    assert_eq!(
        untried, exempt,
        "texts that no spot reaches, and those that need none"
    );
    let never: BTreeSet<&str> = seen
        .unset
        .difference(&seen.set)
        .map(String::as_str)
        .collect();
    let exempt: BTreeSet<&str> = UNSET.iter().map(|(field, _)| *field).collect();
    assert_eq!(
        never, exempt,
        "fields that no request has, and those that need not be"
    );
}
