//! The file system that a power failure can hit: what programs see, and what of it is durable.
//!
//! A file has the bytes that programs see and those of its last sync. A directory has the names that programs see, those
//! of its last sync, and every change since. Beside that runs a journal in the manner of ext4, which any fsync commits.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Component, Path};
use std::sync::Arc;

use rustix::io::Errno;

use crate::storage::filesystem::disk::{EntryKind, Stamp};

pub(crate) type Ino = u64;

/// The directory of the store.
pub(crate) const ROOT: Ino = 1;
/// Time between two changes, in nanoseconds.
const TICK: i64 = 1_000_000;

/// The names in a directory.
pub(crate) type Names = BTreeMap<OsString, Ino>;

/// The change of one name; `None` when it went.
pub(crate) type Change = (Ino, OsString, Option<Ino>);

/// Bytes that are shared by all states that hold them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) bytes: Arc<[u8]>,
    pub(crate) hash: u64,
}

#[derive(Debug, Clone)]
pub(crate) struct FileNode {
    /// What programs read.
    pub(crate) cached: Content,
    /// What was synced last.
    pub(crate) synced: Option<Content>,
    /// A sync failed: the pages count as clean, and no later sync makes them durable.
    pub(crate) is_lost: bool,
    pub(crate) changed: i64,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct DirNode {
    pub(crate) names: Names,
    /// The names of the last sync, and when they were last changed then.
    pub(crate) synced: Names,
    pub(crate) synced_changed: i64,
    /// The names of the last commit of the journal.
    pub(crate) committed: Names,
    /// What changed since the last sync.
    pub(crate) pending: Vec<(OsString, Option<Ino>)>,
    pub(crate) changed: i64,
}

#[derive(Debug, Clone)]
pub(crate) enum Inode {
    File(FileNode),
    Dir(DirNode),
}

/// One state of the file system.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) inodes: BTreeMap<Ino, Inode>,
    /// Changes of names since the last commit of the journal, one entry for each call.
    pub(crate) journal: Vec<Vec<Change>>,
    next: Ino,
    clock: i64,
}

impl Content {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        Self {
            bytes: bytes.into(),
            hash: hasher.finish(),
        }
    }
}

impl FileNode {
    /// What a power failure may leave of the bytes, the whole first.
    pub(crate) fn survivors(&self) -> Vec<Content> {
        if !self.is_lost && self.synced.as_ref() == Some(&self.cached) {
            return vec![self.cached.clone()];
        }
        let length = self.cached.bytes.len();
        let mut left = vec![self.cached.clone()];
        if length > 0 {
            left.push(Content::new(b""));
            left.push(Content::new(&self.cached.bytes[..length / 2]));
            left.push(Content::new(&vec![0; length]));
        }
        if self.is_lost {
            left.remove(0);
        }
        left
    }
}

fn errno(errno: Errno) -> io::Error {
    io::Error::from_raw_os_error(errno.raw_os_error())
}

impl World {
    /// An empty directory. Its clock is behind that of the machine, so that the index takes no change for a recent one.
    pub(crate) fn new() -> Self {
        let hour_ago = jiff::Timestamp::now().as_nanosecond() - 3_600_000_000_000;
        Self {
            inodes: BTreeMap::from([(ROOT, Inode::Dir(DirNode::default()))]),
            journal: Vec::new(),
            next: ROOT + 1,
            clock: i64::try_from(hour_ago).unwrap(),
        }
    }

    /// The world after a crash: the given inodes, all durable.
    pub(crate) fn surviving(&self, inodes: BTreeMap<Ino, Inode>) -> Self {
        Self {
            inodes,
            journal: Vec::new(),
            ..*self
        }
    }

    fn tick(&mut self) -> i64 {
        self.clock += TICK;
        self.clock
    }

    pub(crate) fn dir(&self, ino: Ino) -> io::Result<&DirNode> {
        match self.inodes.get(&ino) {
            Some(Inode::Dir(dir)) => Ok(dir),
            Some(Inode::File(_)) => Err(errno(Errno::NOTDIR)),
            None => Err(errno(Errno::NOENT)),
        }
    }

