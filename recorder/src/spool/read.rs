//! Reading a take's spool: batches in their order, over all segments, as far as they are whole.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use aws_lc_rs::aead::{Aad, LessSafeKey};
use sidetone_vault::{DataKey, KeyError, Keyring, Purpose};
use sidetone_wire::WrappedKey;

use super::{
    FORMER_MAGIC, FRAME_BYTES, Header, MAGIC, MAX_BATCH_BYTES, MAX_HEADER_BYTES,
    MAX_UNSYNCED_BATCHES, TAG_BYTES, nonce_of,
};

/// How far behind a broken batch the next whole one is looked for.
const SEARCH_BYTES: usize = 2 * (FRAME_BYTES + MAX_BATCH_BYTES + TAG_BYTES);
/// And how far its number may be ahead.
const SEARCH_BATCHES: u32 = 4_096;

/// Why a spool file cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SpoolError {
    /// The disk.
    #[error("{0}")]
    Disk(#[from] io::Error),
    /// Written by an earlier version.
    #[error("a spool file of format 1: seal it with the version of sidetone that wrote it")]
    Former,
    /// Of something else, or damaged at its very start.
    #[error("not a spool file, or its header is damaged")]
    Foreign,
    /// Nothing of the take became durable.
    #[error("nothing of the take reached the disk")]
    Empty,
    /// Its key cannot be had.
    #[error("{0}")]
    Key(#[from] KeyError),
}

/// How a take's spool ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tail {
    /// After a whole batch.
    Whole,
    /// Within the last batches, as a crash leaves it.
    Torn,
    /// Something is missing behind it that had been durable: not what a crash does.
    Damaged,
}

/// A batch, read back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Batch<'a> {
    pub(crate) number: u32,
    /// Something is missing before it that had been durable.
    pub(crate) behind_hole: bool,
    pub(crate) body: &'a [u8],
}

/// Bytes to read batches from.
pub(crate) trait Source {
    /// How many there are.
    fn length(&self) -> io::Result<u64>;
    /// Fills `bytes` from `offset`.
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()>;
}

impl Source for File {
    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.read_exact_at(bytes, offset)
    }
}

impl Source for &[u8] {
    fn length(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        let found = self.get(from..).and_then(|rest| rest.get(..bytes.len()));
        bytes.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

/// The batches of a take.
pub(crate) struct Batches<S = File> {
    segments: VecDeque<Segment<S>>,
    header: Header,
    key: DataKey,
    /// Number of the next batch.
    next: u32,
    body: Vec<u8>,
    tail: Tail,
}

impl Batches {
    /// Opens the spool that is in these segments, in their order.
    pub(crate) fn open(paths: &[PathBuf], keyring: &Keyring) -> Result<Self, SpoolError> {
        let files: io::Result<Vec<File>> = paths.iter().map(File::open).collect();
        Self::read(files?, keyring)
    }
}

impl<S: Source> Batches<S> {
    /// Reads the spool that is in these segments, in their order.
    pub(crate) fn read(sources: Vec<S>, keyring: &Keyring) -> Result<Self, SpoolError> {
        let mut segments = VecDeque::new();
        let mut of: Option<(Header, DataKey)> = None;
        let (mut damaged, mut refused) = (false, None);
        for source in sources {
            let (header, head) = match read_head(&source)? {
                Head::Whole(header, head) => (header, head),
                Head::Torn => continue,
                Head::Damaged => {
                    damaged = true;
                    continue;
                }
            };
            match keyring.unwrap(&header.key, &header.tenant, header.recording) {
                Ok(key) => {
                    segments.push_back(Segment::new(source, &key, &head)?);
                    of.get_or_insert((header, key));
                }
                Err(error) => refused = Some(error),
            }
        }
        let Some((header, key)) = of else {
            return Err(match refused {
                Some(error) => SpoolError::Key(error),
                None if damaged => SpoolError::Foreign,
                None => SpoolError::Empty,
            });
        };
        damaged |= refused.is_some();
        Ok(Self {
            segments,
            header,
            key,
            next: 0,
            body: Vec::new(),
            tail: if damaged { Tail::Damaged } else { Tail::Whole },
        })
    }

    /// The take's data key.
    pub(crate) fn key(&self) -> &DataKey {
        &self.key
    }

    /// The same as it may be kept.
    pub(crate) fn wrapped(&self) -> &WrappedKey {
        &self.header.key
    }

    /// The next batch; `None` at the end.
    pub(crate) fn next(&mut self) -> io::Result<Option<Batch<'_>>> {
        while let Some(segment) = self.segments.front_mut() {
            match segment.next(&mut self.body)? {
                Next::Batch(number) if number < self.next => {}
                Next::Batch(number) => {
                    let behind_hole = number > self.next;
                    self.next = number.saturating_add(1);
                    return Ok(Some(Batch {
                        number,
                        behind_hole,
                        body: &self.body,
                    }));
                }
                Next::End(tail) => {
                    self.segments.pop_front();
                    // a segment that was given up may be torn: the next one begins before that
                    if self.segments.is_empty() && self.tail == Tail::Whole {
                        self.tail = tail;
                    }
                }
            }
        }
        Ok(None)
    }

    /// How the spool ended, once [`Batches::next`] gave `None`.
    pub(crate) fn tail(&self) -> Tail {
        self.tail
    }
}

enum Head {
    Whole(Header, Vec<u8>),
    /// As a crash leaves it before the first sync.
    Torn,
    Damaged,
}

fn read_head(source: &impl Source) -> Result<Head, SpoolError> {
    let length = source.length()?;
    let unreadable = || {
        // more than can be there before the first sync
        let synced = length > (MAX_HEADER_BYTES + SEARCH_BYTES) as u64;
        Ok(if synced { Head::Damaged } else { Head::Torn })
    };
    let mut head = vec![0; MAGIC.len() + 4];
    if length < head.len() as u64 {
        return Ok(Head::Torn);
    }
    source.read_at(&mut head, 0)?;
    let (magic, size) = head.split_at(MAGIC.len());
    if magic == FORMER_MAGIC {
        return Err(SpoolError::Former);
    }
    if head.iter().all(|&byte| byte == 0) {
        return unreadable();
    }
    if magic != MAGIC {
        return Err(SpoolError::Foreign);
    }
    let size = size
        .first_chunk()
        .map_or(0, |size| u32::from_le_bytes(*size)) as usize;
    let at = head.len();
    if size > MAX_HEADER_BYTES || (at + size) as u64 > length {
        return unreadable();
    }
    head.resize(at + size, 0);
    source.read_at(&mut head[at..], at as u64)?;
    match serde_json::from_slice(&head[at..]) {
        Ok(header) => Ok(Head::Whole(header, head)),
        Err(_) => unreadable(),
    }
}

/// One file of a take.
struct Segment<S> {
    source: S,
    cipher: LessSafeKey,
    length: u64,
    at: u64,
    /// Number of the next batch; the first may have any.
    expected: Option<u32>,
}

enum Next {
    /// A batch of this number is in the body.
    Batch(u32),
    End(Tail),
}

impl<S: Source> Segment<S> {
    fn new(source: S, key: &DataKey, head: &[u8]) -> io::Result<Self> {
        Ok(Self {
            cipher: key.derive(Purpose::Spool, head),
            length: source.length()?,
            source,
            at: head.len() as u64,
            expected: None,
        })
    }

