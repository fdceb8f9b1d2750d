//! What is heard in a rendition.

use sidetone_media::{ogg, opus};
use sidetone_rendition::{Channel, Format, wav_len};

use crate::support::{Coder, MS, file, heard, play_ogg, play_wav, render, tone, tone_db};

const LEFT_HZ: f64 = 440.0;
const RIGHT_HZ: f64 = 1_000.0;

/// Both channels' packets of a call in which the customer sends SILK, and the file.
fn call(ms: usize) -> ([Vec<Vec<u8>>; 2], Vec<u8>) {
    let left = tone(LEFT_HZ, 8_000.0, ms, Coder::Silk, 20);
    let right = tone(RIGHT_HZ, 8_000.0, ms, Coder::Celt, 20);
    let file = file(&[&left, &right], ms);
    ([left, right], file)
}

#[test]
fn a_channel_as_ogg_is_its_packets_as_they_came() {
    let ms = 2_345;
    let (channels, file) = call(ms);
    for (n, sent) in (0u8..).zip(&channels) {
        let out = render(Format::Ogg, Channel::Index(n), &[(0, &file)], ms).unwrap();
        let packets: Vec<_> = ogg::Reader::new(&out).collect::<Result<_, _>>().unwrap();
        assert!(packets[1].data.ends_with(b"RECORDING=r1"));
        assert_eq!(
            packets.last().unwrap().granule,
            Some((ms * MS + 312) as u64)
        );
        for (packet, sent) in packets[2..].iter().zip(sent) {
            assert_eq!(&packet.data, sent);
        }
        assert!(play_ogg(&out) == heard(sent, ms), "channel {n}");
    }
}

#[test]
fn both_channels_as_ogg_are_the_file_itself() {
    let (_, file) = call(1_000);
    let out = render(Format::Ogg, Channel::Both, &[(0, &file)], 1_000).unwrap();
    let packets =
        |file: &[u8]| -> Vec<Vec<u8>> { ogg::Reader::new(file).map(|p| p.unwrap().data).collect() };
    assert_eq!(packets(&out), packets(&file));
}

#[test]
fn a_wav_has_the_customer_left_and_the_agent_right_to_the_sample() {
    let ms = 2_345;
    let (channels, file) = call(ms);
    let out = render(Format::Wav, Channel::Both, &[(0, &file)], ms).unwrap();
    assert_eq!(Some(out.len() as u64), wav_len((ms * MS) as u64, 2));
    let played = play_wav(&out);
    for (played, sent) in played.iter().zip(&channels) {
        assert!(*played == heard(sent, ms));
    }
    for (n, sent) in (0u8..).zip(&channels) {
        let out = render(Format::Wav, Channel::Index(n), &[(0, &file)], ms).unwrap();
        assert_eq!(Some(out.len() as u64), wav_len((ms * MS) as u64, 1));
        assert!(play_wav(&out)[0] == heard(sent, ms), "channel {n}");
    }
}

#[test]
fn a_mix_has_both_parties_at_their_own_loudness_and_the_calls_length() {
    let ms = 2_007;
    let (_, file) = call(ms);
    let wav = render(Format::Wav, Channel::Mix, &[(0, &file)], ms).unwrap();
    let mixed = play_wav(&wav).remove(0);
    let ogg = render(Format::Ogg, Channel::Mix, &[(0, &file)], ms).unwrap();
    for mixed in [mixed, play_ogg(&ogg)] {
        assert_eq!(mixed.len(), ms * MS);
        for hz in [LEFT_HZ, RIGHT_HZ] {
            let db = tone_db(&mixed[500 * MS..1_900 * MS], hz);
            assert!((db - -12.2).abs() < 1.5, "{hz} Hz at {db} dB");
        }
    }
}

#[test]
fn two_who_shout_at_once_are_not_clipped() {
    let loud = tone(LEFT_HZ, 32_000.0, 1_000, Coder::Celt, 20);
    let file = file(&[&loud, &loud], 1_000);
    let wav = render(Format::Wav, Channel::Mix, &[(0, &file)], 1_000).unwrap();
    let mixed = play_wav(&wav).remove(0);
    let peak = mixed.iter().map(|s| s.unsigned_abs()).max().unwrap();
    assert!((31_000..32_767).contains(&peak), "{peak}");
    // a clipped wave stays where it is for many samples
    let flat = mixed
        .windows(8)
        .filter(|w| w[0].unsigned_abs() > 30_000 && w.iter().all(|s| *s == w[0]));
    assert_eq!(flat.count(), 0);
}

