//! Recognises templates that are written for the original kaiwo, in the
//! syntax of Go, and says line by line what to write instead.
//!
//! The two languages share their braces, so Tera alone would stop at the first
//! dot with a message about tokens. What is translated here is what templates
//! of workloads use: fields, `if`, `range`, `with`, comparisons, and the
//! functions of Go and Sprig that have a counterpart.

/// A line of a Go template, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoLine {
    /// Its number, from 1.
    pub line: usize,
    /// The action as it stands there.
    pub written: String,
    /// The same for Tera; `None` where there is no counterpart.
    pub instead: Option<String>,
}

/// Names of the original's context that are others here, with what stands for
/// them.
const RENAMED: [(&str, &str); 3] = [
    ("Meta.HasConfigMap", "Meta.WorkingDir"),
    (
        "Scheduling.RequestedReplicas",
        "Scheduling.CalculatedReplicas",
    ),
    (
        "Scheduling.RequestedGPUsPerReplica",
        "Scheduling.CalculatedGPUsPerReplica",
    ),
];

/// Words that begin an action in Go's templates and mean nothing in Tera's
/// `{{ … }}`.
const KEYWORDS: [&str; 10] = [
    "if", "else", "end", "range", "with", "define", "template", "block", "break", "continue",
];
/// Functions of Go and Sprig that are called before their arguments.
const FUNCTIONS: [&str; 21] = [
    "and", "or", "not", "eq", "ne", "lt", "le", "gt", "ge", "len", "index", "printf", "quote",
    "toYaml", "toJson", "default", "include", "required", "add", "sub", "mul",
];

/// Finds the actions of a Go template. Empty for a template of Tera.
pub fn find(text: &str) -> Vec<GoLine> {
    let actions = actions(text);
    if !actions.iter().any(|action| is_go(&action.inner)) {
        return Vec::new();
    }
    let mut blocks = Vec::new();
    actions
        .into_iter()
        .filter(|action| is_go(&action.inner))
        .map(|action| GoLine {
            line: action.line,
            instead: translate(&action, &mut blocks),
            written: action.written,
        })
        .collect()
}

/// One `{{ … }}` of a template.
struct Action {
    line: usize,
    written: String,
    inner: String,
    trims_before: bool,
    trims_after: bool,
}

fn actions(text: &str) -> Vec<Action> {
    let mut found = Vec::new();
    let mut rest = text;
    let mut line = 1;
    while let Some(start) = rest.find("{{") {
        line += rest[..start].matches('\n').count();
        let Some(end) = rest[start..].find("}}") else {
            break;
        };
        let written = &rest[start..start + end + 2];
        let inside = &written[2..written.len() - 2];
        let trims_before = inside.starts_with('-');
        let trims_after = inside.ends_with('-') && inside.len() > 1;
        found.push(Action {
            line,
            written: written.to_owned(),
            inner: inside[usize::from(trims_before)..inside.len() - usize::from(trims_after)]
                .trim()
                .to_owned(),
            trims_before,
            trims_after,
        });
        line += written.matches('\n').count();
        rest = &rest[start + end + 2..];
    }
    found
}

/// Returns whether an action can only be Go's: it begins with a dot, a
/// variable, a keyword, or a function that is not followed by a parenthesis.
fn is_go(inner: &str) -> bool {
    let word = inner.split_whitespace().next().unwrap_or_default();
    let alone = word == inner;
    inner.starts_with(['.', '$'])
        || inner.starts_with("/*")
        || KEYWORDS.contains(&word)
        || (FUNCTIONS.contains(&word) && !alone)
        || names_a_field(inner)
}

/// Returns whether a word outside of quotes begins with a dot and a letter.
fn names_a_field(inner: &str) -> bool {
    inner.split('"').step_by(2).any(|outside| {
        outside
            .split(|c: char| c.is_whitespace() || "()|,".contains(c))
            .filter_map(|word| word.strip_prefix('.'))
            .any(|name| name.starts_with(char::is_alphabetic))
    })
}

/// What the dot means inside a block, and how the block ends.
struct Block {
    end: &'static str,
    dot: Option<String>,
}

