//! What is kept for long: data keys, encrypted objects, and the disk or bucket they lie in.
//!
//! Every take has a [`DataKey`] of its own, wrapped by the master key ([`Keyring`]) for its tenant
//! and recording. Whoever destroys the wrapped key destroys the recording wherever copies of it
//! lie.

#![warn(missing_docs)]

mod key;

pub use key::{DataKey, KeyError, Keyring, Purpose};
