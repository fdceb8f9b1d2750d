//! Calls that somebody else tells us about: a vendor's webhooks, or a registration.
//!
//! Whatever is reported becomes a [`CallUpdate`] in words that no vendor owns. [`State`] is what
//! all updates of a call say together; [`State::project`] makes the call of it that people see.
//!
//! **Invariant**: updates that come in another order, or again, say the same
//! (`any_order_with_duplicates_ends_in_one_state`).

pub(crate) mod destination;
pub(crate) mod numbers;
pub(crate) mod obstacles;
pub(crate) mod reason;
pub(crate) mod redact;
pub(crate) mod sentiment;
pub(crate) mod state;
pub(crate) mod subtitles;
pub(crate) mod transcript;
pub(crate) mod unheard;
pub(crate) mod update;

pub(crate) use destination::Destination;
pub(crate) use obstacles::obstacles;
pub(crate) use reason::End;
pub(crate) use state::State;
pub(crate) use transcript::{Layer, Rows, Said, Spoken};
pub(crate) use unheard::Unheard;
pub(crate) use update::CallUpdate;
