//! Packets of any length to packets of 20 ms, without decoding.

use super::{Mode, OpusError, Toc, parse, write_frames};
use crate::MediaTime;

/// Samples of a slot: 20 ms.
const SLOT_SAMPLES: u32 = 960;
/// A CELT frame with the silence flag, in any frame size and bandwidth.
const CELT_SILENT_FRAME: [u8; 2] = [0xff, 0xfe];
/// A frame belongs to the open group when it starts within this of where the group ends.
const JOIN_TOLERANCE_SAMPLES: u64 = 48;

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Regrouped {
    /// Its frames are in the output, or wait for the rest of their 20 ms.
    Kept,
    /// A frame of 40 or 60 ms (SILK): it cannot be divided.
    Indivisible,
}

/// Divides and joins one track's packets into packets that sound exactly 20 ms.
///
/// Longer packets are divided between frames, which loses nothing. Frames of 10 ms and less are
/// joined with their neighbours; a group whose neighbours never come is filled with silence where
/// the codec has a silent frame (CELT), else dropped: at most 10 ms are lost next to a loss.
#[derive(Debug, Default)]
pub struct Regrouper {
    /// Frames of the open group, one after the other, and their lengths.
    bytes: Vec<u8>,
    lengths: Vec<usize>,
    kind: u8,
    start: MediaTime,
    scratch: Vec<u8>,
}

impl Regrouper {
    /// Takes a packet that starts at `at`; packets come in the order of time. `emit` gets each
    /// packet of 20 ms with its start.
    ///
    /// # Errors
    /// When it is not an Opus packet; the regrouper can go on.
    pub fn push(
        &mut self,
        at: MediaTime,
        packet: &[u8],
        emit: &mut impl FnMut(MediaTime, &[u8]),
    ) -> Result<Regrouped, OpusError> {
        let frames = parse(packet)?;
        let frame_samples = frames.toc().frame_samples();
        if frame_samples > SLOT_SAMPLES {
            self.flush_before(Some(at), emit);
            return Ok(Regrouped::Indivisible);
        }
        if frames.duration_samples() == SLOT_SAMPLES {
            self.flush_before(Some(at), emit);
            emit(at, packet);
            return Ok(Regrouped::Kept);
        }
        for (n, frame) in frames.as_slice().iter().enumerate() {
            let at = at + u64::from(frame_samples) * n as u64;
            self.push_frame(at, frames.toc(), frame, emit);
        }
        Ok(Regrouped::Kept)
    }

    /// Ends the open group: nothing more comes.
    pub fn flush(&mut self, emit: &mut impl FnMut(MediaTime, &[u8])) {
        self.flush_before(None, emit);
    }

    /// Ends the open group, which what starts at `next` does not belong to. Filling up would
    /// cover sound where that starts before the group's 20 ms are over.
    fn flush_before(&mut self, next: Option<MediaTime>, emit: &mut impl FnMut(MediaTime, &[u8])) {
        if self.lengths.is_empty() {
            return;
        }
        let room = next.is_none_or(|next| next.since(self.start) >= u64::from(SLOT_SAMPLES));
        if room && Toc(self.kind).mode() == Mode::Celt {
            while self.group_samples() < SLOT_SAMPLES {
                self.bytes.extend_from_slice(&CELT_SILENT_FRAME);
                self.lengths.push(CELT_SILENT_FRAME.len());
            }
            self.emit_group(emit);
        }
        self.clear();
    }

    fn push_frame(
        &mut self,
        at: MediaTime,
        toc: Toc,
        frame: &[u8],
        emit: &mut impl FnMut(MediaTime, &[u8]),
    ) {
        let end = self.start + u64::from(self.group_samples());
        let adjoins = at.samples().abs_diff(end.samples()) <= JOIN_TOLERANCE_SAMPLES;
        if !self.lengths.is_empty() && (self.kind != toc.kind() || !adjoins) {
            self.flush_before(Some(at), emit);
        }
        if self.lengths.is_empty() {
            self.kind = toc.kind();
            self.start = at;
        }
        self.bytes.extend_from_slice(frame);
        self.lengths.push(frame.len());
        if self.group_samples() >= SLOT_SAMPLES {
            self.emit_group(emit);
            self.clear();
        }
    }

    fn emit_group(&mut self, emit: &mut impl FnMut(MediaTime, &[u8])) {
        let mut frames: [&[u8]; super::MAX_FRAMES] = [&[]; super::MAX_FRAMES];
        let mut rest = self.bytes.as_slice();
        for (frame, &length) in frames.iter_mut().zip(&self.lengths) {
            (*frame, rest) = rest.split_at(length);
        }
        self.scratch.clear();
        if write_frames(self.kind, &frames[..self.lengths.len()], &mut self.scratch) {
            emit(self.start, &self.scratch);
        }
    }

    fn group_samples(&self) -> u32 {
        Toc(self.kind).frame_samples() * self.lengths.len() as u32
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.lengths.clear();
    }
}
