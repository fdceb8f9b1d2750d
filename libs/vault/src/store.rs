//! Where objects are kept: a folder or a bucket, with one set of verbs.

use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use sidetone_wire::Timestamp;

use crate::DataKey;
use crate::chunked::{HEADER_BYTES, OpenError, Opener};
use crate::local::Local;
use crate::s3::{S3, Settings};

/// Names that one [`Store::list`] gives at most, which is what S3 gives.
pub const LIST_MAX: usize = 1_000;

/// Characters of a name at most, which is what S3 allows.
const NAME_MAX: usize = 1_024;

/// Characters between two slashes at most, which is what file systems allow, less room for the
/// name of a temporary file.
const PART_MAX: usize = 200;

/// Why the store did not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// There is no such object.
    #[error("no such object in the store")]
    NotFound,
    /// There is another object of that name, and objects are never overwritten.
    #[error("another object has that name in the store")]
    Exists,
    /// What the store gives is not what was put there.
    #[error("the object is damaged: {0}")]
    Damaged(String),
    /// The store is away, slow or full: worth another try.
    #[error("the store does not answer as it should: {0}")]
    Temporary(String),
    /// The store says no: it stays so until somebody changes its or our settings.
    #[error("the store refuses: {0}")]
    Refused(String),
}

impl StoreError {
    /// Whether it is worth trying again without anybody's doing.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Temporary(_))
    }
}

impl From<OpenError> for StoreError {
    fn from(error: OpenError) -> Self {
        Self::Damaged(error.to_string())
    }
}

/// What putting an object came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// It was not there, and is now.
    Stored,
    /// It was there already, to the byte.
    Same,
}

/// What is known of an object without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Its size.
    pub bytes: u64,
}

/// An object in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// When it was put there.
    pub modified: Timestamp,
}

/// The bytes of an object as they come. Ends after an error.
pub type Bytestream = BoxStream<'static, Result<Bytes, StoreError>>;

/// Where objects are kept. Cheap to clone.
///
/// A name is parts of letters, digits, `.`, `_` and `-`, divided by `/`; no part begins with a
/// dot. Anything else is refused before it is looked for.
#[derive(Debug, Clone)]
pub enum Store {
    /// A folder.
    Local(Local),
    /// A bucket.
    S3(S3),
}

impl Store {
    /// The store in a folder, which is created when it is missing.
    ///
    /// # Errors
    /// When it cannot be.
    pub fn local(root: &Path) -> io::Result<Self> {
        Local::open(root).map(Self::Local)
    }

    /// The store in a bucket. The bucket is not asked: see [`Store::check`].
    ///
    /// # Errors
    /// When the settings cannot be used.
    pub async fn s3(settings: Settings) -> Result<Self, StoreError> {
        S3::new(settings).await.map(Self::S3)
    }

    /// Asks whether the store is there and open to us.
    ///
    /// # Errors
    /// [`StoreError::Refused`] with what to change; [`StoreError::Temporary`] when it is away.
    pub async fn check(&self) -> Result<(), StoreError> {
        match self {
            // opening it has shown that
            Self::Local(_) => Ok(()),
            Self::S3(s3) => s3.check().await,
        }
    }

    /// Puts a file's bytes there: durably, whole or not at all, and never over another object. A
    /// local store may keep the same file under another name, so it must not be changed later.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when another object has the name.
    pub async fn put_file(&self, name: &str, file: &Path) -> Result<Put, StoreError> {
        check_name(name)?;
        match self {
            Self::Local(local) => local.put_file(name, file).await,
            Self::S3(s3) => s3.put_file(name, file).await,
        }
    }

    /// The same with bytes in memory: for small objects.
    ///
    /// # Errors
    /// As [`Store::put_file`].
    pub async fn put_bytes(&self, name: &str, bytes: Vec<u8>) -> Result<Put, StoreError> {
        check_name(name)?;
        match self {
            Self::Local(local) => local.put_bytes(name, bytes).await,
            Self::S3(s3) => s3.put_bytes(name, bytes).await,
        }
    }

