//! The system calls themselves.
//!
//! Every path is resolved beneath the store's own descriptor with `openat2(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS)`, so
//! that no planted symlink leads out of it.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, Dir, FileType, FlockOperation, Mode, OFlags, RenameFlags, ResolveFlags, Stat, StatVfsMountFlags,
};
use rustix::io::Errno;

use super::{Disk, EntryKind, FileContent, NewFile, Space, Stamp};

/// The mode of files that the store makes.
const FILE_MODE: Mode = Mode::from_raw_mode(0o640);
/// The mode of directories that the store makes.
const DIR_MODE: Mode = Mode::from_raw_mode(0o750);
/// File systems on which fsync may mean less than it should, by the numbers of `statfs(2)`.
const DOUBTFUL: [(u64, &str); 6] = [
    (0x0102_1994, "tmpfs"),
    (0x8584_58f6, "ramfs"),
    (0x6969, "NFS"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB2"),
    (0x6573_5546, "FUSE"),
];
/// How often an opening that was told to try again is tried again.
const MAX_OPEN_TRIES: usize = 64;

/// The file system of this machine, beneath one directory.
#[derive(Debug)]
pub struct RealDisk {
    root: OwnedFd,
    path: PathBuf,
}

/// The lock on a store. Whoever has it is the only daemon on this store; it is given back when this is dropped.
#[derive(Debug)]
pub struct StoreLock {
    /// The lock file; its content is for people. A read-only file system has none: there the directory alone is locked.
    pub file: Option<File>,
    _dir: OwnedFd,
}

impl RealDisk {
    /// Opens the directory of a store, making it when it is absent.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(path: &Path) -> io::Result<Self> {
        #[expect(
            clippy::disallowed_methods,
            reason = "the store's own directory is made here, before there is a root to be beneath"
        )]
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(DIR_MODE.as_raw_mode())
            .create(path)?;
        Self::open_existing(path)
    }

    /// Opens a directory that must be there.
    ///
    /// # Errors
    /// What the system says.
    pub fn open_existing(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self {
            root: rustix::fs::open(path, flags, Mode::empty())?,
            path: path.to_owned(),
        })
    }

    /// Returns the directory of the store.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Takes the lock that keeps a second daemon out: of a file, which people can look into, and of the store's directory
    /// itself, which cannot be removed and made anew.
    ///
    /// # Errors
    /// `WouldBlock` when another process holds it, or what the system says.
    pub fn lock(&self, path: &Path) -> io::Result<StoreLock> {
        let dir = self.open_dir(Path::new(""))?;
        // Other errors mean nothing here: some network file systems lock files alone.
        if let Err(Errno::WOULDBLOCK) = rustix::fs::flock(&dir, FlockOperation::NonBlockingLockExclusive) {
            return Err(Errno::WOULDBLOCK.into());
        }
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let fd = match self.open_at(path, flags, FILE_MODE) {
            Err(e) if e.kind() == io::ErrorKind::ReadOnlyFilesystem => {
                return Ok(StoreLock {
                    file: None,
                    _dir: dir,
                });
            }
            opened => opened?,
        };
        if kind_of(&rustix::fs::fstat(&fd)?) != EntryKind::File {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        rustix::fs::flock(&fd, FlockOperation::NonBlockingLockExclusive)?;
        Ok(StoreLock {
            file: Some(File::from(fd)),
            _dir: dir,
        })
    }

    /// Returns the name of a file system that may not keep what it was told to make durable; `None` for all others.
    #[must_use]
    pub fn doubtful_file_system(&self) -> Option<&'static str> {
        let found = rustix::fs::fstatfs(&self.root).ok()?;
        let magic = u64::try_from(found.f_type).unwrap_or_default() & 0xffff_ffff;
        DOUBTFUL
            .iter()
            .find(|(number, _)| *number == magic)
            .map(|(_, name)| *name)
    }

    fn open_at(&self, path: &Path, flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
        let path = if path.as_os_str().is_empty() {
            Path::new(".")
        } else {
            path
        };
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        let open = || rustix::fs::openat2(&self.root, path, flags, mode, resolve);
        // RESOLVE_BENEATH answers EAGAIN when a rename elsewhere raced with the walk. A file under a lease answers EAGAIN
        // for as long as the lease lasts, so that there must be an end.
        for _ in 1..MAX_OPEN_TRIES {
            match open() {
                Err(Errno::AGAIN | Errno::INTR) => std::thread::yield_now(),
                other => return Ok(other?),
            }
        }
        Ok(open()?)
    }

    /// Opens the directory that holds a path, and returns the last name beside it.
    fn parent_of<'a>(&self, path: &'a Path) -> io::Result<(OwnedFd, &'a OsStr)> {
        let name = path
            .file_name()
            .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        let parent = path.parent().unwrap_or(Path::new(""));
        Ok((
            self.open_at(
                parent,
                OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
                Mode::empty(),
            )?,
            name,
        ))
    }

    fn open_regular(&self, path: &Path) -> io::Result<(File, Stamp)> {
        // O_NONBLOCK: opening a FIFO that somebody planted must not wait for a writer.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
        let not_a_file = || io::Error::new(io::ErrorKind::InvalidInput, "not a regular file");
        let file = match self.open_at(path, flags, Mode::empty()) {
            // A socket, or a device that nobody drives.
            Err(e) if e.raw_os_error() == Some(Errno::NXIO.raw_os_error()) => return Err(not_a_file()),
            other => File::from(other?),
        };
        let stat = rustix::fs::fstat(&file)?;
        if kind_of(&stat) != EntryKind::File {
            return Err(not_a_file());
        }
        Ok((file, stamp_of(&stat)))
    }

    fn open_dir(&self, path: &Path) -> io::Result<OwnedFd> {
        self.open_at(
            path,
            OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )
    }
}

