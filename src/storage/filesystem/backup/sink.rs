//! Where the files of a backup go: into a directory, or into an archive. Nothing has its final name before all of it is
//! durable and was read back.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::io::Errno;

use crate::storage::filesystem::disk::{Disk, NewFile};

use super::inventory::{FileFacts, Inventory};
use super::member::INVENTORY_FILE;

/// The compression level: zstd's own default.
const LEVEL: i32 = 3;
/// The mode of files in an archive.
const FILE_MODE: u32 = 0o640;

/// How a file came into a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Added {
    /// Its bytes were written.
    Copied,
    /// It is a hard link to the snapshot before.
    Linked,
}

/// Takes the files of a backup.
pub(super) trait Sink {
    /// Takes one file.
    ///
    /// # Errors
    /// What the system says; the backup is then given up.
    fn add(&mut self, path: &Path, facts: FileFacts, bytes: &[u8]) -> io::Result<Added>;

    /// Takes the inventory and makes everything durable.
    ///
    /// # Errors
    /// What the system says; the backup is then given up.
    fn finish(self: Box<Self>, inventory: &[u8]) -> io::Result<()>;
}

/// The snapshot before, whose files need not be written again.
#[derive(Debug)]
pub(super) struct Base {
    pub path: PathBuf,
    pub inventory: Inventory,
}

/// A directory that has the layout of a store.
pub(super) struct DirectorySink {
    disk: Arc<dyn Disk>,
    root: PathBuf,
    base: Option<Base>,
    dirs: BTreeSet<PathBuf>,
}

impl DirectorySink {
    /// Makes the directory, which must not be there.
    pub(super) fn create(disk: Arc<dyn Disk>, root: &Path, base: Option<Base>) -> io::Result<Self> {
        if !disk.make_dir(root)? {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        Ok(Self {
            disk,
            root: root.to_owned(),
            base,
            dirs: BTreeSet::from([root.to_owned()]),
        })
    }

    fn ensure_dir(&mut self, dir: &Path) -> io::Result<()> {
        if self.dirs.contains(dir) {
            return Ok(());
        }
        if let Some(parent) = dir.parent() {
            self.ensure_dir(parent)?;
        }
        self.disk.make_dir(dir)?;
        self.dirs.insert(dir.to_owned());
        Ok(())
    }

    /// Links a file to the snapshot before when it is there, with the very same bytes: one that rotted is not passed on.
    fn link(&self, path: &Path, facts: FileFacts, bytes: &[u8]) -> io::Result<bool> {
        let Some(base) = &self.base else {
            return Ok(false);
        };
        let known = path.to_str().and_then(|path| base.inventory.files.get(path));
        if known != Some(&facts) {
            return Ok(false);
        }
        let old = base.path.join(path);
        match self.disk.read(&old, facts.size) {
            Ok(content) if content.bytes == bytes => {}
            _ => return Ok(false),
        }
        match self.disk.link(&old, &self.root.join(path)) {
            Ok(()) => Ok(true),
            Err(e) if is_no_link(&e) => Ok(false),
            Err(e) => Err(e),
        }
    }
}

impl Sink for DirectorySink {
    fn add(&mut self, path: &Path, facts: FileFacts, bytes: &[u8]) -> io::Result<Added> {
        let target = self.root.join(path);
        self.ensure_dir(target.parent().unwrap_or(Path::new("")))?;
        if self.link(path, facts, bytes)? {
            return Ok(Added::Linked);
        }
        write_durably(&*self.disk, &target, bytes)?;
        Ok(Added::Copied)
    }

    fn finish(self: Box<Self>, inventory: &[u8]) -> io::Result<()> {
        write_durably(&*self.disk, &self.root.join(INVENTORY_FILE), inventory)?;
        self.dirs.iter().rev().try_for_each(|dir| self.disk.sync_dir(dir))
    }
}

/// Tells whether an error means that a file has to be copied: no hard links here, too many of them, or the old file went.
fn is_no_link(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error().map(Errno::from_raw_os_error),
        Some(Errno::PERM | Errno::MLINK | Errno::XDEV | Errno::OPNOTSUPP | Errno::NOENT)
    )
}

/// Writes a new file and makes its bytes durable.
pub(super) fn write_durably(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = disk.create_new(path)?;
    file.write_all(bytes)?;
    file.sync()
}

/// A tar, compressed with zstd.
pub(super) struct ArchiveSink {
    tar: tar::Builder<zstd::Encoder<'static, Output>>,
    modified_at: u64,
}

/// The file of an archive.
struct Output(Box<dyn NewFile>);

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl ArchiveSink {
    /// Makes the file, which must not be there.
    pub(super) fn create(disk: &dyn Disk, path: &Path, modified_at: u64) -> io::Result<Self> {
        let mut encoder = zstd::Encoder::new(Output(disk.create_new(path)?), LEVEL)?;
        encoder.include_checksum(true)?;
        Ok(Self {
            tar: tar::Builder::new(encoder),
            modified_at,
        })
    }

    fn append(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(FILE_MODE);
        header.set_mtime(self.modified_at);
        self.tar.append_data(&mut header, path, bytes)
    }
}

impl Sink for ArchiveSink {
    fn add(&mut self, path: &Path, _facts: FileFacts, bytes: &[u8]) -> io::Result<Added> {
        self.append(path, bytes)?;
        Ok(Added::Copied)
    }

    fn finish(mut self: Box<Self>, inventory: &[u8]) -> io::Result<()> {
        self.append(Path::new(INVENTORY_FILE), inventory)?;
        let Output(mut file) = self.tar.into_inner()?.finish()?;
        file.sync()
    }
}