#[test]
fn two_mono_files_with_frames_of_sixty_milliseconds_are_heard_as_one() {
    let ms = 3_007;
    let left = tone(LEFT_HZ, 8_000.0, ms, Coder::Silk, 60);
    let right = tone(RIGHT_HZ, 8_000.0, ms, Coder::Celt, 20);
    let (object, extra) = (file(&[&left], ms), file(&[&right], ms));
    let files: [(u8, &[u8]); 2] = [(1, &extra), (0, &object)];
    let wav = render(Format::Wav, Channel::Both, &files, ms).unwrap();
    assert!(play_wav(&wav) == [heard(&left, ms), heard(&right, ms)]);
    let mix = render(Format::Wav, Channel::Mix, &files, ms).unwrap();
    assert!(tone_db(&play_wav(&mix)[0], LEFT_HZ) > -14.0);
    // as Ogg it is encoded anew: its slots are of one length
    let out = render(Format::Ogg, Channel::Both, &files, ms).unwrap();
    for (n, hz, other) in [(0, LEFT_HZ, RIGHT_HZ), (1, RIGHT_HZ, LEFT_HZ)] {
        let side = render(Format::Ogg, Channel::Index(n), &[(0, &out)], ms).unwrap();
        let side = play_ogg(&side);
        assert_eq!(side.len(), ms * MS);
        assert!((tone_db(&side[500 * MS..2_900 * MS], hz) - -12.2).abs() < 1.5);
        assert!(tone_db(&side[500 * MS..2_900 * MS], other) < -50.0);
    }
    // and each alone is as it came
    let alone = render(Format::Ogg, Channel::Index(0), &files, ms).unwrap();
    let packets: Vec<_> = ogg::Reader::new(&alone)
        .skip(2)
        .map(|p| p.unwrap().data)
        .collect();
    assert_eq!(packets, left);
}

#[test]
fn a_supervisors_file_is_a_channel_of_its_own_and_in_the_mix() {
    let ms = 1_500;
    let (_, object) = call(ms);
    let third = tone(2_500.0, 8_000.0, ms, Coder::Celt, 20);
    let extra = file(&[&third], ms);
    let files: [(u8, &[u8]); 2] = [(0, &object), (2, &extra)];
    let wav = render(Format::Wav, Channel::Index(2), &files, ms).unwrap();
    assert!(play_wav(&wav)[0] == heard(&third, ms));
    let mix = render(Format::Wav, Channel::Mix, &files, ms).unwrap();
    for hz in [LEFT_HZ, RIGHT_HZ, 2_500.0] {
        assert!(
            tone_db(&play_wav(&mix)[0][300 * MS..1_400 * MS], hz) > -14.0,
            "{hz}"
        );
    }
    let both = render(Format::Wav, Channel::Both, &files, ms).unwrap();
    assert!(tone_db(&play_wav(&both)[1], 2_500.0) < -60.0);
}

#[test]
fn a_rendition_is_as_long_as_the_call_whatever_the_file_has() {
    let (channels, file) = call(1_000);
    let long = render(Format::Wav, Channel::Both, &[(0, &file)], 1_600).unwrap();
    let long = play_wav(&long);
    assert_eq!(long[0].len(), 1_600 * MS);
    assert!(long[0][1_020 * MS..].iter().all(|&s| s == 0));
    let short = render(Format::Wav, Channel::Index(1), &[(0, &file)], 333).unwrap();
    assert!(play_wav(&short)[0] == heard(&channels[1], 333));
    let empty = render(Format::Wav, Channel::Mix, &[(0, &file)], 0).unwrap();
    assert_eq!(play_wav(&empty)[0].len(), 0);
}

