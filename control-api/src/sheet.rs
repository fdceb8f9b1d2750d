//! Tables for spreadsheets.

use serde_json::Value;

/// A cell that no spreadsheet takes for a formula: what begins like one gets an apostrophe, but
/// for plain numbers, also telephone numbers.
fn harmless(cell: String) -> String {
    let begins_formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']);
    let number = cell.strip_prefix(['+', '-']).unwrap_or(&cell);
    let is_number = !number.is_empty()
        && number
            .chars()
            .all(|c| c.is_ascii_digit() || c == '.' || c == '•');
    if begins_formula && !is_number {
        format!("'{cell}")
    } else {
        cell
    }
}

/// One line, with its end.
pub(crate) fn line<I: IntoIterator<Item = String>>(cells: I) -> Vec<u8> {
    let mut writer = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .from_writer(Vec::new());
    let written = writer.write_record(cells.into_iter().map(harmless));
    written.expect("a vector takes every record");
    writer.into_inner().expect("a vector takes everything")
}

/// What stands at a JSON pointer, as a cell.
pub(crate) fn cell(value: &Value, pointer: &str) -> String {
    match value.pointer(pointer) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(items)) => {
            let text = |item: &Value| item.as_str().map(str::to_owned);
            let texts = items
                .iter()
                .map(|it| text(it).unwrap_or_else(|| it.to_string()));
            texts.collect::<Vec<_>>().join(";")
        }
        Some(other @ (Value::Bool(_) | Value::Number(_) | Value::Object(_))) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn no_cell_is_a_formula() {
        for (cell, written) in [
            ("=1+1", "'=1+1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
            ("-2+3", "'-2+3"),
            ("\t=1", "'\t=1"),
            ("+4930123456", "+4930123456"),
            ("+49•••••456", "+49•••••456"),
            ("-5.25", "-5.25"),
            ("Carla", "Carla"),
            ("", ""),
        ] {
            assert_eq!(harmless(cell.to_owned()), written);
        }
    }

    #[test]
    fn a_line_quotes_what_must_be_quoted() {
        let cells = ["a", "b,c", "say \"hi\"", "two\nlines"].map(str::to_owned);
        assert_eq!(
            String::from_utf8(line(cells)).unwrap(),
            "a,\"b,c\",\"say \"\"hi\"\"\",\"two\nlines\"\r\n"
        );
    }

    #[test]
    fn a_cell_is_what_stands_at_its_place() {
        let value = json!({"a": {"b": 3}, "tags": ["x", "y"], "none": null});
        let cells = ["/a/b", "/tags", "/none", "/missing"].map(|at| cell(&value, at));
        assert_eq!(cells, ["3", "x;y", "", ""]);
    }
}
