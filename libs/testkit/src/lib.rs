//! Dev only: a real livekit-server of one's own, real peers, tones in and tones out, and waiting
//! for conditions with a deadline.
//!
//! Everything here panics or fails with words that say what was waited for; nothing sleeps for
//! luck. Tools come from `.tools/` of the workspace (`make tools` fills it) or from the
//! environment variable that the error names.

#![warn(missing_docs)]

mod livekit;
mod party;
mod peer;
mod ports;
mod process;
mod tmpfs;
mod tone;
mod tools;
mod wait;

pub use livekit::{LivekitOptions, LivekitServer};
pub use party::{ToneListener, ToneSpeaker};
pub use peer::{Heard, PythonPeer};
pub use ports::{free_tcp_port, free_udp_port};
pub use tmpfs::Tmpfs;
pub use tone::{Tone, ToneDetector, level_dbfs};
pub use tools::workspace_path;
pub use wait::{wait_for, wait_some};
