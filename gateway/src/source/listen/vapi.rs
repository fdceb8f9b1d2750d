//! Vapi's listen socket: sound in binary frames, in a format that is announced or not, and JSON
//! about the call in text frames.
//!
//! Five formats were seen. What a text frame or a RIFF header announces is believed once the bytes
//! come at its rate; without a word, or with a wrong one, the rate decides within 0.6 s, and where
//! it leaves two formats, what is alike in the channels does. Until then sound is held, so that
//! none is played at a wrong speed. A stream that changes its rate later is decided anew.

use serde::Deserialize;
use sidetone_media::MediaTime;

use super::Block;
use super::format::{self, Format, Rate};

/// An announced format is believed after so long.
const BELIEVE_AFTER: u64 = 180 * MS;
/// One that is not announced is decided after so long.
const DECIDE_AFTER: u64 = 580 * MS;
/// What is held is let go when nothing more comes for so long.
const GIVE_UP_AFTER: u64 = 1_000 * MS;
/// Sound by which channels are told apart.
const COMPARED: u64 = 100 * MS;
/// The rate is looked at over so long and so many frames ...
const LOOK_AT: u64 = 240 * MS;
const LOOK_AT_FRAMES: u32 = 12;
/// ... without a longer pause than this beyond the usual one ...
const PAUSE: u64 = 40 * MS;
/// ... and is another when it was so often.
const LOOKS: u32 = 2;
/// What is held at most: 1.5 s of the fastest format. Of more, the newest is dropped.
const HELD_BYTES: usize = 192 * 1024;
/// Texts are read up to here; longer ones are about something else.
const TEXT_BYTES: usize = 64 * 1024;
/// The header of a file whose sound follows.
const RIFF: &[u8] = b"RIFF";
const RIFF_HEADER_BYTES: usize = 44;

const MS: u64 = 48;

/// See the module.
#[derive(Debug)]
pub(super) struct Vapi {
    /// What was said, or was so before the socket was lost.
    announced: Option<Format>,
    state: State,
    held: Vec<(MediaTime, Vec<u8>)>,
    held_bytes: usize,
    /// Less than a sample of every channel.
    half: Vec<u8>,
    /// A frame has come on this socket.
    begun: bool,
    surplus: u64,
}

#[derive(Debug)]
enum State {
    /// The first frame is not there yet.
    Waiting,
    Deciding(Rate),
    Decided {
        format: Format,
        /// Which of two formats it is will be seen when somebody speaks.
        unsure: bool,
        rate: Rate,
        mismatches: u32,
    },
}

impl Default for Vapi {
    fn default() -> Self {
        Self {
            announced: None,
            state: State::Waiting,
            held: Vec::new(),
            held_bytes: 0,
            half: Vec::new(),
            begun: false,
            surplus: 0,
        }
    }
}

/// What a text frame may say of the sound.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Announcement {
    encoding: Option<String>,
    #[serde(alias = "sample_rate")]
    sample_rate: Option<u64>,
    channels: Option<u64>,
}

impl Vapi {
    /// A socket whose format is known beforehand, if its bytes do not say otherwise.
    pub(super) fn announced(announced: Option<Format>) -> Self {
        Self {
            announced,
            ..Self::default()
        }
    }

    /// The socket is another one; the format may be.
    pub(super) fn restart(&mut self) {
        if let State::Decided { format, .. } = self.state {
            self.announced = Some(format);
        }
        *self = Self {
            announced: self.announced,
            surplus: self.surplus,
            ..Self::default()
        };
    }

    /// Texts tell of the call in many ways; only what is said of the sound is looked at.
    pub(super) fn handle_text(&mut self, text: &str) {
        if text.len() > TEXT_BYTES {
            return;
        }
        let Ok(said) = serde_json::from_str::<Announcement>(text) else {
            return;
        };
        let (Some(rate), channels) = (said.sample_rate, said.channels.unwrap_or(1)) else {
            return;
        };
        let format = match said.encoding.as_deref() {
            Some("mulaw" | "ulaw" | "pcm_mulaw" | "audio/x-mulaw") => Format::ulaw(channels),
            Some("linear16" | "pcm_s16le" | "pcm") | None => Format::linear16(rate, channels),
            Some(_) => None,
        };
        self.announced = format.or(self.announced);
    }

