use std::sync::Arc;

use proptest::prelude::*;
use sidetone_media::{Codec, Packet, TrackId, ogg, opus};
use sidetone_vault::chunked;
use sidetone_wire::{CallId, GapReason, Timestamp};

use super::*;
use crate::disk::Local;
use crate::record::{self, Encoder};
use crate::spool::{Keys, SpoolFile};

const MS: u64 = 48;
const SILENCE: &[u8] = &[0xff, 0xfe];

fn at(ms: u64) -> MediaTime {
    MediaTime::from_samples(ms * MS)
}

fn keyring() -> Keyring {
    let master = "c2lkZXRvbmUgc2VhbGVyIHRlc3RzLCBtYXN0ZXIga2U=".to_owned();
    Keyring::from_base64(&master.into()).unwrap()
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

/// A take's spool, with the folder that it lies in where that is its own.
struct Studio {
    _own: Option<tempfile::TempDir>,
    folder: std::path::PathBuf,
    keys: Keys,
    spool: SpoolFile,
    next: u32,
}

impl Studio {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_owned();
        Self::within(&path, Some(folder))
    }

    /// In a folder that has others too.
    fn within(folder: &Path, own: Option<tempfile::TempDir>) -> Self {
        let recording = RecordingId(sidetone_service::clock::new_id());
        let keys = Keys::new(&keyring(), "acme", recording).unwrap();
        let spool = SpoolFile::create(&Local, folder, &keys, 0).unwrap();
        let mut studio = Self {
            _own: own,
            folder: folder.to_owned(),
            keys,
            spool,
            next: 0,
        };
        let start = Manifest {
            version: 2,
            recording,
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
            key_id: Some(keyring().id().to_owned()),
            software: crate::SOFTWARE.into(),
            extra: Vec::new(),
        };
        studio.batch(&serde_json::to_vec(&start).unwrap());
        studio
    }

    fn batch(&mut self, body: &[u8]) {
        let mut scratch = Vec::new();
        self.spool
            .append(&Local, self.next, body, &mut scratch)
            .unwrap();
        self.next += 1;
    }

    fn packets(&mut self, packets: &[(Party, Packet)]) {
        for packets in packets.chunks(50) {
            let (mut encoder, mut batch) = (Encoder::default(), Vec::new());
            for (party, packet) in packets {
                encoder.packet(*party, packet, &mut batch);
            }
            self.batch(&batch);
        }
    }

    /// A batch of one record.
    fn tell(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let mut batch = Vec::new();
        write(&mut batch);
        self.batch(&batch);
    }

    /// Packets of 20 ms without a break; each has one frame: its track, its party, its number.
    fn talk(&mut self, party: Party, track: u32, from_ms: u64, to_ms: u64) {
        let packets: Vec<_> = (from_ms..to_ms)
            .step_by(20)
            .map(|ms| (party, packet(track, ms / 20, ms * MS, &frame(track, ms))))
            .collect();
        self.packets(&packets);
    }

    fn end(&mut self, ms: u64) {
        self.tell(|batch| record::write_end(at(ms), batch));
    }

    fn path(&self) -> &Path {
        &self.folder
    }

    fn spool_file(&self) -> std::path::PathBuf {
        spool::path_of(self.path(), self.keys.recording, 0)
    }

    fn try_seal(&self) -> Result<Sealed, SealError> {
        seal(&Local, self.path(), &keyring(), self.keys.recording)
    }

    /// Seals it and gives its manifest and plain media, compared with each other.
    fn seal(&self) -> (Manifest, Vec<Vec<u8>>) {
        let sealed = self.try_seal().unwrap();
        assert_eq!(
            Sealed::read(self.path(), self.keys.recording, &keyring()).unwrap(),
            Some(sealed.clone())
        );
        assert!(!self.spool_file().exists());
        let manifest = sealed.booking.manifest;
        let media: Vec<_> = sealed
            .files
            .iter()
            .map(|file| {
                let stored = std::fs::read(self.path().join(&file.file)).unwrap();
                chunked::open_whole(&self.keys.key, &stored).unwrap()
            })
            .collect();
        let extra = manifest.extra.iter();
        let noted = std::iter::once((&manifest.object, manifest.bytes, &manifest.sha256))
            .chain(extra.map(|file| (&file.object, file.bytes, &file.sha256)));
        for ((media, file), (object, bytes, sha256)) in media.iter().zip(&sealed.files).zip(noted) {
            assert_eq!((&file.object, media.len() as u64), (object, bytes));
            assert_eq!(&sha256_of(media), sha256);
        }
        (manifest, media)
    }
}

