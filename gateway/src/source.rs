//! Where packets come from, and how they get their place in the call.

pub(crate) mod inward;
pub(crate) mod listen;
mod livekit;

pub(crate) use inward::Inward;
pub(crate) use listen::Listen;
pub(crate) use livekit::Livekit;
