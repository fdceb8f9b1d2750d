//! The store in a bucket, on a real server, with and without faults on the way.

mod faults;
mod support;
mod verbs;