fn sha256_of(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    hex::encode(sha2::Sha256::digest(bytes))
}

/// A packet of one CELT frame of 20 ms.
fn frame(track: u32, ms: u64) -> [u8; 5] {
    let [.., high, low] = (ms / 20).to_be_bytes();
    [0xf8, 1, track as u8, high, low]
}

/// The frames of a channel's slots; panics where one is not 20 ms. The object has two channels,
/// an extra file one.
fn slots(file: &[u8], channels: u8, channel: u8) -> Vec<Vec<u8>> {
    let packets: Vec<_> = ogg::Reader::new(file).collect::<Result<_, _>>().unwrap();
    let last = packets.last().unwrap();
    assert!(last.last);
    let granule = last.granule.unwrap();
    let count = granule.div_ceil(SLOT_SAMPLES) as usize;
    // a file of one channel may end with silence in shorter packets
    assert!(packets.len() - 2 == count || (channels == 1 && packets.len() - 2 > count));
    packets[2..2 + count - usize::from(channels == 1)]
        .iter()
        .map(|packet| {
            let mut rest = packet.data.as_slice();
            let mut frames = Vec::new();
            for n in 0..channels {
                let packet = if n + 1 == channels {
                    opus::parse(rest).unwrap()
                } else {
                    let (packet, length) = opus::parse_self_delimited(rest).unwrap();
                    rest = &rest[length..];
                    packet
                };
                assert_eq!(packet.duration_samples(), 960);
                if n == channel {
                    frames = packet.as_slice().concat();
                }
            }
            frames
        })
        .collect()
}

/// When a track is heard in a channel's slots, in ms, from and to.
fn heard(slots: &[Vec<u8>], track: u32) -> Option<(u64, u64)> {
    let of_track = |slot: &Vec<u8>| slot.len() == 4 && slot[1] == track as u8;
    let first = slots.iter().position(of_track)? as u64;
    let last = slots.iter().rposition(of_track)? as u64;
    Some((first * 20, (last + 1) * 20))
}

fn gaps(manifest: &Manifest) -> Vec<(u64, u64, GapReason)> {
    let gaps = manifest.gaps.iter();
    gaps.map(|gap| (gap.from_ms, gap.to_ms, gap.reason))
        .collect()
}

#[test]
fn each_packet_is_in_the_slot_of_its_time_on_its_side() {
    let mut studio = Studio::new();
    studio.packets(&[
        (Party::Customer, packet(1, 1, 960, &[0xf8, 1, 1])),
        (Party::Customer, packet(1, 2, 6 * 960, &[0xf8, 1, 1])),
        (Party::Agent, packet(2, 1, 3 * 960 + 479, &[0xf8, 2, 2])),
        (Party::Agent, packet(2, 2, 5 * 960 - 479, &[0xf8, 3, 3])),
        (Party::Customer, packet(1, 3, 7 * 960, &[0xf8, 1, 1])),
    ]);
    studio.end(160);
    let (manifest, media) = studio.seal();
    let [left, right] = [0, 1].map(|channel| slots(&media[0], 2, channel));
    let of = |n: usize| (left[n].as_slice(), right[n].as_slice());
    assert_eq!(of(0), (SILENCE, SILENCE));
    assert_eq!(of(1), (&[1, 1][..], SILENCE));
    assert_eq!(of(3), (SILENCE, &[2, 2][..]));
    assert_eq!(of(5), (SILENCE, &[3, 3][..]));
    assert_eq!(left.len(), 9);
    assert_eq!(manifest.duration_ms, 160);
    let object = format!("objects/acme/2026/10/{}.enc", manifest.recording);
    assert_eq!(manifest.object, object);
}

