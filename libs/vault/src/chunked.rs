//! Encrypted objects that can be read from the middle, and in which every change is noticed.
//!
//! An object is a header and chunks. The header is `MAGIC` and a salt of the object's own; the key
//! of its chunks is derived from the take's data key with that salt. Each chunk is
//! [`CHUNK_BYTES`] of plain bytes (the last one what is left, and only an empty object has an
//! empty chunk) under AES-256-GCM, followed by its tag.
//!
//! The nonce is the chunk's number and a byte that says whether it is the last: the STREAM
//! construction (Hoang, Reyhanitabar, Rogaway, Vizár: "Online Authenticated-Encryption and its
//! Nonce-Reuse Misuse-Resistance", CRYPTO 2015). So a chunk that was moved, dropped, repeated,
//! appended or taken from another object does not open, nor does the last chunk of an object that
//! was cut at the border of a chunk. The header is associated data of every chunk.
//!
//! **Invariant**: what is given out was put in, at that place of that object. Whoever reads a part
//! without the last chunk has the object's length on the word of whoever keeps it; readers compare
//! it with the length that was booked.

use std::io::{self, Write};
use std::ops::Range;

use aws_lc_rs::aead::{Aad, LessSafeKey, NONCE_LEN, Nonce};
use aws_lc_rs::{digest, rand};

use crate::{DataKey, Purpose};

/// Plain bytes of a chunk: about ten seconds of a call, and what a read from the middle costs at
/// least.
pub const CHUNK_BYTES: usize = 65_536;

/// Bytes of the object's beginning that hold no sound: magic and salt.
pub const HEADER_BYTES: usize = MAGIC.len() + SALT_BYTES;

/// Bytes that each chunk has beyond its plain bytes.
pub const TAG_BYTES: usize = 16;

const MAGIC: &[u8; 18] = b"sidetone object 1\n";
const SALT_BYTES: usize = 32;
const STORED_CHUNK: u64 = (CHUNK_BYTES + TAG_BYTES) as u64;

/// Size of the object that holds `plain` bytes.
pub const fn stored_len(plain: u64) -> u64 {
    let chunks = plain.div_ceil(CHUNK_BYTES as u64);
    let chunks = if chunks == 0 { 1 } else { chunks };
    HEADER_BYTES as u64 + plain + chunks * TAG_BYTES as u64
}

/// Plain bytes of an object of `stored` bytes; `None` when no object has that size.
pub const fn plain_len(stored: u64) -> Option<u64> {
    let Some(body) = stored.checked_sub(HEADER_BYTES as u64) else {
        return None;
    };
    let chunks = body.div_ceil(STORED_CHUNK);
    let Some(plain) = body.checked_sub(chunks * TAG_BYTES as u64) else {
        return None;
    };
    // nothing else is what the arithmetic above gives back: no chunk at all, an empty last one
    if stored_len(plain) == stored {
        Some(plain)
    } else {
        None
    }
}

/// The nonce of a chunk: 7 zero bytes, its number, whether it is the last.
fn nonce(index: u32, last: bool) -> Nonce {
    let mut nonce = [0; NONCE_LEN];
    nonce[7..11].copy_from_slice(&index.to_be_bytes());
    nonce[11] = u8::from(last);
    Nonce::assume_unique_for_key(nonce)
}

/// Encrypts what is written to it. Without [`Sealer::finish`] the object is cut off, which every
/// reader notices.
pub struct Sealer<W: Write> {
    out: W,
    cipher: LessSafeKey,
    header: [u8; HEADER_BYTES],
    /// Plain bytes of the chunk that is being filled. A full one waits until it is known whether
    /// it is the last.
    chunk: Vec<u8>,
    index: u32,
    plain_bytes: u64,
    plain_hash: digest::Context,
    stored_bytes: u64,
    stored_hash: digest::Context,
    /// A write failed: what is there has no known end.
    broken: bool,
}

/// A finished object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Bytes that were written.
    pub plain_bytes: u64,
    /// Their SHA-256, lower-case hex.
    pub plain_sha256: String,
    /// Bytes that came of them.
    pub stored_bytes: u64,
    /// Their SHA-256, lower-case hex.
    pub stored_sha256: String,
}

