//! Spool files: one per take, appended to in batches, each with its length and checksum.
//!
//! `MAGIC`, then batches of: length of the body (u32), CRC-32 of the batch's number (u32) and the
//! body (u32), the body; all little-endian. Batch 0 is the manifest as far as it is known at the
//! start, as JSON; the others are [records](crate::record).

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use sidetone_wire::RecordingId;

const MAGIC: &[u8; 16] = b"sidetone take 1\n";
const HEADER_BYTES: usize = 8;
/// No batch is longer: a buffer at its bound, and room for what comes on top.
pub(crate) const MAX_BATCH_BYTES: usize = 1 << 20;
/// Owner only: recordings are personal data.
const MODE: u32 = 0o600;

/// Extension of the spool files.
const EXTENSION: &str = "take";
/// Extension of spool files that are damaged before their last batch, kept for a person to see.
const DAMAGED: &str = "damaged";

/// The spool file of a recording.
pub(crate) fn path_of(spool_dir: &Path, recording: RecordingId) -> PathBuf {
    spool_dir.join(format!("{recording}.{EXTENSION}"))
}

/// The spool files in a folder, in the order of their names (which is that of their start).
pub(crate) fn list(spool_dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(spool_dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == EXTENSION) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Puts a damaged file aside.
pub(crate) fn put_aside(path: &Path) -> io::Result<PathBuf> {
    let aside = path.with_extension(DAMAGED);
    std::fs::rename(path, &aside)?;
    Ok(aside)
}

/// A spool file being written.
#[derive(Debug)]
pub(crate) struct SpoolFile {
    file: File,
    /// End of the last batch that was written whole.
    length: u64,
    batches: u32,
    scratch: Vec<u8>,
}

impl SpoolFile {
    /// Creates the file with its batch 0. It must not exist.
    pub(crate) fn create(path: &Path, start: &[u8]) -> io::Result<Self> {
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(MODE)
            .open(path)?;
        let mut spool = Self {
            file,
            length: 0,
            batches: 0,
            scratch: Vec::new(),
        };
        let written = spool.file.write_all_at(MAGIC, 0).and_then(|()| {
            spool.length = MAGIC.len() as u64;
            spool.append(start)
        });
        if let Err(error) = written {
            // so that the next try can create it; if that fails too, it says so
            drop(std::fs::remove_file(path));
            return Err(error);
        }
        Ok(spool)
    }

    /// Appends a batch; gives the bytes written. After an error the same batch can be appended
    /// again: it is written to the same place.
    pub(crate) fn append(&mut self, body: &[u8]) -> io::Result<usize> {
        self.scratch.clear();
        self.scratch
            .extend_from_slice(&(body.len() as u32).to_le_bytes());
        self.scratch
            .extend_from_slice(&checksum(self.batches, body).to_le_bytes());
        self.scratch.extend_from_slice(body);
        self.file.write_all_at(&self.scratch, self.length)?;
        let written = self.scratch.len();
        self.length += written as u64;
        self.batches += 1;
        self.scratch.shrink_to(MAX_SCRATCH_BYTES);
        Ok(written)
    }
}

/// Scratch space that an open file keeps between batches.
const MAX_SCRATCH_BYTES: usize = 16 << 10;

fn checksum(number: u32, body: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&number.to_le_bytes());
    crc.update(body);
    crc.finalize()
}

/// How a spool file ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tail {
    /// After a whole batch.
    Whole,
    /// Within the last batch, as a crash leaves it.
    Torn,
    /// At a broken batch with more behind it than one batch: not what a crash does.
    Damaged,
}

/// Reads the batches of a spool file until its end or the first one that is broken.
pub(crate) struct Batches {
    file: BufReader<File>,
    length: u64,
    at: u64,
    number: u32,
    body: Vec<u8>,
    tail: Tail,
}

