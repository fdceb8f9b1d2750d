//! What the reports of a call's upstream say together, changed by something else than a report.

use sidetone_wire::CallId;

use super::columns::{Columns as _, json};
use super::{Result, Tx};
use crate::calls::State;

/// Changes it; `None` for a call that no upstream reports.
pub(super) async fn change<T>(
    tx: &mut Tx,
    call: CallId,
    change: impl FnOnce(&mut State) -> T,
) -> Result<Option<T>> {
    // reports are added under this lock
    let row = sqlx::query(
        "UPDATE upstream_calls SET batches = batches + 1 WHERE call_id = $1 RETURNING state",
    )
    .bind(call.to_string())
    .fetch_optional(&mut **tx)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let mut state: State = row.json("state")?;
    let made = change(&mut state);
    sqlx::query("UPDATE upstream_calls SET state = $1 WHERE call_id = $2")
        .bind(json(&state))
        .bind(call.to_string())
        .execute(&mut **tx)
        .await?;
    Ok(Some(made))
}
