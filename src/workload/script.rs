//! A single script that is uploaded alone: how it is recognized and executed.

use std::path::Path;

use super::WorkloadError;
use super::entrypoint::carriage_returns;
use super::upload::UploadFile;
use crate::file;
use crate::secrecy::Confidential;
use crate::shell;

/// First line of the metadata that lists what a script needs (PEP 723).
const METADATA: &str = "# /// script";
/// First bytes of a program of Linux (ELF).
const PROGRAM: &[u8] = b"\x7fELF";
/// Runs a script with what its metadata lists. Only the container knows whether it has uv.
/// It keeps what it installs in the home directory, which another user may not have.
const BY_UV: &str = "if command -v uv >/dev/null 2>&1; then
  [ -w \"${HOME:-/}\" ] || export HOME=\"${KAIWO_SCRATCH:-/tmp}\"
  exec uv run --script \"$0\" \"$@\"
fi
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
/// [`WorkloadError`] if it cannot be read, or not be run.
pub fn read(path: &Path) -> Result<SingleScript, WorkloadError> {
    let wrong = |message: &str, hint: String| WorkloadError::Value {
        file: path.to_path_buf(),
        line: 1,
        message: message.to_owned(),
        hint: hint.into(),
    };
    let bytes = file::named(path, file::WRITTEN)?;
    if bytes.starts_with(PROGRAM) {
        let name = path.file_name().unwrap_or(path.as_os_str());
        let name = shell::quoted(&name.to_string_lossy());
        let above = path.parent().filter(|it| !it.as_os_str().is_empty());
        let above = shell::quoted(&above.unwrap_or(Path::new(".")).to_string_lossy());
        let hint = format!("upload it with its directory: kaiwo run -p {above} -- ./{name}");
        return Err(wrong("this is a compiled program, not a script", hint));
    }
    let text = file::text(path, bytes)?;
    if text.trim().is_empty() {
        let hint = "write the commands to run to it".to_owned();
        return Err(wrong("the script is empty", hint));
    }
    let name = path.file_name().unwrap_or(path.as_os_str());
    let name = name.to_string_lossy().into_owned();
    let command = command(&name, &text);
    // Python does not mind them.
    let runs_by_itself = command.len() < 3;
    if let Some(error) = carriage_returns(path, text.as_bytes()).filter(|_| runs_by_itself) {
        return Err(error);
    }
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
    // A name that begins with - is no flag.
    let file = match name.starts_with('-') {
        true => format!("./{name}"),
        false => name.to_owned(),
    };
    let by = |script: &str| words(&["sh", "-c", script, &file]);
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
            ("-a.py", "print()\n", "./-a.py"),
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
        let folder = tempfile::tempdir().unwrap();
        let refused = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            read(&path).err().map(|error| error.to_string())
        };
        assert_eq!(refused("a.py", b"print()\r\n"), None);
        for (bytes, why) in [
            (
                &b"#!/bin/sh\r\necho\r\n"[..],
                "the shebang ends in a carriage",
            ),
            (b"echo\r\nls\r\n", "every line ends in a carriage"),
            (b"\x7fELF\x02", "a compiled program"),
            (b"\n", "the script is empty"),
        ] {
            let error = refused("a.sh", bytes).unwrap();
            assert!(error.contains(why), "{error}");
        }
        let words = command("t.py", metadata);
        assert_eq!(words[..2], ["sh", "-c"]);
        assert!(words[2].contains("exec uv run --script"), "{words:?}");
        let words = command("t.py", &format!("#!/usr/bin/env python\n{metadata}"));
        assert!(words[2].contains("exec uv run --script"), "{words:?}");
    }
}
