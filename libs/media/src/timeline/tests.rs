use proptest::prelude::*;

use super::*;

const FRAME: u32 = 960;

fn ms(ms: u64) -> MediaTime {
    MediaTime::from_samples(ms * 48)
}

fn opus() -> Timeline {
    Timeline::new(ClockRate::OPUS)
}

#[test]
fn the_first_packet_starts_when_it_arrives() {
    assert_eq!(opus().place(1, 77, 5, ms(1_234)), ms(1_234));
}

#[test]
fn packets_lie_as_their_timestamps_say_whatever_the_jitter() {
    let mut timeline = opus();
    let jitter_ms = [0, 13, 4, 38, 1, 0, 25];
    for (n, jitter_ms) in jitter_ms.into_iter().enumerate() {
        let n = n as u64;
        let at = timeline.place(1, 5_000 + n as u32 * FRAME, n, ms(100 + n * 20 + jitter_ms));
        assert_eq!(at, ms(100 + n * 20));
    }
}

#[test]
fn timestamps_wrap_without_a_seam() {
    let mut timeline = opus();
    let first = u32::MAX - 3 * FRAME;
    for n in 0..10u64 {
        let rtp_time = first.wrapping_add(n as u32 * FRAME);
        assert_eq!(
            timeline.place(1, rtp_time, 65_530 + n, ms(n * 20)),
            ms(n * 20)
        );
    }
}

#[test]
fn an_8_khz_clock_is_placed_on_the_same_time() {
    let mut timeline = Timeline::new(ClockRate::G711);
    assert_eq!(timeline.place(1, 0, 0, ms(40)), ms(40));
    assert_eq!(timeline.place(1, 160, 1, ms(65)), ms(60));
}

#[test]
fn silence_that_was_not_sent_is_kept() {
    let mut timeline = opus();
    timeline.place(1, 0, 0, ms(0));
    timeline.place(1, FRAME, 1, ms(20));
    assert_eq!(timeline.place(1, 48 * 7_000, 2, ms(7_004)), ms(7_000));
    // longer than the reset's limit, but the sender's clock and ours agree
    assert_eq!(timeline.place(1, 48 * 60_000, 3, ms(60_003)), ms(60_000));
}

#[test]
fn a_late_packet_goes_where_it_belongs() {
    let mut timeline = opus();
    timeline.place(1, 0, 10, ms(0));
    timeline.place(1, 2 * FRAME, 12, ms(40));
    assert_eq!(timeline.place(1, FRAME, 11, ms(45)), ms(20));
}

#[test]
fn another_ssrc_begins_at_its_arrival_and_not_before_the_old_one_has_ended() {
    let mut timeline = opus();
    timeline.place(1, 0, 0, ms(0));
    timeline.place(1, FRAME, 1, ms(20));
    assert_eq!(timeline.place(2, 9_000_000, 500, ms(5_000)), ms(5_000));
    assert_eq!(
        timeline.place(2, 9_000_000 + FRAME, 501, ms(5_020)),
        ms(5_020)
    );
    // at once after: the last frame still sounds for 20 ms
    assert_eq!(timeline.place(3, 1, 0, ms(5_022)), ms(5_040));
    // a straggler of the stream before
    assert_eq!(
        timeline.place(2, 9_000_000 + 2 * FRAME, 502, ms(5_023)),
        ms(5_040)
    );
    assert_eq!(timeline.place(3, 1 + FRAME, 1, ms(5_045)), ms(5_060));
}

#[test]
fn a_jump_of_2_to_the_31_does_not_make_hours_of_silence() {
    let mut timeline = opus();
    timeline.place(1, 0, 0, ms(0));
    timeline.place(1, FRAME, 1, ms(20));
    let at = timeline.place(1, FRAME.wrapping_add(1 << 31), 2, ms(40));
    assert_eq!(at, ms(40));
    assert_eq!(
        timeline.place(1, (2 * FRAME).wrapping_add(1 << 31), 3, ms(60)),
        ms(60)
    );
}

#[test]
fn a_clock_that_stood_still_while_muted_is_moved_within_seconds() {
    let mut timeline = opus();
    for n in 0..50u64 {
        timeline.place(1, n as u32 * FRAME, n, ms(n * 20));
    }
    // muted for 8 s; the timestamps go on as if it had been no time
    let mut at = MediaTime::ZERO;
    for n in 50..200u64 {
        at = timeline.place(1, n as u32 * FRAME, n, ms(8_000 + n * 20));
    }
    assert_eq!(at, ms(8_000 + 199 * 20));
}

