//! The control plane as its clients meet it: the real router on a real port, a database of its own
//! (SQLite, or PostgreSQL when the run has one), and gateways that speak through the real in-process
//! fleet.

#![expect(
    clippy::unwrap_used,
    reason = "a test's helpers are tests: what fails there fails the test"
)]

mod agents;
mod alerts;
mod analytics;
mod audio;
mod audit;
mod branches;
mod calls;
mod campaigns;
mod clients;
mod connections;
mod contract;
mod control;
mod dashboard;
mod erasures;
mod feeds;
mod handing;
mod hearing;
mod hostile;
mod identity;
mod inward;
mod ledger;
mod listen;
mod matrix;
mod notes;
mod numbers;
mod origins;
mod outage;
mod pauses;
mod plain;
mod problems;
mod realtime;
mod recordings;
mod register;
mod relay;
mod remote;
mod restart;
mod roles;
mod sessions;
mod socket;
mod streams;
mod subscriptions;
mod takes;
mod tenants;
mod transcripts;
mod transfers;
mod vendor;
mod vendor_calls;
mod watching;
mod webhooks;
mod websocket;
mod whispers;
mod world;
