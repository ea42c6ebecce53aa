//! Keeps the turns that `docs/style.md` forbids out of what people read.

use std::fs;
use std::path::{Path, PathBuf};

use regex::{Regex, RegexBuilder};

use crate::architecture;
use crate::common::checkout;

/// Files and directories whose text is checked.
const READ: [&str; 10] = [
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "CHANGELOG.md",
    "docs",
    "cluster-admins",
    "workloads",
    "testbed/README.md",
    "crates/base/README.md",
    "crates/client/README.md",
];

/// Exempt: records of the past, and the list of forbidden turns itself.
const EXEMPT: [&str; 2] = ["docs/decisions", "docs/style.md"];

/// The program's own text within a page.
const GENERATED: [(&str, &str); 1] = [("<!-- table of settings -->", "<!-- end of table -->")];

/// Returns the files below `path`, or itself.
fn files(path: &Path, found: &mut Vec<PathBuf>) {
    if EXEMPT.iter().any(|exempt| path == checkout(exempt)) {
        return;
    }
    match path.is_dir() {
        true => fs::read_dir(path)
            .unwrap()
            .for_each(|entry| files(&entry.unwrap().path(), found)),
        false => found.push(path.to_owned()),
    }
}

/// Replaces what is not prose by blanks, so that lines keep their numbers: code in
/// Markdown, all but comments in other files.
fn prose(path: &Path, text: &str) -> String {
    let mut text = text.to_owned();
    for (begin, end) in GENERATED {
        if let Some((before, rest)) = text.split_once(begin) {
            let (table, after) = rest.split_once(end).unwrap();
            text = format!(
                "{before}{}{after}",
                "\n".repeat(table.matches('\n').count())
            );
        }
    }
    let is_markdown = path.extension().is_some_and(|kind| kind == "md");
    let mut is_code = false;
    let mut kept: Vec<&str> = Vec::new();
    for line in text.lines() {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        let is_comment = line.trim_start().starts_with(['#', '{']);
        let is_prose = match is_markdown {
            true => !is_fence && !is_code,
            false => is_comment,
        };
        kept.push(if is_prose { line } else { "" });
    }
    let kept = kept.join("\n");
    if !is_markdown {
        return kept;
    }
    // Every other part is between backticks.
    let parts = kept.split('`').enumerate().map(|(at, part)| match at % 2 {
        0 => part.to_owned(),
        _ => format!("`{}`", "\n".repeat(part.matches('\n').count())),
    });
    parts.collect()
}

/// Returns the turns in the tables of `docs/style.md`, each with what finds it: those
/// for all texts, and those for messages.
fn turns() -> [Vec<(String, Regex)>; 2] {
    let style = fs::read_to_string(checkout("docs/style.md")).unwrap();
    let (_, tables) = style.split_once("## Turns to avoid").unwrap();
    let (all, messages) = tables.split_once("In messages, these too:").unwrap();
    [all, messages].map(|table| {
        let rows = table.lines().filter(|line| line.starts_with("| `"));
        let cells = rows.filter_map(|row| row.split(" | ").next());
        cells
            .flat_map(|cell| cell.split('`').skip(1).step_by(2))
            .map(|turn| (turn.to_owned(), finder(turn)))
            .collect()
    })
}

/// Returns what finds a turn as whole words, over the end of a line, too. `…` is up
/// to three words.
fn finder(turn: &str) -> Regex {
    let pattern = regex::escape(turn)
        .replace(" … ", r"\s+(?:\S+\s+){0,3}?")
        .replace(' ', r"\s+");
    RegexBuilder::new(&format!(r"\b{pattern}\b"))
        .case_insensitive(true)
        .build()
        .unwrap()
}

#[test]
fn documents_avoid_the_turns_that_the_style_forbids() {
    let [turns, _] = turns();
    assert!(turns.len() > 50, "{turns:?}");
    let mut read = Vec::new();
    READ.iter()
        .for_each(|path| files(&checkout(path), &mut read));
    assert!(read.len() > 100, "{read:?}");
    let mut found = Vec::new();
    for path in read {
        let Ok(text) = fs::read_to_string(&path) else {
            continue;
        };
        let prose = prose(&path, &text);
        for (turn, finder) in &turns {
            found.extend(finder.find_iter(&prose).map(|at| {
                let line = prose[..at.start()].matches('\n').count() + 1;
                let path = path.strip_prefix(checkout("")).unwrap();
                format!("{}:{line}: {turn}", path.display())
            }));
        }
    }
    assert!(found.is_empty(), "see docs/style.md:\n{}", found.join("\n"));
}

