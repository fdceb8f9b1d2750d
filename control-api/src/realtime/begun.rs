//! When calls that go on began, and whether anything was said in them: what is being said is told
//! without asking the database.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use sidetone_wire::socket::CallEventType;
use sidetone_wire::{Call, CallId, TenantId, Timestamp};

/// Calls that are remembered. Of further ones people see what was said, and not what is being said.
const REMEMBERED: usize = 20_000;

/// What is known of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Beginning {
    pub(super) at: Timestamp,
    pub(super) tenant: TenantId,
    /// It may have a transcript.
    pub(super) said: bool,
    over: bool,
}

#[derive(Default)]
pub(super) struct Begun(Mutex<HashMap<CallId, Beginning>>);

impl Begun {
    fn lock(&self) -> MutexGuard<'_, HashMap<CallId, Beginning>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call began, changed, or is over. One that is over may turn out to be alive.
    pub(super) fn note(&self, kind: CallEventType, call: &Call) {
        let mut begun = self.lock();
        let over = kind == CallEventType::Ended;
        if let Some(known) = begun.get_mut(&call.id) {
            (known.at, known.tenant) = (call.started_at, call.client_id);
            known.over = over;
            known.said |= over;
            return;
        }
        if begun.len() >= REMEMBERED {
            begun.retain(|_, one| !one.over);
        }
        if over || begun.len() >= REMEMBERED {
            return;
        }
        let beginning = Beginning {
            at: call.started_at,
            tenant: call.client_id,
            // of one that began before we did nobody knows
            said: kind != CallEventType::Started,
            over,
        };
        begun.insert(call.id, beginning);
    }

    /// Something was said in a call.
    pub(super) fn said(&self, call: CallId) {
        if let Some(known) = self.lock().get_mut(&call) {
            known.said = true;
        }
    }

    /// What is known of a call that goes on.
    pub(super) fn of(&self, call: CallId) -> Option<Beginning> {
        self.lock().get(&call).filter(|one| !one.over).copied()
    }
}
