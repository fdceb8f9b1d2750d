//! Sound with timestamps, of one or two parties, cut to packets that have their place on the call's
//! time.
//!
//! The timestamps are the truth: what comes in another order is put into its own, what is missing
//! is a silence as long as that, and parties lie to each other as their timestamps do, to the
//! sample, because both are cut at the same moments. [`Timeline`] follows the drift of the sender's
//! clock. What is not there yet is waited for a little, and only while there is more behind it.

use std::collections::BTreeMap;

use sidetone_media::{ClockRate, Codec, MediaTime, Timeline};
use sidetone_wire::Party;

use crate::source::listen::Format;
use crate::source::listen::stream::{AHEAD_SAMPLES, Channel, SLOT_SAMPLES, Slot};

/// What is missing before sound that is there is waited for so long: as far as chunks were seen to
/// overtake each other.
const WAIT_SAMPLES: u64 = 120 * MS;
/// A party of which nothing came for so long while the other went on is not waited for.
const SILENT_FOR_MS: i64 = 200;
/// Timestamps are rounded: sound that begins so near to where other sound ends follows on it.
const ROUNDED_MS: i64 = 5;
/// Sound that is older than this is of a clock that began anew.
const ANEW_MS: i64 = 5_000;
/// What may wait, 8 s of G.711 or 1 s of the widest format: more is let go as it is.
const HELD_BYTES: usize = 128 * 1024;
/// Pieces that may wait of a party.
const PIECES: usize = 256;
/// Shorter pieces than this are joined with what they follow on.
const SHORT_BYTES: usize = 64;

const MS: u64 = 48;

/// Sound of one party, as it came.
#[derive(Debug)]
pub(in crate::source) struct Piece {
    pub(in crate::source) party: Party,
    pub(in crate::source) codec: Codec,
    /// When its first sample was spoken, in samples of the sender's clock.
    pub(in crate::source) ticks: i64,
    pub(in crate::source) bytes: Vec<u8>,
}

/// See the module.
#[derive(Debug)]
pub(in crate::source) struct Stamped {
    format: Option<Format>,
    timeline: Timeline,
    ssrc: u32,
    seq: u64,
    parties: [Waiting; 2],
    /// Where the next slot begins, on the sender's clock.
    head: Option<i64>,
    /// A slot was given since the clock began.
    given: bool,
    /// Where the last slot ends.
    end: MediaTime,
    surplus: u64,
}

/// What waits of a party.
#[derive(Debug)]
struct Waiting {
    party: Party,
    /// By their first sample; none reaches into another.
    pieces: BTreeMap<i64, Held>,
    bytes: usize,
    /// Where the newest sound ends, and what was given last.
    newest: Option<i64>,
    given: Option<i64>,
}

#[derive(Debug)]
struct Held {
    bytes: Vec<u8>,
    /// When it arrived.
    at: MediaTime,
}

impl Stamped {
    pub(in crate::source) fn new(ssrc: u32) -> Self {
        Self {
            format: None,
            timeline: Timeline::new(ClockRate::G711),
            ssrc,
            seq: 0,
            parties: [Party::Customer, Party::Agent].map(Waiting::new),
            head: None,
            given: false,
            end: MediaTime::ZERO,
            surplus: 0,
        }
    }

    /// What comes next follows on nothing: it is placed where it arrives.
    pub(in crate::source) fn restart(&mut self, out: &mut Vec<Slot>) {
        self.flush(out);
        self.head = None;
        self.given = false;
        self.ssrc = self.ssrc.wrapping_add(1);
        self.seq = 0;
        self.parties = [Party::Customer, Party::Agent].map(Waiting::new);
    }

