//! What a file is, by what is in it: names and headers of other people are not believed.

/// Bytes of its beginning that are looked at: the header of a WAV may stand behind other chunks.
const HEAD_BYTES: usize = 64 * 1024;
/// Bytes of its end that are kept: more than the longest page of an Ogg file.
const TAIL_BYTES: usize = 68 * 1024;
/// From so many bytes on it is known what a file is.
const ENOUGH_BYTES: usize = 512;

/// What can be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Ogg,
    Wav,
    Mp3,
}

impl Kind {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Ogg => "ogg",
            Self::Wav => "wav",
            Self::Mp3 => "mp3",
        }
    }
}

/// What a whole file turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sound {
    pub(super) kind: Kind,
    /// 0 where the file does not say.
    pub(super) channels: u16,
    /// 0 where the file does not say.
    pub(super) duration_ms: u64,
}

/// Why a file is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unfit {
    #[error("what it sends is neither Ogg Opus nor WAV nor MP3")]
    Kind,
    #[error("the file ends before its end")]
    Cut,
}

/// Looks at a file as it passes.
#[derive(Debug, Default)]
pub(super) struct Sniffer {
    head: Vec<u8>,
    tail: Vec<u8>,
    bytes: u64,
}

impl Sniffer {
    /// Looks at the next bytes.
    ///
    /// # Errors
    /// As soon as it is clear that the file is none of ours.
    pub(super) fn handle(&mut self, bytes: &[u8]) -> Result<(), Unfit> {
        let early = self.head.len() < ENOUGH_BYTES;
        let room = HEAD_BYTES - self.head.len();
        self.head.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.tail.extend_from_slice(bytes);
        if self.tail.len() > 2 * TAIL_BYTES {
            self.tail.drain(..self.tail.len() - TAIL_BYTES);
        }
        self.bytes += bytes.len() as u64;
        if early && self.head.len() >= ENOUGH_BYTES {
            kind(&self.head).ok_or(Unfit::Kind)?;
        }
        Ok(())
    }

    /// What the whole file is.
    ///
    /// # Errors
    /// When it is none of ours, or not whole.
    pub(super) fn end(&self) -> Result<Sound, Unfit> {
        let kind = kind(&self.head).ok_or(Unfit::Kind)?;
        let (channels, duration_ms) = match kind {
            Kind::Ogg => self.ogg()?,
            Kind::Wav => self.wav()?,
            Kind::Mp3 => (0, 0),
        };
        Ok(Sound {
            kind,
            channels,
            duration_ms,
        })
    }

    /// RFC 7845: the last page's granule is the length, beside what is skipped at the start.
    fn ogg(&self) -> Result<(u16, u64), Unfit> {
        let head = opus_head(&self.head).ok_or(Unfit::Kind)?;
        let channels = u16::from(*head.get(9).ok_or(Unfit::Cut)?);
        let skip = u64::from(le16(head, 10).ok_or(Unfit::Cut)?);
        let last = self.tail.windows(4).rposition(|bytes| bytes == b"OggS");
        let page = &self.tail[last.ok_or(Unfit::Cut)?..];
        let flags = *page.get(5).ok_or(Unfit::Cut)?;
        let granule = page.get(6..14).ok_or(Unfit::Cut)?;
        let granule = u64::from_le_bytes(granule.try_into().unwrap_or_default());
        let segments = usize::from(*page.get(26).ok_or(Unfit::Cut)?);
        let table = page.get(27..27 + segments).ok_or(Unfit::Cut)?;
        let body: usize = table.iter().map(|length| usize::from(*length)).sum();
        let whole = page.len() == 27 + segments + body && flags & 4 != 0;
        if !whole || granule == u64::MAX {
            return Err(Unfit::Cut);
        }
        Ok((channels, granule.saturating_sub(skip) / 48))
    }

    /// RIFF: chunks of a name, a size and content.
    fn wav(&self) -> Result<(u16, u64), Unfit> {
        let mut at = 12;
        let mut format = None;
        loop {
            let name = self.head.get(at..at + 4).ok_or(Unfit::Kind)?;
            let size = le32(&self.head, at + 4).ok_or(Unfit::Kind)?;
            match name {
                b"fmt " => {
                    let channels = le16(&self.head, at + 10).ok_or(Unfit::Kind)?;
                    let rate = le32(&self.head, at + 16).ok_or(Unfit::Kind)?;
                    format = Some((channels, u64::from(rate)));
                }
                b"data" => {
                    let (channels, rate) = format.ok_or(Unfit::Kind)?;
                    let there = self.bytes.saturating_sub(at as u64 + 8);
                    let said = u64::from(size);
                    // written without knowing its length
                    let open = size == 0 || size >= u32::MAX - 1024;
                    if !open && there < said {
                        return Err(Unfit::Cut);
                    }
                    let data = if open { there } else { said };
                    return Ok((channels, (data * 1000).checked_div(rate).unwrap_or(0)));
                }
                _ => {}
            }
            let size = size as usize;
            at = at.saturating_add(8 + size + size % 2);
        }
    }
}

fn kind(head: &[u8]) -> Option<Kind> {
    if head.starts_with(b"RIFF") && head.get(8..12) == Some(b"WAVE".as_slice()) {
        return Some(Kind::Wav);
    }
    if opus_head(head).is_some() {
        return Some(Kind::Ogg);
    }
    if head.starts_with(b"ID3") && head.len() > 10 && head[3] < 0xff {
        return Some(Kind::Mp3);
    }
    is_mp3_frame(head).then_some(Kind::Mp3)
}

