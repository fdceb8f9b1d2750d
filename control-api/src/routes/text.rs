//! Texts that people write: short enough, without what no database or screen takes.

use crate::problem::Problem;

/// A text without blanks around it: 1 to `most` characters, no control characters but line breaks
/// and tabs.
pub(super) fn required(field: &str, text: &str, most: usize) -> Result<String, Problem> {
    let text = bounded(field, text, most)?;
    if text.is_empty() {
        return Err(Problem::invalid_field(field, "is empty"));
    }
    Ok(text)
}

/// The same, where an empty text is none.
pub(super) fn optional(
    field: &str,
    text: Option<&str>,
    most: usize,
) -> Result<Option<String>, Problem> {
    let text = text.map(|text| bounded(field, text, most)).transpose()?;
    Ok(text.filter(|text| !text.is_empty()))
}

/// The same, where a text may be empty.
pub(super) fn bounded(field: &str, text: &str, most: usize) -> Result<String, Problem> {
    let text = text.trim();
    if text.chars().count() > most {
        let message = format!("has more than {most} characters");
        return Err(Problem::invalid_field(field, message));
    }
    if text
        .chars()
        .any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
    {
        return Err(Problem::invalid_field(field, "holds a control character"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_trimmed_bounded_and_free_of_control_characters() {
        assert_eq!(required("text", "  a\nb ", 3).unwrap(), "a\nb");
        assert!(required("text", " \t ", 3).is_err());
        assert!(required("text", "äöüß", 3).is_err());
        assert!(required("text", "a\0b", 9).is_err());
        assert_eq!(optional("text", Some(" "), 3).unwrap(), None);
        assert_eq!(optional("text", None, 3).unwrap(), None);
    }
}