/// What a message has in the words of another program, or means literally.
const MEANT: [&str; 2] = ["there is none", "the rollout has made no progress"];

/// Returns the texts in code, lines that end with a backslash joined.
fn texts(code: &str) -> Vec<String> {
    let text = Regex::new(r#"'(?:\\.|[^'\\\n])'|"((?:[^"\\]|\\[\s\S])*)""#).unwrap();
    let joined = Regex::new(r"\\\n\s*").unwrap();
    let found = text.captures_iter(code).filter_map(|found| found.get(1));
    found
        .map(|found| joined.replace_all(found.as_str(), "").into_owned())
        .collect()
}

#[test]
fn messages_avoid_the_turns_that_the_style_forbids() {
    let turns = turns().concat();
    let (mut found, mut seen) = (Vec::new(), 0);
    for path in architecture::sources() {
        let code = architecture::code(&fs::read_to_string(&path).unwrap());
        for text in texts(&code).iter().filter(|text| text.contains(' ')) {
            seen += 1;
            let text = MEANT
                .iter()
                .fold(text.clone(), |text, meant| text.replace(meant, ""));
            let path = path.strip_prefix(checkout("")).unwrap().display();
            let turns = turns.iter().filter(|(_, finder)| finder.is_match(&text));
            found.extend(turns.map(|(turn, _)| format!("{path}: {turn}: {text}")));
        }
    }
    assert!(seen > 2_000, "the messages are read: {seen}");
    assert!(found.is_empty(), "see docs/style.md:\n{}", found.join("\n"));
    assert_eq!(
        texts("f('\"', \"a \\\"b\\\" \\\n  c\"); g(\"d\")"),
        [r#"a \"b\" c"#, "d"]
    );
}

/// A text that was reworded is never said, and proves nothing.
#[test]
fn what_tests_never_want_to_read_is_written_somewhere() {
    let call = Regex::new(r#"\.never_says\(\s*&?(?:format!\()?\s*"((?:[^"\\]|\\.)*)""#).unwrap();
    let continued = Regex::new(r"\\\n\s*").unwrap();
    let read = |roots: &[&str]| {
        let mut found = Vec::new();
        roots
            .iter()
            .for_each(|root| files(&checkout(root), &mut found));
        let texts = found
            .iter()
            .filter_map(|file| fs::read_to_string(file).ok());
        let texts: Vec<String> = texts
            .map(|text| continued.replace_all(&text, "").into_owned())
            .collect();
        texts.concat()
    };
    let (own, tests) = (
        read(&["src", "crates", "templates", "data"]),
        read(&["tests"]),
    );
    let others = call.replace_all(&tests, "");
    let mut seen = 0;
    let unwritten = call.captures_iter(&tests).filter_map(|found| {
        seen += 1;
        let text = found[1].replace("\\n", "").trim().to_owned();
        (!own.contains(&text) && !others.contains(&text)).then_some(text)
    });
    assert_eq!(unwritten.collect::<Vec<_>>(), [] as [&str; 0]);
    assert!(seen > 20, "{seen}");
}

#[test]
fn a_turn_is_found_in_prose_only() {
    let found = |name: &str, text: &str| {
        let prose = prose(Path::new(name), text);
        let [turns, _] = turns();
        let found = turns.iter().filter(|(_, finder)| finder.is_match(&prose));
        found.map(|(turn, _)| turn.clone()).collect::<Vec<_>>()
    };
    assert_eq!(
        found("a.md", "Mend it:\n`x`, draw it\nanew."),
        ["mend", "anew"]
    );
    assert_eq!(found("a.md", "Leave that flag away."), ["leave … away"]);
    assert_eq!(found("a.yaml", "# Waits for ever.\na: mend"), ["for ever"]);
    for text in [
        "Recommend it, and continue.",
        "```\nmend it\n```\n`mend\nit` is code",
        "<!-- table of settings -->\nit is made\n<!-- end of table -->",
        "Leave the directory. One, two, three, four words, then go away.",
    ] {
        assert_eq!(found("a.md", text), [""; 0], "{text}");
    }
}
