//! A disk in memory that remembers its state after every call that changed it.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::io::Errno;

use crate::storage::filesystem::disk::{Disk, EntryKind, FileContent, NewFile, Space, Stamp};

use super::world::{Ino, World};

/// A state of the disk in which the power may fail.
#[derive(Debug, Clone)]
pub(crate) struct Moment {
    pub(crate) world: World,
    /// What was promised by then: the last mark that was set.
    pub(crate) mark: usize,
    /// The call after which it was so.
    pub(crate) call: String,
}

/// A file that somebody else puts under a name just before it is taken.
#[derive(Debug, Clone)]
pub(crate) struct Plant {
    pub(crate) path: PathBuf,
    pub(crate) bytes: Vec<u8>,
    /// The mark that holds from then on.
    pub(crate) mark: usize,
}

#[derive(Debug)]
struct State {
    world: World,
    moments: Option<Vec<Moment>>,
    mark: usize,
    plant: Option<Plant>,
    failing_syncs: usize,
    failing_dir_syncs: usize,
    failing_renames: usize,
}

/// The disk.
#[derive(Debug, Clone)]
pub(crate) struct MemoryDisk(Arc<Mutex<State>>);

struct MemoryFile {
    disk: MemoryDisk,
    ino: Ino,
}

impl MemoryDisk {
    pub(crate) fn new(world: World) -> Self {
        Self(Arc::new(Mutex::new(State {
            world,
            moments: None,
            mark: 0,
            plant: None,
            failing_syncs: 0,
            failing_dir_syncs: 0,
            failing_renames: 0,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on every state is remembered, this one first.
    pub(crate) fn record(&self) {
        let mut state = self.state();
        state.moments = Some(Vec::new());
        state.remember("the start".to_owned());
    }

    /// Returns the states since [`Self::record`].
    pub(crate) fn moments(&self) -> Vec<Moment> {
        self.state().moments.take().unwrap_or_default()
    }

    /// Says that something was promised or asked.
    pub(crate) fn set_mark(&self, mark: usize) {
        let mut state = self.state();
        state.mark = mark;
        state.remember(format!("mark {mark}"));
    }

    /// Lets a foreign file appear when the next file gets a new name in its directory.
    pub(crate) fn plant(&self, plant: Plant) {
        self.state().plant = Some(plant);
    }

    /// Lets the next syncs of files fail, as a disk does that loses what it was given.
    pub(crate) fn fail_syncs(&self, count: usize) {
        self.state().failing_syncs = count;
    }

    /// Lets the next syncs of directories fail; their names are as durable as before, and a later sync may succeed.
    pub(crate) fn fail_dir_syncs(&self, count: usize) {
        self.state().failing_dir_syncs = count;
    }

    /// Lets the next versions get no name, for want of room.
    pub(crate) fn fail_renames(&self, count: usize) {
        self.state().failing_renames = count;
    }

    fn change<T>(&self, call: String, change: impl FnOnce(&mut World) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.state();
        let outcome = change(&mut state.world)?;
        state.remember(call);
        Ok(outcome)
    }
}

impl State {
    fn remember(&mut self, call: String) {
        let (world, mark) = (&self.world, self.mark);
        if let Some(moments) = &mut self.moments {
            moments.push(Moment {
                world: world.clone(),
                mark,
                call,
            });
        }
    }

    /// A foreign writer is careful: what it wrote is durable at once.
    fn plant_before(&mut self, to: &Path) {
        if self.plant.as_ref().is_some_and(|plant| plant.path == to) {
            let plant = self.plant.take().unwrap();
            let ino = self.world.create(&plant.path).unwrap();
            self.world.write(ino, &plant.bytes);
            self.world.sync_file(ino);
            let mut dir = to.parent();
            while let Some(path) = dir {
                let ino = self.world.find(path).unwrap();
                self.world.sync_dir(ino);
                dir = path.parent();
            }
            self.mark = plant.mark;
            self.remember(format!("a foreign file {}", to.display()));
        }
    }
}

impl NewFile for MemoryFile {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let ino = self.ino;
        self.disk.change(format!("write {ino}"), |world| {
            world.write(ino, bytes);
            Ok(())
        })
    }

    fn sync(&mut self) -> io::Result<()> {
        let ino = self.ino;
        let mut state = self.disk.state();
        if let Some(left) = state.failing_syncs.checked_sub(1) {
            state.failing_syncs = left;
            state.world.lose_file(ino);
            state.remember(format!("failed sync of {ino}"));
            return Err(io::Error::from_raw_os_error(Errno::IO.raw_os_error()));
        }
        state.world.sync_file(ino);
        state.remember(format!("sync {ino}"));
        Ok(())
    }

    fn stamp(&self) -> io::Result<Stamp> {
        Ok(self.disk.state().world.stamp(self.ino))
    }
}

impl Disk for MemoryDisk {
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn NewFile>> {
        let ino = self.change(format!("create {}", path.display()), |world| world.create(path))?;
        let disk = self.clone();
        Ok(Box::new(MemoryFile { disk, ino }))
    }

    fn read(&self, path: &Path, max: u64) -> io::Result<FileContent> {
        let state = self.state();
        let ino = state.world.find(path)?;
        let bytes = state.world.file(ino)?.cached.bytes.to_vec();
        if bytes.len() as u64 > max {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let stamp = state.world.stamp(ino);
        Ok(FileContent { bytes, stamp })
    }

    fn stat(&self, path: &Path) -> io::Result<Option<(EntryKind, Stamp)>> {
        let state = self.state();
        match state.world.find(path) {
            Ok(ino) => Ok(Some((state.world.kind(ino), state.world.stamp(ino)))),
            Err(_) => Ok(None),
        }
    }

    fn list(&self, path: &Path) -> io::Result<Vec<(OsString, EntryKind)>> {
        let state = self.state();
        let dir = state.world.find(path)?;
        let names = &state.world.dir(dir)?.names;
        let entries = names
            .iter()
            .map(|(name, ino)| (name.clone(), state.world.kind(*ino)));
        Ok(entries.collect())
    }

    fn make_dir(&self, path: &Path) -> io::Result<bool> {
        self.change(format!("mkdir {}", path.display()), |world| world.make_dir(path))
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.plant_before(to);
        if let Some(left) = state.failing_renames.checked_sub(1) {
            state.failing_renames = left;
            return Err(io::Error::from_raw_os_error(Errno::NOSPC.raw_os_error()));
        }
        drop(state);
        let call = format!("rename {} to {}", from.display(), to.display());
        self.change(call, |world| world.rename(from, to, false))
    }

    fn rename_over(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.state().plant_before(to);
        let call = format!("rename {} over {}", from.display(), to.display());
        self.change(call, |world| world.rename(from, to, true))
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let call = format!("link {} to {}", from.display(), to.display());
        self.change(call, |world| world.link(from, to))
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        self.change(format!("unlink {}", path.display()), |world| world.unlink(path))
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.change(format!("rmdir {}", path.display()), |world| {
            world.remove_dir(path)
        })
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        if let Some(left) = state.failing_dir_syncs.checked_sub(1) {
            state.failing_dir_syncs = left;
            return Err(io::Error::from_raw_os_error(Errno::IO.raw_os_error()));
        }
        drop(state);
        self.change(format!("sync {}/", path.display()), |world| {
            let ino = world.find(path)?;
            world.sync_dir(ino);
            Ok(())
        })
    }

    fn sync_all(&self) -> io::Result<()> {
        self.change("sync all".to_owned(), |world| {
            world.sync_all();
            Ok(())
        })
    }

    fn space(&self) -> io::Result<Space> {
        Ok(Space {
            free: 1 << 40,
            total: 1 << 41,
            read_only: false,
        })
    }
}
