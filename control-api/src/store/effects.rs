//! What follows from a change of calls, in the same transaction.
//!
//! **Invariant**: whoever changes a call's row in a way that others count or are told of, calls
//! [`follow`] before committing. So figures and what is owed to others are never behind the rows.

use sidetone_wire::socket::CallEventType;
use sidetone_wire::{Call, Timestamp};

use super::{Result, Tx, calls, campaigns, hours, outbox};

/// A call before and after a change.
#[derive(Debug, Clone)]
pub(super) struct Change {
    pub(super) kind: CallEventType,
    /// `None`: it was not there.
    pub(super) before: Option<Call>,
    /// Without its watchers.
    pub(super) after: Call,
}

/// Does what follows from a change of a call that was `before`, read for the change; gives the call
/// as it is now, `None` when it is gone.
pub(super) async fn updated(tx: &mut Tx, before: Call, now: Timestamp) -> Result<Option<Call>> {
    let Some(after) = calls::in_transaction(tx, before.id, now).await? else {
        return Ok(None);
    };
    let change = Change {
        kind: CallEventType::Updated,
        before: Some(before),
        after: after.clone(),
    };
    follow(tx, &[change], now).await?;
    Ok(Some(after))
}

/// Does what follows from changes of calls.
pub(super) async fn follow(tx: &mut Tx, changes: &[Change], now: Timestamp) -> Result<()> {
    hours::count(tx, changes).await?;
    let mut changes = changes.to_vec();
    campaigns::assign(tx, &mut changes).await?;
    outbox::owe_calls(tx, &changes, now).await
}
