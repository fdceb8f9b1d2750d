//! What is heard in a sealed take.

use std::path::Path;
use std::process::Command;

use sidetone_media::{MediaTime, Packet, ogg, opus};
use sidetone_wire::{GapReason, Party};

use crate::support::{
    Coder, Expected, MS, Player, Sealed, Studio, Voice, assert_near, assert_plays, cut, merge,
    tone_db,
};

const LEFT_HZ: f64 = 440.0;
const RIGHT_HZ: f64 = 1_000.0;

/// The customer by one coder, the agent by each.
fn assert_sides(left: Coder) {
    let studio = Studio::new();
    for right in [Coder::Silk, Coder::Hybrid, Coder::Celt] {
        let customer = Voice::new(LEFT_HZ, left).talk(0, 1_500);
        let agent = Voice::new(RIGHT_HZ, right).talk(0, 1_500);
        for (packet, coder) in [(&customer[50], left), (&agent[50], right)] {
            let mode = opus::Toc(packet.payload[0]).mode();
            assert_eq!(format!("{mode:?}"), format!("{coder:?}"));
        }
        let expected = [
            Expected::new(&customer, 1_500),
            Expected::new(&agent, 1_500),
        ];
        // no crosstalk beyond what the coder itself puts there
        let own_db = [(&expected[0], RIGHT_HZ), (&expected[1], LEFT_HZ)]
            .map(|(alone, other)| tone_db(cut(&alone.decode(), 500, 1_400), other));
        let sealed = studio.record(&merge(customer, agent), 1_500);
        for heard in assert_plays(&sealed, [&expected[0], &expected[1]]) {
            let sides = [(LEFT_HZ, RIGHT_HZ), (RIGHT_HZ, LEFT_HZ)];
            for ((channel, (own, other)), own_db) in heard.iter().zip(sides).zip(own_db) {
                let steady = cut(channel, 500, 1_400);
                assert!(tone_db(steady, own) > -20.0, "{left:?} {right:?}");
                assert!(
                    tone_db(steady, other) < own_db.max(-80.0) + 3.0,
                    "{left:?} {right:?}"
                );
            }
        }
    }
}

#[test]
fn the_parties_are_on_their_sides_when_the_customer_sends_silk() {
    assert_sides(Coder::Silk);
}

#[test]
fn the_parties_are_on_their_sides_when_the_customer_sends_hybrid() {
    assert_sides(Coder::Hybrid);
}

#[test]
fn the_parties_are_on_their_sides_when_the_customer_sends_celt() {
    assert_sides(Coder::Celt);
}

#[test]
fn one_party_alone_leaves_the_other_channel_silent() {
    let studio = Studio::new();
    let customer = Voice::new(LEFT_HZ, Coder::Silk).talk(0, 3_000);
    let sealed = studio.record(&merge(customer, Vec::new()), 3_000);
    for player in Player::ALL {
        let heard = player.play(sealed.path(), 2);
        let crosstalk_db =
            tone_db(&heard[1], LEFT_HZ) - tone_db(cut(&heard[0], 500, 2_900), LEFT_HZ);
        assert!(crosstalk_db < -60.0, "{player:?}: {crosstalk_db} dB");
        assert!(heard[1].iter().all(|s| s.unsigned_abs() <= 1), "{player:?}");
    }
}

#[test]
fn the_file_is_as_long_as_the_call_to_the_sample() {
    let studio = Studio::new();
    for end_ms in [0, 7, 20, 1_000, 1_013, 4_321] {
        let customer = Voice::new(LEFT_HZ, Coder::Celt).talk(0, end_ms);
        let sealed = studio.record(&merge(customer, Vec::new()), end_ms);
        assert_eq!(sealed.manifest.duration_ms, end_ms);
        let file = std::fs::read(sealed.path()).unwrap();
        let last = ogg::Reader::new(&file).last().unwrap().unwrap();
        assert_eq!(last.granule, Some(end_ms * MS + 312), "{end_ms} ms");
        if end_ms > 0 {
            for player in Player::ALL {
                let samples = player.play(sealed.path(), 2)[0].len();
                assert_eq!(samples as u64, end_ms * MS, "{player:?}, {end_ms} ms");
            }
        }
    }
}

