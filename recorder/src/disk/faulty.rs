//! A disk that fails when told to, and whose power can be cut: files are real, what is durable of
//! them is kept account of.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use super::{Disk, Local};

/// See above. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Faulty(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    calls: u64,
    fail: Range<u64>,
    /// By inode.
    files: BTreeMap<u64, Account>,
}

/// What is known of a file.
#[derive(Debug)]
struct Account {
    path: PathBuf,
    length: u64,
    durable: u64,
    /// Whether its name is.
    named: bool,
    /// A sync failed: the system may have forgotten what it had not written, and says no more.
    forgotten: bool,
}

impl Account {
    fn sync(&mut self) {
        if !self.forgotten {
            self.durable = self.length;
        }
    }
}

impl Faulty {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Has the calls of these numbers fail.
    pub(crate) fn fail(&self, calls: Range<u64>) {
        self.lock().fail = calls;
    }

    /// Calls so far.
    pub(crate) fn calls(&self) -> u64 {
        self.lock().calls
    }

    /// Counts a call; gives whether it fails.
    fn fails(&self) -> io::Result<()> {
        let mut state = self.lock();
        let call = state.calls;
        state.calls += 1;
        if state.fail.contains(&call) {
            return Err(io::Error::other(format!("call {call} is made to fail")));
        }
        Ok(())
    }

    /// Writes what a power cut would leave to another folder. `die` gives numbers below its
    /// argument: how long what was not durable is, which sectors of it are there, and whether
    /// files without a durable name are.
    pub(crate) fn cut_power(&self, to: &Path, mut die: impl FnMut(u64) -> u64) {
        for account in self.lock().files.values() {
            if !account.named && die(2) == 0 {
                continue;
            }
            let mut bytes = std::fs::read(&account.path).unwrap();
            let rest = (bytes.len() as u64).saturating_sub(account.durable);
            let durable = account.durable as usize;
            bytes.truncate(durable + die(rest + 1) as usize);
            for sector in bytes[durable..].chunks_mut(512) {
                if die(3) == 0 {
                    sector.fill(0);
                }
            }
            std::fs::write(to.join(account.path.file_name().unwrap()), bytes).unwrap();
        }
    }
}

fn inode(file: &File) -> u64 {
    file.metadata().unwrap().ino()
}

impl Disk for Faulty {
    fn create(&self, path: &Path) -> io::Result<File> {
        // one that fails may leave the file all the same
        let file = Local.create(path)?;
        let account = Account {
            path: path.to_owned(),
            length: 0,
            durable: 0,
            named: false,
            forgotten: false,
        };
        self.lock().files.insert(inode(&file), account);
        self.fails()?;
        Ok(file)
    }

    fn write_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        let failed = self.fails();
        let part = match failed {
            Ok(()) => bytes,
            Err(_) => &bytes[..bytes.len() / 2],
        };
        Local.write_at(file, part, offset)?;
        let end = offset + part.len() as u64;
        if let Some(account) = self.lock().files.get_mut(&inode(file)) {
            account.length = account.length.max(end);
        }
        failed
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        let failed = self.fails();
        if let Some(account) = self.lock().files.get_mut(&inode(file)) {
            account.forgotten |= failed.is_err();
            account.sync();
        }
        failed
    }

    fn open_folder(&self, folder: &Path) -> io::Result<File> {
        self.fails()?;
        Local.open_folder(folder)
    }

    fn sync_all(&self, _folder: &File) -> io::Result<()> {
        let failed = self.fails();
        for account in self.lock().files.values_mut() {
            account.forgotten |= failed.is_err() && account.durable < account.length;
            account.sync();
            account.named |= failed.is_ok();
        }
        failed
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.fails()?;
        for account in self.lock().files.values_mut() {
            account.named |= account.path.parent() == Some(folder);
        }
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.fails()?;
        Local.rename(from, to)?;
        let mut state = self.lock();
        state.files.retain(|_, account| account.path != to);
        for account in state.files.values_mut() {
            if account.path == from {
                to.clone_into(&mut account.path);
                account.named = false;
            }
        }
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.fails()?;
        Local.remove(path)?;
        self.lock().files.retain(|_, account| account.path != path);
        Ok(())
    }
}