impl<W: Write> Sealer<W> {
    /// Begins an object in `out`, with a salt of its own.
    ///
    /// # Errors
    /// When `out` refuses, or the system gives no randomness.
    pub fn new(out: W, key: &DataKey) -> io::Result<Self> {
        let mut salt = [0; SALT_BYTES];
        rand::fill(&mut salt).map_err(|_| io::Error::other("the system gives no random bytes"))?;
        Self::with_salt(out, key, &salt)
    }

    pub(crate) fn with_salt(out: W, key: &DataKey, salt: &[u8; SALT_BYTES]) -> io::Result<Self> {
        let mut header = [0; HEADER_BYTES];
        header[..MAGIC.len()].copy_from_slice(MAGIC);
        header[MAGIC.len()..].copy_from_slice(salt);
        let mut sealer = Self {
            out,
            cipher: key.derive(Purpose::Object, salt),
            header,
            chunk: Vec::with_capacity(CHUNK_BYTES + TAG_BYTES),
            index: 0,
            plain_bytes: 0,
            plain_hash: digest::Context::new(&digest::SHA256),
            stored_bytes: 0,
            stored_hash: digest::Context::new(&digest::SHA256),
            broken: false,
        };
        sealer.put(&header)?;
        Ok(sealer)
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stored_hash.update(bytes);
        self.stored_bytes += bytes.len() as u64;
        self.out.write_all(bytes).inspect_err(|_| {
            self.broken = true;
        })
    }

    fn seal_chunk(&mut self, last: bool) -> io::Result<()> {
        let next = self.index.checked_add(1);
        let mut chunk = std::mem::take(&mut self.chunk);
        self.cipher
            .seal_in_place_append_tag(nonce(self.index, last), Aad::from(self.header), &mut chunk)
            .map_err(|_| io::Error::other("a chunk cannot be encrypted"))?;
        let put = self.put(&chunk);
        chunk.clear();
        self.chunk = chunk;
        // 2^32 chunks are 256 TiB: more than any file system's file
        self.index = next.ok_or_else(|| io::Error::other("an object has at most 2^32 chunks"))?;
        put
    }

    /// Writes the last chunk and gives `out` back, which is neither flushed nor synced.
    ///
    /// # Errors
    /// When `out` refuses or did before.
    pub fn finish(mut self) -> io::Result<(W, Sealed)> {
        self.whole()?;
        self.seal_chunk(true)?;
        let sealed = Sealed {
            plain_bytes: self.plain_bytes,
            plain_sha256: hex::encode(self.plain_hash.finish()),
            stored_bytes: self.stored_bytes,
            stored_sha256: hex::encode(self.stored_hash.finish()),
        };
        Ok((self.out, sealed))
    }

    fn whole(&self) -> io::Result<()> {
        if self.broken {
            return Err(io::Error::other("an earlier write of the object failed"));
        }
        Ok(())
    }
}

impl<W: Write> Write for Sealer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.whole()?;
        if self.chunk.len() == CHUNK_BYTES && !bytes.is_empty() {
            self.seal_chunk(false)?;
        }
        let taken = &bytes[..bytes.len().min(CHUNK_BYTES - self.chunk.len())];
        self.chunk.extend_from_slice(taken);
        self.plain_hash.update(taken);
        self.plain_bytes += taken.len() as u64;
        Ok(taken.len())
    }

    /// Does not write the chunk that is being filled: only its end says whether it is the last.
    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Why an object does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// It does not begin as one.
    #[error("not an encrypted object of this version")]
    NotAnObject,
    /// No object has that size: it was cut, or something was added.
    #[error("no object has {0} bytes: it was cut, or something was added")]
    Length(u64),
    /// A chunk was changed, moved, or encrypted with another key.
    #[error("chunk {0} was changed, or is another object's")]
    Chunk(u32),
}

/// What a range of plain bytes takes to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touched {
    /// Bytes of the object: whole chunks.
    pub stored: Range<u64>,
    /// Number of the first of them.
    pub first: u32,
    /// Plain bytes of the first chunk that lie before the range.
    pub skip: usize,
}

