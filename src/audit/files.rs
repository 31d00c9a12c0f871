//! The files of the log: `.audit/audit-000001.jsonl` and so on. The only part that touches the disk.
//!
//! A file is only ever written on at its end. What a crash or a full disk left of a line at the end is cut off: it goes to
//! a file `torn-000001-SEQ.jsonl` of its own, and the segment is replaced by its whole lines (temporary file, fsync, rename).

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::storage::filesystem::disk::{Disk, EntryKind, NewFile};

use super::{AUDIT_DIR, AuditError};

/// The largest segment that is read, in bytes: what the configuration allows, and a batch that begins below it.
const MAX_READ_BYTES: u64 = (256 << 20) + (64 << 20);

const PREFIX: &str = "audit-";
const ENDING: &str = ".jsonl";
const TMP: &str = "audit.tmp";

/// A file that is removed when the disk is full, so that what makes room can still be logged.
const RESERVE: &str = "reserve";

/// Its size: enough for some hundred changes.
const RESERVE_BYTES: usize = 256 << 10;

/// The files of the log in one store.
#[derive(Debug, Clone)]
pub(super) struct Files {
    disk: Arc<dyn Disk>,
}

/// Returns the number of a segment by its name.
pub(super) fn number_of(name: &str) -> Option<u32> {
    let digits = name.strip_prefix(PREFIX)?.strip_suffix(ENDING)?;
    let is_number = digits.len() >= 6 && digits.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| digits.parse().ok()).flatten()
}

/// Returns the name of a segment by its number.
pub(super) fn name_of(number: u32) -> String {
    format!("{PREFIX}{number:06}{ENDING}")
}

fn path_of(number: u32) -> PathBuf {
    Path::new(AUDIT_DIR).join(name_of(number))
}

impl Files {
    pub(super) const fn new(disk: Arc<dyn Disk>) -> Self {
        Self { disk }
    }

    /// Returns the numbers of all segments, ascending.
    pub(super) fn numbers(&self) -> io::Result<Vec<u32>> {
        let names = match self.disk.list(Path::new(AUDIT_DIR)) {
            Err(e) if e.kind() == ErrorKind::NotFound => Vec::new(),
            other => other?,
        };
        let files = names.iter().filter(|(_, kind)| *kind == EntryKind::File);
        let mut numbers: Vec<u32> = files.filter_map(|(name, _)| number_of(name.to_str()?)).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Reads a segment whole.
    pub(super) fn read(&self, number: u32) -> io::Result<Vec<u8>> {
        Ok(self.disk.read(&path_of(number), MAX_READ_BYTES)?.bytes)
    }

    /// Opens a segment for reading from its beginning.
    pub(super) fn open_read(&self, number: u32) -> io::Result<Box<dyn io::Read + Send>> {
        self.disk.open_read(&path_of(number))
    }

    /// Opens a segment to write on.
    pub(super) fn append(&self, number: u32) -> io::Result<Box<dyn NewFile>> {
        self.disk.open_append(&path_of(number))
    }

    /// Begins a segment. Its name is durable when this returns.
    pub(super) fn begin(&self, number: u32) -> io::Result<Box<dyn NewFile>> {
        let dir = Path::new(AUDIT_DIR);
        self.disk.make_dir(dir)?;
        // Also when it was there: the fsync of the one who made it may have failed.
        self.disk.sync_dir(Path::new(""))?;
        let path = path_of(number);
        let file = match self.disk.create_new(&path) {
            // Left behind by a try that failed after this: there is nothing in it, or what is in it was never answered for.
            Err(e) if e.kind() == ErrorKind::AlreadyExists => self.disk.open_append(&path)?,
            other => other?,
        };
        self.disk.sync_dir(dir)?;
        Ok(file)
    }

    /// Puts aside what is no whole line at the end of a segment, and cuts the segment to `whole`.
    pub(super) fn cut(&self, number: u32, whole: &[u8], torn: &[u8], seq: u64) -> io::Result<()> {
        let dir = Path::new(AUDIT_DIR);
        let aside = dir.join(format!("torn-{number:06}-{seq}{ENDING}"));
        match self.disk.create_new(&aside) {
            Ok(mut file) => {
                file.write_all(torn)?;
                file.sync()?;
            }
            // Put aside before, by a try that got no further.
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
            Err(e) => return Err(e),
        }
        let tmp = dir.join(TMP);
        match self.disk.unlink(&tmp) {
            Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        let mut file = self.disk.create_new(&tmp)?;
        file.write_all(whole)?;
        file.sync()?;
        drop(file);
        self.disk.rename_over(&tmp, &path_of(number))?;
        self.disk.sync_dir(dir)
    }

    /// Sees to it that there is a reserve.
    pub(super) fn make_reserve(&self) -> io::Result<()> {
        let path = Path::new(AUDIT_DIR).join(RESERVE);
        if let Some((_, stamp)) = self.disk.stat(&path)? {
            if stamp.size == RESERVE_BYTES as u64 {
                return Ok(());
            }
            // Made on a disk that was full.
            self.disk.unlink(&path)?;
        }
        let written = self.disk.create_new(&path).and_then(|mut file| {
            file.write_all(&vec![0; RESERVE_BYTES])?;
            file.sync()
        });
        if written.is_err() {
            self.disk.unlink(&path)?;
        }
        written
    }

    /// Gives the reserve up; `false` when there is none.
    pub(super) fn use_reserve(&self) -> io::Result<bool> {
        match self.disk.unlink(&Path::new(AUDIT_DIR).join(RESERVE)) {
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
            other => other
                .and_then(|()| self.disk.sync_dir(Path::new(AUDIT_DIR)))
                .map(|()| true),
        }
    }

    /// Removes the oldest segments beyond a number of them.
    pub(super) fn keep(&self, max_segments: usize) -> io::Result<usize> {
        let numbers = self.numbers()?;
        let surplus = numbers.len().saturating_sub(max_segments);
        for number in numbers.iter().take(surplus) {
            self.disk.unlink(&path_of(*number))?;
        }
        Ok(surplus)
    }

    /// Tells what an error of the disk means for who wants to log something.
    pub(super) fn error(&self, error: &io::Error) -> AuditError {
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => AuditError::Full {
                free: self.disk.space().map_or(0, |space| space.free),
            },
            ErrorKind::ReadOnlyFilesystem => AuditError::ReadOnly,
            _ => AuditError::Failed(error.to_string()),
        }
    }
}
