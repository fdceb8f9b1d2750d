//! Packets of a call that is heard through a socket of its upstream.
//!
//! A vendor's [`Vapi`] adapter makes blocks of sound in one [`Format`] of its frames; everything
//! else is the same for all: blocks are cut to packets and get their place on the call's time
//! ([`Stream`]), and what comes in bursts goes out at the pace of speech ([`Lay`]).
//!
//! **Invariant**: nothing that a socket sends makes a source panic or grow beyond what its parts
//! name (`odd_frames_neither_panic_nor_grow`).

pub(super) mod format;
pub(super) mod lay;
pub(super) mod pace;
pub(super) mod stream;
mod vapi;

use std::time::Instant;

use sidetone_media::{MediaTime, Packet};
use sidetone_service::random;
use sidetone_wire::{Party, Upstream};

use crate::bus::Bus;
use crate::live::{Paced, Source};
pub(crate) use format::Format;
use lay::Lay;
use stream::Stream;
use vapi::Vapi;

/// Sound in one format, as it came.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Block {
    pub(super) format: Format,
    pub(super) bytes: Vec<u8>,
    /// When its last byte arrived.
    pub(super) at: MediaTime,
}

/// The source of one call.
pub(crate) struct Listen {
    /// The call's start: [`MediaTime::ZERO`].
    origin: Instant,
    adapter: Vapi,
    stream: Stream,
    lay: Lay,
    blocks: Vec<Block>,
}

impl Listen {
    pub(crate) fn new(origin: Instant) -> Self {
        Self::with(origin, Vapi::default())
    }

    /// A call at an upstream.
    pub(crate) fn of(upstream: Upstream, origin: Instant) -> Self {
        // the one that Bland documents; others say theirs, or it is found out
        let bland = Format::linear16(16_000, 1).filter(|_| upstream == Upstream::Bland);
        Self::with(origin, Vapi::announced(bland))
    }

    fn with(origin: Instant, adapter: Vapi) -> Self {
        Self {
            origin,
            adapter,
            stream: Stream::new(random::u64() as u32),
            lay: Lay::default(),
            blocks: Vec::new(),
        }
    }

    /// The socket is another one.
    pub(crate) fn handle_opened(&mut self) {
        self.adapter.restart();
        self.stream.restart();
    }

    /// The upstream says something beside the sound.
    pub(crate) fn handle_text(&mut self, text: &str) {
        self.adapter.handle_text(text);
    }

    /// Sound arrived.
    pub(crate) fn handle_binary(&mut self, bytes: &[u8], now: Instant) {
        let at = self.at(now);
        self.adapter.handle_binary(bytes, at, &mut self.blocks);
        self.place(now);
    }

    /// Time has passed: what waited for more to come is given up waiting for.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        let at = self.at(now);
        self.adapter.handle_timeout(at, &mut self.blocks);
        self.place(now);
        self.stream.handle_timeout(at, &mut self.lay.slots);
        self.lay.push(now);
    }

    /// How much came faster than it can have been spoken, in packets, since this was last asked.
    pub(crate) fn take_surplus(&mut self) -> u64 {
        self.stream.take_surplus() + self.adapter.take_surplus()
    }

    /// When [`Listen::poll_packets`] has something to give.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.lay.pace.due()
    }

    fn place(&mut self, now: Instant) {
        self.stream.expect(&self.blocks);
        for block in self.blocks.drain(..) {
            self.stream.push(&block, &mut self.lay.slots);
        }
        self.lay.push(now);
    }
}

impl Source for Listen {
    fn at(&self, moment: Instant) -> MediaTime {
        MediaTime::from_duration(moment.saturating_duration_since(self.origin))
    }
}

impl Paced for Listen {
    fn hurry(&mut self, now: Instant) {
        self.handle_timeout(now);
        self.lay.pace.hurry();
    }

    fn poll_packets(&mut self, bus: &mut Bus, now: Instant) -> Option<Vec<(usize, Party, Packet)>> {
        self.lay.poll_packets(bus, now)
    }
}

/// What the fuzz target runs: any frames, any time apart.
pub(crate) fn fuzz_vapi(bytes: &[u8]) {
    use sidetone_service::clock;
    use std::time::Duration;

    let origin = clock::now();
    let (mut source, mut now) = (Listen::new(origin), origin);
    let mut rest = bytes;
    while let [kind, length, wait, more @ ..] = rest {
        let length = (usize::from(*length) * if kind & 2 == 0 { 1 } else { 64 }).min(more.len());
        let (frame, after) = more.split_at(length);
        rest = after;
        now += Duration::from_millis(u64::from(*wait) * if kind & 4 == 0 { 1 } else { 20 });
        match kind & 1 {
            0 => source.handle_binary(frame, now),
            _ => source.handle_text(&String::from_utf8_lossy(frame)),
        }
        if kind & 8 != 0 {
            source.handle_opened();
        }
        if kind & 16 != 0 {
            source.handle_timeout(now);
        }
        let most = source.at(now) + stream::AHEAD_SAMPLES + 2 * stream::SLOT_SAMPLES;
        while let Some(slot) = source.lay.pace.pop(now) {
            assert!(slot.at <= most, "{} is not yet", slot.at);
            assert!(slot.channels.iter().all(|one| !one.payload.is_empty()));
        }
        assert!(source.held_bytes() <= MOST_BYTES, "{}", source.held_bytes());
    }
}

/// What a source may hold, of the 1 MiB that a call may cost.
pub(crate) const MOST_BYTES: usize = 640 * 1024;

impl Listen {
    /// What it holds.
    pub(crate) fn held_bytes(&self) -> usize {
        self.adapter.held_bytes() + self.stream.held_bytes() + self.lay.pace.held_bytes()
    }
}

#[cfg(test)]
mod tests;
