//! The room client against a real livekit-server.

mod data;
mod driver;
mod hold_on;
mod media;
mod stage;