#[test]
fn two_legs_that_begin_between_the_slots_stay_as_they_lay_to_each_other() {
    // 9 and 11 ms off: the nearest slots of a fixed grid would be 20 ms apart
    let mut studio = Studio::new();
    let of = |party, track, off_ms: u64| {
        (0..500).map(move |n| {
            let at = n * 960 + off_ms * MS;
            (party, packet(track, n, at, &frame(track, n * 20)))
        })
    };
    let mut packets: Vec<_> = of(Party::Customer, 1, 9)
        .chain(of(Party::Agent, 2, 11))
        .collect();
    packets.sort_by_key(|(_, packet)| packet.at);
    studio.packets(&packets);
    let (_, media) = studio.seal();
    let [left, right] = [0, 1].map(|channel| slots(&media[0], 2, channel));
    assert_eq!(heard(&left, 1), heard(&right, 2));
}

#[test]
fn who_speaks_beside_the_first_of_a_party_has_a_file_of_their_own() {
    let mut studio = Studio::new();
    studio.talk(Party::Customer, 1, 0, 3_000);
    studio.talk(Party::Customer, 2, 1_000, 6_000);
    // the first one again, under another track
    studio.talk(Party::Customer, 3, 3_100, 6_000);
    studio.talk(Party::Agent, 4, 0, 6_000);
    studio.talk(Party::Supervisor, 5, 2_000, 4_000);
    let name = |party, name| move |batch: &mut Vec<u8>| record::write_name(party, name, batch);
    studio.tell(name(Party::Customer, "Zoë"));
    studio.tell(name(Party::Supervisor, "Grace"));
    studio.end(6_000);
    let (manifest, media) = studio.seal();
    let channels: Vec<_> = manifest
        .channels
        .iter()
        .map(|c| (c.index, c.party, c.name.as_deref()))
        .collect();
    assert_eq!(
        channels,
        [
            (0, Party::Customer, Some("Zoë")),
            (1, Party::Agent, None),
            (2, Party::Customer, None),
            (3, Party::Supervisor, Some("Grace")),
        ]
    );
    let left = slots(&media[0], 2, 0);
    assert_eq!(heard(&left, 1), Some((0, 3_000)));
    assert_eq!(heard(&left, 3), Some((3_100, 6_000)));
    assert_eq!(heard(&left, 2), None);
    assert_eq!(heard(&slots(&media[0], 2, 1), 4), Some((0, 6_000)));
    assert_eq!(heard(&slots(&media[1], 1, 0), 2), Some((1_000, 6_000)));
    assert_eq!(heard(&slots(&media[2], 1, 0), 5), Some((2_000, 4_000)));
    let extra: Vec<_> = manifest.extra.iter().map(|f| f.channel).collect();
    assert_eq!(extra, [2, 3]);
    let second = format!("objects/acme/2026/10/{}.3.enc", manifest.recording);
    assert_eq!(manifest.extra[1].object, second);
    assert_eq!(gaps(&manifest), []);
}

#[test]
fn the_ninth_who_speaks_at_the_same_time_is_left_out_and_listed() {
    let mut studio = Studio::new();
    for track in 1..=10 {
        let party = if track == 2 {
            Party::Agent
        } else {
            Party::Customer
        };
        studio.talk(party, track, 0, 2_000);
    }
    studio.talk(Party::Supervisor, 11, 500, 1_000);
    studio.end(2_000);
    let (manifest, media) = studio.seal();
    assert_eq!((manifest.channels.len(), media.len()), (8, 7));
    assert_eq!(gaps(&manifest), [(0, 2_000, GapReason::Degraded)]);
}

