//! What is kept for long: data keys, encrypted objects, and the disk or bucket they lie in.
//!
//! Every take has a [`DataKey`] of its own, wrapped by the master key ([`Keyring`]) for its tenant
//! and recording. Whoever destroys the wrapped key destroys the recording wherever copies of it
//! lie.

#![warn(missing_docs)]

pub mod chunked;
#[doc(hidden)]
pub mod fuzzing;
mod key;
pub mod local;
pub mod s3;
mod store;

pub use key::{DataKey, KeyError, Keyring, Purpose};
pub use store::{Bytestream, Head, LIST_MAX, Listed, Object, Put, Store, StoreError};
