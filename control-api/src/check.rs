//! The book of recordings for tools on the command line, which run without the control plane.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::Context as _;
use async_trait::async_trait;
use sidetone_fleet::ledger::{Ledger, LedgerError};
use sidetone_service::{Settings, random};
use sidetone_wire::{
    Booked, Booking, CallId, RecordingId, RecordingRule, SpoolClaim, TakeState, WrappedKey,
};
use uuid::Uuid;

use crate::app::now;
use crate::store::Store;
pub use crate::store::{Row, RowFile};

/// The book of recordings of all tenants.
#[derive(Clone)]
pub struct RecordingsIndex {
    store: Store,
}

/// What the database knows of a spool folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpoolStanding {
    /// It is the one.
    Good,
    /// It is not known, though it was used somewhere.
    Foreign,
    /// It is older than the database remembers.
    Old,
}

/// Opens the book. The database is brought up to date, as at every start.
///
/// # Errors
/// When the database is not to be had.
pub async fn recordings_index(settings: &Settings) -> anyhow::Result<RecordingsIndex> {
    let store = Store::open(&settings.database_url(), &settings.keys.secret_key)
        .await
        .context("DATABASE_URL")?;
    Ok(RecordingsIndex { store })
}

impl RecordingsIndex {
    /// The recordings behind `after` in the order of their ids, some hundred at a time; none: these
    /// were all.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn rows_after(&self, after: Option<RecordingId>) -> anyhow::Result<Vec<Row>> {
        Ok(self.store.rows_after(after).await?)
    }

    /// Those of these recordings that are known.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn rows_of(
        &self,
        recordings: &[RecordingId],
    ) -> anyhow::Result<HashMap<RecordingId, Row>> {
        let rows = self.store.rows_of(recordings).await?;
        Ok(rows.into_iter().map(|row| (row.recording, row)).collect())
    }

    /// What is known of a spool folder that keeps this token.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn spool(&self, spool: Uuid, token: Option<Uuid>) -> anyhow::Result<SpoolStanding> {
        Ok(match self.store.spool_tokens(spool).await? {
            None if token.is_some() => SpoolStanding::Foreign,
            Some(known) if token.is_none() && known[0].is_some() => SpoolStanding::Old,
            Some(known) if token.is_some() && !known.contains(&token) => SpoolStanding::Old,
            None | Some(_) => SpoolStanding::Good,
        })
    }

    /// Notes in the audit that a recording was decrypted on the command line.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn note_export(&self, row: &Row) -> anyhow::Result<()> {
        Ok(self.store.note_export(row, now()).await?)
    }

    /// The book as a recorder writes it. Nobody is told what changes: dashboards see it when they
    /// load next.
    pub fn ledger(&self) -> Arc<dyn Ledger> {
        Arc::new(Quiet(self.store.clone()))
    }
}

/// The book without a control plane around it.
struct Quiet(Store);

#[async_trait]
impl Ledger for Quiet {
    async fn claim_spool(&self, claim: &SpoolClaim) -> Result<Uuid, LedgerError> {
        let offer = uuid::Builder::from_random_bytes(random::bytes()).into_uuid();
        let claimed = self.0.claim_spool(claim, offer, now()).await?;
        claimed.map_err(|refused| LedgerError::Refused(refused.to_string()))?;
        Ok(offer)
    }

    async fn confirm_spool(&self, spool: Uuid, token: Uuid) -> Result<(), LedgerError> {
        let confirmed = self.0.confirm_spool(spool, token, now()).await?;
        confirmed.map_err(|refused| LedgerError::Refused(refused.to_string()))
    }

    async fn recording_rule(&self, call: CallId) -> Result<RecordingRule, LedgerError> {
        let rule = self.0.recording_rule(call).await?;
        let rule = rule.map(|(rule, ..)| rule);
        rule.ok_or_else(|| LedgerError::Away(format!("call {call} is not known yet")))
    }

    async fn book(&self, booking: &Booking) -> Result<Booked, LedgerError> {
        Ok(self.0.book(booking, now()).await?.booked)
    }

    async fn lost(&self, recording: RecordingId, error: &str) -> Result<(), LedgerError> {
        self.0.lost(recording, error, now()).await?;
        Ok(())
    }

    async fn find(
        &self,
        recording: RecordingId,
    ) -> Result<Option<(TakeState, Option<WrappedKey>)>, LedgerError> {
        Ok(self.0.find_take(recording).await?)
    }
}
