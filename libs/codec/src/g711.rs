//! G.711 (ITU-T G.711, RFC 3551 section 4.5.14): 8 bits a sample, 8 kHz.

/// Decodes one µ-law byte.
pub const fn decode_ulaw(byte: u8) -> i16 {
    ULAW[byte as usize]
}

/// Decodes one A-law byte.
pub const fn decode_alaw(byte: u8) -> i16 {
    ALAW[byte as usize]
}

/// Encodes one sample as µ-law, to the nearest step.
pub const fn encode_ulaw(sample: i16) -> u8 {
    // 14 bit magnitude plus the bias of 33, in units of 4: the segment is the top bit's position
    let negative = sample < 0;
    let magnitude = if negative {
        -(sample as i32)
    } else {
        sample as i32
    };
    let clipped = if magnitude > ULAW_CLIP {
        ULAW_CLIP
    } else {
        magnitude
    };
    let biased = clipped + ULAW_BIAS;
    let segment = 24 - (biased as u32).leading_zeros(); // biased is 132..=32767: 0..=7
    let step = ((biased >> (segment + 3)) & 0x0f) as u8;
    let sign = if negative { 0x80 } else { 0 };
    !(sign | (segment as u8) << 4 | step)
}

/// Encodes one sample as A-law, to the nearest step.
pub const fn encode_alaw(sample: i16) -> u8 {
    let negative = sample < 0;
    // one's complement, so that the two halves are symmetric
    let magnitude = if negative { !sample } else { sample } as u32; // 0..=32767
    let code = if magnitude < 256 {
        (magnitude >> 4) as u8
    } else {
        let segment = 24 - magnitude.leading_zeros(); // 256..=32767: 1..=7
        (segment as u8) << 4 | ((magnitude >> (segment + 3)) & 0x0f) as u8
    };
    (if negative { code } else { code | 0x80 }) ^ 0x55
}

/// Decodes µ-law at 8 kHz to 16 bit at 8 kHz.
pub fn decode_ulaw_all(bytes: &[u8]) -> Vec<i16> {
    bytes.iter().map(|&b| decode_ulaw(b)).collect()
}

/// Decodes A-law at 8 kHz to 16 bit at 8 kHz.
pub fn decode_alaw_all(bytes: &[u8]) -> Vec<i16> {
    bytes.iter().map(|&b| decode_alaw(b)).collect()
}

/// Added before a segment is chosen.
const ULAW_BIAS: i32 = 132;
/// The largest magnitude that stays in 15 bits with the bias.
const ULAW_CLIP: i32 = 32_635;

static ULAW: [i16; 256] = ulaw_table();
static ALAW: [i16; 256] = alaw_table();

const fn ulaw_table() -> [i16; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let code = !(byte as u8);
        let segment = (code >> 4) & 7;
        let magnitude = ((((code & 0x0f) as i32) << 3) + ULAW_BIAS) << segment;
        let value = (magnitude - ULAW_BIAS) as i16;
        table[byte] = if code & 0x80 == 0 { value } else { -value };
        byte += 1;
    }
    table
}

const fn alaw_table() -> [i16; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let code = byte as u8 ^ 0x55;
        let segment = (code >> 4) & 7;
        let step = (code & 0x0f) as i32;
        let value = if segment == 0 {
            (step << 4) + 8
        } else {
            ((step << 4) + 0x108) << (segment - 1)
        } as i16;
        table[byte] = if code & 0x80 == 0 { -value } else { value };
        byte += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_corner_values_are_those_of_the_standard() {
        assert_eq!(decode_ulaw(0xff), 0);
        assert_eq!(decode_ulaw(0x80), 32_124);
        assert_eq!(decode_ulaw(0x00), -32_124);
        assert_eq!(decode_alaw(0xd5), 8);
        assert_eq!(decode_alaw(0x55), -8);
        assert_eq!(decode_alaw(0xaa), 32_256);
        assert_eq!(decode_alaw(0x2a), -32_256);
        assert_eq!(encode_ulaw(0), 0xff);
        assert_eq!(encode_alaw(0), 0xd5);
    }

    #[test]
    fn every_byte_survives_decoding_and_encoding() {
        for byte in 0..=255u8 {
            // µ-law has two zeros; the negative one comes back as the positive one
            let ulaw = if byte == 0x7f { 0xff } else { byte };
            assert_eq!(encode_ulaw(decode_ulaw(byte)), ulaw, "{byte:#04x}");
            assert_eq!(encode_alaw(decode_alaw(byte)), byte, "{byte:#04x}");
        }
    }

    #[test]
    fn every_sample_comes_back_within_its_step() {
        for sample in i16::MIN..=i16::MAX {
            let magnitude = i32::from(sample).abs();
            let step = (magnitude / 16).max(16);
            for back in [
                decode_ulaw(encode_ulaw(sample)),
                decode_alaw(encode_alaw(sample)),
            ] {
                let error = (i32::from(back) - i32::from(sample)).abs();
                assert!(
                    error <= step.max(magnitude - 32_124),
                    "{sample} came back as {back}"
                );
            }
        }
    }
}
