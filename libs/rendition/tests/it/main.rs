//! Renditions from the outside: recordings of tones in, and what is heard of them.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by panicking"
)]

mod corpus;
mod damage;
mod sound;
#[cfg(not(debug_assertions))]
mod speed;
mod support;
