//! A disk whose every call may be the moment at which something else happens, and which sees when two pieces of work of
//! one shard are at it at once.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use shuttle::current::TaskId;

use crate::storage::filesystem::disk::{Disk, EntryKind, FileContent, NewFile, RealDisk, Space, Stamp};

thread_local! {
    /// Who worked on each shard: those that are done, and the last.
    static WORK: RefCell<BTreeMap<String, Vec<TaskId>>> = const { RefCell::new(BTreeMap::new()) };
    /// The shard actors that live.
    static ALIVE: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// The disk.
#[derive(Debug)]
pub(super) struct WatchedDisk {
    real: Arc<RealDisk>,
    /// So many listings of directories fail from now on.
    pub(super) failing_lists: AtomicUsize,
}

/// Held by a shard actor as long as it lives: there is never a second one.
pub(super) struct Alone(String);

impl Alone {
    pub(super) fn new(shard: &str) -> Self {
        ALIVE.with_borrow_mut(|alive| {
            assert!(
                !alive.iter().any(|other| other == shard),
                "a shard has two actors"
            );
            alive.push(shard.to_owned());
        });
        Self(shard.to_owned())
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        ALIVE.with_borrow_mut(|alive| alive.retain(|other| *other != self.0));
    }
}

/// Forgets the schedule before.
pub(super) fn forget() {
    WORK.with_borrow_mut(BTreeMap::clear);
    ALIVE.with_borrow_mut(Vec::clear);
}

/// Lets others go first.
fn pass() {
    // Not a yield, which would put the caller last.
    shuttle::sync::atomic::AtomicBool::new(false).store(true, Ordering::SeqCst);
}

/// One piece of work is one task on a blocking thread. When another has begun on the shard, it must be over.
fn work(path: &Path) {
    pass();
    let shard = path
        .iter()
        .next()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    if shard.starts_with('.') || shard.is_empty() {
        return;
    }
    let me = shuttle::current::me();
    WORK.with_borrow_mut(|work| {
        let of_shard = work.entry(shard).or_default();
        if of_shard.last() != Some(&me) {
            assert!(
                !of_shard.contains(&me),
                "two pieces of work are at the disk at once"
            );
            of_shard.push(me);
        }
    });
}

impl WatchedDisk {
    pub(super) fn over(real: Arc<RealDisk>) -> Arc<Self> {
        Arc::new(Self {
            real,
            failing_lists: AtomicUsize::new(0),
        })
    }
}

struct WatchedFile(Box<dyn NewFile>);

impl NewFile for WatchedFile {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    // Nothing crashes here.
    fn sync(&mut self) -> io::Result<()> {
        pass();
        Ok(())
    }
}

impl Disk for WatchedDisk {
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn NewFile>> {
        work(path);
        Ok(Box::new(WatchedFile(self.real.create_new(path)?)))
    }

    fn read(&self, path: &Path, max: u64) -> io::Result<FileContent> {
        // Readers read too, and may do so at any time.
        pass();
        let content = self.real.read(path, max);
        pass();
        content
    }

    fn stat(&self, path: &Path) -> io::Result<Option<(EntryKind, Stamp)>> {
        self.real.stat(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<(OsString, EntryKind)>> {
        work(path);
        let fails = |left: usize| left.checked_sub(1);
        if self
            .failing_lists
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, fails)
            .is_ok()
        {
            return Err(io::Error::from_raw_os_error(rustix::io::Errno::IO.raw_os_error()));
        }
        let mut names = self.real.list(path)?;
        names.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        work(path);
        Ok(names)
    }

    fn make_dir(&self, path: &Path) -> io::Result<bool> {
        work(path);
        self.real.make_dir(path)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        work(from);
        self.real.rename_new(from, to)
    }

    fn rename_over(&self, from: &Path, to: &Path) -> io::Result<()> {
        work(from);
        self.real.rename_over(from, to)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        work(from);
        self.real.link(from, to)
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        work(path);
        self.real.unlink(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        work(path);
        self.real.remove_dir(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        work(path);
        Ok(())
    }

    fn sync_all(&self) -> io::Result<()> {
        pass();
        Ok(())
    }

    fn space(&self) -> io::Result<Space> {
        self.real.space()
    }
}
