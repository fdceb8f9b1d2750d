//! Values that must not be read in a log: their `Display` and `Debug` are already redacted.

use std::fmt;

/// A value whose printed form is `[redacted]`. Whoever needs the value says [`Redacted::expose`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Redacted<T>(T);

impl<T> Redacted<T> {
    /// Wraps a value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value, for the place that really needs it.
    pub const fn expose(&self) -> &T {
        &self.0
    }

    /// The value, given up.
    pub fn into_exposed(self) -> T {
        self.0
    }
}

impl<T> fmt::Display for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl<T> fmt::Debug for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// A phone number, SIP address or identity of a person: prints its last two characters, enough to
/// tell two calls apart and too few to call anybody.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PhoneNumber(String);

impl PhoneNumber {
    /// Wraps a number as it came.
    pub fn new(number: impl Into<String>) -> Self {
        Self(number.into())
    }

    /// The number, for the place that really needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.chars().count();
        f.write_str("…")?;
        if count > 4 {
            for c in self.0.chars().skip(count - 2) {
                write!(f, "{c}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_redacted_prints_nothing_of_itself() {
        let token = Redacted::new("stk_secret");
        assert_eq!(format!("{token} {token:?}"), "[redacted] [redacted]");
        assert_eq!(*token.expose(), "stk_secret");
    }

    #[test]
    fn a_number_prints_its_end_unless_it_is_too_short() {
        assert_eq!(PhoneNumber::new("+4930123456").to_string(), "…56");
        assert_eq!(format!("{:?}", PhoneNumber::new("110")), "…");
    }
}
