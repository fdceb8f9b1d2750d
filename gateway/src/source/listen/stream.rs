//! Sound without timestamps, cut to packets of 20 ms that have their place on the call's time.
//!
//! The count of samples is the sender's clock, and [`Timeline`] follows its drift. Two things a
//! count cannot say: whether a stretch without sound is late or lost (whoever is late makes up for
//! it at once; who is not has lost it, and the clock goes on by as much), and that more comes than
//! can have been spoken (it is dropped).
//!
//! **Invariant**: all channels of a stream have the same place, to the sample.

use std::sync::Arc;

use sidetone_codec::level;
use sidetone_media::level::{SILENT_DBOV, to_dbov};
use sidetone_media::{ClockRate, Codec, MediaTime, Timeline};
use sidetone_wire::Party;

use super::Block;
use super::format::Format;

/// What one packet lasts.
pub(in crate::source) const SLOT_SAMPLES: u64 = 960;
/// Nothing for so long is a stall.
const STALL_SAMPLES: u64 = 300 * MS;
/// What comes in so long after a stall says whether it was late or lost.
const JUDGED_SAMPLES: u64 = 200 * MS;
/// Sound that would be heard so much later than it came was not spoken yet: it is dropped.
pub(in crate::source) const AHEAD_SAMPLES: u64 = 800 * MS;
/// What is held after a stall, at most: 1.5 s of the fastest format.
const HELD_BYTES: usize = 192 * 1024;
/// Quieter than this, a correction is not heard.
const QUIET_DBOV: u8 = 60;
/// Whose the channels of a stream are. A stream with one channel has everybody on it: it is the
/// customer's track.
const PARTIES: [Party; 2] = [Party::Customer, Party::Agent];

const MS: u64 = 48;

/// 20 ms of every channel.
#[derive(Debug, Clone)]
pub(in crate::source) struct Slot {
    pub(in crate::source) at: MediaTime,
    pub(in crate::source) ssrc: u32,
    pub(in crate::source) seq: u64,
    pub(in crate::source) marker: bool,
    pub(in crate::source) codec: Codec,
    pub(in crate::source) channels: Vec<Channel>,
}

/// 20 ms of one party.
#[derive(Debug, Clone)]
pub(in crate::source) struct Channel {
    pub(in crate::source) party: Party,
    pub(in crate::source) payload: Arc<[u8]>,
    pub(in crate::source) level_dbov: u8,
}

impl Channel {
    /// What a party says in one format of one channel.
    pub(in crate::source) fn new(party: Party, format: Format, payload: Vec<u8>) -> Self {
        let level_dbov = to_dbov(level(&format.samples(&payload)));
        Self {
            party,
            payload: payload.into(),
            level_dbov: level_dbov.min(SILENT_DBOV),
        }
    }

    /// A correction of the clock is not heard here.
    pub(in crate::source) const fn is_quiet(&self) -> bool {
        self.level_dbov >= QUIET_DBOV
    }
}

/// See the module.
#[derive(Debug)]
pub(in crate::source) struct Stream {
    format: Option<Format>,
    timeline: Timeline,
    ssrc: u32,
    seq: u64,
    /// Samples before the next slot, of the sender's clock.
    ticks: u64,
    /// Less than a slot.
    rest: Vec<u8>,
    /// Where the last slot ends.
    end: MediaTime,
    /// When something came last.
    last: MediaTime,
    /// A new stream of packets begins.
    fresh: bool,
    /// Where its first packet lies, if that is known better than by its arrival.
    begins: Option<MediaTime>,
    hold: Option<Hold>,
    /// Nobody else knows what the first packets are worth: they may have waited somewhere.
    patient: bool,
    surplus: u64,
}

/// What came after a stall, or first.
#[derive(Debug)]
struct Hold {
    /// How long nothing had come.
    stall: u64,
    began: MediaTime,
    /// Where the first packet of it lies: where the least delayed of what came since says.
    begins: MediaTime,
    bytes: Vec<u8>,
}

impl Hold {
    fn new(stall: u64, at: MediaTime) -> Self {
        Self {
            stall,
            began: at,
            begins: at,
            bytes: Vec::new(),
        }
    }
}

impl Stream {
    pub(in crate::source) fn new(ssrc: u32) -> Self {
        Self {
            format: None,
            timeline: Timeline::new(ClockRate::OPUS),
            ssrc,
            seq: 0,
            ticks: 0,
            rest: Vec::new(),
            end: MediaTime::ZERO,
            last: MediaTime::ZERO,
            fresh: true,
            begins: None,
            hold: None,
            patient: false,
            surplus: 0,
        }
    }

