//! The store in a folder: objects are files that are whole or not there.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, BufReader, ErrorKind, Read, Seek as _, SeekFrom, Write as _};
use std::ops::Range;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand;
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream;
use rustix::fs::{CWD, OFlags, RenameFlags};
use sidetone_wire::Timestamp;

use crate::store::{Bytestream, Head, LIST_MAX, Listed, Put, StoreError};

/// Owner only: recordings are personal data.
const FOLDER_MODE: u32 = 0o700;
/// Owner only.
const FILE_MODE: u32 = 0o600;

/// Bytes read from the disk at a time.
const READ_BYTES: u64 = 64 << 10;

/// Folders below the root in each other, at most: a listing ends even where links make a circle.
const DEPTH_MAX: usize = 16;

/// End of the hidden names under which files are written before they are whole.
const TEMPORARY: &str = ".tmp";

/// Objects as files below one folder. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Local {
    root: Arc<Path>,
}

impl Local {
    /// The store in a folder, which is created when it is missing.
    pub(crate) fn open(root: &Path) -> io::Result<Self> {
        create_folders(root)?;
        Ok(Self {
            root: root.canonicalize()?.into(),
        })
    }

    /// Where the objects are.
    pub fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) async fn put_file(&self, name: &str, file: &Path) -> Result<Put, StoreError> {
        let file = file.to_owned();
        self.blocking(name, move |path| put_file(path, &file)).await
    }

    pub(crate) async fn put_bytes(&self, name: &str, bytes: Vec<u8>) -> Result<Put, StoreError> {
        self.blocking(name, move |path| put(path, &mut &*bytes, || Ok(&*bytes)))
            .await
    }

    pub(crate) async fn head(&self, name: &str) -> Result<Option<Head>, StoreError> {
        self.blocking(name, |path| match open(path) {
            Ok((_, bytes)) => Ok(Some(Head { bytes })),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(failed(READ, path, &error)),
        })
        .await
    }

    pub(crate) async fn get(
        &self,
        name: &str,
        range: Range<u64>,
    ) -> Result<Bytestream, StoreError> {
        let Range { start, end } = range;
        let file = self
            .blocking(name, move |path| open_at(path, start, end))
            .await?;
        let path: Arc<Path> = self.root.join(name).into();
        let read = stream::try_unfold((file, end - start), move |(file, left)| {
            let path = path.clone();
            async move {
                if left == 0 {
                    return Ok(None);
                }
                let read = move || read_some(file, left.min(READ_BYTES));
                let read = tokio::task::spawn_blocking(read).await.map_err(stopped)?;
                let (file, bytes) = read.map_err(|error| failed(READ, &path, &error))?;
                let left = left - bytes.len() as u64;
                Ok(Some((bytes, (file, left))))
            }
        });
        Ok(read.boxed())
    }

    pub(crate) async fn erase(&self, name: &str) -> Result<(), StoreError> {
        self.blocking(name, |path| match std::fs::remove_file(path) {
            Ok(()) => sync_folder(path).map_err(|error| failed("erase", path, &error)),
            Err(error) if is_absent(&error) => Ok(()),
            Err(error) => Err(failed("erase", path, &error)),
        })
        .await
    }

    pub(crate) async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
    ) -> Result<Vec<Listed>, StoreError> {
        let mut listing = Listing {
            prefix: prefix.to_owned(),
            after: after.unwrap_or_default().to_owned(),
            found: Vec::new(),
        };
        self.blocking("", move |root| {
            listing
                .walk(root, "", 0)
                .map_err(|error| failed("list", root, &error))?;
            Ok(listing.found)
        })
        .await
    }

    pub(crate) async fn abort_orphans(
        &self,
        folder: &str,
        older_than: Duration,
    ) -> Result<usize, StoreError> {
        self.blocking(folder, move |folder| {
            match remove_temporaries(folder, older_than, 0) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
                removed => removed.map_err(|error| failed("list", folder, &error)),
            }
        })
        .await
    }

    /// Runs `work` with the path of an object off the async threads.
    async fn blocking<T: Send + 'static>(
        &self,
        name: &str,
        work: impl FnOnce(&Path) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let path = self.root.join(name);
        tokio::task::spawn_blocking(move || work(&path))
            .await
            .map_err(stopped)?
    }
}