fn translate(action: &Action, blocks: &mut Vec<Block>) -> Option<String> {
    let inner = action.inner.as_str();
    let (word, rest) = inner.split_once(char::is_whitespace).unwrap_or((inner, ""));
    let rest = rest.trim();
    let before = if action.trims_before { "-" } else { "" };
    let after = if action.trims_after { "-" } else { "" };
    let block = |text: String| format!("{{%{before} {text} {after}%}}");
    if inner.starts_with("/*") {
        let comment = inner.trim_start_matches("/*").trim_end_matches("*/").trim();
        return Some(format!("{{#{before} {comment} {after}#}}"));
    }
    let dot = || blocks.iter().rev().find_map(|block| block.dot.clone());
    match word {
        "if" => {
            let condition = pipeline(rest, dot().as_deref());
            blocks.push(Block {
                end: "endif",
                dot: None,
            });
            Some(block(format!("if {}", condition?)))
        }
        "else" if rest.is_empty() => Some(block("else".to_owned())),
        "else" => {
            let condition = pipeline(rest.strip_prefix("if")?.trim(), dot().as_deref())?;
            Some(block(format!("elif {condition}")))
        }
        "with" => {
            let value = pipeline(rest, dot().as_deref());
            blocks.push(Block {
                end: "endif",
                dot: value.clone(),
            });
            Some(block(format!("if {}", value?)))
        }
        "range" => {
            let (names, list) = match rest.split_once(":=") {
                Some((names, list)) => (names.replace(['$', ' '], ""), list.trim()),
                None => (String::new(), rest),
            };
            let list = pipeline(list, dot().as_deref());
            let item = match names.rsplit(',').next() {
                Some("") | None => item_of(list.as_deref().unwrap_or_default()),
                Some(name) => name.to_owned(),
            };
            blocks.push(Block {
                end: "endfor",
                dot: Some(item.clone()),
            });
            let names = if names.is_empty() {
                item
            } else {
                names.replace(',', ", ")
            };
            Some(block(format!("for {names} in {}", list?)))
        }
        "end" => blocks.pop().map(|ended| block(ended.end.to_owned())),
        _ if inner.contains(":=") => {
            let (name, value) = inner.split_once(":=")?;
            let name = name.trim().trim_start_matches('$');
            let value = pipeline(value.trim(), dot().as_deref())?;
            Some(block(format!("set {name} = {value}")))
        }
        _ => {
            let value = pipeline(inner, dot().as_deref())?;
            Some(format!("{{{{{before} {value} {after}}}}}"))
        }
    }
}

/// Returns a name for the items of a list: `variable` of `Meta.EnvVars`.
fn item_of(list: &str) -> String {
    let last = list.rsplit('.').next().unwrap_or_default();
    let singular = last.strip_suffix('s').unwrap_or("item");
    let word: String = singular
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect();
    match word.is_empty() {
        true => "item".to_owned(),
        false => word.to_lowercase(),
    }
}

/// Translates `a | b "c"`: a value and the functions it goes through.
fn pipeline(text: &str, dot: Option<&str>) -> Option<String> {
    let mut stages = split_outside(text, '|').into_iter();
    let mut value = call(&split_words(stages.next()?.trim()), dot)?;
    for stage in stages {
        let words = split_words(stage.trim());
        let (function, arguments) = words.split_first()?;
        value = match (function.as_str(), arguments) {
            // Every text is quoted already, and what is no text is JSON.
            ("quote" | "squote" | "trim" | "nindent" | "indent" | "toString", _) => value,
            ("toYaml" | "toJson", []) => format!("{value} | to_json"),
            ("default", [fallback]) => {
                format!("{value} | default(value={})", operand(fallback, dot)?)
            }
            ("upper" | "lower" | "title", []) => format!("{value} | {function}"),
            ("int" | "int64", []) => format!("{value} | int"),
            ("len", []) => format!("{value} | length"),
            ("not", []) => format!("not {value}"),
            // The value comes last among the factors, which changes nothing.
            ("mul", [factor]) => format!("{value} * {}", operand(factor, dot)?),
            ("replace", [from, to]) => format!(
                "{value} | replace(from={}, to={})",
                operand(from, dot)?,
                operand(to, dot)?
            ),
            _ => return None,
        };
    }
    Some(value)
}

