use proptest::prelude::*;

use super::*;

#[test]
fn every_configuration_has_the_frame_size_of_table_2() {
    let expected = [
        480, 960, 1_920, 2_880, 480, 960, 1_920, 2_880, 480, 960, 1_920, 2_880, // SILK
        480, 960, 480, 960, // hybrid
        120, 240, 480, 960, 120, 240, 480, 960, 120, 240, 480, 960, 120, 240, 480,
        960, // CELT
    ];
    for (config, samples) in expected.into_iter().enumerate() {
        let toc = Toc((config as u8) << 3);
        assert_eq!(toc.frame_samples(), samples, "configuration {config}");
        assert_eq!(toc.config(), config as u8);
    }
    assert_eq!(Toc(0x58).mode(), Mode::Silk);
    assert_eq!(Toc(0x60).mode(), Mode::Hybrid);
    assert_eq!(Toc(0x80).mode(), Mode::Celt);
}

#[test]
fn the_four_packings_are_taken_apart() {
    let one = parse(&[0xf8, 1, 2, 3]).unwrap();
    assert_eq!(one.as_slice(), [[1, 2, 3]]);
    let pair = parse(&[0xf9, 1, 2, 3, 4]).unwrap();
    assert_eq!(pair.as_slice(), [[1, 2], [3, 4]]);
    let uneven = parse(&[0xfa, 1, 9, 2, 3]).unwrap();
    assert_eq!(uneven.as_slice(), [&[9][..], &[2, 3]]);
    let padded = parse(&[0xfb, 0x43, 2, 1, 2, 3, 0, 0]).unwrap();
    assert_eq!(padded.as_slice(), [[1], [2], [3]]);
    let vbr = parse(&[0xfb, 0x83, 1, 0, 1, 2, 3]).unwrap();
    assert_eq!(vbr.as_slice(), [&[1][..], &[], &[2, 3]]);
    assert_eq!(vbr.duration_samples(), 2_880);
}

#[test]
fn long_lengths_and_long_padding_are_read() {
    let mut packet = vec![0xfa, 252, 1]; // 252 + 4
    packet.extend_from_slice(&[7; 300]);
    let frames = parse(&packet).unwrap();
    assert_eq!(frames.as_slice()[0].len(), 256);
    assert_eq!(frames.as_slice()[1].len(), 44);
    let mut packet = vec![0xfb, 0x41, 255, 3, 1, 2];
    packet.extend_from_slice(&[0; 257]);
    assert_eq!(parse(&packet).unwrap().as_slice(), [[1, 2]]);
}

#[test]
fn each_requirement_of_section_3_4_is_checked() {
    let too_large = [&[0xf8][..], &[0; 1_276]].concat();
    let cases: [(&[u8], OpusError); 10] = [
        (&[], OpusError::Empty),
        (&too_large, OpusError::FrameTooLarge(1_276)),
        (&[0xf9, 1], OpusError::OddPair(1)),
        (&[0xfa], OpusError::Truncated),
        (&[0xfa, 5, 1, 2], OpusError::Truncated),
        (&[0xfb], OpusError::Truncated),
        (
            &[0xfb, 0],
            OpusError::Duration {
                frames: 0,
                frame_samples: 960,
            },
        ),
        (
            &[0xfb, 7],
            OpusError::Duration {
                frames: 7,
                frame_samples: 960,
            },
        ),
        (&[0xfb, 0x41, 9, 1], OpusError::Truncated),
        (
            &[0xfb, 2, 1, 2, 3],
            OpusError::Uneven {
                bytes: 3,
                frames: 2,
            },
        ),
    ];
    for (packet, error) in cases {
        assert_eq!(parse(packet).unwrap_err(), error, "{packet:?}");
    }
    assert_eq!(
        parse(&[0xfb, 0x82, 9, 1]).unwrap_err(),
        OpusError::Truncated
    );
}

#[test]
fn a_silk_packet_is_padded_for_the_player_that_reads_too_far() {
    let mut out = Vec::new();
    write_self_delimited(&[0x48, 1, 2, 3], &mut out).unwrap();
    assert_eq!(out, [0x4b, 0x41, 2, 3, 1, 2, 3, 0, 0]);
    out.clear();
    write_self_delimited(&[0x78, 1, 2, 3], &mut out).unwrap();
    assert_eq!(out, [0x78, 3, 1, 2, 3]);
}

#[test]
fn short_packets_are_silence_that_was_not_sent() {
    assert!(is_dtx(&[0x48]));
    assert!(is_dtx(&[0x48, 0]));
    assert!(is_dtx(&[0xfb, 3]));
    assert!(!is_dtx(&SILENCE_20_MS));
    assert!(!is_dtx(&[0xff, 0xff, 0xff]));
}

