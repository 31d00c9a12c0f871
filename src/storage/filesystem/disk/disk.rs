//! The seam: every system call that the store makes on files, and nothing else.
//!
//! All paths are relative to the store. [`RealDisk`](super::RealDisk) makes the calls; tests put a disk that fails in
//! its place.

use std::ffi::OsString;
use std::io::{self, Read};
use std::path::Path;

/// What tells one state of a file or directory from another without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Stamp {
    /// The inode.
    pub ino: u64,
    /// The size in bytes.
    pub size: u64,
    /// Time of last change of the content, in nanoseconds since 1970.
    pub mtime: i64,
    /// Time of last change of the inode, in nanoseconds since 1970. No program can set it back.
    pub ctime: i64,
}

/// What a directory entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Dir,
    /// A symlink: never followed.
    Symlink,
    /// A FIFO, socket or device: never opened for waiting.
    Other,
}

/// A file that was read whole.
#[derive(Debug, Clone)]
pub struct FileContent {
    /// Its content.
    pub bytes: Vec<u8>,
    /// Its state when it was read.
    pub stamp: Stamp,
}

/// Room on the file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Bytes that an unprivileged user may still write.
    pub free: u64,
    /// Bytes in all.
    pub total: u64,
    /// Whether the file system is mounted read-only.
    pub read_only: bool,
}

/// A file that is being made.
pub trait NewFile: Send {
    /// Writes all bytes, however many calls that takes.
    ///
    /// # Errors
    /// What `write` says.
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Makes the content durable. After an error the file must be thrown away: a second try can succeed falsely.
    ///
    /// # Errors
    /// What `fsync` says.
    fn sync(&mut self) -> io::Result<()>;

    /// Returns its state, and with it which file it is. Asked of the open file, not of its name: another file may have that
    /// by now.
    ///
    /// # Errors
    /// What `fstat` says.
    fn stamp(&self) -> io::Result<Stamp>;
}

/// The file system, as the store uses it.
pub trait Disk: Send + Sync + std::fmt::Debug {
    /// Makes a file that must not exist.
    ///
    /// # Errors
    /// What `openat2` says.
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn NewFile>>;

    /// Opens a regular file to write on at its end, whatever is there.
    ///
    /// # Errors
    /// `Unsupported` on a disk that only makes files; what `openat2` says.
    fn open_append(&self, path: &Path) -> io::Result<Box<dyn NewFile>> {
        let reason = format!("{} cannot be written on", path.display());
        Err(io::Error::new(io::ErrorKind::Unsupported, reason))
    }

    /// Reads a regular file of at most `max` bytes. Never waits on a FIFO or device.
    ///
    /// # Errors
    /// `InvalidInput` when it is no regular file, `FileTooLarge` when it is larger, or what the system says.
    fn read(&self, path: &Path, max: u64) -> io::Result<FileContent>;

    /// Opens a regular file for reading piece by piece, for files that are too large to be held. Never waits on a FIFO or
    /// device.
    ///
    /// # Errors
    /// `InvalidInput` when it is no regular file, or what the system says.
    fn open_read(&self, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        let content = self.read(path, u64::MAX - 1)?;
        Ok(Box::new(io::Cursor::new(content.bytes)))
    }

    /// Returns the kind and state of an entry without following symlinks; `None` when it is absent.
    ///
    /// # Errors
    /// What `statx` says.
    fn stat(&self, path: &Path) -> io::Result<Option<(EntryKind, Stamp)>>;

    /// Lists a directory in no particular order.
    ///
    /// # Errors
    /// What `getdents` says.
    fn list(&self, path: &Path) -> io::Result<Vec<(OsString, EntryKind)>>;

    /// Makes a directory; `false` when it was there.
    ///
    /// # Errors
    /// What `mkdirat` says.
    fn make_dir(&self, path: &Path) -> io::Result<bool>;

    /// Renames, failing when the target exists.
    ///
    /// # Errors
    /// `AlreadyExists`, or what `renameat2` says.
    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Renames, replacing the target.
    ///
    /// # Errors
    /// What `renameat` says.
    fn rename_over(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Gives a file a second name, failing when that name exists.
    ///
    /// # Errors
    /// `AlreadyExists`, or what `linkat` says.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a name that is no directory.
    ///
    /// # Errors
    /// What `unlinkat` says.
    fn unlink(&self, path: &Path) -> io::Result<()>;

    /// Removes an empty directory.
    ///
    /// # Errors
    /// What `unlinkat` says.
    fn remove_dir(&self, path: &Path) -> io::Result<()>;

    /// Makes the entries of a directory durable.
    ///
    /// # Errors
    /// What `fsync` says.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;

    /// Makes everything on the file system durable.
    ///
    /// # Errors
    /// What `syncfs` says.
    fn sync_all(&self) -> io::Result<()>;

    /// Tells whether the directory of the store is still the one that its path names: an operator may have moved it away,
    /// or put another in its place. One for which this makes no sense is always in its place.
    fn is_in_place(&self) -> bool {
        true
    }

    /// Returns the room on the file system.
    ///
    /// # Errors
    /// What `statvfs` says.
    fn space(&self) -> io::Result<Space>;
}
