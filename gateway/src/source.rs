//! Where packets come from, and how they get their place in the call.

mod livekit;

pub(crate) use livekit::Livekit;
