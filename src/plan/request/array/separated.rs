//! Values with separators between them, as in a line of CSV.

/// Divides a line at its separators; a field in quotes may contain them.
///
/// # Errors
/// What is wrong with its quotes.
pub fn fields(line: &str, separator: char) -> Result<Vec<String>, &'static str> {
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        let trimmed = rest.trim_start_matches(' ');
        let end = match trimmed.strip_prefix('"') {
            None => {
                let end = rest.find(separator).unwrap_or(rest.len());
                fields.push(rest[..end].trim().to_owned());
                &rest[end..]
            }
            Some(mut inside) => {
                let mut field = String::new();
                loop {
                    let end = inside
                        .find('"')
                        .ok_or("a quote is not closed on its line")?;
                    field += &inside[..end];
                    inside = &inside[end + 1..];
                    match inside.strip_prefix('"') {
                        None => break,
                        Some(after) => {
                            field.push('"');
                            inside = after;
                        }
                    }
                }
                fields.push(field);
                let after = inside.trim_start_matches(' ');
                if !after.is_empty() && !after.starts_with(separator) {
                    return Err("text follows a closing quote");
                }
                after
            }
        };
        match end.strip_prefix(separator) {
            Some(after) => rest = after,
            None => return Ok(fields),
        }
    }
}
