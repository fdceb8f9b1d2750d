//! A LiveKit client without libwebrtc: packets in, packets out. It never decodes.
//!
//! A [`Room`] is one connection to one room, driven by awaiting [`Room::next`]: the owner's task
//! reads the sockets, and packets reach it without a channel or a lock in between. Signalling is
//! LiveKit's own crate, WebRTC is a sans-IO core; neither shows in this API.
//!
//! ```no_run
//! use sidetone_room::token::{Credentials, Token};
//! use sidetone_room::{Event, Options, Room};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let credentials = Credentials::new("devkey", "secret");
//! let token = Token::tap("call-1", "tap-1").sign(&credentials)?;
//! let mut room = Room::join(Options::new("ws://127.0.0.1:7880", token)).await?;
//! loop {
//!     match room.next().await {
//!         Event::TrackPublished { track, .. } if track.audio => room.subscribe(&track.sid),
//!         Event::Packet(packet) => println!("{} bytes of track {}", packet.payload.len(), packet.track),
//!         Event::Closed(why) => break println!("{why}"),
//!         _ => {}
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Invariants
//!
//! - A session is one signalling connection and up to two peer connections (the server sends on
//!   one, we send on the other); the second is made when something is first published or sent.
//! - A lost signalling connection is resumed, a lost session is begun anew; the room does both by
//!   itself, with capped and jittered waits, and says so ([`Event::Reconnecting`],
//!   [`Event::Resumed`], [`Event::Rejoined`]).
//! - Nothing that the server or a participant sends can make it panic or grow without bound.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "the enums of signalling and WebRTC grow with every release; what is new is ignored"
)]

mod clock;
mod data;
mod event;
#[doc(hidden)]
pub mod fuzzing;
mod local;
mod model;
mod options;
mod peer;
mod remote;
mod room;
mod roster;
mod sdp;
pub mod service;
pub mod sip;
mod stage;
mod tls;
pub mod token;
mod transport;
pub mod webhook;

pub use event::{Closed, Event, RpcError, RpcRequest, RtpIn, RtpOut, Segment, Text, Transcription};
pub use model::{
    Audience, Kind, LocalTrack, Participant, Permission, PublishOptions, Source, Speaker, Track,
};
pub use options::{JoinPacer, Options, TokenSource};
pub use room::{JoinError, Room};
pub use stage::{
    CONNECTIONS, ConnectionToken, PUBLISHES_PER_CONNECTION, Stage, StageEvent, StageOptions,
    StageTrack, TRACKS_PER_CONNECTION,
};