/// The first packet of an Ogg file, if it is Opus's.
fn opus_head(head: &[u8]) -> Option<&[u8]> {
    if !head.starts_with(b"OggS") {
        return None;
    }
    let body = head.get(27 + usize::from(*head.get(26)?)..)?;
    body.starts_with(b"OpusHead").then_some(body)
}

/// A header of MPEG audio, layer III, with a bit rate and a sample rate.
fn is_mp3_frame(head: &[u8]) -> bool {
    let &[0xff, second, third, _, ..] = head else {
        return false;
    };
    let version = second >> 3 & 3;
    let layer = second >> 1 & 3;
    let rate = third >> 4;
    second >= 0xe0 && version != 1 && layer == 1 && !matches!(rate, 0 | 15) && third >> 2 & 3 != 3
}

fn le16(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..at + 2)?;
    Some(u16::from_le_bytes([bytes[0], bytes[1]]))
}

fn le32(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at + 4)?;
    Some(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A WAV of `data` bytes that says that it has `said`.
    fn wav(channels: u16, rate_hz: u32, data: usize, said: u32) -> Vec<u8> {
        let bytes_per_second = rate_hz * u32::from(channels) * 2;
        let mut file = b"RIFF\0\0\0\0WAVELIST\x03\0\0\0abc\0fmt \x10\0\0\0\x01\0".to_vec();
        file.extend(channels.to_le_bytes());
        file.extend(rate_hz.to_le_bytes());
        file.extend(bytes_per_second.to_le_bytes());
        file.extend((channels * 2).to_le_bytes());
        file.extend(16u16.to_le_bytes());
        file.extend(b"data");
        file.extend(said.to_le_bytes());
        file.resize(file.len() + data, 0);
        file
    }

    fn ogg(granule: u64, last: bool) -> Vec<u8> {
        let page = |flags: u8, granule: u64, body: &[u8]| {
            let mut page = b"OggS\0".to_vec();
            page.push(flags);
            page.extend(granule.to_le_bytes());
            page.extend([0; 12]);
            page.extend([1, body.len() as u8]);
            page.extend(body);
            page
        };
        let mut file = page(2, 0, b"OpusHead\x01\x02\x38\x01\x80\xbb\0\0\0\0\0");
        file.extend(page(0, 0, b"OpusTags"));
        file.extend(page(if last { 4 } else { 0 }, granule, &[7; 200]));
        file
    }

    fn sniff(file: &[u8], step: usize) -> Result<Sound, Unfit> {
        let mut sniffer = Sniffer::default();
        for bytes in file.chunks(step) {
            sniffer.handle(bytes)?;
        }
        sniffer.end()
    }

    #[test]
    fn files_are_known_by_what_is_in_them() {
        let sound = |kind, channels, duration_ms| {
            Ok(Sound {
                kind,
                channels,
                duration_ms,
            })
        };
        let mp3 = [&[0xff, 0xfb, 0x90, 0x64][..], &[0; 2000]].concat();
        let tagged = [b"ID3\x04\0\0\0\0\0\0".as_slice(), &mp3].concat();
        for step in [1, 7, 100_000] {
            let file = wav(2, 16_000, 640_000, 640_000);
            assert_eq!(sniff(&file, step), sound(Kind::Wav, 2, 10_000));
            // written without knowing its length
            let file = wav(1, 8000, 16_000, u32::MAX);
            assert_eq!(sniff(&file, step), sound(Kind::Wav, 1, 1000));
            let file = ogg(312 + 48_000, true);
            assert_eq!(sniff(&file, step), sound(Kind::Ogg, 2, 1000));
            assert_eq!(sniff(&mp3, step), sound(Kind::Mp3, 0, 0));
            assert_eq!(sniff(&tagged, step), sound(Kind::Mp3, 0, 0));
        }
    }

    #[test]
    fn what_is_no_sound_is_told_at_once_and_what_is_cut_at_its_end() {
        let page = "<!doctype html><title>Sign in</title>".repeat(100);
        let mut sniffer = Sniffer::default();
        assert_eq!(sniffer.handle(page.as_bytes()), Err(Unfit::Kind));
        for none in [
            &b""[..],
            b"{}",
            b"RIFF\0\0\0\0AVI ",
            b"OggS",
            &[0xff; 600],
            &[0; 600],
            b"RIFF\0\0\0\0WAVE",
        ] {
            assert_eq!(sniff(none, 100), Err(Unfit::Kind), "{none:?}");
        }
        assert_eq!(sniff(&wav(2, 16_000, 1000, 2000), 100), Err(Unfit::Cut));
        assert_eq!(sniff(&ogg(48_000, false), 100), Err(Unfit::Cut));
        let whole = ogg(48_000, true);
        assert_eq!(sniff(&whole[..whole.len() - 1], 100), Err(Unfit::Cut));
    }

    #[test]
    fn whatever_is_cut_or_changed_is_told_and_nothing_panics() {
        for file in [wav(2, 8000, 3000, 3000), ogg(48_000, true)] {
            let longest = sniff(&file, 1000).unwrap().duration_ms;
            for at in 0..file.len().min(400) {
                assert!(sniff(&file[..at], 13).is_err(), "cut at {at}");
                for value in [0, 0x7f, 0xff] {
                    let mut changed = file.clone();
                    changed[at] = value;
                    let told = sniff(&changed, 1000).ok();
                    assert!(
                        told.is_none_or(|told| told.kind != Kind::Mp3),
                        "changed at {at}"
                    );
                }
            }
            assert!(longest > 0);
        }
    }
}