    /// Takes sound that arrived at `now`; slots that are complete go to `out`.
    pub(in crate::source) fn push(&mut self, piece: Piece, now: MediaTime, out: &mut Vec<Slot>) {
        let format = Format::mono(piece.codec);
        if self.format != Some(format) {
            self.restart(out);
            self.format = Some(format);
            self.timeline = Timeline::new(piece.codec.clock_rate());
        }
        let (width, rate) = (format.frame_bytes(), rate_ms(format));
        let Piece {
            party,
            ticks,
            mut bytes,
            ..
        } = piece;
        bytes.truncate(bytes.len() / width * width);
        if bytes.is_empty() || bytes.len() > HELD_BYTES {
            self.surplus += u64::from(!bytes.is_empty());
            return;
        }
        if self.held_bytes() + bytes.len() > HELD_BYTES || self.any_full() {
            self.flush(out);
        }
        let samples = (bytes.len() / width) as i64;
        match self.head {
            None => self.head = Some(ticks),
            Some(head) if ticks >= head || (ticks + samples > head && self.given) => {}
            Some(head) if !self.given && head - ticks < ANEW_MS * rate => self.head = Some(ticks),
            Some(head) if head - ticks < ANEW_MS * rate => return, // its place is past
            Some(_) => {
                self.restart(out);
                self.head = Some(ticks);
            }
        }
        if let Some(waiting) = self.of(party) {
            waiting.insert(ticks, bytes, width, ROUNDED_MS * rate, now);
        }
        self.release(now, out);
    }

    /// Time has passed.
    pub(in crate::source) fn handle_timeout(&mut self, now: MediaTime, out: &mut Vec<Slot>) {
        self.release(now, out);
    }

    /// When what is missing is waited for no more.
    pub(in crate::source) fn due(&self) -> Option<MediaTime> {
        self.oldest().map(|at| at + WAIT_SAMPLES)
    }

    /// Gives all that waits.
    pub(in crate::source) fn flush(&mut self, out: &mut Vec<Slot>) {
        if let Some(oldest) = self.newest_arrival() {
            self.release(oldest + WAIT_SAMPLES, out);
        }
    }

    pub(in crate::source) fn take_surplus(&mut self) -> u64 {
        std::mem::take(&mut self.surplus)
    }

    pub(in crate::source) fn held_bytes(&self) -> usize {
        self.parties.iter().map(|one| one.bytes).sum()
    }

    fn any_full(&self) -> bool {
        self.parties.iter().any(|one| one.pieces.len() >= PIECES)
    }

    fn of(&mut self, party: Party) -> Option<&mut Waiting> {
        self.parties.iter_mut().find(|one| one.party == party)
    }

    /// When the oldest of what waits arrived.
    fn oldest(&self) -> Option<MediaTime> {
        let pieces = self.parties.iter().flat_map(|one| one.pieces.values());
        pieces.map(|held| held.at).min()
    }

    fn newest_arrival(&self) -> Option<MediaTime> {
        let pieces = self.parties.iter().flat_map(|one| one.pieces.values());
        pieces.map(|held| held.at).max()
    }

    fn release(&mut self, now: MediaTime, out: &mut Vec<Slot>) {
        let Some(format) = self.format else { return };
        let slot = format.slot_samples() as i64;
        while let (Some(head), Some(oldest)) = (self.head, self.oldest()) {
            let waited = now >= oldest + WAIT_SAMPLES;
            // whatever is to be the first may have been overtaken
            let ready = waited || (self.given && self.is_complete(head, format));
            if !ready {
                return;
            }
            let first = self.parties.iter().filter_map(Waiting::first).min();
            let missing = first.map_or(0, |first| (first - head) / slot);
            if missing > 0 {
                // nothing at all is there: a gap, which no packet stands for
                self.head = Some(head + missing * slot);
                continue;
            }
            self.cut(head, format, out);
            self.head = Some(head + slot);
            self.given = true;
        }
    }

    /// Whether everybody who may have something to say in a slot is there.
    fn is_complete(&self, head: i64, format: Format) -> bool {
        let (slot, width) = (format.slot_samples() as i64, format.frame_bytes());
        let newest = self.parties.iter().filter_map(|one| one.newest).max();
        let silent_for = SILENT_FOR_MS * rate_ms(format);
        let speaks = |one: &&Waiting| {
            let until = one.newest.zip(newest);
            until.is_some_and(|(own, newest)| newest - own < silent_for)
        };
        let mut speaking = self.parties.iter().filter(speaks).peekable();
        speaking.peek().is_some() && speaking.all(|one| one.covers(head, head + slot, width))
    }

