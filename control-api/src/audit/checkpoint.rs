//! Checkpoints: how long a tenant's chain was and how it ended, signed, outside of the database.
//!
//! Whoever can change the database, our process included, cannot take back what a checkpoint said.

use std::collections::HashSet;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::{Deserialize, Serialize};
use sidetone_vault::{Store as Objects, StoreError};
use sidetone_wire::{TenantId, Timestamp};
use tracing::debug;

use super::chain::{self, Hash, Head, Keys};

/// All checkpoints are kept for so long, later one a day.
const KEEP_ALL_MS: i64 = 2 * DAY_MS;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// Objects read at once.
const READS: usize = 16;
/// Bytes of a checkpoint at most; it has some 400.
const SIZE_MAX: u64 = 4096;

/// What was put into the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Checkpoint {
    pub(crate) version: u8,
    pub(crate) client: TenantId,
    /// Rows there were.
    pub(crate) seq: u64,
    /// Of the last one.
    #[serde(with = "hex")]
    pub(crate) hash: Hash,
    pub(crate) at: Timestamp,
    #[serde(with = "hex")]
    pub(crate) public_key: Hash,
    #[serde(with = "hex")]
    pub(crate) signature: Vec<u8>,
}

/// An object among a tenant's checkpoints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    Checkpoint(Checkpoint),
    /// It cannot be read as one. Its name says for which row it was.
    Damaged {
        seq: u64,
        why: String,
    },
}

impl Found {
    pub(crate) fn seq(&self) -> u64 {
        match self {
            Self::Checkpoint(checkpoint) => checkpoint.seq,
            Self::Damaged { seq, .. } => *seq,
        }
    }
}

impl Checkpoint {
    pub(crate) fn new(keys: &Keys, client: TenantId, head: &Head, at: Timestamp) -> Self {
        let mut checkpoint = Self {
            version: 1,
            client,
            seq: head.seq,
            hash: head.hash,
            at,
            public_key: keys.public(),
            signature: Vec::new(),
        };
        checkpoint.signature = keys.sign(&checkpoint.text());
        checkpoint
    }

    /// What is signed.
    fn text(&self) -> Vec<u8> {
        let (client, seq, hash) = (self.client, self.seq, hex::encode(self.hash));
        let at = self.at.unix_ms();
        format!("sidetone audit checkpoint 1\n{client}\n{seq}\n{hash}\n{at}\n").into_bytes()
    }

    /// Whether the owner of the key that it names has signed it.
    pub(crate) fn is_whole(&self) -> bool {
        chain::is_signed(&self.public_key, &self.text(), &self.signature)
    }

    fn name(&self) -> String {
        let (folder, seq, at) = (folder(self.client), self.seq, self.at.unix_ms());
        format!("{folder}{seq:020}-{at:013}.json")
    }
}

fn folder(client: TenantId) -> String {
    format!("audit/{client}/")
}

/// The row and the time in a checkpoint's name.
fn read_name(name: &str) -> Option<(u64, i64)> {
    let name = name.rsplit('/').next()?.strip_suffix(".json")?;
    let (seq, at) = name.split_once('-')?;
    Some((seq.parse().ok()?, at.parse().ok()?))
}

/// Puts a checkpoint into the store.
pub(crate) async fn put(objects: &Objects, checkpoint: &Checkpoint) -> Result<(), StoreError> {
    let bytes = serde_json::to_vec(checkpoint).expect("plain data");
    match objects.put_bytes(&checkpoint.name(), bytes).await {
        // a name holds the millisecond: another process was faster in it
        Ok(_) | Err(StoreError::Exists) => Ok(()),
        Err(error) => Err(error),
    }
}

/// All checkpoints of a tenant that are in the store.
pub(crate) async fn load(objects: &Objects, client: TenantId) -> Result<Vec<Found>, StoreError> {
    let names = names(objects, client).await?;
    stream::iter(names)
        .map(|name| async move {
            let seq = read_name(&name).map_or(0, |(seq, _)| seq);
            match read(objects, &name).await {
                Ok(checkpoint) if checkpoint.client == client && checkpoint.seq == seq => {
                    Ok(Some(Found::Checkpoint(checkpoint)))
                }
                Ok(_) => {
                    let why = "it tells of another row or tenant than its name".to_owned();
                    Ok(Some(Found::Damaged { seq, why }))
                }
                // it was one of those that are kept for some days only
                Err(StoreError::NotFound) => Ok(None),
                Err(StoreError::Damaged(why)) => Ok(Some(Found::Damaged { seq, why })),
                Err(error) => Err(error),
            }
        })
        .buffered(READS)
        .try_filter_map(|found| async move { Ok(found) })
        .try_collect()
        .await
}

