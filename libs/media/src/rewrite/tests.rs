use std::sync::Arc;
use std::time::Instant;

use proptest::prelude::*;

use super::*;
use crate::Codec;

/// 20 ms of CELT.
const PAYLOAD: [u8; 3] = [0xf8, 0xff, 0xfe];

struct Sender {
    arrived: Instant,
    payload: Arc<[u8]>,
}

impl Sender {
    fn new() -> Self {
        #[expect(clippy::disallowed_methods, reason = "any moment will do")]
        Self {
            arrived: Instant::now(),
            payload: Arc::from(PAYLOAD.as_slice()),
        }
    }

    fn packet(&self, ssrc: u32, seq: u64, at_ms: u64) -> Packet {
        Packet {
            track: TrackId(0),
            ssrc,
            seq,
            at: MediaTime::from_samples(at_ms * 48),
            codec: Codec::Opus,
            marker: false,
            level_dbov: None,
            payload: self.payload.clone(),
            arrived: self.arrived,
        }
    }
}

fn rewriter() -> Rewriter {
    Rewriter::new(65_530, u32::MAX - 1_000, ClockRate::OPUS)
}

#[test]
fn the_first_packet_has_the_first_numbers_and_the_marker() {
    let out = rewriter()
        .rewrite(&Sender::new().packet(7, 41_000, 5_000))
        .unwrap();
    assert_eq!(
        out,
        Outgoing {
            seq: 65_530,
            timestamp: u32::MAX - 1_000,
            marker: true
        }
    );
}

#[test]
fn sequence_and_timestamp_go_on_over_their_wraps() {
    let (mut rewriter, sender) = (rewriter(), Sender::new());
    for n in 0..20 {
        let out = rewriter
            .rewrite(&sender.packet(7, 41_000 + n, n * 20))
            .unwrap();
        assert_eq!(out.seq, 65_530 + n);
        assert_eq!(
            out.timestamp,
            (u32::MAX - 1_000).wrapping_add(n as u32 * 960)
        );
        assert_eq!(out.marker, n == 0);
    }
}

#[test]
fn loss_stays_loss_and_a_late_packet_keeps_its_place() {
    let (mut rewriter, sender) = (rewriter(), Sender::new());
    let first = rewriter.rewrite(&sender.packet(7, 100, 0)).unwrap();
    let third = rewriter.rewrite(&sender.packet(7, 102, 40)).unwrap();
    let second = rewriter.rewrite(&sender.packet(7, 101, 20)).unwrap();
    let sixth = rewriter.rewrite(&sender.packet(7, 105, 100)).unwrap();
    assert_eq!(
        [third.seq, second.seq, sixth.seq].map(|s| s - first.seq),
        [2, 1, 5]
    );
    assert_eq!(second.timestamp.wrapping_sub(first.timestamp), 960);
}

#[test]
fn a_packet_from_before_the_first_is_refused() {
    let (mut rewriter, sender) = (rewriter(), Sender::new());
    rewriter.rewrite(&sender.packet(7, 100, 20)).unwrap();
    assert_eq!(rewriter.rewrite(&sender.packet(7, 99, 0)), None);
}

#[test]
fn a_silence_is_a_gap_in_time_but_not_in_sequence() {
    let (mut rewriter, sender) = (rewriter(), Sender::new());
    let before = rewriter.rewrite(&sender.packet(7, 100, 0)).unwrap();
    let after = rewriter.rewrite(&sender.packet(7, 101, 30_000)).unwrap();
    assert_eq!(after.seq, before.seq + 1);
    assert_eq!(after.timestamp.wrapping_sub(before.timestamp), 30_000 * 48);
}

