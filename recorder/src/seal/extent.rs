//! How far a take reaches when its end was never told.

use sidetone_media::MediaTime;

/// Packets are placed at most a second after they arrive. So what lies this long behind a packet
/// that was written later is a fault of somebody's clock; two minutes leave room for whatever a
/// network holds back.
const BELIEVED_SAMPLES: u64 = 120 * MediaTime::RATE_HZ;
/// What is last in the spool and this far behind all others is believed when it is more than these
/// packets, half a second of one party.
const BELIEVED_PACKETS: u32 = 25;
/// Packets are counted over stretches of this length, 8,640 in the longest take.
const STRETCH_SAMPLES: u64 = 10 * MediaTime::RATE_HZ;

/// Where packets lie, as far as it can be believed.
#[derive(Debug, Default)]
pub(super) struct Extent(Vec<Stretch>);

#[derive(Debug)]
struct Stretch {
    from: MediaTime,
    end: MediaTime,
    packets: u32,
}

impl Extent {
    /// Takes in that something sounds from `at` to `end`, in the order of writing.
    pub(super) fn observe(&mut self, at: MediaTime, end: MediaTime) {
        while self
            .0
            .last()
            .is_some_and(|s| s.from > at + BELIEVED_SAMPLES)
        {
            self.0.pop();
        }
        match self.0.last_mut() {
            Some(stretch) if at < stretch.from + STRETCH_SAMPLES => {
                stretch.end = stretch.end.max(end);
                stretch.packets += 1;
            }
            _ => self.0.push(Stretch {
                from: at,
                end,
                packets: 1,
            }),
        }
    }

    /// End of the last packet that is believed.
    pub(super) fn end(&self) -> MediaTime {
        let mut stretches = self.0.as_slice();
        while let [before @ .., last] = stretches {
            let end = before.last().map_or(MediaTime::ZERO, |s| s.end);
            if last.packets > BELIEVED_PACKETS || last.from <= end + BELIEVED_SAMPLES {
                return last.end;
            }
            stretches = before;
        }
        MediaTime::ZERO
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> MediaTime {
        MediaTime::from_samples(ms * 48)
    }

    fn end_of(packets_ms: impl IntoIterator<Item = u64>) -> u64 {
        let mut extent = Extent::default();
        for ms in packets_ms {
            extent.observe(at(ms), at(ms + 20));
        }
        extent.end().ms()
    }

    #[test]
    fn a_take_ends_with_its_last_packet_whatever_the_silence_before_it() {
        assert_eq!(end_of([]), 0);
        assert_eq!(end_of((0..60_000).step_by(20)), 60_000);
        assert_eq!(end_of([0, 119_000]), 119_020);
        let muted_for_an_hour = (0..1_000).chain(3_600_000..3_601_000);
        assert_eq!(end_of(muted_for_an_hour.step_by(20)), 3_601_000);
    }

    #[test]
    fn packets_that_claim_to_be_hours_ahead_are_not_believed() {
        let call = || (0..60_000).step_by(20);
        assert_eq!(end_of(call().chain([9_000_000])), 60_000);
        assert_eq!(end_of(call().chain([9_000_000, 60_000])), 60_020);
        assert_eq!(end_of([9_000_000].into_iter().chain(call())), 60_000);
        let many = (9_000_000..9_001_000).step_by(20);
        assert_eq!(end_of(many.chain(call())), 60_000);
    }
}
