//! Whether sound lies anywhere in the open.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// How containers and streams of sound begin, whoever wrote them.
const SOUND: [&[u8]; 3] = [b"OggS", b"OpusHead", b"RIFF"];
/// Files are short-lived: they are looked for this often.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Reads everything in the spool and in the store over and over.
pub(crate) struct Prying {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Seen>,
}

/// What was seen.
#[derive(Default)]
pub(crate) struct Seen {
    /// Files that were read, each as often as it was.
    pub(crate) files: usize,
    /// Those with sound in the open.
    pub(crate) open: Vec<PathBuf>,
}

impl Prying {
    /// In the folder where a system keeps everything.
    pub(crate) fn into(data: &Path) -> Self {
        let folders = ["spool", "objects"].map(|folder| data.join(folder));
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            let mut seen = Seen::default();
            while !stopped.load(Ordering::Relaxed) {
                for folder in &folders {
                    seen.read_all(folder);
                }
                std::thread::sleep(LOOK_EVERY);
            }
            seen
        });
        Self { stop, thread }
    }

    pub(crate) fn end(self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

impl Seen {
    fn read_all(&mut self, folder: &Path) {
        let Ok(entries) = fs::read_dir(folder) else {
            return;
        };
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                self.read_all(&path);
            } else if let Ok(bytes) = fs::read(&path) {
                // a file that is gone again was not read
                self.files += 1;
                if SOUND.iter().any(|sound| contains(&bytes, sound)) {
                    self.open.push(path);
                }
            }
        }
    }
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}