    fn cut(&mut self, head: i64, format: Format, out: &mut Vec<Slot>) {
        let (slot, width) = (format.slot_samples(), format.frame_bytes());
        // what came first may have waited somewhere: it lies where the least delayed says
        let mut arrival = if self.given {
            None
        } else {
            self.parties
                .iter()
                .filter_map(|one| one.least_delayed(head, format))
                .min()
        };
        let mut channels = Vec::new();
        for waiting in &mut self.parties {
            let party = waiting.party;
            let Some((bytes, at)) = waiting.take(head, slot, format) else {
                continue;
            };
            debug_assert_eq!(bytes.len(), slot * width);
            arrival = Some(arrival.map_or(at, |first: MediaTime| first.min(at)));
            channels.push(Channel::new(party, format, bytes));
        }
        let Some(arrival) = arrival else { return };
        if self.end > arrival + AHEAD_SAMPLES {
            self.surplus += 1;
            return;
        }
        if channels.iter().all(Channel::is_quiet) {
            self.timeline.quiet();
        }
        // the clock of a timeline wraps, as that of RTP
        let at = self
            .timeline
            .place(self.ssrc, head as u32, self.seq, arrival);
        self.seq += 1;
        self.end = self.end.max(at + SLOT_SAMPLES);
        out.push(Slot {
            at,
            ssrc: self.ssrc,
            seq: self.seq,
            marker: !self.given,
            codec: format.codec,
            channels,
        });
    }
}

/// Samples in a millisecond.
const fn rate_ms(format: Format) -> i64 {
    format.slot_samples() as i64 / 20
}

impl Waiting {
    const fn new(party: Party) -> Self {
        Self {
            party,
            pieces: BTreeMap::new(),
            bytes: 0,
            newest: None,
            given: None,
        }
    }

    fn first(&self) -> Option<i64> {
        self.pieces.first_key_value().map(|(ticks, _)| *ticks)
    }

    /// When a slot could have been there, had it been as late as what was the least late.
    fn least_delayed(&self, head: i64, format: Format) -> Option<MediaTime> {
        let (width, rate) = (format.frame_bytes(), format.codec.clock_rate());
        let end = head + format.slot_samples() as i64;
        let of = |(ticks, held): (&i64, &Held)| {
            let until = ticks + (held.bytes.len() / width) as i64;
            held.at - rate.to_samples_48k(until - end).max(0) as u64
        };
        self.pieces.iter().map(of).min()
    }

    /// Takes what is not there yet of some sound.
    fn insert(
        &mut self,
        ticks: i64,
        mut bytes: Vec<u8>,
        width: usize,
        rounded: i64,
        at: MediaTime,
    ) {
        let end_of = |ticks: i64, held: &Held| ticks + (held.bytes.len() / width) as i64;
        let before = self.pieces.range(..=ticks + rounded).next_back();
        let before = before.map(|(ticks, held)| end_of(*ticks, held));
        let follows = |end: &i64| (end - ticks).abs() <= rounded;
        let near = before.filter(follows).or(self.given.filter(follows));
        let mut ticks = near.unwrap_or(ticks);
        let before = self.pieces.range(..=ticks).next_back();
        let reaches = before.map_or(i64::MIN, |(ticks, held)| end_of(*ticks, held));
        if reaches > ticks {
            let known = (reaches - ticks) as usize * width;
            bytes.drain(..known.min(bytes.len()));
            ticks = reaches;
        }
        let next = self.pieces.range(ticks..).next().map(|(next, _)| *next);
        if let Some(next) = next {
            bytes.truncate((next - ticks) as usize * width);
        }
        if bytes.is_empty() {
            return;
        }
        self.bytes += bytes.len();
        let end = ticks + (bytes.len() / width) as i64;
        self.newest = Some(self.newest.map_or(end, |newest| newest.max(end)));
        if reaches == ticks
            && let Some((_, last)) = self.pieces.range_mut(..ticks).next_back()
            && last.bytes.len() < SHORT_BYTES
        {
            last.bytes.extend_from_slice(&bytes);
        } else {
            self.pieces.insert(ticks, Held { bytes, at });
        }
    }

