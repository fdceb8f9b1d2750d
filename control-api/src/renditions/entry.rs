//! One rendition: written once, read by many while it is.

use std::fs::File;
use std::io::{self, Read, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use axum::body::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use sidetone_rendition::{Rendition, RenditionError, Source};
use sidetone_vault::chunked::{
    CHUNK_BYTES, HEADER_BYTES, Opener, Sealer, TAG_BYTES, plain_len, stored_len,
};
use sidetone_vault::{DataKey, StoreError};
use tokio::sync::watch;

use super::Failure;

/// Bytes of a full chunk in the file.
const STORED_CHUNK: u64 = (CHUNK_BYTES + TAG_BYTES) as u64;

/// How far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Progress {
    Waiting,
    /// So many bytes are in the file.
    Making(u64),
    /// So many bytes are the file.
    Made(u64),
    Failed(Failure),
}

pub(super) struct Entry {
    /// Without a name: it is gone when the last one lets go of it.
    file: File,
    /// Of this file alone, and nowhere but here.
    key: DataKey,
    /// Plain bytes, where they are known before.
    length: Option<u64>,
    progress: watch::Sender<Progress>,
}

impl Entry {
    pub(super) fn new(folder: &Path, length: Option<u64>) -> io::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            file: tempfile::tempfile_in(folder)?,
            key: DataKey::generate().map_err(io::Error::other)?,
            length,
            progress: watch::Sender::new(Progress::Waiting),
        }))
    }

    pub(super) fn read(self: &Arc<Self>) -> Reader {
        Reader(self.clone())
    }

    pub(super) fn is_waiting(&self) -> bool {
        *self.progress.borrow() == Progress::Waiting
    }

    pub(super) fn is_made(&self) -> bool {
        matches!(*self.progress.borrow(), Progress::Made(_))
    }

    /// Bytes it takes on the disk.
    pub(super) fn stored_bytes(&self) -> u64 {
        match *self.progress.borrow() {
            Progress::Making(bytes) | Progress::Made(bytes) => bytes,
            Progress::Waiting | Progress::Failed(_) => 0,
        }
    }

    /// Ends it, whether it waits, is made or was.
    pub(super) fn forget(&self) {
        self.progress
            .send_replace(Progress::Failed(Failure::Forgotten));
    }

    fn is_forgotten(&self) -> bool {
        *self.progress.borrow() == Progress::Failed(Failure::Forgotten)
    }

    /// Makes it, on a thread that may block; gives its size on the disk.
    pub(super) fn fill<R: Read>(
        &self,
        rendition: Rendition,
        sources: Vec<Source<R>>,
        samples: u64,
    ) -> Result<u64, Failure> {
        let out = Watched {
            entry: self,
            written: 0,
        };
        let disk = |error: io::Error| self.failure(RenditionError::Write(error));
        let mut sealer = Sealer::new(out, &self.key).map_err(disk)?;
        rendition
            .write(sources, samples, &mut sealer)
            .map_err(|error| self.failure(error))?;
        let (_, sealed) = sealer.finish().map_err(disk)?;
        Ok(sealed.stored_bytes)
    }

    fn failure(&self, error: RenditionError) -> Failure {
        if self.is_forgotten() {
            return Failure::Forgotten;
        }
        match error {
            RenditionError::Read(error) => {
                let store = error.get_ref().and_then(|inner| inner.downcast_ref());
                Failure::Media(store.cloned().unwrap_or_else(|| damaged(&error)))
            }
            RenditionError::Ogg(_)
            | RenditionError::Packet { .. }
            | RenditionError::Uneven(_)
            | RenditionError::Empty => Failure::Media(damaged(&error)),
            RenditionError::Head(_) | RenditionError::NoChannel(_) | RenditionError::TooLong(_) => {
                Failure::Unsuitable(error.to_string())
            }
            RenditionError::Write(_) | RenditionError::Codec(_) => {
                Failure::Making(error.to_string())
            }
        }
    }

    /// Says what came of making it. What was forgotten meanwhile stays so.
    pub(super) fn made(&self, made: Result<u64, Failure>) {
        self.progress.send_if_modified(|progress| {
            let forgotten = *progress == Progress::Failed(Failure::Forgotten);
            if !forgotten {
                *progress = made.map_or_else(Progress::Failed, Progress::Made);
            }
            !forgotten
        });
    }
}

fn damaged(error: &dyn std::error::Error) -> StoreError {
    StoreError::Damaged(error.to_string())
}

/// The entry's file while it is written: readers learn how far it is.
struct Watched<'a> {
    entry: &'a Entry,
    written: u64,
}

