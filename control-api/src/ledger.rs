//! The book of recordings for gateways and recorders in this process.

use std::sync::Arc;

use async_trait::async_trait;
use sidetone_fleet::ledger::{Ledger, LedgerError};
use sidetone_service::random;
use sidetone_wire::{
    Booked, Booking, CallId, RecordingId, RecordingRule, SpoolClaim, TakeState, WrappedKey,
};
use tracing::{error, info, warn};
use uuid::Uuid;

use crate::app::{App, now};
use crate::recognition;
use crate::store;

/// Answers from the database, and tells clients what changed.
pub(crate) struct Book(pub(crate) Arc<App>);

/// A database that says no says it about this version, which the operator changes: it is asked
/// again until then.
impl From<store::Error> for LedgerError {
    fn from(error: store::Error) -> Self {
        if !error.is_temporary() {
            error!(%error, "the book of recordings cannot be read or written");
        }
        Self::Away(error.to_string())
    }
}

#[async_trait]
impl Ledger for Book {
    async fn claim_spool(&self, claim: &SpoolClaim) -> Result<Uuid, LedgerError> {
        let offer = uuid::Builder::from_random_bytes(random::bytes()).into_uuid();
        let claimed = self.0.store.claim_spool(claim, offer, now()).await?;
        claimed.map_err(|refused| LedgerError::Refused(refused.to_string()))?;
        info!(spool = %claim.spool, place = claim.place, "a spool is claimed");
        Ok(offer)
    }

    async fn confirm_spool(&self, spool: Uuid, token: Uuid) -> Result<(), LedgerError> {
        let confirmed = self.0.store.confirm_spool(spool, token, now()).await?;
        confirmed.map_err(|refused| LedgerError::Refused(refused.to_string()))
    }

    async fn recording_rule(&self, call: CallId) -> Result<RecordingRule, LedgerError> {
        let rule = self.0.store.recording_rule(call).await?;
        // its gateway asks when it has reported the call, which is on its way
        let away = || LedgerError::Away(format!("call {call} is not known yet"));
        let (mut rule, tenant, upstream) = rule.ok_or_else(away)?;
        if !rule.denied {
            rule.recogniser = recognition::recogniser(&self.0, tenant, upstream).await?;
        }
        Ok(rule)
    }

    async fn book(&self, booking: &Booking) -> Result<Booked, LedgerError> {
        let (call, recording) = (booking.manifest.call, booking.manifest.recording);
        let kept = self.0.store.book(booking, now()).await?;
        match kept.booked {
            Booked::Kept => info!(%call, %recording, state = %booking.state, "a take is booked"),
            Booked::Erased => info!(%call, %recording, "a take was erased before it was booked"),
            Booked::UnknownCall => {
                warn!(%call, %recording, "a take of a call that is not known is not booked");
            }
        }
        if let Some((tenant, call)) = kept.told {
            self.0.tell_call(tenant, call).await;
        }
        if kept.booked == Booked::Erased {
            self.0.erasing.notify_one();
        }
        Ok(kept.booked)
    }

    async fn lost(&self, recording: RecordingId, error: &str) -> Result<(), LedgerError> {
        error!(%recording, error, "a take is lost");
        if let Some((tenant, call)) = self.0.store.lost(recording, error, now()).await? {
            self.0.tell_call(tenant, call).await;
        }
        Ok(())
    }

    async fn find(
        &self,
        recording: RecordingId,
    ) -> Result<Option<(TakeState, Option<WrappedKey>)>, LedgerError> {
        Ok(self.0.store.find_take(recording).await?)
    }
}
