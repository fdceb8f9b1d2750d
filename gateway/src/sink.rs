//! Who gets a call's packets.

mod level;
mod monitor;
mod proxy;
mod recognise;
mod record;
mod transcript;

pub(crate) use level::Level;
pub(crate) use monitor::{Monitor, Pushed, names as track_names};
pub(crate) use proxy::{Feeds, Proxy};
pub(crate) use recognise::Recognise;
pub(crate) use record::{Of, Record};
pub(crate) use transcript::{Carrier, Saying, Transcript, Version};