    /// Looks whether an object is there.
    ///
    /// # Errors
    /// When the store cannot say.
    pub async fn head(&self, name: &str) -> Result<Option<Head>, StoreError> {
        check_name(name)?;
        match self {
            Self::Local(local) => local.head(name).await,
            Self::S3(s3) => s3.head(name).await,
        }
    }

    /// Reads a range of an object: exactly those bytes, or an error in their place.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::Damaged`] when it is shorter.
    pub async fn get(&self, name: &str, range: Range<u64>) -> Result<Bytestream, StoreError> {
        check_name(name)?;
        if range.is_empty() {
            return Ok(stream::empty().boxed());
        }
        let bytes = range.end - range.start;
        let stream = match self {
            Self::Local(local) => local.get(name, range).await?.boxed(),
            Self::S3(s3) => s3.get(name, range).await?,
        };
        Ok(exactly(stream, bytes))
    }

    /// Erases every version of an object. One that is not there is fine.
    ///
    /// # Errors
    /// When something of it may be left.
    pub async fn erase(&self, name: &str) -> Result<(), StoreError> {
        check_name(name)?;
        match self {
            Self::Local(local) => local.erase(name).await,
            Self::S3(s3) => s3.erase(name).await,
        }
    }

    /// Objects whose names begin with `prefix`, in the order of their bytes, from behind `after`
    /// on: at most [`LIST_MAX`]. Fewer mean that there are no more.
    ///
    /// # Errors
    /// When the store cannot say.
    pub async fn list(&self, prefix: &str, after: Option<&str>) -> Result<Vec<Listed>, StoreError> {
        match self {
            Self::Local(local) => local.list(prefix, after).await,
            Self::S3(s3) => s3.list(prefix, after).await,
        }
    }

    /// Removes what puts of objects in `folder` (a name's beginning, with its slash) that were cut
    /// off have left, if they began longer ago than `older_than`; gives how many.
    ///
    /// # Errors
    /// When the store cannot do it.
    pub async fn abort_orphans(
        &self,
        folder: &str,
        older_than: Duration,
    ) -> Result<usize, StoreError> {
        match self {
            Self::Local(local) => local.abort_orphans(folder, older_than).await,
            Self::S3(s3) => s3.abort_orphans(folder, older_than).await,
        }
    }

    /// Opens an encrypted object: reads its size and header.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::Damaged`] when it is no such object.
    pub async fn open(&self, name: &str, key: &DataKey) -> Result<Object, StoreError> {
        let stored = self.len(name).await?;
        let header = HEADER_BYTES as u64;
        if stored < header {
            return Err(OpenError::Length(stored).into());
        }
        let header = collect(self.get(name, 0..header).await?).await?;
        let opener = Opener::new(key, &header, stored)?;
        Ok(self.object(name, Content::Chunks(Arc::new(opener))))
    }

    /// Opens an object of before encryption.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn open_plain(&self, name: &str) -> Result<Object, StoreError> {
        let bytes = self.len(name).await?;
        Ok(self.object(name, Content::Plain { bytes }))
    }

    async fn len(&self, name: &str) -> Result<u64, StoreError> {
        let head = self.head(name).await?.ok_or(StoreError::NotFound)?;
        Ok(head.bytes)
    }

    fn object(&self, name: &str, content: Content) -> Object {
        Object {
            store: self.clone(),
            name: name.to_owned(),
            content,
        }
    }
}

/// An object that was opened: its plain bytes, in any order. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Object {
    store: Store,
    name: String,
    content: Content,
}

#[derive(Debug, Clone)]
enum Content {
    Plain { bytes: u64 },
    Chunks(Arc<Opener>),
}