/// Packets of 20 ms as the regrouper gives them.
fn regroup(packets: &[(u64, Vec<u8>)]) -> Vec<(u64, Vec<u8>)> {
    let mut regrouper = Regrouper::default();
    let mut out = Vec::new();
    let mut emit = |at: crate::MediaTime, p: &[u8]| out.push((at.samples(), p.to_vec()));
    for (at, packet) in packets {
        let at = crate::MediaTime::from_samples(*at);
        regrouper.push(at, packet, &mut emit).unwrap();
    }
    regrouper.flush(&mut emit);
    out
}

#[test]
fn sixty_milliseconds_of_celt_become_three_packets() {
    let out = regroup(&[(4_800, vec![0xfb, 0x83, 1, 2, 9, 8, 8, 7, 7, 7])]);
    let expected = [
        (4_800, vec![0xf8, 9]),
        (5_760, vec![0xf8, 8, 8]),
        (6_720, vec![0xf8, 7, 7, 7]),
    ];
    assert_eq!(out, expected);
}

#[test]
fn two_packets_of_ten_milliseconds_become_one() {
    let out = regroup(&[
        (0, vec![0x40, 1, 1]),
        (480, vec![0x40, 2, 2]),
        (960, vec![0x40, 3]),
    ]);
    // the third has no neighbour, and SILK has no silent frame to fill up with
    assert_eq!(out, [(0, vec![0x41, 1, 1, 2, 2])]);
    let out = regroup(&[
        (0, vec![0xf0, 1, 1]),
        (960, vec![0xf0, 2, 2]),
        (1_440, vec![0xf0, 3, 3]),
    ]);
    assert_eq!(
        out,
        [
            (0, vec![0xf1, 1, 1, 0xff, 0xfe]),
            (960, vec![0xf1, 2, 2, 3, 3])
        ]
    );
}

#[test]
fn sixty_milliseconds_of_silk_cannot_be_divided() {
    let mut regrouper = Regrouper::default();
    let at = crate::MediaTime::ZERO;
    let outcome = regrouper.push(at, &[0x58, 1, 2], &mut |_, _| panic!("nothing to emit"));
    assert_eq!(outcome, Ok(Regrouped::Indivisible));
}

fn kind_and_frames(max_bytes: usize) -> impl Strategy<Value = (u8, Vec<Vec<u8>>)> {
    let frame = prop::collection::vec(any::<u8>(), 0..max_bytes);
    (
        any::<u8>(),
        prop::collection::vec(frame, 1..49),
        any::<bool>(),
    )
        .prop_map(|(toc, mut frames, same)| {
            let kind = toc & 0xfc;
            frames.truncate((MAX_PACKET_SAMPLES / Toc(kind).frame_samples()) as usize);
            if same {
                let first = frames[0].clone();
                frames.fill(first);
            }
            (kind, frames)
        })
}

proptest! {
    #[test]
    fn frames_survive_packing_and_self_delimiting((kind, frames) in kind_and_frames(400)) {
        let frames: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
        let mut packet = Vec::new();
        prop_assert!(write_frames(kind, &frames, &mut packet));
        let parsed = parse(&packet).unwrap();
        prop_assert_eq!(parsed.toc().kind(), kind);
        prop_assert_eq!(parsed.as_slice(), &frames);
        prop_assert_eq!(duration_samples(&packet), Ok(parsed.duration_samples()));

        let mut delimited = Vec::new();
        write_self_delimited(&packet, &mut delimited).unwrap();
        let length = delimited.len();
        delimited.extend_from_slice(b"the next stream");
        let (parsed, consumed) = parse_self_delimited(&delimited).unwrap();
        prop_assert_eq!(consumed, length);
        prop_assert_eq!(parsed.as_slice(), &frames);
    }

    #[test]
    fn no_bytes_make_the_parsers_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(frames) = parse(&bytes) {
            prop_assert!(frames.duration_samples() <= MAX_PACKET_SAMPLES);
            prop_assert!(frames.as_slice().iter().all(|f| f.len() <= MAX_FRAME_BYTES));
            prop_assert_eq!(duration_samples(&bytes), Ok(frames.duration_samples()));
        }
        if let Ok((_, consumed)) = parse_self_delimited(&bytes) {
            prop_assert!(consumed <= bytes.len());
        }
    }

    #[test]
    fn regrouping_gives_packets_of_20_ms_in_order(
        packets in prop::collection::vec((0u64..20_000, kind_and_frames(8)), 0..20)
    ) {
        let mut at = 0;
        let mut input = Vec::new();
        for (gap, (kind, frames)) in &packets {
            let frames: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
            let mut packet = Vec::new();
            write_frames(*kind, &frames, &mut packet);
            let samples = u64::from(duration_samples(&packet).unwrap());
            input.push((at, packet));
            at += samples + if *gap > 10_000 { *gap } else { 0 };
        }
        let out = regroup(&input);
        prop_assert!(out.windows(2).all(|w| w[0].0 + 960 <= w[1].0));
        for (_, packet) in &out {
            prop_assert_eq!(duration_samples(packet), Ok(960));
            prop_assert!(parse(packet).is_ok());
        }
    }
}