#[test]
fn nothing_of_a_pause_is_in_the_file_whenever_it_was_told_or_came() {
    let mut studio = Studio::new();
    studio.talk(Party::Customer, 1, 0, 10_000);
    // by a rule that looks back, and with packets that come late
    studio.tell(|batch| record::write_pause(at(9_000), "rule:dtmf", batch));
    studio.talk(Party::Agent, 2, 8_000, 12_000);
    studio.tell(|batch| record::write_resume(at(15_000), batch));
    studio.talk(Party::Customer, 1, 14_900, 20_000);
    studio.end(20_000);
    let (manifest, media) = studio.seal();
    let [left, right] = [0, 1].map(|channel| slots(&media[0], 2, channel));
    for slots in [&left, &right] {
        assert!(slots[9_000 / 20..15_000 / 20].iter().all(|s| s == SILENCE));
    }
    assert_eq!(heard(&left[..500], 1), Some((0, 9_000)));
    assert_eq!(heard(&left[500..], 1), Some((5_000, 10_000)));
    assert_eq!(heard(&right, 2), Some((8_000, 9_000)));
    let [pause] = manifest.pauses.as_slice() else {
        panic!("{:?}", manifest.pauses)
    };
    assert_eq!((pause.from_ms, pause.to_ms), (9_000, 15_000));
    assert_eq!(pause.by, "rule:dtmf");
    // and that the packets are missing is no loss
    assert_eq!(gaps(&manifest), []);
    assert_eq!(manifest.duration_ms, 20_000);
}

#[test]
fn a_pause_that_nobody_ended_is_silence_until_the_end() {
    let mut studio = Studio::new();
    studio.talk(Party::Customer, 1, 0, 4_000);
    studio.tell(|batch| record::write_pause(at(3_000), "ada", batch));
    studio.talk(Party::Customer, 1, 4_000, 5_000);
    let (manifest, media) = studio.seal();
    assert_eq!(heard(&slots(&media[0], 2, 0), 1), Some((0, 3_000)));
    assert_eq!(manifest.duration_ms, 5_000);
    assert_eq!(
        (manifest.pauses[0].from_ms, manifest.pauses[0].to_ms),
        (3_000, 5_000)
    );
}

/// Flips a bit in the batch that begins at this byte.
fn damage(studio: &Studio, at: u64) {
    let mut bytes = std::fs::read(studio.spool_file()).unwrap();
    bytes[at as usize + 20] ^= 1;
    std::fs::write(studio.spool_file(), bytes).unwrap();
}

#[test]
fn a_spool_damaged_in_its_middle_is_sealed_around_the_damage_and_kept() {
    let mut studio = Studio::new();
    studio.talk(Party::Customer, 1, 0, 5_000);
    let length = studio.spool_file().metadata().unwrap().len();
    studio.talk(Party::Customer, 1, 5_000, 20_000);
    studio.end(20_000);
    damage(&studio, length);
    let (manifest, media) = studio.seal();
    let left = slots(&media[0], 2, 0);
    assert_eq!(heard(&left[..300], 1), Some((0, 5_000)));
    assert_eq!(heard(&left[300..], 1), Some((0, 14_000)));
    assert!(gaps(&manifest).contains(&(5_000, 6_000, GapReason::Degraded)));
    assert_eq!(manifest.duration_ms, 20_000);
    assert!(studio.spool_file().with_extension("damaged").exists());
}