#[test]
fn a_party_that_joins_ten_seconds_late_is_heard_from_there_on() {
    let studio = Studio::new();
    let customer = Voice::new(LEFT_HZ, Coder::Celt).talk(0, 12_000);
    let agent = Voice::new(RIGHT_HZ, Coder::Silk).talk(10_003, 12_000);
    let expected = [
        Expected::new(&customer, 12_000),
        Expected::new(&agent, 12_000),
    ];
    let sealed = studio.record(&merge(customer, agent), 12_000);
    assert_plays(&sealed, [&expected[0], &expected[1]]);
    let heard = Player::Opusdec.play(sealed.path(), 2);
    assert!(
        cut(&heard[1], 0, 9_990)
            .iter()
            .all(|s| s.unsigned_abs() <= 1)
    );
    assert!(tone_db(cut(&heard[1], 10_100, 11_900), RIGHT_HZ) > -20.0);
    assert!(sealed.manifest.gaps.is_empty());
}

#[test]
fn a_mute_of_thirty_seconds_is_thirty_seconds_of_silence() {
    let studio = Studio::new();
    let customer = Voice::new(LEFT_HZ, Coder::Silk).talk(0, 36_000);
    let mut muted = Voice::new(RIGHT_HZ, Coder::Hybrid);
    let agent = [muted.talk(0, 3_000), muted.talk(33_000, 36_000)].concat();
    let expected = [
        Expected::new(&customer, 36_000),
        Expected::new(&agent, 36_000),
    ];
    let sealed = studio.record(&merge(customer, agent), 36_000);
    assert_eq!(sealed.manifest.duration_ms, 36_000);
    assert_plays(&sealed, [&expected[0], &expected[1]]);
    let silent = expected[1].decode();
    assert!(cut(&silent, 4_000, 32_900).iter().all(|&s| s == 0));
    assert!(
        sealed.manifest.gaps.is_empty(),
        "nothing was lost: {:?}",
        sealed.manifest.gaps
    );
}

#[test]
fn silence_that_was_not_sent_is_silent_and_speech_after_it_is_whole() {
    let studio = Studio::new();
    let mut voice = Voice::with(LEFT_HZ, Coder::Silk, 20, true);
    let mut customer = voice.talk(0, 2_000);
    // what the encoder makes of silence: mostly packets of at most 2 bytes, which stay unsent
    customer.extend((2_000..6_000).step_by(20).map(|at_ms| voice.pause(at_ms)));
    let unsent = customer.iter().filter(|p| p.payload.len() <= 2).count();
    assert!(unsent > 100, "{unsent} packets unsent");
    customer.extend(voice.talk(6_000, 8_000));
    let expected = Expected::new(&customer, 8_000);
    let silent = Expected::new(&[], 8_000);
    let sealed = studio.record(&merge(customer, Vec::new()), 8_000);
    assert_plays(&sealed, [&expected, &silent]);
    let heard = Player::FfmpegNative.play(sealed.path(), 2);
    assert!(tone_db(cut(&heard[0], 6_200, 7_900), LEFT_HZ) > -20.0);
    assert!(tone_db(cut(&heard[0], 3_000, 5_900), LEFT_HZ) < -80.0);
}

#[test]
fn a_party_that_publishes_again_goes_on_in_its_channel() {
    let studio = Studio::new();
    let mut first = Voice::new(LEFT_HZ, Coder::Celt);
    let mut again = Voice::new(LEFT_HZ, Coder::Celt);
    (again.ssrc, again.track) = (99, 99);
    let customer = [first.talk(0, 2_000), again.talk(2_150, 4_000)].concat();
    let expected = [Expected::new(&customer, 4_000), Expected::new(&[], 4_000)];
    let sealed = studio.record(&merge(customer, Vec::new()), 4_000);
    assert_plays(&sealed, [&expected[0], &expected[1]]);
    assert!(sealed.manifest.gaps.is_empty());
}

