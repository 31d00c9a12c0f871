//! What a system error means for the store.

use std::io;
use std::path::Path;

use rustix::io::Errno;

use crate::storage::StorageError;

/// What became of a write, by the error that ended it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DiskFault {
    /// No room; nothing happened.
    NoSpace,
    /// The file system is read-only; nothing happened.
    ReadOnly,
    /// The name is taken; nothing happened.
    Exists,
    /// What was to be changed is not there; nothing happened.
    Absent,
    /// The file would be larger than what is read back; nothing happened.
    TooLarge {
        /// Its size.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// Nothing is written here any more, for the reason given; nothing happened.
    Refused(String),
    /// Nothing happened, for another reason.
    Failed {
        /// What was tried.
        doing: &'static str,
        /// Where.
        path: String,
        /// What the system said.
        message: String,
    },
    /// Nobody knows what happened: what is visible may not be durable. The shard must recover from disk.
    Unknown {
        /// What was tried.
        doing: &'static str,
        /// Where.
        path: String,
        /// What the system said.
        message: String,
    },
}

impl DiskFault {
    /// Classifies an error before anything became visible.
    #[must_use]
    pub fn before(doing: &'static str, path: &Path, error: &io::Error) -> Self {
        match error.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::NOSPC | Errno::DQUOT) => Self::NoSpace,
            Some(Errno::ROFS) => Self::ReadOnly,
            Some(Errno::EXIST) => Self::Exists,
            _ => Self::Failed {
                doing,
                path: path.display().to_string(),
                message: error.to_string(),
            },
        }
    }

    /// Classifies an error after which the outcome is unknown: a failed fsync, or a failed change of a final name.
    #[must_use]
    pub fn unknown(doing: &'static str, path: &Path, error: &io::Error) -> Self {
        Self::Unknown {
            doing,
            path: path.display().to_string(),
            message: error.to_string(),
        }
    }

    /// Classifies an error of a call that changes a final name.
    #[must_use]
    pub fn naming(doing: &'static str, path: &Path, error: &io::Error) -> Self {
        match error.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::IO) => Self::unknown(doing, path, error),
            _ => Self::before(doing, path, error),
        }
    }

    /// Classifies an error of writing or syncing the bytes of a file that has no final name yet. Such a file is thrown away,
    /// so that a full or read-only disk is a plain answer; anything else says that the disk cannot be trusted.
    #[must_use]
    pub fn content(doing: &'static str, path: &Path, error: &io::Error) -> Self {
        match Self::before(doing, path, error) {
            fault @ (Self::NoSpace | Self::ReadOnly) => fault,
            _ => Self::unknown(doing, path, error),
        }
    }

    /// Makes a fault of one that came when a part of the change was done already: only the disk knows which part.
    #[must_use]
    pub fn halfway(self) -> Self {
        match self {
            Self::Unknown { .. } => self,
            Self::Failed { doing, path, message } => Self::Unknown { doing, path, message },
            other => Self::Unknown {
                doing: "changing",
                path: "the store".to_owned(),
                message: format!("{other:?} in the middle of it"),
            },
        }
    }

    /// Tells whether the shard must recover from disk before it goes on.
    #[must_use]
    pub const fn needs_recovery(&self) -> bool {
        matches!(self, Self::Unknown { .. })
    }

    /// Turns the fault into the answer for the caller. `resume` is how much must be free before something
    /// new is written again.
    #[must_use]
    pub fn into_error(self, free: u64, resume: u64) -> StorageError {
        match self {
            Self::NoSpace => StorageError::Full {
                free,
                reserve: resume,
            },
            Self::ReadOnly => StorageError::ReadOnly,
            Self::Exists => {
                StorageError::Unavailable("a file appeared under this name meanwhile: try again".into())
            }
            Self::Absent => {
                StorageError::Unavailable("a file went away under this name meanwhile: try again".into())
            }
            Self::TooLarge { size, limit } => StorageError::TooLarge { size, limit },
            Self::Refused(reason) => StorageError::Unavailable(reason),
            Self::Failed { doing, path, message } => StorageError::Io {
                doing,
                path: path.into(),
                message,
            },
            Self::Unknown { doing, path, message } => {
                StorageError::Interrupted(format!("{doing} {path}: {message}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_a_plain_answer_until_a_part_is_done() {
        let fault = |errno: Errno| {
            let error = io::Error::from_raw_os_error(errno.raw_os_error());
            DiskFault::content("syncing", Path::new("x"), &error)
        };
        assert_eq!(fault(Errno::NOSPC), DiskFault::NoSpace);
        assert_eq!(fault(Errno::ROFS), DiskFault::ReadOnly);
        assert!(fault(Errno::IO).needs_recovery());
        assert!(fault(Errno::MFILE).needs_recovery());
        for errno in [Errno::NOSPC, Errno::ROFS, Errno::IO, Errno::ACCESS] {
            assert!(fault(errno).halfway().needs_recovery());
        }
    }

    #[test]
    fn each_fault_has_the_code_that_callers_can_act_on() {
        let failed = DiskFault::Failed {
            doing: "linking",
            path: "x".into(),
            message: "no".into(),
        };
        for (fault, code) in [
            (DiskFault::NoSpace, "storage-full"),
            (DiskFault::ReadOnly, "read-only-storage"),
            (DiskFault::Exists, "unavailable"),
            (DiskFault::Absent, "unavailable"),
            (DiskFault::TooLarge { size: 2, limit: 1 }, "payload-too-large"),
            (DiskFault::Refused("no".into()), "unavailable"),
            (failed.clone(), "unavailable"),
            (failed.halfway(), "interrupted"),
        ] {
            assert_eq!(fault.clone().into_error(0, 0).code(), code, "{fault:?}");
        }
    }

    fn check(errno: Errno, before: &DiskFault, recovery_after_naming: bool) {
        let error = io::Error::from_raw_os_error(errno.raw_os_error());
        assert_eq!(&DiskFault::before("writing", Path::new("x"), &error), before);
        assert_eq!(
            DiskFault::naming("renaming", Path::new("x"), &error).needs_recovery(),
            recovery_after_naming
        );
        assert!(DiskFault::unknown("syncing", Path::new("x"), &error).needs_recovery());
    }

    #[test]
    fn each_error_number_has_one_meaning() {
        check(Errno::NOSPC, &DiskFault::NoSpace, false);
        check(Errno::DQUOT, &DiskFault::NoSpace, false);
        check(Errno::ROFS, &DiskFault::ReadOnly, false);
        check(Errno::EXIST, &DiskFault::Exists, false);
        let message = io::Error::from_raw_os_error(Errno::IO.raw_os_error()).to_string();
        check(
            Errno::IO,
            &DiskFault::Failed {
                doing: "writing",
                path: "x".into(),
                message,
            },
            true,
        );
    }
}