fn stopped(_: tokio::task::JoinError) -> StoreError {
    StoreError::Temporary("the process is being stopped".to_owned())
}

/// What is tried where a missing file is an object that is not there.
const READ: &str = "read";

/// A system's error, with what was tried.
fn failed(what: &str, path: &Path, error: &io::Error) -> StoreError {
    if what == READ && is_absent(error) {
        return StoreError::NotFound;
    }
    let text = format!("cannot {what} {}: {error}", path.display());
    let forbidden = [ErrorKind::PermissionDenied, ErrorKind::ReadOnlyFilesystem];
    if forbidden.contains(&error.kind()) {
        StoreError::Refused(text)
    } else {
        StoreError::Temporary(text)
    }
}

/// Whether nothing is there that could be an object: no name, a folder, a link.
fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::IsADirectory
    ) || error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error())
}

/// Opens an object: a file, and not what a link in its place points to.
fn open(path: &Path) -> io::Result<(File, u64)> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(
            OFlags::NOFOLLOW
                .union(OFlags::NONBLOCK)
                .bits()
                .cast_signed(),
        )
        .open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(ErrorKind::IsADirectory.into());
    }
    Ok((file, metadata.len()))
}

fn open_at(path: &Path, start: u64, end: u64) -> Result<File, StoreError> {
    let broken = |error: io::Error| failed(READ, path, &error);
    let (mut file, bytes) = open(path).map_err(broken)?;
    if end > bytes {
        let text = format!("{} has {bytes} bytes, {end} were expected", path.display());
        return Err(StoreError::Damaged(text));
    }
    file.seek(SeekFrom::Start(start)).map_err(broken)?;
    Ok(file)
}

fn read_some(mut file: File, bytes: u64) -> io::Result<(File, Bytes)> {
    let mut buffer = vec![0; bytes as usize];
    file.read_exact(&mut buffer)?;
    Ok((file, buffer.into()))
}

fn put_file(path: &Path, source: &Path) -> Result<Put, StoreError> {
    let unreadable = |error: io::Error| failed(READ, source, &error);
    let mut file = File::open(source).map_err(unreadable)?;
    file.sync_all().map_err(unreadable)?;
    let refused = |error: io::Error| failed("write", path, &error);
    folder_of(path).map_err(refused)?;
    let mode = file.metadata().map_err(unreadable)?.mode();
    // when it has a name already, on another file system, or one without links: as any bytes
    if mode & 0o777 == FILE_MODE && std::fs::hard_link(source, path).is_ok() {
        sync_folder(path).map_err(refused)?;
        return Ok(Put::Stored);
    }
    put(path, &mut file, || File::open(source))
}

/// Writes an object beside its place and moves it there, unless there is one; `again` gives the
/// same bytes for comparing.
fn put<R: Read>(
    path: &Path,
    bytes: &mut impl Read,
    again: impl FnOnce() -> io::Result<R>,
) -> Result<Put, StoreError> {
    let refused = |error: io::Error| failed("write", path, &error);
    if !path.try_exists().map_err(refused)? {
        folder_of(path).map_err(refused)?;
        let temporary = temporary_of(path).map_err(refused)?;
        let moved = write_durably(&temporary, bytes).and_then(|()| move_new(&temporary, path));
        if moved.is_err() {
            // what stays behind nevertheless is removed as an orphan later
            drop(std::fs::remove_file(&temporary));
        }
        match moved {
            Ok(()) => return Ok(Put::Stored),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(refused(error)),
        }
    }
    let same = again()
        .and_then(|bytes| has(path, bytes))
        .map_err(refused)?;
    if same {
        // whoever put it may have been killed before its folder was synced
        sync_folder(path).map_err(refused)?;
        return Ok(Put::Same);
    }
    Err(StoreError::Exists)
}

/// The hidden name under which an object is written, another each time.
fn temporary_of(path: &Path) -> io::Result<PathBuf> {
    let mut random = [0; 8];
    rand::fill(&mut random).map_err(|_| io::Error::other("the system gives no random bytes"))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let random = hex::encode(random);
    Ok(path.with_file_name(format!(".{name}.{random}{TEMPORARY}")))
}

fn write_durably(path: &Path, bytes: &mut impl Read) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(FILE_MODE)
        .open(path)?;
    io::copy(bytes, &mut file)?;
    file.flush()?;
    file.sync_all()
}

