//! The master key, and the data keys that it wraps.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::{hkdf, rand};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret as _, SecretString};
use sidetone_wire::{RecordingId, WrappedKey};
use zeroize::{Zeroize as _, Zeroizing};

/// Bytes of a key.
const KEY_BYTES: usize = 32;

/// What a data key's derived key is for: each has its own, so that no nonce meets another's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The batches of a spool file.
    Spool,
    /// The chunks of an object.
    Object,
}

impl Purpose {
    const fn label(self) -> &'static [u8] {
        match self {
            Self::Spool => b"sidetone spool 1",
            Self::Object => b"sidetone object 1",
        }
    }
}

/// Why a key cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The master key is not 32 bytes in base64.
    #[error("RECORDING_KEY is not 32 bytes in base64")]
    Malformed,
    /// The data key was wrapped by another master key.
    #[error("the data key was wrapped by the master key {wrapped}, RECORDING_KEY is {ours}")]
    OtherMaster {
        /// Id of the one that wrapped it.
        wrapped: String,
        /// Id of the one that is configured.
        ours: String,
    },
    /// The wrapped key was damaged, or is of another tenant or recording.
    #[error("the wrapped data key is damaged, or another recording's")]
    Rejected,
    /// The system gave no randomness.
    #[error("the system gives no random bytes")]
    NoRandomness,
}

/// A recording's own key, 256 bits. Wiped when dropped, never printed.
#[derive(Clone)]
pub struct DataKey([u8; KEY_BYTES]);

impl Drop for DataKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl std::fmt::Debug for DataKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DataKey(…)")
    }
}

impl DataKey {
    /// A new key.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn generate() -> Result<Self, KeyError> {
        let mut bytes = [0; KEY_BYTES];
        rand::fill(&mut bytes).map_err(|_| KeyError::NoRandomness)?;
        Ok(Self(bytes))
    }

    /// A key that is no secret: for fuzz targets and tests that need the same bytes every time.
    pub(crate) const fn fixed(byte: u8) -> Self {
        Self([byte; KEY_BYTES])
    }

    /// The AES-256-GCM key for one purpose and one file: `salt` is the file's own, at random.
    /// HKDF with SHA-256 (RFC 5869).
    pub fn derive(&self, purpose: Purpose, salt: &[u8]) -> LessSafeKey {
        cipher(&hkdf_32(&self.0, salt, purpose.label()))
    }
}

/// The master key (`RECORDING_KEY`).
#[derive(Clone)]
pub struct Keyring {
    master: Zeroizing<[u8; KEY_BYTES]>,
    id: String,
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keyring({})", self.id)
    }
}

impl Keyring {
    /// Reads the master key: 32 bytes in base64.
    ///
    /// # Errors
    /// When it is not that.
    pub fn from_base64(text: &SecretString) -> Result<Self, KeyError> {
        let bytes = STANDARD.decode(text.expose_secret().trim());
        let bytes = Zeroizing::new(bytes.map_err(|_| KeyError::Malformed)?);
        let master: [u8; KEY_BYTES] = bytes
            .as_slice()
            .try_into()
            .map_err(|_| KeyError::Malformed)?;
        let id = hkdf_32(&master, b"", b"sidetone key id 1");
        Ok(Self {
            master: Zeroizing::new(master),
            id: hex::encode(&id[..8]),
        })
    }

