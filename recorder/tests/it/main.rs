//! The recorder from the outside: packets in, files out, and players that we did not write
//! (ffmpeg with its own decoder and with libopus, opusdec) to hear them.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by panicking"
)]

mod corpus;
mod crash;
mod limits;
mod pause;
mod sound;
mod support;
mod sync;
mod upload;
