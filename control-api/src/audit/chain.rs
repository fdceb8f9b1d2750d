//! A tenant's audit rows as a chain, and the keys that prove it. Pure: no clock, no database.
//!
//! Each row's hash covers the row and the hash before it, so that no row can be changed, moved,
//! taken out or put in without a change of everything after it; the hash of the last row stands for
//! the whole log. Hashes alone could be made again by whoever can write to the database. So each
//! has a MAC under a key that the database does not have, and every minute the last one is signed
//! and put where the database's owner cannot reach (`checkpoint.rs`).

use std::fmt;

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use sidetone_wire::{AuditPhase, TenantId};
use uuid::Uuid;

/// A SHA-256.
pub(crate) type Hash = [u8; 32];

/// What stands before the first row.
pub(crate) const START: Hash = [0; 32];

/// A row as it is hashed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    /// 1, 2, 3, …
    pub(crate) seq: u64,
    pub(crate) id: Uuid,
    pub(crate) at_ms: i64,
    pub(crate) actor: String,
    pub(crate) address: Option<String>,
    pub(crate) action: String,
    pub(crate) subject_kind: String,
    pub(crate) subject_id: String,
    /// JSON, as it is stored.
    pub(crate) detail: String,
    pub(crate) phase: Option<AuditPhase>,
    pub(crate) intent: Option<Uuid>,
    /// It was there before it was taken into the chain.
    pub(crate) adopted: bool,
    pub(crate) hash: Hash,
    pub(crate) mac: Hash,
}

/// The end of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    /// Of the last row; 0: there is none.
    pub(crate) seq: u64,
    pub(crate) hash: Hash,
    /// The last row that a checkpoint tells of; 0: none does.
    pub(crate) checkpoint_seq: u64,
}

impl Row {
    /// Takes its place behind the row with the hash `before`.
    pub(crate) fn chain(&mut self, keys: &Keys, tenant: TenantId, before: &Hash) {
        self.hash = self.hash_after(tenant, before);
        self.mac = keys.mac(&self.hash);
    }

    /// Its hash, if it stands behind the row with the hash `before`. Every field is told with its
    /// length, so that no two rows are the same bytes.
    pub(crate) fn hash_after(&self, tenant: TenantId, before: &Hash) -> Hash {
        let mut hash = Sha256::new();
        hash.update(b"sidetone audit row 1\0");
        hash.update(before);
        hash.update(self.seq.to_be_bytes());
        hash.update(self.at_ms.to_be_bytes());
        hash.update([u8::from(self.adopted)]);
        hash.update(tenant.0.as_bytes());
        hash.update(self.id.as_bytes());
        let words = [
            Some(self.actor.as_str()),
            self.address.as_deref(),
            Some(self.action.as_str()),
            Some(self.subject_kind.as_str()),
            Some(self.subject_id.as_str()),
            Some(self.detail.as_str()),
            self.phase.map(AuditPhase::as_str),
        ];
        for word in words {
            match word {
                Some(word) => {
                    hash.update((word.len() as u64 + 1).to_be_bytes());
                    hash.update(word.as_bytes());
                }
                None => hash.update(0u64.to_be_bytes()),
            }
        }
        let intent = self.intent.unwrap_or(Uuid::nil());
        hash.update(intent.as_bytes());
        hash.finalize().into()
    }
}

/// The keys of the log, all from `SECRET_KEY`: the database has none of them.
///
/// Rows have an HMAC: one is made in every act and a million are checked in a verification, by us
/// alone. Checkpoints have an Ed25519 signature: they are few, and whoever keeps one (an auditor,
/// a customer) can check it with the public key and without any right to make one.
pub(crate) struct Keys {
    rows: hmac::Key,
    checkpoints: Ed25519KeyPair,
}

impl Keys {
    pub(crate) fn new(secret: &SecretString) -> Self {
        let derived = |purpose: &[u8]| -> Hash {
            let mut hash = Sha256::new();
            hash.update(purpose);
            hash.update(secret.expose_secret().as_bytes());
            hash.finalize().into()
        };
        let seed = derived(b"sidetone audit checkpoint key\0");
        Self {
            rows: hmac::Key::new(hmac::HMAC_SHA256, &derived(b"sidetone audit row key\0")),
            checkpoints: Ed25519KeyPair::from_seed_unchecked(&seed)
                .expect("every 32 bytes are a seed"),
        }
    }

    pub(crate) fn mac(&self, hash: &Hash) -> Hash {
        let tag = hmac::sign(&self.rows, hash);
        tag.as_ref().try_into().expect("HMAC-SHA-256 has 32 bytes")
    }

    pub(crate) fn proves(&self, row: &Row) -> bool {
        hmac::verify(&self.rows, &row.hash, &row.mac).is_ok()
    }

    pub(crate) fn public(&self) -> Hash {
        let key = self.checkpoints.public_key().as_ref();
        key.try_into().expect("an Ed25519 key has 32 bytes")
    }

    pub(crate) fn sign(&self, text: &[u8]) -> Vec<u8> {
        self.checkpoints.sign(text).as_ref().to_vec()
    }
}

/// Whether the owner of a public key has signed a text.
pub(crate) fn is_signed(public: &[u8], text: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(&ED25519, public)
        .verify(text, signature)
        .is_ok()
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").finish_non_exhaustive()
    }
}