#[test]
fn two_of_one_party_who_speak_at_once_have_a_file_each() {
    let studio = Studio::new();
    let first = Voice::new(LEFT_HZ, Coder::Celt).talk(0, 2_000);
    let second = Voice::new(RIGHT_HZ, Coder::Celt).talk(7, 4_000);
    let expected = [Expected::new(&first, 4_000), Expected::new(&[], 4_000)];
    let beside = Expected::new(&second, 4_000).decode();
    let mut packets = merge([first, second].concat(), Vec::new());
    let supervisor = Voice::new(2_500.0, Coder::Silk).talk(500, 1_500);
    packets.extend(supervisor.into_iter().map(|p| (Party::Supervisor, p)));
    packets.sort_by_key(|(_, packet)| packet.at);
    let sealed = studio.record(&packets, 4_000);
    assert_plays(&sealed, [&expected[0], &expected[1]]);
    let parties: Vec<_> = sealed.manifest.channels.iter().map(|c| c.party).collect();
    let (customer, agent) = (Party::Customer, Party::Agent);
    assert_eq!(parties, [customer, agent, customer, Party::Supervisor]);
    for player in Player::ALL {
        let second = player.play(&sealed.files[1], 1).remove(0);
        assert_eq!(second.len(), 4_000 * MS as usize, "{player:?}");
        let whole = [&second[..], &beside].map(|pcm| tone_db(cut(pcm, 200, 3_900), RIGHT_HZ));
        assert!((whole[0] - whole[1]).abs() < 0.1, "{player:?}: {whole:?}");
        let supervisor = player.play(&sealed.files[2], 1).remove(0);
        assert_eq!(supervisor.len(), 4_000 * MS as usize, "{player:?}");
        assert!(tone_db(cut(&supervisor, 700, 1_400), 2_500.0) > -20.0);
        assert!(tone_db(cut(&supervisor, 1_700, 3_900), 2_500.0) < -80.0);
    }
}

#[test]
fn packets_out_of_order_are_put_in_order_and_lost_ones_are_listed() {
    let studio = Studio::new();
    let sent = Voice::new(LEFT_HZ, Coder::Hybrid).talk(0, 4_000);
    let mut arrived = sent.clone();
    arrived.drain(100..110); // 2,000 to 2,200 ms never come
    let expected = [Expected::new(&arrived, 4_000), Expected::new(&[], 4_000)];
    arrived.swap(20, 23);
    arrived.swap(50, 51);
    let late = arrived.remove(60);
    arrived.insert(160, late); // two seconds late
    let duplicate = arrived[80].clone();
    arrived.push(duplicate);
    let packets: Vec<_> = arrived.into_iter().map(|p| (Party::Customer, p)).collect();
    let sealed = studio.record(&packets, 4_000);
    assert_plays(&sealed, [&expected[0], &expected[1]]);
    let gaps: Vec<_> = sealed
        .manifest
        .gaps
        .iter()
        .map(|g| (g.from_ms, g.to_ms, g.reason))
        .collect();
    assert_eq!(gaps, [(2_000, 2_200, GapReason::Loss)]);
}

#[test]
fn packets_of_sixty_and_of_ten_milliseconds_share_the_file() {
    let studio = Studio::new();
    let customer = Voice::with(LEFT_HZ, Coder::Celt, 60, false).talk(0, 3_000);
    let agent = Voice::with(RIGHT_HZ, Coder::Celt, 10, false).talk(0, 3_000);
    // a mono decoder hears the same from the packets as they are
    let decode = |packets: &[Packet]| {
        let mut decoder = sidetone_codec::OpusDecoder::new().unwrap();
        let mut pcm = Vec::new();
        for packet in packets {
            pcm.extend_from_slice(decoder.decode(&packet.payload).unwrap());
        }
        pcm[312..(2_900 * MS) as usize + 312].to_vec()
    };
    let expected = [decode(&customer), decode(&agent)];
    let sealed = studio.record(&merge(customer, agent), 3_000);
    assert!(sealed.manifest.extra.is_empty());
    for player in [Player::FfmpegLibopus, Player::Opusdec] {
        let heard = player.play(sealed.path(), 2);
        for (heard, expected) in heard.iter().zip(&expected) {
            assert_near(cut(heard, 0, 2_900), expected, &format!("{player:?}"));
        }
    }
}

