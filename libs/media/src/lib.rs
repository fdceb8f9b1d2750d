//! Pure media: time, RTP, Opus framing, levels, Ogg.
//!
//! No runtime, no I/O, no clock, no serde: bytes and moments come in as arguments, bytes go out.

#![warn(missing_docs)]

#[doc(hidden)]
pub mod fuzzing;
pub mod level;
pub mod ogg;
pub mod opus;
mod packet;
mod rewrite;
pub mod rtp;
mod time;
mod timeline;

pub use packet::{Codec, Packet, TrackId};
pub use rewrite::{Outgoing, Rewriter};
pub use time::{ClockRate, MediaTime};
pub use timeline::Timeline;
