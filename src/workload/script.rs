//! A single script that is uploaded alone: how it is recognized and executed.

use std::path::Path;

use super::WorkloadError;
use super::upload::UploadFile;
use crate::file;
use crate::secrecy::Confidential;

/// First line of the metadata that lists what a script needs (PEP 723).
const METADATA: &str = "# /// script";
/// Runs a script with what its metadata lists. Only the container knows whether it has uv.
const BY_UV: &str = "if command -v uv >/dev/null 2>&1; then exec uv run --script \"$0\" \"$@\"; fi
echo \"kaiwo: the image has no uv to install the dependencies of $0\" >&2
command -v python >/dev/null 2>&1 && exec python \"$0\" \"$@\"
exec python3 \"$0\" \"$@\"";
/// Runs a script in Python, whatever the image calls it.
const BY_PYTHON: &str = "command -v python >/dev/null 2>&1 && exec python \"$0\" \"$@\"
exec python3 \"$0\" \"$@\"";

/// A script, as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SingleScript {
    /// What is uploaded.
    pub file: UploadFile,
    /// The words that execute it in its directory.
    pub command: Vec<String>,
}

/// Reads a script.
///
/// # Errors
/// [`WorkloadError`] if it cannot be read.
pub fn read(path: &Path) -> Result<SingleScript, WorkloadError> {
    let text = file::text(path, file::named(path, file::WRITTEN)?)?;
    let name = path.file_name().unwrap_or(path.as_os_str());
    let name = name.to_string_lossy().into_owned();
    let command = command(&name, &text);
    let file = UploadFile {
        path: name,
        content: Confidential::new(text.into_bytes()),
        executable: true,
    };
    Ok(SingleScript { file, command })
}

/// Returns the words that execute a script: by its metadata, its shebang, its name.
fn command(name: &str, text: &str) -> Vec<String> {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let by = |script: &str| words(&["sh", "-c", script, name]);
    let shebang = text.lines().next().filter(|line| line.starts_with("#!"));
    match shebang {
        Some(line) if line.contains("uv run") => words(&[&format!("./{name}")]),
        _ if text.lines().any(|line| line.trim_end() == METADATA) => by(BY_UV),
        Some(_) => words(&[&format!("./{name}")]),
        None if name.ends_with(".py") => by(BY_PYTHON),
        None => words(&["sh", &format!("./{name}")]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_executed_by_what_it_says_of_itself() {
        let metadata = "# /// script\n# dependencies = [\"rich\"]\n# ///\nimport rich\n";
        for (name, text, last) in [
            ("train.py", "print()\n", "train.py"),
            ("train.py", "#!/usr/bin/env python3\n", "./train.py"),
            ("a.sh", "echo\n", "./a.sh"),
            (
                "t.py",
                "#!/usr/bin/env -S uv run --script\n# /// script\n# ///\n",
                "./t.py",
            ),
        ] {
            let words = command(name, text);
            assert_eq!(words.last().unwrap(), last, "{words:?}");
            assert!(!words.iter().any(|word| word.contains("exec uv")));
        }
        let words = command("t.py", metadata);
        assert_eq!(words[..2], ["sh", "-c"]);
        assert!(words[2].contains("exec uv run --script"), "{words:?}");
        let words = command("t.py", &format!("#!/usr/bin/env python\n{metadata}"));
        assert!(words[2].contains("exec uv run --script"), "{words:?}");
    }
}
