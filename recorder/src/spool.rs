//! Spool files: what a take has heard, encrypted, in batches that a crash cannot half undo.
//!
//! `MAGIC`, length of the header (u32), the header as JSON, then batches of: length of what follows
//! the number (u32), the batch's number (u32), AES-256-GCM ciphertext and tag; all little-endian.
//! The key is derived from the take's data key with everything before the first batch as salt, so
//! that it is the file's own and a changed header opens nothing; the nonce is the batch's number;
//! length and number are authenticated. Batch 0 is the manifest as far as it is known at the start,
//! as JSON; the others are [records](crate::record).
//!
//! A take has one file, and a further one (a segment) for each time that the disk failed to make
//! the former durable. What was not durable is written again there under the same numbers.

mod read;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use aws_lc_rs::aead::{Aad, LessSafeKey, NONCE_LEN, Nonce};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sidetone_service::random;
use sidetone_vault::{DataKey, KeyError, Keyring, Purpose};
use sidetone_wire::{RecordingId, WrappedKey};

use crate::disk::Disk;
pub(crate) use read::{Batches, SpoolError, Tail};

const MAGIC: &[u8; 16] = b"sidetone take 2\n";
/// What a file of the format before this one begins with.
const FORMER_MAGIC: &[u8; 16] = b"sidetone take 1\n";
/// No header is longer: a wrapped key, a slug, two numbers and some punctuation.
const MAX_HEADER_BYTES: usize = 4_096;
/// Length and number, before each batch.
const FRAME_BYTES: usize = 8;
const TAG_BYTES: usize = 16;
/// No batch's body is longer: a buffer at its bound, and room for what comes on top.
pub(crate) const MAX_BATCH_BYTES: usize = 1 << 20;
/// Batches that may be in a file and not be durable: whoever writes syncs before there are more.
/// So a hole in a file with more than these behind it is damage, not what a crash left.
pub(crate) const MAX_UNSYNCED_BATCHES: usize = 2;

/// Extension of the spool files.
const EXTENSION: &str = "take";
/// Extension of spool files that are damaged before their end.
const DAMAGED: &str = "damaged";

/// What the spool files of one take have in common.
#[derive(Debug)]
pub(crate) struct Keys {
    pub(crate) recording: RecordingId,
    pub(crate) tenant: String,
    pub(crate) wrapped: WrappedKey,
    pub(crate) key: DataKey,
}

impl Keys {
    /// A new take's.
    pub(crate) fn new(
        keyring: &Keyring,
        tenant: &str,
        recording: RecordingId,
    ) -> Result<Self, KeyError> {
        let key = DataKey::generate()?;
        Ok(Self {
            recording,
            tenant: tenant.to_owned(),
            wrapped: keyring.wrap(&key, tenant, recording)?,
            key,
        })
    }
}

/// What a spool file begins with.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Header {
    recording: RecordingId,
    tenant: String,
    segment: u32,
    key: WrappedKey,
    /// At random, in base64: makes the derived key the file's own.
    salt: String,
}

/// The name of a segment of a take's spool.
pub(crate) fn path_of(spool_dir: &Path, recording: RecordingId, segment: u32) -> PathBuf {
    spool_dir.join(match segment {
        0 => format!("{recording}.{EXTENSION}"),
        n => format!("{recording}.{n}.{EXTENSION}"),
    })
}

/// The segments of a take that are in the folder, in their order.
pub(crate) fn segments_of(spool_dir: &Path, recording: RecordingId) -> io::Result<Vec<PathBuf>> {
    let mut segments: Vec<(u32, PathBuf)> = Vec::new();
    for file in files(spool_dir)? {
        if file.recording == recording
            && let Kind::Take(segment) = file.kind
        {
            segments.push((segment, file.path));
        }
    }
    segments.sort_unstable();
    Ok(segments.into_iter().map(|(_, path)| path).collect())
}

/// What a file in the spool folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A segment of a take's spool.
    Take(u32),
    /// Part of a take that is about to be complete, or is.
    Media,
    /// Says that a take is complete.
    Sealed,
    /// Put aside for a person to see.
    Damaged,
}

/// A file of some take.
#[derive(Debug)]
pub(crate) struct SpoolEntry {
    pub(crate) recording: RecordingId,
    pub(crate) kind: Kind,
    pub(crate) path: PathBuf,
}

/// The takes' files in the folder. Hidden ones and whatever else lies there are left out.
pub(crate) fn files(spool_dir: &Path) -> io::Result<Vec<SpoolEntry>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(spool_dir)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if let Some((recording, kind)) = kind_of(&name) {
            files.push(SpoolEntry {
                recording,
                kind,
                path,
            });
        }
    }
    Ok(files)
}

/// Whether a file looks like a spool file and is none of a recording.
pub(crate) fn is_foreign(name: &str) -> bool {
    let extension = name.rsplit_once('.').map(|(_, extension)| extension);
    extension == Some(EXTENSION) && kind_of(name).is_none()
}