    /// Whether all samples of a stretch are there.
    fn covers(&self, from: i64, to: i64, width: usize) -> bool {
        let mut reached = from;
        for (ticks, held) in &self.pieces {
            if *ticks > reached {
                return false;
            }
            reached = reached.max(ticks + (held.bytes.len() / width) as i64);
            if reached >= to {
                return true;
            }
        }
        false
    }

    /// What is there of a slot, silence where nothing is, and when it could have been there at the
    /// latest; `None` when nothing is there. What is before it is gone.
    fn take(&mut self, head: i64, slot: usize, format: Format) -> Option<(Vec<u8>, MediaTime)> {
        let width = format.frame_bytes();
        let end = head + slot as i64;
        let mut sound: Option<(Vec<u8>, MediaTime)> = None;
        while let Some(entry) = self.pieces.first_entry() {
            let ticks = *entry.key();
            if ticks >= end {
                break;
            }
            let held = entry.remove();
            self.bytes -= held.bytes.len();
            let until = ticks + (held.bytes.len() / width) as i64;
            if until > head {
                let later = (until - end).max(0);
                let sooner = format.codec.clock_rate().to_samples_48k(later) as u64;
                let at = held.at - sooner;
                let (bytes, first) = sound.get_or_insert_with(|| (format.silence(slot), at));
                *first = at.min(*first);
                let (from, to) = (ticks.max(head), until.min(end));
                let index = |at: i64, start: i64| (at - start) as usize * width;
                bytes[index(from, head)..index(to, head)]
                    .copy_from_slice(&held.bytes[index(from, ticks)..index(to, ticks)]);
                self.given = Some(to);
            }
            if until > end {
                let rest = held.bytes[(end - ticks) as usize * width..].to_vec();
                self.bytes += rest.len();
                let at = held.at;
                self.pieces.insert(end, Held { bytes: rest, at });
                break;
            }
        }
        sound
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(party: Party, ms: i64, bytes: &[u8]) -> Piece {
        Piece {
            party,
            codec: Codec::Pcmu,
            ticks: ms * 8,
            bytes: bytes.to_vec(),
        }
    }

    fn at(ms: u64) -> MediaTime {
        MediaTime::from_samples(ms * MS)
    }

    /// Loud sound, each chunk of its own.
    fn chunk(n: i64) -> Vec<u8> {
        vec![(n % 64) as u8; 160]
    }

    /// Plays chunks of a party with these numbers, one each 20 ms of arrival.
    fn play(numbers: &[i64]) -> Vec<Slot> {
        let (mut stamped, mut out) = (Stamped::new(1), Vec::new());
        for (n, number) in numbers.iter().enumerate() {
            let now = at(1_000 + n as u64 * 20);
            let piece = piece(Party::Customer, number * 20, &chunk(*number));
            stamped.push(piece, now, &mut out);
        }
        stamped.flush(&mut out);
        assert_eq!(stamped.held_bytes(), 0);
        out
    }

    fn said(slots: &[Slot]) -> Vec<u8> {
        slots
            .iter()
            .map(|slot| slot.channels[0].payload[0])
            .collect()
    }

    #[test]
    fn chunks_that_overtake_each_other_are_in_their_order_and_none_is_lost_or_twice() {
        let numbers: Vec<i64> = (0..60)
            .flat_map(|n| [3 * n + 1, 3 * n + 2, 3 * n, 3 * n])
            .collect();
        let slots = play(&numbers);
        assert_eq!(slots.len(), 180);
        let expected: Vec<u8> = (0..180).map(|n| (n % 64) as u8).collect();
        assert_eq!(said(&slots), expected);
        assert!(slots.windows(2).all(|pair| pair[0].seq + 1 == pair[1].seq));
    }

    #[test]
    fn what_is_missing_is_a_gap_as_long_as_that() {
        let numbers: Vec<i64> = (0..50).chain(125..175).collect();
        // the time passes meanwhile, too
        let (mut stamped, mut out) = (Stamped::new(1), Vec::new());
        for number in numbers {
            let now = at(1_000 + number as u64 * 20);
            stamped.push(
                piece(Party::Customer, number * 20, &chunk(number)),
                now,
                &mut out,
            );
        }
        stamped.flush(&mut out);
        assert_eq!(out.len(), 100);
        let began = out[0].at.ms();
        assert_eq!(out[49].at.ms() - began, 49 * 20);
        assert_eq!(out[50].at.ms() - began, 125 * 20);
        assert_eq!(out[99].at.ms() - began, 174 * 20);
    }

    #[test]
    fn parties_lie_to_each_other_as_their_timestamps_do() {
        let (mut stamped, mut out) = (Stamped::new(1), Vec::new());
        for n in 0..50 {
            let now = at(1_000 + n as u64 * 20);
            stamped.push(piece(Party::Customer, n * 20 + 5, &chunk(1)), now, &mut out);
            // 7 ms after the other's, and missing for a while
            if !(10..20).contains(&n) {
                stamped.push(piece(Party::Agent, n * 20 + 12, &chunk(2)), now, &mut out);
            }
        }
        stamped.flush(&mut out);
        let of = |slot: &Slot, party| {
            let found = slot.channels.iter().find(|one| one.party == party);
            found.map(|one| one.payload.to_vec())
        };
        let first = of(&out[0], Party::Agent).unwrap();
        let silent = first.iter().take_while(|byte| **byte == 0xff).count();
        assert_eq!(silent, 7 * 8);
        assert!(first[silent..].iter().all(|byte| *byte == 2));
        assert!(
            of(&out[1], Party::Agent)
                .unwrap()
                .iter()
                .all(|byte| *byte == 2)
        );
        assert_eq!(of(&out[15], Party::Agent), None);
        for slot in &out[..50] {
            assert_eq!(of(slot, Party::Customer), Some(chunk(1)));
        }
        let at: Vec<u64> = out.iter().map(|slot| slot.at.samples()).collect();
        assert!(at.windows(2).all(|pair| pair[1] - pair[0] == SLOT_SAMPLES));
    }

    #[test]
    fn what_is_not_waited_for_leaves_at_once_and_what_is_missing_is_waited_for_a_little() {
        let (mut stamped, mut out) = (Stamped::new(1), Vec::new());
        for n in (0..10).chain([11]) {
            let now = at(1_000 + n as u64 * 20);
            stamped.push(piece(Party::Customer, n * 20, &chunk(n)), now, &mut out);
        }
        assert!(said(&out).into_iter().eq(0..10));
        let due = stamped.due().unwrap();
        assert_eq!(due, at(1_220) + WAIT_SAMPLES);
        stamped.handle_timeout(due - 1, &mut out);
        assert_eq!(out.len(), 10);
        stamped.handle_timeout(due, &mut out);
        assert!(said(&out).into_iter().eq((0..10).chain([11])));
        assert_eq!(stamped.due(), None);
        // what comes after its place is past is not heard anywhere else
        stamped.push(piece(Party::Customer, 200, &chunk(10)), due, &mut out);
        assert_eq!((out.len(), stamped.held_bytes()), (11, 0));
    }

    #[test]
    fn rounded_timestamps_neither_overlap_nor_leave_a_hole() {
        let (mut stamped, mut out) = (Stamped::new(1), Vec::new());
        for n in 0..100_i64 {
            let off = [0, 3, -2, 1][n as usize % 4];
            let now = at(1_000 + n as u64 * 20);
            stamped.push(
                piece(Party::Customer, n * 20 + off, &chunk(1)),
                now,
                &mut out,
            );
        }
        stamped.flush(&mut out);
        assert_eq!(out.len(), 100);
        assert!(out.iter().all(|slot| *slot.channels[0].payload == chunk(1)));
    }

    #[test]
    fn big_chunks_are_spoken_before_they_arrive() {
        let (mut stamped, mut out) = (Stamped::new(1), Vec::new());
        for n in 0..20_i64 {
            let now = at(1_100 + n as u64 * 100);
            stamped.push(piece(Party::Customer, n * 100, &[7; 800]), now, &mut out);
        }
        assert_eq!(out.len(), 100);
        for (n, slot) in out.iter().enumerate() {
            assert_eq!(slot.at.ms(), 1_020 + n as u64 * 20);
        }
    }

    #[test]
    fn a_stream_lies_where_it_was_spoken_also_if_its_beginning_had_to_wait() {
        let (mut stamped, mut out) = (Stamped::new(1), Vec::new());
        for n in 0..50_i64 {
            // what was spoken in the first 60 ms comes at once, when somebody is there
            let now = at((1_000 + n as u64 * 20).max(1_060));
            stamped.push(piece(Party::Customer, n * 20, &chunk(1)), now, &mut out);
        }
        assert_eq!(out.len(), 50);
        for (n, slot) in out.iter().enumerate() {
            assert_eq!(slot.at.ms(), 1_000 + n as u64 * 20);
        }
    }

    #[test]
    fn a_clock_that_drifts_is_followed_to_20_ms_over_an_hour() {
        for ppm in [200.0, -200.0] {
            let (mut stamped, mut out) = (Stamped::new(1), Vec::new());
            let mut last = MediaTime::ZERO;
            for n in 0..180_000_i64 {
                last =
                    MediaTime::from_samples(48_000 + (n as f64 * 960.0 * (1.0 + ppm / 1e6)) as u64);
                stamped.push(piece(Party::Customer, n * 20, &chunk(1)), last, &mut out);
                if n < 179_999 {
                    out.clear();
                }
            }
            stamped.flush(&mut out);
            let off = out[out.len() - 1].at.ms().abs_diff(last.ms());
            assert!(off <= 20, "{ppm} ppm: {off} ms");
        }
    }

    #[test]
    fn timestamps_that_run_away_fill_no_future_and_a_clock_that_begins_anew_is_heard() {
        let (mut stamped, mut out) = (Stamped::new(1), Vec::new());
        for n in 0..5_000_i64 {
            let now = at(1_000 + n as u64 / 5);
            stamped.push(piece(Party::Customer, n * 20, &chunk(1)), now, &mut out);
        }
        assert!(
            out.iter()
                .all(|slot| slot.at <= at(2_000) + AHEAD_SAMPLES + SLOT_SAMPLES)
        );
        assert!(stamped.take_surplus() > 4_000);
        out.clear();
        for n in 0..10_i64 {
            let now = at(9_000 + n as u64 * 20);
            stamped.push(piece(Party::Customer, n * 20, &chunk(1)), now, &mut out);
        }
        assert_eq!(out.len(), 10);
        assert!(out[0].at >= at(9_000) && out[0].marker);
    }

    #[test]
    fn ten_thousand_frames_of_a_byte_cost_what_they_may() {
        let (mut stamped, mut out) = (Stamped::new(1), Vec::new());
        for n in 0..10_000_i64 {
            let now = at(1_000 + n as u64 / 1_000);
            stamped.push(piece(Party::Agent, n * 777 % 60_000, &[1]), now, &mut out);
            assert!(stamped.held_bytes() <= HELD_BYTES);
            assert!(stamped.parties.iter().all(|one| one.pieces.len() <= PIECES));
        }
        stamped.push(
            piece(Party::Agent, 0, &vec![1; 1 << 20]),
            at(2_000),
            &mut out,
        );
        assert!(stamped.take_surplus() > 0);
    }
}
