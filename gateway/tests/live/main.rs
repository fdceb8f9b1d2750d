//! The gateway against a real livekit-server.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a test waits for one event of many"
)]
#![expect(clippy::unwrap_used, reason = "a test that fails says where")]

mod bland;
mod door;
mod faults;
mod feeds;
mod guests;
mod hearing;
mod keeping;
mod peers;
mod recognising;
mod sockets;
mod streams;
mod tapping;
mod transcripts;
mod voices;
mod world;
