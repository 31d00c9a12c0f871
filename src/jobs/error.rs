//! What can go wrong with jobs, with the stable code of each.

use crate::access::Missing;
use crate::admission::Refusal;
use crate::dify::DifyError;
use crate::metrics::Limit;
use crate::storage::StorageError;

use super::JobKind;

/// Why a request on jobs could not be fulfilled.
#[derive(Debug, Clone, thiserror::Error)]
pub enum JobError {
    /// No such kind.
    #[error("unknown job kind {kind:?}: use one of {}", JobKind::list())]
    UnknownKind {
        /// The refused kind, cut to a printable length.
        kind: String,
    },
    /// The parameters of the job are wrong. The message never repeats a value.
    #[error("{0}")]
    InvalidParams(String),
    /// The workflow document cannot be read.
    #[error("params.content: {0}")]
    InvalidDocument(#[source] DifyError),
    /// The workflow document, or what was found in it, is too large.
    #[error("{what} has {bytes} bytes; the limit is {limit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// The author may not have this done.
    #[error("this needs {0}, which your user does not have")]
    Forbidden(Missing),
    /// Too many jobs wait: in all, or of this author.
    #[error("{}", .0.describe("waiting jobs", Limit::JobsQueued.short_key(), Limit::JobsQueuedPerAuthor.short_key()))]
    Crowded(Refusal),
    /// Too many calls wait.
    #[error("{waiting} {what} are waiting: try again when some of them are done")]
    Busy {
        /// How many wait.
        waiting: usize,
        /// What waits, with the name of the limit.
        what: &'static str,
    },
    /// No such job; jobs that ended long ago are forgotten.
    #[error("job {0:?} does not exist, or ended so long ago that it was forgotten")]
    NotFound(String),
    /// The queue is down or stopping.
    #[error("{0}")]
    Unavailable(String),
    /// The ledger could not be read or written.
    #[error("job ledger: {0}")]
    Ledger(#[from] StorageError),
}

/// The longest part of a client's text that an error repeats, in characters.
const MAX_ECHO_CHARS: usize = 64;

impl JobError {
    /// Returns the stable code of the error, as clients see it.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::UnknownKind { .. } | Self::InvalidParams(_) => "invalid-request",
            Self::InvalidDocument(_) => "invalid-document",
            Self::TooLarge { .. } => "payload-too-large",
            Self::Forbidden(_) => "forbidden",
            Self::Busy { .. } | Self::Crowded(_) => "busy",
            Self::NotFound(_) => "not-found",
            Self::Unavailable(_) => "unavailable",
            Self::Ledger(error) => error.code(),
        }
    }

    pub(super) fn not_found(id: &str) -> Self {
        Self::NotFound(cut(id))
    }

    pub(super) fn unknown_kind(kind: &str) -> Self {
        Self::UnknownKind { kind: cut(kind) }
    }

    pub(super) fn stopping() -> Self {
        Self::Unavailable("promptd is stopping: try again when it is back".into())
    }
}

/// Cuts a client's text to what an error may repeat.
pub(super) fn cut(text: &str) -> String {
    text.chars().take(MAX_ECHO_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(error: &JobError, code: &str, says: &str) {
        assert_eq!(error.code(), code);
        assert!(error.to_string().contains(says), "{error}");
    }

    #[test]
    fn each_error_has_its_code_and_says_what_to_do() {
        check(
            &JobError::unknown_kind("bake"),
            "invalid-request",
            "use one of import, optimize, verify, rebuild_index, collect",
        );
        check(
            &JobError::InvalidDocument(DifyError::Empty),
            "invalid-document",
            "params.content: ",
        );
        check(
            &JobError::Busy {
                waiting: 3,
                what: "jobs",
            },
            "busy",
            "3 jobs are waiting",
        );
        check(&JobError::stopping(), "unavailable", "stopping");
        check(
            &StorageError::ReadOnly.into(),
            "read-only-storage",
            "job ledger: ",
        );
    }

    #[test]
    fn a_long_text_of_a_client_is_not_repeated_in_full() {
        assert!(JobError::not_found(&"x".repeat(10_000)).to_string().len() < 200);
    }
}