    /// One of whose first packets nobody knows whether they came at once: it waits for some more to
    /// know where they lie.
    pub(in crate::source) fn patient(ssrc: u32) -> Self {
        Self {
            patient: true,
            ..Self::new(ssrc)
        }
    }

    /// What comes next follows on nothing: it is placed where it arrives.
    pub(in crate::source) fn restart(&mut self) {
        self.format = None;
    }

    /// Looks at what is about to be pushed. If a stream begins with it, its first packet lies where
    /// the least delayed of all says.
    pub(in crate::source) fn expect(&mut self, blocks: &[Block]) {
        let Some(format) = blocks.first().map(|block| block.format) else {
            return;
        };
        if self.format == Some(format) {
            return;
        }
        let mut bytes = 0;
        let of_it = blocks.iter().take_while(|block| block.format == format);
        let begins = of_it.map(|block| {
            bytes += block.bytes.len();
            block.at - before_last_slot(format, bytes)
        });
        self.begins = begins.min();
    }

    /// Takes sound; packets that are complete go to `out`.
    pub(in crate::source) fn push(&mut self, block: &Block, out: &mut Vec<Slot>) {
        let Block { format, bytes, at } = block;
        if self.format != Some(*format) {
            self.begin(*format, *at);
        }
        let stall = at.since(self.last);
        self.last = self.last.max(*at);
        if stall > STALL_SAMPLES && self.hold.is_none() {
            self.hold = Some(Hold::new(stall, *at));
        }
        let Some(hold) = &mut self.hold else {
            return self.cut(*format, bytes, *at, out);
        };
        if hold.bytes.len() + bytes.len() <= HELD_BYTES {
            hold.bytes.extend_from_slice(bytes);
            let sooner = before_last_slot(*format, hold.bytes.len());
            hold.begins = hold.begins.min(*at - sooner);
        } else {
            self.surplus += 1;
        }
        self.judge(*at, out);
    }

    /// Time has passed.
    pub(in crate::source) fn handle_timeout(&mut self, now: MediaTime, out: &mut Vec<Slot>) {
        self.judge(now, out);
    }

    pub(in crate::source) fn take_surplus(&mut self) -> u64 {
        std::mem::take(&mut self.surplus)
    }

    pub(in crate::source) fn held_bytes(&self) -> usize {
        self.rest.len() + self.hold.as_ref().map_or(0, |hold| hold.bytes.len())
    }

    fn begin(&mut self, format: Format, at: MediaTime) {
        self.timeline = Timeline::new(format.codec.clock_rate());
        self.format = Some(format);
        self.ssrc = self.ssrc.wrapping_add(1);
        (self.seq, self.ticks) = (0, 0);
        self.rest.clear();
        self.hold = self.patient.then(|| Hold::new(0, at));
        self.last = at;
        self.fresh = true;
    }

    /// Whether what came after a stall is what was missing, or only what was spoken since.
    fn judge(&mut self, now: MediaTime, out: &mut Vec<Slot>) {
        let judged = |hold: &Hold| now.since(hold.began) >= JUDGED_SAMPLES;
        let (Some(format), true) = (self.format, self.hold.as_ref().is_some_and(judged)) else {
            return;
        };
        let Some(hold) = self.hold.take() else { return };
        let samples = |bytes: usize| (bytes / format.slot_bytes()) as u64 * SLOT_SAMPLES;
        let since = now.since(hold.began);
        let made_up_for = samples(hold.bytes.len()) >= since + hold.stall / 2;
        if self.seq == 0 {
            self.begins = Some(hold.begins);
        } else if !made_up_for {
            self.timeline.forget_delays();
            self.rest.clear();
            let missing = hold.begins.since(self.end);
            let rate = format.codec.clock_rate();
            self.ticks += rate.from_samples_48k(missing as i64) as u64;
        }
        self.cut(format, &hold.bytes, now, out);
    }

