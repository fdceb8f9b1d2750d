//! Packets to frames and frames to packets (RFC 6716 section 3.2 and appendix B).

use super::{
    Frames, MAX_FRAME_BYTES, MAX_FRAMES, Mode, OpusError, Toc, checked_duration,
    parse as parse_packet,
};

/// 20 ms of silence: CELT, full band, mono, with the silence flag. Players neither conceal it nor
/// make noise of it, which they do with an empty frame.
pub const SILENCE_20_MS: [u8; 3] = [0xf8, 0xff, 0xfe];

/// Zero bytes behind a SILK frame. ffmpeg's own decoder reads some bytes past the end of a SILK
/// frame; without them it takes those of the next stream for sound.
const SILK_PADDING: u8 = 2;

const VBR: u8 = 0x80;
const PADDED: u8 = 0x40;

/// Reads a frame's length at `at`; also gives where the next thing begins.
fn frame_length(bytes: &[u8], at: usize) -> Result<(usize, usize), OpusError> {
    let first = usize::from(*bytes.get(at).ok_or(OpusError::Truncated)?);
    if first < 252 {
        return Ok((first, at + 1));
    }
    let second = usize::from(*bytes.get(at + 1).ok_or(OpusError::Truncated)?);
    Ok((second * 4 + first, at + 2))
}

/// Writes a frame's length, at most [`MAX_FRAME_BYTES`].
fn write_length(length: usize, out: &mut Vec<u8>) {
    if length < 252 {
        out.push(length as u8);
    } else {
        let first = 252 + (length & 3);
        out.extend_from_slice(&[first as u8, ((length - first) >> 2) as u8]);
    }
}

/// Where the frames of a packet lie: what its header says.
struct Layout {
    lengths: [usize; MAX_FRAMES],
    count: usize,
    /// Where the first frame begins.
    start: usize,
    /// Bytes after the last frame.
    padding: usize,
}

/// The packet that `bytes` are (or begin with, when `self_delimited`), and its length.
pub(super) fn parse(bytes: &[u8], self_delimited: bool) -> Result<(Frames<'_>, usize), OpusError> {
    let toc = Toc(*bytes.first().ok_or(OpusError::Empty)?);
    let layout = match toc.code() {
        0 => same_size(bytes, self_delimited, 1, 1, 0)?,
        1 => same_size(bytes, self_delimited, 2, 1, 0)?,
        2 => two_sizes(bytes, self_delimited)?,
        _ => any_number(bytes, toc, self_delimited)?,
    };
    let mut data = [&bytes[..0]; MAX_FRAMES];
    let mut at = layout.start;
    for (frame, &length) in data.iter_mut().zip(&layout.lengths[..layout.count]) {
        if length > MAX_FRAME_BYTES {
            return Err(OpusError::FrameTooLarge(length));
        }
        *frame = bytes.get(at..at + length).ok_or(OpusError::Truncated)?;
        at += length;
    }
    let end = at + layout.padding;
    if end > bytes.len() {
        return Err(OpusError::Truncated);
    }
    Ok((
        Frames {
            toc,
            data,
            count: layout.count,
        },
        end,
    ))
}

/// `count` frames of one size from `at` on; R3 and R6.
fn same_size(
    bytes: &[u8],
    self_delimited: bool,
    count: usize,
    at: usize,
    padding: usize,
) -> Result<Layout, OpusError> {
    let (length, start) = if self_delimited {
        frame_length(bytes, at)?
    } else {
        let room = bytes
            .len()
            .checked_sub(at + padding)
            .ok_or(OpusError::Truncated)?;
        if !room.is_multiple_of(count) {
            return Err(match count {
                2 if padding == 0 && at == 1 => OpusError::OddPair(room),
                _ => OpusError::Uneven {
                    bytes: room,
                    frames: count,
                },
            });
        }
        (room / count, at)
    };
    let mut lengths = [0; MAX_FRAMES];
    lengths[..count].fill(length);
    Ok(Layout {
        lengths,
        count,
        start,
        padding,
    })
}

/// Code 2: two frames, the first with its size; R4.
fn two_sizes(bytes: &[u8], self_delimited: bool) -> Result<Layout, OpusError> {
    let (first, at) = frame_length(bytes, 1)?;
    let (second, start) = if self_delimited {
        frame_length(bytes, at)?
    } else {
        (
            bytes
                .len()
                .checked_sub(at + first)
                .ok_or(OpusError::Truncated)?,
            at,
        )
    };
    let mut lengths = [0; MAX_FRAMES];
    lengths[..2].copy_from_slice(&[first, second]);
    Ok(Layout {
        lengths,
        count: 2,
        start,
        padding: 0,
    })
}