async fn read(objects: &Objects, name: &str) -> Result<Checkpoint, StoreError> {
    let object = objects.open_plain(name).await?;
    if object.len() > SIZE_MAX {
        return Err(StoreError::Damaged(format!(
            "it has {} bytes",
            object.len()
        )));
    }
    let bytes = object.read_whole().await?;
    serde_json::from_slice(&bytes).map_err(|error| StoreError::Damaged(error.to_string()))
}

async fn names(objects: &Objects, client: TenantId) -> Result<Vec<String>, StoreError> {
    let folder = folder(client);
    let mut names: Vec<String> = Vec::new();
    loop {
        let page = objects
            .list(&folder, names.last().map(String::as_str))
            .await?;
        let last = page.len() < sidetone_vault::LIST_MAX;
        names.extend(page.into_iter().map(|listed| listed.name));
        if last {
            return Ok(names);
        }
    }
}

/// Erases what is more than one a day of the old ones: the last of a day says all that those before
/// it said. A store that keeps everything may refuse.
pub(crate) async fn thin(
    objects: &Objects,
    client: TenantId,
    now: Timestamp,
) -> Result<(), StoreError> {
    for name in superfluous(&names(objects, client).await?, now.unix_ms()) {
        if let Err(error) = objects.erase(name).await {
            debug!(name, %error, "an old checkpoint stays");
        }
    }
    Ok(())
}

/// Of names in their order: all but the last of each day that is over for long enough.
fn superfluous(names: &[String], now_ms: i64) -> Vec<&str> {
    let mut kept = HashSet::new();
    names
        .iter()
        .rev()
        .filter(|name| {
            let Some((_, at_ms)) = read_name(name) else {
                return false; // not ours to erase
            };
            let old = at_ms.div_euclid(DAY_MS) * DAY_MS < now_ms - KEEP_ALL_MS;
            !kept.insert(at_ms.div_euclid(DAY_MS)) && old
        })
        .map(String::as_str)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::SecretString;
    use sidetone_service::clock;

    fn checkpoint(seq: u64, at_ms: i64) -> Checkpoint {
        let keys = Keys::new(&SecretString::from("a secret of at least 32 characters"));
        let head = Head {
            seq,
            hash: [7; 32],
            checkpoint_seq: 0,
        };
        Checkpoint::new(
            &keys,
            TenantId(clock::new_id()),
            &head,
            Timestamp::from_unix_ms(at_ms),
        )
    }

    #[tokio::test]
    async fn what_was_put_is_loaded_and_whatever_was_changed_is_no_longer_whole() {
        let dir = tempfile::tempdir().unwrap();
        let objects = Objects::local(dir.path()).unwrap();
        let checkpoint = checkpoint(3, 1_790_000_000_000);
        put(&objects, &checkpoint).await.unwrap();
        put(&objects, &checkpoint).await.unwrap();
        let found = load(&objects, checkpoint.client).await.unwrap();
        assert_eq!(found, [Found::Checkpoint(checkpoint.clone())]);
        assert!(checkpoint.is_whole());
        for change in [
            |c: &mut Checkpoint| c.seq += 1,
            |c: &mut Checkpoint| c.hash[0] ^= 1,
            |c: &mut Checkpoint| c.client = TenantId(clock::new_id()),
            |c: &mut Checkpoint| c.at = Timestamp::from_unix_ms(0),
            |c: &mut Checkpoint| c.public_key[0] ^= 1,
            |c: &mut Checkpoint| c.signature[0] ^= 1,
        ] {
            let mut changed = checkpoint.clone();
            change(&mut changed);
            assert!(!changed.is_whole());
        }
    }

    #[tokio::test]
    async fn what_is_no_checkpoint_is_found_as_damaged() {
        let dir = tempfile::tempdir().unwrap();
        let objects = Objects::local(dir.path()).unwrap();
        let client = TenantId(clock::new_id());
        let name = format!("audit/{client}/{:020}-{:013}.json", 5, 1);
        objects.put_bytes(&name, b"{}".to_vec()).await.unwrap();
        let found = load(&objects, client).await.unwrap();
        assert!(
            matches!(found[..], [Found::Damaged { seq: 5, .. }]),
            "{found:?}"
        );
    }

    #[test]
    fn of_old_days_the_last_checkpoint_stays_and_of_new_ones_all() {
        let now_ms = 100 * DAY_MS + 1;
        let names: Vec<String> = [
            90 * DAY_MS,
            90 * DAY_MS + 1,
            97 * DAY_MS,
            97 * DAY_MS + 5,
            99 * DAY_MS,
            99 * DAY_MS + 1,
            100 * DAY_MS,
        ]
        .iter()
        .zip(1..)
        .map(|(at_ms, seq)| checkpoint(seq, *at_ms).name())
        .collect();
        let gone = superfluous(&names, now_ms);
        assert_eq!(gone, [&names[2], &names[0]]);
    }
}
