//! The `entrypoint` file: a script that is mounted as a file and executed as
//! one, so that newlines, quotes and `$VARIABLES` mean what they mean in any
//! script.

use crate::file::BYTE_ORDER_MARK;
use crate::secrecy::Confidential;
use crate::shell;
use std::path::Path;

use serde::Serialize;

use super::WorkloadError;

/// Name of the file in the directory, and among the uploads.
pub const FILE_NAME: &str = "entrypoint";

/// How a script among the uploads is executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Script {
    /// As a program of its own: it has a shebang, or is a binary.
    Direct,
    /// By `sh`.
    Shell,
}

/// What programs of Linux and macOS begin with: ELF, and Mach-O of 32 and 64
/// bits in either order of bytes.
const MAGIC: [&[u8]; 5] = [
    b"\x7fELF",
    b"\xfe\xed\xfa\xce",
    b"\xfe\xed\xfa\xcf",
    b"\xce\xfa\xed\xfe",
    b"\xcf\xfa\xed\xfe",
];

/// Returns whether a file is a program and no script. Text has no NUL in any
/// encoding that a shell reads; the head of every program has.
fn is_binary(content: &[u8]) -> bool {
    content.contains(&0) || MAGIC.iter().any(|magic| content.starts_with(magic))
}

/// Returns a script as text, and whether it is UTF-8. Of another encoding that
/// has ASCII in it, a character stands for each byte.
fn decoded(content: Vec<u8>) -> (String, bool) {
    match String::from_utf8(content) {
        Ok(text) => (text, true),
        Err(other) => {
            let bytes = other.as_bytes().iter().copied();
            (bytes.map(char::from).collect(), false)
        }
    }
}

/// An entrypoint, ready to be uploaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entrypoint {
    /// The bytes that the container executes.
    pub content: Confidential<Vec<u8>>,
    /// How.
    pub script: Script,
    /// Lines that were joined to the line above, counted from 1.
    pub joined_lines: Vec<usize>,
    /// Lines that begin with `-` and were left alone, since what is above them
    /// is no command.
    pub stray_lines: Vec<usize>,
}

impl Entrypoint {
    /// Reads the bytes of the file. They are kept as they are, but for UTF-8's
    /// byte order mark, which no shell understands, and one other exception:
    /// without a shebang, a line that begins with `-` continues the
    /// command above it, as entrypoints of the original kaiwo are written,
    /// which joined all lines. Quotes, here-documents and the arms of a `case`
    /// are left as they are.
    ///
    /// # Errors
    /// [`WorkloadError::Value`] for a script without a command, for one as
    /// editors on Windows write it, with carriage returns or as UTF-16.
    pub fn parse(file: &Path, content: Vec<u8>) -> Result<Self, WorkloadError> {
        let wrong = |line, message: &str, hint: String| WorkloadError::Value {
            file: file.to_path_buf(),
            line,
            message: message.to_owned(),
            hint: hint.into(),
        };
        let content = match content.strip_prefix(BYTE_ORDER_MARK) {
            Some(rest) => rest.to_vec(),
            None => content,
        };
        if content.iter().all(u8::is_ascii_whitespace) {
            return Err(wrong(
                1,
                "the entrypoint is empty",
                "write the commands to run to it".to_owned(),
            ));
        }
        let quoted = shell::quoted(&file.to_string_lossy());
        if content.starts_with(&[0xff, 0xfe]) || content.starts_with(&[0xfe, 0xff]) {
            return Err(wrong(
                1,
                "the entrypoint is UTF-16, which shells cannot read",
                format!(
                    "convert it: iconv -f UTF-16 -t UTF-8 {quoted} > new && cat new > {quoted} && rm new"
                ),
            ));
        }
        if let Some(error) = carriage_returns(file, &content) {
            return Err(error);
        }
        if content.starts_with(b"#!") || is_binary(&content) {
            // The kernel judges it.
            return Ok(Self {
                content: Confidential::new(content),
                script: Script::Direct,
                joined_lines: Vec::new(),
                stray_lines: Vec::new(),
            });
        }
        let (text, is_utf8) = decoded(content);
        let (text, joined_lines, stray_lines) = join_continued_lines(&text);
        let content = match is_utf8 {
            true => text.into_bytes(),
            false => text.chars().filter_map(|c| u8::try_from(c).ok()).collect(),
        };
        Ok(Self {
            content: Confidential::new(content),
            script: Script::Shell,
            joined_lines,
            stray_lines,
        })
    }

    /// Makes a script that becomes `command`, for kinds that can only be
    /// given a script.
    pub fn of_command(command: &[String]) -> Self {
        let words: Vec<String> = command.iter().map(|word| shell::quoted(word)).collect();
        let text = format!("#!/bin/sh\nexec {}\n", words.join(" "));
        Self {
            content: Confidential::new(text.into_bytes()),
            script: Script::Direct,
            joined_lines: Vec::new(),
            stray_lines: Vec::new(),
        }
    }
}

