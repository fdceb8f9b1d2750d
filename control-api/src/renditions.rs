//! Renditions of recordings, made on request and kept for a while.
//!
//! A rendition is written to a file without a name, encrypted under a key that only this process's
//! memory holds; both are gone with the process, and a crash leaves nothing. Whoever wants it reads
//! along while it is made: ten clicks make one rendition, and a slow listener holds up nobody.
//!
//! **Invariant**: nothing of a recording lies on the disk unencrypted, and after
//! [`Renditions::forget`] nobody gets anything of it from here.

mod entry;
mod source;

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sidetone_rendition::{Rendition, Source};
use sidetone_service::clock;
use sidetone_vault::{Object, StoreError};
use sidetone_wire::RecordingId;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tracing::{error, info};

use entry::Entry;
use source::Blocking;

pub(crate) use entry::Reader;

/// Bytes of renditions that are kept, those in the making on top: three hours of WAV in mono.
/// Beyond it the ones that nobody has asked for longest go.
const KEPT_BYTES: u64 = 1 << 30;
/// How long one is kept after it was asked for last: somebody who works on a call comes back to it
/// within the day.
const KEPT_FOR: Duration = Duration::from_hours(24);
/// Renditions made at once: decoding takes a whole core, and calls come first.
const AT_ONCE: usize = 2;
/// Renditions that wait to be made: some minutes of work. Beyond it whoever asks is told to come
/// back.
const WAITING: usize = 8;

/// Why there is no rendition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    /// Too many are waiting.
    #[error("too many renditions are being made")]
    Busy,
    /// The recording cannot be rendered so: what it has not, what it is too long for.
    #[error("{0}")]
    Unsuitable(String),
    /// The media could not be had or read.
    #[error(transparent)]
    Media(#[from] StoreError),
    /// The disk of the cache, or the codec.
    #[error("the rendition could not be made: {0}")]
    Making(String),
    /// The recording was erased meanwhile.
    #[error("the recording was erased")]
    Forgotten,
}

/// One rendition of one recording.
type Name = (RecordingId, Rendition);

/// The renditions that are kept or made. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Renditions {
    inner: Arc<Inner>,
}

struct Inner {
    folder: Box<Path>,
    kept_bytes: u64,
    makers: Semaphore,
    shelf: Mutex<HashMap<Name, Kept>>,
}

struct Kept {
    entry: Arc<Entry>,
    asked: Instant,
}

/// What a rendition is made of.
pub(crate) struct Media {
    /// The media files with the index of the first channel of each.
    pub(crate) files: Vec<(u8, Object)>,
    /// Length of the recording at 48 kHz.
    pub(crate) samples: u64,
}

impl Renditions {
    /// Keeps renditions in that folder, which is created when it is missing.
    pub(crate) fn new(folder: &Path) -> std::io::Result<Self> {
        Self::with_limit(folder, KEPT_BYTES)
    }

    fn with_limit(folder: &Path, kept_bytes: u64) -> std::io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let inner = Inner {
            folder: folder.into(),
            kept_bytes,
            makers: Semaphore::new(AT_ONCE),
            shelf: Mutex::default(),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// The rendition, if it is kept or being made.
    pub(crate) fn find(&self, recording: RecordingId, rendition: Rendition) -> Option<Reader> {
        let mut shelf = self.inner.shelf();
        let kept = shelf.get_mut(&(recording, rendition))?;
        kept.asked = clock::now();
        Some(kept.entry.read())
    }

    /// The rendition, which is made of `media` unless it is kept or being made.
    pub(crate) fn make(
        &self,
        recording: RecordingId,
        rendition: Rendition,
        media: Media,
    ) -> Result<Reader, Failure> {
        let name = (recording, rendition);
        let entry = Entry::new(&self.inner.folder, rendition.len(media.samples));
        let entry = entry.map_err(|error| Failure::Making(error.to_string()))?;
        let reader = {
            let mut shelf = self.inner.shelf();
            if let Some(kept) = shelf.get_mut(&name) {
                kept.asked = clock::now();
                return Ok(kept.entry.read());
            }
            let waiting = shelf.values().filter(|kept| kept.entry.is_waiting());
            if waiting.count() >= WAITING {
                return Err(Failure::Busy);
            }
            let reader = entry.read();
            let kept = Kept {
                entry: entry.clone(),
                asked: clock::now(),
            };
            shelf.insert(name, kept);
            reader
        };
        tokio::spawn(self.inner.clone().make(name, entry, media));
        Ok(reader)
    }

    /// Lets go of everything of an erased recording. Whoever reads it is cut off.
    pub(crate) fn forget(&self, recording: RecordingId) {
        self.inner.shelf().retain(|(of, _), kept| {
            if *of == recording {
                kept.entry.forget();
            }
            *of != recording
        });
    }

    /// Lets go of everything: the threads that make something end, and the process can.
    pub(crate) fn close(&self) {
        self.inner.makers.close();
        for (_, kept) in self.inner.shelf().drain() {
            kept.entry.forget();
        }
    }

    /// Lets go of what nobody has asked for in a long time.
    pub(crate) fn tidy(&self) {
        self.inner.tidy(clock::now());
    }
}

impl Inner {
    fn shelf(&self) -> MutexGuard<'_, HashMap<Name, Kept>> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn make(self: Arc<Self>, name: Name, entry: Arc<Entry>, media: Media) {
        let Ok(_permit) = self.makers.acquire().await else {
            return entry.forget(); // closed
        };
        let began = clock::now();
        let (recording, rendition) = name;
        let made = {
            let (entry, handle) = (entry.clone(), Handle::current());
            let blocking = move || {
                let sources = media
                    .files
                    .into_iter()
                    .map(|(first_channel, object)| Source {
                        first_channel,
                        media: Blocking::new(handle.clone(), object),
                    });
                entry.fill(rendition, sources.collect(), media.samples)
            };
            tokio::task::spawn_blocking(blocking).await
        };
        let made = made.unwrap_or_else(|_| Err(Failure::Making("it panicked".to_owned())));
        match &made {
            Ok(bytes) => {
                let seconds = (clock::now() - began).as_secs_f64();
                info!(%recording, ?rendition, bytes, seconds, "a rendition was made");
            }
            Err(Failure::Forgotten) => {}
            Err(failure) => error!(%recording, ?rendition, %failure, "a rendition was not made"),
        }
        if made.is_err() {
            // the next one who asks tries again
            let mut shelf = self.shelf();
            if shelf
                .get(&name)
                .is_some_and(|kept| Arc::ptr_eq(&kept.entry, &entry))
            {
                shelf.remove(&name);
            }
        }
        entry.made(made);
        self.tidy(clock::now());
    }

    fn tidy(&self, now: Instant) {
        let mut shelf = self.shelf();
        shelf.retain(|_, kept| !kept.entry.is_made() || now - kept.asked < KEPT_FOR);
        let mut made: Vec<_> = shelf
            .iter()
            .filter(|(_, kept)| kept.entry.is_made())
            .map(|(name, kept)| (kept.asked, *name, kept.entry.stored_bytes()))
            .collect();
        made.sort_by_key(|(asked, ..)| *asked);
        let mut bytes: u64 = made.iter().map(|(.., bytes)| bytes).sum();
        for (_, name, freed) in made {
            if bytes <= self.kept_bytes {
                break;
            }
            shelf.remove(&name);
            bytes -= freed;
        }
    }
}

#[cfg(test)]
mod tests;