    fn cut(&mut self, format: Format, bytes: &[u8], at: MediaTime, out: &mut Vec<Slot>) {
        let mut all = std::mem::take(&mut self.rest);
        all.extend_from_slice(bytes);
        let slots = all.chunks_exact(format.slot_bytes());
        self.rest = slots.remainder().to_vec();
        let count = slots.len() as u64;
        for (n, bytes) in slots.enumerate() {
            if self.end > at + AHEAD_SAMPLES {
                self.surplus += 1;
                continue;
            }
            // of several at once, all but the last could have come sooner
            let sooner = (count - 1 - n as u64) * SLOT_SAMPLES;
            let arrival = self.begins.take().unwrap_or(at - sooner);
            out.push(self.slot(format, bytes, arrival.min(at - sooner)));
        }
    }

    fn slot(&mut self, format: Format, bytes: &[u8], arrival: MediaTime) -> Slot {
        let parties = PARTIES.into_iter().take(format.channels).enumerate();
        let channels: Vec<Channel> = parties
            .map(|(n, party)| Channel::new(party, format, format.channel(bytes, n)))
            .collect();
        if channels.iter().all(Channel::is_quiet) {
            self.timeline.quiet();
        }
        // the clock of a timeline wraps, as that of RTP
        let at = self
            .timeline
            .place(self.ssrc, self.ticks as u32, self.seq, arrival);
        self.ticks += format.slot_samples() as u64;
        self.seq += 1;
        self.end = self.end.max(at + SLOT_SAMPLES);
        Slot {
            at,
            ssrc: self.ssrc,
            seq: self.seq,
            marker: std::mem::take(&mut self.fresh),
            codec: format.codec,
            channels,
        }
    }
}

