//! Secrets that are generated when nobody gives them, and kept in `SIDETONE_DATA`.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret as _, SecretString};

use super::{Problems, Settings};
use crate::random;

/// Characters of `SECRET_KEY`, at least: HS256 wants 256 bits (RFC 7518 section 3.2).
pub const SECRET_KEY_MIN: usize = 32;

pub(super) fn is_recording_key(text: &str) -> bool {
    STANDARD.decode(text).is_ok_and(|key| key.len() == 32)
}

/// Makes the data folder and fills the secrets that were not given from it, generating those that
/// are not there. In prod reading has refused missing secrets before.
pub(super) fn fill(settings: &mut Settings) -> Result<(), Problems> {
    let dir = &settings.data.dir;
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|error| {
            let text = format!("{} cannot be made: {error}", dir.display());
            Problems::one("SIDETONE_DATA", text)
        })?;
    let generate = || STANDARD.encode(random::bytes::<32>());
    let secret = settings.keys.secret_key.expose_secret();
    if secret.is_empty() {
        let valid = |text: &str| text.len() >= SECRET_KEY_MIN;
        let key = kept(&dir.join("secret.key"), "SECRET_KEY", valid, generate)?;
        settings.keys.secret_key = key;
    }
    if settings.keys.recording_key.expose_secret().is_empty() {
        let path = dir.join("recording.key");
        settings.keys.recording_key = kept(&path, "RECORDING_KEY", is_recording_key, generate)?;
    }
    Ok(())
}

/// The secret in `path`, made by `generate` if the file is not there. Two processes that start
/// together agree: the file appears complete, and only once.
fn kept(
    path: &Path,
    name: &str,
    valid: impl Fn(&str) -> bool,
    generate: impl Fn() -> String,
) -> Result<SecretString, Problems> {
    let fails = |what: &str, error: &std::io::Error| {
        Problems::one(
            name,
            format!("{} cannot be {what}: {error}", path.display()),
        )
    };
    match std::fs::read_to_string(path) {
        Ok(text) => {
            let text = text.trim();
            if valid(text) {
                return Ok(SecretString::from(text));
            }
            let text = format!("{} holds no valid key", path.display());
            return Err(Problems::one(name, text));
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(fails("read", &error)),
    }
    let secret = generate();
    let fresh = path.with_extension(format!("{:016x}", random::u64()));
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&fresh)
        .and_then(|mut file| {
            file.write_all(secret.as_bytes())?;
            file.write_all(b"\n")?;
            file.sync_all()
        })
        .and_then(|()| std::fs::hard_link(&fresh, path));
    let removed = std::fs::remove_file(&fresh);
    match written {
        Ok(()) => removed
            .map(|()| SecretString::from(secret))
            .map_err(|error| fails("written", &error)),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => kept(path, name, valid, generate),
        Err(error) => Err(fails("written", &error)),
    }
}
