//! A take as its writer sees it.

use std::sync::Arc;

use sidetone_fleet::take::{Durable, Take};
use sidetone_media::{MediaTime, Packet};
use sidetone_wire::{GapReason, Party};

use crate::buffer::Shared;
use crate::core::Core;

/// A running take.
pub(crate) struct Running {
    core: Arc<Core>,
    shared: Arc<Shared>,
    ended: bool,
}

impl Running {
    pub(crate) fn new(core: Arc<Core>, shared: Arc<Shared>) -> Self {
        Self {
            core,
            shared,
            ended: false,
        }
    }
}

impl Take for Running {
    fn write(&mut self, party: Party, packet: &Packet) {
        self.shared.packet(party, packet);
    }

    fn name(&mut self, party: Party, name: &str) {
        self.shared.name(party, name);
    }

    fn gap(&mut self, from: MediaTime, to: MediaTime, reason: GapReason) {
        self.shared.gap(from, to, reason);
    }

    fn pause(&mut self, at: MediaTime, by: &str, durable: Durable) {
        self.shared.pause(at, by, durable);
        self.core.wake();
    }

    fn resume(&mut self, at: MediaTime, durable: Durable) {
        self.shared.resume(at, durable);
        self.core.wake();
    }

    fn is_degraded(&self) -> bool {
        self.shared.is_degraded()
    }

    fn end(mut self: Box<Self>, at: MediaTime) {
        self.ended = true;
        self.shared.end(Some(at));
    }

    fn discard(mut self: Box<Self>) {
        self.ended = true;
        self.shared.discard();
        self.shared.end(None);
        self.core.wake();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.ended {
            self.shared.end(None);
        }
    }
}
