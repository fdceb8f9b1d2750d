//! A take as its writer sees it.

use std::sync::Arc;

use sidetone_fleet::take::Take;
use sidetone_media::{MediaTime, Packet};
use sidetone_wire::{GapReason, Party};

use crate::buffer::Shared;
use crate::flush::Core;

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

    fn finish(&mut self, at: Option<MediaTime>) {
        if !self.ended {
            self.ended = true;
            self.shared.end(at);
            self.core.take_ended();
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

    fn end(mut self: Box<Self>, at: MediaTime) {
        self.finish(Some(at));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.finish(None);
    }
}
