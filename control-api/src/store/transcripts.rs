//! What was said.
//!
//! **Invariant**: numbers that a tenant does not want kept are in no transaction that commits them
//! whole, whoever reports them and in however many pieces.

use std::collections::BTreeSet;

use serde_json::json;
use sidetone_wire::{
    Call, CallId, Consent, Party, TenantId, Timestamp, TranscriptSegment, Utterance,
};
use sqlx::any::AnyRow;

use super::audit::{self, Actor, Subject};
use super::columns::{Columns as _, Statement, batches};
use super::{Result, Store, Tenant, Tx, calls, pauses, policies, states};
use crate::calls::redact::may_hold;
use crate::calls::transcript::{self, Row, arrange, in_order};
use crate::calls::{Layer, Rows, State};

/// Writes changes of calls' segments. Of two rows of one id the better one stays, as
/// [`Rows`] has it. Numbers that are not to be kept are left out of them, in `of` as well.
pub(super) async fn put(tx: &mut Tx, of: &mut [(&Call, &mut Rows)]) -> Result<()> {
    let rows: Vec<(&Call, &Row)> = of
        .iter()
        .flat_map(|(call, rows)| rows.put.values().map(move |row| (*call, row)))
        .collect();
    for batch in batches(&rows) {
        let mut statement = Statement::new(
            "INSERT INTO transcript_segments (call_id, id, client_id, layer, party, text, final, \
             start_ms, end_ms, at, confidence, sentiment) VALUES ",
        );
        statement.rows(batch, |statement, (call, row)| {
            statement.text(call.id.to_string()).sql(", ");
            statement.text(row.id.clone()).sql(", ");
            statement.text(call.client_id.to_string()).sql(", ");
            statement.int(row.layer.number()).sql(", ");
            statement.text(row.party.as_str()).sql(", ");
            statement.text(row.text.clone()).sql(", ");
            statement.int(i64::from(row.is_final)).sql(", ");
            let (start, end) = row.span_ms.unzip();
            statement.opt_int(start.map(u64::cast_signed)).sql(", ");
            statement.opt_int(end.map(u64::cast_signed)).sql(", ");
            statement.int(row.at.unix_ms()).sql(", ");
            statement.opt_int(row.confidence.map(i64::from)).sql(", ");
            let sentiment = row.sentiment.map(|sentiment| sentiment.as_str().to_owned());
            statement.opt_text(sentiment);
        });
        statement.sql(
            " ON CONFLICT (call_id, id) DO UPDATE SET layer = excluded.layer, \
             party = excluded.party, text = excluded.text, final = excluded.final, \
             start_ms = excluded.start_ms, end_ms = excluded.end_ms, at = excluded.at, \
             confidence = excluded.confidence, sentiment = excluded.sentiment \
             WHERE excluded.layer > transcript_segments.layer \
             OR (excluded.layer = transcript_segments.layer AND (excluded.layer <> 1 \
             OR excluded.at > transcript_segments.at \
             OR (excluded.at = transcript_segments.at AND excluded.text > transcript_segments.text)))",
        );
        statement.query().execute(&mut **tx).await?;
    }
    for (call, rows) in of {
        remove(tx, call.id, rows).await?;
        redact(tx, call, rows).await?;
    }
    Ok(())
}

/// Leaves numbers out of what is there now, if any came that may be part of one.
async fn redact(tx: &mut Tx, call: &Call, rows: &mut Rows) -> Result<()> {
    let new = rows.put.values().filter(|row| may_hold(&row.text));
    let parties: BTreeSet<Party> = new.map(|row| row.party).collect();
    if parties.is_empty() {
        return Ok(());
    }
    let redaction = policies::redaction(tx, call.client_id).await?;
    if !redaction.is_on() {
        return Ok(());
    }
    for party in parties {
        let said = sqlx::query(
            "SELECT id, layer, party, text, final, start_ms, end_ms, at, confidence, sentiment \
             FROM transcript_segments WHERE call_id = $1 AND party = $2",
        )
        .bind(call.id.to_string())
        .bind(party.as_str())
        .fetch_all(&mut **tx)
        .await?;
        let said = said.iter().map(row).collect::<Result<_>>()?;
        for layer in in_order(said) {
            let texts: Vec<&str> = layer.iter().map(|row| row.text.as_str()).collect();
            for (n, text) in redaction.apply(&texts) {
                sqlx::query(
                    "UPDATE transcript_segments SET text = $1 WHERE call_id = $2 AND id = $3",
                )
                .bind(&text)
                .bind(call.id.to_string())
                .bind(&layer[n].id)
                .execute(&mut **tx)
                .await?;
                match rows.put.get_mut(&layer[n].id) {
                    Some(row) => row.text = text,
                    None => rows.rewritten = true,
                }
            }
        }
    }
    Ok(())
}