#[test]
fn a_pause_whose_end_was_damaged_ends_with_the_first_packet_behind_it() {
    let mut studio = Studio::new();
    studio.talk(Party::Customer, 1, 0, 5_000);
    studio.tell(|batch| record::write_pause(at(5_000), "ada", batch));
    let length = studio.spool_file().metadata().unwrap().len();
    studio.tell(|batch| record::write_resume(at(8_000), batch));
    // from before the pause, and late: it says nothing
    studio.packets(&[(Party::Customer, packet(1, 1, 20 * MS, &frame(1, 20)))]);
    studio.talk(Party::Customer, 1, 9_000, 20_000);
    studio.end(20_000);
    damage(&studio, length);
    let (manifest, media) = studio.seal();
    let left = slots(&media[0], 2, 0);
    assert_eq!(heard(&left[250..], 1), Some((4_000, 15_000)));
    assert_eq!(
        (manifest.pauses[0].from_ms, manifest.pauses[0].to_ms),
        (5_000, 9_000)
    );
}

#[test]
fn a_take_that_is_complete_is_never_sealed_again() {
    let mut studio = Studio::new();
    studio.talk(Party::Customer, 1, 0, 2_000);
    let spooled = std::fs::read(studio.spool_file()).unwrap();
    let first = studio.try_seal().unwrap();
    let media = std::fs::read(studio.path().join(&first.files[0].file)).unwrap();
    // a crash before the spool file was gone
    std::fs::write(studio.spool_file(), spooled).unwrap();
    assert_eq!(studio.try_seal().unwrap(), first);
    assert!(!studio.spool_file().exists());
    let again = std::fs::read(studio.path().join(&first.files[0].file)).unwrap();
    assert!(media == again, "the media were written again");
    // with nothing left to seal it from, it is what it was
    assert_eq!(studio.try_seal().unwrap(), first);
}

#[test]
fn sealing_after_a_crash_gives_the_same_media() {
    let mut studio = Studio::new();
    studio.talk(Party::Customer, 1, 0, 2_000);
    studio.talk(Party::Supervisor, 2, 0, 2_000);
    let spooled = std::fs::read(studio.spool_file()).unwrap();
    let (first, media) = studio.seal();
    std::fs::write(studio.spool_file(), spooled).unwrap();
    std::fs::remove_file(sealed::path_of(studio.path(), studio.keys.recording)).unwrap();
    let (second, again) = studio.seal();
    assert_eq!(first, second);
    assert!(media == again);
}

#[test]
fn what_cannot_be_read_stays_where_it_is_and_says_why() {
    let studio = Studio::new();
    let why = |bytes: &[u8]| {
        std::fs::write(studio.spool_file(), bytes).unwrap();
        let error = studio.try_seal().unwrap_err();
        assert!(matches!(error, SealError::Spool(_)) && studio.spool_file().exists());
        error.to_string()
    };
    assert!(why(b"sidetone take 1\nand more of it").contains("format 1"));
    assert!(why(b"not one of ours, and long enough").contains("not a spool file"));
    assert!(why(b"").contains("nothing of the take"));
}

#[test]
fn no_byte_of_a_take_can_be_read_without_its_key() {
    let mut studio = Studio::new();
    studio.talk(Party::Customer, 1, 0, 5_000);
    studio.talk(Party::Supervisor, 2, 0, 5_000);
    let look = || {
        for file in std::fs::read_dir(studio.path()).unwrap() {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            for marker in [&b"OggS"[..], b"OpusHead", b"OpusTags", &frame(1, 2_000)] {
                assert!(!bytes.windows(marker.len()).any(|w| w == marker));
            }
        }
    };
    look();
    studio.seal();
    look();
}

#[test]
fn a_packet_that_claims_to_be_hours_ahead_makes_no_hours_of_silence() {
    for last in [false, true] {
        let mut studio = Studio::new();
        // 2^31 RTP ticks ahead of the rest
        let wild = [(Party::Agent, packet(2, 9, (1 << 31) + 960, &[0xf8, 1, 2]))];
        if !last {
            studio.packets(&wild);
        }
        studio.talk(Party::Customer, 1, 0, 60_000);
        if last {
            studio.packets(&wild);
        }
        let (manifest, media) = studio.seal();
        assert_eq!(manifest.duration_ms, 60_000);
        assert_eq!(heard(&slots(&media[0], 2, 0), 1), Some((0, 60_000)));
    }
}