/// How long sound is but for its last packet, in samples at 48 kHz: packets lie where they arrive,
/// the first of several as much sooner.
const fn before_last_slot(format: Format, bytes: usize) -> u64 {
    let samples = (bytes / format.frame_bytes()) as i64;
    let lasts = format.codec.clock_rate().to_samples_48k(samples) as u64;
    lasts.saturating_sub(SLOT_SAMPLES)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: usize = 1_280;

    fn wide() -> Format {
        Format::linear16(16_000, 2).unwrap()
    }

    fn block(bytes: usize, at_us: u64) -> Block {
        Block {
            format: wide(),
            // loud, so that nothing passes for a pause
            bytes: [0x00, 0x20].repeat(bytes / 2),
            at: MediaTime::from_samples(at_us * MS / 1_000),
        }
    }

    #[test]
    fn what_came_in_a_burst_at_first_and_what_follows_on_a_loss_lie_where_they_were_spoken() {
        let mut stream = Stream::patient(1);
        let mut out = Vec::new();
        // 100 frames, of which the first four waited somewhere; 50 are lost; 400 more
        let frames = (0..100).chain(150..550_u64);
        for n in frames.clone() {
            let at_ms = ((n + 1) * 20).max(80);
            stream.push(&block(FRAME, at_ms * 1_000), &mut out);
        }
        let at: Vec<u64> = out.iter().map(|slot| slot.at.samples() / MS).collect();
        let spoken: Vec<u64> = frames.map(|n| (n + 1) * 20).collect();
        assert_eq!(at, spoken);
    }

    /// Plays `frames` of 20 ms from `from_ms` on, each after 20 ms times `pace`.
    fn play(stream: &mut Stream, from_ms: u64, frames: u64, pace: f64) -> Vec<Slot> {
        let mut out = Vec::new();
        for n in 0..frames {
            let at_us = from_ms * 1_000 + (n as f64 * 20_000.0 * pace) as u64;
            stream.push(&block(FRAME, at_us), &mut out);
        }
        out
    }

    fn begins(slots: &[Slot]) -> Vec<u64> {
        slots.iter().map(|slot| slot.at.ms()).collect()
    }

    #[test]
    fn a_steady_stream_lies_where_it_arrives_and_channels_lie_together() {
        let mut stream = Stream::new(1);
        let slots = play(&mut stream, 500, 100, 1.0);
        assert_eq!(slots.len(), 100);
        for (n, slot) in slots.iter().enumerate() {
            assert!(
                slot.at.ms().abs_diff(500 + n as u64 * 20) <= 1,
                "{n}: {}",
                slot.at
            );
            assert_eq!((slot.channels.len(), slot.seq), (2, n as u64 + 1));
        }
        assert!(slots[0].marker && !slots[1].marker);
    }

    #[test]
    fn a_clock_that_drifts_is_followed_to_20_ms_over_an_hour() {
        let mut stream = Stream::new(1);
        for ppm in [200.0, -200.0] {
            stream.restart();
            let from = stream.end.ms() + 1_000;
            let slots = play(&mut stream, from, 180_000, 1.0 + ppm / 1e6);
            let arrived = from as f64 + 179_999.0 * 20.0 * (1.0 + ppm / 1e6);
            let off = slots[179_999].at.ms() as f64 - arrived;
            assert!(off.abs() <= 20.0, "{ppm} ppm: {off} ms");
            let steps = slots.windows(2).map(|pair| pair[1].at.since(pair[0].at));
            assert!(steps.clone().min() >= Some(SLOT_SAMPLES - 480));
            assert!(steps.max() <= Some(SLOT_SAMPLES + 480));
        }
    }

    #[test]
    fn what_is_late_is_placed_where_it_was_spoken_and_what_is_lost_is_a_gap() {
        for (burst, second) in [(true, 1_000), (false, 3_000)] {
            let mut stream = Stream::new(1);
            play(&mut stream, 0, 50, 1.0);
            let mut after = Vec::new();
            if burst {
                // two seconds of sound that were under way
                for _ in 0..100 {
                    stream.push(&block(FRAME, 3_000_000), &mut after);
                }
            }
            after.extend(play(&mut stream, 3_000, 50, 1.0));
            let first = after[0].at.ms();
            assert!(first.abs_diff(second) <= 40, "burst {burst}: at {first} ms");
            let last = after[after.len() - 1].at.ms();
            assert!(last.abs_diff(3_980) <= 40, "burst {burst}: at {last} ms");
        }
    }

    #[test]
    fn a_stream_begins_where_the_least_delayed_of_what_was_held_says() {
        let mut stream = Stream::new(1);
        let late_us = |n: u64| 30_000_u64.saturating_sub(n * 15_000);
        let held: Vec<Block> = (0..30)
            .map(|n| block(FRAME, 1_000_000 + n * 20_000 + late_us(n)))
            .collect();
        let mut out = Vec::new();
        stream.expect(&held);
        for block in &held {
            stream.push(block, &mut out);
        }
        let begins = begins(&out);
        assert!(
            (0..30).all(|n| begins[n as usize] == 1_000 + n * 20),
            "{begins:?}"
        );
    }

    #[test]
    fn what_follows_on_a_loss_lies_where_the_least_delayed_of_it_says() {
        let mut stream = Stream::new(1);
        play(&mut stream, 0, 50, 1.0);
        let mut after = Vec::new();
        for n in 0..50_u64 {
            // the first of it comes 30 ms late, the second half as much
            let late_us = 30_000_u64.saturating_sub(n * 15_000);
            stream.push(&block(FRAME, 3_000_000 + n * 20_000 + late_us), &mut after);
        }
        let begins = begins(&after);
        assert!(begins[0].abs_diff(3_000) <= 6, "at {} ms", begins[0]);
        assert!(begins[49].abs_diff(3_980) <= 6, "at {} ms", begins[49]);
    }

    #[test]
    fn big_pieces_are_spoken_before_they_arrive() {
        let mut stream = Stream::new(1);
        let mut out = Vec::new();
        for n in 1..=20 {
            stream.push(&block(FRAME * 10, n * 200_000), &mut out);
        }
        let begins = begins(&out);
        assert_eq!(begins.len(), 200);
        for (n, at) in begins.iter().enumerate() {
            assert!(at.abs_diff(20 + n as u64 * 20) <= 40, "{n} at {at} ms");
        }
    }

    #[test]
    fn a_hundred_times_real_time_is_dropped_but_for_what_may_be_spoken() {
        let mut stream = Stream::new(1);
        let slots = play(&mut stream, 0, 50_000, 0.01);
        assert!(
            (500..=560).contains(&slots.len()),
            "{} slots of 10 s",
            slots.len()
        );
        assert!(stream.take_surplus() > 49_000);
        assert!(stream.held_bytes() < FRAME);
        for (at, slot) in slots.iter().map(|slot| slot.at).zip(&slots[1..]) {
            assert!(slot.at >= at);
        }
    }

    #[test]
    fn what_follows_on_nothing_is_another_stream() {
        let mut stream = Stream::new(1);
        let before = play(&mut stream, 0, 10, 1.0);
        stream.restart();
        let after = play(&mut stream, 5_000, 10, 1.0);
        assert_ne!(before[9].ssrc, after[0].ssrc);
        assert!(after[0].marker);
        assert_eq!(after[0].at.ms(), 5_000);
    }
}