/// Returns what is wrong with a script for a shell, or with a shebang, as editors on
/// Windows write it. It is not empty.
pub(super) fn carriage_returns(file: &Path, content: &[u8]) -> Option<WorkloadError> {
    let first = content.split(|byte| *byte == b'\n').next()?;
    let mut lines = content.split_inclusive(|byte| *byte == b'\n');
    let message = match content.starts_with(b"#!") {
        true if first.ends_with(b"\r") => {
            "the shebang ends in a carriage return, so its interpreter cannot be found"
        }
        false if !is_binary(content) && lines.all(|line| line.ends_with(b"\r\n")) => {
            "every line ends in a carriage return, which sh treats as part of the command"
        }
        _ => return None,
    };
    let quoted = shell::quoted(&file.to_string_lossy());
    Some(WorkloadError::Value {
        file: file.to_path_buf(),
        line: 1,
        message: message.to_owned(),
        hint: format!("convert its line endings: sed -i 's/\\r$//' {quoted}").into(),
    })
}

/// Adds a backslash to the end of each line that the next one continues, and
/// returns the numbers of those next lines, and of lines that look like such
/// and have nothing to continue.
fn join_continued_lines(text: &str) -> (String, Vec<usize>, Vec<usize>) {
    let (mut joined, mut stray) = (Vec::new(), Vec::new());
    let mut result = String::with_capacity(text.len() + 16);
    let mut state = ShellState::default();
    // Whether the last line is a command that can go on.
    let mut continuable = false;
    let mut escaped = false;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        if state.in_code() && !escaped && is_option(line) {
            if continuable {
                result.truncate(result.trim_end().len());
                result.push_str(" \\\n");
                joined.push(index + 1);
            } else {
                stray.push(index + 1);
            }
        }
        let was_in_code = state.in_code();
        let has_comment = state.read_line(line);
        escaped = line.trim_end_matches(['\n', '\r']).ends_with('\\');
        let ends_in_code = was_in_code && state.in_code();
        continuable = ends_in_code
            && !line.trim().is_empty()
            && !has_comment
            && !escaped
            && line.ends_with('\n');
        result.push_str(line);
    }
    (result, joined, stray)
}

/// Returns whether a line begins with an option, and not with the pattern of a
/// `case`.
fn is_option(line: &str) -> bool {
    let word = line.split_whitespace().next().unwrap_or_default();
    word.starts_with('-') && !word.contains(')') && !line.trim_end().ends_with(')')
}

/// How far a shell is inside quotes and here-documents at the end of a line.
#[derive(Default)]
struct ShellState {
    quote: Option<char>,
    /// Delimiters of here-documents that have begun, in their order, and
    /// whether leading tabs are stripped (`<<-`).
    here_documents: std::collections::VecDeque<(String, bool)>,
}

impl ShellState {
    fn in_code(&self) -> bool {
        self.quote.is_none() && self.here_documents.is_empty()
    }

    /// Follows one line, and returns whether a comment ends it.
    fn read_line(&mut self, line: &str) -> bool {
        let bare = line.trim_end_matches(['\n', '\r']);
        if self.quote.is_none()
            && let Some((delimiter, tabs)) = self.here_documents.front()
        {
            let candidate = if *tabs {
                bare.trim_start_matches('\t')
            } else {
                bare
            };
            if candidate == delimiter {
                self.here_documents.pop_front();
            }
            return false;
        }
        let mut chars = bare.char_indices().peekable();
        let mut before = ' ';
        while let Some((index, c)) = chars.next() {
            match (self.quote, c) {
                (Some('\''), '\'') | (Some('"'), '"') => self.quote = None,
                (Some('"') | None, '\\') => _ = chars.next(),
                (None, '\'' | '"') => self.quote = Some(c),
                (None, '#') if before.is_whitespace() || ";&|(".contains(before) => return true,
                (None, '<')
                    if bare[index..].starts_with("<<")
                        && !bare[index..].starts_with("<<<")
                        && before != '<'
                        && !in_arithmetic(&bare[..index]) =>
                {
                    if let Some(begun) = here_document(&bare[index + 2..]) {
                        self.here_documents.push_back(begun);
                    }
                }
                _ => {}
            }
            before = c;
        }
        false
    }
}

/// Returns whether `before` opens an arithmetic expression, in which `<<`
/// shifts.
fn in_arithmetic(before: &str) -> bool {
    before.matches("((").count() > before.matches("))").count()
}

