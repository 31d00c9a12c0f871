//! Where jobs are written down: one interface, [`Ledger`], and the ledger for tests and memory-only stores.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::http::wire::JobView;
use crate::storage::{Problem, StorageError};

use super::record::DamagedRecord;
use super::schedule::Lane;
use super::{JobId, Record};

/// Writes jobs down so that they outlive the daemon. Synchronous: call it where waiting is allowed.
///
/// Entries of different jobs may be written at the same time; one entry has one writer at a time.
pub trait Ledger: Send + Sync + fmt::Debug + 'static {
    /// Removes leftovers of interrupted writes and reads every entry. What is damaged is reported and left alone.
    ///
    /// # Errors
    /// What the disk says when nothing can be read at all.
    fn open(&self) -> Result<LedgerContent, StorageError>;

    /// Reads every entry and returns what is wrong with any. Changes nothing.
    fn check(&self) -> Vec<Problem> {
        Vec::new()
    }

    /// Reads one entry.
    ///
    /// # Errors
    /// What is wrong with it, or what the disk says.
    fn read(&self, id: &JobId) -> Result<Record, StorageError>;

    /// Writes an entry, in place of the one before. When this answers, it is durable. Returns its size in bytes.
    ///
    /// # Errors
    /// What the disk says. The entry from before is then still there, unless the error is `Interrupted`.
    fn write(&self, record: &Record) -> Result<u64, StorageError>;

    /// Forgets the entry of a job that has ended; that it is absent is no error. A crash may bring it back.
    ///
    /// # Errors
    /// What the disk says.
    fn remove(&self, id: &JobId) -> Result<(), StorageError>;

    /// Forgets an entry that must not run again: when this answers, no crash brings it back.
    ///
    /// # Errors
    /// What the disk says; then it may come back.
    fn withdraw(&self, id: &JobId) -> Result<(), StorageError> {
        self.remove(id)
    }
}

/// What a ledger holds at the start.
#[derive(Debug, Default)]
pub struct LedgerContent {
    /// The jobs, in the order of their submission.
    pub entries: Vec<LedgerEntry>,
    /// What could not be read.
    pub problems: Vec<Problem>,
}

/// What the queue keeps of an entry in memory: everything but what the job needs to run.
#[derive(Debug, Clone)]
pub struct LedgerEntry {
    pub(super) id: JobId,
    pub(super) view: JobView,
    pub(super) lane: Lane,
    pub(super) bytes: u64,
}

impl LedgerContent {
    /// Adds what stands in one entry, or what is wrong with it.
    pub(super) fn add(&mut self, id: &JobId, path: &std::path::Path, bytes: &[u8]) {
        let entry = Record::parse(id, bytes).and_then(|record| {
            let unknown = || DamagedRecord("a kind of job that this promptd does not know".into());
            record
                .into_entry(id.clone(), bytes.len() as u64)
                .ok_or_else(unknown)
        });
        match entry {
            Ok(entry) => self.entries.push(entry),
            Err(DamagedRecord(reason)) => self.report(path, &reason),
        }
    }

    /// Adds a problem, and tells the log.
    pub(super) fn report(&mut self, path: &std::path::Path, reason: &str) {
        tracing::warn!(path = %path.display(), reason, "a ledger entry is left alone");
        let message = format!("{reason}: left as it is, its job is not known");
        self.problems.push(Problem::new(path, "corrupt-job", message));
    }

    pub(super) fn sort(&mut self) {
        self.entries.sort_by(|a, b| a.id.cmp(&b.id));
    }
}

/// A ledger that forgets everything when the process ends.
#[derive(Default)]
pub struct MemoryLedger {
    entries: Mutex<BTreeMap<JobId, Vec<u8>>>,
}

impl MemoryLedger {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<JobId, Vec<u8>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for MemoryLedger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryLedger")
            .field("entries", &self.lock().len())
            .finish()
    }
}

impl Ledger for MemoryLedger {
    fn open(&self) -> Result<LedgerContent, StorageError> {
        let mut content = LedgerContent::default();
        for (id, bytes) in self.lock().iter() {
            content.add(id, std::path::Path::new(id.as_str()), bytes);
        }
        Ok(content)
    }

    fn read(&self, id: &JobId) -> Result<Record, StorageError> {
        let bytes = self.lock().get(id).cloned().unwrap_or_default();
        Record::parse(id, &bytes).map_err(|DamagedRecord(reason)| failed("reading", id, reason))
    }

    fn write(&self, record: &Record) -> Result<u64, StorageError> {
        let id = id_of(record)?;
        let bytes = record.render().map_err(|reason| failed("writing", &id, reason))?;
        let size = bytes.len() as u64;
        self.lock().insert(id, bytes);
        Ok(size)
    }

    fn remove(&self, id: &JobId) -> Result<(), StorageError> {
        self.lock().remove(id);
        Ok(())
    }
}

/// Returns the name of the job of an entry.
pub(super) fn id_of(record: &Record) -> Result<JobId, StorageError> {
    let invalid = || StorageError::Unavailable("a ledger entry without a job id".into());
    JobId::parse(record.job_id()).ok_or_else(invalid)
}

pub(super) fn failed(doing: &'static str, id: &JobId, message: String) -> StorageError {
    StorageError::Io {
        doing,
        path: id.as_str().into(),
        message,
    }
}
