//! The recorder from the outside: packets in, files out, and players that we did not write
//! (ffmpeg with its own decoder and with libopus, opusdec) to hear them.

mod crash;
mod limits;
mod sound;
mod support;