/// A leg whose clock runs `ppm` fast, through a network with jitter: each packet's number, its
/// place on the call's time, and when it was spoken, in ms.
fn leg(ppm: f64, from_ms: f64, to_ms: f64) -> impl Iterator<Item = (u64, MediaTime, f64)> {
    const DELAY_MS: f64 = 30.0;
    let mut timeline = sidetone_media::Timeline::new(sidetone_media::ClockRate::OPUS);
    let step_ms = 20.0 / (1.0 + ppm / 1e6);
    (0..((to_ms - from_ms) / step_ms) as u64).map(move |n| {
        let spoken_ms = from_ms + n as f64 * step_ms;
        let jitter_ms = (n * 2_654_435_761 % 4_096) as f64 / 200.0;
        let arrival = at(0) + ((spoken_ms + DELAY_MS + jitter_ms) * MS as f64) as u64;
        let place = timeline.place(1, 77 + n as u32 * 960, n, arrival);
        (n, place, spoken_ms + DELAY_MS)
    })
}

#[test]
fn an_hour_with_a_leg_that_drifts_is_aligned_and_as_long_as_the_call() {
    const HOUR_MS: f64 = 3_600_000.0;
    const MUTED_MS: std::ops::Range<f64> = 1_800_000.0..1_830_000.0;
    for ppm in [200.0, -200.0] {
        let mut studio = Studio::new();
        // neither ever pauses; the agent joins 17 s late and is muted for 30 s
        let customer: Vec<_> = leg(ppm, 3.0, HOUR_MS - 40.0).collect();
        let mut agent: Vec<_> = leg(0.0, 17_000.0, HOUR_MS - 40.0).collect();
        agent.retain(|(_, _, spoken_ms)| !MUTED_MS.contains(spoken_ms));
        let legs = [(Party::Customer, 1, &customer), (Party::Agent, 2, &agent)];
        let mut packets = Vec::new();
        for (party, track, leg) in legs {
            packets.extend((0u64..).zip(leg).map(|(seq, &(n, at, _))| {
                let [.., a, b, c] = n.to_be_bytes();
                let payload = [0xf8, 1, track as u8, a, b, c];
                (party, packet(track, seq, at.samples(), &payload))
            }));
        }
        packets.sort_by_key(|(_, packet)| packet.at);
        studio.packets(&packets);
        studio.end(HOUR_MS as u64);
        let (manifest, media) = studio.seal();
        assert_eq!(manifest.duration_ms, HOUR_MS as u64);
        // in each second: how far what is heard is from when it was spoken
        let mut worst_ms: f64 = 0.0;
        let errors_ms = [(0u8, &customer), (1, &agent)].map(|(channel, leg)| {
            let mut errors_ms = Vec::new();
            for (slot, frame) in slots(&media[0], 2, channel).iter().enumerate().step_by(50) {
                let &[1, _, a, b, c] = frame.as_slice() else {
                    errors_ms.push(None);
                    continue;
                };
                let n = u64::from_be_bytes([0, 0, 0, 0, 0, a, b, c]);
                let known = leg.binary_search_by_key(&n, |packet| packet.0);
                let (_, _, spoken_ms) = leg[known.unwrap()];
                let error_ms = slot as f64 * 20.0 - spoken_ms;
                worst_ms = worst_ms.max(error_ms.abs());
                errors_ms.push(Some(error_ms));
            }
            errors_ms
        });
        let [customer, agent] = &errors_ms;
        let apart_ms = |second: usize| (customer[second].unwrap() - agent[second].unwrap()).abs();
        let end_ms = (3_500..3_599).map(apart_ms).fold(0.0, f64::max);
        println!("{ppm} ppm: {end_ms:.1} ms apart at the end, {worst_ms:.1} ms at worst");
        assert!(end_ms <= 20.0, "{ppm} ppm: {end_ms} ms apart at the end");
        assert!((0..18).all(|n| agent[n].is_none()) && agent[18].is_some());
        // slots that a slow clock leaves empty are silent; the mute is nothing but
        let silent = agent.iter().filter(|heard| heard.is_none()).count();
        assert!((17 + 30..17 + 30 + 5).contains(&silent), "{silent} s");
        assert_eq!(gaps(&manifest), []);
    }
}

