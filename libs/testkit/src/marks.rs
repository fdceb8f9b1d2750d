//! Sound that says when it was said: a sequence of tones, of which the last one that is left tells
//! what is missing after it.

use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use sidetone_codec::MultistreamDecoder;
use sidetone_media::ogg::{OpusHead, Reader};

use crate::{Tone, level_dbfs};

/// Different marks; then they begin anew. What is lost must be less than all of them: 3.2 s.
const MARKS: u64 = 32;
/// Packets of 20 ms that each mark lasts.
const PACKETS: u64 = 5;
/// The first mark's tone; the next ones are [`STEP_HZ`] apart.
const FIRST_HZ: f64 = 600.0;
/// Far enough apart to be told from each other in a window.
const STEP_HZ: f64 = 100.0;
const LEVEL_DBFS: f64 = -12.0;
/// Samples of 60 ms: some window lies in one mark alone.
const WINDOW_SAMPLES: usize = 2880;
/// Samples of 20 ms.
const HOP_SAMPLES: usize = 960;
/// A mark that fills the window is that loud at least.
const FULL_DBFS: f64 = LEVEL_DBFS - 3.0;

/// See the module. Encoded once, said by any number of parties.
pub struct Marks(Vec<Arc<[u8]>>);

impl Marks {
    /// Encodes them.
    ///
    /// # Errors
    /// When libopus has no memory.
    pub fn new() -> Result<Arc<Self>> {
        let mut packets = Vec::new();
        for mark in 0..MARKS {
            let tone = Tone::new(hz(mark), LEVEL_DBFS)?.packets(PACKETS as usize)?;
            packets.extend(tone.into_iter().map(Arc::from));
        }
        Ok(Arc::new(Self(packets)))
    }

    /// The packet that is said after `count` others.
    pub(crate) fn packet(&self, count: u64) -> Arc<[u8]> {
        self.0[(count % (MARKS * PACKETS)) as usize].clone()
    }

    #[expect(clippy::unused_self, reason = "each voice says how loud it is")]
    pub(crate) fn level_dbov(&self) -> u8 {
        (3.0 - LEVEL_DBFS) as u8
    }

    /// What is missing of a voice that had said `sent` packets, in milliseconds, as far as marks
    /// tell: to 100 ms. `None` when no mark is heard.
    pub fn missing_ms(voice: &[i16], sent: u64) -> Option<u64> {
        let last = sent / PACKETS;
        let heard = last_heard(voice)?;
        Some((last + MARKS - heard) % MARKS * PACKETS * 20)
    }

    /// The channels of a recording, as libopus decodes them.
    ///
    /// # Errors
    /// When it is no such file, or any of it cannot be decoded.
    pub fn decode(ogg: &[u8]) -> Result<Vec<Vec<i16>>> {
        let mut packets = Reader::new(ogg);
        let head = packets.next().context("the file is empty")??;
        let channels = OpusHead::parse(&head.data)?.channels;
        packets.next().context("the file ends before its tags")??;
        let mut decoder = MultistreamDecoder::new(channels)?;
        let mut voices = vec![Vec::new(); usize::from(channels)];
        let mut ended = false;
        for packet in packets {
            let packet = packet?;
            let pcm = decoder.decode(&packet.data)?;
            for (n, voice) in voices.iter_mut().enumerate() {
                voice.extend(pcm.iter().skip(n).step_by(usize::from(channels)));
            }
            ended = packet.last;
        }
        if !ended {
            bail!("the file has no end");
        }
        Ok(voices)
    }
}

fn hz(mark: u64) -> f64 {
    FIRST_HZ + STEP_HZ * mark as f64
}

/// The last mark of which a whole window is there.
fn last_heard(voice: &[i16]) -> Option<u64> {
    let mut end = voice.len();
    while end >= WINDOW_SAMPLES {
        let window = &voice[end - WINDOW_SAMPLES..end];
        let levels = (0..MARKS).map(|mark| (mark, level_dbfs(window, hz(mark))));
        let loudest = levels.max_by(|a, b| a.1.total_cmp(&b.1));
        if let Some((mark, _)) = loudest.filter(|(_, level)| *level > FULL_DBFS) {
            return Some(mark);
        }
        end -= HOP_SAMPLES;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use sidetone_codec::OpusDecoder;

    #[test]
    fn what_is_missing_of_a_voice_is_told_to_a_mark() {
        let marks = Marks::new().unwrap();
        let mut decoder = OpusDecoder::new().unwrap();
        let mut voice = Vec::new();
        for count in 0..400 {
            voice.extend_from_slice(decoder.decode(&marks.packet(count)).unwrap());
        }
        for lost_packets in [0, 7, 25, 50] {
            let mut cut = voice[..voice.len() - lost_packets * HOP_SAMPLES].to_vec();
            cut.resize(cut.len() + 20 * HOP_SAMPLES, 0); // silence after it changes nothing
            let missing_ms = Marks::missing_ms(&cut, 400).unwrap();
            let lost_ms = lost_packets as u64 * 20;
            assert!(
                missing_ms.abs_diff(lost_ms) <= 160,
                "{missing_ms} of {lost_ms} ms"
            );
        }
        let silence = vec![0; 48_000];
        assert_eq!(Marks::missing_ms(&silence, 400), None);
    }
}
