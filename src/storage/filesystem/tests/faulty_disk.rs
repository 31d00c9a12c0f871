//! A disk that fails, panics or hangs where a test wants it to, and remembers what was asked of it.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::io::Errno;

use crate::storage::filesystem::disk::{Disk, EntryKind, FileContent, NewFile, RealDisk, Space, Stamp};

/// One kind of call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Call {
    Create,
    Write,
    SyncFile,
    SyncDir,
    SyncAll,
    RenameNew,
    RenameOver,
    Link,
    Unlink,
    RemoveDir,
    MakeDir,
    List,
    Read,
    Stat,
    Space,
}

/// What happens instead of the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// It answers with an error.
    Errno(Errno),
    /// A write stores half of the bytes, then answers with an error; other calls only answer.
    Short(Errno),
    /// It panics.
    Panic,
    /// It waits until [`FaultyDisk::release`].
    Hang,
    /// It takes so long, or until [`FaultyDisk::release`].
    Slow(Duration),
}

/// Which call fails, and how.
#[derive(Debug, Clone)]
pub(super) struct Fault {
    /// Only calls of these kinds count; empty: all.
    pub calls: Vec<Call>,
    /// Only calls on paths with these names in them count.
    pub path: String,
    /// The first call that fails, from 1.
    pub nth: usize,
    /// How many calls in a row fail.
    pub times: usize,
    /// What happens.
    pub failure: Failure,
}

#[derive(Debug, Default)]
struct State {
    fault: Option<(Fault, usize)>,
    hit: Option<(Call, PathBuf)>,
    journal: Vec<(Call, PathBuf)>,
    hanging: usize,
    /// How many calls ever hung.
    hung: usize,
    /// How many calls that hang may go on, one each.
    let_go: usize,
    released: bool,
    space: Option<Space>,
}

/// The disk.
#[derive(Debug)]
pub(super) struct FaultyDisk {
    real: Arc<RealDisk>,
    state: Arc<(Mutex<State>, Condvar)>,
}

impl Fault {
    /// The nth call of some kinds fails, once.
    pub(super) fn new(calls: &[Call], nth: usize, failure: Failure) -> Self {
        Self {
            calls: calls.to_vec(),
            path: String::new(),
            nth,
            times: 1,
            failure,
        }
    }

    /// Counts only calls on paths in which these names follow each other. Whole names: the random ones of temporary files
    /// hold any two digits sooner or later.
    pub(super) fn on(mut self, path: &str) -> Self {
        self.path = match path.trim_matches('/') {
            "" => String::new(),
            names => format!("/{names}/"),
        };
        self
    }

    /// Lets so many calls in a row fail.
    pub(super) fn times(mut self, times: usize) -> Self {
        self.times = times;
        self
    }
}

