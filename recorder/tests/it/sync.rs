//! How to make many files durable together: a measurement, not a test. Run it by
//! `cargo test --release -p recorder --test it -- --ignored --nocapture sync`; SPOOL_DISK names a
//! folder on the disk to measure. docs/design/recording.md has the figures.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use sidetone_service::clock;

/// Bytes of one flush of a take: two parties, 400 ms.
const BATCH_BYTES: usize = 3_500;
const ROUNDS: usize = 25;

#[test]
#[ignore = "a measurement"]
fn syncing_the_file_system_costs_less_than_syncing_each_file() {
    let root = std::env::var_os("SPOOL_DISK").map_or_else(std::env::temp_dir, PathBuf::from);
    for neighbour in [false, true] {
        for takes in [10, 100, 300] {
            let folder = tempfile::tempdir_in(&root).unwrap();
            let stop = AtomicBool::new(false);
            let costs = std::thread::scope(|scope| {
                if neighbour {
                    scope.spawn(|| write_much(folder.path(), &stop));
                }
                let costs = ["syncfs", "fdatasync"].map(|how| (how, measure(&folder, takes, how)));
                stop.store(true, Ordering::Relaxed);
                costs
            });
            for (how, [median, worst, cpu]) in costs {
                println!(
                    "{how:>9} of {takes:>3} takes, neighbour {neighbour:>5}: \
                     median {median:>7} us, worst {worst:>7} us, CPU {cpu:>6} us a flush"
                );
            }
        }
    }
}

/// Median and worst time of a flush, and its CPU time, in microseconds.
fn measure(folder: &tempfile::TempDir, takes: usize, how: &str) -> [u128; 3] {
    let create = |n| File::create(folder.path().join(format!("{how}-{n}"))).unwrap();
    let files: Vec<File> = (0..takes).map(create).collect();
    let root = File::open(folder.path()).unwrap();
    rustix::fs::syncfs(&root).unwrap();
    let batch = [0x5a; BATCH_BYTES];
    let cpu = || {
        let spent = clock_gettime(ClockId::ThreadCPUTime);
        spent.tv_sec as u128 * 1_000_000 + spent.tv_nsec as u128 / 1_000
    };
    let before = cpu();
    let mut times: Vec<u128> = (0..ROUNDS)
        .map(|round| {
            // as often as the flusher does it: what the disk does between is part of it
            std::thread::sleep(recorder::FLUSH_EVERY);
            for file in &files {
                file.write_all_at(&batch, (round * BATCH_BYTES) as u64)
                    .unwrap();
            }
            let started = clock::now();
            if how == "syncfs" {
                rustix::fs::syncfs(&root).unwrap();
            } else {
                for file in &files {
                    file.sync_data().unwrap();
                }
            }
            (clock::now() - started).as_micros()
        })
        .collect();
    let spent = (cpu() - before) / ROUNDS as u128;
    times.sort_unstable();
    [times[ROUNDS / 2], times[ROUNDS - 1], spent]
}

/// Writes 100 MB/s to the same file system, and never syncs.
fn write_much(folder: &Path, stop: &AtomicBool) {
    let path = folder.join("neighbour");
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .unwrap();
    let piece = vec![0xa5; 10 << 20];
    let mut written = 0;
    while !stop.load(Ordering::Relaxed) {
        file.write_all(&piece).unwrap();
        written += piece.len();
        if written > 1 << 30 {
            file.set_len(0).unwrap();
            written = 0;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}
