//! How loud calls are, and who looks.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sidetone_fleet::Fleet;
use sidetone_wire::socket::LevelsMessage;
use sidetone_wire::{CallId, Levels as Loudness, Party, TenantId};

use super::hub::ClientId;

/// How often a gateway is asked again for levels that somebody looks at; it forgets after a minute.
pub(super) const WATCH_AGAIN: Duration = Duration::from_secs(20);

/// Calls one client looks at: more rows than a screen has. Further ones are refused.
const LOOKED_AT: usize = 500;

/// Calls whose levels are remembered; beyond it new ones are not, and their meters start at rest.
const REMEMBERED: usize = 20_000;

#[derive(Default)]
pub(crate) struct Levels {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    latest: HashMap<CallId, (Loudness, Option<Party>)>,
    watched: HashMap<CallId, Watched>,
}

struct Watched {
    tenant: TenantId,
    by: HashSet<ClientId>,
}

impl Levels {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The levels that were heard last.
    pub(crate) fn latest(&self, call: CallId) -> Option<(Loudness, Option<Party>)> {
        self.lock().latest.get(&call).copied()
    }

    /// A call's levels were heard; gives the message for those who look, if somebody does.
    pub(super) fn heard(
        &self,
        call: CallId,
        levels: Loudness,
        current_speaker: Option<Party>,
    ) -> Option<LevelsMessage> {
        let mut state = self.lock();
        if state.latest.len() < REMEMBERED || state.latest.contains_key(&call) {
            state.latest.insert(call, (levels, current_speaker));
        }
        state.watched.contains_key(&call).then_some(LevelsMessage {
            call_id: call,
            customer: levels.customer,
            agent: levels.agent,
            current_speaker,
        })
    }

    /// Forgets a call that has ended.
    pub(crate) fn ended(&self, call: CallId) {
        self.lock().latest.remove(&call);
    }

    /// A client looks at a call of its tenant. Gives whether it is the first one; `None` when it
    /// looks at too many.
    pub(super) fn looks(&self, client: ClientId, call: CallId, tenant: TenantId) -> Option<bool> {
        let mut state = self.lock();
        let count = state
            .watched
            .values()
            .filter(|watched| watched.by.contains(&client))
            .count();
        if count >= LOOKED_AT {
            return None;
        }
        let watched = state.watched.entry(call).or_insert_with(|| Watched {
            tenant,
            by: HashSet::new(),
        });
        watched.by.insert(client);
        Some(watched.by.len() == 1)
    }

    /// A client no longer looks at a call.
    pub(super) fn looks_away(&self, client: ClientId, call: CallId) {
        let mut state = self.lock();
        if let Some(watched) = state.watched.get_mut(&call) {
            watched.by.remove(&client);
            if watched.by.is_empty() {
                state.watched.remove(&call);
            }
        }
    }

    /// A client is gone.
    pub(super) fn left(&self, client: ClientId) {
        self.lock().watched.retain(|_, watched| {
            watched.by.remove(&client);
            !watched.by.is_empty()
        });
    }

    /// A call belongs to that tenant: others that looked at it see nothing more of it.
    pub(super) fn belongs_to(&self, call: CallId, tenant: TenantId) {
        let mut state = self.lock();
        if state
            .watched
            .get(&call)
            .is_some_and(|watched| watched.tenant != tenant)
        {
            state.watched.remove(&call);
        }
    }

    /// Asks the gateways again for what is looked at.
    pub(super) fn ask_again(&self, fleet: &Fleet) {
        let calls: Vec<CallId> = self.lock().watched.keys().copied().collect();
        for call in calls {
            super::ask_for_levels(fleet, call);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sidetone_service::clock;

    #[test]
    fn levels_are_passed_on_while_somebody_of_the_tenant_looks() {
        let levels = Levels::default();
        let call = CallId(clock::new_id());
        let (ours, theirs) = (TenantId(clock::new_id()), TenantId(clock::new_id()));
        let (a, b) = (ClientId(1), ClientId(2));
        let loud = Loudness {
            customer: 0.5,
            agent: 0.0,
        };
        assert!(levels.heard(call, loud, None).is_none());
        assert_eq!(levels.looks(a, call, ours), Some(true));
        assert_eq!(levels.looks(b, call, ours), Some(false));
        let message = levels.heard(call, loud, Some(Party::Customer)).unwrap();
        assert_eq!(message.current_speaker, Some(Party::Customer));
        levels.left(a);
        assert!(levels.heard(call, loud, None).is_some());
        levels.looks_away(b, call);
        assert!(levels.heard(call, loud, None).is_none());

        levels.looks(a, call, ours);
        levels.belongs_to(call, theirs);
        assert!(levels.heard(call, loud, None).is_none());
        assert!(levels.latest(call).is_some());
        levels.ended(call);
        assert!(levels.latest(call).is_none());
    }

    #[test]
    fn one_client_cannot_look_at_everything() {
        let levels = Levels::default();
        let tenant = TenantId(clock::new_id());
        let client = ClientId(1);
        for _ in 0..LOOKED_AT {
            assert!(
                levels
                    .looks(client, CallId(clock::new_id()), tenant)
                    .is_some()
            );
        }
        assert_eq!(levels.looks(client, CallId(clock::new_id()), tenant), None);
    }
}
