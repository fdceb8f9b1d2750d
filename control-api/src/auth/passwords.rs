//! Passwords: argon2id, off the runtime's threads, a few at a time. Hashes that older systems made
//! with bcrypt are understood too, and replaced at the next login.

use std::sync::atomic::{AtomicUsize, Ordering};

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Semaphore;

/// Hashes at once: each takes a core for some 20 ms and 19 MiB.
const AT_ONCE: usize = 2;

/// Logins that wait for their turn or have it, about a second's worth. More are told to come back.
const WAITING: usize = 64;

/// What the hashes that we make begin with: algorithm, version and cost. Others are replaced.
const CURRENT: &str = "$argon2id$v=19$m=19456,t=2,p=1$";

/// bcrypt's hashes, by whatever its implementations call themselves.
const BCRYPT: [&str; 4] = ["$2a$", "$2b$", "$2x$", "$2y$"];

/// The highest cost of a bcrypt hash that is looked at: some 4 s. Who writes a higher one into the
/// database wants the processor.
const BCRYPT_COST_MAX: u32 = 15;

/// Why a password was not looked at.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PasswordError {
    #[error("too many logins at once")]
    Busy,
    #[error("password hashing failed: {0}")]
    Failed(String),
}

/// Hashes and verifies. All hashes that we make have the same cost.
pub(crate) struct Passwords {
    turns: Semaphore,
    waiting: AtomicUsize,
    waiting_max: usize,
    /// Verified against when there is no such user, so that the answer takes as long.
    nobody: String,
}

impl Passwords {
    pub(crate) fn new() -> Result<Self, PasswordError> {
        Self::with_queue(WAITING)
    }

    fn with_queue(waiting_max: usize) -> Result<Self, PasswordError> {
        let nobody = SecretString::from(sidetone_service::random::token());
        Ok(Self {
            turns: Semaphore::new(AT_ONCE),
            waiting: AtomicUsize::new(0),
            waiting_max,
            nobody: hash(&nobody)?,
        })
    }

    /// The password's hash as a PHC string.
    pub(crate) async fn hash(&self, password: SecretString) -> Result<String, PasswordError> {
        self.in_turn(move || hash(&password)).await?
    }

    /// Whether the password belongs to the hash. Without a hash it does not, after the same time.
    pub(crate) async fn verify(
        &self,
        password: SecretString,
        hash: Option<String>,
    ) -> Result<bool, PasswordError> {
        let known = hash.as_deref().is_some_and(is_understood);
        let hash = hash.filter(|_| known);
        let hash = hash.unwrap_or_else(|| self.nobody.clone());
        let fits = self.in_turn(move || verify(&password, &hash)).await??;
        Ok(fits && known)
    }

    /// Whether a hash is one that we would make today.
    pub(crate) fn is_current(hash: &str) -> bool {
        hash.starts_with(CURRENT)
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PasswordError> {
        let _waiting = Waiting::enter(&self.waiting, self.waiting_max)?;
        let _turn = self
            .turns
            .acquire()
            .await
            .expect("the semaphore is never closed");
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|error| PasswordError::Failed(error.to_string()))
    }
}

/// One of those who wait or work.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn enter(count: &'a AtomicUsize, max: usize) -> Result<Self, PasswordError> {
        let here = Self(count);
        if count.fetch_add(1, Ordering::Relaxed) >= max {
            return Err(PasswordError::Busy); // `here` is dropped and counted out again
        }
        Ok(here)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn hash(password: &SecretString) -> Result<String, PasswordError> {
    Argon2::default()
        .hash_password(password.expose_secret().as_bytes())
        .map(|hash| hash.to_string())
        .map_err(|error| PasswordError::Failed(error.to_string()))
}

/// Whether a password can be compared with it at all. An account without a password has none.
fn is_understood(hash: &str) -> bool {
    match bcrypt_cost(hash) {
        Some(cost) => cost <= BCRYPT_COST_MAX,
        None => PasswordHash::new(hash).is_ok(),
    }
}

/// The cost of a bcrypt hash; `None` when it is none.
fn bcrypt_cost(hash: &str) -> Option<u32> {
    let rest = BCRYPT.iter().find_map(|prefix| hash.strip_prefix(prefix))?;
    Some(rest.split('$').next()?.parse().unwrap_or(u32::MAX))
}

fn verify(password: &SecretString, hash: &str) -> Result<bool, PasswordError> {
    if bcrypt_cost(hash).is_some() {
        // a hash that is damaged fits no password
        return Ok(bcrypt::verify(password.expose_secret(), hash).unwrap_or(false));
    }
    let hash = PasswordHash::new(hash).map_err(|error| PasswordError::Failed(error.to_string()))?;
    Ok(Argon2::default()
        .verify_password(password.expose_secret().as_bytes(), &hash)
        .is_ok())
}

/// Whether a new password is acceptable, or why not.
pub(crate) fn check_strength(password: &SecretString) -> Result<(), &'static str> {
    match password.expose_secret().chars().count() {
        0..8 => Err("has fewer than 8 characters"),
        8..=128 => Ok(()),
        _ => Err("has more than 128 characters"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_fits_its_own_hash_only_and_nobody_has_one() {
        let passwords = Passwords::new().unwrap();
        let right = || SecretString::from("correct horse");
        let hash = passwords.hash(right()).await.unwrap();
        assert!(hash.starts_with("$argon2id$"));
        assert!(passwords.verify(right(), Some(hash.clone())).await.unwrap());
        let wrong = SecretString::from("correct house");
        assert!(!passwords.verify(wrong, Some(hash)).await.unwrap());
        assert!(!passwords.verify(right(), None).await.unwrap());
    }

    #[tokio::test]
    async fn hashes_of_older_systems_fit_and_are_not_current() {
        let passwords = Passwords::new().unwrap();
        // "U*U" under 2a and 2y: test vectors of crypt_blowfish
        for hash in [
            "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
            "$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        ] {
            let verify = |word: &str| {
                passwords.verify(SecretString::from(word.to_owned()), Some(hash.to_owned()))
            };
            assert!(verify("U*U").await.unwrap(), "{hash}");
            assert!(!verify("U*V").await.unwrap(), "{hash}");
            assert!(!Passwords::is_current(hash));
        }
        let ours = passwords.hash(SecretString::from("U*U")).await.unwrap();
        assert!(Passwords::is_current(&ours), "{ours}");
    }

    #[tokio::test]
    async fn what_is_no_hash_fits_nothing_and_is_no_failure() {
        let passwords = Passwords::new().unwrap();
        for hash in [
            "",
            "!",
            "plain",
            "$2b$31$CCCCCCCCCCCCCCCCCCCCC.",
            "$2b$",
            "$argon2id$",
        ] {
            let verified = passwords.verify(SecretString::from(hash), Some(hash.to_owned()));
            assert!(!verified.await.unwrap(), "{hash}");
        }
    }

    #[tokio::test]
    async fn more_logins_than_can_wait_are_turned_away() {
        let passwords = Passwords::with_queue(3).unwrap();
        let tries = (0..=3).map(|_| passwords.verify(SecretString::from("x"), None));
        let results = futures_util::future::join_all(tries).await;
        let busy = results
            .iter()
            .filter(|result| matches!(result, Err(PasswordError::Busy)))
            .count();
        assert_eq!(busy, 1);
    }
}
