//! Linear PCM as sockets send it: signed 16 bit, little endian.

/// Bytes to samples; half a sample at the end is left out.
pub fn from_bytes(bytes: &[u8]) -> Vec<i16> {
    let pairs = bytes.as_chunks::<2>().0;
    pairs.iter().map(|pair| i16::from_le_bytes(*pair)).collect()
}

/// Samples to bytes.
pub fn to_bytes(pcm: &[i16]) -> Vec<u8> {
    pcm.iter().flat_map(|sample| sample.to_le_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_the_same_after_the_way_through_bytes() {
        let pcm = [0, 1, -1, i16::MIN, i16::MAX];
        let mut bytes = to_bytes(&pcm);
        assert_eq!(from_bytes(&bytes), pcm);
        assert_eq!(bytes[2..4], [1, 0], "little endian");
        bytes.pop();
        assert_eq!(from_bytes(&bytes), pcm[..4]);
    }
}
