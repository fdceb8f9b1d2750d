//! From RTP timestamps to the call's time.

use crate::{ClockRate, MediaTime};

/// Timestamps that disagree with arrival by more than this within one packet are a reset.
const RESET_SAMPLES: i64 = 10 * SECOND;
/// No packet is placed later than this after it arrived: a stalled start may burst, a clock that
/// runs away may not fill the future.
const AHEAD_SAMPLES: u64 = MediaTime::RATE_HZ;
/// Packets that stay this late for [`LAG_FOR_SAMPLES`] come from a clock that stood still, not
/// from a stalled network (which catches up in a burst).
const LAG_SAMPLES: i64 = SECOND;
/// See [`LAG_SAMPLES`].
const LAG_FOR_SAMPLES: u64 = 2 * MediaTime::RATE_HZ;
/// The least delay is sought over one to two of these.
const BUCKET_SAMPLES: u64 = 5 * MediaTime::RATE_HZ;
/// Errors below this are left alone: they are jitter.
const TOLERANCE_SAMPLES: i64 = 6 * MS;
/// The most that one correction moves: a frame.
const CORRECTION_SAMPLES: i64 = 20 * MS;
/// The most that it moves within speech, while the error is small.
const DRIFT_CORRECTION_SAMPLES: i64 = 10 * MS;
/// Time between such corrections: 1,000 ppm are followed, which no sender's clock drifts, and a
/// network whose delay changes for some seconds is not.
const DRIFT_EVERY_SAMPLES: u64 = 10 * MediaTime::RATE_HZ;
/// An error above this is corrected faster within speech.
const URGENT_SAMPLES: i64 = 100 * MS;
/// Time between such corrections.
const URGENT_EVERY_SAMPLES: u64 = MediaTime::RATE_HZ;
/// Time between corrections in pauses, so that a sender that marks every packet is safe too.
const PAUSE_EVERY_SAMPLES: u64 = MediaTime::RATE_HZ / 5;
/// A new stream that arrives while the previous one's last packet still sounds may wait for it
/// this long.
const HANDOVER_SAMPLES: u64 = 60 * MS as u64;
/// Packets of the previous stream are taken for late ones for this long after a change of SSRC.
const OLD_STREAM_SAMPLES: u64 = MediaTime::RATE_HZ;
/// The longest packet of any codec here (Opus, RFC 6716 section 3.1).
const LONGEST_PACKET_SAMPLES: i64 = 120 * MS;

const MS: i64 = 48;
const SECOND: i64 = 1_000 * MS;

/// Places one track's packets on the call's time.
///
/// The sender's clock says how packets lie to each other, their arrival says where on the call's
/// time they lie and how far the sender's clock drifts. Within a stream the differences of RTP
/// timestamps are kept; the whole is aligned so that the least delayed packets of the last 5 to
/// 10 s are placed where they arrived.
///
/// Invariants, each with a property test:
/// 1. A packet newer than all before it never starts before one of them.
/// 2. Within a stream, the distance of two packets is that of their timestamps, but for
///    corrections of at most 20 ms: each lies in a pause (see [`Timeline::quiet`]; a timestamp
///    gap without a sequence gap is one by itself), or, where nobody ever pauses, in speech: at
///    most 10 ms every 10 s, and while the error is above 100 ms once a second.
/// 3. Nothing is placed more than 1 s after it arrived, whatever the timestamps say.
/// 4. A late packet is placed where it would have been placed in time.
/// 5. A reset (another SSRC; timestamps that disagree with arrival by more than 10 s from one
///    packet to the next, or by more than 1 s for 2 s) starts anew at the packet's arrival.
#[derive(Debug)]
pub struct Timeline {
    rate: ClockRate,
    stream: Option<Stream>,
    /// The stream before this one, for its late packets.
    previous: Option<Stream>,
    /// When the current stream replaced it.
    replaced_at: MediaTime,
    /// The latest start given out.
    newest_start: MediaTime,
    /// The latest arrival seen: arrivals never run backwards.
    now: MediaTime,
    quiet: bool,
}

impl Timeline {
    /// A timeline for a track whose RTP clock is `rate`.
    pub const fn new(rate: ClockRate) -> Self {
        Self {
            rate,
            stream: None,
            previous: None,
            replaced_at: MediaTime::ZERO,
            newest_start: MediaTime::ZERO,
            now: MediaTime::ZERO,
            quiet: false,
        }
    }

    /// Says that the packet placed next begins a talk spurt (RTP marker) or is silent: a
    /// correction just before it is not heard.
    pub const fn quiet(&mut self) {
        self.quiet = true;
    }

    /// Says that the timestamp of the packet placed next was set by its arrival: how early or late
    /// packets were before says nothing about it.
    pub const fn forget_delays(&mut self) {
        if let Some(stream) = &mut self.stream {
            stream.delay.forgotten = true;
        }
    }

