use proptest::prelude::*;

use super::*;

fn file_of(packets: &[Vec<u8>], granule_step: u64) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = Writer::new(
        0x1234,
        &opus_head(2, 48_000),
        &opus_tags("sidetone", &[]),
        &mut out,
    );
    let (last, before) = packets.split_last().unwrap();
    for (n, packet) in before.iter().enumerate() {
        writer.packet(packet, (n as u64 + 1) * granule_step, &mut out);
    }
    writer.end(last, packets.len() as u64 * granule_step, &mut out);
    out
}

#[test]
fn the_head_of_two_parties_is_family_1_with_two_mono_streams() {
    let head = opus_head(2, 48_000);
    assert_eq!(&head[8..10], [1, 2]);
    assert_eq!(u16::from_le_bytes([head[10], head[11]]), 312);
    assert_eq!(&head[16..], [0, 0, 1, 2, 0, 0, 1]);
    assert_eq!(opus_head(1, 8_000)[18..], [0]);
}

#[test]
fn heads_of_mono_streams_are_read_and_others_refused() {
    for channels in 1..=8 {
        let head = OpusHead::parse(&opus_head(channels, 48_000)).unwrap();
        let expected = OpusHead {
            channels,
            pre_skip_samples: 312,
            gain_q8_db: 0,
        };
        assert_eq!(head, expected);
    }
    let mut coupled = opus_head(2, 48_000);
    coupled[19..].copy_from_slice(&[1, 1, 0, 1]);
    assert!(OpusHead::parse(&coupled).is_err());
    let mut swapped = opus_head(2, 48_000);
    swapped[21..].copy_from_slice(&[1, 0]);
    let refused = OpusHead::parse(&swapped).unwrap_err();
    assert!(refused.to_string().contains("2 channels in 2 streams"));
    let mut stereo = opus_head(1, 48_000);
    stereo[9] = 2;
    assert!(matches!(
        OpusHead::parse(&stereo),
        Err(HeadError::Layout { .. })
    ));
    let whole = opus_head(2, 48_000);
    for cut in 0..whole.len() {
        assert!(OpusHead::parse(&whole[..cut]).is_err(), "cut at {cut}");
    }
}

#[test]
fn tags_carry_vendor_and_comments() {
    let tags = opus_tags("me", &[("TITLE", "x")]);
    assert_eq!(tags, b"OpusTags\x02\0\0\0me\x01\0\0\0\x07\0\0\0TITLE=x");
}

#[test]
fn headers_have_pages_of_their_own_and_sound_pages_at_most_a_second() {
    let file = file_of(&vec![vec![7; 80]; 120], 960);
    let starts = (0..file.len())
        .filter(|&n| file[n..].starts_with(b"OggS"))
        .count();
    assert_eq!(starts, 2 + 3);
    let packets: Vec<_> = Reader::new(&file).collect::<Result<_, _>>().unwrap();
    assert_eq!(packets.len(), 2 + 120);
    let granules: Vec<_> = packets.iter().filter_map(|p| p.granule).collect();
    assert_eq!(granules, [0, 0, 48_000, 96_000, 115_200]);
    assert!(packets.last().unwrap().last);
}

#[test]
fn each_kind_of_damage_has_its_name() {
    let good = file_of(&vec![vec![7; 80]; 120], 960);
    let error = |file: &[u8]| Reader::new(file).find_map(Result::err);
    assert_eq!(error(&good), None);
    let mut flipped = good.clone();
    flipped[200] ^= 1;
    assert!(matches!(error(&flipped), Some(OggError::Checksum(_))));
    assert!(matches!(
        error(&good[..good.len() - 1]),
        Some(OggError::Truncated(_))
    ));
    assert_eq!(error(&good[1..]), Some(OggError::NotAPage(0)));
    let second = (1..good.len())
        .find(|&n| good[n..].starts_with(b"OggS"))
        .unwrap();
    assert!(matches!(
        error(&good[second..]),
        Some(OggError::Sequence { found: 1, .. })
    ));
}

proptest! {
    #[test]
    fn packets_of_any_size_come_back(
        sizes in prop::collection::vec(
            prop_oneof![0usize..600, 250usize..260, 64_000usize..66_000], 1..30),
        step in 1u64..100_000,
    ) {
        let packets: Vec<Vec<u8>> =
            sizes.iter().enumerate().map(|(n, &size)| vec![n as u8; size]).collect();
        let file = file_of(&packets, step);
        let read: Vec<_> = Reader::new(&file).collect::<Result<_, _>>().unwrap();
        prop_assert_eq!(read.len(), packets.len() + 2);
        for (read, packet) in read[2..].iter().zip(&packets) {
            prop_assert_eq!(&read.data, packet);
        }
        prop_assert_eq!(read.last().unwrap().granule, Some(packets.len() as u64 * step));
    }

    #[test]
    fn a_file_that_comes_in_pieces_is_read_as_a_whole_one(
        pieces in prop::collection::vec(1usize..5_000, 1..100),
        cut in 0usize..40_000,
        flip in prop::option::of(0usize..40_000),
    ) {
        let mut file = file_of(&vec![vec![7; 300]; 120], 960);
        file.truncate(file.len().min(cut));
        if let Some(flip) = flip.filter(|&n| n < file.len()) {
            file[flip] ^= 1;
        }
        let whole: Vec<_> = Reader::new(&file).collect();
        let (mut demuxer, mut read, mut rest) = (Demuxer::default(), Vec::new(), file.as_slice());
        let mut failed = false;
        for piece in pieces.into_iter().cycle() {
            if rest.is_empty() || failed {
                break;
            }
            let (piece, after) = rest.split_at(piece.min(rest.len()));
            rest = after;
            demuxer.push(piece);
            while let Some(packet) = demuxer.next_packet().transpose() {
                failed |= packet.is_err();
                read.push(packet);
            }
        }
        read.extend(demuxer.end().err().map(Err));
        prop_assert_eq!(read, whole);
    }

    #[test]
    fn a_flipped_bit_anywhere_is_found(bit in 0usize..30_000) {
        let mut file = file_of(&vec![vec![7; 80]; 60], 960);
        let bit = bit % (file.len() * 8);
        file[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(Reader::new(&file).any(|packet| packet.is_err()));
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Reader::new(&bytes).count();
        let mut file = b"OggS\0".to_vec();
        file.extend_from_slice(&bytes);
        prop_assert!(Reader::new(&file).count() <= 1);
    }
}
