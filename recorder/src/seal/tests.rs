use std::sync::Arc;

use proptest::prelude::*;
use sidetone_media::{Codec, Packet, TrackId, ogg, opus};
use sidetone_wire::{CallId, GapReason, RecordingId, Timestamp};

use super::*;
use crate::record::{self, Encoder};
use crate::spool::SpoolFile;

fn manifest() -> Manifest {
    Manifest {
        version: 1,
        recording: RecordingId(sidetone_service::clock::new_id()),
        call: CallId(sidetone_service::clock::new_id()),
        tenant: "acme".into(),
        started_at: Timestamp::from_unix_ms(1_793_000_000_000),
        duration_ms: 0,
        channels: Vec::new(),
        gaps: Vec::new(),
        pauses: Vec::new(),
        object: String::new(),
        bytes: 0,
        sha256: String::new(),
        software: crate::SOFTWARE.into(),
        extra: Vec::new(),
    }
}

fn packet(track: u32, seq: u64, at: u64, payload: &[u8]) -> Packet {
    Packet {
        track: TrackId(track),
        ssrc: track,
        seq,
        at: MediaTime::from_samples(at),
        codec: Codec::Opus,
        marker: false,
        level_dbov: None,
        payload: Arc::from(payload),
        arrived: sidetone_service::clock::now(),
    }
}

/// Seals a take of these packets and gives its manifest and media, checked packet by packet.
fn sealed(packets: &[(Party, Packet)], end: Option<u64>) -> (Manifest, Vec<Vec<u8>>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.take");
    let start = serde_json::to_vec(&manifest()).unwrap();
    let mut spool = SpoolFile::create(&path, &start).unwrap();
    for packets in packets.chunks(50) {
        let (mut encoder, mut batch) = (Encoder::default(), Vec::new());
        for (party, packet) in packets {
            encoder.packet(*party, packet, &mut batch);
        }
        spool.append(&batch).unwrap();
    }
    if let Some(end) = end {
        let mut batch = Vec::new();
        record::write_end(MediaTime::from_samples(end), &mut batch);
        spool.append(&batch).unwrap();
    }
    let store = Store::open(folder.path()).unwrap();
    let manifest = seal(&path, &store).unwrap();
    assert!(!path.exists());
    let objects = std::iter::once(&manifest.object).chain(manifest.extra.iter().map(|f| &f.object));
    let media = objects
        .map(|object| std::fs::read(folder.path().join(object)).unwrap())
        .collect();
    (manifest, media)
}

/// The slots of a file of two channels, left and right; panics where one is not 20 ms each.
fn slots(file: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let packets: Vec<_> = ogg::Reader::new(file).collect::<Result<_, _>>().unwrap();
    let last = packets.last().unwrap();
    assert!(last.last);
    let count = packets.len() as u64 - 2;
    let granule = last.granule.unwrap();
    assert!(granule <= count * SLOT_SAMPLES && granule > (count - 1) * SLOT_SAMPLES);
    packets[2..]
        .iter()
        .map(|packet| {
            let (left, length) = opus::parse_self_delimited(&packet.data).unwrap();
            let right = &packet.data[length..];
            assert_eq!(left.duration_samples(), 960);
            assert_eq!(opus::duration_samples(right), Ok(960));
            (
                left.as_slice().concat(),
                opus::parse(right).unwrap().as_slice().concat(),
            )
        })
        .collect()
}

#[test]
fn each_packet_is_in_the_slot_of_its_time_on_its_side() {
    let packets = [
        (Party::Customer, packet(1, 1, 960, &[0xf8, 1, 1])),
        (Party::Agent, packet(2, 1, 3 * 960 + 479, &[0xf8, 2, 2])),
        (Party::Agent, packet(2, 2, 4 * 960 + 481, &[0xf8, 3, 3])),
    ];
    let (manifest, media) = sealed(&packets, Some(8 * 960));
    let silence = &opus::SILENCE_20_MS[1..];
    let slots = slots(&media[0]);
    let of = |n: usize| (slots[n].0.as_slice(), slots[n].1.as_slice());
    assert_eq!(of(0), (silence, silence));
    assert_eq!(of(1), (&[1, 1][..], silence));
    assert_eq!(of(3), (silence, &[2, 2][..]));
    assert_eq!(of(5), (silence, &[3, 3][..]));
    assert_eq!(slots.len(), 9);
    assert_eq!(manifest.duration_ms, 160);
}