impl Write for Watched<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = (&self.entry.file).write(bytes)?;
        self.written += written as u64;
        let going_on = self.entry.progress.send_if_modified(|progress| {
            let forgotten = *progress == Progress::Failed(Failure::Forgotten);
            if !forgotten {
                *progress = Progress::Making(self.written);
            }
            !forgotten
        });
        if going_on {
            Ok(written)
        } else {
            Err(io::Error::other(Failure::Forgotten))
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads a rendition while it is made and afterwards. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Reader(Arc<Entry>);

impl Reader {
    /// Waits until its beginning is there, so that what cannot be made is known.
    pub(crate) async fn begun(&self) -> Result<(), Failure> {
        self.chunk_end(0).await.map(drop)
    }

    /// Its length, if that is known already.
    pub(crate) fn known_len(&self) -> Option<u64> {
        let made = match *self.0.progress.borrow() {
            Progress::Made(stored) => plain_len(stored),
            Progress::Waiting | Progress::Making(_) | Progress::Failed(_) => None,
        };
        made.or(self.0.length)
    }

    /// Its length: known beforehand, or once it is made.
    pub(crate) async fn len(&self) -> Result<u64, Failure> {
        if let Some(length) = self.known_len() {
            return Ok(length);
        }
        let made = |progress: &Progress| match progress {
            Progress::Made(stored) => plain_len(*stored).map(Ok),
            Progress::Failed(failure) => Some(Err(failure.clone())),
            Progress::Waiting | Progress::Making(_) => None,
        };
        self.wait(made).await
    }

    /// A part of it, as it is made; `None` as the end is the whole.
    pub(crate) fn bytes(
        &self,
        from: u64,
        end: Option<u64>,
    ) -> BoxStream<'static, Result<Bytes, Failure>> {
        let end = end.unwrap_or(u64::MAX);
        let parts = stream::try_unfold((self.clone(), from), move |(reader, at)| async move {
            if at >= end {
                return Ok(None);
            }
            let part = reader.part(at..end).await?;
            let next = at + part.len() as u64;
            Ok((!part.is_empty()).then_some((part, (reader, next))))
        });
        parts.boxed()
    }

    /// What the chunk that holds the range's first byte has of the range; empty at the end.
    async fn part(&self, range: Range<u64>) -> Result<Bytes, Failure> {
        let chunk = CHUNK_BYTES as u64;
        let index = range.start / chunk;
        let Some(assumed) = self.chunk_end(index).await? else {
            return Ok(Bytes::new());
        };
        let entry = self.0.clone();
        let opened = tokio::task::spawn_blocking(move || entry.open(index, assumed)).await;
        let opened = opened.map_err(|error| Failure::Making(error.to_string()))?;
        let mut plain = opened.map_err(|error| Failure::Making(error.to_string()))?;
        let skip = usize::try_from(range.start % chunk).unwrap_or(0);
        let mut part = plain.split_off(skip.min(plain.len()));
        part.truncate(usize::try_from(range.end - range.start).unwrap_or(usize::MAX));
        Ok(part)
    }

    /// Waits for a chunk. Gives the size of a file in which it lies as it does in this one;
    /// `None` when there is no such chunk.
    async fn chunk_end(&self, index: u64) -> Result<Option<u64>, Failure> {
        let end = HEADER_BYTES as u64 + (index + 1) * STORED_CHUNK;
        let ready = |progress: &Progress| match progress {
            // that something follows shows that it is not the last one, which is sealed otherwise
            Progress::Making(written) if *written > end => {
                let plain = (index + 2) * CHUNK_BYTES as u64;
                Some(Ok(Some(stored_len(plain))))
            }
            Progress::Waiting | Progress::Making(_) => None,
            Progress::Made(stored) => {
                let begin = end - STORED_CHUNK;
                Some(Ok((*stored > begin).then_some(*stored)))
            }
            Progress::Failed(failure) => Some(Err(failure.clone())),
        };
        self.wait(ready).await
    }

    async fn wait<T>(
        &self,
        ready: impl Fn(&Progress) -> Option<Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let mut progress = self.0.progress.subscribe();
        loop {
            if let Some(done) = ready(&progress.borrow_and_update()) {
                return done;
            }
            if progress.changed().await.is_err() {
                return Err(Failure::Forgotten); // we hold the sender: it does not happen
            }
        }
    }
}

impl Entry {
    /// Reads and opens a chunk, on a thread that may block.
    fn open(&self, index: u64, assumed: u64) -> io::Result<Bytes> {
        let mut header = [0; HEADER_BYTES];
        self.file.read_exact_at(&mut header, 0)?;
        let opener = Opener::new(&self.key, &header, assumed).map_err(io::Error::other)?;
        let number = u32::try_from(index).map_err(io::Error::other)?;
        let mut chunk = vec![0; opener.chunk_len(number)];
        let at = HEADER_BYTES as u64 + index * STORED_CHUNK;
        self.file.read_exact_at(&mut chunk, at)?;
        let plain = opener
            .open_chunk(number, &mut chunk)
            .map_err(io::Error::other)?
            .len();
        chunk.truncate(plain);
        Ok(Bytes::from(chunk))
    }
}

#[cfg(test)]
impl Reader {
    /// What lies on the disk, as it lies there.
    pub(super) fn on_disk(&self) -> Vec<u8> {
        let file = &self.0.file;
        let mut bytes = vec![0; file.metadata().map_or(0, |file| file.len()) as usize];
        file.read_exact_at(&mut bytes, 0).unwrap();
        bytes
    }
}
