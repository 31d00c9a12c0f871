//! Why nothing can be logged.

use crate::storage::StorageError;

/// Why nothing can be logged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuditError {
    /// No room on the disk.
    #[error(
        "the audit log cannot be written, so nothing is changed (daemon.audit.on_failure): the disk is full"
    )]
    Full {
        /// Free bytes.
        free: u64,
    },
    /// The file system is read-only.
    #[error(
        "the audit log cannot be written, so nothing is changed (daemon.audit.on_failure): it is on a read-only file system"
    )]
    ReadOnly,
    /// Something else.
    #[error("the audit log cannot be written, so nothing is changed (daemon.audit.on_failure): {0}")]
    Failed(String),
    /// The log is closed: the daemon stops, or the thread that writes has failed just now.
    #[error("the audit log is closed: promptd is stopping, or its log says what failed")]
    Closed,
    /// A part of the log is not what it should be.
    #[error("the audit log is damaged: {0}")]
    Damaged(String),
}

impl From<AuditError> for StorageError {
    fn from(error: AuditError) -> Self {
        match error {
            AuditError::Full { free } => Self::Full { free, reserve: 0 },
            AuditError::ReadOnly => Self::ReadOnly,
            other => Self::Unavailable(other.to_string()),
        }
    }
}
