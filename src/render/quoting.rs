//! Finds values that a template puts into the middle of a text.
//!
//! Every text is written as a whole YAML scalar, quotes included, so that it
//! cannot change the document. Within a text of the template those quotes
//! would become part of it: `"{{ Meta.Name }}"` makes `""alice""`, and
//! `run-{{ Meta.Name }}` makes the name `run-"alice"`, which is valid YAML and
//! wrong. Both are found here, with what to write instead.

use std::collections::BTreeSet;

use super::raw_block::without_raw;

/// A scalar of a template that a value stands in the middle of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glued {
    /// Its line, from 1.
    pub line: usize,
    /// The scalar as it stands there.
    pub written: String,
    /// The same as one expression.
    pub instead: String,
    /// Byte ranges of its expressions in the template.
    expressions: Vec<(usize, usize)>,
}

/// Finds the scalars that would be wrong if their values were texts; numbers
/// and booleans are written without quotes, and may stand anywhere.
pub fn candidates(template: &str) -> Vec<Glued> {
    // What is written as it stands has no values.
    let template = &without_raw(template);
    let mut found = Vec::new();
    let mut offset = 0;
    let lines: Vec<Line<'_>> = template
        .split_inclusive('\n')
        .map(|line| {
            let text = line.trim_end_matches(['\n', '\r']);
            let start = offset;
            offset += line.len();
            Line {
                offset: start,
                text,
            }
        })
        .collect();
    // Lines that are further in than this belong to a block scalar, in which
    // a quote is a quote.
    let mut block: Option<usize> = None;
    for (index, line) in lines.iter().enumerate() {
        let indentation = line.indentation();
        if block.is_some_and(|outside| indentation <= outside && !line.text.trim().is_empty()) {
            block = None;
        }
        if block.is_none() {
            let scan = Scan {
                text: line.text,
                offset: line.offset,
                line: index + 1,
                found: &mut found,
            };
            scan.run();
            if let Some(header) = block_header(line.text) {
                block = Some(indentation);
                found.extend(alone_in_block(header, &lines, index));
            }
        }
    }
    found
}

/// A line of a template, without its end.
struct Line<'a> {
    offset: usize,
    text: &'a str,
}

impl Line<'_> {
    fn indentation(&self) -> usize {
        self.text.len() - self.text.trim_start().len()
    }
}

/// Finds a value that is all there is in a block scalar: `|` and, on the next
/// line, `{{ x }}`. Go's templates need the block to write a text of several
/// lines; here its quotes would be part of the text. As such templates indent
/// the value by a function, its own line may begin anywhere.
fn alone_in_block(header: &str, lines: &[Line<'_>], at: usize) -> Option<Glued> {
    let mut content = lines[at + 1..].iter().filter(|line| {
        let text = line.text.trim_start();
        !text.is_empty() && !text.starts_with("{%")
    });
    let line = content.next()?;
    let written = line.text.trim();
    let inside = written.strip_prefix("{{")?.strip_suffix("}}")?;
    let outside = lines[at].indentation();
    if inside.contains("}}")
        || content
            .next()
            .is_some_and(|next| next.indentation() > outside)
    {
        return None;
    }
    let from = line.offset + line.indentation() + 2;
    let before = usize::from(inside.starts_with('-'));
    let after = usize::from(inside.ends_with('-') && inside.len() > 1);
    let expression = inside[before..inside.len() - after].trim();
    Some(Glued {
        line: at + 1,
        written: format!("{header} {written}"),
        instead: format!("{{{{ {expression} }}}}"),
        expressions: vec![(from + before, from + inside.len() - after)],
    })
}

/// Marks the expressions of the candidates, so that rendering tells which of
/// them are texts: each goes through the filter, with the candidate's index.
pub fn instrument(template: &str, candidates: &[Glued], filter: &str) -> String {
    let mut marked = String::with_capacity(template.len());
    let mut end = 0;
    for (index, candidate) in candidates.iter().enumerate() {
        for (from, to) in &candidate.expressions {
            marked += &template[end..*from];
            marked += &format!(
                "({}) | {filter}(candidate={index}) ",
                template[*from..*to].trim()
            );
            end = *to;
        }
    }
    marked + &template[end..]
}

/// Returns the candidates that rendering has found to hold texts.
pub fn confirmed(candidates: Vec<Glued>, texts: &BTreeSet<usize>) -> Vec<Glued> {
    candidates
        .into_iter()
        .enumerate()
        .filter(|(index, _)| texts.contains(index))
        .map(|(_, candidate)| candidate)
        .collect()
}

/// Returns the header of a block scalar that a line ends in: `|`, `>-`.
fn block_header(line: &str) -> Option<&str> {
    let last = line.rsplit([' ', '\t']).next()?;
    let indicators = last.strip_prefix(['|', '>'])?;
    let is_header = indicators.chars().all(|c| "+-123456789".contains(c));
    is_header.then_some(last)
}

/// A scalar under way: its beginning, its quote, its pieces.
#[derive(Default)]
struct Scalar {
    start: usize,
    quote: Option<char>,
    pieces: Vec<Piece>,
}

enum Piece {
    Text(String),
    Expression(usize, usize),
}

/// One line of a template, read as far as its scalars are concerned.
struct Scan<'a> {
    text: &'a str,
    offset: usize,
    line: usize,
    found: &'a mut Vec<Glued>,
}