    /// Names the master key without telling anything of it: 16 hexadecimal digits.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Wraps a recording's data key: AES-256-GCM under a key of the tenant's, bound to the
    /// recording.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn wrap(
        &self,
        key: &DataKey,
        tenant: &str,
        recording: RecordingId,
    ) -> Result<WrappedKey, KeyError> {
        let mut nonce = [0; NONCE_LEN];
        rand::fill(&mut nonce).map_err(|_| KeyError::NoRandomness)?;
        let mut wrapped = Vec::with_capacity(NONCE_LEN + KEY_BYTES + AES_256_GCM.tag_len());
        wrapped.extend_from_slice(&key.0);
        self.tenants_key(tenant)
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(recording.0.as_bytes()),
                &mut wrapped,
            )
            .map_err(|_| KeyError::Rejected)?;
        wrapped.splice(0..0, nonce);
        Ok(WrappedKey {
            key_id: self.id.clone(),
            wrapped: STANDARD.encode(wrapped),
        })
    }

    /// Gives a recording's data key back. `tenant` and `recording` are those it was wrapped for.
    ///
    /// # Errors
    /// When it was wrapped by another master key, for another tenant or recording, or is damaged.
    pub fn unwrap(
        &self,
        wrapped: &WrappedKey,
        tenant: &str,
        recording: RecordingId,
    ) -> Result<DataKey, KeyError> {
        if wrapped.key_id != self.id {
            return Err(KeyError::OtherMaster {
                wrapped: wrapped.key_id.clone(),
                ours: self.id.clone(),
            });
        }
        let bytes = STANDARD
            .decode(&wrapped.wrapped)
            .map_err(|_| KeyError::Rejected)?;
        let (nonce, sealed) = bytes
            .split_first_chunk::<NONCE_LEN>()
            .ok_or(KeyError::Rejected)?;
        let mut sealed = Zeroizing::new(sealed.to_vec());
        let opened = self
            .tenants_key(tenant)
            .open_in_place(
                Nonce::assume_unique_for_key(*nonce),
                Aad::from(recording.0.as_bytes()),
                &mut sealed,
            )
            .map_err(|_| KeyError::Rejected)?;
        let key: [u8; KEY_BYTES] = (&*opened).try_into().map_err(|_| KeyError::Rejected)?;
        Ok(DataKey(key))
    }

    /// Encrypts a short secret that a row keeps (a webhook's secret, a vendor's URL):
    /// AES-256-GCM, bound to `context`, which says whose and what it is. Gives base64.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn wrap_secret(&self, context: &str, secret: &SecretString) -> Result<String, KeyError> {
        let mut nonce = [0; NONCE_LEN];
        rand::fill(&mut nonce).map_err(|_| KeyError::NoRandomness)?;
        let mut wrapped = secret.expose_secret().as_bytes().to_vec();
        self.secrets_key()
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(context.as_bytes()),
                &mut wrapped,
            )
            .map_err(|_| KeyError::Rejected)?;
        wrapped.splice(0..0, nonce);
        Ok(STANDARD.encode(wrapped))
    }

    /// Gives a short secret back. `context` is the one it was encrypted for.
    ///
    /// # Errors
    /// When it was encrypted by another master key or for another context, or is damaged.
    pub fn unwrap_secret(&self, context: &str, wrapped: &str) -> Result<SecretString, KeyError> {
        let bytes = STANDARD.decode(wrapped).map_err(|_| KeyError::Rejected)?;
        let (nonce, sealed) = bytes
            .split_first_chunk::<NONCE_LEN>()
            .ok_or(KeyError::Rejected)?;
        let mut sealed = Zeroizing::new(sealed.to_vec());
        let opened = self
            .secrets_key()
            .open_in_place(
                Nonce::assume_unique_for_key(*nonce),
                Aad::from(context.as_bytes()),
                &mut sealed,
            )
            .map_err(|_| KeyError::Rejected)?;
        let text = std::str::from_utf8(opened).map_err(|_| KeyError::Rejected)?;
        Ok(SecretString::from(text))
    }

    fn secrets_key(&self) -> LessSafeKey {
        cipher(&hkdf_32(
            self.master.as_slice(),
            b"",
            b"sidetone secrets key 1",
        ))
    }

    fn tenants_key(&self, tenant: &str) -> LessSafeKey {
        cipher(&hkdf_32(
            self.master.as_slice(),
            tenant.as_bytes(),
            b"sidetone tenant key 1",
        ))
    }
}

/// HKDF with SHA-256 to 32 bytes.
fn hkdf_32(secret: &[u8], salt: &[u8], info: &[u8]) -> Zeroizing<[u8; KEY_BYTES]> {
    let mut out = Zeroizing::new([0; KEY_BYTES]);
    let info = [info];
    let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(secret);
    prk.expand(&info, hkdf::HKDF_SHA256)
        .and_then(|okm| okm.fill(out.as_mut_slice()))
        .expect("32 bytes is one block of SHA-256");
    out
}

