//! WAV: 16 bit PCM at 48 kHz, its header first.

use std::io::{Read, Write};

use hound::{SampleFormat, WavSpec};
use sidetone_codec::SAMPLE_RATE_HZ;

use crate::RenditionError;
use crate::sound::Voices;

/// Bytes of the header, for one or two channels.
const HEADER_BYTES: u64 = 44;
/// Where in the header the sizes stand: of all that follows, of the samples.
const RIFF_SIZE_AT: usize = 4;
const DATA_SIZE_AT: usize = 40;
/// Bytes that are collected before they are written.
const WRITE_BYTES: usize = 64 << 10;

/// Bytes of a WAV of `samples` samples at 48 kHz in each of `channels` (1 or 2) channels; `None`
/// when that is more than a WAV can hold (4 GiB).
pub fn wav_len(samples: u64, channels: u8) -> Option<u64> {
    let length = samples
        .checked_mul(2 * u64::from(channels))?
        .checked_add(HEADER_BYTES)?;
    u32::try_from(length).is_ok().then_some(length)
}

pub(crate) fn write<R: Read>(
    voices: Voices<R>,
    samples: u64,
    out: &mut impl Write,
) -> Result<(), RenditionError> {
    let mut bytes = header(samples, voices.channels())?;
    voices.read(samples, |channels| {
        match channels {
            [left, right] => {
                let pairs = left.iter().zip(*right);
                bytes.extend(pairs.flat_map(|(left, right)| {
                    let ([a, b], [c, d]) = (left.to_le_bytes(), right.to_le_bytes());
                    [a, b, c, d]
                }));
            }
            _ => bytes.extend(
                channels
                    .iter()
                    .copied()
                    .flatten()
                    .flat_map(|s| s.to_le_bytes()),
            ),
        }
        if bytes.len() >= WRITE_BYTES {
            out.write_all(&bytes).map_err(RenditionError::Write)?;
            bytes.clear();
        }
        Ok(())
    })?;
    out.write_all(&bytes).map_err(RenditionError::Write)
}

/// The header, with the sizes that will be true in the end: hound's own writer seeks back for
/// them, which a response cannot.
fn header(samples: u64, channels: u8) -> Result<Vec<u8>, RenditionError> {
    let length = wav_len(samples, channels).ok_or(RenditionError::TooLong(samples))? as u32;
    let spec = WavSpec {
        channels: channels.into(),
        sample_rate: SAMPLE_RATE_HZ,
        bits_per_sample: 16,
        sample_format: SampleFormat::Int,
    };
    let mut header = spec.into_header_for_infinite_file();
    debug_assert_eq!(header.len() as u64, HEADER_BYTES);
    let mut put = |at: usize, size: u32| {
        header[at..at + 4].copy_from_slice(&size.to_le_bytes());
    };
    put(RIFF_SIZE_AT, length - 8);
    put(DATA_SIZE_AT, length - HEADER_BYTES as u32);
    Ok(header)
}
