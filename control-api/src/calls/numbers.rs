//! Phone numbers as they are compared.

/// A number in E.164 (`+`, 7 to 15 digits, no leading 0), if the text is one: spaces, dots, dashes,
/// parentheses and a `tel:` are not part of it.
pub(crate) fn e164(text: &str) -> Option<String> {
    let text = text.trim();
    let text = text.strip_prefix("tel:").unwrap_or(text);
    let mut number = String::with_capacity(16);
    for c in text.chars() {
        match c {
            '+' if number.is_empty() => number.push('+'),
            '0'..='9' if !number.is_empty() => number.push(c),
            ' ' | '-' | '.' | '(' | ')' | '\u{a0}' if !number.is_empty() => {}
            _ => return None,
        }
        if number.len() > 16 {
            return None;
        }
    }
    let digits = number.strip_prefix('+')?;
    (digits.len() >= 7 && !digits.starts_with('0')).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_compared_without_what_people_write_between_the_digits() {
        for text in ["+49301234567", " +49 (30) 123-4567 ", "tel:+49.30.1234567"] {
            assert_eq!(e164(text).as_deref(), Some("+49301234567"), "{text}");
        }
        for text in [
            "",
            "+",
            "+123456",
            "+0301234567",
            "49301234567",
            "+4930123456789012",
            "+4930+1234567",
            "anonymous",
            "sip:+49301234567@trunk",
            "+4930123456x",
        ] {
            assert_eq!(e164(text), None, "{text}");
        }
    }
}