    pub(crate) fn file(&self, ino: Ino) -> io::Result<&FileNode> {
        match self.inodes.get(&ino) {
            Some(Inode::File(file)) => Ok(file),
            // As the trait asks of everything that is no regular file.
            _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")),
        }
    }

    fn file_mut(&mut self, ino: Ino) -> &mut FileNode {
        match self.inodes.get_mut(&ino) {
            Some(Inode::File(file)) => file,
            other => panic!("inode {ino} is no file: {other:?}"),
        }
    }

    pub(crate) fn find(&self, path: &Path) -> io::Result<Ino> {
        let mut ino = ROOT;
        for part in path.components() {
            let Component::Normal(name) = part else {
                return Err(errno(Errno::XDEV));
            };
            ino = *self.dir(ino)?.names.get(name).ok_or(errno(Errno::NOENT))?;
        }
        Ok(ino)
    }

    fn place<'a>(&self, path: &'a Path) -> io::Result<(Ino, &'a OsStr)> {
        let name = path.file_name().ok_or(errno(Errno::INVAL))?;
        let dir = self.find(path.parent().unwrap_or(Path::new("")))?;
        self.dir(dir)?;
        Ok((dir, name))
    }

    fn named(&self, (dir, name): (Ino, &OsStr)) -> Option<Ino> {
        self.dir(dir).ok()?.names.get(name).copied()
    }

    pub(crate) fn kind(&self, ino: Ino) -> EntryKind {
        match self.inodes.get(&ino) {
            Some(Inode::Dir(_)) => EntryKind::Dir,
            Some(Inode::File(_)) => EntryKind::File,
            None => EntryKind::Other,
        }
    }

    pub(crate) fn stamp(&self, ino: Ino) -> Stamp {
        let (size, changed) = match &self.inodes[&ino] {
            Inode::File(file) => (file.cached.bytes.len() as u64, file.changed),
            Inode::Dir(dir) => (4096, dir.changed),
        };
        Stamp {
            ino,
            size,
            mtime: changed,
            ctime: changed,
        }
    }

    /// Changes names, as one call does.
    fn change(&mut self, changes: Vec<Change>) {
        let now = self.tick();
        for (dir, name, target) in &changes {
            let Some(Inode::Dir(node)) = self.inodes.get_mut(dir) else {
                panic!("inode {dir} is no directory");
            };
            match target {
                Some(ino) => node.names.insert(name.clone(), *ino),
                None => node.names.remove(name),
            };
            node.pending.push((name.clone(), *target));
            node.changed = now;
        }
        self.journal.push(changes);
    }

    pub(crate) fn create(&mut self, path: &Path) -> io::Result<Ino> {
        let place = self.place(path)?;
        if self.named(place).is_some() {
            return Err(errno(Errno::EXIST));
        }
        let file = Inode::File(FileNode {
            cached: Content::new(b""),
            synced: None,
            is_lost: false,
            changed: self.clock,
        });
        Ok(self.add(place, file))
    }

    pub(crate) fn make_dir(&mut self, path: &Path) -> io::Result<bool> {
        let place = self.place(path)?;
        if self.named(place).is_some() {
            return Ok(false);
        }
        let changed = self.clock;
        let dir = Inode::Dir(DirNode {
            changed,
            ..DirNode::default()
        });
        self.add(place, dir);
        Ok(true)
    }

    fn add(&mut self, (dir, name): (Ino, &OsStr), inode: Inode) -> Ino {
        let ino = self.next;
        self.next += 1;
        self.inodes.insert(ino, inode);
        self.change(vec![(dir, name.to_owned(), Some(ino))]);
        ino
    }

    pub(crate) fn write(&mut self, ino: Ino, bytes: &[u8]) {
        let now = self.tick();
        let file = self.file_mut(ino);
        let whole = [&file.cached.bytes, bytes].concat();
        file.cached = Content::new(&whole);
        file.changed = now;
    }

    pub(crate) fn rename(&mut self, from: &Path, to: &Path, over: bool) -> io::Result<()> {
        let (from, to) = (self.place(from)?, self.place(to)?);
        let ino = self.named(from).ok_or(errno(Errno::NOENT))?;
        if !over && self.named(to).is_some() {
            return Err(errno(Errno::EXIST));
        }
        let changes = vec![
            (to.0, to.1.to_owned(), Some(ino)),
            (from.0, from.1.to_owned(), None),
        ];
        self.change(changes);
        Ok(())
    }

    pub(crate) fn link(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let (from, to) = (self.place(from)?, self.place(to)?);
        let ino = self.named(from).ok_or(errno(Errno::NOENT))?;
        if self.named(to).is_some() {
            return Err(errno(Errno::EXIST));
        }
        self.change(vec![(to.0, to.1.to_owned(), Some(ino))]);
        let now = self.clock;
        self.file_mut(ino).changed = now;
        Ok(())
    }

    pub(crate) fn unlink(&mut self, path: &Path) -> io::Result<()> {
        let place = self.place(path)?;
        let ino = self.named(place).ok_or(errno(Errno::NOENT))?;
        if self.kind(ino) == EntryKind::Dir {
            return Err(errno(Errno::ISDIR));
        }
        self.change(vec![(place.0, place.1.to_owned(), None)]);
        Ok(())
    }

    pub(crate) fn remove_dir(&mut self, path: &Path) -> io::Result<()> {
        let place = self.place(path)?;
        let ino = self.named(place).ok_or(errno(Errno::NOENT))?;
        if !self.dir(ino)?.names.is_empty() {
            return Err(errno(Errno::NOTEMPTY));
        }
        self.change(vec![(place.0, place.1.to_owned(), None)]);
        Ok(())
    }

    pub(crate) fn sync_file(&mut self, ino: Ino) {
        let file = self.file_mut(ino);
        if !file.is_lost {
            file.synced = Some(file.cached.clone());
        }
        self.commit();
    }

    /// A sync that fails: what was not durable never will be, and the next sync says nothing of it.
    pub(crate) fn lose_file(&mut self, ino: Ino) {
        self.file_mut(ino).is_lost = true;
    }

    pub(crate) fn sync_dir(&mut self, ino: Ino) {
        if let Some(Inode::Dir(dir)) = self.inodes.get_mut(&ino) {
            dir.settle();
        }
        self.commit();
    }

    pub(crate) fn sync_all(&mut self) {
        for inode in self.inodes.values_mut() {
            match inode {
                Inode::Dir(dir) => dir.settle(),
                Inode::File(file) if !file.is_lost => file.synced = Some(file.cached.clone()),
                Inode::File(_) => {}
            }
        }
        self.commit();
    }

    /// Commits the journal of ext4: every change of names so far.
    fn commit(&mut self) {
        for (dir, name, target) in self.journal.drain(..).flatten() {
            let Some(Inode::Dir(dir)) = self.inodes.get_mut(&dir) else {
                continue;
            };
            match target {
                Some(ino) => dir.committed.insert(name, ino),
                None => dir.committed.remove(&name),
            };
        }
    }

    /// Tells states apart: the same names for the same files with the same bytes are one state.
    pub(crate) fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for (ino, inode) in &self.inodes {
            ino.hash(&mut hasher);
            match inode {
                Inode::File(file) => file.cached.hash.hash(&mut hasher),
                Inode::Dir(dir) => dir.names.hash(&mut hasher),
            }
        }
        hasher.finish()
    }
}

impl DirNode {
    fn settle(&mut self) {
        self.pending.clear();
        self.synced.clone_from(&self.names);
        self.synced_changed = self.changed;
    }

    /// A directory with the given names, all durable.
    pub(crate) fn durable(names: Names, changed: i64) -> Self {
        Self {
            synced: names.clone(),
            committed: names.clone(),
            names,
            synced_changed: changed,
            pending: Vec::new(),
            changed,
        }
    }
}
