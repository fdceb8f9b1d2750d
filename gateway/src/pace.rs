//! How long an idle shard lets packets gather before it asks the kernel for them.
//!
//! Packets come one at a time, and waking up for each costs more than the packet. A shard with
//! nothing left to do sleeps a little first and then finds several. While somebody listens the
//! sleep is short, because half of it is what a forwarded packet waits on average; while packets
//! only go to disk nobody waits for them. Under load a shard is never idle and never sleeps.

use std::cell::Cell;
use std::time::Duration;

/// While somebody listens to a call of this shard.
const LISTENED: Duration = Duration::from_micros(800);

/// While nobody does. It delays joining a room by as much for each round trip.
const ALONE: Duration = Duration::from_millis(4);

thread_local! {
    static LISTENERS: Cell<u32> = const { Cell::new(0) };
}

/// Somebody listens to a call of this thread's shard while this lives.
pub(crate) struct Listener(());

impl Listener {
    pub(crate) fn new() -> Self {
        LISTENERS.set(LISTENERS.get() + 1);
        Self(())
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        LISTENERS.set(LISTENERS.get().saturating_sub(1));
    }
}

/// Lets packets gather. Called by the runtime of a shard when it has nothing to do.
pub(crate) fn gather() {
    std::thread::sleep(if LISTENERS.get() > 0 { LISTENED } else { ALONE });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_are_counted_while_they_are_there() {
        let (a, b) = (Listener::new(), Listener::new());
        assert_eq!(LISTENERS.get(), 2);
        drop(a);
        drop(b);
        assert_eq!(LISTENERS.get(), 0);
    }
}
