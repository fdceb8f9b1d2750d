//! Who a spool folder is: agreed with the ledger at each start, so that a folder that is not
//! mounted, was restored from a backup or belongs to another database is not used.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sidetone_fleet::ledger::{Ledger, LedgerError};
use sidetone_service::clock;
use sidetone_wire::SpoolClaim;
use uuid::Uuid;

use crate::disk::{self, Disk};

/// The file's name in the spool folder.
const NAME: &str = "identity";

/// What the folder keeps of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Identity {
    /// Made once.
    spool: Uuid,
    /// What the ledger gave last.
    token: Option<Uuid>,
}

/// Why the folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IdentityError {
    #[error("{0}")]
    Disk(#[from] io::Error),
    #[error("{0}")]
    Ledger(#[from] LedgerError),
}

/// Agrees with the ledger that this folder is used. A crash at any point leaves a folder that can
/// ask again.
pub(crate) async fn agree(
    disk: &dyn Disk,
    spool_dir: &Path,
    ledger: &dyn Ledger,
) -> Result<(), IdentityError> {
    let path = spool_dir.join(NAME);
    let known = kept(&path)?;
    let write = |identity: &Identity| -> io::Result<()> {
        disk::write_whole(disk, &path, &serde_json::to_vec(identity)?)
    };
    let mut identity = if let Some(identity) = known {
        identity
    } else {
        let made = Identity {
            spool: clock::new_id(),
            token: None,
        };
        // before it is claimed: a second try must be by the same name
        write(&made)?;
        made
    };
    let claim = SpoolClaim {
        spool: identity.spool,
        token: identity.token,
        place: place_of(spool_dir)?,
    };
    let token = ledger.claim_spool(&claim).await?;
    identity.token = Some(token);
    write(&identity)?;
    Ok(ledger.confirm_spool(identity.spool, token).await?)
}

fn kept(path: &Path) -> io::Result<Option<Identity>> {
    let bytes = match std::fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        bytes => bytes?,
    };
    let identity = serde_json::from_slice(&bytes).map_err(|error| {
        let text = format!("{} cannot be read: {error}", path.display());
        io::Error::new(io::ErrorKind::InvalidData, text)
    })?;
    Ok(Some(identity))
}

/// Who a folder says it is, and the token it keeps; `None` for one that was never used.
pub(crate) fn read(spool_dir: &Path) -> io::Result<Option<(Uuid, Option<Uuid>)>> {
    let identity = kept(&spool_dir.join(NAME))?;
    Ok(identity.map(|identity| (identity.spool, identity.token)))
}

/// Host name and canonical path.
fn place_of(spool_dir: &Path) -> io::Result<String> {
    let host = rustix::system::uname();
    let path = spool_dir.canonicalize()?;
    let host = host.nodename().to_string_lossy().into_owned();
    Ok(format!("{host}:{}", path.display()))
}

#[cfg(test)]
mod tests {
    use sidetone_fleet::ledger::MemoryLedger;

    use super::*;
    use crate::disk::Local;

    async fn agree_with(ledger: &MemoryLedger, folder: &Path) -> Result<(), IdentityError> {
        agree(&Local, folder, ledger).await
    }

    #[tokio::test]
    async fn a_folder_is_known_again_and_gets_a_new_token_each_time() {
        let (ledger, folder) = (MemoryLedger::default(), tempfile::tempdir().unwrap());
        let mut seen = Vec::new();
        for _ in 0..3 {
            agree_with(&ledger, folder.path()).await.unwrap();
            let kept = std::fs::read(folder.path().join(NAME)).unwrap();
            assert!(!seen.contains(&kept));
            seen.push(kept);
        }
    }

    #[tokio::test]
    async fn a_restored_foreign_or_unmounted_folder_is_refused_in_the_ledgers_words() {
        let (ledger, folder) = (MemoryLedger::default(), tempfile::tempdir().unwrap());
        let identity = folder.path().join(NAME);
        agree_with(&ledger, folder.path()).await.unwrap();
        let old = std::fs::read(&identity).unwrap();
        agree_with(&ledger, folder.path()).await.unwrap();
        agree_with(&ledger, folder.path()).await.unwrap();
        let good = std::fs::read(&identity).unwrap();

        std::fs::write(&identity, &old).unwrap();
        let restored = agree_with(&ledger, folder.path()).await.unwrap_err();
        assert!(restored.to_string().contains("older"), "{restored}");
        std::fs::remove_file(&identity).unwrap();
        let unmounted = agree_with(&ledger, folder.path()).await.unwrap_err();
        assert!(unmounted.to_string().contains("empty"), "{unmounted}");
        std::fs::write(&identity, b"{").unwrap();
        let broken = agree_with(&ledger, folder.path()).await.unwrap_err();
        assert!(broken.to_string().contains("identity"), "{broken}");
        std::fs::write(&identity, &good).unwrap();
        let foreign = MemoryLedger::default();
        assert!(agree_with(&foreign, folder.path()).await.is_err());
        agree_with(&ledger, folder.path()).await.unwrap();
    }

    #[tokio::test]
    async fn a_crash_between_any_two_steps_leaves_a_folder_that_is_taken() {
        let (ledger, folder) = (MemoryLedger::default(), tempfile::tempdir().unwrap());
        let identity = folder.path().join(NAME);
        agree_with(&ledger, folder.path()).await.unwrap();
        let before: Identity = serde_json::from_slice(&std::fs::read(&identity).unwrap()).unwrap();
        let claim = SpoolClaim {
            spool: before.spool,
            token: before.token,
            place: place_of(folder.path()).unwrap(),
        };
        // died after the claim
        ledger.claim_spool(&claim).await.unwrap();
        agree_with(&ledger, folder.path()).await.unwrap();
        // died after the new token was kept, before that was confirmed
        let kept: Identity = serde_json::from_slice(&std::fs::read(&identity).unwrap()).unwrap();
        let claim = SpoolClaim {
            token: kept.token,
            ..claim
        };
        let token = ledger.claim_spool(&claim).await.unwrap();
        let unconfirmed = Identity {
            token: Some(token),
            ..kept
        };
        std::fs::write(&identity, serde_json::to_vec(&unconfirmed).unwrap()).unwrap();
        agree_with(&ledger, folder.path()).await.unwrap();
    }
}