/// What was kept of what was heard in a call.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    /// Without its watchers.
    pub(crate) call: Call,
    pub(crate) rows: Rows,
}

/// Keeps what was heard in calls, in the order in which it was, but for what may be of a pause, or
/// of a call of which nothing may be kept.
pub(super) async fn heard(
    tx: &mut Tx,
    said: &[(CallId, &Utterance)],
    now: Timestamp,
) -> Result<Vec<Kept>> {
    let of: BTreeSet<CallId> = said.iter().map(|(call, _)| *call).collect();
    let of: Vec<CallId> = of.into_iter().collect();
    let unheard = pauses::unheard(tx, &of).await?;
    let mut kept: Vec<Kept> = Vec::with_capacity(of.len());
    let calls = calls::many_in_transaction(tx, &of, now).await?;
    for call in calls
        .into_values()
        .filter(|call| call.consent != Consent::Denied)
    {
        let pauses = unheard.get(&call.id);
        let mut rows = Rows::default();
        for (_, said) in said.iter().filter(|(of, _)| *of == call.id) {
            if pauses.is_none_or(|pauses| pauses.lets(said))
                && let Some(row) = transcript::heard(said, call.started_at)
            {
                rows.put(row);
            }
        }
        if !rows.is_empty() {
            kept.push(Kept { call, rows });
        }
    }
    let mut rows: Vec<(&Call, &mut Rows)> = kept
        .iter_mut()
        .map(|Kept { call, rows }| (&*call, rows))
        .collect();
    put(tx, &mut rows).await?;
    Ok(kept)
}

async fn remove(tx: &mut Tx, call: CallId, rows: &Rows) -> Result<()> {
    if let Some(floor) = rows.floor {
        sqlx::query("DELETE FROM transcript_segments WHERE call_id = $1 AND layer < $2")
            .bind(call.to_string())
            .bind(floor.number())
            .execute(&mut **tx)
            .await?;
    }
    let taken: Vec<&String> = rows.taken.iter().collect();
    for batch in batches(&taken) {
        let mut statement = Statement::new("DELETE FROM transcript_segments WHERE call_id = ");
        statement.text(call.to_string()).sql(" AND id IN (");
        statement
            .texts(batch.iter().map(ToString::to_string))
            .sql(")");
        statement.query().execute(&mut **tx).await?;
    }
    Ok(())
}

/// Removes what was said in a call and what was made of it, also what is reported of that later;
/// `false` when there was nothing.
pub(super) async fn erase(
    tx: &mut Tx,
    tenant: TenantId,
    call: CallId,
    actor: &Actor,
    at: Timestamp,
) -> Result<bool> {
    states::change(tx, call, State::silence).await?;
    let emptied = sqlx::query(
        "UPDATE calls SET call_metadata = '{}' WHERE id = $1 AND call_metadata <> '{}'",
    )
    .bind(call.to_string())
    .execute(&mut **tx)
    .await?;
    let removed = sqlx::query("DELETE FROM transcript_segments WHERE call_id = $1")
        .bind(call.to_string())
        .execute(&mut **tx)
        .await?;
    let segments = removed.rows_affected();
    if segments + emptied.rows_affected() == 0 {
        return Ok(false);
    }
    let (subject, detail) = (Subject::Call(call), json!({ "segments": segments }));
    audit::note(tx, tenant, actor, "transcript.erased", subject, &detail, at).await?;
    Ok(true)
}

