//! Voices into one.

/// Sums up to here stay as they are: 2.5 dB below full scale.
const KNEE: i64 = 24_576;
/// What is left above the knee.
const ROOM: i64 = i16::MAX as i64 - KNEE;

/// Adds voices of one length up, into `out`.
///
/// A sum, so that whoever speaks alone is as loud as on a channel of their own; an average would
/// make everybody quieter for the sake of the moments in which all speak. Above 2.5 dB below full
/// scale the sum is bent towards full scale, which it never reaches: nothing is clipped.
pub fn mix(voices: &[&[i16]], out: &mut Vec<i16>) {
    out.clear();
    let samples = voices.iter().map(|voice| voice.len()).min().unwrap_or(0);
    out.extend((0..samples).map(|n| limit(voices.iter().map(|voice| i64::from(voice[n])).sum())));
}

/// A sum of samples as a sample: as [`mix`] has it.
pub fn limit(sum: i64) -> i16 {
    let over = sum.abs() - KNEE;
    if over <= 0 {
        return sum as i16;
    }
    let bent = KNEE + over * ROOM / (over + ROOM);
    (bent * sum.signum()) as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_speaks_alone_stays_as_loud() {
        let voice: Vec<i16> = (-24_576..=24_576).step_by(7).collect();
        let mut out = Vec::new();
        mix(&[&voice, &vec![0; voice.len()]], &mut out);
        assert_eq!(out, voice);
    }

    #[test]
    fn a_louder_sum_is_louder_and_never_clipped() {
        let mut before = 0;
        for sum in 0..8 * 32_768 {
            let (up, down) = (limit(sum), limit(-sum));
            assert!(up >= before && up < i16::MAX && down == -up, "{sum}: {up}");
            before = up;
        }
    }
}
