//! Records: what a take's buffer and spool batches are made of.
//!
//! Within a batch a packet costs 6 or 7 bytes beyond its payload: times and sequence numbers are
//! differences to the last packet of the same lane (a track's RTP stream), as LEB128 numbers.
//! Each batch stands alone: lanes begin anew.

use sidetone_media::{MediaTime, Packet, TrackId};
use sidetone_wire::{GapReason, Party};

/// Lanes that a batch can tell apart; a further one takes the place of the oldest. A call has two
/// to four.
const MAX_LANES: usize = 16;
/// Largest payload kept: an Opus packet of a call is at most some 1,500 bytes (one datagram).
pub(crate) const MAX_PAYLOAD_BYTES: usize = 4_096;
/// Most bytes that a record takes beyond its payload or text.
pub(crate) const MAX_OVERHEAD_BYTES: usize = 48;
/// Longest name kept, in bytes.
pub(crate) const MAX_NAME_BYTES: usize = 256;

const PACKET: u8 = 1;
const FIRST_OF_LANE: u8 = 2;
const NAME: u8 = 3;
const GAP: u8 = 4;
const END: u8 = 5;
const PAUSE: u8 = 6;
const RESUME: u8 = 7;

/// One record, read back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Record<'a> {
    Packet {
        party: Party,
        lane: Lane,
        payload: &'a [u8],
    },
    Name {
        party: Party,
        name: &'a str,
    },
    Gap {
        from: MediaTime,
        to: MediaTime,
        reason: GapReason,
    },
    End {
        at: MediaTime,
    },
    /// Nothing from `at` on is kept. Behind another one without a [`Record::Resume`] between them:
    /// the pause begins at the earlier of both, and is the later one's.
    Pause {
        at: MediaTime,
        by: &'a str,
    },
    /// What comes from `at` on is kept again.
    Resume {
        at: MediaTime,
    },
}

/// A track's RTP stream and the place of its latest packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lane {
    pub(crate) track: TrackId,
    pub(crate) ssrc: u32,
    pub(crate) seq: u64,
    pub(crate) at: MediaTime,
}

/// Writes records of one batch.
#[derive(Debug, Default)]
pub(crate) struct Encoder {
    lanes: Vec<(Party, Lane)>,
    oldest: usize,
}

impl Encoder {
    /// Begins a new batch.
    pub(crate) fn restart(&mut self) {
        self.lanes.clear();
        self.oldest = 0;
    }

    pub(crate) fn packet(&mut self, party: Party, packet: &Packet, out: &mut Vec<u8>) {
        let lane = Lane {
            track: packet.track,
            ssrc: packet.ssrc,
            seq: packet.seq,
            at: packet.at,
        };
        let known = self.lanes.iter().position(|(p, known)| {
            *p == party && known.track == lane.track && known.ssrc == lane.ssrc
        });
        if let Some(index) = known {
            let last = self.lanes[index].1;
            out.extend_from_slice(&[PACKET, index as u8]);
            write_signed(lane.seq.wrapping_sub(last.seq) as i64, out);
            write_signed(
                lane.at.samples().wrapping_sub(last.at.samples()) as i64,
                out,
            );
            self.lanes[index].1 = lane;
        } else {
            let index = self.open_lane(party, lane);
            out.extend_from_slice(&[FIRST_OF_LANE, index as u8, party_code(party)]);
            write_number(u64::from(lane.track.0), out);
            out.extend_from_slice(&lane.ssrc.to_le_bytes());
            write_number(lane.seq, out);
            write_number(lane.at.samples(), out);
        }
        write_bytes(&packet.payload, out);
    }

    fn open_lane(&mut self, party: Party, lane: Lane) -> usize {
        if self.lanes.len() < MAX_LANES {
            self.lanes.push((party, lane));
            return self.lanes.len() - 1;
        }
        let index = self.oldest;
        self.oldest = (index + 1) % MAX_LANES;
        self.lanes[index] = (party, lane);
        index
    }
}

pub(crate) fn write_name(party: Party, name: &str, out: &mut Vec<u8>) {
    let cut = name.floor_char_boundary(MAX_NAME_BYTES);
    out.extend_from_slice(&[NAME, party_code(party)]);
    write_bytes(&name.as_bytes()[..cut], out);
}