#[test]
fn a_gain_in_the_header_is_heard() {
    let (channels, quiet) = call(1_000);
    let mut file = quiet.clone();
    // + 6 dB, and the page's checksum written anew by way of another header
    let head = ogg::opus_head(2, 48_000);
    let at = file.windows(8).position(|w| w == b"OpusHead").unwrap();
    let mut louder = head.clone();
    louder[16..18].copy_from_slice(&(6 * 256i16).to_le_bytes());
    let mut first = Vec::new();
    let writer = ogg::Writer::new(9, &louder, b"", &mut first);
    drop(writer);
    file[..at + head.len()].copy_from_slice(&first[..at + head.len()]);
    let wav = render(Format::Wav, Channel::Index(1), &[(0, &file)], 1_000).unwrap();
    let (louder, plain) = (play_wav(&wav).remove(0), heard(&channels[1], 1_000));
    let steady = 300 * MS..900 * MS;
    let gained = tone_db(&louder[steady.clone()], RIGHT_HZ) - tone_db(&plain[steady], RIGHT_HZ);
    assert!((gained - 6.0).abs() < 0.1, "{gained}");
}

#[test]
fn packets_of_silence_that_was_not_sent_are_silent_and_keep_their_time() {
    let mut left = tone(LEFT_HZ, 8_000.0, 2_000, Coder::Silk, 20);
    for packet in &mut left[30..60] {
        *packet = opus::SILENCE_20_MS.to_vec();
    }
    let file = file(&[&left, &left], 2_000);
    let wav = render(Format::Wav, Channel::Index(0), &[(0, &file)], 2_000).unwrap();
    let pcm = play_wav(&wav).remove(0);
    assert!(
        pcm[700 * MS..1_150 * MS]
            .iter()
            .all(|s| s.unsigned_abs() <= 1)
    );
    assert!(tone_db(&pcm[1_300 * MS..1_900 * MS], LEFT_HZ) > -14.0);
}

#[test]
fn players_we_did_not_write_play_every_rendition_to_its_end() {
    let ms = 2_013;
    let left = tone(LEFT_HZ, 8_000.0, ms, Coder::Silk, 60);
    let right = tone(RIGHT_HZ, 8_000.0, ms, Coder::Celt, 20);
    let (object, extra) = (file(&[&left], ms), file(&[&right], ms));
    let split: [(u8, &[u8]); 2] = [(0, &object), (1, &extra)];
    let (_, dual) = call(ms);
    let folder = std::env::temp_dir().join(format!("rendition-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    for files in [&split[..], &[(0, &dual)]] {
        for channel in [
            Channel::Both,
            Channel::Mix,
            Channel::Index(0),
            Channel::Index(1),
        ] {
            for format in [Format::Ogg, Format::Wav] {
                let name = if format == Format::Ogg {
                    "r.ogg"
                } else {
                    "r.wav"
                };
                let path = folder.join(name);
                std::fs::write(&path, render(format, channel, files, ms).unwrap()).unwrap();
                // of a WAV it says that two channels are guessed to be left and right
                let level = if format == Format::Ogg {
                    "warning"
                } else {
                    "error"
                };
                let played = std::process::Command::new("ffmpeg")
                    .args(["-nostdin", "-v", level, "-i"])
                    .arg(&path)
                    .args(["-f", "s16le", "-"])
                    .output()
                    .unwrap();
                let said = String::from_utf8_lossy(&played.stderr);
                let what = format!("{format:?} {channel:?} of {} files", files.len());
                assert!(played.status.success() && said.is_empty(), "{what}: {said}");
                let channels = if channel == Channel::Both { 2 } else { 1 };
                assert_eq!(played.stdout.len(), ms * MS * 2 * channels, "{what}");
                let samples: Vec<i16> = played
                    .stdout
                    .chunks_exact(2 * channels)
                    .map(|frame| i16::from_le_bytes([frame[0], frame[1]]))
                    .collect();
                let hz = if channel == Channel::Index(1) {
                    RIGHT_HZ
                } else {
                    LEFT_HZ
                };
                assert!(
                    tone_db(&samples[300 * MS..1_900 * MS], hz) > -14.0,
                    "{what}"
                );
            }
        }
    }
    std::fs::remove_dir_all(folder).unwrap();
}