impl Object {
    /// Its plain bytes. Compare them with what was booked: an object that was cut at the border of
    /// a chunk is noticed when its last chunk is read, not before.
    pub fn len(&self) -> u64 {
        match &self.content {
            Content::Plain { bytes } => *bytes,
            Content::Chunks(opener) => opener.plain_len(),
        }
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads a range of its plain bytes, cut to those there are. Fetches only the chunks that the
    /// range touches, and holds one of them at a time.
    ///
    /// # Errors
    /// When the store refuses; what goes wrong later ends the stream with an error, and every byte
    /// before it is good.
    pub async fn read(&self, range: Range<u64>) -> Result<Bytestream, StoreError> {
        let opener = match &self.content {
            Content::Plain { bytes } => {
                let end = range.end.min(*bytes);
                return self.store.get(&self.name, range.start.min(end)..end).await;
            }
            Content::Chunks(opener) => opener,
        };
        let touched = opener.chunks(range.clone());
        let chunks = Chunks {
            opener: opener.clone(),
            more: !touched.stored.is_empty(),
            stored: self.store.get(&self.name, touched.stored).await?,
            pending: Bytes::new(),
            index: touched.first,
            skip: touched.skip,
            left: range.end.min(self.len()).saturating_sub(range.start),
        };
        let plain = stream::try_unfold(chunks, |mut chunks| async move {
            Ok(chunks.next().await?.map(|plain| (plain, chunks)))
        });
        Ok(plain.boxed())
    }

    /// Reads the whole of it into memory: for small ones, tools and tests.
    ///
    /// # Errors
    /// When any byte of it cannot be had or is not as it was put.
    pub async fn read_whole(&self) -> Result<Vec<u8>, StoreError> {
        collect(self.read(0..self.len()).await?).await
    }
}

/// Chunks on their way from the store to whoever reads.
struct Chunks {
    opener: Arc<Opener>,
    /// Another chunk is wanted.
    more: bool,
    stored: Bytestream,
    /// What came of the store beyond the chunk before.
    pending: Bytes,
    index: u32,
    /// Plain bytes of the next chunk that nobody asked for.
    skip: usize,
    /// Plain bytes still to be given out.
    left: u64,
}

impl Chunks {
    async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        if !self.more {
            return Ok(None);
        }
        let mut chunk = self.stored_chunk().await?;
        let plain = self.opener.open_chunk(self.index, &mut chunk)?.len();
        chunk.truncate(plain);
        let mut plain = Bytes::from(chunk).slice(self.skip..);
        plain.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
        self.left -= plain.len() as u64;
        self.more = self.left > 0;
        self.index += 1;
        self.skip = 0;
        Ok(Some(plain))
    }

    async fn stored_chunk(&mut self) -> Result<Vec<u8>, StoreError> {
        let wanted = self.opener.chunk_len(self.index);
        let mut chunk = Vec::with_capacity(wanted);
        while chunk.len() < wanted {
            if self.pending.is_empty() {
                let next = self.stored.next().await;
                self.pending = next.ok_or(OpenError::Chunk(self.index))??;
            }
            let taken = self.pending.len().min(wanted - chunk.len());
            chunk.extend_from_slice(&self.pending.split_to(taken));
        }
        Ok(chunk)
    }
}

/// The same stream, with an error when it does not have so many bytes.
fn exactly(stream: Bytestream, bytes: u64) -> Bytestream {
    let counted = stream::try_unfold((stream, bytes), |(mut stream, left)| async move {
        let next = stream.next().await.transpose()?;
        let came = next.as_ref().map_or(0, Bytes::len) as u64;
        if came > left || (next.is_none() && left > 0) {
            let text = "the store gave another number of bytes than it was asked for";
            return Err(StoreError::Temporary(text.to_owned()));
        }
        Ok(next.map(|next| (next, (stream, left - came))))
    });
    counted.boxed()
}

async fn collect(mut stream: Bytestream) -> Result<Vec<u8>, StoreError> {
    let mut all = Vec::new();
    while let Some(bytes) = stream.next().await {
        all.extend_from_slice(&bytes?);
    }
    Ok(all)
}

fn check_name(name: &str) -> Result<(), StoreError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let sound = |part: &str| {
        !part.is_empty()
            && part.len() <= PART_MAX
            && !part.starts_with('.')
            && part.chars().all(allowed)
    };
    if name.len() <= NAME_MAX && name.split('/').all(sound) {
        return Ok(());
    }
    Err(StoreError::Refused(format!("{name:?} is no object's name")))
}

#[cfg(test)]
mod tests;
