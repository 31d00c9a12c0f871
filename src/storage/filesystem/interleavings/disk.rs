//! A disk whose every call may be the moment at which something else happens, and which sees when two pieces of work of
//! one shard are at it at once.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use shuttle::current::TaskId;
use shuttle::rand::{Rng, thread_rng};

use super::stage;
use crate::storage::filesystem::disk::{Disk, EntryKind, FileContent, NewFile, RealDisk, Space, Stamp};

thread_local! {
    /// How often work went on after other work had begun.
    static OVERLAPS: Cell<usize> = const { Cell::new(0) };
    /// How many calls there were.
    static CALLS: Cell<usize> = const { Cell::new(0) };
    /// Who worked on each shard: those that are done, and the last.
    static WORK: RefCell<BTreeMap<String, Vec<TaskId>>> = const { RefCell::new(BTreeMap::new()) };
    /// The shard actors that live.
    static ALIVE: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// How often at most a call lets others go first after it killed the actor that it works for.
const PATIENCE: usize = 200;

/// The disk.
#[derive(Debug)]
pub(super) struct WatchedDisk {
    real: Arc<RealDisk>,
    /// So many listings of directories fail from now on.
    pub(super) failing_lists: AtomicUsize,
    /// How often at most a reader lets others go first before it uses what it read.
    pub(super) lingering: AtomicUsize,
    /// So many actors are killed from now on while a call is being made for them.
    pub(super) ambushes: Arc<AtomicUsize>,
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

/// Fails when two pieces of work of one shard were at it at once. A panic where it was seen would be caught as one of the work.
pub(super) fn check_alone() {
    assert_eq!(OVERLAPS.get(), 0, "two pieces of work were at the disk at once");
}

/// How many calls there were.
pub(super) fn calls() -> usize {
    CALLS.get()
}

/// Forgets the schedule before.
pub(super) fn forget() {
    CALLS.set(0);
    OVERLAPS.set(0);
    WORK.with_borrow_mut(BTreeMap::clear);
    ALIVE.with_borrow_mut(Vec::clear);
}

/// Lets others go first.
fn pass() {
    CALLS.set(CALLS.get() + 1);
    // Not a yield, which would put the caller last.
    shuttle::sync::atomic::AtomicBool::new(false).store(true, Ordering::SeqCst);
}

/// One piece of work is one task on a blocking thread. When another has begun on the shard, it must be over.
fn work(path: &Path) {
    pass();
    let shard = shard_in(path);
    if shard.starts_with('.') || shard.is_empty() {
        return;
    }
    let me = shuttle::current::me();
    WORK.with_borrow_mut(|work| {
        let of_shard = work.entry(shard).or_default();
        if of_shard.last() != Some(&me) {
            if of_shard.contains(&me) {
                OVERLAPS.set(OVERLAPS.get() + 1);
            }
            of_shard.push(me);
        }
    });
}

fn shard_in(path: &Path) -> String {
    let first = path.iter().next();
    first.map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

/// Kills an actor in the middle of a call, if one is still to be killed, and goes on with the call when its successor is
/// at the disk too or has had every chance to be.
fn strike(ambushes: &AtomicUsize, path: &Path) {
    if ambushes.load(Ordering::Relaxed) == 0 || thread_rng().gen_ratio(1, 2) {
        return;
    }
    ambushes.fetch_sub(1, Ordering::Relaxed);
    stage::kill_last_shard();
    let (me, shard) = (shuttle::current::me(), shard_in(path));
    let is_last = || WORK.with_borrow(|work| work.get(&shard).and_then(|tasks| tasks.last()) == Some(&me));
    let mut left = PATIENCE;
    while left > 0 && is_last() {
        shuttle::thread::yield_now();
        left -= 1;
    }
    work(path);
}

impl WatchedDisk {
    pub(super) fn over(real: Arc<RealDisk>) -> Arc<Self> {
        Arc::new(Self {
            real,
            failing_lists: AtomicUsize::new(0),
            lingering: AtomicUsize::new(0),
            ambushes: Arc::default(),
        })
    }
}

struct WatchedFile {
    real: Box<dyn NewFile>,
    path: PathBuf,
    ambushes: Arc<AtomicUsize>,
}

impl NewFile for WatchedFile {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.real.write_all(bytes)
    }

    // Nothing crashes here.
    fn sync(&mut self) -> io::Result<()> {
        work(&self.path);
        strike(&self.ambushes, &self.path);
        Ok(())
    }

    fn stamp(&self) -> io::Result<Stamp> {
        self.real.stamp()
    }
}

impl Disk for WatchedDisk {
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn NewFile>> {
        work(path);
        Ok(Box::new(WatchedFile {
            real: self.real.create_new(path)?,
            path: path.to_owned(),
            ambushes: Arc::clone(&self.ambushes),
        }))
    }

    fn read(&self, path: &Path, max: u64) -> io::Result<FileContent> {
        // Readers read too, and may do so at any time.
        pass();
        let content = self.real.read(path, max);
        let most = self.lingering.load(Ordering::Relaxed);
        for _ in 0..thread_rng().gen_range(0..=most) {
            shuttle::thread::yield_now();
        }
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
        strike(&self.ambushes, path);
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