/// Code 3: a count byte, padding, sizes; R5, R6, R7.
fn any_number(bytes: &[u8], toc: Toc, self_delimited: bool) -> Result<Layout, OpusError> {
    let count_byte = *bytes.get(1).ok_or(OpusError::Truncated)?;
    let count = usize::from(count_byte & 0x3f);
    checked_duration(toc, count)?;
    let mut at = 2;
    let mut padding = 0;
    if count_byte & PADDED != 0 {
        loop {
            let length = *bytes.get(at).ok_or(OpusError::Truncated)?;
            at += 1;
            if length < 255 {
                padding += usize::from(length);
                break;
            }
            padding += 254;
        }
    }
    if count_byte & VBR == 0 {
        return same_size(bytes, self_delimited, count, at, padding);
    }
    let mut lengths = [0; MAX_FRAMES];
    let mut sum = 0;
    for length in &mut lengths[..count - 1] {
        (*length, at) = frame_length(bytes, at)?;
        sum += *length;
    }
    let last = if self_delimited {
        let (last, next) = frame_length(bytes, at)?;
        at = next;
        last
    } else {
        bytes
            .len()
            .checked_sub(at + sum + padding)
            .ok_or(OpusError::Truncated)?
    };
    lengths[count - 1] = last;
    Ok(Layout {
        lengths,
        count,
        start: at,
        padding,
    })
}

/// Appends a packet of these frames in the shortest packing. `kind` is [`Toc::kind`]. Gives
/// `false` and appends nothing when no packet can hold them: none, more than 120 ms, or one too
/// large.
pub fn write_frames(kind: u8, frames: &[&[u8]], out: &mut Vec<u8>) -> bool {
    if checked_duration(Toc(kind), frames.len()).is_err()
        || frames.iter().any(|f| f.len() > MAX_FRAME_BYTES)
    {
        return false;
    }
    write(
        kind,
        frames,
        Packing {
            self_delimited: false,
            padding: 0,
        },
        out,
    );
    true
}

/// Appends `packet` in self-delimited framing (RFC 6716 appendix B), as every stream but the last
/// of an Ogg Opus packet has it. A SILK packet gets two bytes of padding, for a player that needs
/// them (see `SILK_PADDING` in the source); the frames stay as they are.
///
/// # Errors
/// When `packet` is not an Opus packet; nothing is appended then.
pub fn write_self_delimited(packet: &[u8], out: &mut Vec<u8>) -> Result<(), OpusError> {
    let frames = parse_packet(packet)?;
    let padding = if frames.toc().mode() == Mode::Silk {
        SILK_PADDING
    } else {
        0
    };
    let packing = Packing {
        self_delimited: true,
        padding,
    };
    write(frames.toc().kind(), frames.as_slice(), packing, out);
    Ok(())
}

#[derive(Clone, Copy)]
struct Packing {
    self_delimited: bool,
    /// Zero bytes at the end, 0 to 254; any but 0 forces code 3.
    padding: u8,
}

/// Appends a packet of 1 to 48 frames, none too large.
fn write(kind: u8, frames: &[&[u8]], packing: Packing, out: &mut Vec<u8>) {
    let same = frames.iter().all(|f| f.len() == frames[0].len());
    match (frames.len(), packing.padding) {
        (1, 0) => out.push(kind),
        (2, 0) if same => out.push(kind | 1),
        (2, 0) => {
            out.push(kind | 2);
            write_length(frames[0].len(), out);
        }
        (count, padding) => {
            let vbr = if same { 0 } else { VBR };
            let padded = if padding > 0 { PADDED } else { 0 };
            out.extend_from_slice(&[kind | 3, vbr | padded | count as u8]);
            if padding > 0 {
                out.push(padding);
            }
            if !same {
                for frame in &frames[..count - 1] {
                    write_length(frame.len(), out);
                }
            }
        }
    }
    if packing.self_delimited {
        write_length(frames[frames.len() - 1].len(), out);
    }
    for frame in frames {
        out.extend_from_slice(frame);
    }
    out.resize(out.len() + usize::from(packing.padding), 0);
}