    /// Where on the call's time the packet starts that has this SSRC, RTP timestamp and extended
    /// sequence number and arrived at `arrival`. Called once for each packet, in the order of
    /// arrival.
    pub fn place(&mut self, ssrc: u32, rtp_time: u32, seq: u64, arrival: MediaTime) -> MediaTime {
        self.now = self.now.max(arrival);
        let quiet = std::mem::take(&mut self.quiet);
        if let Some(at) = self.place_of_old_stream(ssrc, rtp_time) {
            return at;
        }
        let Some(stream) = self.stream.as_mut().filter(|s| s.ssrc == ssrc) else {
            return self.restart(ssrc, rtp_time, seq);
        };
        let step = stream.step_to(rtp_time, seq, self.now, self.rate);
        match step {
            Step::Reset => self.restart(ssrc, rtp_time, seq),
            Step::Late(at) => at.min(self.now + AHEAD_SAMPLES),
            Step::Next { pause } => {
                stream.correct(quiet || pause, self.now);
                let at = stream.newest_at(self.rate).max(self.newest_start);
                if at > self.now + AHEAD_SAMPLES || stream.lags(at, self.now) {
                    return self.restart(ssrc, rtp_time, seq);
                }
                self.newest_start = at;
                at
            }
        }
    }

    /// Begins a stream at the packet's arrival, after what still sounds of the one before.
    fn restart(&mut self, ssrc: u32, rtp_time: u32, seq: u64) -> MediaTime {
        let mut at = self.now.max(self.newest_start);
        if let Some(old) = self.stream.take() {
            let end = self.newest_start + old.packet_samples(self.rate);
            at = at.max(end.min(self.now + HANDOVER_SAMPLES));
            if old.ssrc != ssrc {
                self.previous = Some(old);
                self.replaced_at = self.now;
            }
        }
        self.stream = Some(Stream::new(ssrc, rtp_time, seq, at, self.now));
        self.newest_start = at;
        at
    }

    /// The place of a late packet of the stream before this one.
    fn place_of_old_stream(&mut self, ssrc: u32, rtp_time: u32) -> Option<MediaTime> {
        let old = self.previous.as_ref()?;
        if self.now.since(self.replaced_at) > OLD_STREAM_SAMPLES {
            self.previous = None;
            return None;
        }
        let ticks = ticks_between(old.newest_rtp_time, rtp_time);
        if old.ssrc != ssrc || self.rate.to_samples_48k(ticks.abs()) > RESET_SAMPLES {
            return None;
        }
        let at = old.at(old.newest_ticks + ticks, self.rate);
        Some(at.min(self.now + HANDOVER_SAMPLES))
    }
}

/// What a packet is to its stream.
enum Step {
    /// Newer than all before, after a pause or not.
    Next { pause: bool },
    /// Older than the newest; its place.
    Late(MediaTime),
    /// Not of the stream as it was.
    Reset,
}

/// One SSRC's run of timestamps between resets.
#[derive(Debug)]
struct Stream {
    ssrc: u32,
    /// Call time of tick 0, in samples.
    origin_samples: i64,
    newest_rtp_time: u32,
    /// Ticks since the stream's first packet.
    newest_ticks: i64,
    newest_seq: u64,
    newest_arrival: MediaTime,
    /// Length of a packet as far as timestamps show it, and the last difference seen.
    packet_ticks: i64,
    last_difference_ticks: i64,
    /// Before this tick the origin was another: the latest correction.
    corrected_from_ticks: i64,
    origin_before_samples: i64,
    corrected_at: MediaTime,
    delay: LeastDelay,
    lagging_since: Option<MediaTime>,
}

impl Stream {
    const fn new(ssrc: u32, rtp_time: u32, seq: u64, at: MediaTime, now: MediaTime) -> Self {
        let origin_samples = at.samples() as i64;
        Self {
            ssrc,
            origin_samples,
            newest_rtp_time: rtp_time,
            newest_ticks: 0,
            newest_seq: seq,
            newest_arrival: now,
            packet_ticks: i64::MAX,
            last_difference_ticks: 0,
            corrected_from_ticks: i64::MIN,
            origin_before_samples: origin_samples,
            corrected_at: now,
            delay: LeastDelay::new(now, now.samples() as i64 - origin_samples),
            lagging_since: None,
        }
    }

    /// Takes a packet's timestamp in and says what it is.
    fn step_to(&mut self, rtp_time: u32, seq: u64, now: MediaTime, rate: ClockRate) -> Step {
        let ticks = ticks_between(self.newest_rtp_time, rtp_time);
        let samples = rate.to_samples_48k(ticks);
        if seq <= self.newest_seq {
            if samples.abs() > RESET_SAMPLES {
                return Step::Reset;
            }
            return Step::Late(self.at(self.newest_ticks + ticks, rate));
        }
        let elapsed = now.since(self.newest_arrival) as i64;
        if (samples - elapsed).abs() > RESET_SAMPLES || samples < -LONGEST_PACKET_SAMPLES {
            return Step::Reset;
        }
        let pause = self.learn_packet_length(ticks, seq, rate);
        self.newest_ticks += ticks;
        self.newest_rtp_time = rtp_time;
        self.newest_seq = seq;
        self.newest_arrival = now;
        let delay = now.samples() as i64 - self.origin_samples - self.elapsed_samples(rate);
        self.delay.observe(delay, now);
        Step::Next { pause }
    }

