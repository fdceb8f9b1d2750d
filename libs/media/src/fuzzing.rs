//! What the fuzz targets run, and the tests with the corpus: each function takes any bytes and
//! panics where a promise of this crate is broken.

use crate::ogg::Reader;
use crate::opus::{self, Regrouper};
use crate::rtp::{RtpHeader, RtpPacket, is_rtcp};
use crate::{ClockRate, MediaTime, Timeline};

/// An entry: any bytes.
pub type Entry = fn(&[u8]);

/// The fuzz targets by name: that of the program in `fuzz/fuzz_targets` and of the folder in
/// `fuzz/corpus`.
pub const TARGETS: [(&str, Entry); 5] = [
    ("rtp", rtp),
    ("opus_packet", opus_packet),
    ("selfdelim", selfdelim),
    ("ogg_read", ogg_read),
    ("timeline", timeline),
];

/// A packet that is read and can be written again is the same when it is read again.
pub fn rtp(bytes: &[u8]) {
    let _ = is_rtcp(bytes);
    let Ok(packet) = RtpPacket::parse(bytes) else {
        return;
    };
    let csrcs: Vec<u32> = packet.csrcs().collect();
    let extensions: Vec<(u8, &[u8])> = packet.extensions().collect();
    let header = RtpHeader {
        marker: packet.marker,
        payload_type: packet.payload_type,
        sequence_number: packet.sequence_number,
        timestamp: packet.timestamp,
        ssrc: packet.ssrc,
        csrcs: &csrcs,
        extensions: &extensions,
    };
    let mut written = Vec::new();
    if header.write(packet.payload, &mut written).is_err() {
        return; // two-byte elements have ids and lengths that we do not write
    }
    let again = RtpPacket::parse(&written).expect("what we write can be read");
    assert_eq!(again.payload, packet.payload);
    assert!(again.csrcs().eq(csrcs));
    assert!(again.extensions().eq(extensions));
    assert_eq!(
        (again.sequence_number, again.ssrc),
        (packet.sequence_number, packet.ssrc)
    );
    for id in 0..=15 {
        assert_eq!(again.audio_level(id), packet.audio_level(id));
    }
}

/// A packet that is read keeps its frames through every framing, and is cut to 20 ms in order.
pub fn opus_packet(bytes: &[u8]) {
    let _ = opus::is_dtx(bytes);
    let Ok(frames) = opus::parse(bytes) else {
        return;
    };
    assert_eq!(opus::duration_samples(bytes), Ok(frames.duration_samples()));
    let mut shortest = Vec::new();
    assert!(opus::write_frames(
        frames.toc().kind(),
        frames.as_slice(),
        &mut shortest
    ));
    let again = opus::parse(&shortest).expect("what we write can be read");
    assert_eq!(again.as_slice(), frames.as_slice());
    let mut delimited = Vec::new();
    opus::write_self_delimited(bytes, &mut delimited).expect("it was read before");
    let (again, length) =
        opus::parse_self_delimited(&delimited).expect("what we write can be read");
    assert_eq!(length, delimited.len());
    assert_eq!(again.as_slice(), frames.as_slice());

    let mut regrouper = Regrouper::default();
    let mut end = MediaTime::ZERO;
    let mut emit = |at: MediaTime, packet: &[u8]| {
        assert!(at >= end, "packets of 20 ms overlap");
        assert_eq!(opus::duration_samples(packet), Ok(960));
        end = at + 960;
    };
    let pushed = regrouper.push(MediaTime::ZERO, bytes, &mut emit);
    assert!(pushed.is_ok());
    regrouper.flush(&mut emit);
}

/// A self-delimited packet that is read lies within the bytes.
pub fn selfdelim(bytes: &[u8]) {
    let Ok((frames, length)) = opus::parse_self_delimited(bytes) else {
        return;
    };
    assert!(length <= bytes.len() && length > 0);
    assert!(frames.duration_samples() <= opus::MAX_PACKET_SAMPLES);
    let sum: usize = frames.as_slice().iter().map(|frame| frame.len()).sum();
    assert!(sum < length);
    let whole = opus::parse_self_delimited(&bytes[..length]);
    assert!(
        whole.is_ok_and(|(again, same)| same == length && again.as_slice() == frames.as_slice())
    );
}

/// A reader ends, and holds no more than the file.
pub fn ogg_read(bytes: &[u8]) {
    let mut sum = 0;
    for packet in Reader::new(bytes) {
        let Ok(packet) = packet else { continue };
        sum += packet.data.len();
    }
    assert!(sum <= bytes.len());
}

/// Nothing is placed far after its arrival, and newer packets of one stream not before older ones.
///
/// Each 9 bytes are a packet: a byte of flags (bit 0: of another SSRC, bit 1: after a pause, bit
/// 2: late), the RTP timestamp's step (i32) and the arrival's (u32, in samples, its lower 20
/// bits), little-endian.
pub fn timeline(bytes: &[u8]) {
    let mut timeline = Timeline::new(ClockRate::OPUS);
    let (mut rtp_time, mut seq, mut arrival) = (0u32, 1_000u64, MediaTime::ZERO);
    let mut newest: Option<MediaTime> = None;
    for step in bytes.chunks_exact(9) {
        let [flags, r0, r1, r2, r3, a0, a1, a2, a3] = *step else {
            return;
        };
        rtp_time = rtp_time.wrapping_add_signed(i32::from_le_bytes([r0, r1, r2, r3]));
        arrival = arrival + u64::from(u32::from_le_bytes([a0, a1, a2, a3]) & 0x000f_ffff);
        if flags & 2 != 0 {
            timeline.quiet();
        }
        let late = flags & 4 != 0;
        seq += u64::from(!late);
        let packet_seq = if late { seq - 3 } else { seq };
        let at = timeline.place(u32::from(flags & 1), rtp_time, packet_seq, arrival);
        assert!(
            at <= arrival + MediaTime::RATE_HZ,
            "{at} for what arrived at {arrival}"
        );
        // with one SSRC only: late packets of the stream before have places of their own
        if !late && bytes.chunks_exact(9).all(|step| step[0] & 1 == 0) {
            assert!(
                newest.is_none_or(|newest| at >= newest),
                "{at} after {newest:?}"
            );
            newest = Some(at);
        }
    }
}
