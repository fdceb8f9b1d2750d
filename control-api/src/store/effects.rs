//! What follows from a change of calls, in the same transaction.
//!
//! **Invariant**: whoever changes a call's row in a way that others count or are told of, calls
//! [`follow`] before committing. So figures and what is owed to others are never behind the rows.

use sidetone_wire::socket::CallEventType;
use sidetone_wire::{Call, Timestamp};

use super::{Result, Tx, campaigns, hours, outbox};

/// A call before and after a change.
#[derive(Debug, Clone)]
pub(super) struct Change {
    pub(super) kind: CallEventType,
    /// `None`: it was not there.
    pub(super) before: Option<Call>,
    /// Without its watchers.
    pub(super) after: Call,
}

/// Does what follows from changes of calls.
pub(super) async fn follow(tx: &mut Tx, changes: &[Change], now: Timestamp) -> Result<()> {
    hours::count(tx, changes).await?;
    let mut changes = changes.to_vec();
    campaigns::assign(tx, &mut changes).await?;
    outbox::owe_calls(tx, &changes, now).await
}