    /// Sound; what is decided of it goes to `out`.
    pub(super) fn handle_binary(&mut self, bytes: &[u8], at: MediaTime, out: &mut Vec<Block>) {
        let bytes = if self.begun {
            bytes
        } else {
            self.without_header(bytes)
        };
        if bytes.is_empty() {
            return;
        }
        self.begun = true;
        match &mut self.state {
            State::Waiting => {
                self.state = State::Deciding(Rate::from(at));
                self.hold(bytes, at);
            }
            State::Deciding(rate) => {
                rate.handle_frame(bytes.len(), at);
                self.hold(bytes, at);
                self.decide(out);
            }
            State::Decided { format, unsure, .. } => {
                let (format, unsure) = (*format, *unsure);
                if unsure && (!self.held.is_empty() || format::two_channels(bytes).is_some()) {
                    self.hold(bytes, at);
                    self.compare(format, out);
                } else {
                    self.give(format, bytes, at, out);
                }
                self.look_at_rate(bytes.len(), at);
            }
        }
    }

    /// Nothing more may come: what is held is let go.
    pub(super) fn handle_timeout(&mut self, now: MediaTime, out: &mut Vec<Block>) {
        let last = self.held.last().map(|(at, _)| *at);
        if last.is_none_or(|last| now.since(last) < GIVE_UP_AFTER) {
            return;
        }
        let format = match self.state {
            State::Decided { format, .. } => Some(format),
            State::Deciding(_) | State::Waiting => self.announced.or(Format::linear16(16_000, 2)),
        };
        if let Some(format) = format {
            self.release(format, out);
        }
        self.restart();
    }

    pub(super) fn take_surplus(&mut self) -> u64 {
        std::mem::take(&mut self.surplus)
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.held_bytes + self.half.len()
    }

