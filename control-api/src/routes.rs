//! One file per route: its refusals, its handler, its description.

pub(crate) mod audio;
pub(crate) mod audit;
pub(crate) mod backlog;
pub(crate) mod calls;
pub(crate) mod clients;
pub(crate) mod consent;
pub(crate) mod dashboard;
pub(crate) mod docs;
pub(crate) mod erasure;
pub(crate) mod listen;
pub(crate) mod login;
pub(crate) mod logout;
pub(crate) mod me;
pub(crate) mod page;
pub(crate) mod pausing;
pub(crate) mod recordings;
pub(crate) mod retention;
pub(crate) mod users;
pub(crate) mod webhook_livekit;
pub(crate) mod webhook_recording;