#[test]
fn a_stalled_network_moves_nothing() {
    let mut timeline = opus();
    for n in 0..400u64 {
        // 5 s stuck at packet 100, then all at once
        let arrival_ms = if (100..350).contains(&n) {
            7_000 + n / 10
        } else {
            n * 20
        };
        let arrival_ms = if n >= 350 {
            arrival_ms.max(7_035)
        } else {
            arrival_ms
        };
        assert_eq!(
            timeline.place(1, n as u32 * FRAME, n, ms(arrival_ms)),
            ms(n * 20)
        );
    }
}

#[test]
fn a_first_packet_that_was_delayed_is_made_good_in_the_next_pause() {
    let mut timeline = opus();
    timeline.place(1, 0, 0, ms(60)); // 60 ms late
    let mut at = MediaTime::ZERO;
    for n in 1..100u64 {
        at = timeline.place(1, n as u32 * FRAME, n, ms(n * 20));
        assert_eq!(at, ms(60 + n * 20), "never within speech");
    }
    for spurt in 1..=3u64 {
        let n = 99 + spurt;
        let start_ms = 2_000 + spurt * 1_000;
        at = timeline.place(1, start_ms as u32 * 48, n, ms(start_ms));
        assert_eq!(at, ms(start_ms + 60 - 20 * spurt));
    }
    assert_eq!(at, ms(5_000));
}

#[test]
fn the_marker_is_a_pause_too() {
    let mut timeline = opus();
    timeline.place(1, 0, 0, ms(15));
    for n in 1..20u64 {
        assert_eq!(
            timeline.place(1, n as u32 * FRAME, n, ms(n * 20)),
            ms(n * 20 + 15)
        );
    }
    timeline.quiet();
    assert_eq!(timeline.place(1, 20 * FRAME, 20, ms(400)), ms(400));
}

/// An hour of a talk spurt and a pause in turn, `ppm` fast: the worst misplacement after 30 s.
fn worst_error_of_an_hour_ms(ppm: f64, jitter_ms: impl Fn(u64) -> f64) -> f64 {
    let mut timeline = opus();
    let mut worst: f64 = 0.0;
    let mut seq = 0;
    for n in 0..180_000u64 {
        if n % 250 > 200 {
            continue; // the pause: nothing is sent
        }
        let spoken_ms = n as f64 * 20.0 / (1.0 + ppm / 1e6);
        let arrival = MediaTime::from_samples(((spoken_ms + jitter_ms(n)) * 48.0) as u64);
        let at = timeline.place(1, n as u32 * FRAME, seq, arrival);
        seq += 1;
        if n > 1_500 {
            worst = worst.max((at.samples() as f64 / 48.0 - spoken_ms).abs());
        }
    }
    worst
}

#[test]
fn drift_of_an_hour_is_held_within_20_ms() {
    for ppm in [-300.0, -200.0, 0.0, 200.0, 300.0] {
        // jitter of up to 40 ms from a small deterministic hash
        let worst = worst_error_of_an_hour_ms(ppm, |n| (n * 2_654_435_761 % 4_096) as f64 / 102.4);
        assert!(worst <= 20.0, "{worst} ms at {ppm} ppm");
    }
}

#[test]
fn drift_of_an_hour_of_speech_without_a_pause_is_held_within_10_ms() {
    for ppm in [-300.0, -200.0, 20.0, 200.0, 300.0] {
        let mut timeline = opus();
        let (mut worst, mut moved) = (0.0f64, 0);
        let mut before: Option<MediaTime> = None;
        for n in 0..180_000u64 {
            let spoken_ms = n as f64 * 20.0 / (1.0 + ppm / 1e6);
            let jitter_ms = (n * 2_654_435_761 % 4_096) as f64 / 102.4;
            let arrival = MediaTime::from_samples(((spoken_ms + jitter_ms) * 48.0) as u64);
            let at = timeline.place(1, n as u32 * FRAME, n, arrival);
            worst = worst.max((at.samples() as f64 / 48.0 - spoken_ms).abs());
            let step = before.map_or(960, |before| at.since(before));
            moved += u32::from(step != 960);
            assert!(step.abs_diff(960) <= 480, "{step} samples at packet {n}");
            before = Some(at);
        }
        assert!(worst <= 10.0, "{worst} ms at {ppm} ppm");
        assert!(moved <= 360, "{moved} corrections at {ppm} ppm");
    }
}

