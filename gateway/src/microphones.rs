//! Microphones that are armed: one connection of a supervisor may speak in several calls, on
//! several shards, and keeps the right to publish until the last of them needs it no more.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sidetone_wire::MonitorRoom;

/// How many calls need a microphone. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Microphones(Arc<Mutex<HashMap<MonitorRoom, usize>>>);

/// One call's need of a microphone, until it is dropped.
pub(crate) struct Armed {
    microphones: Microphones,
    monitor: MonitorRoom,
}

impl Microphones {
    fn lock(&self) -> MutexGuard<'_, HashMap<MonitorRoom, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call needs a microphone.
    pub(crate) fn arm(&self, monitor: &MonitorRoom) -> Armed {
        *self.lock().entry(monitor.clone()).or_default() += 1;
        Armed {
            microphones: self.clone(),
            monitor: monitor.clone(),
        }
    }
}

impl Armed {
    /// Whether no other call needs it.
    pub(crate) fn is_last(&self) -> bool {
        self.microphones.lock().get(&self.monitor) == Some(&1)
    }
}

impl Drop for Armed {
    fn drop(&mut self) {
        let mut armed = self.microphones.lock();
        if let Some(count) = armed.get_mut(&self.monitor) {
            *count -= 1;
            if *count == 0 {
                armed.remove(&self.monitor);
            }
        }
    }
}