struct RealNewFile(File);

impl NewFile for RealNewFile {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_all()
    }

    fn stamp(&self) -> io::Result<Stamp> {
        Ok(stamp_of(&rustix::fs::fstat(&self.0)?))
    }
}

impl Disk for RealDisk {
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn NewFile>> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        Ok(Box::new(RealNewFile(File::from(
            self.open_at(path, flags, FILE_MODE)?,
        ))))
    }

    fn open_append(&self, path: &Path) -> io::Result<Box<dyn NewFile>> {
        // Does not wait where the name is that of a FIFO.
        let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = File::from(self.open_at(path, flags, Mode::empty())?);
        if FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode) != FileType::RegularFile {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        }
        Ok(Box::new(RealNewFile(file)))
    }

    fn read(&self, path: &Path, max: u64) -> io::Result<FileContent> {
        let (mut file, stamp) = self.open_regular(path)?;
        if stamp.size > max {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("{} bytes, the limit is {max}", stamp.size),
            ));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(stamp.size).unwrap_or(0) + 1);
        // One byte more than the limit shows a file that grew while it was read.
        (&mut file).take(max + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > max {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("more than {max} bytes"),
            ));
        }
        Ok(FileContent { bytes, stamp })
    }

    fn open_read(&self, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(self.open_regular(path)?.0))
    }

    fn stat(&self, path: &Path) -> io::Result<Option<(EntryKind, Stamp)>> {
        let found = if path.as_os_str().is_empty() {
            rustix::fs::fstat(&self.root)
        } else {
            match self.parent_of(path) {
                Ok((parent, name)) => rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW),
                Err(e) if is_absent(&e) => return Ok(None),
                Err(e) => return Err(e),
            }
        };
        match found {
            Ok(stat) => Ok(Some((kind_of(&stat), stamp_of(&stat)))),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    fn list(&self, path: &Path) -> io::Result<Vec<(OsString, EntryKind)>> {
        let fd = self.open_dir(path)?;
        let mut entries = Vec::new();
        for entry in Dir::read_from(&fd)? {
            let entry = entry?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if name == "." || name == ".." {
                continue;
            }
            let kind = match entry.file_type() {
                // Some file systems do not say the kind in the directory itself.
                FileType::Unknown => rustix::fs::statat(fd.as_fd(), name, AtFlags::SYMLINK_NOFOLLOW)
                    .map_or(EntryKind::Other, |stat| kind_of(&stat)),
                known => kind_from(known),
            };
            entries.push((name.to_owned(), kind));
        }
        Ok(entries)
    }

    fn make_dir(&self, path: &Path) -> io::Result<bool> {
        let (parent, name) = self.parent_of(path)?;
        match rustix::fs::mkdirat(parent, name, DIR_MODE) {
            Ok(()) => Ok(true),
            Err(Errno::EXIST) => Ok(false),
            Err(e) => Err(e.into()),
        }
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        let ((from_dir, from_name), (to_dir, to_name)) = (self.parent_of(from)?, self.parent_of(to)?);
        match rustix::fs::renameat_with(&from_dir, from_name, &to_dir, to_name, RenameFlags::NOREPLACE) {
            // File systems without RENAME_NOREPLACE: a hard link refuses an existing name as well.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                rustix::fs::linkat(&from_dir, from_name, &to_dir, to_name, AtFlags::empty())?;
                // The new name is there already, so a failure here is none of those after which nothing happened.
                rustix::fs::unlinkat(&from_dir, from_name, AtFlags::empty()).map_err(|_| Errno::IO.into())
            }
            other => Ok(other?),
        }
    }

    fn rename_over(&self, from: &Path, to: &Path) -> io::Result<()> {
        let ((from_dir, from_name), (to_dir, to_name)) = (self.parent_of(from)?, self.parent_of(to)?);
        Ok(rustix::fs::renameat(from_dir, from_name, to_dir, to_name)?)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let ((from_dir, from_name), (to_dir, to_name)) = (self.parent_of(from)?, self.parent_of(to)?);
        Ok(rustix::fs::linkat(
            from_dir,
            from_name,
            to_dir,
            to_name,
            AtFlags::empty(),
        )?)
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        let (parent, name) = self.parent_of(path)?;
        Ok(rustix::fs::unlinkat(parent, name, AtFlags::empty())?)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        let (parent, name) = self.parent_of(path)?;
        Ok(rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR)?)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        Ok(rustix::fs::fsync(self.open_dir(path)?)?)
    }

    fn sync_all(&self) -> io::Result<()> {
        Ok(rustix::fs::syncfs(&self.root)?)
    }

    fn is_in_place(&self) -> bool {
        let (named, held) = (rustix::fs::stat(&self.path), rustix::fs::fstat(&self.root));
        match (named, held) {
            (Ok(named), Ok(held)) => (named.st_dev, named.st_ino) == (held.st_dev, held.st_ino),
            (Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP), _) => false,
            // Whoever cannot look does not know better.
            _ => true,
        }
    }

    fn space(&self) -> io::Result<Space> {
        let stat = rustix::fs::fstatvfs(&self.root)?;
        Ok(Space {
            free: stat.f_bavail.saturating_mul(stat.f_frsize),
            total: stat.f_blocks.saturating_mul(stat.f_frsize),
            read_only: stat.f_flag.contains(StatVfsMountFlags::RDONLY),
        })
    }
}