impl Scan<'_> {
    fn run(mut self) {
        let mut scalar: Option<Scalar> = None;
        let mut flow = 0_usize;
        let mut at = 0;
        while at < self.text.len() {
            let rest = &self.text[at..];
            let c = rest.chars().next().unwrap_or_default();
            let next = rest[c.len_utf8()..].chars().next();
            let ends_word = next.is_none_or(char::is_whitespace);
            if let Some(inside) = rest.strip_prefix("{{") {
                let Some(length) = inside.find("}}") else {
                    break;
                };
                let current = scalar.get_or_insert_with(|| Scalar {
                    start: at,
                    ..Scalar::default()
                });
                current.pieces.push(Piece::Expression(at, at + length + 4));
                at += length + 4;
                continue;
            }
            if let Some(end) = tag_end(rest) {
                // What a tag chooses is looked at by itself.
                if scalar.as_ref().is_none_or(|scalar| scalar.quote.is_none()) {
                    self.end(scalar.take(), at);
                }
                at += end;
                continue;
            }
            let quote = scalar.as_ref().and_then(|scalar| scalar.quote);
            match (c, quote) {
                (c, Some(quote)) if c == quote => {
                    at += 1;
                    self.end(scalar.take(), at);
                    continue;
                }
                (_, Some(_)) => push(&mut scalar, at, c),
                ('#', None) if at == 0 || self.text[..at].ends_with([' ', '\t']) => break,
                (':', None) if ends_word => self.end(scalar.take(), at),
                ('-' | '?', None) if scalar.is_none() && ends_word => {}
                ('[' | '{', None) if scalar.is_none() => flow += 1,
                (']' | '}', None) if flow > 0 => {
                    self.end(scalar.take(), at);
                    flow -= 1;
                }
                (',', None) if flow > 0 => self.end(scalar.take(), at),
                ('"' | '\'', None) if scalar.is_none() => {
                    scalar = Some(Scalar {
                        start: at,
                        quote: Some(c),
                        pieces: Vec::new(),
                    });
                }
                (c, None) if c.is_whitespace() && scalar.is_none() => {}
                _ => push(&mut scalar, at, c),
            }
            at += c.len_utf8();
        }
        self.end(scalar, at);
    }

    /// Keeps a scalar that holds an expression and more than that.
    fn end(&mut self, scalar: Option<Scalar>, end: usize) {
        let Some(mut scalar) = scalar else { return };
        if scalar.quote.is_none()
            && let Some(Piece::Text(text)) = scalar.pieces.last_mut()
        {
            text.truncate(text.trim_end().len());
            if text.is_empty() {
                scalar.pieces.pop();
            }
        }
        let expressions: Vec<(usize, usize)> = scalar
            .pieces
            .iter()
            .filter_map(|piece| match piece {
                Piece::Expression(from, to) => Some(self.inside(*from, *to)),
                Piece::Text(_) => None,
            })
            .collect();
        let alone = scalar.quote.is_none() && scalar.pieces.len() == 1;
        // A component has no place in an expression.
        let component = |(from, to): &(usize, usize)| {
            self.text[from - self.offset..to - self.offset]
                .trim()
                .starts_with('<')
        };
        if expressions.is_empty() || alone || expressions.iter().any(component) {
            return;
        }
        let words: Vec<String> = scalar
            .pieces
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => serde_json::Value::from(text.as_str()).to_string(),
                Piece::Expression(from, to) => {
                    let (from, to) = self.inside(*from, *to);
                    let expression = self.text[from - self.offset..to - self.offset].trim();
                    match expression.contains('|') && scalar.pieces.len() > 1 {
                        true => format!("({expression})"),
                        false => expression.to_owned(),
                    }
                }
            })
            .collect();
        self.found.push(Glued {
            line: self.line,
            written: self.text[scalar.start..end].trim_end().to_owned(),
            instead: format!("{{{{ {} }}}}", words.join(" ~ ")),
            expressions,
        });
    }

    /// Returns where the expression between braces is in the template,
    /// without the dashes that trim.
    fn inside(&self, from: usize, to: usize) -> (usize, usize) {
        let text = &self.text[from + 2..to - 2];
        let before = usize::from(text.starts_with('-'));
        let after = usize::from(text.ends_with('-') && text.len() > 1);
        (
            self.offset + from + 2 + before,
            self.offset + to - 2 - after,
        )
    }
}

fn push(scalar: &mut Option<Scalar>, at: usize, c: char) {
    let scalar = scalar.get_or_insert_with(|| Scalar {
        start: at,
        ..Scalar::default()
    });
    match scalar.pieces.last_mut() {
        Some(Piece::Text(text)) => text.push(c),
        _ => scalar.pieces.push(Piece::Text(c.to_string())),
    }
}

