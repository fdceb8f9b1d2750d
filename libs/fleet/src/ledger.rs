//! The control plane's book of recordings, as gateways and recorders see it.
//!
//! Unlike events, which are sent and forgotten, each of these is a question whose answer is waited
//! for: an `Ok` means that it is committed. Whoever asks owns the retry.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use sidetone_wire::{
    Booked, Booking, CallId, RecordingId, RecordingRule, SpoolClaim, TakeState, WrappedKey,
};
use uuid::Uuid;

/// Why the book could not be asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// The control plane or its database is away: try again.
    #[error("the control plane cannot be asked: {0}")]
    Away(String),
    /// It was asked and said no: trying again is of no use.
    #[error("{0}")]
    Refused(String),
}

/// The control plane's book of recordings.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// Asks to use a spool folder. Gives the token that the folder is to keep from now on, to be
    /// confirmed once it does. Until then both the former and the new one are good.
    ///
    /// # Errors
    /// [`LedgerError::Refused`] when the folder is another database's, older than the database
    /// remembers, or empty where one is known: the text says which, and what to do.
    async fn claim_spool(&self, claim: &SpoolClaim) -> Result<Uuid, LedgerError>;

    /// Says that the folder keeps the token.
    async fn confirm_spool(&self, spool: Uuid, token: Uuid) -> Result<(), LedgerError>;

    /// Whether and how a call may be recorded.
    async fn recording_rule(&self, call: CallId) -> Result<RecordingRule, LedgerError>;

    /// Books a take that is complete.
    async fn book(&self, booking: &Booking) -> Result<Booked, LedgerError>;

    /// Says that a take is lost for good, and why. Repeating it is harmless.
    async fn lost(&self, recording: RecordingId, error: &str) -> Result<(), LedgerError>;

    /// A recording's state and data key, for tools; `None` when it is not known.
    async fn find(
        &self,
        recording: RecordingId,
    ) -> Result<Option<(TakeState, Option<WrappedKey>)>, LedgerError>;
}

/// A ledger in memory: for benches and tests, which have no database.
#[derive(Debug, Default)]
pub struct MemoryLedger {
    state: Mutex<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    spools: HashMap<Uuid, Spool>,
    rules: HashMap<CallId, RecordingRule>,
    booked: HashMap<RecordingId, Booking>,
    erased: Vec<RecordingId>,
    lost: HashMap<RecordingId, String>,
    tokens: u128,
}

#[derive(Debug)]
struct Spool {
    place: String,
    kept: Option<Uuid>,
    offered: Option<Uuid>,
}

impl MemoryLedger {
    fn lock(&self) -> MutexGuard<'_, Memory> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is booked of a recording.
    pub fn booked(&self, recording: RecordingId) -> Option<Booking> {
        self.lock().booked.get(&recording).cloned()
    }

    /// All bookings, by recording.
    pub fn bookings(&self) -> Vec<Booking> {
        let mut all: Vec<_> = self.lock().booked.values().cloned().collect();
        all.sort_by_key(|booking| booking.manifest.recording);
        all
    }

    /// Why a recording was reported as lost.
    pub fn why_lost(&self, recording: RecordingId) -> Option<String> {
        self.lock().lost.get(&recording).cloned()
    }

    /// Answers [`Booked::Erased`] for a recording from now on, and forgets its key.
    pub fn erase(&self, recording: RecordingId) {
        let mut state = self.lock();
        state.booked.remove(&recording);
        state.erased.push(recording);
    }

    /// Sets the rule of a call.
    pub fn set_rule(&self, call: CallId, rule: RecordingRule) {
        self.lock().rules.insert(call, rule);
    }
}

#[async_trait]
impl Ledger for MemoryLedger {
    async fn claim_spool(&self, claim: &SpoolClaim) -> Result<Uuid, LedgerError> {
        let mut state = self.lock();
        let refused = |why: &str| Err(LedgerError::Refused(why.to_owned()));
        match state.spools.get(&claim.spool) {
            None if claim.token.is_some() => return refused("the spool is another database's"),
            None if state.spools.values().any(|s| s.place == claim.place) => {
                return refused("the spool is empty where one is known");
            }
            Some(known)
                if claim.token != known.kept
                    && (claim.token.is_none() || claim.token != known.offered) =>
            {
                return refused("the spool is older than it should be");
            }
            None | Some(_) => {}
        }
        state.tokens += 1;
        let token = Uuid::from_u128(state.tokens);
        let spool = Spool {
            place: claim.place.clone(),
            kept: claim.token,
            offered: Some(token),
        };
        state.spools.insert(claim.spool, spool);
        Ok(token)
    }

    async fn confirm_spool(&self, spool: Uuid, token: Uuid) -> Result<(), LedgerError> {
        match self.lock().spools.get_mut(&spool) {
            Some(known) if known.offered == Some(token) => {
                known.kept = known.offered.take();
                Ok(())
            }
            Some(_) | None => Err(LedgerError::Refused("no such claim".into())),
        }
    }

    async fn recording_rule(&self, call: CallId) -> Result<RecordingRule, LedgerError> {
        Ok(self.lock().rules.get(&call).cloned().unwrap_or_default())
    }

    async fn book(&self, booking: &Booking) -> Result<Booked, LedgerError> {
        let mut state = self.lock();
        let recording = booking.manifest.recording;
        if state.erased.contains(&recording) {
            return Ok(Booked::Erased);
        }
        state.booked.insert(recording, booking.clone());
        Ok(Booked::Kept)
    }

    async fn lost(&self, recording: RecordingId, error: &str) -> Result<(), LedgerError> {
        self.lock().lost.insert(recording, error.to_owned());
        Ok(())
    }

    async fn find(
        &self,
        recording: RecordingId,
    ) -> Result<Option<(TakeState, Option<WrappedKey>)>, LedgerError> {
        let state = self.lock();
        if state.erased.contains(&recording) {
            return Ok(Some((TakeState::Erased, None)));
        }
        let booking = state.booked.get(&recording);
        Ok(booking.map(|booking| (booking.state, Some(booking.key.clone()))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(spool: u128, token: Option<Uuid>) -> SpoolClaim {
        SpoolClaim {
            spool: Uuid::from_u128(spool),
            token,
            place: "host:/spool".into(),
        }
    }

    #[tokio::test]
    async fn a_spool_is_refused_when_it_is_old_foreign_or_not_mounted() {
        let ledger = MemoryLedger::default();
        let lost = ledger.claim_spool(&claim(1, None)).await.unwrap();
        // a crash before the folder kept it: the folder asks again as it did
        let first = ledger.claim_spool(&claim(1, None)).await.unwrap();
        let spool = Uuid::from_u128(1);
        assert!(ledger.confirm_spool(spool, lost).await.is_err());
        ledger.confirm_spool(spool, first).await.unwrap();
        let second = ledger.claim_spool(&claim(1, Some(first))).await.unwrap();
        ledger.confirm_spool(spool, second).await.unwrap();
        for refused in [claim(1, Some(first)), claim(1, None), claim(2, None)] {
            let answer = ledger.claim_spool(&refused).await;
            assert!(
                matches!(answer, Err(LedgerError::Refused(_))),
                "{refused:?}"
            );
        }
        let foreign = claim(3, Some(Uuid::from_u128(999)));
        assert!(ledger.claim_spool(&foreign).await.is_err());
        assert!(ledger.claim_spool(&claim(1, Some(second))).await.is_ok());
    }
}
