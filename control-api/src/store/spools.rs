//! Spool folders: which may report takes.
//!
//! A folder keeps the token that it was given last, and is given another at each start. A copy,
//! a restored backup or an empty mount point does not have it.

use sidetone_wire::{SpoolClaim, Timestamp};
use sqlx::any::AnyRow;
use uuid::Uuid;

use super::columns::Columns as _;
use super::{Result, Store, Tx};

/// Why a folder may not be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error(
        "the spool in {place} belongs to another database: start with the DATABASE_URL it was used \
         with, or move the folder away (its takes are then not stored)"
    )]
    Foreign { place: String },
    #[error(
        "the spool in {place} is empty, and one with takes is known there: mount its disk; if that \
         disk is lost for good, delete the row {known} of the table spools"
    )]
    NotMounted { place: String, known: String },
    #[error(
        "the spool in {place} is older than the database remembers, as if it was restored from a \
         copy or is used by a second process: bring the newest one back; if there is none, move \
         this folder away and delete the row {known} of the table spools"
    )]
    Old { place: String, known: String },
    #[error("the spool {spool} did not ask for that token: claim it again")]
    NoClaim { spool: Uuid },
}

#[derive(PartialEq, Eq)]
struct Known {
    token: Option<Uuid>,
    offered: Option<Uuid>,
}

fn known(row: &AnyRow) -> Result<Known> {
    Ok(Known {
        token: row.opt_parsed("token")?,
        offered: row.opt_parsed("offered")?,
    })
}

impl Store {
    /// Lets a folder be used from now on with the token `offer`, unless it is not what it should
    /// be.
    pub(crate) async fn claim_spool(
        &self,
        claim: &SpoolClaim,
        offer: Uuid,
        now: Timestamp,
    ) -> Result<std::result::Result<(), Refused>> {
        let mut tx = self.write().await?;
        if let Some(refused) = judge(&mut tx, claim).await? {
            return Ok(Err(refused));
        }
        sqlx::query(
            "INSERT INTO spools (id, place, token, offered, seen_at) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (id) DO UPDATE SET place = excluded.place, token = excluded.token, \
             offered = excluded.offered, seen_at = excluded.seen_at",
        )
        .bind(claim.spool.to_string())
        .bind(&claim.place)
        .bind(claim.token.map(|token| token.to_string()))
        .bind(offer.to_string())
        .bind(now.unix_ms())
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(Ok(()))
    }

    /// Notes that a folder keeps the token it was offered. Repeating it is harmless.
    pub(crate) async fn confirm_spool(
        &self,
        spool: Uuid,
        token: Uuid,
        now: Timestamp,
    ) -> Result<std::result::Result<(), Refused>> {
        let done = sqlx::query(
            "UPDATE spools SET token = $1, offered = NULL, seen_at = $2 \
             WHERE id = $3 AND (offered = $1 OR token = $1)",
        )
        .bind(token.to_string())
        .bind(now.unix_ms())
        .bind(spool.to_string())
        .execute(&self.pool)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(Err(Refused::NoClaim { spool }));
        }
        Ok(Ok(()))
    }
}

/// Why the folder may not be used, if so.
async fn judge(tx: &mut Tx, claim: &SpoolClaim) -> Result<Option<Refused>> {
    let place = claim.place.clone();
    let row = sqlx::query("SELECT token, offered FROM spools WHERE id = $1")
        .bind(claim.spool.to_string())
        .fetch_optional(&mut **tx)
        .await?;
    if let Some(known) = row.as_ref().map(known).transpose()? {
        let current =
            claim.token == known.token || (claim.token.is_some() && claim.token == known.offered);
        let known = claim.spool.to_string();
        return Ok((!current).then_some(Refused::Old { place, known }));
    }
    if claim.token.is_some() {
        return Ok(Some(Refused::Foreign { place }));
    }
    // one that was never confirmed holds nothing
    let row = sqlx::query("SELECT id FROM spools WHERE place = $1 AND token IS NOT NULL LIMIT 1")
        .bind(&place)
        .fetch_optional(&mut **tx)
        .await?;
    row.map(|row| {
        Ok(Refused::NotMounted {
            place,
            known: row.text("id")?,
        })
    })
    .transpose()
}