impl Batches {
    /// Opens a spool file.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        let mut file = BufReader::with_capacity(64 << 10, file);
        let mut magic = [0; MAGIC.len()];
        if length < magic.len() as u64 || file.read_exact(&mut magic).is_err() || magic != *MAGIC {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "not a spool file",
            ));
        }
        let at = magic.len() as u64;
        Ok(Self {
            file,
            length,
            at,
            number: 0,
            body: Vec::new(),
            tail: Tail::Whole,
        })
    }

    /// The next batch, `None` at the end or where the file is broken.
    pub(crate) fn next(&mut self) -> io::Result<Option<&[u8]>> {
        let rest = self.length - self.at;
        if rest == 0 || self.tail != Tail::Whole {
            return Ok(None);
        }
        let mut header = [0; HEADER_BYTES];
        if rest < HEADER_BYTES as u64 {
            return Ok(self.broken(rest));
        }
        self.file.read_exact(&mut header)?;
        let [l0, l1, l2, l3, c0, c1, c2, c3] = header;
        let size = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
        if size > MAX_BATCH_BYTES || (HEADER_BYTES + size) as u64 > rest {
            return Ok(self.broken(rest));
        }
        self.body.resize(size, 0);
        self.file.read_exact(&mut self.body)?;
        if checksum(self.number, &self.body) != u32::from_le_bytes([c0, c1, c2, c3]) {
            return Ok(self.broken(rest));
        }
        self.at += (HEADER_BYTES + size) as u64;
        self.number += 1;
        Ok(Some(&self.body))
    }

    fn broken(&mut self, rest: u64) -> Option<&[u8]> {
        let one_batch = (HEADER_BYTES + MAX_BATCH_BYTES) as u64;
        self.tail = if rest > one_batch {
            Tail::Damaged
        } else {
            Tail::Torn
        };
        None
    }

    /// How the file ended, once [`Batches::next`] gave `None`.
    pub(crate) fn tail(&self) -> Tail {
        self.tail
    }
}

/// Writes `bytes` as a file of its own, durably: temporary name, sync, rename, sync of the
/// folder.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = temporary_of(path);
    let mut file = create(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    rename(&temporary, path)
}

/// The hidden name under which a file is written before it is whole.
pub(crate) fn temporary_of(path: &Path) -> PathBuf {
    let name = path
        .file_name()
        .map(|n| n.to_string_lossy().into_owned())
        .unwrap_or_default();
    path.with_file_name(format!(".{name}.tmp"))
}

/// Creates a file for its owner only, in place of one that a crash left.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(MODE)
        .open(path)
}

/// Renames durably.
pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::rename(from, to)?;
    match to.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(batches: &[&[u8]]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.take");
        let mut spool = SpoolFile::create(&path, batches[0]).unwrap();
        for batch in &batches[1..] {
            spool.append(batch).unwrap();
        }
        (folder, path)
    }

    fn read(path: &Path) -> (Vec<Vec<u8>>, Tail) {
        let mut batches = Batches::open(path).unwrap();
        let mut bodies = Vec::new();
        while let Some(body) = batches.next().unwrap() {
            bodies.push(body.to_vec());
        }
        (bodies, batches.tail())
    }

    #[test]
    fn batches_come_back() {
        let (_folder, path) = written(&[b"start", b"", b"second"]);
        let (bodies, tail) = read(&path);
        assert_eq!(bodies, [&b"start"[..], b"", b"second"]);
        assert_eq!(tail, Tail::Whole);
    }

    #[test]
    fn a_file_cut_anywhere_gives_the_batches_before_the_cut() {
        let (_folder, path) = written(&[b"start", b"first", b"second"]);
        let whole = std::fs::read(&path).unwrap();
        let ends = [16 + 8 + 5, 16 + 8 + 5 + 8 + 5, whole.len()];
        for cut in 16..whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let (bodies, tail) = read(&path);
            assert_eq!(bodies.len(), ends.iter().filter(|&&end| end <= cut).count());
            let whole = cut == 16 || ends.contains(&cut);
            assert_eq!(tail == Tail::Whole, whole, "cut at {cut}");
        }
    }

    #[test]
    fn a_flipped_bit_anywhere_ends_the_file_there() {
        let (_folder, path) = written(&[b"start", b"first", b"second"]);
        let whole = std::fs::read(&path).unwrap();
        for bit in 16 * 8..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&path, &flipped).unwrap();
            let (bodies, tail) = read(&path);
            assert!(bodies.len() < 3 && tail != Tail::Whole, "bit {bit}");
        }
        std::fs::write(&path, b"something else entirely").unwrap();
        assert!(Batches::open(&path).is_err());
    }

    #[test]
    fn batches_that_changed_places_are_found() {
        let (_folder, path) = written(&[b"start", b"first", b"other"]);
        let mut bytes = std::fs::read(&path).unwrap();
        let (first, second) = bytes[29..].split_at_mut(13);
        first.swap_with_slice(second);
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(read(&path).0.len(), 1);
    }

    #[test]
    fn damage_with_much_behind_it_is_not_taken_for_a_torn_tail() {
        let large = vec![7; MAX_BATCH_BYTES];
        let (_folder, path) = written(&[b"start", b"first", &large, &large]);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[16 + 8 + 5 + 8] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(read(&path), (vec![b"start".to_vec()], Tail::Damaged));
    }
}
