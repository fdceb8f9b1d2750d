//! A small disk of one's own: fills up when a test wants it to.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

/// A file system in memory of a limited size, unmounted and gone on drop.
pub struct Tmpfs {
    dir: TempDir,
    ballast: PathBuf,
}

impl Tmpfs {
    /// Mounts one of `bytes`, rounded up to pages.
    ///
    /// Mounting is root's privilege. A test that is run by somebody else gets `None`, and the
    /// reason is printed; as root, a mount that is refused is an error, so that continuous
    /// integration never passes over the test.
    ///
    /// # Errors
    /// When root's mount is refused: with what `mount` said.
    pub fn mount(bytes: u64) -> Result<Option<Self>> {
        if !rustix::process::geteuid().is_root() {
            say("not root, so no disk of limited size can be mounted: this test is skipped");
            return Ok(None);
        }
        let dir = tempfile::tempdir().context("cannot make a folder to mount at")?;
        run(Command::new("mount")
            .args(["-t", "tmpfs", "-o"])
            .arg(format!("size={bytes},mode=700"))
            .arg("sidetone-test")
            .arg(dir.path()))?;
        let ballast = dir.path().join(".ballast");
        Ok(Some(Self { dir, ballast }))
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Takes all space that is left: whoever writes from now on has none.
    ///
    /// # Errors
    /// When the disk cannot be written for another reason than that.
    pub fn fill(&self) -> Result<()> {
        use std::io::Write as _;
        let mut ballast = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.ballast)
            .context("cannot write the ballast")?;
        loop {
            match ballast.write(&[0; 4096]) {
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::StorageFull => return Ok(()),
                Err(error) => return Err(error).context("cannot write the ballast"),
            }
        }
    }

    /// Gives back what [`Tmpfs::fill`] took.
    ///
    /// # Errors
    /// When it was never filled.
    pub fn free(&self) -> Result<()> {
        std::fs::remove_file(&self.ballast).context("cannot remove the ballast")
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        // lazily: a file that a failing test still holds open must not leave the mount behind
        if let Err(error) = run(Command::new("umount").arg("-l").arg(self.dir.path())) {
            say(&error.to_string());
        }
    }
}

fn run(command: &mut Command) -> Result<()> {
    let name = command.get_program().display().to_string();
    let out = command
        .output()
        .with_context(|| format!("cannot start {name}"))?;
    if !out.status.success() {
        bail!("{name}: {}", String::from_utf8_lossy(&out.stderr).trim());
    }
    Ok(())
}

#[expect(
    clippy::print_stderr,
    reason = "the output of a test is where this is read"
)]
fn say(text: &str) {
    eprintln!("{text}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::ErrorKind;

    #[test]
    fn a_full_disk_takes_nothing_more_until_it_is_freed_and_leaves_no_mount() {
        let Some(disk) = Tmpfs::mount(1 << 20).unwrap() else {
            return;
        };
        let file = disk.path().join("file");
        std::fs::write(&file, vec![1; 100_000]).unwrap();
        disk.fill().unwrap();
        let more = std::fs::write(disk.path().join("more"), vec![1; 100_000]);
        assert_eq!(more.unwrap_err().kind(), ErrorKind::StorageFull);
        disk.free().unwrap();
        std::fs::write(disk.path().join("more"), vec![1; 100_000]).unwrap();
        assert_eq!(std::fs::read(&file).unwrap().len(), 100_000);
        let path = disk.path().to_owned();
        let mounts = || std::fs::read_to_string("/proc/self/mounts").unwrap();
        assert!(mounts().contains(path.to_str().unwrap()));
        drop(disk);
        assert!(!mounts().contains(path.to_str().unwrap()));
        assert!(!path.exists());
    }
}
