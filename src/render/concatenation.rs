//! Finds what is joined with `~` and is not there.
//!
//! Tera stops at a name that is undefined, unless it is joined to a text: then
//! it counts as empty. A workload with half a name or half a command is worse
//! than none, so every operand of `~` is looked at.

use std::ops::Range;

/// Something that a template joins to a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operand {
    /// Its line, from 1.
    pub line: usize,
    /// Its place in the template.
    pub place: Range<usize>,
}

/// Finds the operands of `~` in the expressions and assignments of a template.
pub fn operands(template: &str) -> Vec<Operand> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(open) = template[at..].find('{').map(|index| at + index) {
        let rest = &template[open..];
        let close = match rest.get(..2) {
            Some("{{") => "}}",
            Some("{%") => "%}",
            Some("{#") => "#}",
            _ => {
                at = open + 1;
                continue;
            }
        };
        // What opens a tag is not what closes it: `{%}`.
        let Some(length) = rest[2..].find(close).map(|index| index + 2) else {
            break;
        };
        let inside = open + 2..open + length;
        let tag = template[inside.clone()].trim_start_matches(['-', ' ']);
        at = open + length + 2;
        if tag.starts_with("raw") && close == "%}" {
            at += template[at..].find("endraw").unwrap_or(0);
        } else if close == "}}" || (close == "%}" && tag.starts_with("set ")) {
            let line = 1 + template[..open].matches('\n').count();
            let places = split(template, inside);
            found.extend(places.into_iter().map(|place| Operand { line, place }));
        }
    }
    found
}

/// Sends each operand through a filter, with its index.
pub fn instrument(template: &str, operands: &[Operand], filter: &str) -> String {
    let mut marks: Vec<(usize, String)> = Vec::new();
    for (index, Operand { place, .. }) in operands.iter().enumerate() {
        marks.push((place.start, "((".to_owned()));
        marks.push((place.end, format!(") | {filter}(operand={index}))")));
    }
    marks.sort_by_key(|(at, _)| *at);
    let mut marked = String::with_capacity(template.len());
    let mut end = 0;
    for (at, mark) in marks {
        marked += &template[end..at];
        marked += &mark;
        end = at;
    }
    marked + &template[end..]
}

/// Returns the operands of the `~` in one expression. They end at another
/// `~`, a parenthesis, a comma or an assignment around them.
fn split(template: &str, expression: Range<usize>) -> Vec<Range<usize>> {
    let text = &template[expression.clone()];
    let bytes = text.as_bytes();
    // Every level of parentheses: where its current operand began, and
    // whether there was a ~ before it.
    let mut levels = vec![(0, false)];
    let mut found = Vec::new();
    let mut quote: Option<u8> = None;
    let mut end = |level: (usize, bool), at: usize, joins: bool| {
        let operand = &text[level.0..at];
        let start = level.0 + operand.len() - operand.trim_start_matches([' ', '\n', '-']).len();
        let stop = start + text[start..at].trim_end_matches([' ', '\n', '-']).len();
        let literal = text[start..stop].starts_with(['"', '\'', '`']);
        if (level.1 || joins) && start < stop && !literal {
            found.push(expression.start + start..expression.start + stop);
        }
    };
    for (at, byte) in bytes.iter().enumerate() {
        let level = levels.last().copied().unwrap_or((0, false));
        match (byte, quote) {
            (byte, Some(open)) if *byte == open => quote = None,
            (_, Some(_)) => {}
            (b'"' | b'\'' | b'`', None) => quote = Some(*byte),
            (b'(' | b'[' | b'{', None) => levels.push((at + 1, false)),
            (b')' | b']' | b'}', None) if levels.len() > 1 => {
                end(level, at, false);
                levels.pop();
            }
            (b'~', None) => {
                end(level, at, true);
                levels.pop();
                levels.push((at + 1, true));
            }
            (b',', None) => {
                end(level, at, false);
                levels.pop();
                levels.push((at + 1, false));
            }
            (b'=', None)
                if bytes.get(at + 1) != Some(&b'=')
                    && !text[..at].ends_with(['=', '!', '<', '>']) =>
            {
                levels.pop();
                levels.push((at + 1, false));
            }
            _ => {}
        }
    }
    if let Some(level) = levels.pop() {
        end(level, text.len(), false);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(template: &str) -> Vec<&str> {
        operands(template)
            .into_iter()
            .map(|operand| &template[operand.place])
            .collect()
    }

    #[test]
    fn operands_of_joins_are_found() {
        for (template, expected) in [
            ("{{ \"a ~ b\" ~ x.y }}", &["x.y"][..]),
            ("{%} raw %}{{ x }}{% endraw %}{{ \"a\" ~ b }}", &["b"]),
            ("{% raw %}{{ x }}{%}%}{{ \"a\" ~ b }}", &["b"]),
            ("{%}", &[]),
            ("{{- a ~ \"-\" ~ b | lower -}}", &["a", "b | lower"]),
            (
                "{{ (a ~ b) | lower ~ c }}",
                &["a", "b", "(a ~ b) | lower", "c"],
            ),
            ("{{ f(value=a ~ \"x\", other=b) }}", &["a"]),
            ("{% set x = a ~ 'y' %}", &["a"]),
            ("{{ a }} ~ {{ b }}", &[]),
            (
                "{# a ~ b #}{% raw %}{{ a ~ b }}{% endraw %}{{ c ~ d }}",
                &["c", "d"],
            ),
            ("{{ a == b ~ c }}", &["a == b", "c"]),
        ] {
            assert_eq!(found(template), expected, "{template}");
        }
    }

    #[test]
    fn marks_go_around_each() {
        let template = "x: {{ \"a\" ~ b }}\n";
        assert_eq!(
            instrument(template, &operands(template), "f"),
            "x: {{ \"a\" ~ ((b) | f(operand=0)) }}\n"
        );
    }
}
