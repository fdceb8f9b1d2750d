//! A take's file without a recorder.

use sidetone_media::{ogg, opus};

use crate::Tone;

/// Samples that every decoder leaves out at the start (RFC 7845).
const PRE_SKIP: u64 = 312;
/// Samples at 48 kHz in a millisecond.
const MS: u64 = 48;

/// Ogg Opus with one mono stream per tone, `ms` long: what a recorder makes of a call in which each
/// party hums.
///
/// # Errors
/// When libopus fails, which it does not on this input.
pub fn tone_file(tones_hz: &[f64], ms: u64) -> anyhow::Result<Vec<u8>> {
    let end = ms * MS + PRE_SKIP;
    let slots = end.div_ceil(20 * MS);
    let mut channels = Vec::new();
    for hz in tones_hz {
        channels.push(Tone::new(*hz, -6.0)?.packets(usize::try_from(slots)?)?);
    }
    let mut file = Vec::new();
    let head = ogg::opus_head(u8::try_from(tones_hz.len())?, 48_000);
    let tags = ogg::opus_tags("sidetone testkit", &[]);
    let mut writer = ogg::Writer::new(1, &head, &tags, &mut file);
    for slot in 0..slots {
        let mut packet = Vec::new();
        for (n, channel) in channels.iter().enumerate() {
            let part = &channel[usize::try_from(slot)?];
            if n + 1 < channels.len() {
                opus::write_self_delimited(part, &mut packet)
                    .map_err(|error| anyhow::anyhow!("{error}"))?;
            } else {
                packet.extend_from_slice(part);
            }
        }
        if slot + 1 < slots {
            writer.packet(&packet, (slot + 1) * 20 * MS, &mut file);
        } else {
            writer.end(&packet, end, &mut file);
            break;
        }
    }
    Ok(file)
}
