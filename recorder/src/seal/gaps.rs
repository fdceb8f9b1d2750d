//! Stretches without sound that should have had some.

use sidetone_media::{MediaTime, TrackId, opus};
use sidetone_wire::{Gap, GapReason};

use super::replay::Entry;

/// Gaps of one reason that are nearer to each other than this are listed as one.
const MERGE_MS: u64 = 500;
/// Gaps that a manifest lists; with more, further ones are listed as one.
const MAX_GAPS: usize = 1_000;
/// Gaps held before they are merged.
const MAX_HELD: usize = 8 * MAX_GAPS;

/// The gaps of a take.
#[derive(Debug, Default)]
pub(super) struct Gaps(Vec<Gap>);

impl Gaps {
    pub(super) fn add(&mut self, from: MediaTime, to: MediaTime, reason: GapReason) {
        if to <= from {
            return;
        }
        self.0.push(Gap {
            from_ms: from.ms(),
            to_ms: to.ms(),
            reason,
        });
        if self.0.len() >= MAX_HELD {
            self.merge();
        }
    }

    /// The list for a take of this length: sorted, merged, within the take.
    pub(super) fn into_list(mut self, duration_ms: u64) -> Vec<Gap> {
        for gap in &mut self.0 {
            gap.to_ms = gap.to_ms.min(duration_ms);
        }
        self.0.retain(|gap| gap.from_ms < gap.to_ms);
        self.merge();
        self.0
    }

    fn merge(&mut self) {
        let mut distance_ms = MERGE_MS;
        loop {
            self.merge_within(distance_ms);
            if self.0.len() <= MAX_GAPS {
                return;
            }
            distance_ms = distance_ms.saturating_mul(2);
        }
    }

    fn merge_within(&mut self, distance_ms: u64) {
        let mut merged: Vec<Gap> = Vec::new();
        self.0.sort_by_key(|gap| (gap.reason as u8, gap.from_ms));
        for gap in self.0.drain(..) {
            match merged.last_mut() {
                Some(last)
                    if last.reason == gap.reason
                        && gap.from_ms <= last.to_ms.saturating_add(distance_ms) =>
                {
                    last.to_ms = last.to_ms.max(gap.to_ms);
                }
                _ => merged.push(gap),
            }
        }
        merged.sort_by_key(|gap| gap.from_ms);
        self.0 = merged;
    }
}

/// Streams whose losses are followed at once; a further one takes the place of the one that was
/// silent for longest.
const MAX_STREAMS: usize = 16;

/// Finds packets that never came: sequence numbers that are missing once all is sorted.
#[derive(Debug, Default)]
pub(super) struct Losses(Vec<Stream>);

#[derive(Debug)]
struct Stream {
    channel: usize,
    track: TrackId,
    ssrc: u32,
    seq: u64,
    end: MediaTime,
}

impl Losses {
    /// Takes a packet in, in the order of time; gives what is missing before it.
    pub(super) fn observe(&mut self, entry: &Entry) -> Option<(MediaTime, MediaTime)> {
        let lane = entry.lane;
        let samples = opus::duration_samples(&entry.payload).map_or(0, u64::from);
        let end = entry.at + samples;
        let known = self
            .0
            .iter_mut()
            .find(|s| (s.channel, s.track, s.ssrc) == (entry.channel, lane.track, lane.ssrc));
        let Some(stream) = known else {
            if self.0.len() == MAX_STREAMS {
                let oldest = self.0.iter().enumerate().min_by_key(|(_, s)| s.end);
                if let Some((index, _)) = oldest {
                    self.0.swap_remove(index);
                }
            }
            let (track, ssrc, seq) = (lane.track, lane.ssrc, lane.seq);
            self.0.push(Stream {
                channel: entry.channel,
                track,
                ssrc,
                seq,
                end,
            });
            return None;
        };
        if lane.seq <= stream.seq {
            return None;
        }
        let lost = lane.seq - stream.seq - 1;
        // what was lost may have been followed by silence that was not sent
        let lost_end = stream.end + lost.saturating_mul(samples);
        let missing = (stream.end, lost_end.min(entry.at));
        stream.seq = lane.seq;
        stream.end = end;
        (missing.0 < missing.1).then_some(missing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> MediaTime {
        MediaTime::from_samples(ms * 48)
    }

    #[test]
    fn near_gaps_of_one_reason_are_one() {
        let mut gaps = Gaps::default();
        gaps.add(at(5_000), at(5_020), GapReason::Loss);
        gaps.add(at(5_100), at(5_120), GapReason::Loss);
        gaps.add(at(5_050), at(5_060), GapReason::Degraded);
        gaps.add(at(9_000), at(12_000), GapReason::Loss);
        gaps.add(at(50_000), at(51_000), GapReason::Loss);
        let list: Vec<_> = gaps
            .into_list(10_000)
            .iter()
            .map(|g| (g.from_ms, g.to_ms, g.reason))
            .collect();
        assert_eq!(
            list,
            [
                (5_000, 5_120, GapReason::Loss),
                (5_050, 5_060, GapReason::Degraded),
                (9_000, 10_000, GapReason::Loss)
            ]
        );
    }

    #[test]
    fn a_take_full_of_holes_lists_a_thousand_at_most() {
        let mut gaps = Gaps::default();
        for n in 0..100_000 {
            gaps.add(at(n * 1_000), at(n * 1_000 + 20), GapReason::Loss);
        }
        let list = gaps.into_list(u64::MAX);
        assert!(list.len() <= MAX_GAPS && !list.is_empty());
        assert_eq!(list[0].from_ms, 0);
        assert_eq!(list[list.len() - 1].to_ms, 99_999_020);
    }
}