#[test]
fn another_ssrc_goes_on_where_the_last_one_stopped() {
    let (mut rewriter, sender) = (rewriter(), Sender::new());
    let before = rewriter.rewrite(&sender.packet(7, 100, 1_000)).unwrap();
    // 5 ms of overlap: the new source waits
    let after = rewriter.rewrite(&sender.packet(8, 9, 1_015)).unwrap();
    assert_eq!((after.seq, after.marker), (before.seq + 1, true));
    assert_eq!(after.timestamp.wrapping_sub(before.timestamp), 960);
    let next = rewriter.rewrite(&sender.packet(8, 10, 1_035)).unwrap();
    assert_eq!(next.timestamp.wrapping_sub(after.timestamp), 960);
    // a straggler of the old source has its own place, not a new one
    assert_eq!(
        rewriter
            .rewrite(&sender.packet(7, 100, 1_000))
            .map(|o| o.seq),
        Some(before.seq)
    );
    assert_eq!(rewriter.rewrite(&sender.packet(7, 99, 980)), None);
    assert_eq!(
        rewriter.rewrite(&sender.packet(8, 11, 1_055)).unwrap().seq,
        after.seq + 2
    );
}

#[test]
fn what_a_muted_listener_missed_is_not_loss() {
    let (mut rewriter, sender) = (rewriter(), Sender::new());
    let before = rewriter.rewrite(&sender.packet(7, 100, 0)).unwrap();
    rewriter.resume();
    let after = rewriter.rewrite(&sender.packet(7, 150, 1_000)).unwrap();
    assert_eq!((after.seq, after.marker), (before.seq + 1, true));
    assert_eq!(after.timestamp.wrapping_sub(before.timestamp), 48_000);
}

#[test]
fn a_sender_that_starts_its_sequence_anew_is_followed() {
    let (mut rewriter, sender) = (rewriter(), Sender::new());
    let before = rewriter.rewrite(&sender.packet(7, 70_000, 0)).unwrap();
    let after = rewriter.rewrite(&sender.packet(7, 3, 20)).unwrap();
    assert_eq!(after.seq, before.seq + 1);
}

#[test]
fn timestamps_are_those_of_the_outgoing_clock() {
    let sender = Sender::new();
    let mut rewriter = Rewriter::new(0, 0, ClockRate::G711);
    rewriter.rewrite(&sender.packet(7, 1, 33)).unwrap();
    assert_eq!(
        rewriter
            .rewrite(&sender.packet(7, 2, 53))
            .unwrap()
            .timestamp,
        160
    );
}

proptest! {
    #[test]
    fn sequences_are_unique_and_time_never_runs_back_for_newer_packets(
        steps in prop::collection::vec((0u32..3, 0u64..6, any::<bool>(), 0u8..20), 1..200)
    ) {
        let (mut rewriter, sender) = (rewriter(), Sender::new());
        let mut seqs = [1_000u64; 3];
        let mut given = std::collections::HashMap::new();
        let mut newest: Option<Outgoing> = None;
        for (n, (ssrc, skip, late, resume)) in steps.into_iter().enumerate() {
            if resume == 0 {
                rewriter.resume();
            }
            let seq = &mut seqs[ssrc as usize];
            *seq += if late { 0 } else { 1 + skip };
            let seq = if late { seq.saturating_sub(skip) } else { *seq };
            let packet = sender.packet(ssrc, seq, n as u64 * 20);
            let Some(out) = rewriter.rewrite(&packet) else { continue };
            let owner = *given.entry(out.seq).or_insert((ssrc, seq));
            prop_assert_eq!(owner, (ssrc, seq));
            if let Some(last) = newest.filter(|last| out.seq > last.seq) {
                let ahead = out.timestamp.wrapping_sub(last.timestamp) as i32;
                prop_assert!(ahead >= 0, "{:?} after {:?}", out, last);
            }
            if newest.is_none_or(|last| out.seq > last.seq) {
                newest = Some(out);
            }
        }
    }

    #[test]
    fn within_a_source_distances_stay(order in prop::collection::vec(0u64..50, 1..100)) {
        let (mut rewriter, sender) = (rewriter(), Sender::new());
        let first = rewriter.rewrite(&sender.packet(7, 500, 10_000)).unwrap();
        for step in order {
            let out = rewriter.rewrite(&sender.packet(7, 500 + step, 10_000 + step * 20)).unwrap();
            prop_assert_eq!(out.seq - first.seq, step);
            prop_assert_eq!(u64::from(out.timestamp.wrapping_sub(first.timestamp)), step * 960);
        }
    }
}
