//! Dev only: a real livekit-server, PostgreSQL, Redis and S3 server of one's own, real peers, faults
//! on the way to a server and on a disk, tones in and tones out, and waiting for conditions with a
//! deadline.
//!
//! Everything here panics or fails with words that say what was waited for; nothing sleeps for
//! luck. Tools come from `.tools/` of the workspace (`make tools` fills it) or from the
//! environment variable that the error names.

#![warn(missing_docs)]

mod account;
mod database;
mod fault;
mod file;
mod kills;
mod livekit;
mod log;
mod marks;
mod party;
mod peer;
mod ports;
mod postgres;
mod process;
mod redis;
mod s3;
mod system;
mod tmpfs;
mod tone;
mod tools;
mod user;
mod wait;

pub use database::{TEST_POSTGRES, database};
pub use fault::{Fault, FaultProxy, Traffic};
pub use file::tone_file;
pub use kills::{Kills, Report};
pub use livekit::{LivekitOptions, LivekitServer};
pub use log::{Planted, watch_log};
pub use marks::Marks;
pub use party::{ToneListener, ToneSpeaker};
pub use peer::{Heard, PythonPeer};
pub use ports::{free_tcp_port, free_udp_port};
pub use postgres::{PostgresOptions, PostgresServer};
pub use redis::RedisServer;
pub use s3::S3Server;
pub use system::System;
pub use tmpfs::Tmpfs;
pub use tone::{Tone, ToneDetector, level_dbfs};
pub use tools::workspace_path;
pub use user::{Grant, User, id, items, unix_ms};
pub use wait::{wait_for, wait_some};