#[test]
fn a_damaged_batch_with_others_behind_it_keeps_the_file_and_marks_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.take");
    let mut spool = SpoolFile::create(&path, &serde_json::to_vec(&manifest()).unwrap()).unwrap();
    let mut length_before = 0;
    for n in 0..2_000u64 {
        let (mut encoder, mut batch) = (Encoder::default(), Vec::new());
        encoder.packet(
            Party::Agent,
            &packet(1, n, n * 960, &[0xf8; 900]),
            &mut batch,
        );
        spool.append(&batch).unwrap();
        if n == 99 {
            length_before = path.metadata().unwrap().len() as usize;
        }
    }
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[length_before + 20] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let manifest = seal(&path, &Store::open(folder.path()).unwrap()).unwrap();
    assert_eq!(manifest.duration_ms, 2_000);
    assert!(
        manifest
            .gaps
            .iter()
            .any(|gap| gap.reason == GapReason::Degraded)
    );
    assert!(!path.exists() && path.with_extension("damaged").exists());
}

/// Payloads of all kinds: good ones of every configuration, DTX, garbage.
fn any_payload() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        (0u8..32, 1usize..60).prop_map(|(config, size)| {
            let mut payload = vec![7; size];
            payload[0] = config << 3;
            payload
        }),
        prop::collection::vec(any::<u8>(), 0..80),
        Just(vec![0xfb, 3, 1, 1, 2, 2, 3, 3]),
    ]
}

fn any_party() -> impl Strategy<Value = Party> {
    prop_oneof![
        Just(Party::Customer),
        Just(Party::Agent),
        Just(Party::Supervisor)
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_was_recorded_the_file_is_sound_and_as_long_as_the_call(
        packets in prop::collection::vec(
            (any_party(), 0u32..4, any::<u16>(), 0u64..2_000_000, any_payload()), 0..300),
        end in prop::option::of(0u64..2_000_000),
        sorted: bool,
    ) {
        let mut packets: Vec<_> = packets
            .into_iter()
            .map(|(party, track, seq, at, payload)| (party, packet(track, seq.into(), at, &payload)))
            .collect();
        // a timeline places nothing more than a second after it arrived, and nothing arrives later
        packets.retain(|(_, packet)| end.is_none_or(|end| packet.at.samples() <= end + 48_000));
        if sorted {
            packets.sort_by_key(|(_, packet)| packet.at);
        }
        let (manifest, media) = sealed(&packets, end);
        prop_assert_eq!(manifest.bytes, media[0].len() as u64);
        for gap in &manifest.gaps {
            prop_assert!(gap.from_ms < gap.to_ms && gap.to_ms <= manifest.duration_ms);
        }
        if let Some(end) = end {
            let off_ms = manifest.duration_ms.abs_diff(end / 48);
            prop_assert!(off_ms <= 20, "{off_ms} ms");
        }
        if manifest.extra.is_empty() {
            slots(&media[0]);
        } else {
            for file in media {
                for packet in ogg::Reader::new(&file).skip(2) {
                    prop_assert!(opus::parse(&packet.unwrap().data).is_ok());
                }
            }
        }
    }

    #[test]
    fn a_packet_at_any_time_cannot_make_hours_of_silence_beyond_the_end(at: u64, end in 0u64..96_000) {
        let packets = [
            (Party::Agent, packet(1, 1, 0, &[0xf8, 1])),
            (Party::Agent, packet(1, 2, at, &[0xf8, 1])),
            (Party::Agent, packet(1, 3, 960, &[0xf8, 1])),
        ];
        let (manifest, media) = sealed(&packets, Some(end));
        prop_assert_eq!(manifest.duration_ms, end / 48);
        prop_assert!(media[0].len() < 10_000);
    }
}
