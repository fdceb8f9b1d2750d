//! Asterisk's AudioSocket, over TCP: frames of a type, a length in two bytes, the higher first, and
//! that many bytes. The first is the call's id, sound is 16-bit samples, the lower byte first, of
//! everybody who is heard in the channel.

use sidetone_fleet::ingress::Introduction;
use sidetone_wire::Upstream;
use uuid::Uuid;

use super::adapter::{Adapter, Said, Sound};
use crate::source::listen::format::Format;

const HANGUP: u8 = 0x00;
const ID: u8 = 0x01;
const KEY: u8 = 0x03;
/// Samples a second of the types of sound, from [`FIRST_SOUND`] on.
const RATES: [u64; 9] = [
    8_000, 12_000, 16_000, 24_000, 32_000, 44_100, 48_000, 96_000, 192_000,
];
const FIRST_SOUND: u8 = 0x10;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Audiosocket {
    /// Less than a frame: at most the longest that there may be.
    rest: Vec<u8>,
    begun: bool,
    deaf: bool,
    over: bool,
}

impl Adapter for Audiosocket {
    fn handle_text(&mut self, _: &str, _: &mut Vec<Said>) {} // there is none on TCP

    fn handle_binary(&mut self, bytes: &[u8], out: &mut Vec<Said>) {
        let mut all = std::mem::take(&mut self.rest);
        all.extend_from_slice(bytes);
        let (mut rest, mut sound) = (all.as_slice(), Joined::default());
        while let [kind, high, low, more @ ..] = rest {
            let length = usize::from(u16::from_be_bytes([*high, *low]));
            let Some((payload, after)) = more.split_at_checked(length) else {
                break;
            };
            rest = after;
            if self.over {
                continue;
            }
            match Joined::format(*kind) {
                Some(format) if self.begun => sound.add(format, payload, out),
                Some(_) => {}
                None => {
                    sound.give(out);
                    self.handle(*kind, payload, out);
                }
            }
        }
        sound.give(out);
        self.rest = rest.to_vec();
    }

    fn held_bytes(&self) -> usize {
        self.rest.len()
    }
}

impl Audiosocket {
    fn handle(&mut self, kind: u8, payload: &[u8], out: &mut Vec<Said>) {
        match kind {
            ID if !self.begun => {
                if let Ok(id) = Uuid::from_slice(payload) {
                    self.begun = true;
                    let who = Introduction::new(Upstream::Audiosocket, id.to_string());
                    out.push(Said::Here(Box::new(who)));
                }
            }
            KEY if self.begun && !matches!(out.last(), Some(Said::Key)) => out.push(Said::Key),
            HANGUP => {
                self.over = true;
                out.push(Said::Over("stream_stopped"));
            }
            kind if rate(kind).is_some() && self.begun && !self.deaf => {
                self.deaf = true;
                out.push(Said::Deaf("the stream is in a rate that is not understood"));
            }
            _ => {} // errors, and what was added since
        }
    }
}

/// That of a type of sound.
fn rate(kind: u8) -> Option<u64> {
    let n = kind.checked_sub(FIRST_SOUND)?;
    RATES.get(usize::from(n)).copied()
}

/// Frames of sound that came together: one piece.
#[derive(Debug, Default)]
struct Joined(Option<(Format, Vec<u8>)>);

impl Joined {
    fn format(kind: u8) -> Option<Format> {
        Format::linear16(rate(kind)?, 1)
    }

    fn add(&mut self, format: Format, payload: &[u8], out: &mut Vec<Said>) {
        if self.0.as_ref().is_some_and(|(one, _)| *one != format) {
            self.give(out);
        }
        let (_, bytes) = self.0.get_or_insert_with(|| (format, Vec::new()));
        bytes.extend_from_slice(payload);
    }

    fn give(&mut self, out: &mut Vec<Said>) {
        if let Some((format, bytes)) = self.0.take() {
            out.push(Said::Sound(Sound::counted(format, bytes)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
        let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
        [&[kind], &length[..], payload].concat()
    }

    fn begin() -> (Audiosocket, Vec<u8>) {
        let id = Uuid::from_u128(7);
        (Audiosocket::default(), frame(ID, id.as_bytes()))
    }

    #[test]
    fn frames_are_whole_however_they_are_split() {
        let (_, first) = begin();
        let sound: Vec<u8> = (0..640_u32).map(|n| n as u8).collect();
        let all = [
            first,
            frame(0x10, &sound[..320]),
            frame(0x10, &sound[320..]),
            frame(KEY, b"5"),
            frame(HANGUP, &[]),
            frame(0x10, &sound),
        ]
        .concat();
        for size in [1, 2, 7, 100, all.len()] {
            let (mut socket, mut out) = (Audiosocket::default(), Vec::new());
            for part in all.chunks(size) {
                socket.handle_binary(part, &mut out);
                assert!(socket.held_bytes() < 1_000);
            }
            let mut heard = Vec::new();
            for said in &out {
                if let Said::Sound(sound) = said {
                    heard.extend_from_slice(&sound.bytes);
                }
            }
            assert_eq!(heard, sound, "in pieces of {size}");
            let Some(Said::Here(who)) = out.first() else {
                panic!("{out:?}");
            };
            assert_eq!(who.upstream_call_id, Uuid::from_u128(7).to_string());
            assert!(out.contains(&Said::Key));
            assert_eq!(out.last(), Some(&Said::Over("stream_stopped")));
        }
    }

    #[test]
    fn each_type_of_sound_has_its_rate_and_what_is_too_wide_is_told_once() {
        let (mut socket, first) = begin();
        let mut out = Vec::new();
        socket.handle_binary(&frame(0x12, &[0; 640]), &mut out);
        assert_eq!(out, [], "nobody knows yet whose it is");
        socket.handle_binary(&first, &mut out);
        out.clear();
        socket.handle_binary(&frame(0x12, &[0; 640]), &mut out);
        assert!(
            matches!(&out[..], [Said::Sound(one)] if Some(one.format) == Format::linear16(16_000, 1))
        );
        out.clear();
        for _ in 0..3 {
            socket.handle_binary(&frame(0x18, &[0; 640]), &mut out);
        }
        assert!(matches!(&out[..], [Said::Deaf(_)]), "{out:?}");
    }

    #[test]
    fn a_frame_that_never_ends_is_held_up_to_its_length() {
        let (mut socket, first) = begin();
        let mut out = Vec::new();
        socket.handle_binary(&first, &mut out);
        socket.handle_binary(&[0x10, 0xff, 0xff], &mut out);
        for _ in 0..65_534 {
            socket.handle_binary(&[1], &mut out);
        }
        assert_eq!(socket.held_bytes(), 3 + 65_534);
        socket.handle_binary(&[1; 10], &mut out);
        assert_eq!(socket.held_bytes(), 9);
    }
}