type AnyPacket = (u32, u32, u64, u64, bool);

fn any_packet() -> impl Strategy<Value = AnyPacket> {
    let rtp_time = prop_oneof![any::<u32>(), 0u32..100_000];
    (
        0u32..3,
        rtp_time,
        0u64..70_000,
        0u64..60_000_000,
        any::<bool>(),
    )
}

proptest! {
    #[test]
    fn nothing_is_placed_far_ahead_of_its_arrival(
        packets in prop::collection::vec(any_packet(), 1..200)
    ) {
        let mut timeline = opus();
        let mut now = MediaTime::ZERO;
        for (ssrc, rtp_time, seq, arrival, quiet) in packets {
            let arrival = MediaTime::from_samples(arrival);
            now = now.max(arrival);
            if quiet {
                timeline.quiet();
            }
            prop_assert!(timeline.place(ssrc, rtp_time, seq, arrival) <= now + AHEAD_SAMPLES);
        }
    }

    #[test]
    fn a_newer_packet_never_starts_before_an_older_one(
        packets in prop::collection::vec(any_packet(), 1..200)
    ) {
        let mut timeline = opus();
        let mut newest: Option<(u64, MediaTime)> = None;
        for (_, rtp_time, seq, arrival, quiet) in packets {
            if quiet {
                timeline.quiet();
            }
            let at = timeline.place(1, rtp_time, seq, MediaTime::from_samples(arrival));
            if newest.is_none_or(|(newest, _)| seq > newest) {
                prop_assert!(newest.is_none_or(|(_, start)| at >= start));
                newest = Some((seq, at));
            }
        }
    }

    #[test]
    fn distances_are_those_of_the_timestamps_but_for_small_corrections(
        first in any::<u32>(),
        drift_ppm in -500i64..500,
        delays_ms in prop::collection::vec(0u64..300, 2_000),
        losses in prop::collection::vec(0u8..20, 2_000),
    ) {
        let mut timeline = opus();
        let mut last: Option<(u64, MediaTime)> = None;
        let mut arrival = 0;
        for (n, (delay_ms, loss)) in delays_ms.into_iter().zip(losses).enumerate() {
            let n = n as u64;
            if loss == 0 && n > 0 {
                continue;
            }
            let spoken = n as i64 * 960 * (1_000_000 + drift_ppm) / 1_000_000;
            arrival = arrival.max(spoken as u64 + delay_ms * 48);
            let rtp_time = first.wrapping_add(n as u32 * FRAME);
            let at = timeline.place(7, rtp_time, n, MediaTime::from_samples(arrival));
            if let Some((m, before)) = last {
                let error = at.samples() as i64 - before.samples() as i64 - (n - m) as i64 * 960;
                prop_assert!(error.abs() <= CORRECTION_SAMPLES, "{error} at {n}");
            }
            last = Some((n, at));
        }
    }

    #[test]
    fn a_late_packet_goes_where_it_would_have_gone_in_time(
        late in 1u64..200, by in 1u64..10, first in any::<u32>()
    ) {
        let place_all = |order: &[u64]| {
            let mut timeline = opus();
            order
                .iter()
                .map(|&n| (n, timeline.place(3, first.wrapping_add(n as u32 * FRAME), n, ms(n * 20))))
                .collect::<std::collections::BTreeMap<_, _>>()
        };
        let in_time: Vec<u64> = (0..220).collect();
        let mut reordered = in_time.clone();
        let moved = reordered.remove(late as usize);
        reordered.insert((late + by) as usize, moved);
        prop_assert_eq!(place_all(&in_time), place_all(&reordered));
    }
}

#[test]
fn a_timestamp_that_was_set_by_its_arrival_stays_where_it_arrived() {
    let mut timeline = opus();
    // the first packet is late, and all others show it
    for n in 0..50_u64 {
        let arrival = ms((n * 20).max(60));
        timeline.place(1, n as u32 * FRAME, n, arrival);
    }
    let lost_at = 1_060 * 48;
    timeline.forget_delays();
    for n in 0..600_u64 {
        let at = timeline.place(1, lost_at + n as u32 * FRAME, 50 + n, ms(1_120 + n * 20));
        assert_eq!(at, ms(1_120 + n * 20));
    }
}
