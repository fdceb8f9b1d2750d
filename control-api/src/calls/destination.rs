//! Where a call can be sent.

use super::numbers::e164;

/// Characters of a SIP address, at most.
const SIP_MAX: usize = 128;

/// Where a call can be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Destination {
    /// In E.164.
    Number(String),
    /// `sip:…` or `sips:…`.
    Sip(String),
}

impl Destination {
    /// The destination that a text names, if it does.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        let Some((scheme, rest)) = text.split_once(':') else {
            return e164(text).map(Self::Number);
        };
        if scheme.eq_ignore_ascii_case("tel") {
            return e164(rest).map(Self::Number);
        }
        let sip = scheme.eq_ignore_ascii_case("sip") || scheme.eq_ignore_ascii_case("sips");
        let host = rest.rsplit('@').next().unwrap_or_default();
        let plain = |c: char| c.is_ascii_graphic() && !r#"<>"\^`{|}"#.contains(c);
        let fits = sip
            && text.len() <= SIP_MAX
            && rest.chars().all(plain)
            && rest.matches('@').count() <= 1
            && host.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[');
        fits.then(|| Self::Sip(format!("{}:{rest}", scheme.to_ascii_lowercase())))
    }

    /// What it is, without saying which.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Number(_) => "number",
            Self::Sip(_) => "sip",
        }
    }

    /// As it is written.
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Number(text) | Self::Sip(text) => text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_sip_addresses_are_read_and_nothing_else() {
        let number = |text: &str| Some(Destination::Number(text.to_owned()));
        let sip = |text: &str| Some(Destination::Sip(text.to_owned()));
        for (text, expected) in [
            (" +49 (30) 123-4567 ", number("+49301234567")),
            ("tel:+49301234567", number("+49301234567")),
            (
                "SIP:sue@pbx.example.com;transport=tls",
                sip("sip:sue@pbx.example.com;transport=tls"),
            ),
            (
                "sips:pbx.example.com:5061",
                sip("sips:pbx.example.com:5061"),
            ),
            ("", None),
            ("sue", None),
            ("0301234567", None),
            ("sip:", None),
            ("sip:sue@", None),
            ("sip:a@b@c", None),
            ("sip:sue@pbx example", None),
            ("sip:sue@pbx\r\nX-Evil: 1", None),
            ("http://pbx.example.com", None),
        ] {
            assert_eq!(Destination::read(text), expected, "{text:?}");
        }
        assert_eq!(Destination::read(&format!("sip:{}", "a".repeat(200))), None);
    }
}