/// Reads an object chunk by chunk, in any order.
pub struct Opener {
    cipher: LessSafeKey,
    header: [u8; HEADER_BYTES],
    stored_len: u64,
    plain_len: u64,
    last: u32,
}

impl std::fmt::Debug for Opener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Opener({} plain bytes)", self.plain_len)
    }
}

impl Opener {
    /// Reads the header: the first [`HEADER_BYTES`] of an object of `stored_len` bytes. That the
    /// key is the right one shows at the first chunk.
    ///
    /// # Errors
    /// When it is not an object of this version, or has a size that none has.
    pub fn new(key: &DataKey, header: &[u8], stored_len: u64) -> Result<Self, OpenError> {
        let header: [u8; HEADER_BYTES] = header.try_into().map_err(|_| OpenError::NotAnObject)?;
        let salt = header.strip_prefix(MAGIC).ok_or(OpenError::NotAnObject)?;
        let plain_len = plain_len(stored_len).ok_or(OpenError::Length(stored_len))?;
        let last = plain_len.div_ceil(CHUNK_BYTES as u64).saturating_sub(1);
        Ok(Self {
            cipher: key.derive(Purpose::Object, salt),
            header,
            stored_len,
            plain_len,
            last: u32::try_from(last).map_err(|_| OpenError::Length(stored_len))?,
        })
    }

    /// Plain bytes of the object.
    pub fn plain_len(&self) -> u64 {
        self.plain_len
    }

    /// Number of the last chunk; the first is 0.
    pub fn last_chunk(&self) -> u32 {
        self.last
    }

    /// What has to be read for a range of plain bytes, which is cut to those there are. An empty
    /// range takes nothing, except in an empty object: its one chunk says that nothing was cut off.
    pub fn chunks(&self, plain: Range<u64>) -> Touched {
        let chunk = CHUNK_BYTES as u64;
        let end = plain.end.min(self.plain_len);
        let start = plain.start.min(end);
        let first = start / chunk;
        let at = |chunk: u64| (HEADER_BYTES as u64 + chunk * STORED_CHUNK).min(self.stored_len);
        let behind = match end {
            0 if self.plain_len == 0 => 1,
            end if start == end => first,
            end => end.div_ceil(chunk),
        };
        Touched {
            stored: at(first)..at(behind),
            first: first as u32,
            skip: (start % chunk) as usize,
        }
    }

    /// Bytes of a chunk as it is stored; 0 for one that the object does not have.
    pub fn chunk_len(&self, index: u32) -> usize {
        if index > self.last {
            return 0;
        }
        let from = HEADER_BYTES as u64 + u64::from(index) * STORED_CHUNK;
        (self.stored_len - from).min(STORED_CHUNK) as usize
    }

    /// Opens a chunk in place.
    ///
    /// # Errors
    /// When it is not that chunk of this object, to the bit; `chunk` then holds nothing of use.
    pub fn open_chunk<'a>(&self, index: u32, chunk: &'a mut [u8]) -> Result<&'a [u8], OpenError> {
        let rejected = OpenError::Chunk(index);
        if chunk.len() != self.chunk_len(index) {
            return Err(rejected);
        }
        let nonce = nonce(index, index == self.last);
        self.cipher
            .open_in_place(nonce, Aad::from(self.header), chunk)
            .map(|plain| &*plain)
            .map_err(|_| rejected)
    }
}

/// Opens a whole object in memory: for small ones, tools and tests.
///
/// # Errors
/// When any byte of it is not as it was sealed.
pub fn open_whole(key: &DataKey, stored: &[u8]) -> Result<Vec<u8>, OpenError> {
    let header = stored.get(..HEADER_BYTES).ok_or(OpenError::NotAnObject)?;
    let opener = Opener::new(key, header, stored.len() as u64)?;
    let mut plain = Vec::with_capacity(stored.len());
    let mut rest = &stored[HEADER_BYTES..];
    for index in 0..=opener.last_chunk() {
        let (chunk, after) = rest
            .split_at_checked(opener.chunk_len(index))
            .ok_or(OpenError::Chunk(index))?;
        plain.extend_from_slice(opener.open_chunk(index, &mut chunk.to_vec())?);
        rest = after;
    }
    Ok(plain)
}

#[cfg(test)]
mod tests;