fn cipher(key: &[u8; KEY_BYTES]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).expect("the key has 32 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn keyring(byte: u8) -> Keyring {
        Keyring::from_base64(&STANDARD.encode([byte; 32]).into()).unwrap()
    }

    fn recording(n: u128) -> RecordingId {
        RecordingId(uuid::Uuid::from_u128(n))
    }

    #[test]
    fn a_wrapped_key_opens_for_its_own_tenant_and_recording_only() {
        let keys = keyring(1);
        let key = DataKey::generate().unwrap();
        let wrapped = keys.wrap(&key, "acme", recording(1)).unwrap();
        let opened = keys.unwrap(&wrapped, "acme", recording(1)).unwrap();
        assert_eq!(opened.0, key.0);
        let rejected = |tenant, n| keys.unwrap(&wrapped, tenant, recording(n)).unwrap_err();
        assert_eq!(rejected("globex", 1), KeyError::Rejected);
        assert_eq!(rejected("acme", 2), KeyError::Rejected);
        let other = keyring(2).unwrap(&wrapped, "acme", recording(1));
        assert!(matches!(other, Err(KeyError::OtherMaster { .. })));
        let forged = WrappedKey {
            key_id: keyring(2).id().to_owned(),
            ..wrapped
        };
        let forged = keyring(2).unwrap(&forged, "acme", recording(1));
        assert_eq!(forged.unwrap_err(), KeyError::Rejected);
    }

    #[test]
    fn a_short_secret_opens_in_its_own_context_only() {
        let keys = keyring(1);
        let secret = SecretString::from("whsec_c2VjcmV0");
        let wrapped = keys.wrap_secret("pause webhook of acme", &secret).unwrap();
        assert!(!wrapped.contains("c2VjcmV0"));
        assert_ne!(
            wrapped,
            keys.wrap_secret("pause webhook of acme", &secret).unwrap()
        );
        let opened = keys.unwrap_secret("pause webhook of acme", &wrapped);
        assert_eq!(opened.unwrap().expose_secret(), "whsec_c2VjcmV0");
        let elsewhere = keys.unwrap_secret("pause webhook of globex", &wrapped);
        assert_eq!(elsewhere.unwrap_err(), KeyError::Rejected);
        let other = keyring(2).unwrap_secret("pause webhook of acme", &wrapped);
        assert_eq!(other.unwrap_err(), KeyError::Rejected);
        for damaged in ["", "AAAA", "no base64 !"] {
            let opened = keys.unwrap_secret("pause webhook of acme", damaged);
            assert_eq!(opened.unwrap_err(), KeyError::Rejected, "{damaged}");
        }
    }

    #[test]
    fn a_master_key_that_is_none_is_refused() {
        for text in ["", "short", "AAAA", &STANDARD.encode([0; 31])] {
            let read = Keyring::from_base64(&text.to_owned().into());
            assert_eq!(read.unwrap_err(), KeyError::Malformed, "{text}");
        }
    }

    #[test]
    fn keys_print_nothing_of_themselves() {
        let text = format!("{:?} {:?}", DataKey([7; 32]), keyring(7));
        assert!(!text.contains("07") && !text.contains("BwcH"), "{text}");
    }

    proptest! {
        #[test]
        fn a_changed_wrapped_key_is_rejected(at in 0usize..60, bit in 0u8..8) {
            let keys = keyring(1);
            let key = DataKey::generate().unwrap();
            let wrapped = keys.wrap(&key, "acme", recording(1)).unwrap();
            let mut bytes = STANDARD.decode(&wrapped.wrapped).unwrap();
            bytes[at] ^= 1 << bit;
            let changed = WrappedKey { wrapped: STANDARD.encode(bytes), ..wrapped };
            let opened = keys.unwrap(&changed, "acme", recording(1));
            prop_assert_eq!(opened.unwrap_err(), KeyError::Rejected);
        }
    }
}