/// Reads the delimiter after `<<`.
fn here_document(after: &str) -> Option<(String, bool)> {
    let tabs = after.starts_with('-');
    let word = after
        .trim_start_matches('-')
        .trim_start_matches([' ', '\t']);
    let end = word
        .find(|c: char| c.is_whitespace() || ";&|<>()".contains(c))
        .unwrap_or(word.len());
    let delimiter: String = word[..end]
        .chars()
        .filter(|c| !"'\"\\".contains(*c))
        .collect();
    (!delimiter.is_empty()).then_some((delimiter, tabs))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Classified;

    fn parse(text: &str) -> Entrypoint {
        Entrypoint::parse(Path::new("entrypoint"), text.as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn a_script_in_another_encoding_is_no_program() {
        let parsed = |content: &[u8]| {
            let file = Path::new("entrypoint");
            Entrypoint::parse(file, content.to_vec()).unwrap()
        };
        // Latin-1, without a shebang.
        let latin = parsed(b"# f\xfcr alle\npython train.py\n  --epochs 3\n");
        assert_eq!(latin.script, Script::Shell);
        assert_eq!(latin.joined_lines, [3]);
        assert!(
            latin
                .content
                .expose()
                .starts_with(b"# f\xfcr alle\npython train.py")
        );
        for program in [
            &b"\x7fELF\x02\x01\x01\x00"[..],
            b"\xcf\xfa\xed\xfe\x07",
            b"MZ\x90\x00\x03",
            b"echo\x00",
        ] {
            assert_eq!(parsed(program).script, Script::Direct, "{program:?}");
        }
        let text = parsed(b"MZ=3\n\xff\n");
        assert_eq!(text.script, Script::Shell);
    }

    #[test]
    fn scripts_are_kept_byte_for_byte() {
        for text in [
            "#!/usr/bin/env python3\nprint('-x')\n-1\n",
            "set -e # comment\n\necho \"a\nb\" '\n- c'\ncat <<'END'\n- item\n$NUM_GPUS\nEND\necho done",
            "cat <<-END <<OTHER\n\t- a\n\tEND\n- b\nOTHER\n",
            "echo a \\\n  --flag\n",
            "# a comment\n- stays\n",
            "echo \"<<END\"\necho ok\n",
            "x=$(( 1 << 2 ))\necho $x\n",
            "case $1 in\n--one)\n  echo 1;;\n-a|-b)\n  echo 2;;\nesac\n",
            "python - <<EOF\nprint(1)\nEOF\n--lost\n",
            "echo ünïcode\necho windows\r\n",
        ] {
            let entrypoint = parse(text);
            assert_eq!(
                String::from_utf8(entrypoint.content.into_exposed()).unwrap(),
                text
            );
            assert_eq!(entrypoint.joined_lines, [] as [usize; 0], "{text}");
        }
    }

    #[test]
    fn option_lines_continue_the_command_above() {
        let entrypoint = parse("python train.py\n  --epochs 3  \n  --lr=1e-4\necho done\n");
        assert_eq!(
            String::from_utf8(entrypoint.content.into_exposed()).unwrap(),
            "python train.py \\\n  --epochs 3 \\\n  --lr=1e-4\necho done\n"
        );
        assert_eq!(entrypoint.joined_lines, [2, 3]);
        assert_eq!(entrypoint.stray_lines, [] as [usize; 0]);
        let shifted = parse("x=$((1<<2))\npython train.py\n  --lr 1\n# note\n  --late\n");
        assert_eq!(
            (shifted.joined_lines, shifted.stray_lines),
            (vec![3], vec![5])
        );
        assert_eq!(entrypoint.script, Script::Shell);
    }

    #[test]
    fn what_executes_itself_is_executed() {
        assert_eq!(parse("#!/bin/bash\n").script, Script::Direct);
        let binary = Entrypoint::parse(Path::new("e"), b"\x7fELF\0\xff".to_vec()).unwrap();
        assert_eq!(binary.script, Script::Direct);
    }

    #[test]
    fn what_cannot_run_is_refused() {
        let empty = Entrypoint::parse(Path::new("d/entrypoint"), b" \n".to_vec()).unwrap_err();
        assert_eq!(empty.to_string(), "d/entrypoint:1: the entrypoint is empty");
        let windows =
            Entrypoint::parse(Path::new("d/entrypoint"), b"#!/bin/sh\r\necho\r\n".to_vec())
                .unwrap_err();
        assert_eq!(
            windows.hints(),
            ["convert its line endings: sed -i 's/\\r$//' d/entrypoint"]
        );
        let refused = |content: &[u8]| {
            Entrypoint::parse(Path::new("my d/e"), content.to_vec()).map_err(|error| error.hints())
        };
        assert_eq!(
            refused(b"echo\r\nls\r\n").unwrap_err(),
            ["convert its line endings: sed -i 's/\\r$//' 'my d/e'"]
        );
        assert!(refused(b"printf 'x\r\n'\n").is_ok(), "a text may have some");
        let marked = refused(b"\xef\xbb\xbf#!/bin/sh\n").unwrap();
        assert_eq!(marked.content.expose(), b"#!/bin/sh\n");
        assert!(refused(b"\xff\xfel\0s\0").is_err());
    }

    #[test]
    fn a_command_becomes_a_script_that_means_the_same() {
        let words = ["python", "train it.py", "--x=$HOME", "it's", ""].map(str::to_owned);
        let script = Entrypoint::of_command(&words);
        assert_eq!(
            String::from_utf8(script.content.into_exposed()).unwrap(),
            "#!/bin/sh\nexec python 'train it.py' '--x=$HOME' 'it'\\''s' ''\n"
        );
    }
}