/// Gives a file its name, durably, unless something has that name.
fn move_new(from: &Path, to: &Path) -> io::Result<()> {
    match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Ok(()) => {}
        // a file system that cannot rename so can link
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {
            std::fs::hard_link(from, to)?;
            std::fs::remove_file(from)?;
        }
        Err(error) => return Err(error.into()),
    }
    sync_folder(to)
}

/// Whether the file has just these bytes.
fn has(path: &Path, bytes: impl Read) -> io::Result<bool> {
    let (file, _) = open(path)?;
    let (mut ours, mut theirs) = (BufReader::new(file), BufReader::new(bytes));
    let (mut a, mut b) = ([0; 8 << 10], [0; 8 << 10]);
    loop {
        let read = read_full(&mut ours, &mut a)?;
        if read != read_full(&mut theirs, &mut b)? || a[..read] != b[..read] {
            return Ok(false);
        }
        if read == 0 {
            return Ok(true);
        }
    }
}

/// Reads until the buffer is full or the end.
fn read_full(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match from.read(&mut buffer[filled..])? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}

fn folder_of(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), create_folders)
}

/// Creates a folder and those above it, durably, for the owner only.
fn create_folders(path: &Path) -> io::Result<()> {
    if path.as_os_str().is_empty() || path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        create_folders(parent)?;
    }
    match DirBuilder::new().mode(FOLDER_MODE).create(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        Ok(()) | Err(_) => sync_folder(path),
    }
}

/// Makes the name of a file durable.
fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) if folder.as_os_str().is_empty() => File::open(".")?.sync_all(),
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// A listing in the order of the names' bytes, as S3 gives it.
struct Listing {
    prefix: String,
    after: String,
    found: Vec<Listed>,
}

impl Listing {
    fn walk(&mut self, folder: &Path, above: &str, depth: usize) -> io::Result<()> {
        for (name, is_folder) in entries(folder)? {
            if self.found.len() == LIST_MAX {
                return Ok(());
            }
            let name = format!("{above}{name}");
            let path = folder.join(&name[above.len()..]);
            if is_folder {
                let may_match = name.starts_with(&self.prefix) || self.prefix.starts_with(&name);
                let is_behind = name > self.after || self.after.starts_with(&name);
                if may_match && is_behind && depth < DEPTH_MAX {
                    self.walk(&path, &name, depth + 1)?;
                }
            } else if name.starts_with(&self.prefix) && name > self.after {
                match std::fs::symlink_metadata(&path) {
                    Ok(metadata) => self.found.push(Listed {
                        name,
                        bytes: metadata.len(),
                        modified: timestamp(metadata.modified()?),
                    }),
                    // erased just now
                    Err(error) if is_absent(&error) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }
}

/// The files and folders (with a slash behind them) of a folder in the order of their bytes,
/// without hidden ones.
fn entries(folder: &Path) -> io::Result<Vec<(String, bool)>> {
    let mut entries = Vec::new();
    let read = match std::fs::read_dir(folder) {
        Err(error) if is_absent(&error) => return Ok(entries),
        read => read?,
    };
    for entry in read {
        let entry = entry?;
        let Ok(mut name) = entry.file_name().into_string() else {
            continue;
        };
        // an operator may keep a part of the store elsewhere: folders are followed, files not
        let kind = entry.file_type()?;
        let is_folder = kind.is_dir() || (kind.is_symlink() && entry.path().is_dir());
        if name.starts_with('.') || !(is_folder || kind.is_file()) {
            continue;
        }
        if is_folder {
            name.push('/');
        }
        entries.push((name, is_folder));
    }
    entries.sort();
    Ok(entries)
}

fn remove_temporaries(folder: &Path, older_than: Duration, depth: usize) -> io::Result<usize> {
    let mut removed = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if kind.is_dir() && depth < DEPTH_MAX {
            removed += remove_temporaries(&entry.path(), older_than, depth + 1)?;
        } else if kind.is_file() && name.starts_with('.') && name.ends_with(TEMPORARY) {
            let age = entry.metadata()?.modified()?.elapsed();
            // a time to come is a clock that was set back: not old
            if age.is_ok_and(|age| age >= older_than) {
                std::fs::remove_file(entry.path())?;
                removed += 1;
            }
        }
    }
    Ok(removed)
}

fn timestamp(time: SystemTime) -> Timestamp {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests;
