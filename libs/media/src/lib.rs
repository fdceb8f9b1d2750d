//! Pure media: time, RTP, Opus framing, levels, Ogg.
//!
//! No runtime, no I/O, no clock, no serde: bytes and moments come in as arguments, bytes go out.

mod packet;
mod time;

pub use packet::{Codec, Packet, TrackId};
pub use time::{ClockRate, MediaTime};
