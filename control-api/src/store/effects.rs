//! What follows from a change of calls, in the same transaction.
//!
//! **Invariant**: whoever changes a call's row in a way that others count or are told of, calls
//! [`follow`] before committing. So figures and what is owed to others are never behind the rows.

use sidetone_wire::socket::CallEventType;
use sidetone_wire::{Call, Timestamp};

use super::{Result, Tx};

/// A call before and after a change.
#[derive(Debug, Clone)]
#[allow(dead_code, reason = "read by those who count and tell")]
pub(super) struct Change {
    pub(super) kind: CallEventType,
    /// `None`: it was not there.
    pub(super) before: Option<Call>,
    /// Without its watchers.
    pub(super) after: Call,
}

/// Does what follows from changes of calls.
#[allow(
    clippy::unused_async,
    reason = "those who count and tell use the transaction"
)]
pub(super) async fn follow(_tx: &mut Tx, _changes: &[Change], _now: Timestamp) -> Result<()> {
    Ok(())
}
