//! One file per route: its refusals, its handler, its description.

pub(crate) mod audio;
pub(crate) mod calls;
pub(crate) mod clients;
pub(crate) mod dashboard;
pub(crate) mod docs;
pub(crate) mod listen;
pub(crate) mod login;
pub(crate) mod logout;
pub(crate) mod me;
pub(crate) mod page;
pub(crate) mod recordings;
pub(crate) mod users;
pub(crate) mod webhook_livekit;
