//! Where commands for a call go.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sidetone_fleet::CommandRequest;
use sidetone_wire::CallId;
use tokio::sync::mpsc;

/// Commands waiting at one call: every supervisor of a floor pressing Listen at once. More are
/// refused as overloaded.
pub(crate) const CALL_QUEUE: usize = 64;

/// The calls of this gateway and their queues. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Routes(Arc<Mutex<HashMap<CallId, mpsc::Sender<CommandRequest>>>>);

/// A call's entry; taken out when dropped.
pub(crate) struct Route {
    routes: Routes,
    call: CallId,
}

impl Routes {
    fn lock(&self) -> MutexGuard<'_, HashMap<CallId, mpsc::Sender<CommandRequest>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Commands for `call` go to `queue` until the route is dropped.
    pub(crate) fn add(&self, call: CallId, queue: mpsc::Sender<CommandRequest>) -> Route {
        self.lock().insert(call, queue);
        Route {
            routes: self.clone(),
            call,
        }
    }

    /// Calls that live here.
    pub(crate) fn count(&self) -> usize {
        self.lock().len()
    }

    /// The queue of a call that lives here.
    pub(crate) fn find(&self, call: CallId) -> Option<mpsc::Sender<CommandRequest>> {
        self.lock().get(&call).cloned()
    }
}

impl Drop for Route {
    fn drop(&mut self) {
        self.routes.lock().remove(&self.call);
    }
}
