//! The room client against a real livekit-server.

#![expect(
    clippy::wildcard_enum_match_arm,
    clippy::unwrap_used,
    clippy::ok_expect,
    reason = "a test waits for one event of many, and fails when it cannot go on"
)]

mod data;
mod driver;
mod hold_on;
mod media;
mod stage;