pub(crate) fn write_gap(from: MediaTime, to: MediaTime, reason: GapReason, out: &mut Vec<u8>) {
    let reason = match reason {
        GapReason::Disconnected => 0,
        GapReason::Degraded => 1,
        GapReason::Loss => 2,
    };
    out.extend_from_slice(&[GAP, reason]);
    write_number(from.samples(), out);
    write_number(to.samples(), out);
}

pub(crate) fn write_end(at: MediaTime, out: &mut Vec<u8>) {
    out.push(END);
    write_number(at.samples(), out);
}

pub(crate) fn write_pause(at: MediaTime, by: &str, out: &mut Vec<u8>) {
    let cut = by.floor_char_boundary(MAX_NAME_BYTES);
    out.push(PAUSE);
    write_number(at.samples(), out);
    write_bytes(&by.as_bytes()[..cut], out);
}

pub(crate) fn write_resume(at: MediaTime, out: &mut Vec<u8>) {
    out.push(RESUME);
    write_number(at.samples(), out);
}

/// Reads the records of one batch; ends at the first that is malformed, which
/// [`Records::is_whole`] tells.
#[derive(Debug)]
pub(crate) struct Records<'a> {
    rest: &'a [u8],
    lanes: [Option<(Party, Lane)>; MAX_LANES],
    malformed: bool,
}

impl<'a> Records<'a> {
    pub(crate) fn new(batch: &'a [u8]) -> Self {
        Self {
            rest: batch,
            lanes: [None; MAX_LANES],
            malformed: false,
        }
    }

    /// Whether everything read so far was well formed.
    pub(crate) fn is_whole(&self) -> bool {
        !self.malformed
    }

