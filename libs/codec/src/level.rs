//! How loud sound is, for meters.

/// Loudness of `pcm` for a meter, 0.0 (silence) to 1.0 (a full-scale square wave).
///
/// It is the root mean square as a fraction of full scale. A meter that wants decibels takes
/// `20 * log10` of it; `sidetone_media::level` has the steps of RFC 6464.
pub fn level(pcm: &[i16]) -> f32 {
    if pcm.is_empty() {
        return 0.0;
    }
    let energy: f64 = pcm.iter().map(|&s| f64::from(s) * f64::from(s)).sum();
    ((energy / pcm.len() as f64).sqrt() / 32_768.0).min(1.0) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_zero_and_full_scale_is_one() {
        assert!(level(&[]).abs() < f32::EPSILON);
        assert!(level(&[0; 960]).abs() < f32::EPSILON);
        assert!((level(&[i16::MIN; 960]) - 1.0).abs() < 1e-6);
    }

    #[test]
    fn half_the_amplitude_is_half_the_level() {
        let loud: Vec<i16> = (0..960)
            .map(|i| if i % 2 == 0 { 16_000 } else { -16_000 })
            .collect();
        let soft: Vec<i16> = loud.iter().map(|s| s / 2).collect();
        assert!((level(&loud) / level(&soft) - 2.0).abs() < 1e-3);
    }
}
