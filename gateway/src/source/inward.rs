//! Packets of a call whose upstream dialled us.
//!
//! A vendor's [`Adapter`] says what each frame is; everything else is the same for all: sound with
//! timestamps has its place by them ([`Stamped`]), sound without by its count ([`Stream`]), and what
//! comes in bursts goes out at the pace of speech ([`Lay`]).
//!
//! **Invariant**: nothing that a socket sends makes a source panic or grow beyond what its parts
//! name (`whatever_a_vendor_sends_costs_what_it_may`).

mod adapter;
mod audiohook;
mod audiosocket;
mod jambonz;
mod media;
mod stamped;
mod vonage;

use std::time::{Duration, Instant};

use sidetone_media::{MediaTime, Packet};
use sidetone_service::random;
use sidetone_wire::Party;

use super::listen::lay::Lay;
use super::listen::stream::Stream;
use super::listen::{Block, MOST_BYTES};
use crate::bus::Bus;
use crate::live::{Paced, Source};
use adapter::Sound;
pub(crate) use adapter::{Adapter, Family, Said, adapter};
use stamped::{Piece, Stamped};

/// A frame of a socket.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Frame<'a> {
    /// Text.
    Text(&'a str),
    /// Anything else.
    Binary(&'a [u8]),
}

/// The source of one call.
pub(crate) struct Inward {
    /// The call's start: [`MediaTime::ZERO`].
    origin: Instant,
    adapter: Box<dyn Adapter>,
    stamped: Stamped,
    stream: Stream,
    lay: Lay,
    said: Vec<Said>,
}

impl Inward {
    pub(crate) fn new(origin: Instant, adapter: Box<dyn Adapter>) -> Self {
        Self {
            origin,
            adapter,
            stamped: Stamped::new(random::u64() as u32),
            stream: Stream::patient(random::u64() as u32),
            lay: Lay::default(),
            said: Vec::new(),
        }
    }

    /// The call's stream comes over another socket from now on.
    pub(crate) fn handle_opened(&mut self, adapter: Box<dyn Adapter>, now: Instant) {
        self.adapter = adapter;
        self.stamped.restart(&mut self.lay.slots);
        self.stream.restart();
        self.lay.push(now);
    }

    /// A frame came. What is to be done about it beside hearing it goes to `out`; says whether
    /// there was sound in it.
    pub(crate) fn handle_frame(
        &mut self,
        frame: Frame<'_>,
        now: Instant,
        out: &mut Vec<Said>,
    ) -> bool {
        match frame {
            Frame::Text(text) => self.adapter.handle_text(text, &mut self.said),
            Frame::Binary(bytes) => self.adapter.handle_binary(bytes, &mut self.said),
        }
        let mut heard = false;
        for said in std::mem::take(&mut self.said) {
            if let Said::Sound(sound) = said {
                heard = true;
                self.place(sound, now);
            } else {
                out.push(said);
            }
        }
        self.lay.push(now);
        heard
    }

    /// Time has passed: what waited for more to come is given up waiting for.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        let at = self.at(now);
        self.stamped.handle_timeout(at, &mut self.lay.slots);
        self.stream.handle_timeout(at, &mut self.lay.slots);
        self.lay.push(now);
    }

    /// How much came faster than it can have been spoken, in packets, since this was last asked.
    pub(crate) fn take_surplus(&mut self) -> u64 {
        self.stamped.take_surplus() + self.stream.take_surplus()
    }

    /// When [`Inward::handle_timeout`] or [`Inward::poll_packets`] has something to do.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let due = self.stamped.due().map(|at| self.moment(at));
        self.lay.pace.due().into_iter().chain(due).min()
    }

    fn place(&mut self, sound: Sound, now: Instant) {
        let (at, slots) = (self.at(now), &mut self.lay.slots);
        let Sound {
            format,
            party,
            ticks,
            bytes,
        } = sound;
        let Some(ticks) = ticks else {
            return self.stream.push(&Block { format, bytes, at }, slots);
        };
        let codec = format.codec;
        let of = |party, bytes| Piece {
            party,
            codec,
            ticks,
            bytes,
        };
        match format.channels {
            1 => self.stamped.push(of(party, bytes), at, slots),
            _ => {
                for (n, party) in [Party::Customer, Party::Agent].into_iter().enumerate() {
                    let bytes = format.channel(&bytes, n);
                    self.stamped.push(of(party, bytes), at, slots);
                }
            }
        }
    }

    /// The moment of a time, rounded up.
    fn moment(&self, at: MediaTime) -> Instant {
        let nanos = u128::from(at.samples()) * 1_000_000_000 / u128::from(MediaTime::RATE_HZ);
        self.origin + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX) + 1)
    }

    /// What it holds.
    pub(crate) fn held_bytes(&self) -> usize {
        let placed = self.stamped.held_bytes() + self.stream.held_bytes();
        self.adapter.held_bytes() + placed + self.lay.pace.held_bytes()
    }
}

impl Source for Inward {
    fn at(&self, moment: Instant) -> MediaTime {
        MediaTime::from_duration(moment.saturating_duration_since(self.origin))
    }
}

impl Paced for Inward {
    fn hurry(&mut self, now: Instant) {
        self.stamped.flush(&mut self.lay.slots);
        self.handle_timeout(now);
        self.lay.pace.hurry();
    }

    fn poll_packets(&mut self, bus: &mut Bus, now: Instant) -> Option<Vec<(usize, Party, Packet)>> {
        self.lay.poll_packets(bus, now)
    }
}

/// The most that so many bytes may say: one thing in three of them, and what is not told of any.
const fn frame_words(bytes: usize) -> usize {
    4 + bytes / 3
}

/// What the fuzz targets run: any frames of a family, any time apart.
pub(crate) fn fuzz(family: Family, bytes: &[u8]) {
    use crate::source::listen::stream::{AHEAD_SAMPLES, SLOT_SAMPLES};
    use sidetone_service::clock;

    let origin = clock::now();
    let (mut source, mut now) = (Inward::new(origin, adapter(family)), origin);
    let (mut rest, mut said) = (bytes, Vec::new());
    while let [kind, length, wait, more @ ..] = rest {
        let length = usize::from(*length) * if kind & 2 == 0 { 4 } else { 1 };
        let (frame, after) = more.split_at(length.min(more.len()));
        rest = after;
        now += Duration::from_millis(u64::from(*wait) * if kind & 4 == 0 { 1 } else { 20 });
        let text = String::from_utf8_lossy(frame);
        let frame = match kind & 1 {
            0 => Frame::Text(&text),
            _ => Frame::Binary(frame),
        };
        said.clear();
        source.handle_frame(frame, now, &mut said);
        assert!(
            said.len() <= frame_words(length),
            "{} things in one frame",
            said.len()
        );
        if kind & 8 != 0 {
            source.handle_opened(adapter(family), now);
        }
        if kind & 16 != 0 {
            source.handle_timeout(now);
        }
        let most = source.at(now) + AHEAD_SAMPLES + 2 * SLOT_SAMPLES;
        while let Some(slot) = source.lay.pace.pop(now) {
            assert!(slot.at <= most, "{} is not yet", slot.at);
            assert!(slot.channels.iter().all(|one| !one.payload.is_empty()));
        }
        assert!(source.held_bytes() <= MOST_BYTES, "{}", source.held_bytes());
    }
}

#[cfg(test)]
mod tests;
