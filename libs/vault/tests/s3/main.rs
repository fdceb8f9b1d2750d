//! The store in a bucket, on a real server, with and without faults on the way.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by panicking"
)]

mod faults;
mod support;
mod verbs;