#[test]
fn speech_frames_of_sixty_milliseconds_make_two_files_of_one_length() {
    let studio = Studio::new();
    let customer = Voice::with(LEFT_HZ, Coder::Silk, 60, false).talk(1_000, 4_000);
    let agent = Voice::new(RIGHT_HZ, Coder::Silk).talk(0, 2_000);
    let sealed = studio.record(&merge(customer, agent), 5_007);
    assert_eq!(sealed.manifest.duration_ms, 5_007);
    let [extra] = sealed.manifest.extra.as_slice() else {
        panic!("one further file")
    };
    assert_eq!(extra.channel, 1);
    for player in Player::ALL {
        let left = player.play(sealed.path(), 1).remove(0);
        let right = player.play(&sealed.files[1], 1).remove(0);
        assert_eq!([left.len(), right.len()], [5_007 * 48; 2], "{player:?}");
        assert!(
            tone_db(cut(&left, 1_200, 3_900), LEFT_HZ) > -20.0,
            "{player:?}"
        );
        assert!(tone_db(cut(&left, 0, 950), LEFT_HZ) < -80.0, "{player:?}");
        assert!(
            tone_db(cut(&left, 4_200, 5_000), LEFT_HZ) < -80.0,
            "{player:?}"
        );
        assert!(
            tone_db(cut(&right, 200, 1_900), RIGHT_HZ) > -20.0,
            "{player:?}"
        );
    }
}

#[test]
fn drift_against_the_grid_costs_at_most_a_slot_where_the_timeline_corrected() {
    let studio = Studio::new();
    let mut packets = Voice::new(LEFT_HZ, Coder::Celt).talk(0, 4_000);
    for (n, packet) in packets.iter_mut().enumerate() {
        // 7 ms off the grid, then the timeline takes 20 ms back at packet 100
        let back = if n >= 100 { 20 * MS } else { 0 };
        packet.at = packet.at + 7 * MS - back;
    }
    let kept: Vec<_> = packets
        .iter()
        .enumerate()
        .filter(|(n, _)| *n != 100)
        .map(|(_, p)| p.clone())
        .collect();
    let expected = [Expected::new(&kept, 4_000), Expected::new(&[], 4_000)];
    let sealed = studio.record(&merge(packets, Vec::new()), 4_000);
    assert_plays(&sealed, [&expected[0], &expected[1]]);
}

#[test]
fn the_manifest_beside_the_media_says_what_is_in_it() {
    use sha2::Digest as _;

    let studio = Studio::new();
    let (mut take, recording) = studio.begin();
    for packet in Voice::new(LEFT_HZ, Coder::Celt).talk(0, 1_000) {
        take.write(Party::Customer, &packet);
    }
    take.name(Party::Agent, "Ada");
    let at = |ms: u64| MediaTime::from_samples(ms * MS);
    take.gap(at(400), at(700), GapReason::Disconnected);
    take.end(at(1_000));
    let sealed = studio.sealed(recording);
    let manifest = &sealed.manifest;
    assert_eq!(
        manifest.object,
        format!("objects/acme/2026/10/{}.enc", manifest.recording)
    );
    assert_eq!(manifest.channels[0].party, Party::Customer);
    assert_eq!(manifest.channels[1].name.as_deref(), Some("Ada"));
    assert_eq!(manifest.gaps.len(), 1);
    let media = std::fs::read(sealed.path()).unwrap();
    assert_eq!(manifest.bytes, media.len() as u64);
    assert_eq!(manifest.sha256, hex::encode(sha2::Sha256::digest(&media)));
    let object = studio.folder.path().join("store").join(&manifest.object);
    let beside = std::fs::read(object.with_extension("json")).unwrap();
    let beside: sidetone_wire::Manifest = serde_json::from_slice(&beside).unwrap();
    assert!(beside.channels.iter().all(|channel| channel.name.is_none()));
    assert_eq!(
        (beside.object, beside.sha256),
        (manifest.object.clone(), manifest.sha256.clone())
    );
    let spool = studio.folder.path().join("spool");
    assert!(
        !std::fs::read_dir(spool)
            .unwrap()
            .any(|f| { f.unwrap().path().extension().is_some_and(|e| e == "take") })
    );
}

