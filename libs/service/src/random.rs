//! The one place that draws random numbers, all from the operating system.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// `N` random bytes, good enough for keys.
///
/// # Panics
/// When the operating system has no randomness: nothing that follows would be safe.
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system gives randomness");
    bytes
}

/// A random number over the whole range.
pub fn u64() -> u64 {
    u64::from_le_bytes(bytes())
}

/// A secret of 256 bits as 43 characters of base64url: for session ids, keys and passwords.
pub fn token() -> String {
    URL_SAFE_NO_PAD.encode(bytes::<32>())
}

/// A duration between half of `full` and `full`, evenly: spreads retries of many so that they do
/// not come together.
pub fn jittered(full: Duration) -> Duration {
    let half = full / 2;
    let nanos = u64::try_from(half.as_nanos()).unwrap_or(u64::MAX).max(1);
    half + Duration::from_nanos(u64() % nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_long_url_safe_and_differ() {
        let (a, b) = (token(), token());
        assert_ne!(a, b);
        assert_eq!(a.len(), 43);
        assert!(
            a.chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
        );
    }

    #[test]
    fn jitter_stays_between_half_and_full() {
        for _ in 0..1000 {
            let waited = jittered(Duration::from_secs(2));
            assert!((Duration::from_secs(1)..=Duration::from_secs(2)).contains(&waited));
        }
        assert!(jittered(Duration::ZERO) <= Duration::from_nanos(1));
    }
}