/// With fewer takes where the code is not optimised.
#[test]
fn a_thousand_takes_are_recovered_within_half_a_minute() {
    use crate::core::Core;

    let takes = if cfg!(debug_assertions) { 20 } else { 1_000 };
    let studio = Studio::new();
    let packets: Vec<_> = (0..1_500u64)
        .flat_map(|n| {
            let payload = [[0xf8; 60].as_slice(), &n.to_be_bytes()].concat();
            let of = |party, track| (party, packet(track, n, n * 960, &payload));
            [of(Party::Customer, 1), of(Party::Agent, 2)]
        })
        .collect();
    for n in 0..takes {
        let mut take = Studio::within(studio.path(), None);
        take.packets(&packets);
        assert_eq!(take.next, 61, "take {n}");
    }
    let settings = crate::Settings {
        spool_dir: studio.path().to_owned(),
        max_takes: 1,
        spool_bytes: u64::MAX,
        keyring: keyring(),
        node: "test".into(),
    };
    let lock = std::fs::File::create(studio.path().join(".lock")).unwrap();
    let core = Core::new(settings, Box::new(Local), lock);
    let started = sidetone_service::clock::now();
    crate::sealing::recover(&core).unwrap();
    let took = sidetone_service::clock::now() - started;
    println!("{takes} takes of 30 s recovered in {took:?}");
    assert_eq!(sealed::list(studio.path()).unwrap().len(), takes + 1);
    assert!(took < std::time::Duration::from_secs(30), "{took:?}");
}

/// A packet of each configuration and packing, with frames that can be told apart, or `None` for
/// what would be more than 120 ms.
fn packet_of(config: u8, code: u8, n: u8) -> Option<(Vec<u8>, Vec<Vec<u8>>)> {
    let toc = config << 3 | code;
    let frame = |k: u8, size: usize| {
        let mut frame = vec![0x11 + k; size];
        frame[0] = n;
        frame
    };
    let (mut packet, frames) = match code {
        0 => (vec![toc], vec![frame(0, 9)]),
        1 => (vec![toc], vec![frame(0, 9), frame(1, 9)]),
        2 => (vec![toc, 5], vec![frame(0, 5), frame(1, 9)]),
        _ => {
            // three frames of their own sizes, and padding
            let head = vec![toc, 0x80 | 0x40 | 3, 4, 5, 6];
            (head, vec![frame(0, 5), frame(1, 6), frame(2, 7)])
        }
    };
    packet.extend(frames.concat());
    if code == 3 {
        packet.extend([0; 4]);
    }
    opus::parse(&packet).is_ok().then_some((packet, frames))
}

#[test]
fn frames_of_every_configuration_and_packing_are_kept_as_they_came() {
    let mut kinds = 0;
    for config in 0..32u8 {
        for code in 0..4u8 {
            let Some((first, _)) = packet_of(config, code, 0) else {
                continue;
            };
            kinds += 1;
            let samples = u64::from(opus::duration_samples(&first).unwrap());
            let count = 24 * 960 / samples.min(960);
            let mut studio = Studio::new();
            let mut sent = Vec::new();
            for n in 0..count {
                let (payload, frames) = packet_of(config, code, n as u8).unwrap();
                sent.extend(frames);
                let packet = packet(1, n, n * samples, &payload);
                studio.packets(&[(Party::Customer, packet)]);
            }
            let (manifest, media) = studio.seal();
            let what = format!("configuration {config}, code {code}");
            assert_eq!(gaps(&manifest), [], "{what}");
            let mut kept = Vec::new();
            for packet in ogg::Reader::new(&media[0]).skip(2) {
                let packet = packet.unwrap().data;
                let frames = if manifest.extra.is_empty() {
                    opus::parse_self_delimited(&packet).unwrap().0
                } else {
                    opus::parse(&packet).unwrap()
                };
                if frames.toc().config() == config && frames.as_slice() != [SILENCE] {
                    kept.extend(frames.as_slice().iter().map(|f| f.to_vec()));
                }
            }
            kept.retain(|frame| frame != SILENCE);
            assert!(
                kept == sent,
                "{what}: {} of {} frames",
                kept.len(),
                sent.len()
            );
        }
    }
    // but for three frames of 60 ms
    assert_eq!(kinds, 32 * 4 - 3);
}