/// Erases it when no recording of the call is left.
pub(super) async fn erase_with_last_recording(
    tx: &mut Tx,
    tenant: TenantId,
    call: CallId,
    actor: &Actor,
    at: Timestamp,
) -> Result<()> {
    let left = sqlx::query(
        "SELECT COUNT(*) AS n FROM recordings WHERE call_id = $1 AND erased_at IS NULL",
    )
    .bind(call.to_string())
    .fetch_one(&mut **tx)
    .await?;
    if left.int("n")? == 0 {
        erase(tx, tenant, call, actor, at).await?;
    }
    Ok(())
}

impl Store {
    /// Erases transcripts of calls without recordings that ended longer ago than their tenant's
    /// policy lets them be, the oldest first, at most `limit`; gives how many.
    pub(crate) async fn expire_transcripts(
        &self,
        trusted: Timestamp,
        limit: u32,
        at: Timestamp,
    ) -> Result<usize> {
        let mut tx = self.write().await?;
        let rows = sqlx::query(
            "SELECT c.id, c.client_id FROM calls c JOIN retention p ON p.client_id = c.client_id \
             WHERE p.days IS NOT NULL AND p.legal_hold = 0 \
             AND c.ended_at < $1 - p.days * 86400000 \
             AND (c.call_metadata <> '{}' OR EXISTS \
             (SELECT 1 FROM transcript_segments s WHERE s.call_id = c.id)) \
             AND NOT EXISTS (SELECT 1 FROM recordings r \
             WHERE r.call_id = c.id AND r.erased_at IS NULL) \
             ORDER BY c.ended_at, c.id LIMIT $2",
        )
        .bind(trusted.unix_ms())
        .bind(i64::from(limit))
        .fetch_all(&mut *tx)
        .await?;
        let actor = Actor::rule("retention");
        for row in &rows {
            let (tenant, call) = (row.parsed("client_id")?, row.parsed("id")?);
            erase(&mut tx, tenant, call, &actor, at).await?;
        }
        tx.commit().await?;
        Ok(rows.len())
    }
}

fn row(row: &AnyRow) -> Result<Row> {
    let start = row.opt_int("start_ms")?.map(i64::cast_unsigned);
    let end = row.opt_int("end_ms")?.map(i64::cast_unsigned);
    let confidence = row.opt_int("confidence")?;
    Ok(Row {
        id: row.text("id")?,
        layer: Layer::from_number(row.int("layer")?),
        party: row.parsed("party")?,
        text: row.text("text")?,
        is_final: row.flag("final")?,
        span_ms: start.zip(end),
        at: row.time("at")?,
        confidence: confidence.and_then(|confidence| u16::try_from(confidence).ok()),
        sentiment: row.opt_parsed("sentiment")?,
        after: None,
    })
}

impl Tenant {
    /// A call's transcript; empty when there is none, or no such call.
    pub(crate) async fn transcript(&self, call: CallId) -> Result<Vec<TranscriptSegment>> {
        let rows = sqlx::query(
            "SELECT s.id, s.layer, s.party, s.text, s.final, s.start_ms, s.end_ms, s.at, \
             s.confidence, s.sentiment, c.started_at FROM transcript_segments s \
             JOIN calls c ON c.id = s.call_id WHERE s.call_id = $1 AND c.client_id = $2",
        )
        .bind(call.to_string())
        .bind(self.key())
        .fetch_all(self.pool())
        .await?;
        let started_at = match rows.first() {
            Some(row) => row.time("started_at")?,
            None => Timestamp::default(),
        };
        let rows = rows.iter().map(row).collect::<Result<_>>()?;
        Ok(arrange(rows, started_at))
    }

    /// What else was reported of a call, as a JSON object.
    pub(crate) async fn call_metadata(&self, call: CallId) -> Result<Option<serde_json::Value>> {
        let row = sqlx::query("SELECT call_metadata FROM calls WHERE id = $1 AND client_id = $2")
            .bind(call.to_string())
            .bind(self.key())
            .fetch_optional(self.pool())
            .await?;
        row.map(|row| row.json("call_metadata")).transpose()
    }
}