/// Returns how many directories this user may watch, where the kernel says.
#[must_use]
pub fn inotify_limit() -> Option<u64> {
    #[expect(clippy::disallowed_methods, reason = "a file of the kernel, not of the store")]
    std::fs::read_to_string("/proc/sys/fs/inotify/max_user_watches")
        .ok()?
        .trim()
        .parse()
        .ok()
}

fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

fn kind_of(stat: &Stat) -> EntryKind {
    kind_from(FileType::from_raw_mode(stat.st_mode))
}

fn kind_from(file_type: FileType) -> EntryKind {
    match file_type {
        FileType::RegularFile => EntryKind::File,
        FileType::Directory => EntryKind::Dir,
        FileType::Symlink => EntryKind::Symlink,
        _ => EntryKind::Other,
    }
}

fn stamp_of(stat: &Stat) -> Stamp {
    let nanos = |seconds: i64, fraction: u64| {
        seconds
            .saturating_mul(1_000_000_000)
            .saturating_add(i64::try_from(fraction).unwrap_or(0))
    };
    Stamp {
        ino: stat.st_ino,
        size: u64::try_from(stat.st_size).unwrap_or(0),
        mtime: nanos(stat.st_mtime, stat.st_mtime_nsec),
        ctime: nanos(stat.st_ctime, stat.st_ctime_nsec),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk() -> (tempfile::TempDir, RealDisk) {
        let dir = tempfile::tempdir().unwrap();
        let disk = RealDisk::open(dir.path()).unwrap();
        (dir, disk)
    }

    fn write(disk: &RealDisk, path: &str, bytes: &[u8]) {
        let mut file = disk.create_new(Path::new(path)).unwrap();
        file.write_all(bytes).unwrap();
        file.sync().unwrap();
    }

    #[test]
    fn a_rename_never_replaces_a_version() {
        let (_dir, disk) = disk();
        write(&disk, "a", b"one");
        write(&disk, "b", b"two");
        let error = disk.rename_new(Path::new("a"), Path::new("b")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(disk.read(Path::new("b"), 10).unwrap().bytes, b"two");
    }

    #[test]
    fn no_path_leads_out_of_the_store() {
        let (dir, disk) = disk();
        std::os::unix::fs::symlink("/etc", dir.path().join("out")).unwrap();
        for path in ["../x", "/etc/passwd", "out/passwd", "out"] {
            assert!(disk.read(Path::new(path), 1 << 20).is_err(), "{path}");
        }
        assert_eq!(
            disk.stat(Path::new("out")).unwrap().unwrap().0,
            EntryKind::Symlink
        );
        assert!(disk.create_new(Path::new("out/x")).is_err());
    }

    #[test]
    fn a_fifo_never_blocks_a_reader() {
        let (dir, disk) = disk();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            dir.path().join("pipe"),
            FileType::Fifo,
            Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
        assert_eq!(
            disk.read(Path::new("pipe"), 10).unwrap_err().kind(),
            io::ErrorKind::InvalidInput
        );
    }

    #[test]
    fn a_file_over_the_limit_is_not_read() {
        let (_dir, disk) = disk();
        write(&disk, "big", &[b'x'; 11]);
        assert_eq!(
            disk.read(Path::new("big"), 10).unwrap_err().kind(),
            io::ErrorKind::FileTooLarge
        );
        assert_eq!(disk.read(Path::new("big"), 11).unwrap().bytes.len(), 11);
    }

    #[test]
    fn the_lock_keeps_a_second_holder_out_until_it_is_dropped() {
        let (_dir, disk) = disk();
        let held = disk.lock(Path::new(".lock")).unwrap();
        assert_eq!(
            disk.lock(Path::new(".lock")).unwrap_err().kind(),
            io::ErrorKind::WouldBlock
        );
        drop(held);
        assert!(disk.lock(Path::new(".lock")).is_ok());
    }

    #[test]
    fn files_are_0640_and_directories_0750() {
        use std::os::unix::fs::PermissionsExt;
        let (dir, disk) = disk();
        write(&disk, "f", b"");
        assert!(disk.make_dir(Path::new("d")).unwrap());
        assert!(!disk.make_dir(Path::new("d")).unwrap());
        let mode = |name: &str| {
            std::fs::metadata(dir.path().join(name))
                .unwrap()
                .permissions()
                .mode()
                & 0o777
        };
        // A stricter umask may take bits away, never add any.
        assert_eq!((mode("f") & !0o640, mode("d") & !0o750), (0, 0));
    }
}
