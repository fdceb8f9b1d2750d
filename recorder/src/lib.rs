//! Packets to a sealed recording: spool, seal, store