/// A call in which both parties change their tone in the middle, 8 s long.
fn changing_call(studio: &Studio) -> Sealed {
    let talk = |hz, coder, track, from_ms| {
        let mut voice = Voice::new(hz, coder);
        (voice.track, voice.ssrc) = (track, track);
        voice.talk(from_ms, from_ms + 4_000)
    };
    let customer = [
        talk(LEFT_HZ, Coder::Silk, 1, 0),
        talk(2.0 * LEFT_HZ, Coder::Silk, 2, 4_000),
    ];
    let agent = [
        talk(RIGHT_HZ, Coder::Celt, 3, 0),
        talk(2.0 * RIGHT_HZ, Coder::Celt, 4, 4_000),
    ];
    studio.record(&merge(customer.concat(), agent.concat()), 8_000)
}

fn run(command: &mut Command) {
    let output = command.output();
    let output = output.unwrap_or_else(|e| {
        panic!("{command:?}: {e} (Debian: ffmpeg, gstreamer1.0-tools, gstreamer1.0-plugins-base)")
    });
    let said = String::from_utf8_lossy(&output.stderr);
    let quiet = output.status.success() && said.trim().is_empty();
    assert!(quiet, "{command:?} said: {said}");
}

/// Two channels of raw samples.
fn sides(raw: &Path) -> [Vec<i16>; 2] {
    let bytes = std::fs::read(raw).unwrap();
    [0, 2].map(|at| {
        let frames = bytes.chunks_exact(4);
        frames
            .map(|frame| i16::from_le_bytes([frame[at], frame[at + 1]]))
            .collect()
    })
}

#[test]
fn players_seek_to_where_one_asks() {
    let studio = Studio::new();
    let sealed = changing_call(&studio);
    let raw = sealed.path().with_extension("raw");
    for decoder in ["opus", "libopus"] {
        for (from_ms, hz) in [(1_000, 1.0), (3_010, 1.0), (5_250, 2.0), (7_000, 2.0)] {
            let from = format!("{}.{:03}", from_ms / 1_000, from_ms % 1_000);
            run(Command::new("ffmpeg")
                .args(["-nostdin", "-y", "-v", "warning", "-ss", &from])
                .args(["-c:a", decoder, "-i"])
                .arg(sealed.path())
                .args(["-f", "s16le"])
                .arg(&raw));
            let [left, right] = sides(&raw);
            let off = left.len() as i64 - ((8_000 - from_ms) * MS) as i64;
            assert!(off.abs() <= MS as i64, "{decoder} from {from}: {off}");
            // what is decoded first after a seek may be rough
            let (left, right) = (cut(&left, 100, 900), cut(&right, 100, 900));
            for (side, own, other) in [(left, LEFT_HZ, RIGHT_HZ), (right, RIGHT_HZ, LEFT_HZ)] {
                let (own, other) = (tone_db(side, own * hz), tone_db(side, other * hz));
                assert!(own > -20.0 && other < -50.0, "{decoder} from {from}");
            }
        }
    }
}

#[test]
fn gstreamer_plays_the_parties_on_their_sides_and_to_the_end() {
    let studio = Studio::new();
    let sealed = changing_call(&studio);
    let raw = sealed.path().with_extension("raw");
    run(Command::new("gst-launch-1.0")
        .args(["--quiet", "filesrc"])
        .arg(format!("location={}", sealed.path().display()))
        .args(["!", "oggdemux", "!", "opusdec", "!", "audioconvert"])
        .args(["!", "audio/x-raw,format=S16LE,channels=2", "!", "filesink"])
        .arg(format!("location={}", raw.display())));
    let [left, right] = sides(&raw);
    assert_eq!([left.len(), right.len()], [8_000 * MS as usize; 2]);
    for (side, own, other) in [(left, LEFT_HZ, RIGHT_HZ), (right, RIGHT_HZ, LEFT_HZ)] {
        for (from_ms, times) in [(200, 1.0), (4_200, 2.0)] {
            let part = cut(&side, from_ms, from_ms + 3_600);
            assert!(tone_db(part, own * times) > -20.0);
            assert!(tone_db(part, other * times) < -50.0);
        }
    }
}
