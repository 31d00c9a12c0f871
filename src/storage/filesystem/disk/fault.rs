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

    /// Tells whether the shard must recover from disk before it goes on.
    #[must_use]
    pub const fn needs_recovery(&self) -> bool {
        matches!(self, Self::Unknown { .. })
    }

    /// Turns the fault into the answer for the caller. `reserve` is the configured `min_free_bytes`.
    #[must_use]
    pub fn into_error(self, free: u64, reserve: u64) -> StorageError {
        match self {
            Self::NoSpace => StorageError::Full { free, reserve },
            Self::ReadOnly => StorageError::ReadOnly,
            Self::Exists => {
                StorageError::Unavailable("a file appeared under this name meanwhile: try again".into())
            }
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
