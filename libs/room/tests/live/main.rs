//! The room client against a real livekit-server.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a test waits for one event of many"
)]

mod data;
mod driver;
mod hold_on;
mod media;
mod stage;
