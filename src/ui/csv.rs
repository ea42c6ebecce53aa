//! Rows as CSV (RFC 4180), for spreadsheets.

use ::csv::Writer;

/// Returns rows below their titles.
pub fn csv(titles: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut writer = Writer::from_writer(Vec::new());
    // Memory takes all of it.
    let mut write = |row: Vec<&str>| _ = writer.write_record(row);
    write(titles.to_vec());
    for row in rows {
        write(row.iter().map(String::as_str).collect());
    }
    let bytes = writer.into_inner().unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_a_comma_is_quoted() {
        let rows = ["a", "x, \"y\"\nz"].map(|text| vec!["1".to_owned(), text.to_owned()]);
        let text = csv(&["count", "reason"], rows);
        assert_eq!(text, "count,reason\n1,a\n1,\"x, \"\"y\"\"\nz\"\n");
        assert_eq!(csv(&["a", "b"], []), "a,b\n");
    }
}
