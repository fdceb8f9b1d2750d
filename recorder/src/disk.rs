//! The disk under the spool: every system call that a take's safety hangs on, in one place, so that
//! the tests can have each of them fail.

#[cfg(test)]
pub(crate) mod faulty;

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Owner only: recordings are personal data, encrypted or not.
const MODE: u32 = 0o600;
const FOLDER_MODE: u32 = 0o700;

/// What the spool asks of the system.
pub(crate) trait Disk: Send + Sync {
    /// Creates a file for its owner only. It must not exist.
    fn create(&self, path: &Path) -> io::Result<File>;

    /// Writes all of `bytes` at `offset`. After an error any part of them may be there.
    fn write_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Makes a file's bytes durable. After an error nobody knows which are, and trying again on
    /// the same descriptor would claim that all are: who gets it writes everything once more,
    /// elsewhere.
    fn sync(&self, file: &File) -> io::Result<()>;

    /// Opens a folder, for [`Disk::sync_all`].
    fn open_folder(&self, folder: &Path) -> io::Result<File>;

    /// Makes everything durable that was written to the folder's file system, names too, since the
    /// folder was opened. After an error nobody knows what is, and `folder` is not used again.
    fn sync_all(&self, folder: &File) -> io::Result<()>;

    /// Makes the names in a folder durable.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;

    /// Gives a file another name, in place of what has it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file; that it is not there is no error.
    fn remove(&self, path: &Path) -> io::Result<()>;
}

/// The disk of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Local;

impl Disk for Local {
    fn create(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(MODE)
            .open(path)
    }

    fn write_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        file.write_all_at(bytes, offset)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    fn open_folder(&self, folder: &Path) -> io::Result<File> {
        File::open(folder)
    }

    fn sync_all(&self, folder: &File) -> io::Result<()> {
        rustix::fs::syncfs(folder).map_err(io::Error::from)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        File::open(folder)?.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }
}

/// A file that appears under its name whole and durable, or not at all. Dropped before
/// [`Whole::finish`], it leaves nothing.
pub(crate) struct Whole<'a> {
    disk: &'a dyn Disk,
    file: File,
    length: u64,
    path: PathBuf,
    temporary: PathBuf,
    finished: bool,
}

impl<'a> Whole<'a> {
    /// Begins the file that will be at `path`, in place of what is there.
    pub(crate) fn create(disk: &'a dyn Disk, path: &Path) -> io::Result<Self> {
        let temporary = temporary_of(path);
        disk.remove(&temporary)?;
        let file = disk.create(&temporary)?;
        Ok(Self {
            disk,
            file,
            length: 0,
            path: path.to_owned(),
            temporary,
            finished: false,
        })
    }

    /// Makes it durable under its name; gives its length.
    pub(crate) fn finish(mut self) -> io::Result<u64> {
        self.disk.sync(&self.file)?;
        self.disk.rename(&self.temporary, &self.path)?;
        self.finished = true;
        self.disk.sync_folder(folder_of(&self.path))?;
        Ok(self.length)
    }
}

impl Write for Whole<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.disk.write_at(&self.file, bytes, self.length)?;
        self.length += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Whole<'_> {
    fn drop(&mut self) {
        if !self.finished {
            // what stays behind has a hidden name and goes at the next try or start
            drop(self.disk.remove(&self.temporary));
        }
    }
}

/// Writes `bytes` as a file of its own, whole and durable.
pub(crate) fn write_whole(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = Whole::create(disk, path)?;
    file.write_all(bytes)?;
    file.finish().map(drop)
}

/// The folder that a file of the spool lies in.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("."))
}

/// Makes a folder and those above it, for their owner only.
pub(crate) fn create_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(FOLDER_MODE)
        .create(path)
}

/// The hidden name under which a file is written before it is whole.
fn temporary_of(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}{TEMPORARY}"))
}

/// End of the names of files that are not whole.
pub(crate) const TEMPORARY: &str = ".tmp";
