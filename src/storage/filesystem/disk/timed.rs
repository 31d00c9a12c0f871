//! A disk that measures how long another one takes to make things durable.

use std::ffi::OsString;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use crate::metrics::{ByWord, Counter, Histogram, LATENCY_BOUNDS, Registry};

use super::{Disk, EntryKind, FileContent, NewFile, Space, Stamp};

/// What is made durable: the content of a file, the names in a directory, everything.
const TARGETS: &[&str] = &["file", "directory", "file_system"];

/// How long calls of `fsync` take, and how often they fail. Cheap to clone.
#[derive(Debug, Clone)]
pub struct DiskMetrics {
    took: ByWord<Histogram>,
    failures: ByWord<Counter>,
}

/// Measures another disk.
#[derive(Debug)]
pub struct TimedDisk {
    inner: Arc<dyn Disk>,
    metrics: DiskMetrics,
}

struct TimedFile {
    inner: Box<dyn NewFile>,
    metrics: DiskMetrics,
}

impl Default for DiskMetrics {
    fn default() -> Self {
        Self {
            took: ByWord::new("target", TARGETS, || Histogram::seconds(LATENCY_BOUNDS)),
            failures: ByWord::new("target", TARGETS, Counter::default),
        }
    }
}

impl DiskMetrics {
    /// Gives the metrics their names.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "promptd_fsync_duration_seconds",
            "How long the disk takes to make something durable",
            self.took.clone(),
        );
        registry.register(
            "promptd_fsync_failures",
            "How often the disk failed to make something durable",
            self.failures.clone(),
        );
    }

    fn measure(&self, target: &str, sync: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let started = Instant::now();
        let done = sync();
        if let Some(took) = self.took.of(target) {
            took.observe(started.elapsed());
        }
        if let (Err(_), Some(failures)) = (&done, self.failures.of(target)) {
            failures.inc();
        }
        done
    }
}

impl TimedDisk {
    /// Measures a disk.
    #[must_use]
    pub fn new(inner: Arc<dyn Disk>, metrics: DiskMetrics) -> Self {
        Self { inner, metrics }
    }
}

impl NewFile for TimedFile {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.inner.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.metrics.measure("file", || self.inner.sync())
    }

    fn stamp(&self) -> io::Result<Stamp> {
        self.inner.stamp()
    }
}

impl Disk for TimedDisk {
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn NewFile>> {
        let (inner, metrics) = (self.inner.create_new(path)?, self.metrics.clone());
        Ok(Box::new(TimedFile { inner, metrics }))
    }

    fn open_append(&self, path: &Path) -> io::Result<Box<dyn NewFile>> {
        let (inner, metrics) = (self.inner.open_append(path)?, self.metrics.clone());
        Ok(Box::new(TimedFile { inner, metrics }))
    }

    fn read(&self, path: &Path, max: u64) -> io::Result<FileContent> {
        self.inner.read(path, max)
    }

    fn open_read(&self, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        self.inner.open_read(path)
    }

    fn stat(&self, path: &Path) -> io::Result<Option<(EntryKind, Stamp)>> {
        self.inner.stat(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<(OsString, EntryKind)>> {
        self.inner.list(path)
    }

    fn make_dir(&self, path: &Path) -> io::Result<bool> {
        self.inner.make_dir(path)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.inner.rename_new(from, to)
    }

    fn rename_over(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.inner.rename_over(from, to)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.inner.link(from, to)
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        self.inner.unlink(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.inner.remove_dir(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.metrics.measure("directory", || self.inner.sync_dir(path))
    }

    fn sync_all(&self) -> io::Result<()> {
        self.metrics.measure("file_system", || self.inner.sync_all())
    }

    fn is_in_place(&self) -> bool {
        self.inner.is_in_place()
    }

    fn space(&self) -> io::Result<Space> {
        self.inner.space()
    }
}

#[cfg(test)]
#[cfg(not(feature = "interleavings"))]
mod tests {
    use super::*;
    use crate::metrics::render;
    use crate::storage::filesystem::disk::RealDisk;

    #[test]
    fn every_sync_is_measured_and_each_that_fails_is_counted() {
        let dir = tempfile::tempdir().unwrap();
        let metrics = DiskMetrics::default();
        let disk = TimedDisk::new(Arc::new(RealDisk::open(dir.path()).unwrap()), metrics.clone());
        let mut file = disk.create_new(Path::new("f")).unwrap();
        file.write_all(b"x").unwrap();
        file.sync().unwrap();
        disk.open_append(Path::new("f")).unwrap().sync().unwrap();
        disk.sync_dir(Path::new("")).unwrap();
        disk.sync_dir(Path::new("absent")).unwrap_err();
        let mut registry = Registry::default();
        metrics.register(&mut registry);
        let text = render(&registry).unwrap();
        for line in [
            "promptd_fsync_duration_seconds_count{target=\"file\"} 2",
            "promptd_fsync_duration_seconds_count{target=\"directory\"} 2",
            "promptd_fsync_duration_seconds_count{target=\"file_system\"} 0",
            "promptd_fsync_failures_total{target=\"file\"} 0",
            "promptd_fsync_failures_total{target=\"directory\"} 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
    }
}