    /// Learns how long packets are, and says whether more time passed than the packets fill.
    fn learn_packet_length(&mut self, ticks: i64, seq: u64, rate: ClockRate) -> bool {
        let packets = seq - self.newest_seq;
        if packets == 1 && ticks > 0 && rate.to_samples_48k(ticks) <= LONGEST_PACKET_SAMPLES {
            // shorter is sure, longer (another packet time) is believed when it comes twice
            if ticks < self.packet_ticks || ticks == self.last_difference_ticks {
                self.packet_ticks = ticks;
            }
            self.last_difference_ticks = ticks;
        }
        let filled = i64::try_from(packets)
            .unwrap_or(i64::MAX)
            .saturating_mul(self.packet_ticks);
        ticks > filled
    }

    /// Moves the origin towards what arrival says, where the rules allow it.
    fn correct(&mut self, pause: bool, now: MediaTime) {
        let Some(error) = self.delay.least() else {
            return;
        };
        let (every, most) = if pause {
            (PAUSE_EVERY_SAMPLES, CORRECTION_SAMPLES)
        } else if error.abs() > URGENT_SAMPLES {
            (URGENT_EVERY_SAMPLES, CORRECTION_SAMPLES)
        } else {
            (DRIFT_EVERY_SAMPLES, DRIFT_CORRECTION_SAMPLES)
        };
        if error.abs() < TOLERANCE_SAMPLES || now.since(self.corrected_at) < every {
            return;
        }
        let correction = error.clamp(-most, most);
        self.origin_before_samples = self.origin_samples;
        self.corrected_from_ticks = self.newest_ticks;
        self.origin_samples += correction;
        self.corrected_at = now;
        self.delay.shift(-correction);
    }

    /// Whether packets have been late for so long that the sender's clock must have stood still.
    fn lags(&mut self, at: MediaTime, now: MediaTime) -> bool {
        if now.since(at) as i64 <= LAG_SAMPLES {
            self.lagging_since = None;
            return false;
        }
        now.since(*self.lagging_since.get_or_insert(now)) >= LAG_FOR_SAMPLES
    }

    fn newest_at(&self, rate: ClockRate) -> MediaTime {
        self.at(self.newest_ticks, rate)
    }

    fn at(&self, ticks: i64, rate: ClockRate) -> MediaTime {
        let origin = if ticks < self.corrected_from_ticks {
            self.origin_before_samples
        } else {
            self.origin_samples
        };
        let samples = origin.saturating_add(rate.to_samples_48k(ticks));
        MediaTime::from_samples(u64::try_from(samples).unwrap_or(0))
    }

    fn elapsed_samples(&self, rate: ClockRate) -> i64 {
        rate.to_samples_48k(self.newest_ticks)
    }

    /// Length of a packet, 0 while unknown.
    fn packet_samples(&self, rate: ClockRate) -> u64 {
        if self.packet_ticks == i64::MAX {
            return 0;
        }
        u64::try_from(rate.to_samples_48k(self.packet_ticks)).unwrap_or(0)
    }
}

/// The least delay (arrival minus place, in samples) of the last one to two buckets.
#[derive(Debug)]
struct LeastDelay {
    since: MediaTime,
    current: i64,
    before: Option<i64>,
    /// What was seen says nothing about what comes.
    forgotten: bool,
}

impl LeastDelay {
    const fn new(now: MediaTime, delay_samples: i64) -> Self {
        Self {
            since: now,
            current: delay_samples,
            before: None,
            forgotten: false,
        }
    }

    fn observe(&mut self, delay_samples: i64, now: MediaTime) {
        if self.forgotten {
            *self = Self::new(now, delay_samples);
        }
        let age = now.since(self.since);
        if age >= BUCKET_SAMPLES {
            // after a long silence the last bucket says nothing about now
            self.before = (age < 2 * BUCKET_SAMPLES).then_some(self.current);
            self.current = delay_samples;
            self.since = now;
        } else {
            self.current = self.current.min(delay_samples);
        }
    }

    /// The error, once it is known. Being early is proof at once, being late takes a bucket.
    fn least(&self) -> Option<i64> {
        match self.before {
            Some(before) => Some(before.min(self.current)),
            None => (self.current < 0).then_some(self.current),
        }
    }

    fn shift(&mut self, by_samples: i64) {
        self.current += by_samples;
        self.before = self.before.map(|before| before + by_samples);
    }
}

/// Ticks from one RTP timestamp to another over a wrap, forwards or backwards, whichever is less.
const fn ticks_between(from: u32, to: u32) -> i64 {
    (to.wrapping_sub(from) as i32) as i64
}

#[cfg(test)]
mod tests;