    fn read(&mut self) -> Option<Record<'a>> {
        match self.byte()? {
            PACKET => {
                let index = usize::from(self.byte()?);
                let (party, mut lane) = (*self.lanes.get(index)?)?;
                lane.seq = lane.seq.wrapping_add(self.signed()? as u64);
                let at = lane.at.samples().wrapping_add(self.signed()? as u64);
                lane.at = MediaTime::from_samples(at);
                self.packet(index, party, lane)
            }
            FIRST_OF_LANE => {
                let index = usize::from(self.byte()?);
                let party = party_of(self.byte()?)?;
                let track = TrackId(u32::try_from(self.number()?).ok()?);
                let (ssrc, rest) = self.rest.split_first_chunk::<4>()?;
                let ssrc = u32::from_le_bytes(*ssrc);
                self.rest = rest;
                let seq = self.number()?;
                let at = MediaTime::from_samples(self.number()?);
                self.packet(
                    index,
                    party,
                    Lane {
                        track,
                        ssrc,
                        seq,
                        at,
                    },
                )
            }
            NAME => {
                let party = party_of(self.byte()?)?;
                let name = std::str::from_utf8(self.bytes()?).ok()?;
                Some(Record::Name { party, name })
            }
            GAP => {
                let reason = match self.byte()? {
                    0 => GapReason::Disconnected,
                    1 => GapReason::Degraded,
                    2 => GapReason::Loss,
                    _ => return None,
                };
                let from = MediaTime::from_samples(self.number()?);
                let to = MediaTime::from_samples(self.number()?);
                Some(Record::Gap { from, to, reason })
            }
            END => Some(Record::End {
                at: MediaTime::from_samples(self.number()?),
            }),
            PAUSE => {
                let at = MediaTime::from_samples(self.number()?);
                let by = std::str::from_utf8(self.bytes()?).ok()?;
                Some(Record::Pause { at, by })
            }
            RESUME => Some(Record::Resume {
                at: MediaTime::from_samples(self.number()?),
            }),
            _ => None,
        }
    }

    fn packet(&mut self, index: usize, party: Party, lane: Lane) -> Option<Record<'a>> {
        *self.lanes.get_mut(index)? = Some((party, lane));
        Some(Record::Packet {
            party,
            lane,
            payload: self.bytes()?,
        })
    }

    fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(byte)
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn signed(&mut self) -> Option<i64> {
        let number = self.number()?;
        Some((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        let (bytes, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(bytes)
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        if self.rest.is_empty() || self.malformed {
            return None;
        }
        let record = self.read();
        self.malformed = record.is_none();
        record
    }
}

const fn party_code(party: Party) -> u8 {
    match party {
        Party::Customer => 0,
        Party::Agent => 1,
        Party::Supervisor => 2,
    }
}

const fn party_of(code: u8) -> Option<Party> {
    match code {
        0 => Some(Party::Customer),
        1 => Some(Party::Agent),
        2 => Some(Party::Supervisor),
        _ => None,
    }
}

/// Writes an unsigned LEB128 number.
fn write_number(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Writes a number near zero, positive or negative, in few bytes (zigzag).
fn write_signed(number: i64, out: &mut Vec<u8>) {
    write_number((number << 1 ^ number >> 63) as u64, out);
}

fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    write_number(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use sidetone_media::Codec;

    use super::*;

    fn packet(track: u32, ssrc: u32, seq: u64, at: u64, payload: &[u8]) -> Packet {
        Packet {
            track: TrackId(track),
            ssrc,
            seq,
            at: MediaTime::from_samples(at),
            codec: Codec::Opus,
            marker: false,
            level_dbov: None,
            payload: Arc::from(payload),
            arrived: sidetone_service::clock::now(),
        }
    }

    #[test]
    fn a_packet_costs_at_most_seven_bytes_beyond_its_payload() {
        let (mut encoder, mut out) = (Encoder::default(), Vec::new());
        encoder.packet(
            Party::Agent,
            &packet(1, 7, 90_000, 48_000_000, &[5; 80]),
            &mut out,
        );
        let first = out.len();
        for n in 1..=10 {
            let packet = packet(1, 7, 90_000 + n, 48_000_000 + n * 960, &[5; 80]);
            encoder.packet(Party::Agent, &packet, &mut out);
        }
        assert!(
            (out.len() - first) / 10 - 80 <= 7,
            "{}",
            (out.len() - first) / 10 - 80
        );
    }

    #[test]
    fn names_gaps_pauses_and_the_end_come_back() {
        let mut out = Vec::new();
        let (from, to) = (MediaTime::from_samples(3), MediaTime::from_samples(960_000));
        write_name(Party::Customer, "Zoë", &mut out);
        write_name(Party::Agent, &"é".repeat(300), &mut out);
        write_gap(from, to, GapReason::Disconnected, &mut out);
        write_pause(from, "rule:dtmf", &mut out);
        write_resume(to, &mut out);
        write_end(to, &mut out);
        let records: Vec<_> = Records::new(&out).collect();
        assert_eq!(
            records[0],
            Record::Name {
                party: Party::Customer,
                name: "Zoë"
            }
        );
        assert!(matches!(records[1], Record::Name { name, .. } if name.len() == MAX_NAME_BYTES));
        assert_eq!(
            records[2],
            Record::Gap {
                from,
                to,
                reason: GapReason::Disconnected
            }
        );
        let by = "rule:dtmf";
        assert_eq!(records[3], Record::Pause { at: from, by });
        assert_eq!(records[4], Record::Resume { at: to });
        assert_eq!(records[5], Record::End { at: to });
    }

    proptest! {
        #[test]
        fn packets_of_many_lanes_come_back(
            packets in prop::collection::vec(
                (0u32..6, 0u32..6, any::<u64>(), any::<u64>(), prop::collection::vec(any::<u8>(), 0..50)),
                0..100,
            )
        ) {
            let (mut encoder, mut out) = (Encoder::default(), Vec::new());
            for (track, ssrc, seq, at, payload) in &packets {
                let before = out.len();
                let packet = packet(*track, *ssrc, *seq, *at, payload);
                encoder.packet(Party::Customer, &packet, &mut out);
                prop_assert!(out.len() - before - payload.len() <= MAX_OVERHEAD_BYTES);
            }
            let mut records = Records::new(&out);
            for (track, ssrc, seq, at, payload) in &packets {
                let lane = Lane {
                    track: TrackId(*track),
                    ssrc: *ssrc,
                    seq: *seq,
                    at: MediaTime::from_samples(*at),
                };
                let expected = Record::Packet { party: Party::Customer, lane, payload };
                prop_assert_eq!(records.next(), Some(expected));
            }
            prop_assert_eq!(records.next(), None);
            prop_assert!(records.is_whole());
        }

        #[test]
        fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(Records::new(&bytes).count() <= bytes.len());
        }
    }
}