    fn next(&mut self, body: &mut Vec<u8>) -> io::Result<Next> {
        if self.at >= self.length {
            return Ok(Next::End(Tail::Whole));
        }
        if let Some((number, size)) = self.batch_at(self.at, self.expected, body)? {
            self.at += size;
            self.expected = number.checked_add(1);
            return Ok(Next::Batch(number));
        }
        if let Some((at, number)) = self.behind_damage(body)? {
            self.at = at;
            self.expected = Some(number);
            return self.next(body);
        }
        let rest = self.length - self.at;
        self.at = self.length;
        let torn = rest <= SEARCH_BYTES as u64;
        Ok(Next::End(if torn { Tail::Torn } else { Tail::Damaged }))
    }

    /// Opens the batch at `at` into `body`, if one of the expected number is there; gives its
    /// number and size in the file.
    fn batch_at(
        &self,
        at: u64,
        expected: Option<u32>,
        body: &mut Vec<u8>,
    ) -> io::Result<Option<(u32, u64)>> {
        let rest = self.length.saturating_sub(at);
        if rest < (FRAME_BYTES + TAG_BYTES) as u64 {
            return Ok(None);
        }
        let mut frame = [0; FRAME_BYTES];
        self.source.read_at(&mut frame, at)?;
        let Some((size, number)) = read_frame(frame) else {
            return Ok(None);
        };
        let whole = (FRAME_BYTES + size) as u64;
        if whole > rest || expected.is_some_and(|expected| expected != number) {
            return Ok(None);
        }
        body.resize(size, 0);
        self.source.read_at(body, at + FRAME_BYTES as u64)?;
        let opened = self
            .cipher
            .open_in_place(nonce_of(number), Aad::from(frame), body);
        let Ok(size) = opened.map(|plain| plain.len()) else {
            return Ok(None);
        };
        body.truncate(size);
        Ok(Some((number, whole)))
    }

    /// The place and number of the next whole batch behind a broken one, if there are so many
    /// behind it that they had been durable.
    fn behind_damage(&self, body: &mut Vec<u8>) -> io::Result<Option<(u64, u32)>> {
        let from = self.at + 1;
        let size = self.length.saturating_sub(from).min(SEARCH_BYTES as u64);
        let mut bytes = vec![0; size as usize];
        self.source.read_at(&mut bytes, from)?;
        let first = self.expected.unwrap_or(0);
        for (at, frame) in (from..).zip(bytes.array_windows::<FRAME_BYTES>()) {
            let Some((_, number)) = read_frame(*frame) else {
                continue;
            };
            let ahead = number.checked_sub(first);
            if ahead.is_some_and(|n| n <= SEARCH_BATCHES) && self.is_durable(at, number, body)? {
                return Ok(Some((at, number)));
            }
        }
        Ok(None)
    }

    /// Whether more batches follow each other here than may be in a file and not be durable.
    fn is_durable(&self, mut at: u64, number: u32, body: &mut Vec<u8>) -> io::Result<bool> {
        for number in (number..).take(MAX_UNSYNCED_BATCHES + 1) {
            let Some((_, size)) = self.batch_at(at, Some(number), body)? else {
                return Ok(false);
            };
            at += size;
        }
        Ok(true)
    }
}

/// Length of what follows and number, unless no batch has that length.
fn read_frame(frame: [u8; FRAME_BYTES]) -> Option<(usize, u32)> {
    let [l0, l1, l2, l3, n0, n1, n2, n3] = frame;
    let size = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
    let possible = (TAG_BYTES..=MAX_BATCH_BYTES + TAG_BYTES).contains(&size);
    possible.then_some((size, u32::from_le_bytes([n0, n1, n2, n3])))
}