/// Translates a function before its arguments, or a lone value.
fn call(words: &[String], dot: Option<&str>) -> Option<String> {
    let (first, arguments) = words.split_first()?;
    let all = || {
        arguments
            .iter()
            .map(|word| operand(word, dot))
            .collect::<Option<Vec<_>>>()
    };
    let infix = |sign: &str| match all()?.as_slice() {
        [] | [_] => None,
        operands => Some(operands.join(&format!(" {sign} "))),
    };
    match (first.as_str(), arguments) {
        (_, []) => operand(first, dot),
        ("eq", _) => infix("=="),
        ("ne", _) => infix("!="),
        ("lt", _) => infix("<"),
        ("le", _) => infix("<="),
        ("gt", _) => infix(">"),
        ("ge", _) => infix(">="),
        ("and", _) => infix("and"),
        ("or", _) => infix("or"),
        ("add", _) => infix("+"),
        ("sub", _) => infix("-"),
        ("mul", _) => infix("*"),
        ("not", [_]) => Some(format!("not {}", all()?.pop()?)),
        ("len", [_]) => Some(format!("{} | length", all()?.pop()?)),
        ("quote" | "int", [_]) => all()?.pop(),
        ("toYaml" | "toJson", [_]) => Some(format!("{} | to_json", all()?.pop()?)),
        ("default", [fallback, value]) => Some(format!(
            "{} | default(value={})",
            operand(value, dot)?,
            operand(fallback, dot)?
        )),
        ("index", [_, _]) => {
            let operands = all()?;
            Some(format!("{}[{}]", operands[0], operands[1]))
        }
        ("printf", [format, ..]) => printf(format, &all()?[1..]),
        _ => None,
    }
}

/// Translates `printf "%s-x" a` to `a ~ "-x"`.
fn printf(format: &str, values: &[String]) -> Option<String> {
    let format = format.strip_prefix('"')?.strip_suffix('"')?;
    let mut values = values.iter();
    let mut parts = Vec::new();
    let mut rest = format;
    while let Some(index) = rest.find('%') {
        if index > 0 {
            parts.push(format!("\"{}\"", &rest[..index]));
        }
        if !matches!(rest.as_bytes().get(index + 1), Some(b's' | b'd' | b'v')) {
            return None;
        }
        parts.push(values.next()?.clone());
        rest = &rest[index + 2..];
    }
    if !rest.is_empty() {
        parts.push(format!("\"{rest}\""));
    }
    Some(parts.join(" ~ "))
}

/// Translates one value: `.Meta.Name`, `$x`, `$.Meta`, a literal, or a call
/// in parentheses.
fn operand(word: &str, dot: Option<&str>) -> Option<String> {
    if let Some(inside) = word
        .strip_prefix('(')
        .and_then(|word| word.strip_suffix(')'))
    {
        return Some(format!("({})", pipeline(inside, dot)?));
    }
    if word.starts_with('"') || word.parse::<f64>().is_ok() || matches!(word, "true" | "false") {
        return Some(word.to_owned());
    }
    if word == "nil" {
        return Some("none".to_owned());
    }
    if let Some(path) = word.strip_prefix("$.") {
        return Some(renamed(path));
    }
    if let Some(variable) = word.strip_prefix('$') {
        return (!variable.is_empty()).then(|| variable.to_owned());
    }
    let path = word.strip_prefix('.')?;
    match (dot, path) {
        (Some(dot), "") => Some(dot.to_owned()),
        (None, "") => None,
        // The root is only reached through $ inside range and with, but a
        // name of the root says what was meant.
        (Some(dot), path) if !is_root(path) => Some(format!("{dot}.{path}")),
        _ => Some(renamed(path)),
    }
}

fn is_root(path: &str) -> bool {
    let first = path.split('.').next().unwrap_or_default();
    matches!(
        first,
        "Meta" | "Scheduling" | "Workload" | "WorkloadMeta" | "Custom"
    )
}

fn renamed(path: &str) -> String {
    RENAMED
        .iter()
        .find(|(original, _)| *original == path)
        .map_or_else(|| path.to_owned(), |(_, here)| (*here).to_owned())
}

