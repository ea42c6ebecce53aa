//! What of a template Tera writes as it stands, or not at all.

/// Returns a template with spaces for what Tera writes as it stands, between
/// `{% raw %}` and `{% endraw %}`, and for its comments. Lines and bytes keep their
/// places.
pub(super) fn without_raw(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("{%").into_iter().chain(rest.find("{#")).min() {
        let (before, from) = rest.split_at(start);
        kept += before;
        let length = match from.starts_with("{#") {
            true => from.find("#}").map_or(from.len(), |end| end + 2),
            false if word_of_tag(from) == "raw" => end_of_raw(from),
            false => {
                kept += "{%";
                rest = &from[2..];
                continue;
            }
        };
        kept.extend(from[..length].bytes().map(|b| match b {
            b'\n' => '\n',
            _ => ' ',
        }));
        rest = &from[length..];
    }
    kept + rest
}

/// Returns the word that a tag begins with.
fn word_of_tag(tag: &str) -> &str {
    let inside = tag[2..].trim_start_matches('-').trim_start();
    let end = inside.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    &inside[..end.unwrap_or(inside.len())]
}

/// Returns where the text after a raw block begins.
fn end_of_raw(from: &str) -> usize {
    let tags = from.match_indices("{%").skip(1);
    let end = tags
        .map(|(at, _)| at)
        .find(|at| word_of_tag(&from[*at..]) == "endraw");
    let close = end.and_then(|at| Some(at + from[at..].find("%}")? + 2));
    close.unwrap_or(from.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_blocks_and_comments_are_blank_and_keep_their_places() {
        for (text, kept) in [
            ("a {% raw %}{{ x }}{% endraw %} b", " b"),
            ("a {%- raw -%}\n{{ x }}\n{%- endraw -%} b", "\n\n b"),
            ("{# {{ x }} #}{{ y }}", "{{ y }}"),
            (
                "{% if x %}{{ y }}{% endif %}",
                "{% if x %}{{ y }}{% endif %}",
            ),
            ("{% raw %}{% if x %}{% endraw %}{{ y }}", "{{ y }}"),
            ("{% raw %}{{ x", ""),
            ("{% rawhide %}{{ x }}", "{% rawhide %}{{ x }}"),
        ] {
            let blank = without_raw(text);
            assert_eq!(blank.len(), text.len());
            assert_eq!(blank.matches('\n').count(), text.matches('\n').count());
            let shown = blank.trim_start_matches(['a', ' ']).replace(' ', "");
            assert_eq!(shown, kept.replace(' ', ""), "{text}");
        }
    }
}