    /// Leaves out the header of a file, and believes what it says.
    fn without_header<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        if !bytes.starts_with(RIFF) || bytes.len() < RIFF_HEADER_BYTES {
            return bytes;
        }
        let word = |at: usize| u64::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]));
        let (kind, channels) = (word(20), word(22));
        let rate = word(24) | word(26) << 16;
        self.announced = match kind {
            1 => Format::linear16(rate, channels),
            7 => Format::ulaw(channels),
            _ => None,
        }
        .or(self.announced);
        &bytes[RIFF_HEADER_BYTES..]
    }

    fn hold(&mut self, bytes: &[u8], at: MediaTime) {
        if self.held_bytes + bytes.len() > HELD_BYTES {
            self.surplus += 1;
            return;
        }
        self.held_bytes += bytes.len();
        // a thousand frames of a byte cost no more than one of a thousand
        match self
            .held
            .last_mut()
            .filter(|(last, _)| *last == at || bytes.len() < 64)
        {
            Some((last, held)) => {
                *last = at;
                held.extend_from_slice(bytes);
            }
            None => self.held.push((at, bytes.to_vec())),
        }
    }

    fn decide(&mut self, out: &mut Vec<Block>) {
        let State::Deciding(rate) = self.state else {
            return;
        };
        let measured = rate.bytes_per_second();
        let said = self.announced.filter(|said| format::fits(*said, measured));
        let (format, unsure) = match said {
            Some(said) if rate.span() >= BELIEVE_AFTER => (said, false),
            _ if rate.span() < DECIDE_AFTER => return,
            _ => match format::of_rate(measured) {
                Some(format) if format::is_ambiguous(format) => self.channels(format),
                Some(format) => (format, false),
                // too slow or too fast for anything: as it was, or as most are
                None => match self.announced.or(Format::linear16(16_000, 2)) {
                    Some(usual) => (usual, false),
                    None => return,
                },
            },
        };
        self.state = State::Decided {
            format,
            unsure,
            rate: Rate::from(rate.last()),
            mismatches: 0,
        };
        self.release(format, out);
    }

    /// Which of two formats what is held is in, and whether that is still open.
    fn channels(&self, otherwise: Format) -> (Format, bool) {
        let bytes: Vec<u8> = self
            .held
            .iter()
            .flat_map(|(_, bytes)| bytes)
            .copied()
            .collect();
        // from the first word on
        let spoken = bytes
            .chunks(640)
            .skip_while(|part| format::two_channels(part).is_none());
        let spoken: Vec<u8> = spoken.flatten().copied().collect();
        let one_or_two = match format::two_channels(&spoken) {
            Some(true) => Format::linear16(8_000, 2),
            Some(false) => Format::linear16(16_000, 1),
            None => return (otherwise, true),
        };
        (one_or_two.unwrap_or(otherwise), false)
    }

    /// Somebody speaks for the first time: whose channel is it?
    fn compare(&mut self, otherwise: Format, out: &mut Vec<Block>) {
        let enough = otherwise.bytes_per_second() as u64 * COMPARED / MediaTime::RATE_HZ;
        if (self.held_bytes as u64) < enough {
            return;
        }
        let (decided, still) = self.channels(otherwise);
        if let State::Decided { format, unsure, .. } = &mut self.state {
            *format = decided;
            *unsure = still;
        }
        self.release(decided, out);
    }

    /// Decides anew when bytes come at another rate than the format has.
    fn look_at_rate(&mut self, bytes: usize, at: MediaTime) {
        let State::Decided {
            format,
            rate,
            mismatches,
            ..
        } = &mut self.state
        else {
            return;
        };
        let usual = rate.span() / u64::from(rate.frames().max(1));
        if at.since(rate.last()) > 4 * usual + PAUSE {
            *rate = Rate::from(at);
            *mismatches = 0;
            return;
        }
        rate.handle_frame(bytes, at);
        if rate.span() < LOOK_AT || rate.frames() < LOOK_AT_FRAMES {
            return;
        }
        let measured = rate.bytes_per_second();
        *rate = Rate::from(at);
        if format::fits(*format, measured) || format::of_rate(measured).is_none() {
            *mismatches = 0;
            return;
        }
        *mismatches += 1;
        if *mismatches >= LOOKS {
            self.announced = None;
            self.state = State::Deciding(Rate::from(at));
        }
    }

    fn release(&mut self, format: Format, out: &mut Vec<Block>) {
        self.held_bytes = 0;
        for (at, bytes) in std::mem::take(&mut self.held) {
            self.give(format, &bytes, at, out);
        }
    }

    /// Gives whole samples of every channel; what is left waits for the next frame.
    fn give(&mut self, format: Format, bytes: &[u8], at: MediaTime, out: &mut Vec<Block>) {
        let mut all = std::mem::take(&mut self.half);
        all.extend_from_slice(bytes);
        let whole = all.len() / format.frame_bytes() * format.frame_bytes();
        self.half = all.split_off(whole);
        if !all.is_empty() {
            out.push(Block {
                format,
                bytes: all,
                at,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> MediaTime {
        MediaTime::from_samples(ms * MS)
    }

    /// Plays frames of 20 ms; gives the formats of what came out, with when it did.
    fn play(vapi: &mut Vapi, from_ms: u64, frames: &[Vec<u8>]) -> Vec<(u64, Format)> {
        let mut seen: Vec<(u64, Format)> = Vec::new();
        for (n, frame) in frames.iter().enumerate() {
            let mut out = Vec::new();
            let now = from_ms + n as u64 * 20;
            vapi.handle_binary(frame, ms(now), &mut out);
            for block in out {
                if seen.last().is_none_or(|(_, last)| *last != block.format) {
                    seen.push((now - from_ms, block.format));
                }
            }
        }
        seen
    }

    fn silent(bytes: usize, frames: usize) -> Vec<Vec<u8>> {
        vec![vec![0; bytes]; frames]
    }

    #[test]
    fn each_format_is_decided_within_a_second_without_a_word() {
        for (bytes, format) in [
            (160, Format::ulaw(1)),
            (320, Format::linear16(8_000, 1)),
            (640, Format::linear16(16_000, 1)),
            (1280, Format::linear16(16_000, 2)),
            (2560, Format::linear16(32_000, 2)),
        ] {
            let seen = play(&mut Vapi::default(), 0, &silent(bytes, 100));
            assert_eq!(seen, [(580, format.unwrap())], "{bytes} bytes");
        }
    }

    #[test]
    fn what_is_announced_is_believed_sooner_and_only_if_the_bytes_agree() {
        let start = r#"{"type":"start","encoding":"linear16","sampleRate":8000,"channels":2}"#;
        let mut vapi = Vapi::default();
        vapi.handle_text(start);
        let stereo = Format::linear16(8_000, 2).unwrap();
        assert_eq!(play(&mut vapi, 0, &silent(640, 50)), [(180, stereo)]);
        let mut vapi = Vapi::default();
        vapi.handle_text(start);
        let wide = Format::linear16(16_000, 2).unwrap();
        assert_eq!(play(&mut vapi, 0, &silent(1280, 50)), [(580, wide)]);
    }

    #[test]
    fn a_files_header_announces_and_is_not_heard() {
        let mut header = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x02\0".to_vec();
        header.extend_from_slice(&16_000_u32.to_le_bytes());
        header.resize(RIFF_HEADER_BYTES, 0);
        header.extend_from_slice(&[7; 1280]);
        let mut vapi = Vapi::default();
        let mut out = Vec::new();
        vapi.handle_binary(&header, ms(0), &mut out);
        for n in 1..20 {
            vapi.handle_binary(&[7; 1280], ms(n * 20), &mut out);
        }
        let bytes: Vec<u8> = out.iter().flat_map(|block| block.bytes.clone()).collect();
        assert_eq!(bytes.len(), 20 * 1280);
        assert!(bytes.iter().all(|byte| *byte == 7));
    }

    #[test]
    fn a_stream_that_changes_its_rate_is_decided_anew_and_a_burst_is_no_change() {
        let mut vapi = Vapi::default();
        let [narrow, wide] = [Format::linear16(8_000, 1), Format::linear16(16_000, 2)];
        assert_eq!(
            play(&mut vapi, 0, &silent(320, 50)),
            [(580, narrow.unwrap())]
        );
        let seen = play(&mut vapi, 1_000, &silent(1280, 100));
        let (after, format) = *seen.last().unwrap();
        assert_eq!(Some(format), wide);
        assert!(after < 1_400, "{after} ms");
        // a second of it at once after a stall
        let mut out = Vec::new();
        for _ in 0..50 {
            vapi.handle_binary(&[0; 1280], ms(4_000), &mut out);
        }
        out.clear();
        let seen = play(&mut vapi, 4_020, &silent(1280, 100));
        assert_eq!(seen, [(0, wide.unwrap())]);
    }

    #[test]
    fn which_of_two_formats_it_is_is_seen_when_somebody_speaks() {
        let loud = |i: usize| ((i as f64 * 0.2).sin() * 8_000.0) as i16;
        let one: Vec<i16> = (0..32_000).map(loud).collect();
        let two: Vec<i16> = (0..16_000).flat_map(|i| [loud(i), 0]).collect();
        for (speech, format) in [
            (one, Format::linear16(16_000, 1)),
            (two, Format::linear16(8_000, 2)),
        ] {
            let bytes = sidetone_codec::pcm::to_bytes(&speech);
            let mut frames = silent(640, 50);
            frames.extend(bytes.chunks(640).map(<[u8]>::to_vec));
            let mut vapi = Vapi::default();
            let seen = play(&mut vapi, 0, &frames);
            let (at, decided) = *seen.last().unwrap();
            assert_eq!(Some(decided), format);
            assert!(at <= 1_200, "decided after {} ms of speech", at - 1_000);
        }
    }

    #[test]
    fn odd_splits_lose_no_byte() {
        let mut vapi = Vapi::default();
        vapi.handle_text(r#"{"sampleRate":16000,"channels":2}"#);
        let sound: Vec<u8> = (0..64_000_u32).map(|n| (n % 251) as u8).collect();
        let mut out = Vec::new();
        for (n, piece) in sound.chunks(1279).enumerate() {
            vapi.handle_binary(piece, ms(n as u64 * 20), &mut out);
        }
        let bytes: Vec<u8> = out.iter().flat_map(|block| block.bytes.clone()).collect();
        assert_eq!(bytes, sound);
        assert!(out.iter().all(|block| block.bytes.len() % 4 == 0));
    }

    #[test]
    fn texts_about_anything_else_and_bombs_change_nothing() {
        let mut vapi = Vapi::default();
        for text in [
            r#"{"type":"transcript","transcript":"hello"}"#,
            r#"{"sampleRate":"16000"}"#,
            r#"{"sampleRate":-1,"channels":2}"#,
            r#"{"sampleRate":16000,"channels":9}"#,
            r#"{"sampleRate":16000,"encoding":"flac"}"#,
            "[]",
            "",
            &"[".repeat(TEXT_BYTES),
            &format!(
                "{{\"sampleRate\":8000,\"x\":\"{}\"}}",
                "a".repeat(TEXT_BYTES)
            ),
        ] {
            vapi.handle_text(text);
        }
        assert_eq!(vapi.announced, None);
    }
}
