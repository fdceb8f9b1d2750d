//! The checksum of Ogg pages: CRC-32 with the polynomial 0x04c11db7, most significant bit first,
//! starting from 0 and not inverted (RFC 3533 section 6).

const POLYNOMIAL: u32 = 0x04c1_1db7;

/// `TABLES[k][b]`: the remainder of byte `b` followed by `k` zero bytes.
static TABLES: [[u32; 256]; 8] = tables();

const fn tables() -> [[u32; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut remainder = (byte as u32) << 24;
        let mut bit = 0;
        while bit < 8 {
            let carry = remainder & 0x8000_0000 != 0;
            remainder = (remainder << 1) ^ if carry { POLYNOMIAL } else { 0 };
            bit += 1;
        }
        tables[0][byte] = remainder;
        byte += 1;
    }
    let mut zeros = 1;
    while zeros < 8 {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[zeros - 1][byte];
            tables[zeros][byte] = (before << 8) ^ tables[0][(before >> 24) as usize];
            byte += 1;
        }
        zeros += 1;
    }
    tables
}

/// Continues `crc` over `bytes`.
pub(super) fn update(mut crc: u32, bytes: &[u8]) -> u32 {
    let mut chunks = bytes.chunks_exact(8);
    for chunk in &mut chunks {
        let head = crc.to_be_bytes();
        crc = (0..8).fold(0, |sum, n| {
            let byte = if n < 4 { chunk[n] ^ head[n] } else { chunk[n] };
            sum ^ TABLES[7 - n][usize::from(byte)]
        });
    }
    for &byte in chunks.remainder() {
        crc = (crc << 8) ^ TABLES[0][usize::from((crc >> 24) as u8 ^ byte)];
    }
    crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_checksum_that_cksum_computes_before_length_and_inversion() {
        // CRC-32/MPEG-2 starts from ones; with zeros the check value of "123456789" is this
        assert_eq!(update(0, b"123456789"), 0x89a1_897f);
    }

    #[test]
    fn eight_bytes_at_a_time_is_the_same_as_one() {
        let bytes: Vec<u8> = (0..1_000u32).map(|n| (n * 7 + n / 13) as u8).collect();
        for length in [0, 1, 7, 8, 9, 15, 16, 17, 999] {
            let whole = update(0, &bytes[..length]);
            let single = bytes[..length].iter().fold(0, |crc, &b| update(crc, &[b]));
            assert_eq!(whole, single, "{length} bytes");
        }
    }
}