/// Returns the length of the tag or comment that a text begins with.
fn tag_end(text: &str) -> Option<usize> {
    [("{%", "%}"), ("{#", "#}")]
        .into_iter()
        .find(|(open, _)| text.starts_with(open))
        .map(|(_, close)| text.find(close).map_or(text.len(), |end| end + close.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(template: &str) -> Vec<(usize, String, String)> {
        candidates(template)
            .into_iter()
            .map(|glued| (glued.line, glued.written, glued.instead))
            .collect()
    }

    fn one(template: &str) -> (String, String) {
        let mut found = found(template);
        assert_eq!(found.len(), 1, "{template}: {found:?}");
        let (_, written, instead) = found.remove(0);
        (written, instead)
    }

    #[test]
    fn quotes_around_a_value_are_found() {
        for (template, written, instead) in [
            (
                "name: \"{{ Meta.Name }}\"",
                "\"{{ Meta.Name }}\"",
                "{{ Meta.Name }}",
            ),
            (
                "name: '{{- Meta.Name -}}'",
                "'{{- Meta.Name -}}'",
                "{{ Meta.Name }}",
            ),
            ("- {name: \"{{ x }}\", value: 1}", "\"{{ x }}\"", "{{ x }}"),
            (
                "url: \"http://{{ host }}:{{ port }}/v1\"",
                "\"http://{{ host }}:{{ port }}/v1\"",
                "{{ \"http://\" ~ host ~ \":\" ~ port ~ \"/v1\" }}",
            ),
            (
                "\"{{ key | lower }}-x\": 1",
                "\"{{ key | lower }}-x\"",
                "{{ (key | lower) ~ \"-x\" }}",
            ),
        ] {
            assert_eq!(one(template), (written.to_owned(), instead.to_owned()));
        }
    }

    #[test]
    fn values_within_plain_text_are_found() {
        for (template, written, instead) in [
            (
                "name: run-{{ Meta.Name }}",
                "run-{{ Meta.Name }}",
                "{{ \"run-\" ~ Meta.Name }}",
            ),
            (
                "name: {{ a }}-{{ b }}  # why",
                "{{ a }}-{{ b }}",
                "{{ a ~ \"-\" ~ b }}",
            ),
            (
                "- python {{ x }} --y",
                "python {{ x }} --y",
                "{{ \"python \" ~ x ~ \" --y\" }}",
            ),
            ("args: [a, b{{ x }}]", "b{{ x }}", "{{ \"b\" ~ x }}"),
        ] {
            assert_eq!(one(template), (written.to_owned(), instead.to_owned()));
        }
    }

    #[test]
    fn a_value_that_fills_a_block_is_found() {
        for (template, written, instead) in [
            ("a:\n  b: |\n    {{ x }}\n  c: 1", "| {{ x }}", "{{ x }}"),
            (
                "a: |-\n{{- x | lower -}}\nb: 1",
                "|- {{- x | lower -}}",
                "{{ x | lower }}",
            ),
            (
                "- >\n\n  {{ x }}\n  {%- endif %}\n- 1",
                "> {{ x }}",
                "{{ x }}",
            ),
        ] {
            assert_eq!(one(template), (written.to_owned(), instead.to_owned()));
        }
        let template = "a: |\n  {{- x -}}\n";
        let marked = instrument(template, &candidates(template), "f");
        assert_eq!(marked, "a: |\n  {{-(x) | f(candidate=0) -}}\n");
    }

    #[test]
    fn values_that_stand_alone_are_not() {
        for template in [
            "name: {{ Meta.Name }}",
            "{{ key }}: {{ value }}",
            "- {{ word }}",
            "- {key: {{ a }}, path: {{ b }}}",
            "args: [{{ a }}, {{ b }}]",
            "# {{ x }} and more",
            "name: {{ x }} # {{ y }} and more",
            "  {{ <resources pod={Scheduling.Worker}/> | indent(width=2) }}",
            "a: {% if x %}{{ x }}{% else %}b{% endif %}",
            "text: |\n  run {{ x }} now\n  \"{{ x }}\"\n\n  more-{{ x }}\nname: {{ y }}",
            "- text: >-\n    a-{{ x }}\n- {{ y }}",
            "text: |\n  {{ x }}\n  and more",
            "text: |\n  # {{ x }}\n",
            "text: |\n  {{ x }} {{ y }}\n",
        ] {
            assert_eq!(found(template), [], "{template}");
        }
    }

    #[test]
    fn instrumented_templates_differ_in_the_candidates_only() {
        let template = "a: {{ x }}\nb: p-{{- y | lower -}}\nc: \"{{ z }}\"\n";
        let candidates = candidates(template);
        assert_eq!(
            instrument(template, &candidates, "f"),
            "a: {{ x }}\nb: p-{{-(y | lower) | f(candidate=0) -}}\nc: \"{{(z) | f(candidate=1) }}\"\n"
        );
        assert_eq!(confirmed(candidates, &BTreeSet::from([1]))[0].line, 3);
    }
}