impl FaultyDisk {
    pub(super) fn over(real: Arc<RealDisk>) -> Arc<Self> {
        Arc::new(Self {
            real,
            state: Arc::default(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// From now on, lets one call fail; what was armed before is forgotten.
    pub(super) fn arm(&self, fault: Fault) {
        let mut state = self.state();
        state.fault = Some((fault, 0));
        state.hit = None;
        state.released = false;
        (state.hung, state.let_go) = (0, 0);
        state.journal.clear();
    }

    /// Fails nothing any more; returns the call that failed.
    pub(super) fn disarm(&self) -> Option<(Call, PathBuf)> {
        let mut state = self.state();
        state.fault = None;
        state.hit.take()
    }

    /// Says how much room there is, or asks the real disk again.
    pub(super) fn set_space(&self, space: Option<Space>) {
        self.state().space = space;
    }

    /// Lets calls that hang go on.
    pub(super) fn release(&self) {
        self.state().released = true;
        self.state.1.notify_all();
    }

    /// Lets one call that hangs go on; the next one hangs again.
    pub(super) fn release_one(&self) {
        self.state().let_go += 1;
        self.state.1.notify_all();
    }

    /// Returns how many calls hung since the disk was armed.
    pub(super) fn hung(&self) -> usize {
        self.state().hung
    }

    /// Returns how many calls hang.
    pub(super) fn hanging(&self) -> usize {
        self.state().hanging
    }

    /// Returns what was asked since the disk was armed.
    pub(super) fn journal(&self) -> Vec<(Call, PathBuf)> {
        self.state().journal.clone()
    }

    fn pass(&self, call: Call, path: &Path) -> io::Result<()> {
        pass(&self.state, call, path).map_err(|failed| failed.error)
    }
}

fn lock(state: &(Mutex<State>, Condvar)) -> MutexGuard<'_, State> {
    state.0.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Failed {
    error: io::Error,
    short: bool,
}

/// Remembers a call, and lets it fail when its time has come.
fn pass(shared: &(Mutex<State>, Condvar), call: Call, path: &Path) -> Result<(), Failed> {
    let mut state = lock(shared);
    state.journal.push((call, path.to_owned()));
    let Some((fault, seen)) = &mut state.fault else {
        return Ok(());
    };
    let counts = (fault.calls.is_empty() || fault.calls.contains(&call))
        && format!("/{}/", path.display()).contains(&fault.path);
    if !counts {
        return Ok(());
    }
    *seen += 1;
    if *seen < fault.nth || *seen >= fault.nth.saturating_add(fault.times) {
        return Ok(());
    }
    let failure = fault.failure;
    state.hit.get_or_insert_with(|| (call, path.to_owned()));
    match failure {
        Failure::Errno(errno) | Failure::Short(errno) => Err(Failed {
            error: io::Error::from_raw_os_error(errno.raw_os_error()),
            short: matches!(failure, Failure::Short(_)),
        }),
        Failure::Panic => {
            drop(state);
            panic!("the disk panics as told: {call:?} {}", path.display());
        }
        Failure::Hang => {
            state.hanging += 1;
            state.hung += 1;
            while !state.released && state.let_go == 0 {
                state = shared.1.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            state.let_go = state.let_go.saturating_sub(1);
            state.hanging -= 1;
            Ok(())
        }
        Failure::Slow(time) => {
            state.hanging += 1;
            let waited = shared.1.wait_timeout_while(state, time, |state| !state.released);
            waited.unwrap_or_else(PoisonError::into_inner).0.hanging -= 1;
            Ok(())
        }
    }
}

struct FaultyFile {
    real: Box<dyn NewFile>,
    path: PathBuf,
    state: Arc<(Mutex<State>, Condvar)>,
}

impl NewFile for FaultyFile {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match pass(&self.state, Call::Write, &self.path) {
            Ok(()) => self.real.write_all(bytes),
            Err(failed) => {
                if failed.short {
                    self.real.write_all(&bytes[..bytes.len() / 2])?;
                }
                Err(failed.error)
            }
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        pass(&self.state, Call::SyncFile, &self.path).map_err(|failed| failed.error)?;
        self.real.sync()
    }

    fn stamp(&self) -> io::Result<Stamp> {
        self.real.stamp()
    }
}

impl Disk for FaultyDisk {
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn NewFile>> {
        self.pass(Call::Create, path)?;
        Ok(Box::new(FaultyFile {
            real: self.real.create_new(path)?,
            path: path.to_owned(),
            state: Arc::clone(&self.state),
        }))
    }

    fn read(&self, path: &Path, max: u64) -> io::Result<FileContent> {
        self.pass(Call::Read, path)?;
        self.real.read(path, max)
    }

    fn stat(&self, path: &Path) -> io::Result<Option<(EntryKind, Stamp)>> {
        self.pass(Call::Stat, path)?;
        self.real.stat(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<(OsString, EntryKind)>> {
        self.pass(Call::List, path)?;
        self.real.list(path)
    }

    fn make_dir(&self, path: &Path) -> io::Result<bool> {
        self.pass(Call::MakeDir, path)?;
        self.real.make_dir(path)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.pass(Call::RenameNew, from)?;
        self.real.rename_new(from, to)
    }

    fn rename_over(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.pass(Call::RenameOver, from)?;
        self.real.rename_over(from, to)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.pass(Call::Link, from)?;
        self.real.link(from, to)
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        self.pass(Call::Unlink, path)?;
        self.real.unlink(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.pass(Call::RemoveDir, path)?;
        self.real.remove_dir(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.pass(Call::SyncDir, path)?;
        self.real.sync_dir(path)
    }

    fn sync_all(&self) -> io::Result<()> {
        self.pass(Call::SyncAll, Path::new(""))?;
        self.real.sync_all()
    }

    fn is_in_place(&self) -> bool {
        self.real.is_in_place()
    }

    fn space(&self) -> io::Result<Space> {
        self.pass(Call::Space, Path::new(""))?;
        let space = self.state().space;
        space.map_or_else(|| self.real.space(), Ok)
    }
}
