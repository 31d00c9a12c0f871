//! Where the files of a large prompt wait until it is certain that they belong together.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::storage::filesystem::disk::Disk;

/// Keeps the files of one prompt, in memory as long as they are few.
#[derive(Debug)]
pub(super) struct Stage {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    budget: u64,
    in_memory: u64,
    on_disk: u64,
}

/// A file that waits.
#[derive(Debug)]
pub(super) enum Staged {
    /// In memory.
    Memory(Vec<u8>),
    /// In a file of the stage.
    File(PathBuf),
}

impl Stage {
    /// Makes a stage that keeps at most `budget` bytes in memory, and what is more in a directory, whose parent must be
    /// there.
    #[must_use]
    pub(super) fn new(disk: Arc<dyn Disk>, dir: &Path, budget: u64) -> Self {
        Self {
            disk,
            dir: dir.to_owned(),
            budget,
            in_memory: 0,
            on_disk: 0,
        }
    }

    /// Forgets everything.
    ///
    /// # Errors
    /// What removing says.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        for number in 0..self.on_disk {
            self.disk.unlink(&self.file(number))?;
        }
        (self.in_memory, self.on_disk) = (0, 0);
        Ok(())
    }

    /// Keeps a file.
    ///
    /// # Errors
    /// What writing says.
    pub(super) fn keep(&mut self, bytes: Vec<u8>) -> io::Result<Staged> {
        let size = bytes.len() as u64;
        if self.in_memory + size <= self.budget {
            self.in_memory += size;
            return Ok(Staged::Memory(bytes));
        }
        self.disk.make_dir(&self.dir)?;
        let path = self.file(self.on_disk);
        // Counted first: a file that is written in part has to be removed as well.
        let mut file = self.disk.create_new(&path)?;
        self.on_disk += 1;
        file.write_all(&bytes)?;
        Ok(Staged::File(path))
    }

    /// Returns a file that was kept.
    ///
    /// # Errors
    /// What reading says.
    pub(super) fn take(&self, staged: Staged, max_bytes: u64) -> io::Result<Vec<u8>> {
        match staged {
            Staged::Memory(bytes) => Ok(bytes),
            Staged::File(path) => Ok(self.disk.read(&path, max_bytes)?.bytes),
        }
    }

    fn file(&self, number: u64) -> PathBuf {
        self.dir.join(number.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::filesystem::disk::RealDisk;

    #[test]
    fn what_does_not_fit_into_memory_waits_on_disk_and_goes_again() {
        let dir = tempfile::tempdir().unwrap();
        let disk: Arc<dyn Disk> = Arc::new(RealDisk::open(dir.path()).unwrap());
        let mut stage = Stage::new(disk, Path::new("stage"), 10);
        let kept: Vec<Staged> = [b"12345678", b"abcdefgh", b"ABCDEFGH"]
            .into_iter()
            .map(|bytes| stage.keep(bytes.to_vec()).unwrap())
            .collect();
        let on_disk = || std::fs::read_dir(dir.path().join("stage")).unwrap().count();
        assert_eq!(on_disk(), 2);
        let read: Vec<Vec<u8>> = kept
            .into_iter()
            .map(|kept| stage.take(kept, 8).unwrap())
            .collect();
        assert_eq!(read, [b"12345678", b"abcdefgh", b"ABCDEFGH"]);
        stage.clear().unwrap();
        assert_eq!(on_disk(), 0);
        assert!(matches!(
            stage.keep(b"12345678".to_vec()).unwrap(),
            Staged::Memory(_)
        ));
    }
}