fn kind_of(name: &str) -> Option<(RecordingId, Kind)> {
    let (recording, rest) = name.split_once('.')?;
    let recording = RecordingId(recording.parse().ok()?);
    let kind = match (rest, rest.rsplit_once('.')) {
        (EXTENSION, _) => Kind::Take(0),
        (_, Some((segment, EXTENSION))) => Kind::Take(segment.parse().ok()?),
        ("sealed", _) => Kind::Sealed,
        (_, Some((_, "enc"))) => Kind::Media,
        (DAMAGED, _) | (_, Some((_, DAMAGED))) => Kind::Damaged,
        _ => return None,
    };
    Some((recording, kind))
}

/// Removes all files of these takes, which are sorted.
pub(crate) fn erase(
    disk: &dyn Disk,
    spool_dir: &Path,
    recordings: &[RecordingId],
) -> io::Result<()> {
    for file in files(spool_dir)? {
        if recordings.binary_search(&file.recording).is_ok() {
            disk.remove(&file.path)?;
        }
    }
    Ok(())
}

/// Removes a take's segments.
pub(crate) fn remove_segments(
    disk: &dyn Disk,
    spool_dir: &Path,
    recording: RecordingId,
) -> io::Result<()> {
    for path in segments_of(spool_dir, recording)? {
        disk.remove(&path)?;
    }
    Ok(())
}

/// Puts a take's segments aside, for a person to see.
pub(crate) fn put_aside(
    disk: &dyn Disk,
    spool_dir: &Path,
    recording: RecordingId,
) -> io::Result<()> {
    for path in segments_of(spool_dir, recording)? {
        disk.rename(&path, &path.with_extension(DAMAGED))?;
    }
    Ok(())
}

/// A segment being written.
pub(crate) struct SpoolFile {
    file: File,
    cipher: LessSafeKey,
    /// What comes before the first batch, until it is written with it.
    head: Vec<u8>,
    /// End of the last batch that was written whole.
    length: u64,
}

impl SpoolFile {
    /// Creates the segment. It must not exist.
    pub(crate) fn create(
        disk: &dyn Disk,
        spool_dir: &Path,
        keys: &Keys,
        segment: u32,
    ) -> io::Result<Self> {
        let header = Header {
            recording: keys.recording,
            tenant: keys.tenant.clone(),
            segment,
            key: keys.wrapped.clone(),
            salt: STANDARD.encode(random::bytes::<32>()),
        };
        let header = serde_json::to_vec(&header)?;
        let mut head = MAGIC.to_vec();
        head.extend_from_slice(&(header.len() as u32).to_le_bytes());
        head.extend_from_slice(&header);
        let file = disk.create(&path_of(spool_dir, keys.recording, segment))?;
        Ok(Self {
            file,
            cipher: keys.key.derive(Purpose::Spool, &head),
            head,
            length: 0,
        })
    }

    /// Appends a batch; gives the bytes written. After an error the same batch, and no other of
    /// that number, can be appended again: it is written to the same place. `scratch` is anybody's.
    pub(crate) fn append(
        &mut self,
        disk: &dyn Disk,
        number: u32,
        body: &[u8],
        scratch: &mut Vec<u8>,
    ) -> io::Result<usize> {
        scratch.clear();
        scratch.extend_from_slice(&self.head);
        write_batch(&self.cipher, number, body, scratch)?;
        disk.write_at(&self.file, scratch, self.length)?;
        self.head = Vec::new();
        self.length += scratch.len() as u64;
        Ok(scratch.len())
    }
}

fn write_batch(
    cipher: &LessSafeKey,
    number: u32,
    body: &[u8],
    out: &mut Vec<u8>,
) -> io::Result<()> {
    let frame = frame_of((body.len() + TAG_BYTES) as u32, number);
    out.extend_from_slice(&frame);
    let at = out.len();
    out.extend_from_slice(body);
    let tag = cipher
        .seal_in_place_separate_tag(nonce_of(number), Aad::from(frame), &mut out[at..])
        .map_err(|_| io::Error::other("a batch cannot be encrypted"))?;
    out.extend_from_slice(tag.as_ref());
    Ok(())
}

fn frame_of(length: u32, number: u32) -> [u8; FRAME_BYTES] {
    let mut frame = [0; FRAME_BYTES];
    frame[..4].copy_from_slice(&length.to_le_bytes());
    frame[4..].copy_from_slice(&number.to_le_bytes());
    frame
}

fn nonce_of(number: u32) -> Nonce {
    let mut nonce = [0; NONCE_LEN];
    nonce[..4].copy_from_slice(&number.to_le_bytes());
    Nonce::assume_unique_for_key(nonce)
}

#[cfg(test)]
mod tests;
