//! What the store is measured against: the system calls that a durable file needs, and nothing else.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The size of one file, about that of a version in the large store.
const FILE_BYTES: usize = 1_600;

/// Directories that files are written into.
pub(crate) struct BareStore {
    dirs: Vec<PathBuf>,
    sequence: AtomicU64,
    bytes: Vec<u8>,
}

impl BareStore {
    /// Makes so many directories beneath one.
    pub(crate) fn new(root: &Path, dirs: usize) -> Self {
        let dirs: Vec<PathBuf> = (0..dirs).map(|n| root.join(format!("bare-{n}"))).collect();
        for dir in &dirs {
            std::fs::create_dir_all(dir).unwrap();
        }
        Self {
            dirs,
            sequence: AtomicU64::new(0),
            bytes: vec![b'x'; FILE_BYTES],
        }
    }

    /// Makes one durable file: temporary file, write, fsync, rename, fsync of the directory.
    pub(crate) fn write(&self, client: usize) {
        let dir = self.dirs.get(client % self.dirs.len()).unwrap();
        let number = self.sequence.fetch_add(1, Ordering::Relaxed);
        let (tmp, target) = (
            dir.join(format!("{number}.tmp")),
            dir.join(format!("{number}.json")),
        );
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&tmp)
            .unwrap();
        file.write_all(&self.bytes).unwrap();
        file.sync_all().unwrap();
        std::fs::rename(&tmp, &target).unwrap();
        File::open(dir).unwrap().sync_all().unwrap();
    }

    /// Writes from so many threads at once, each into a directory of its own; returns the time that all took.
    pub(crate) fn write_from_threads(&self, threads: usize, files_each: u64) -> Duration {
        let started = Instant::now();
        std::thread::scope(|scope| {
            for client in 0..threads {
                scope.spawn(move || (0..files_each).for_each(|_| self.write(client)));
            }
        });
        started.elapsed()
    }
}
