//! Having a call's speech written down by somebody who recognises it.
//!
//! Each party has a [`Line`] of its own to the provider: a tape of what it said that is not yet
//! understood, and a task that plays it over a WebSocket. Three providers differ in what they are
//! told and how they tell ([`Provider`]); whatever else there is to it is shared.
//!
//! **Invariants**
//! - What was not understood when a connection was lost is played again on the next one, up to
//!   what a tape holds.
//! - A provider that is slow, away or wrong costs a call its transcript and nothing else.

mod assemblyai;
mod deepgram;
mod line;
mod openai;
mod provider;
mod tape;

pub(crate) use line::{Inbox, Line, Of, Recognised, Told};
pub(crate) use provider::{Kind, fuzz, provider_of};