/// Splits at a character outside of quotes and parentheses.
fn split_outside(text: &str, separator: char) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut depth, mut quoted, mut start) = (0_usize, false, 0);
    for (index, c) in text.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth = depth.saturating_sub(1),
            c if c == separator && !quoted && depth == 0 => {
                parts.push(&text[start..index]);
                start = index + c.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

fn split_words(text: &str) -> Vec<String> {
    split_outside(text, ' ')
        .into_iter()
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instead(template: &str) -> Vec<String> {
        find(template)
            .into_iter()
            .map(|found| found.instead.unwrap_or_else(|| "?".to_owned()))
            .collect()
    }

    #[test]
    fn fields_lose_their_dot() {
        assert_eq!(instead("name: {{ .Meta.Name }}"), ["{{ Meta.Name }}"]);
        assert_eq!(instead("{{- .Custom.a.b -}}"), ["{{- Custom.a.b -}}"]);
    }

    #[test]
    fn blocks_get_their_own_braces() {
        let template = "\
{{- if .Meta.EnvVars }}
{{- range .Meta.EnvVars }}
- name: {{ .Name }}
  value: {{ .Value | quote }}
{{- end }}
{{- else if eq .Meta.User \"alice\" }}
{{- else }}
{{- end }}
";
        assert_eq!(
            instead(template),
            [
                "{%- if Meta.EnvVars %}",
                "{%- for envvar in Meta.EnvVars %}",
                "{{ envvar.Name }}",
                "{{ envvar.Value }}",
                "{%- endfor %}",
                "{%- elif Meta.User == \"alice\" %}",
                "{%- else %}",
                "{%- endif %}",
            ]
        );
    }

    #[test]
    fn functions_become_filters_and_operators() {
        for (go, tera) in [
            (
                "{{ .Custom.replicas | default 2 }}",
                "{{ Custom.replicas | default(value=2) }}",
            ),
            (
                "{{ default \"x\" .Custom.a }}",
                "{{ Custom.a | default(value=\"x\") }}",
            ),
            (
                "{{ toYaml .Custom.resources | nindent 8 }}",
                "{{ Custom.resources | to_json }}",
            ),
            (
                "{{ printf \"%s-head\" .Meta.Name }}",
                "{{ Meta.Name ~ \"-head\" }}",
            ),
            (
                "{{ if and .Meta.User (gt .Scheduling.TotalRequestedGPUs 0) }}{{ end }}",
                "{% if Meta.User and (Scheduling.TotalRequestedGPUs > 0) %}",
            ),
            (
                "{{ range $k, $v := .Custom.labels }}{{ $k }}: {{ $v }}{{ end }}",
                "{% for k, v in Custom.labels %}",
            ),
            (
                "{{ mul .Scheduling.CalculatedGPUsPerReplica 32 }}",
                "{{ Scheduling.CalculatedGPUsPerReplica * 32 }}",
            ),
            (
                "{{ add 1 (.Scheduling.CalculatedReplicas | mul 2) }}",
                "{{ 1 + (Scheduling.CalculatedReplicas * 2) }}",
            ),
            ("{{ $.Meta.Name }}", "{{ Meta.Name }}"),
            ("{{/* why */}}", "{# why #}"),
            (
                "{{ if .Meta.HasConfigMap }}{{ end }}",
                "{% if Meta.WorkingDir %}",
            ),
            ("{{ with .Custom.x }}{{ .y }}{{ end }}", "{% if Custom.x %}"),
            ("{{ .Custom.x | b64enc }}", "?"),
        ] {
            assert_eq!(instead(go)[0], tera, "{go}");
        }
    }

    #[test]
    fn every_line_is_numbered() {
        let found = find("a: {{ .Meta.Name }}\nb: 1\nc: {{ .Custom.x }}\n");
        assert_eq!(
            found.iter().map(|found| found.line).collect::<Vec<_>>(),
            [1, 3]
        );
    }

    #[test]
    fn templates_of_tera_are_left_alone() {
        for template in [
            "name: {{ Meta.Name }}",
            "{{ Meta.Name ~ \".x\" }}",
            "{{ Custom.default }}",
            "{{ Custom[\"a.b\"] }}",
            "{% if Meta.User %}{{ 0.5 }}{% endif %}",
            "{{ <resources pod={Scheduling.Worker}/> }}",
        ] {
            assert_eq!(find(template), [], "{template}");
        }
    }
}