#[test]
fn a_packet_that_is_none_is_silence_and_a_listed_gap() {
    let mut studio = Studio::new();
    studio.talk(Party::Customer, 1, 0, 2_000);
    // two frames of equal size cannot be three bytes
    studio.packets(&[(Party::Agent, packet(2, 1, 1_000 * MS, &[0xf9, 1, 2, 3]))]);
    studio.end(2_000);
    let (manifest, media) = studio.seal();
    assert_eq!(gaps(&manifest), [(1_000, 1_040, GapReason::Degraded)]);
    assert!(slots(&media[0], 2, 1).iter().all(|slot| slot == SILENCE));
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
    fn whatever_was_recorded_the_files_are_sound_and_as_long_as_the_call(
        packets in prop::collection::vec(
            (any_party(), 0u32..4, any::<u16>(), 0u64..2_000_000, any_payload()), 0..300),
        pause in prop::option::of((0u64..40_000, 0u64..40_000)),
        end in prop::option::of(0u64..2_000_000),
        sorted: bool,
    ) {
        let mut packets: Vec<_> = packets
            .into_iter()
            .map(|(party, track, seq, at, payload)| (party, packet(track, seq.into(), at, &payload)))
            .collect();
        if sorted {
            packets.sort_by_key(|(_, packet)| packet.at);
        }
        let mut studio = Studio::new();
        studio.packets(&packets);
        if let Some((from, to)) = pause {
            studio.tell(|batch| record::write_pause(at(from), "ada", batch));
            studio.tell(|batch| record::write_resume(at(to), batch));
        }
        if let Some(end) = end {
            studio.tell(|batch| record::write_end(MediaTime::from_samples(end), batch));
        }
        let (manifest, media) = studio.seal();
        for gap in &manifest.gaps {
            prop_assert!(gap.from_ms < gap.to_ms && gap.to_ms <= manifest.duration_ms);
        }
        if let Some(end) = end {
            let off_ms = manifest.duration_ms.abs_diff(end / MS);
            prop_assert!(off_ms <= 20, "{off_ms} ms");
        }
        let together = manifest.channels.len() > media.len();
        for (n, file) in media.iter().enumerate() {
            if n == 0 && together {
                slots(file, 2, 0);
            } else {
                for packet in ogg::Reader::new(file).skip(2) {
                    prop_assert!(opus::parse(&packet.unwrap().data).is_ok());
                }
            }
        }
    }

    #[test]
    fn a_packet_at_any_time_cannot_make_hours_of_silence_beyond_the_end(
        wild: u64,
        end in 0u64..96_000,
    ) {
        let mut studio = Studio::new();
        studio.packets(&[
            (Party::Agent, packet(1, 1, 0, &[0xf8, 1])),
            (Party::Agent, packet(1, 2, wild, &[0xf8, 1])),
            (Party::Agent, packet(1, 3, 960, &[0xf8, 1])),
        ]);
        studio.tell(|batch| record::write_end(MediaTime::from_samples(end), batch));
        let (manifest, media) = studio.seal();
        prop_assert_eq!(manifest.duration_ms, end / MS);
        prop_assert!(media[0].len() < 10_000);
    }
}
